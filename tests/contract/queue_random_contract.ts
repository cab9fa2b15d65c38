// Random mutations of queues, held against the memory store, which is simple enough to be read.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Mutation } from "../../src/core/mutation.ts";
import type { QueueCompaction } from "../../src/core/queue/ports.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { appended, entry, failed, group, log, queue, queueContents, queuesOf, settled } from "./queue_mutations.ts";
import { type OpenStore, StoreBench } from "./store_contract.ts";

/** How far groups get at most: what lies above may not be settled yet. */
const POSITION_MAX = 40;

/** Gives out ids and offsets as a broker does, and knows what there is. */
export class QueueAuthor {
  #lastId = 0;
  #now = 0;
  #queues: number[] = [];
  #logs: { logId: number; queueId: number; next: number }[] = [];
  #groups: { groupId: number; queueId: number }[] = [];
  #delays: { delayId: number; queueId: number }[] = [];

  write({ what, pick, size }: Step): Mutation[] {
    this.#now += pick * 700;
    const queueId = this.#queues[pick % this.#queues.length];
    const own = this.#logs.filter((each) => each.queueId === queueId);
    const where = own[size % own.length];
    switch (what) {
      case "queue":
        if (this.#queues.length < 3) this.#queues.push(++this.#lastId);
        return [
          queue(this.#queues.at(-1)!, { partitions: size }),
          queue(this.#queues[pick % this.#queues.length], { deliveryLimit: 1 + pick, topics: [`t/${size}`] }),
        ];
      case "log": {
        if (queueId === undefined) return [];
        const logId = ++this.#lastId;
        this.#logs.push({ logId, queueId, next: pick });
        return [log(logId, queueId, own.length)];
      }
      case "append":
        return where === undefined ? [] : Array.from({ length: size }, (_, i) => this.#append(where, pick, i));
      case "trim":
        return where === undefined ? [] : [this.#trim(where, pick)];
      case "delete":
        if (queueId === undefined || pick !== 0) return [];
        this.#queues = this.#queues.filter((each) => each !== queueId);
        this.#logs = this.#logs.filter((each) => each.queueId !== queueId);
        this.#groups = this.#groups.filter((each) => each.queueId !== queueId);
        return [{ kind: "queue-deleted", queueId }];
      case "delay":
        if (queueId === undefined) return [];
        this.#delays.push({ delayId: ++this.#lastId, queueId });
        return [{ kind: "queue-delayed", delayId: this.#lastId, queueId, partition: 0, dueAt: pick, entry: entry() }];
      case "purge delays":
        if (queueId === undefined) return [];
        this.#delays = this.#delays.filter((delay) => delay.queueId !== queueId);
        return [{ kind: "queue-delays-purged", queueId, lastId: ++this.#lastId }];
      case "undelay":
        return this.#delays.length === 0 ? [] : [{ kind: "queue-delay-ended", delayId: this.#delays.shift()!.delayId }];
      case "key":
        if (queueId === undefined) return [];
        return [{ kind: "queue-key-noted", queueId, messageKey: `k${size % 5}`, at: this.#now }];
      case "forget":
        if (queueId === undefined) return [];
        return [{ kind: "queue-keys-forgotten", queueId, before: this.#now - 3_000 }];
      default:
        return queueId === undefined ? [] : this.#writeToGroup(what, { queueId, logId: where?.logId }, { pick, size });
    }
  }

  /** The logs that there are, with how far they go. */
  get logs(): readonly { readonly logId: number; readonly next: number }[] {
    return this.#logs;
  }

  #writeToGroup(
    what: "group" | "ungroup" | "settle" | "fail" | "seek",
    at: { queueId: number; logId: number | undefined },
    { pick, size }: { pick: number; size: number },
  ): Mutation[] {
    const own = this.#groups.filter(({ queueId }) => queueId === at.queueId);
    if (what === "group") {
      if (own.length < 2) this.#groups.push({ groupId: ++this.#lastId, queueId: at.queueId });
      const chosen = this.#groups.find(({ queueId }) => queueId === at.queueId)!;
      return [
        group(chosen.groupId, at.queueId, { idleSince: pick }),
        group(this.#groups.at(-1)!.groupId, this.#groups.at(-1)!.queueId),
      ];
    }
    const chosen = own[size % own.length];
    if (chosen === undefined || at.logId === undefined) return [];
    const place = { groupId: chosen.groupId, logId: at.logId };
    if (what === "fail") return [failed(place, POSITION_MAX + pick * 2 + size, { failures: size })]; // what is settled does not fail
    if (what === "seek") return [{ kind: "queue-positioned", ...place, position: pick, notBefore: size }];
    if (what === "settle") {
      return [settled(place, [pick * 3, pick * 3 + size], Math.max(0, pick * 3 - (60 - POSITION_MAX)))];
    }
    if (pick > 2) return [];
    this.#groups = this.#groups.filter((each) => each !== chosen);
    return [{ kind: "queue-group-deleted", groupId: chosen.groupId }];
  }

  #append(where: { logId: number; next: number }, pick: number, index: number): Mutation {
    where.next += 1 + (pick * index) % 3;
    const payload = new Uint8Array(index % 4 === 3 ? 0 : 100 * pick + index);
    const messageKey = index % 2 === 0 ? `k${(pick + index) % 5}` : "";
    const topic = `$queue/q/${pick % 2}`;
    return appended(where.logId, where.next - 1, { payload, messageKey, topic, appendedAt: this.#now + index });
  }

  #trim({ logId, next }: { logId: number; next: number }, pick: number): Mutation {
    return { kind: "queue-trimmed", logId, before: Math.max(0, next - pick * 4) };
  }
}

export const anyQueueStep = fc.record({
  what: fc.constantFrom(
    ...(["queue", "queue", "log", "log", "append", "append", "append", "append", "trim", "delete", "delay"] as const),
    ...([
      "undelay",
      "purge delays",
      "key",
      "key",
      "forget",
      "group",
      "group",
      "ungroup",
      "settle",
      "settle",
      "settle",
    ] as const),
    ...(["fail", "fail", "seek"] as const),
  ),
  pick: fc.nat(20),
  size: fc.integer({ min: 1, max: 40 }),
  /** Whether the step shares a commit with the next one. */
  joins: fc.boolean(),
  /** What is done after its commit. */
  then: fc.constantFrom("nothing", "nothing", "nothing", "nothing", "nothing", "look", "maintain", "compact"),
});

type Step = typeof anyQueueStep extends fc.Arbitrary<infer T> ? T : never;

export function queueRandomContract(name: string, open: OpenStore): void {
  Deno.test(`${name}: holds after any mutations of queues what the memory store holds`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyQueueStep, { maxLength: 100, size: "max" }), async (steps) => {
        const bench = new StoreBench(await open());
        const model = new MemoryStore();
        const author = new QueueAuthor();
        let batch: Mutation[] = [];
        for (const step of steps) {
          batch.push(...author.write(step));
          if (step.joins) continue;
          await bench.commit(batch);
          model.commit(batch);
          batch = [];
          await follow(step, { bench, model, author });
        }
        await bench.commit(batch);
        model.commit(batch);
        await bench.load();
        assert.deepEqual(await queueContents(bench.store), await queueContents(model));
        await bench.store.close();
      }),
      { numRuns: 20 },
    );
  });
}

function byOffset(removed: QueueCompaction["removed"]): QueueCompaction["removed"] {
  return removed.toSorted((a, b) => a.offset - b.offset);
}

async function follow(
  { then, pick, size }: Step,
  { bench, model, author }: { bench: StoreBench; model: MemoryStore; author: QueueAuthor },
): Promise<void> {
  if (then === "maintain") await bench.store.maintain?.();
  if (then === "look") {
    await bench.load();
    assert.deepEqual(await queueContents(bench.store), await queueContents(model));
  }
  if (then === "look") {
    for (const { logId, next } of author.logs) {
      const request = { logId, ranges: [pick, pick + size, Math.max(pick + size, next >> 1), next] };
      assert.deepEqual(await queuesOf(bench.store).countQueue(request), await queuesOf(model).countQueue(request));
    }
  }
  if (then !== "compact") return;
  for (const { logId, next } of author.logs) {
    const request = { logId, from: 0, to: next - 2, tombstonesBefore: Infinity };
    const removed: QueueCompaction["removed"][number][] = [];
    for (let to = -1; to < request.to;) {
      const done = await queuesOf(bench.store).compactQueue(request);
      assert.ok(done.to > to, "each piece goes further");
      to = done.to;
      removed.push(...done.removed);
    }
    assert.deepEqual(byOffset(removed), byOffset((await queuesOf(model).compactQueue(request)).removed));
  }
}
