// What every store that keeps queues must do.
import assert from "node:assert/strict";
import { DEFAULT_QUEUE } from "../../src/core/queue/definition.ts";
import { recordBytes } from "../../src/core/queue/record.ts";
import { line, session } from "./mutations.ts";
import {
  appended,
  consumer,
  entry,
  failed,
  group,
  log,
  plain,
  queue,
  queueContents,
  queuesOf,
  record,
  recordsOf,
  settled,
} from "./queue_mutations.ts";
import { queueRandomContract } from "./queue_random_contract.ts";
import { type Contract, type OpenStore, StoreBench } from "./store_contract.ts";

const PLACE = { groupId: 3, logId: 2 };

/** Declares the suite for one implementation; `open` answers an empty store each time. */
export function queueContract(name: string, open: OpenStore): void {
  const contract: Contract = (sentence, test) => {
    Deno.test(`${name}: ${sentence}`, async () => {
      const bench = new StoreBench(await open());
      try {
        await test(bench);
      } finally {
        await bench.store.close();
      }
    });
  };
  definitionContract(contract);
  logContract(contract);
  countContract(contract);
  trimContract(contract);
  groupContract(contract);
  waitingContract(contract);
  compactionContract(contract);
  queueRandomContract(name, open);
}

async function loaded(bench: StoreBench) {
  await bench.load();
  return await queuesOf(bench.store).loadQueues();
}

function offsets(records: readonly { readonly offset: number }[]): number[] {
  return records.map(({ offset }) => offset);
}

function definitionContract(contract: Contract): void {
  contract("an empty store has no queues", async (bench) => {
    const { nextDelayAt, lastId, ...lists } = await loaded(bench);
    assert.deepEqual([nextDelayAt, lastId], [Infinity, 0]);
    for (const list of Object.values(lists)) assert.deepEqual(list, []);
  });

  contract("a queue comes back as it was defined last, what is infinite too", async (bench) => {
    const retention = { ...DEFAULT_QUEUE.retention, ageMs: 5, messages: 7, isCompacted: true };
    const last = queue(1, { name: "ö/$dlq", topics: ["a/#"], deliveryLimit: Infinity, retention });
    await bench.commit([queue(1), queue(2)]);
    await bench.commit([last]);
    const { queues } = await loaded(bench);
    assert.deepEqual(queues, [
      { queueId: 1, definition: last.definition },
      { queueId: 2, definition: queue(2).definition },
    ]);
  });

  contract("a queue that is deleted takes everything with it, and no id comes again", async (bench) => {
    await bench.commit([queue(1), log(2, 1), appended(2, 0), group(3, 1), settled(PLACE, [0, 1], 1), failed(PLACE, 5)]);
    await bench.commit([
      { kind: "queue-delayed", delayId: 9, queueId: 1, partition: 0, dueAt: 5, entry: entry() },
      { kind: "queue-key-noted", queueId: 1, messageKey: "k", at: 5 },
      { kind: "queue-deleted", queueId: 1 },
    ]);
    const { lastId, nextDelayAt, ...lists } = await loaded(bench);
    assert.deepEqual([lastId, nextDelayAt], [9, Infinity]);
    for (const list of Object.values(lists)) assert.deepEqual(list, []);
    assert.deepEqual(await recordsOf(bench.store, 2), []);
    assert.deepEqual(await queuesOf(bench.store).queueDelays(100, 10), { delays: [], nextAt: Infinity });
  });
}

