import assert from "node:assert/strict";
import { DEFAULT_QUEUE } from "../../../src/core/queue/definition.ts";
import { keyHash } from "../../../src/core/queue/key_hash.ts";
import { refusalOf } from "../building.ts";
import { BrokerOfQueues, definitionOf, publicationOf } from "./broker_of_queues.ts";

const { limits } = DEFAULT_QUEUE;

Deno.test("a key is hashed by FNV-1a over its UTF-8 bytes", () => {
  assert.equal(keyHash(""), 0x811c9dc5);
  assert.equal(keyHash("a"), 0xe40c292c);
  assert.equal(keyHash("foobar"), 0xbf9cf968);
  const bytes = new TextEncoderOfTests().hash;
  for (const key of ["é", "€uro", "🐝 bee", "日本"]) assert.equal(keyHash(key), bytes(key), key);
});

/** The same by the textbook, over bytes that the runtime has encoded. */
class TextEncoderOfTests {
  hash(key: string): number {
    let hash = 0x811c9dc5n;
    for (const byte of new TextEncoder().encode(key)) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
    return Number(hash);
  }
}

Deno.test("the key chooses the partition, else the routing key, else they take turns", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", partitions: 4 });
  const partition = (options: Parameters<BrokerOfQueues["publish"]>[2]) =>
    broker.publish("q", "x", options).split(":")[1];
  assert.equal(partition({ key: "order 7" }), `${keyHash("order 7") % 4}`);
  assert.equal(partition({ key: "order 7", routingKey: "other" }), `${keyHash("order 7") % 4}`);
  assert.equal(partition({ routingKey: "image" }), `${keyHash("image") % 4}`);
  assert.deepEqual(new Set([1, 2, 3, 4].map(() => partition({}))).size, 4);
});

Deno.test("over a limit a publisher is told, and nothing is written", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", limits: { ...limits, messages: 2, messageBytes: 20 } });
  broker.create({ name: "b", limits: { ...limits, bytes: 30, messageBytes: 30 } });
  const alice = broker.join("alice");
  broker.publish("q", "1");
  broker.publish("q", "2");
  assert.equal(refusalOf(() => broker.publish("q", "3")), "quota-exceeded");
  assert.equal(refusalOf(() => broker.publish("q", "x".repeat(21))), "packet-too-large");
  assert.equal(broker.turn.effects.writes.length, 0);
  broker.ack(alice, "1");
  assert.equal(refusalOf(() => broker.publish("q", "3")), undefined);
  broker.publish("b", "x".repeat(20));
  assert.equal(refusalOf(() => broker.publish("b", "xx")), "quota-exceeded");
});

Deno.test("what waits is what the slowest group has not settled, delays included", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", limits: { ...limits, messages: 3 } });
  const alice = broker.join("alice", { group: "a" });
  const bob = broker.join("bob", { group: "b" });
  broker.publish("q", "1");
  broker.publish("q", "2");
  broker.ack(alice, "1", "2");
  broker.publish("q", "3", { delayMs: 5_000 });
  assert.equal(refusalOf(() => broker.publish("q", "4")), "quota-exceeded");
  broker.ack(bob, "1");
  assert.equal(refusalOf(() => broker.publish("q", "4")), undefined);
  const again = broker.restarted();
  assert.equal(again.queues.view("q")?.waiting.count, 3);
  assert.equal(refusalOf(() => again.publish("q", "5")), "quota-exceeded");
});

Deno.test("a full disk refuses messages and takes settlements", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "1");
  broker.turn.isStoreFull = true;
  assert.equal(refusalOf(() => broker.publish("q", "2")), "quota-exceeded");
  assert.ok(broker.ack(alice, "1"));
});

Deno.test("a full disk refuses what would make a queue, and lets a new group work one off", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  broker.publish("q", "1");
  broker.turn.isStoreFull = true;
  assert.equal(refusalOf(() => broker.publish("new", "1")), "quota-exceeded");
  assert.equal(refusalOf(() => broker.join("bob", { queue: "new" })), "quota-exceeded");
  assert.equal(broker.queues.size, 1);
  assert.ok(broker.ack(broker.join("alice"), "1"));
});

