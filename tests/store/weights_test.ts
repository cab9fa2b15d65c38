/** What the memory store says it keeps, held against a count from the beginning. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Mutation } from "../../src/core/mutation.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { anyQueueStep, QueueAuthor } from "../contract/queue_random_contract.ts";
import { body, delivery, done, session, subscription, will } from "../contract/mutations.ts";
import { consumer, queuesOf, recordsOf } from "../contract/queue_mutations.ts";
import { anyStep, Model } from "../contract/random_contract.ts";

/** A store that was never told of anything but what `store` holds now. */
async function recounted(store: MemoryStore): Promise<number> {
  const again = new MemoryStore();
  again.commit([...await sessionsOf(store), ...await queueMutationsOf(store)]);
  return again.bytes;
}

async function sessionsOf(store: MemoryStore): Promise<Mutation[]> {
  const { sessions, subscriptions, bodies, deliveries, backlogs, receivedPacketIds, retained, wills } = await store
    .load();
  assert.equal(backlogs.length, 0);
  return [
    ...sessions.map((row) => ({ kind: "session-saved", ...row } as const)),
    ...subscriptions.map((row) => ({ kind: "subscribed", ...row } as const)),
    ...bodies.map((row) => ({ kind: "body-stored", ...row } as const)),
    ...deliveries.map((row) => ({ kind: "delivery-stored", ...row } as const)),
    ...receivedPacketIds.map((row) => ({ kind: "packet-id-received", ...row } as const)),
    ...retained.map((row) => ({ kind: "retained-set", ...row } as const)),
    ...wills.map((row) => ({ kind: "will-saved", ...row } as const)),
  ];
}

async function queueMutationsOf(store: MemoryStore): Promise<Mutation[]> {
  const { queues, logs, groups, positions, failures, keys, consumers } = await queuesOf(store).loadQueues();
  const { delays } = await queuesOf(store).queueDelays(Infinity, 10_000);
  const records = await Promise.all(logs.map(async ({ logId }) => {
    return (await recordsOf(store, logId)).map((record) => ({ kind: "queue-appended", logId, record } as const));
  }));
  return [
    ...queues.map((row) => ({ kind: "queue-saved", ...row } as const)),
    ...logs.map((row) => ({ kind: "queue-log-opened", ...row } as const)),
    ...records.flat(),
    ...groups.map((row) => ({ kind: "queue-group-saved", ...row } as const)),
    ...positions.map((row) => ({ kind: "queue-positioned", ...row } as const)),
    ...failures.map((row) => ({ kind: "queue-failed", ...row } as const)),
    ...delays.map((row) => ({ kind: "queue-delayed", ...row } as const)),
    ...keys.map((row) => ({ kind: "queue-key-noted", ...row } as const)),
    ...consumers.map((row) => ({ kind: "queue-consumer-saved", ...row } as const)),
  ];
}

Deno.test("after any mutations as many bytes are counted as when what is there had come alone, and none when all has gone", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: "max" }), async (steps) => {
      const store = new MemoryStore();
      const model = new Model();
      for (const step of steps) store.commit(model.run(step));
      assert.equal(store.bytes, await recounted(store));
      const { sessions, retained, wills } = await store.load();
      store.commit([
        ...sessions.map(({ clientId }) => ({ kind: "session-ended", clientId } as const)),
        ...retained.map(({ topic }) => ({ kind: "retained-cleared", topic } as const)),
        ...wills.map(({ clientId }) => ({ kind: "will-cleared", clientId } as const)),
      ]);
      assert.equal(store.bytes, 0);
    }),
  );
});

Deno.test("after any mutations of queues as many bytes are counted as when what is there had come alone, and none when all has gone", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyQueueStep, { maxLength: 80, size: "max" }), async (steps) => {
      const store = new MemoryStore();
      const author = new QueueAuthor();
      for (const step of steps) {
        store.commit(author.write(step));
        if (step.then !== "compact") continue;
        for (const { logId, next } of author.logs) {
          await store.queues.compactQueue({ logId, from: 0, to: next, tombstonesBefore: step.pick * 700 });
        }
      }
      store.commit([
        session("alice"),
        consumer("alice", "$queue/q"),
        consumer("alice", "$queue/q", { group: "other" }),
      ]);
      assert.equal(store.bytes, await recounted(store));
      const { queues } = await store.queues.loadQueues();
      store.commit([{ kind: "session-ended", clientId: "alice" }]);
      store.commit(queues.map(({ queueId }) => ({ kind: "queue-deleted", queueId })));
      assert.equal(store.bytes, 0);
    }),
  );
});

Deno.test("what clients choose counts byte by byte, a body once for all who wait for it", () => {
  const store = new MemoryStore();
  const grown = (...mutations: readonly Mutation[]) => {
    const before = store.bytes;
    store.commit(mutations);
    return store.bytes - before;
  };
  const empty = grown(session("a"), subscription("a", "f"), will("a", { payload: new Uint8Array() }));
  const longer = grown(session("bb"), subscription("bb", "ff"), will("bb", { payload: new Uint8Array(1_000) }));
  assert.equal(longer - empty, 1 + 1 + 1_000);
  const one = grown(body(1, { payload: new Uint8Array(10_000) }), delivery("a", 1, 1));
  assert.ok(one > 10_000 && one < 12_000, `${one}`);
  assert.ok(grown(delivery("bb", 2, 1)) < 1_000);
  assert.ok(grown(done("a", 1)) > -1_000);
  assert.ok(grown(done("bb", 2)) < -10_000);
  assert.ok(grown(subscription("a", "/".repeat(100))) > 10_000, "each level is a place in a tree");
});

Deno.test("it is full when no more than a sixteenth is left, which is in reserve, and has room again when an eighth is", () => {
  const store = new MemoryStore({ bytesMax: 64_000 });
  store.commit([session("alice")]);
  const grown = (id: number, bytes: number) =>
    store.commit([body(id, { payload: new Uint8Array(bytes) }), delivery("alice", id, id)]);
  const standing = () => [store.isFull, store.hasReserve];
  grown(1, 54_000);
  assert.deepEqual(standing(), [false, true], `${store.bytes}`);
  grown(2, 3_000);
  assert.deepEqual(standing(), [true, true], `${store.bytes}`);
  grown(3, 2_000);
  assert.deepEqual(standing(), [true, false], `${store.bytes}`);
  store.commit([done("alice", 3)]);
  assert.deepEqual(standing(), [true, true], `${store.bytes}`);
  store.commit([done("alice", 2)]);
  assert.deepEqual(standing(), [true, true], `${store.bytes}`);
  grown(4, 100);
  store.commit([done("alice", 1)]);
  assert.deepEqual(standing(), [false, true], `${store.bytes}`);
  const unlimited = new MemoryStore({ bytesMax: Infinity });
  assert.deepEqual([unlimited.isFull, unlimited.hasReserve], [false, true]);
});
