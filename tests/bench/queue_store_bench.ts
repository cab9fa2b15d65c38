/** Appending, reading and settling in the store, through its Worker, behind a backlog of any size:
 * `deno run -A tests/bench/queue_store_bench.ts --records 10000000 --sync full`. Prints one line a figure, and removes what it wrote. */
import { parseArgs } from "node:util";
import type { Mutation } from "../../src/core/mutation.ts";
import { DEFAULT_QUEUE } from "../../src/core/queue/definition.ts";
import type { QueueRecord } from "../../src/core/queue/record.ts";
import type { StorageSync } from "../../src/store/sqlite/sqlite_store.ts";
import { WorkerStore } from "../../src/store/sqlite/worker_store.ts";

const { values } = parseArgs({
  options: {
    records: { type: "string", default: "10000" },
    batch: { type: "string", default: "100" },
    sync: { type: "string", default: "full" },
    folder: { type: "string", default: "" },
  },
});
const backlog = Number(values.records);
const batch = Number(values.batch);
const folder = Deno.makeTempDirSync({ prefix: "weir-bench-", dir: values.folder === "" ? undefined : values.folder });
const sync = values.sync as StorageSync;

const LOG = 2;
const GROUP = 3;
const payload = crypto.getRandomValues(new Uint8Array(256));
let offset = 0;

function record(): QueueRecord {
  const names = { topic: "$queue/orders/eu", sourceTopic: "", key: "", messageKey: "", group: "" };
  const rest = { priority: 0, expiresAt: Infinity, origin: undefined, properties: new Uint8Array(), payload };
  return { ...names, ...rest, offset: offset++, appendedAt: Date.now() };
}

function append(count: number): Mutation[] {
  return Array.from({ length: count }, () => ({ kind: "queue-appended", logId: LOG, record: record() }));
}

function say(what: string, count: number, ms: number): void {
  console.log(`${what.padEnd(44)} ${Math.round(1000 * count / ms).toLocaleString("en")} /s`);
}

function open(sync: StorageSync): Promise<WorkerStore> {
  return WorkerStore.open({ folder, path: `${folder}/weir.db`, sync });
}

async function fill(): Promise<void> {
  const store = await open("off");
  await store.load();
  await store.commit([
    { kind: "queue-saved", queueId: 1, definition: { name: "orders", ...DEFAULT_QUEUE } },
    { kind: "queue-log-opened", logId: LOG, queueId: 1, partition: 0, priority: 0 },
    ...[{ groupId: GROUP, queueId: 1, name: "g", filter: "#", clientId: "", idleSince: 0 }].map((group) => {
      return { kind: "queue-group-saved", ...group } as const;
    }),
  ]);
  while (offset < backlog) await store.commit(append(Math.min(1_000, backlog - offset)));
  await store.close();
}

async function measureAppends(store: WorkerStore): Promise<void> {
  for (const pipeline of [1, 4]) {
    const count = 100_000;
    const start = performance.now();
    const waiting: Promise<void>[] = [];
    for (let i = 0; i < count; i += batch) {
      waiting.push(store.commit(append(batch)));
      if (waiting.length === pipeline) await waiting.shift();
    }
    await Promise.all(waiting);
    say(`append in commits of ${batch}, ${pipeline} at a time`, count, performance.now() - start);
  }
}

async function measurePages(store: WorkerStore): Promise<void> {
  const from = Math.floor(Math.random() * Math.max(1, backlog - 1_000_000));
  const end = Math.min(offset, from + 1_000_000);
  let at = from;
  let count = 0;
  const start = performance.now();
  while (at < end) {
    const request = { logId: LOG, from: at, to: end, limit: 1_000, bytesMax: 1024 * 1024 };
    const page = await store.queues.queuePage(request);
    if (page.length === 0) break;
    count += page.length;
    at = page.at(-1)!.offset + 1;
  }
  say("read in pages of 1,000", count, performance.now() - start);
}

async function measureSettling(store: WorkerStore): Promise<void> {
  const count = Math.min(backlog, 200_000);
  const start = performance.now();
  for (let at = 0; at < count; at += batch) {
    const commit: Mutation[] = Array.from({ length: batch }, (_, i) => {
      return { kind: "queue-settled", groupId: GROUP, logId: LOG, from: at + i, to: at + i + 1, position: at + i + 1 };
    });
    await store.commit(commit);
  }
  say(`settle in commits of ${batch}`, count, performance.now() - start);
}

async function measureTrim(store: WorkerStore): Promise<void> {
  const start = performance.now();
  await store.commit([{ kind: "queue-trimmed", logId: LOG, before: offset }]);
  let longest = performance.now() - start;
  let rounds = 0;
  for (let hasMore = true; hasMore; rounds++) {
    const before = performance.now();
    hasMore = await store.maintain();
    longest = Math.max(longest, performance.now() - before);
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `trim all: swept out in ${seconds.toFixed(1)} s, ${rounds} rounds, the longest ${longest.toFixed(0)} ms`,
  );
}

try {
  const begun = performance.now();
  await fill();
  say("fill (sync off, commits of 1,000)", backlog, performance.now() - begun);
  const size = Deno.statSync(`${folder}/weir.db`).size;
  console.log(`database of ${backlog.toLocaleString("en")} records: ${(size / 1e6).toFixed(0)} MB`);
  const opening = performance.now();
  const store = await open(sync);
  await store.load();
  const opened = performance.now();
  await store.queues.loadQueues();
  const loaded = performance.now();
  console.log(`start: open ${(opened - opening).toFixed(0)} ms, load queues ${(loaded - opened).toFixed(0)} ms`);
  await measureAppends(store);
  await measurePages(store);
  await measureSettling(store);
  await measureTrim(store);
  await store.close();
} finally {
  Deno.removeSync(folder, { recursive: true });
}