function logContract(contract: Contract): void {
  contract("a record comes back with all it is made of", async (bench) => {
    const origin = {
      ...{ cause: "rejected" as const, reason: "ne\u0000in ☕", queue: "p", partition: 3, offset: 2 ** 42, group: "g" },
      ...{ deliveryCount: 4, appendedAt: 1, failedAt: 2, movedAt: 3 },
    } as const;
    const full = record(0, {
      ...{ topic: "$queue/q/ä/b", sourceTopic: "a/b", key: "k".repeat(200), messageKey: "m", priority: 9, group: "é" },
      ...{ expiresAt: 4e12, origin, properties: Uint8Array.of(1, 2), payload: new Uint8Array(100_000).fill(3) },
    });
    const odd = record(2 ** 42, { topic: "$queue/q", payload: new Uint8Array(), appendedAt: 1.7e12 });
    const all = [full, record(1, { topic: full.topic }), odd, { ...odd, offset: odd.offset + 1 }];
    await bench.commit([
      queue(1),
      log(2, 1),
      ...all.map((record) => ({ kind: "queue-appended", logId: 2, record } as const)),
    ]);
    await bench.load();
    assert.deepEqual((await recordsOf(bench.store, 2)).map(line), all.map(line));
  });

  contract("a page holds what is asked for and no more", async (bench) => {
    const payload = new Uint8Array(92); // 100 bytes with the topic
    const all = Array.from({ length: 1_000 }, (_, i) => appended(2, 3 * i, { payload }));
    await bench.commit([queue(1), log(2, 1), log(5, 1, 1), appended(5, 0)]);
    for (let i = 0; i < all.length; i += 130) await bench.commit(all.slice(i, i + 130));
    const page = async (from: number, to: number, limit: number, bytesMax: number) => {
      return offsets(await queuesOf(bench.store).queuePage({ logId: 2, from, to, limit, bytesMax }));
    };
    assert.deepEqual(await page(0, 3_000, 3, 1e6), [0, 3, 6]);
    assert.deepEqual(await page(1, 3_000, 2, 1e6), [3, 6]);
    assert.deepEqual(await page(4, 9, 10, 1e6), [6]);
    assert.deepEqual(await page(7, 9, 10, 1e6), []);
    assert.deepEqual(await page(300, 3_000, 10, 250), [300, 303]);
    assert.deepEqual(await page(300, 3_000, 10, 1), [300], "one comes however large it is");
    assert.deepEqual(await page(2_997, 9_000, 10, 1e6), [2_997]);
    assert.deepEqual(await page(2_998, 9_000, 10, 1e6), []);
    assert.equal((await page(0, 3_000, 500, 1e6)).length, 500);
    assert.deepEqual((await page(780, 3_000, 500, 1e6))[0], 780);
    assert.deepEqual(await recordsOf(bench.store, 99), [], "a log that nobody has opened");
  });

  contract("segments cover what is in a log, and are closed in time", async (bench) => {
    await bench.commit([queue(1), log(2, 1)]);
    const all = Array.from({ length: 3_000 }, (_, i) => appended(2, i, { appendedAt: i < 2_900 ? i : 70_000 + i }));
    for (let i = 0; i < all.length; i += 100) await bench.commit(all.slice(i, i + 100));
    const { logs: [{ segments, first, next }] } = await loaded(bench);
    assert.deepEqual([first, next], [0, 3_000]);
    assert.equal(segments.reduce((sum, { count }) => sum + count, 0), 3_000);
    assert.equal(
      segments.reduce((sum, { bytes }) => sum + bytes, 0),
      all.reduce((sum, { record }) => sum + recordBytes(record), 0),
    );
    assert.ok(segments.length <= 5, `${segments.length} segments`);
    for (const [i, { from, count, firstAt, lastAt }] of segments.entries()) {
      assert.ok(count <= 1_024, `${count} records`);
      assert.ok(lastAt - firstAt < 60_000, "not longer than a minute");
      assert.equal((segments[i + 1]?.from ?? next) - from, count);
      assert.equal(firstAt, all[from].record.appendedAt);
      assert.equal(lastAt, all[from + count - 1].record.appendedAt);
    }
  });
}

