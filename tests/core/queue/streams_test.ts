import assert from "node:assert/strict";
import type { QueueDefinition } from "../../../src/core/queue/definition.ts";
import { DEFAULT_QUEUE } from "../../../src/core/queue/definition.ts";
import { BrokerOfQueues } from "./broker_of_queues.ts";

const { retention } = DEFAULT_QUEUE;

function stream(definition: Partial<QueueDefinition> = {}): BrokerOfQueues {
  const broker = new BrokerOfQueues();
  const limits = { ...DEFAULT_QUEUE.limits, messages: Infinity };
  broker.create({ name: "q", type: "stream", limits, ...definition });
  return broker;
}

function fill(broker: BrokerOfQueues, count: number): void {
  for (let i = 0; i < count; i++) broker.publish("q", `${i}`);
}

Deno.test("a new group of a stream starts at the end, unless it says otherwise", () => {
  const broker = stream();
  fill(broker, 4);
  const seen = (group: string, start: Parameters<BrokerOfQueues["join"]>[1]) =>
    broker.join(group, { group, ...start }).seen;
  assert.deepEqual(seen("a", {}), []);
  assert.deepEqual(seen("b", { start: { kind: "last" } }), []);
  assert.deepEqual(seen("c", { start: { kind: "first" } }), ["0", "1", "2", "3"]);
  assert.deepEqual(seen("d", { start: { kind: "offset", offset: 2 } }), ["2", "3"]);
  assert.deepEqual(seen("e", { start: { kind: "offset", offset: 99 } }), []);
});

Deno.test("a group that starts or seeks by time reads what was appended then or later, also within a segment", () => {
  const broker = stream();
  fill(broker, 2);
  broker.advance(10);
  const time = broker.turn.now;
  fill(broker, 2);
  const start = { kind: "time", time } as const;
  const member = broker.join("late", { group: "late", start });
  assert.deepEqual(member.seen, ["0", "1"], "the second two");
  assert.deepEqual(broker.join("never", { group: "never", start: { kind: "time", time: time + 1 } }).seen, []);
  const old = broker.join("old", { group: "old", start: { kind: "first" } });
  assert.equal(old.seen.length, 4);
  broker.queues.seek({ queue: "q", group: "old", to: start }, broker.turn);
  broker.settle();
  assert.equal(old.seen.length, 6);
});

Deno.test("where a group begins by time holds over a restart, before it has settled anything", () => {
  const broker = stream();
  fill(broker, 2);
  broker.advance(10);
  const start = { kind: "time", time: broker.turn.now } as const;
  fill(broker, 1);
  broker.join("new", { group: "new", start });
  broker.join("old", { group: "old", start: { kind: "first" } });
  broker.queues.seek({ queue: "q", group: "old", to: start }, broker.turn);
  broker.settle();
  const again = broker.restarted().restarted();
  for (const group of ["new", "old"]) assert.equal(again.join(group, { group }).seen.length, 1, group);
});

Deno.test("a time that is still to come is now: what is appended from then on is read", () => {
  const broker = stream();
  fill(broker, 2);
  const start = { kind: "time", time: broker.turn.now + 60_000 } as const;
  const member = broker.join("m", { group: "g", start });
  broker.advance(10);
  fill(broker, 1);
  assert.equal(member.seen.length, 1);
  assert.equal(broker.restarted().join("m", { group: "g" }).seen.length, 1);
});

Deno.test("a seek in one partition leaves the others where they are", () => {
  const broker = stream({ partitions: 2 });
  fill(broker, 4); // in turn
  const member = broker.join("m", { group: "g", start: { kind: "first" } });
  broker.ack(member, ...member.seen);
  broker.queues.seek({ queue: "q", group: "g", to: { kind: "first" }, partition: 1 }, broker.turn);
  broker.settle();
  const [zero, one] = broker.queues.view("q")!.groups[0].positions.map(({ position }) => position);
  assert.deepEqual([zero, one], [2, 0]);
});

Deno.test("a stream keeps what everybody has settled, and several groups go at their own pace", () => {
  const broker = stream();
  const alice = broker.join("alice", { group: "a" });
  const bob = broker.join("bob", { group: "b" });
  fill(broker, 3);
  broker.ack(alice, "0", "1", "2");
  broker.ack(bob, "0");
  broker.advance(60_000);
  const { groups, stored } = broker.queues.view("q")!;
  assert.deepEqual(groups.map(({ unsettled }) => unsettled), [0, 2]);
  assert.equal(stored.count, 3);
  assert.deepEqual(broker.join("carol", { group: "c", start: { kind: "first" } }).seen, ["0", "1", "2"]);
});

