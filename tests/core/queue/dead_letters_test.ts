import assert from "node:assert/strict";
import type { QueueRecord } from "../../../src/core/queue/record.ts";
import { BrokerOfQueues, type StubConsumer, textOf } from "./broker_of_queues.ts";

const DLQ = "q/$dlq";

/** What lies in the store of a queue that nobody has trimmed. */
function recordsOf(broker: BrokerOfQueues, queue: string): QueueRecord[] {
  const logs = broker.queues.view(queue)!.partitions.flatMap((partition) => partition.logs);
  return logs.flatMap(({ logId, first, next }) => {
    return broker.store.page({ logId, from: first, to: next, limit: 1_000, bytesMax: Infinity });
  });
}

function letterIn(broker: BrokerOfQueues, text: string) {
  const record = recordsOf(broker, DLQ).find((each) => textOf(each) === text)!;
  return { queue: DLQ, partition: 0, record };
}

function brokerWithLetters(...texts: string[]): { broker: BrokerOfQueues; alice: StubConsumer } {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  for (const text of texts) {
    broker.publish("q", text, { key: "k", routingKey: "a/b" });
    broker.reject(alice, text, "bad");
  }
  return { broker, alice };
}

Deno.test("what is rejected is a dead letter with its cause, its key and where it comes from, in the commit that settles it", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "x", { key: "k", routingKey: "a/b" });
  broker.advance(500);
  broker.queues.settle(alice.get("x"), { kind: "reject", reason: "no such order" }, broker.turn);
  const kinds = broker.turn.effects.writes.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["queue-saved", "queue-log-opened", "queue-appended", "queue-settled"]);
  broker.settle();
  const [letter] = recordsOf(broker, DLQ);
  assert.equal(letter.topic, "$queue/q/$dlq/a/b");
  assert.equal(letter.key, "k");
  assert.deepEqual(letter.origin, {
    cause: "rejected",
    reason: "no such order",
    queue: "q",
    partition: 0,
    offset: 0,
    group: "g",
    deliveryCount: 1,
    appendedAt: broker.turn.now - 500,
    failedAt: broker.turn.now,
    movedAt: broker.turn.now,
  });
});

Deno.test("a message that fails as often as the delivery limit says is a dead letter", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", deliveryLimit: 3 });
  const alice = broker.join("alice");
  broker.publish("q", "x");
  broker.nack(alice, "x", 0); // said so
  broker.advance(12_000); // held for too long, and waited
  assert.equal(alice.get("x").deliveryCount, 3);
  broker.leave(alice, true); // lost
  const [letter] = recordsOf(broker, DLQ);
  assert.equal(letter.origin?.cause, "delivery-limit");
  assert.equal(letter.origin?.deliveryCount, 3);
  assert.deepEqual(broker.join("bob").seen, []);
});

Deno.test("dead letters are a queue of their own: consumed, acknowledged, gone", () => {
  const { broker } = brokerWithLetters("x", "y");
  const carol = broker.join("carol", { queue: DLQ, group: "clerks" });
  assert.deepEqual(carol.holding, ["x"]); // of one key: one at a time
  broker.ack(carol, "x");
  broker.ack(carol, "y");
  broker.advance(2_000);
  assert.deepEqual(recordsOf(broker, DLQ), []);
});

Deno.test("nothing in a dead-letter queue dies again or runs out", () => {
  const { broker } = brokerWithLetters("x");
  const carol = broker.join("carol", { queue: DLQ, group: "clerks" });
  for (let i = 0; i < 30; i++) broker.nack(carol, "x", 0);
  broker.advance(30 * 86_400_000);
  assert.equal(broker.queues.find(`${DLQ}/$dlq`), undefined);
  assert.ok(carol.get("x").deliveryCount > 30);
});

Deno.test("where the dead-letter queue is full a message stays, is retried at the longest backoff, and that is told", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  broker.create({ name: DLQ, limits: { messages: 1, bytes: Infinity, messageBytes: 1e6, ttlMs: Infinity } });
  const alice = broker.join("alice");
  broker.publish("q", "x");
  broker.publish("q", "y");
  broker.reject(alice, "x");
  broker.reject(alice, "y");
  assert.equal(recordsOf(broker, DLQ).length, 1);
  assert.ok(broker.happenings.some(({ kind }) => kind === "dead-letters-full"));
  assert.equal(broker.queues.view("q")?.statistics.deadLettersRefused, 1);
  assert.deepEqual(broker.restarted().queues.view("q")?.groups[0].unsettled, 1, "it has not been lost");
  broker.advance(7_999);
  assert.deepEqual(alice.holding, []);
  broker.advance(1);
  assert.deepEqual(alice.holding, ["y"]);
  assert.equal(broker.queues.purge(DLQ, broker.turn), 1);
  broker.reject(alice, "y");
  assert.deepEqual(recordsOf(broker, DLQ).map(textOf), ["y"]);
});

