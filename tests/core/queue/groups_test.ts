import assert from "node:assert/strict";
import { DEFAULT_QUEUE } from "../../../src/core/queue/definition.ts";
import type { QueueDelivery } from "../../../src/core/queue/delivery.ts";
import type { QueueMember } from "../../../src/core/queue/member.ts";
import type { Turn } from "../../../src/core/turn.ts";
import { BrokerOfQueues, definitionOf, START, StubConsumer, textOf } from "./broker_of_queues.ts";
import { ReferenceStore } from "./reference_store.ts";

function partitionsOf(consumer: StubConsumer): number[] {
  return consumer.member!.partitions.map(({ index }) => index).sort((a, b) => a - b);
}

Deno.test("a member that joins takes from those that have most, and the others keep theirs", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", partitions: 10 });
  const [a, b, c] = ["a", "b", "c"].map((id) => broker.join(id));
  const sizes = [a, b, c].map((each) => partitionsOf(each).length);
  assert.deepEqual(sizes.sort(), [3, 3, 4]);
  const before = partitionsOf(a);
  const d = broker.join("d");
  assert.equal(partitionsOf(d).length, 2);
  assert.ok(partitionsOf(a).every((index) => before.includes(index)), "a has nothing new");
  const kept = [a, b, d].map(partitionsOf);
  broker.leave(c, true);
  [a, b, d].forEach((each, i) => assert.ok(kept[i].every((index) => partitionsOf(each).includes(index))));
  assert.deepEqual([a, b, d].map((each) => partitionsOf(each).length).sort(), [3, 3, 4]);
});

Deno.test("what a member held when it was lost is given out again at once, before what is newer, and counts as failed", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { prefetch: 2 });
  const bob = broker.join("bob", { prefetch: 2 });
  for (const text of ["1", "2", "3"]) broker.publish("q", text);
  const [owner, other] = alice.holding.length > 0 ? [alice, bob] : [bob, alice];
  assert.deepEqual(owner.holding, ["1", "2"]);
  broker.leave(owner, true);
  assert.deepEqual(other.holding, ["1", "2"]);
  assert.equal(other.get("1").deliveryCount, 2);
});

Deno.test("a member that leaves in peace gives back what it held without counting", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "1");
  broker.leave(alice, false);
  assert.equal(alice.withdrawn.length, 1);
  assert.equal(broker.join("bob").get("1").deliveryCount, 1);
});

Deno.test("a key that is under way stays with its holder when the partition goes to another member", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", partitions: 2 });
  const alice = broker.join("alice");
  for (let i = 0; i < 4; i++) {
    broker.publish("q", `k${i}`, { key: "k" });
    broker.publish("q", `l${i}`, { key: "l" });
    broker.publish("q", `m${i}`, { key: "m" });
  }
  assert.deepEqual(alice.holding.sort(), ["k0", "l0", "m0"]);
  const bob = broker.join("bob");
  assert.deepEqual(bob.holding, [], "no two consumers hold one key");
  broker.ack(alice, "k0", "l0", "m0");
  assert.equal(bob.holding.length + alice.holding.length, 3);
  assert.ok(bob.holding.length > 0 && alice.holding.length > 0);
});

Deno.test('with the ordering "none" members compete in turn', () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", ordering: "none" });
  const members = ["a", "b", "c"].map((id) => broker.join(id));
  for (let i = 0; i < 9; i++) broker.publish("q", `${i}`);
  assert.deepEqual(members.map(({ holding }) => holding.length), [3, 3, 3]);
});

Deno.test('with the ordering "strict" one message is under way, also while it is retried', () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", ordering: "strict" });
  const alice = broker.join("alice");
  const bob = broker.join("bob");
  for (const text of ["1", "2"]) broker.publish("q", text);
  assert.equal(alice.holding.length + bob.holding.length, 1);
  broker.nack(alice, "1");
  assert.deepEqual([...alice.holding, ...bob.holding], []);
  broker.advance(1_000);
  assert.deepEqual([...alice.holding, ...bob.holding], ["1"]);
});

Deno.test("a consumer has no more than its prefetch, or than the queue's", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", prefetch: 3 });
  const alice = broker.join("alice", { group: "a" });
  const bob = broker.join("bob", { group: "b", prefetch: 1 });
  for (let i = 0; i < 5; i++) broker.publish("q", `${i}`);
  assert.deepEqual(alice.holding, ["0", "1", "2"]);
  assert.deepEqual(bob.holding, ["0"]);
  broker.ack(bob, "0");
  assert.deepEqual(bob.holding, ["1"]);
});