Deno.test("what a member holds is settled up to an offset at once, and nothing of another's", () => {
  const broker = stream({ ordering: "none" });
  const alice = broker.join("alice", { prefetch: 3 });
  const bob = broker.join("bob", { prefetch: 3 });
  fill(broker, 6);
  const upTo = alice.get(alice.holding[1]).record.offset;
  assert.equal(broker.queues.commit(alice.member!, { partition: 0, offset: upTo }, broker.turn), 2);
  broker.settle();
  assert.equal(alice.holding.length, 1);
  assert.equal(bob.holding.length, 3);
});

Deno.test("a commit leaves what was handed out after the message that it names: the consumer may not have seen it", () => {
  const broker = stream();
  const alice = broker.join("alice");
  for (const [text, key] of [["0", "k"], ["1", "k"], ["2", "l"], ["3", "m"]]) broker.publish("q", text, { key });
  const commit = (offset: number) => {
    const count = broker.queues.commit(alice.member!, { partition: 0, offset }, broker.turn);
    broker.settle();
    return count;
  };
  assert.deepEqual(alice.holding, ["0", "2", "3"], "one of each key");
  assert.equal(commit(0), 1);
  assert.equal(commit(2), 1, "1 came behind 2");
  assert.deepEqual(alice.holding, ["1", "3"].toSorted((a, b) => alice.seen.indexOf(a) - alice.seen.indexOf(b)));
  assert.equal(commit(2), 0, "it is not held any more");
  assert.equal(commit(3), 1);
  assert.equal(commit(1), 1);
});

Deno.test("a group that seeks gives back what it holds, and reads from there", () => {
  const broker = stream();
  const alice = broker.join("alice");
  fill(broker, 3);
  broker.ack(alice, "0", "1");
  broker.queues.seek({ queue: "q", group: "g", to: { kind: "offset", offset: 1 } }, broker.turn);
  broker.settle();
  assert.equal(alice.withdrawn.length, 1);
  assert.deepEqual(alice.holding, ["1", "2"]);
  broker.queues.seek({ queue: "q", group: "g", to: { kind: "last" } }, broker.turn);
  broker.settle();
  assert.deepEqual(alice.holding, []);
  assert.deepEqual(broker.restarted().join("bob").seen, []);
});

Deno.test("retention by time takes what is older, in whole segments, from those that have not read it too", () => {
  const broker = stream({ retention: { ...retention, ageMs: 3_600_000 }, deliveryLimit: Infinity });
  broker.join("alice", { group: "a", start: { kind: "first" }, prefetch: 1 });
  fill(broker, 3);
  broker.advance(1_800_000);
  broker.publish("q", "young");
  broker.advance(1_860_000);
  const { partitions, groups } = broker.queues.view("q")!;
  assert.deepEqual([partitions[0].first, partitions[0].count], [3, 1]);
  assert.equal(groups[0].unsettled, 1);
  assert.deepEqual(broker.join("bob", { group: "b", start: { kind: "first" } }).seen, ["young"]);
});

Deno.test("retention by messages and by bytes keeps at least that much, and a segment more at most", () => {
  for (const amount of [{ messages: 2_000 }, { bytes: 2_000 * 10 }]) {
    const broker = stream({ retention: { ...retention, ...amount } });
    for (let i = 0; i < 6_000; i++) broker.publish("q", "xx");
    const { count } = broker.queues.view("q")!.partitions[0];
    assert.ok(count >= 2_000 && count <= 3_100, `${count}`);
    assert.equal(broker.store.load().logs[0].segments.reduce((sum, segment) => sum + segment.count, 0), count);
  }
});

Deno.test("compaction keeps the newest value of each key and honours tombstones; a key names what a message is about, not its copy", () => {
  const broker = stream({ retention: { ...retention, isCompacted: true, compactionLagMs: 60_000 } });
  for (let i = 0; i < 5; i++) for (const key of ["a", "b"]) broker.publish("q", `${key}${i}`, { messageKey: key });
  broker.publish("q", "", { messageKey: "b" });
  assert.equal(broker.queues.view("q")?.stored.count, 11, "none of them is a duplicate");
  broker.advance(240_000);
  assert.equal(broker.queues.view("q")?.stored.count, 1);
  const alice = broker.join("alice", { start: { kind: "first" } });
  assert.deepEqual(alice.seen, ["a4"]);
  broker.ack(alice, "a4");
  assert.equal(broker.queues.view("q")?.groups[0].unsettled, 0);
});