Deno.test("without dead letters what is rejected is dropped, counted and told", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", hasDeadLetters: false });
  const alice = broker.join("alice");
  broker.publish("q", "x");
  broker.reject(alice, "x");
  assert.equal(broker.queues.find(DLQ), undefined);
  assert.equal(broker.queues.view("q")?.statistics.dropped.rejected, 1);
  assert.deepEqual(broker.happenings.at(-1), {
    kind: "queue-message-dropped",
    queue: "q",
    group: "g",
    messageId: "q:0:0",
    cause: "rejected",
  });
});

Deno.test("a dead letter that is sent back goes to its partition and key, for its group only, and leaves the dead letters", () => {
  const { broker, alice } = brokerWithLetters("x");
  const bob = broker.join("bob", { group: "other", start: { kind: "last" } });
  assert.ok(broker.queues.replay(letterIn(broker, "x"), broker.turn));
  const kinds = broker.turn.effects.writes.map(({ kind }) => kind);
  assert.ok(kinds.includes("queue-appended") && kinds.includes("queue-settled"), "one commit");
  broker.settle();
  assert.deepEqual(alice.holding, ["x"]);
  const { record, deliveryCount } = alice.get("x");
  assert.equal(record.topic, "$queue/q/a/b");
  assert.equal(record.key, "k");
  assert.equal(record.origin, undefined);
  assert.equal(deliveryCount, 1);
  assert.deepEqual(bob.seen, []);
  assert.equal(broker.queues.view("q")!.groups.find(({ name }) => name === "other")!.unsettled, 0);
  assert.deepEqual(broker.join("carol", { queue: DLQ, group: "clerks" }).seen, []);
});

Deno.test("a dead letter is sent back once, also over a restart", () => {
  const { broker } = brokerWithLetters("x", "y", "z");
  const y = letterIn(broker, "y");
  assert.ok(broker.queues.replay(y, broker.turn));
  broker.settle();
  assert.equal(broker.queues.replay(y, broker.turn), false);
  const again = broker.restarted();
  assert.equal(again.queues.replay(y, again.turn), false);
  assert.equal(again.queues.view(DLQ)!.waiting.count, 2);
  const carol = again.join("carol", { queue: DLQ, group: "clerks" });
  again.ack(carol, "x");
  assert.deepEqual(carol.seen, ["x", "z"]);
});

Deno.test("a dead letter that is taken out while a consumer has it is withdrawn", () => {
  const { broker } = brokerWithLetters("x", "y");
  const carol = broker.join("carol", { queue: DLQ, group: "clerks" });
  const dave = broker.join("dave", { queue: DLQ, group: "others" });
  const letter = letterIn(broker, "x");
  assert.ok(broker.queues.remove(letter, broker.turn));
  broker.settle();
  assert.equal(carol.withdrawn.length, 1);
  assert.equal(broker.ack(carol, "x"), false);
  assert.deepEqual([carol.holding, dave.holding], [["y"], ["y"]]);
  assert.equal(broker.queues.remove(letter, broker.turn), false);
});

Deno.test("what was taken out stays out for a group that comes later or goes back", () => {
  const { broker } = brokerWithLetters("x", "y");
  assert.ok(broker.queues.remove(letterIn(broker, "x"), broker.turn));
  broker.settle();
  const carol = broker.join("carol", { queue: DLQ, group: "clerks" });
  assert.deepEqual(carol.holding, ["y"]);
  broker.queues.seek({ queue: DLQ, group: "clerks", to: { kind: "offset", offset: 0 } }, broker.turn);
  broker.settle();
  assert.deepEqual(carol.seen, ["y", "y"]);
  assert.deepEqual(broker.restarted().join("dave", { queue: DLQ, group: "late" }).seen, ["y"]);
});

Deno.test("a queue from which something was taken out takes partitions more", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", ordering: "none" });
  broker.publish("q", "1");
  const [log] = broker.store.logs.values();
  broker.queues.remove({ queue: "q", partition: 0, record: log.records[0] }, broker.turn);
  broker.queues.change({ ...broker.queues.find("q")!.definition, partitions: 2 }, broker.turn);
  broker.settle();
  for (const text of ["2", "3"]) broker.publish("q", text);
  assert.deepEqual(broker.join("alice").seen.toSorted(), ["2", "3"]);
});

Deno.test("a dead letter of a group that is gone goes to every group if that is wished, and is refused otherwise", () => {
  const { broker } = brokerWithLetters("x");
  broker.queues.deleteGroup("q", "g", broker.turn);
  const bob = broker.join("bob", { group: "other" });
  const letter = letterIn(broker, "x");
  assert.throws(() => broker.queues.replay(letter, broker.turn), /Cannot find the group "g"/);
  assert.ok(broker.queues.replay({ ...letter, toEveryGroup: true }, broker.turn));
  broker.settle();
  assert.deepEqual(bob.holding, ["x"]);
});

Deno.test("a queue takes its dead letters with it", () => {
  const { broker } = brokerWithLetters("x");
  assert.ok(broker.queues.delete("q", broker.turn));
  broker.settle();
  assert.equal(broker.queues.size, 0);
  assert.equal(broker.store.logs.size, 0);
});