Deno.test("a consumer without room gets nothing until it is pumped", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  alice.hasRoom = false;
  broker.publish("q", "1");
  assert.deepEqual(alice.seen, []);
  alice.hasRoom = true;
  broker.queues.pump(alice.member!, broker.turn);
  assert.deepEqual(alice.seen, ["1"]);
});

Deno.test("only the holder finds a message by its id, for the group it names", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { group: "a" });
  const bob = broker.join("bob", { group: "b" });
  const messageId = broker.publish("q", "1");
  const { queues } = broker;
  assert.equal(queues.held(alice, { queue: "q", messageId }), alice.get("1"));
  assert.equal(queues.held(bob, { queue: "q", messageId, group: "b" }), bob.get("1"));
  assert.equal(queues.held(alice, { queue: "q", messageId, group: "b" }), undefined);
  assert.equal(queues.held(alice, { queue: "other", messageId }), undefined);
  assert.equal(queues.held(alice, { queue: "q", messageId: "q:0:1" }), undefined);
  assert.equal(queues.held(alice, { queue: "q", messageId: "q:9999:0" }), undefined);
  assert.equal(queues.held(alice, { queue: "q", messageId: "nonsense" }), undefined);
  const mallory = broker.join("mallory", { group: "a" });
  assert.equal(queues.held(mallory, { queue: "q", messageId }), undefined, "a member of the group is not the holder");
  broker.ack(alice, "1");
  assert.equal(queues.held(alice, { queue: "q", messageId }), undefined);
});

Deno.test("a settlement after the visibility timeout is refused and changes nothing", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "1");
  const late = alice.get("1");
  broker.advance(10_000);
  assert.deepEqual(alice.withdrawn, [late]);
  assert.equal(broker.queues.settle(late, { kind: "ack" }, broker.turn), false);
  assert.equal(broker.turn.effects.writes.length, 0);
  broker.advance(1_000);
  assert.notEqual(alice.get("1"), late);
  assert.equal(broker.queues.settle(late, { kind: "reject", reason: "" }, broker.turn), false);
  assert.deepEqual(alice.holding, ["1"]);
});

Deno.test("a holder that asks for more time has it", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  for (const text of ["1", "2"]) broker.publish("q", text);
  assert.ok(broker.queues.extend(alice.get("1"), 60_000, broker.turn));
  broker.advance(59_999);
  assert.ok(alice.get("1").isHeld);
  assert.ok(alice.deliveries.length > 2, "the other one has timed out");
  broker.advance(1);
  assert.equal(alice.deliveries[0].isHeld, false);
});

Deno.test("a group reads what its filter says, and the rest waits for nobody", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { filter: "image/#" });
  broker.publish("q", "1", { routingKey: "image/large" });
  broker.publish("q", "2", { routingKey: "video" });
  broker.publish("q", "3", { routingKey: "image" });
  assert.deepEqual(alice.holding, ["1", "3"]);
  assert.throws(() => broker.join("bob", { filter: "video" }), /its members read "image\/#"/);
  broker.ack(alice, "1", "3");
  assert.equal(broker.queues.view("q")?.groups[0].unsettled, 0);
});

Deno.test("a group that nobody named ends with its client's session, a named one when it was idle for long", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", groupExpiryMs: 60_000 });
  const alice = broker.join("alice", { group: "alice", boundToClient: true });
  const bob = broker.join("bob", { group: "b" });
  broker.leave(alice, false);
  broker.leave(bob, false);
  const names = () => broker.queues.view("q")!.groups.map(({ name }) => name);
  const again = broker.restarted();
  again.advance(59_999);
  assert.deepEqual(again.queues.view("q")!.groups.map(({ name }) => name), ["alice", "b"]);
  again.advance(1);
  assert.deepEqual(again.queues.view("q")!.groups.map(({ name }) => name), ["alice"]);
  again.queues.endClient("alice", again.turn);
  assert.deepEqual(again.queues.view("q")!.groups, []);
  broker.queues.endClient("alice", broker.turn);
  assert.deepEqual(names(), ["b"]);
});

class Faithful extends StubConsumer {
  rejoined(member: QueueMember): void {
    this.member = member;
  }
}