Deno.test("what a compaction takes still comes to who has read it, again too, until nobody is there or the broker is another", () => {
  const compaction = { retention: { ...retention, isCompacted: true, compactionLagMs: 60_000 } };
  const broker = stream({ ...compaction, deliveryLimit: Infinity });
  const unsettled = (at: BrokerOfQueues) => at.queues.view("q")?.groups.find(({ name }) => name === "g")?.unsettled;
  const alice = broker.join("alice", { start: { kind: "first" } });
  const publish = (text: string, messageKey: string) => broker.publish("q", text, { messageKey, key: "k" });
  publish("1", "a");
  publish("2", "a");
  broker.advance(240_000);
  assert.equal(broker.queues.view("q")?.stored.count, 1);
  assert.ok(alice.seen.length > 1 && alice.seen.every((text) => text === "1"), "it was given out in vain");
  broker.nack(alice, "1", 0);
  assert.deepEqual(alice.holding, ["1"]);
  assert.equal(unsettled(broker), 2);
  assert.equal(unsettled(broker.restarted()), 1);
  assert.deepEqual(broker.restarted().join("bob").seen, ["2"]);
  broker.leave(alice, true);
  assert.equal(unsettled(broker), 1);
  assert.deepEqual(broker.join("carol").seen, ["2"]);
});

Deno.test("a compaction goes on, piece by piece, until there is no more or the store gets no further", () => {
  const broker = stream({ retention: { ...retention, isCompacted: true, compactionLagMs: 60_000 } });
  for (const key of ["a", "b", "a", "b", "a", "c"]) broker.publish("q", key, { messageKey: key });
  let pieces = 0;
  broker.onCompaction = () => pieces++;
  broker.store.pieceMax = 0;
  broker.advance(75_000);
  assert.deepEqual([pieces, broker.queues.view("q")?.stored.count], [1, 6]);
  broker.store.pieceMax = 4;
  broker.advance(15_000);
  assert.deepEqual([pieces, broker.queues.view("q")?.stored.count], [3, 3]);
});

Deno.test("what a compaction takes while the store counts what a group has to settle goes from the count once", () => {
  const broker = stream({ retention: { ...retention, isCompacted: true, compactionLagMs: 60_000 } });
  const publish = (...keys: string[]) => keys.forEach((key) => broker.publish("q", key, { messageKey: key }));
  publish("a", "b", "c", "a", "d"); // its segment has a gap when that is compacted
  broker.leave(broker.join("alice"), false);
  broker.advance(240_000);
  publish("b", "c", "d", "e");
  broker.isSlow = true;
  while (broker.pending.length === 0) broker.advance(15_000);
  broker.queues.seek({ queue: "q", group: "g", to: { kind: "offset", offset: 2 } }, broker.turn);
  broker.settle();
  assert.deepEqual(broker.pending.map(({ kind }) => kind), ["compaction", "count"]);
  while (broker.pending.length > 0) broker.answer();
  const { groups, stored } = broker.queues.view("q")!;
  assert.deepEqual([stored.count, groups[0].unsettled], [5, 5]);
});

Deno.test("retention by number does not count what a compaction is taking", () => {
  const broker = stream({ retention: { ...retention, messages: 5, isCompacted: true, compactionLagMs: 60_000 } });
  const publish = (key: string) => broker.publish("q", key, { messageKey: key });
  for (const keys of ["a", "bc", "bb"]) { // each in a segment of its own
    [...keys].forEach(publish);
    broker.advance(60_000);
  }
  broker.isSlow = true;
  broker.advance(60_000);
  assert.deepEqual(broker.pending.map(({ kind }) => kind), ["compaction"]);
  publish("d"); // in a segment of its own: retention looks
  broker.answer();
  broker.isSlow = false;
  assert.deepEqual(broker.join("alice", { start: { kind: "first" } }).seen, ["a", "c", "b", "d"]);
});

Deno.test("a stream has no priorities", () => {
  const broker = stream();
  const alice = broker.join("alice", { prefetch: 1 });
  for (const [text, priority] of [["1", 0], ["2", 0], ["3", 9]] as const) broker.publish("q", text, { priority });
  broker.ack(alice, "1");
  assert.deepEqual(alice.holding, ["2"]);
});