Deno.test("a full disk refuses a second group of a queue, unless its members were in one before", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  broker.join("alice", { group: "first" });
  Object.assign(broker.join("bob", { group: "second" }), { rejoined: () => {} });
  broker.turn.isStoreFull = true;
  assert.equal(refusalOf(() => broker.join("carol", { group: "third" })), "quota-exceeded");
  broker.join("carol", { group: "second" });
  broker.queues.deleteGroup("q", "second", broker.turn);
  assert.deepEqual(broker.queues.view("q")!.groups.map(({ name }) => name), ["first", "second"], "begun anew");
});

Deno.test("a second publish with a message key is acknowledged and not appended, within the window, also over a restart", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", deduplicationMs: 60_000, limits: { ...limits, messages: 1 } });
  const publish = (broker: BrokerOfQueues) => {
    const publication = publicationOf("q", "x", { messageKey: "m" });
    broker.queues.admit(publication, broker.turn);
    const { isDuplicate } = broker.queues.append(publication, broker.turn);
    broker.settle();
    return isDuplicate;
  };
  assert.equal(publish(broker), false);
  assert.equal(publish(broker), true, "although the queue is full");
  const again = broker.restarted();
  assert.equal(publish(again), true);
  again.queues.purge("q", again.turn);
  again.advance(59_000);
  assert.equal(publish(again), true);
  again.advance(1_000);
  assert.equal(publish(again), false);
  again.advance(120_000);
  assert.equal(again.store.keys.length, 0, "keys are forgotten on disk");
});

Deno.test("a delayed message comes when it is due, also over a restart, and not twice", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  assert.equal(broker.publish("q", "late", { delayMs: 60_000 }), "");
  broker.publish("q", "later", { delayMs: 90_000 });
  broker.publish("q", "now");
  const again = broker.restarted();
  const alice = again.join("alice");
  again.ack(alice, "now");
  again.advance(59_999);
  assert.deepEqual(alice.seen, ["now"]);
  again.advance(1);
  assert.deepEqual(alice.seen, ["now", "late"]);
  again.ack(alice, "late");
  again.advance(30_000);
  again.ack(alice, "later");
  again.advance(100_000);
  assert.deepEqual(alice.seen, ["now", "late", "later"]);
  assert.deepEqual(again.store.delays, []);
  assert.equal(again.queues.view("q")?.delayed.count, 0);
});

Deno.test("a purge takes what is delayed as well, also what the store is just bringing, and not what comes later", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  broker.create({ name: "other" });
  broker.publish("q", "now");
  broker.publish("q", "soon", { delayMs: 1_000 });
  broker.publish("q", "late", { delayMs: 60_000 });
  broker.publish("other", "theirs", { delayMs: 1_000 });
  broker.isSlow = true;
  broker.advance(1_000);
  assert.equal(broker.pending.length, 1, "the store is asked for what is due");
  assert.equal(broker.queues.purge("q", broker.turn), 3);
  broker.settle();
  const { waiting, delayed } = broker.queues.view("q")!;
  assert.deepEqual([waiting, delayed], [{ count: 0, bytes: 0 }, { count: 0, bytes: 0 }]);
  broker.publish("q", "new", { delayMs: 2_000 });
  broker.answer();
  assert.equal(broker.queues.view("other")!.stored.count, 1);
  const again = broker.restarted();
  assert.equal(again.queues.view("q")!.delayed.count, 1);
  const alice = again.join("alice");
  again.advance(8_000);
  assert.deepEqual(alice.seen, ["new"]);
  assert.deepEqual(again.store.delays.map(({ queueId }) => queueId), [], "nothing is left of it");
});

