/** The Worker that a store's database lives in, with the permissions of its folder and no others. */
import { pack } from "./packed_page.ts";
import type { StoreReply, StoreRequest } from "./protocol.ts";
import { SqliteStore } from "./sqlite_store.ts";

let store: SqliteStore | undefined;

const scope = self as unknown as {
  onmessage: (event: MessageEvent<StoreRequest>) => void;
  postMessage(reply: StoreReply, transfer?: ArrayBuffer[]): void;
};

scope.onmessage = async ({ data }) => {
  let reply: StoreReply;
  try {
    reply = await answer(data);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { kind: "failed", message };
  }
  scope.postMessage(reply, reply.kind === "queue-paged" ? [reply.page.data.buffer, reply.page.heads.buffer] : []);
};

async function answer(request: StoreRequest): Promise<StoreReply> {
  if (request.kind === "open") {
    store = SqliteStore.open(request.path, request.options);
    const { isFull, foundVersion } = store;
    return { kind: "opened", isFull, foundVersion };
  }
  if (store === undefined) throw new Error("Cannot use the store: it is not open");
  switch (request.kind) {
    case "load":
      return { kind: "loaded", state: await store.load() };
    case "commit":
      store.commitBatch(request.batch);
      return { kind: "done", isFull: store.isFull };
    case "page":
      return { kind: "paged", page: pack(store.page(request.request)) };
    case "load-queues":
      return { kind: "queues-loaded", state: store.queues.loadQueues() };
    case "queue-page":
      return { kind: "queue-paged", page: store.queues.packedPage(request.request) };
    case "count-queue":
      return { kind: "queue-counted", amount: store.queues.countQueue(request.request) };
    case "queue-delays":
      return { kind: "delays-paged", page: store.queues.queueDelays(request.now, request.limit) };
    case "compact-queue":
      return { kind: "queue-compacted", compaction: store.queues.compactQueue(request.request) };
    case "maintain": {
      const hasMore = store.maintain();
      return { kind: "maintained", hasMore, isFull: store.isFull };
    }
    case "close":
      await store.close();
      return { kind: "done", isFull: false };
  }
}