function countContract(contract: Contract): void {
  contract(
    "what lies in ranges of a log is counted, however its records came and whatever is trimmed",
    async (bench) => {
      const all = Array.from({ length: 300 }, (_, i) => appended(2, 3 * i, { payload: new Uint8Array(i % 7) }));
      await bench.commit([queue(1), log(2, 1), log(5, 1, 1), appended(5, 1)]);
      for (let i = 0; i < all.length; i += 90) await bench.commit(all.slice(i, i + 90));
      const counted = async (...ranges: number[]) => {
        const { count, bytes } = await queuesOf(bench.store).countQueue({ logId: 2, ranges });
        const inside = all.filter(({ record: { offset } }) => {
          return offset >= trimmed && ranges.some((from, i) => i % 2 === 0 && offset >= from && offset < ranges[i + 1]);
        });
        assert.deepEqual(
          { count, bytes },
          { count: inside.length, bytes: inside.reduce((sum, { record }) => sum + recordBytes(record), 0) },
          `${ranges}`,
        );
        return count;
      };
      let trimmed = 0;
      assert.equal(await counted(0, 900), 300);
      assert.equal(await counted(0, 1, 3, 4, 5, 6), 2);
      assert.equal(await counted(100, 110, 500, 501, 600, 891), 3 + 0 + 97);
      assert.equal(await counted(), 0);
      assert.equal(await counted(897, 2_000), 1);
      trimmed = 400;
      await bench.commit([{ kind: "queue-trimmed", logId: 2, before: trimmed }]);
      assert.equal(await counted(0, 405, 890, 900), 4);
      assert.deepEqual(await queuesOf(bench.store).countQueue({ logId: 99, ranges: [0, 9] }), { count: 0, bytes: 0 });
    },
  );
}

function trimContract(contract: Contract): void {
  contract("what is trimmed is gone at once, in the middle of a commit's records too", async (bench) => {
    const all = Array.from({ length: 40 }, (_, i) => appended(2, i));
    await bench.commit([queue(1), log(2, 1), ...all]);
    await bench.commit([{ kind: "queue-trimmed", logId: 2, before: 17 }]);
    const request = { logId: 2, from: 0, to: 100, limit: 3, bytesMax: 1_000 };
    assert.deepEqual(offsets(await queuesOf(bench.store).queuePage(request)), [17, 18, 19]);
    const { logs: [{ first, next, segments }] } = await loaded(bench);
    assert.deepEqual([first, next], [17, 40]);
    assert.deepEqual(segments.map(({ from, count }) => [from, count]), [[17, 23]]);
    await bench.commit([{ kind: "queue-trimmed", logId: 2, before: 5 }]);
    assert.equal((await recordsOf(bench.store, 2)).length, 23, "nothing comes again");
  });

  contract("a log that is trimmed to its end goes on behind it", async (bench) => {
    await bench.commit([queue(1), log(2, 1), appended(2, 0), appended(2, 1)]);
    await bench.commit([{ kind: "queue-trimmed", logId: 2, before: 2 }]);
    const { logs: [{ first, next, segments }] } = await loaded(bench);
    assert.deepEqual([first, next, segments.length], [2, 2, 0]);
    await bench.commit([appended(2, 2), appended(2, 3)]);
    await bench.commit([{ kind: "queue-trimmed", logId: 2, before: 4 }, appended(2, 4)]);
    assert.deepEqual(offsets(await recordsOf(bench.store, 2)), [4]);
  });
}

function positioned(position: number, notBefore = 0) {
  return { kind: "queue-positioned", ...PLACE, position, notBefore } as const;
}