Deno.test("of a partition the highest priority comes first, and equal ones in order", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  for (const [text, priority] of [["1", 0], ["2", 9], ["3", 4], ["4", 9]] as const) {
    broker.publish("q", text, { priority });
  }
  const alice = broker.join("alice", { prefetch: 1 });
  const order: string[] = [];
  for (let [next] = alice.holding; next !== undefined; [next] = alice.holding) {
    order.push(next);
    broker.ack(alice, next);
  }
  assert.deepEqual(order.slice(1), order[0] === "2" ? ["4", "3", "1"] : ["2", "4", "3"]);
});

Deno.test("what waits is exact also where priorities leave gaps: over a restart, a seek and the end of a group", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", limits: { ...limits, messages: Infinity }, prefetch: 1_000 });
  for (let i = 0; i < 100; i++) broker.publish("q", `${i}`, { priority: i < 60 ? 0 : i % 2 * 9 });
  const alice = broker.join("alice");
  const bob = broker.join("bob", { group: "other" });
  broker.ack(alice, ...Array.from({ length: 30 }, (_, i) => `${i}`), "99");
  broker.ack(bob, "0", "2");
  const unsettled = (broker: BrokerOfQueues) => broker.queues.view("q")!.groups.map(({ unsettled }) => unsettled);
  assert.deepEqual(unsettled(broker), [69, 98]);
  const again = broker.restarted();
  assert.deepEqual(unsettled(again), [69, 98]);
  assert.equal(again.queues.view("q")!.waiting.count, 98);
  again.queues.seek({ queue: "q", group: "other", to: { kind: "offset", offset: 61 } }, again.turn);
  again.settle();
  assert.deepEqual(unsettled(again), [69, 39]);
  again.queues.deleteGroup("q", "other", again.turn);
  again.queues.deleteGroup("q", "g", again.turn);
  again.settle();
  assert.equal(again.queues.view("q")!.waiting.count, again.restarted().queues.view("q")!.waiting.count);
});

Deno.test("what has expired is not delivered, by its own expiry or the queue's", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", limits: { ...limits, ttlMs: 10_000 } });
  broker.publish("q", "own", { expiresAt: broker.turn.now + 1_000 });
  broker.publish("q", "queue's");
  broker.advance(5_000);
  broker.publish("q", "young");
  broker.advance(5_000);
  assert.deepEqual(broker.join("alice").seen, ["young"]);
  assert.equal(broker.queues.view("q")?.statistics.dropped.expired, 2);
});

Deno.test("a queue comes into being by its first use, if it may, and not beyond the maximum", () => {
  const broker = new BrokerOfQueues({ queuesMax: 2 });
  broker.publish("a", "1");
  broker.join("alice", { queue: "b" });
  assert.equal(refusalOf(() => broker.publish("c", "1")), "quota-exceeded");
  assert.equal(refusalOf(() => broker.publish("$c", "1")), "topic-name-invalid");
  const strict = new BrokerOfQueues({ autoCreate: false });
  assert.equal(refusalOf(() => strict.publish("a", "1")), "topic-name-invalid");
  assert.equal(refusalOf(() => strict.join("alice", { queue: "a" })), "topic-filter-invalid");
  assert.equal(strict.queues.size, 0);
});

Deno.test("a queue has no more groups than the maximum, whatever joins those that there are", () => {
  const broker = new BrokerOfQueues({ groupsMax: 2 });
  const alice = broker.join("alice", { group: "g" });
  broker.join("alice", { group: "h" });
  assert.equal(refusalOf(() => broker.join("bob", { group: "i" })), "quota-exceeded");
  broker.join("bob", { group: "h" });
  broker.join("bob", { queue: "r", group: "i" });
  broker.leave(alice, false);
  assert.equal(refusalOf(() => broker.join("bob", { group: "i" })), "quota-exceeded");
  broker.queues.deleteGroup("q", "g", broker.turn);
  broker.join("bob", { group: "i" });
  const restarted = broker.restarted({ groupsMax: 1 });
  restarted.join("alice", { group: "h" });
  assert.equal(refusalOf(() => restarted.join("alice", { group: "j" })), "quota-exceeded");
});