Deno.test("who has joined the group of a client that nobody named goes on in one of its own when that client's session ends", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { group: "alice", boundToClient: true, consumer: new Faithful("alice") });
  const bob = broker.join("bob", { group: "alice", consumer: new Faithful("bob") });
  const end = (consumer: StubConsumer) => {
    broker.leave(consumer, false);
    broker.queues.endClient(consumer.id, broker.turn);
    broker.settle();
  };
  end(alice);
  broker.publish("q", "1");
  assert.deepEqual(bob.holding, ["1"]);
  broker.queues.deleteGroup("q", "alice", broker.turn);
  broker.settle();
  assert.deepEqual(bob.holding, ["1"]);
  end(bob);
  assert.deepEqual(broker.queues.view("q")?.groups.map(({ name }) => name), ["alice"], "bob has named it");
});

Deno.test("what a group had settled when it went does not come back to the next one", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { group: "alice", boundToClient: true });
  for (const text of ["1", "2", "3"]) broker.publish("q", text);
  broker.ack(alice, "1", "2");
  broker.queues.endClient("alice", broker.turn);
  broker.settle();
  assert.deepEqual(broker.join("bob", { group: "bob" }).seen, ["3"]);
});

Deno.test("what the last group had settled behind something that it had not does not come back either, nor after a restart", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { group: "alice", boundToClient: true });
  for (const text of ["1", "2", "3", "4", "5"]) broker.publish("q", text);
  broker.nack(alice, "1");
  broker.ack(alice, "2", "4");
  broker.queues.endClient("alice", broker.turn);
  broker.settle();
  assert.equal(broker.queues.view("q")!.waiting.count, 3);
  const bob = broker.join("bob", { group: "bob" });
  assert.deepEqual([bob.seen, broker.queues.view("q")!.waiting.count], [["1", "3", "5"], 3]);
  assert.deepEqual(broker.restarted().join("carol", { group: "carol" }).seen, ["1", "3", "5"]);
});

Deno.test("what is appended while a page is on its way comes after it, once", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", prefetch: 5_000 });
  for (let i = 0; i < 1_500; i++) broker.publish("q", `${i}`);
  const alice = broker.join("alice");
  assert.equal(alice.seen.length, 1_000, "the window");
  const { queues, turn } = broker;
  for (const delivery of alice.deliveries.slice(0, 600)) queues.settle(delivery, { kind: "ack" }, turn);
  assert.equal(turn.effects.queueLoads.length, 1);
  const [load] = turn.effects.queueLoads.splice(0);
  for (let i = 1_500; i < 1_600; i++) broker.publish("q", `${i}`);
  assert.equal(alice.seen.length, 1_000, "nothing overtakes the page");
  assert.ok(load.kind === "page");
  queues.refill(load, broker.store.page(load.request), turn);
  broker.settle();
  for (const delivery of alice.deliveries) queues.settle(delivery, { kind: "ack" }, turn);
  broker.settle();
  assert.deepEqual(alice.seen, Array.from({ length: 1_600 }, (_, i) => `${i}`));
});

Deno.test("a group without members has no window, and reads it again when somebody comes", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  for (let i = 0; i < 10; i++) broker.publish("q", `${i}`);
  broker.ack(alice, "1", "3");
  broker.leave(alice, false);
  const [group] = broker.queues.find("q")!.groups.values();
  for (const { items } of group.places()) assert.equal(items.size, 0);
  broker.publish("q", "10");
  for (const { items } of group.places()) assert.equal(items.size, 0);
  assert.deepEqual(broker.join("bob").seen, ["0", "2", "4", "5", "6", "7", "8", "9", "10"]);
});

Deno.test("one message that is held back lets a thousand others pass, and they are one range on disk", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", prefetch: 10, visibilityTimeoutMs: 1e9 });
  const alice = broker.join("alice");
  for (let i = 0; i < 3_000; i++) broker.publish("q", `${i}`);
  for (let i = 1; i < 3_000; i++) broker.ack(alice, `${i}`);
  assert.deepEqual(alice.holding, ["0"]);
  assert.deepEqual(broker.store.load().positions[0].settled, [1, 3_000]);
  assert.equal(broker.queues.view("q")?.waiting.count, 1);
});

Deno.test("a consumer may settle while it is handed a message", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q", prefetch: 1 });
  for (let i = 0; i < 3_000; i++) broker.publish("q", `${i}`, { key: i % 3 === 0 ? "k" : "" });
  const seen: string[] = [];
  const consumer = new StubConsumer("alice");
  consumer.deliver = (delivery: QueueDelivery, turn?: Turn) => {
    seen.push(textOf(delivery.record));
    assert.ok(broker.queues.settle(delivery, { kind: "ack" }, turn!));
  };
  broker.join("alice", { consumer });
  assert.equal(seen.length, 3_000);
  assert.equal(new Set(seen).size, 3_000);
  broker.advance(2_000);
  assert.equal(broker.queues.view("q")?.stored.count, 0);
});