function groupContract(contract: Contract): void {
  contract("a group's place: position, ranges and failures, as the last word says", async (bench) => {
    const other = { groupId: 3, logId: 5 };
    await bench.commit([
      queue(1),
      log(2, 1),
      log(5, 1, 1),
      group(3, 1, { filter: "a/#", clientId: "c", idleSince: 7 }),
    ]);
    await bench.commit([failed(PLACE, 4), failed(PLACE, 6, { failures: 2 }), failed(PLACE, 20), failed(other, 4)]);
    await bench.commit([settled(PLACE, [5, 9], 3), settled(PLACE, [12, 15], 3), settled(PLACE, [9, 12], 4)]);
    const { groups, positions, failures } = await loaded(bench);
    assert.deepEqual(groups.map((each) => ({ ...each })), [{
      ...{ groupId: 3, queueId: 1, name: "g3", filter: "a/#", clientId: "c", idleSince: 7 },
    }]);
    assert.deepEqual(positions.find(({ logId }) => logId === 2), {
      ...PLACE,
      ...{ position: 4, settled: [5, 15], notBefore: 0 },
    });
    const left = failures.map(({ logId, offset }) => [logId, offset]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    assert.deepEqual(left, [[2, 4], [2, 20], [5, 4]]);
    await bench.commit([settled(PLACE, [4, 15], 15), failed(PLACE, 30)]);
    assert.deepEqual((await loaded(bench)).positions.find(({ logId }) => logId === 2), {
      ...PLACE,
      ...{ position: 15, settled: [], notBefore: 0 },
    });
    await bench.commit([settled(PLACE, [40, 50], 16), positioned(2, 7_000)]);
    await bench.commit([settled(PLACE, [3, 4], 2)]);
    const sought = await loaded(bench);
    assert.deepEqual(sought.positions.find(({ logId }) => logId === 2), {
      ...PLACE,
      ...{ position: 2, settled: [3, 4], notBefore: 7_000 },
    });
    assert.deepEqual(sought.failures.map(({ logId }) => logId), [5]);
    await bench.commit([{ kind: "queue-group-deleted", groupId: 3 }, settled(PLACE, [2, 3], 3)]);
    const { groups: none, positions: nowhere, failures: nothing } = await loaded(bench);
    assert.deepEqual([none, nowhere, nothing], [[], [], []]);
  });

  contract("failures and settlements of one commit count in their order", async (bench) => {
    await bench.commit([
      queue(1),
      log(2, 1),
      group(3, 1),
      failed(PLACE, 5),
      settled(PLACE, [5, 6], 0),
      failed(PLACE, 7),
    ]);
    await bench.commit([positioned(0), failed(PLACE, 5, { failures: 3 })]);
    const { failures } = await loaded(bench);
    assert.deepEqual(failures.map(({ offset, failures }) => [offset, failures]), [[5, 3]]);
  });

  contract("how a session consumes ends with it", async (bench) => {
    await bench.commit([session("a"), session("b"), consumer("a", "$queue/q"), consumer("b", "$queue/q")]);
    const changed = consumer("a", "$share/g/$queue/q", { qos: 2, prefetch: 5, subscriptionId: 9, isNamed: false });
    await bench.commit([
      consumer("a", changed.filter),
      { kind: "queue-consumer-deleted", clientId: "a", filter: "$queue/q" },
    ]);
    await bench.commit([changed, { kind: "session-ended", clientId: "b" }]);
    const { kind: _, ...expected } = changed;
    assert.deepEqual((await loaded(bench)).consumers, [expected]);
  });
}

function waitingContract(contract: Contract): void {
  contract("what is delayed comes when it is due, the earliest first", async (bench) => {
    const delay = (delayId: number, dueAt: number, queueId = 1) => {
      const own = entry({ payload: Uint8Array.of(delayId), key: `k${delayId}` });
      return { kind: "queue-delayed", delayId, queueId, partition: 1, dueAt, entry: own } as const;
    };
    await bench.commit([queue(1), queue(2), delay(10, 50), delay(11, 40), delay(12, 50), delay(13, 90, 2)]);
    const state = await loaded(bench);
    assert.equal(state.nextDelayAt, 40);
    assert.deepEqual(state.delayed.map(({ queueId, count, bytes }) => [queueId, count, bytes]), [[1, 3, 27], [
      2,
      1,
      9,
    ]]);
    const due = async (now: number, limit: number) => {
      const { delays, nextAt } = await queuesOf(bench.store).queueDelays(now, limit);
      return [delays.map(({ delayId }) => delayId), nextAt];
    };
    assert.deepEqual(await due(39, 10), [[], 40]);
    assert.deepEqual(await due(50, 10), [[11, 10, 12], 90]);
    assert.deepEqual(await due(50, 2), [[11, 10], 50]);
    assert.deepEqual(await due(100, 10), [[11, 10, 12, 13], Infinity]);
    const { delays: [first] } = await queuesOf(bench.store).queueDelays(50, 1);
    const { kind: _, ...expected } = delay(11, 40);
    assert.deepEqual({ ...first, entry: plain({ ...first.entry, offset: 0, appendedAt: 0 }) }, {
      ...expected,
      entry: { ...expected.entry, offset: 0, appendedAt: 0 },
    });
    await bench.commit([{ kind: "queue-delay-ended", delayId: 11 }, { kind: "queue-delay-ended", delayId: 10 }]);
    assert.deepEqual(await due(50, 10), [[12], 90]);
    assert.equal((await loaded(bench)).lastId, 13);
  });

  contract("delays that are purged are gone, those that come later are not", async (bench) => {
    const delay = (delayId: number, queueId: number) => {
      return { kind: "queue-delayed", delayId, queueId, partition: 0, dueAt: 50, entry: entry() } as const;
    };
    await bench.commit([queue(1), queue(2), delay(10, 1), delay(11, 2), delay(12, 1)]);
    await bench.commit([{ kind: "queue-delays-purged", queueId: 1, lastId: 13 }, delay(14, 1)]);
    const due = async () => (await queuesOf(bench.store).queueDelays(50, 10)).delays.map(({ delayId }) => delayId);
    assert.deepEqual(await due(), [11, 14]);
    const { delayed, lastId } = await loaded(bench);
    assert.deepEqual(delayed.map(({ queueId, count }) => [queueId, count]), [[1, 1], [2, 1]]);
    assert.equal(lastId, 14);
    await bench.commit([{ kind: "queue-delays-purged", queueId: 2, lastId: 20 }]);
    assert.equal((await loaded(bench)).lastId, 20, "no id comes again");
    assert.deepEqual(await due(), [14]);
  });

  contract("keys are kept until they are forgotten, the newest last", async (bench) => {
    const key = (messageKey: string, at: number) => ({ kind: "queue-key-noted", queueId: 1, messageKey, at } as const);
    await bench.commit([queue(1), key("a", 1), key("b", 2), key("c", 3), key("a", 4)]);
    await bench.commit([{ kind: "queue-keys-forgotten", queueId: 1, before: 3 }]);
    const { keys } = await loaded(bench);
    assert.deepEqual(keys.map(({ messageKey, at }) => [messageKey, at]), [["c", 3], ["a", 4]]);
  });
}

function compactionContract(contract: Contract): void {
  contract("a compaction leaves the newest of each key, and no tombstones", async (bench) => {
    const keys = ["a", "b", "a", "", "c", "b", "a"];
    const none = new Uint8Array();
    const all = keys.map((messageKey, i) => appended(2, 2 * i, { messageKey }));
    await bench.commit([queue(1, { type: "stream" }), log(2, 1), ...all]);
    await bench.commit([appended(2, 20, { messageKey: "c", payload: none }), appended(2, 30, { messageKey: "b" })]);
    const compact = (to: number) => {
      return queuesOf(bench.store).compactQueue({ logId: 2, from: 0, to, tombstonesBefore: Infinity });
    };
    const done = await compact(12);
    assert.deepEqual([done.logId, done.to, done.removed], [2, 12, [{ offset: 0, bytes: 9 }, { offset: 2, bytes: 9 }]]);
    assert.deepEqual(offsets(await recordsOf(bench.store, 2)), [4, 6, 8, 10, 12, 20, 30]);
    await bench.load();
    assert.equal((await compact(31)).removed.length, 4);
    assert.deepEqual(offsets(await recordsOf(bench.store, 2)), [6, 12, 30]);
    assert.equal((await compact(31)).removed.length, 0);
    const { logs: [{ segments }] } = await loaded(bench);
    assert.deepEqual(segments.reduce((sum, { count, bytes }) => [sum[0] + count, sum[1] + bytes], [0, 0]), [3, 27]);
    assert.deepEqual((await queueContents(bench.store)).lastId, 2);
  });
}