Deno.test("ordinary topics are captured by the queues whose filters match, and a full one does not refuse the publisher", () => {
  const broker = new BrokerOfQueues();
  assert.equal(broker.queues.capturesOf("a/b").length, 0);
  broker.create({ name: "q", topics: ["a/#"], limits: { ...limits, messages: 1 } });
  broker.create({ name: "r", topics: ["a/+", "a/b"] });
  const names = (topic: string) => broker.queues.capturesOf(topic).map(({ name }) => name);
  assert.deepEqual([names("a/b"), names("a/b/c"), names("b")], [["q", "r"], ["q"], []]);
  const copy = publicationOf("q", "1", { routingKey: "a/b", sourceTopic: "a/b" });
  broker.queues.capture(copy, broker.turn);
  broker.queues.capture(copy, broker.turn);
  broker.settle();
  assert.equal(broker.queues.view("q")?.statistics.dropped["queue-full"], 1);
  broker.queues.change(definitionOf({ name: "q", topics: [] }), broker.turn);
  assert.deepEqual(names("a/b"), ["r"]);
  broker.queues.delete("r", broker.turn);
  assert.deepEqual(names("a/b"), []);
});

Deno.test("partitions grow and are served, and what the messages would not survive is refused", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", partitions: 2 });
  const alice = broker.join("alice");
  const change = (definition: object) =>
    broker.queues.change(definitionOf({ name: "q", partitions: 2, ...definition }), broker.turn);
  change({ partitions: 4 });
  for (let i = 0; i < 4; i++) broker.publish("q", `${i}`);
  assert.deepEqual(alice.holding, ["0", "1", "2", "3"]);
  assert.throws(() => change({ partitions: 3 }), /partitions are only added/);
  assert.throws(() => change({ partitions: 4, type: "stream" }), /the type of a queue cannot be changed/);
  assert.throws(() => change({ partitions: 4, ordering: "none" }), /the ordering of a queue cannot be changed/);
  assert.throws(() => change({ name: "other" }), /there is none of that name/);
  assert.equal(broker.restarted().queues.view("q")?.partitions.length, 4);
});

Deno.test("a shorter visibility timeout holds for what is delivered from now on", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "1");
  broker.queues.change(definitionOf({ name: "q", visibilityTimeoutMs: 1_000 }), broker.turn);
  broker.publish("q", "2");
  broker.advance(1_000);
  assert.deepEqual(alice.holding, ["1"]);
});

Deno.test("definitions that contradict themselves are refused with the rule", () => {
  const broker = new BrokerOfQueues();
  const refused = (definition: object, rule: RegExp) => {
    assert.throws(() => broker.create({ name: "q", ...definition }), rule);
    assert.equal(broker.queues.size, 0);
  };
  refused({ name: "" }, /a queue's name is one topic level/);
  refused({ name: "a/b" }, /a queue's name is one topic level/);
  refused({ partitions: 0 }, /partitions of "q" to 0: it must be a whole number from 1 to 1000/);
  refused({ partitions: 1_001 }, /from 1 to 1000/);
  refused({ ordering: "strict", partitions: 2 }, /with the ordering "strict" it has 1/);
  refused({ topics: ["$SYS/#"] }, /that is not an ordinary topic/);
  refused({ topics: ["a/#/b"] }, /"#" the last one/);
  refused({ backoff: { initialMs: 10, maxMs: 5, multiplier: 2, jitter: 0 } }, /backoff.initialMs is 10/);
  refused({ backoff: { initialMs: 1, maxMs: 5, multiplier: 0.5, jitter: 0 } }, /between 1 and 1000/);
  refused({ backoff: { initialMs: 1, maxMs: 5, multiplier: 2, jitter: 2 } }, /between 0 and 1/);
  refused({ retention: { ...DEFAULT_QUEUE.retention, isCompacted: true } }, /only a stream is compacted/);
  refused({ deliveryLimit: 1.5 }, /a whole number/);
  broker.create({ name: "q" });
  assert.throws(() => broker.create({ name: "q" }), /it is there already/);
});