Deno.test("after a crash only what the consumer had counts as failed", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  for (const text of ["sent", "unsent"]) broker.publish("q", text);
  const had = ({ record }: QueueDelivery) => textOf(record) === "sent";
  broker.queues.leave(alice.member!, { isCrash: true, had }, broker.turn);
  broker.settle();
  const bob = broker.join("bob");
  assert.deepEqual([bob.get("sent").deliveryCount, bob.get("unsent").deliveryCount], [2, 1]);
});

Deno.test("a consumer is asked what it had before that is withdrawn", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  for (const text of ["1", "2"]) broker.publish("q", text);
  const alice = broker.join("alice");
  const had = new Set([alice.get("1")]);
  alice.withdraw = (delivery) => void had.delete(delivery); // as one does that remembers what it has given on
  broker.queues.leave(alice.member!, { isCrash: true, had: (delivery) => had.has(delivery) }, broker.turn);
  broker.settle();
  const bob = broker.join("bob");
  assert.deepEqual(["1", "2"].map((text) => bob.get(text).deliveryCount), [2, 1]);
});

Deno.test("a backlog of ten million costs a segment for each thousand, and one page when somebody comes", () => {
  const store = new ReferenceStore();
  const stored = store.load();
  const definition = definitionOf({ name: "q", partitions: 10, limits: { ...DEFAULT_QUEUE.limits, messages: 2e7 } });
  const segments = Array.from({ length: 1_000 }, (_, i) => {
    return { from: i * 1_000, count: 1_000, bytes: 256_000, firstAt: START, lastAt: START };
  });
  const logs = Array.from({ length: 10 }, (_, partition) => {
    return { logId: 2 + partition, queueId: 1, partition, priority: 0, first: 0, next: 1_000_000, segments };
  });
  store.load = () => ({ ...stored, queues: [{ queueId: 1, definition }], logs, lastId: 100 });
  store.commit = () => {};
  const broker = new BrokerOfQueues({ store });
  assert.equal(broker.queues.view("q")?.waiting.count, 10_000_000);
  for (let i = 0; i < 100; i++) broker.publish("q", `${i}`);
  assert.equal(broker.queues.view("q")?.waiting.count, 10_000_100);
  const alice = new StubConsumer("alice");
  const join = {
    queue: "q",
    group: "g",
    filter: "#",
    prefetch: 0,
    start: { kind: "first" },
    boundToClient: false,
  } as const;
  broker.queues.join({ ...join, consumer: alice }, broker.turn);
  const { queueLoads } = broker.turn.effects;
  assert.equal(queueLoads.length, 10);
  assert.ok(queueLoads.every((load) => load.kind === "page" && load.request.limit === 1_000));
});

Deno.test("what waits for a page of a higher priority goes on when that page has gone with its log", () => {
  const broker = new BrokerOfQueues();
  const retention = { ...DEFAULT_QUEUE.retention, ageMs: 120_000 };
  broker.create({ name: "q", retention });
  broker.publish("q", "high", { priority: 9 });
  broker.isSlow = true;
  const alice = broker.join("alice");
  broker.advance(70_000);
  broker.publish("q", "low");
  assert.equal(alice.seen.length, 0, "it does not overtake the page");
  broker.advance(90_000);
  assert.ok(broker.pending.length > 0, "and the page is still on its way");
  assert.equal(broker.queues.view("q")?.stored.count, 1);
  assert.ok(alice.seen.includes("low"));
});

Deno.test("what goes with its log while nobody has room for it is not kept for whoever will have", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { prefetch: 1 });
  const [partition] = alice.member!.partitions;
  for (const text of ["held", "ready"]) broker.publish("q", text);
  for (const text of ["front", "behind", "last"]) broker.publish("q", text, { key: "k" });
  assert.ok(partition.hasReady);
  alice.hasRoom = false;
  broker.queues.purge("q", broker.turn);
  broker.settle();
  assert.ok(!partition.hasReady);
});

Deno.test("a group that comes begins where the others are, however many they are", () => {
  const broker = new BrokerOfQueues({ groupsMax: Infinity });
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "1");
  broker.publish("q", "2");
  broker.ack(alice, "1");
  const queue = broker.queues.find("q")!;
  for (let i = 0; i < 150_000; i++) queue.groups.set(`g${i}`, alice.member!.group); // more than a call takes arguments
  assert.deepEqual(broker.join("late", { group: "late" }).holding, ["2"]);
});
