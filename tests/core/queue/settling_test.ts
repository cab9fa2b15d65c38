import assert from "node:assert/strict";
import { BrokerOfQueues } from "./broker_of_queues.ts";

Deno.test("what is acknowledged is gone, and the position is behind it", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  assert.equal(broker.publish("q", "a"), "q:0:0");
  broker.publish("q", "b");
  assert.deepEqual(alice.holding, ["a", "b"]);
  assert.ok(broker.ack(alice, "a", "b"));
  assert.equal(broker.store.positions[0].position, 2);
  assert.deepEqual(broker.restarted().join("bob").seen, []);
});

Deno.test("a nack comes back to the only consumer of a group, after the backoff", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  broker.publish("q", "a");
  broker.nack(alice, "a");
  assert.deepEqual(alice.holding, []);
  broker.advance(999);
  assert.deepEqual(alice.holding, []);
  broker.advance(1);
  assert.deepEqual(alice.holding, ["a"]);
  assert.equal(alice.get("a").deliveryCount, 2);
});

Deno.test("a message that is retried holds back its key, not its partition", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice");
  for (const text of ["k1", "l1", "k2", "l2"]) broker.publish("q", text, { key: text[0] });
  assert.deepEqual(alice.holding, ["k1", "l1"]);
  broker.nack(alice, "k1");
  broker.ack(alice, "l1");
  assert.deepEqual(alice.holding, ["l2"]);
  broker.advance(1_000);
  assert.deepEqual(alice.holding, ["l2", "k1"]);
  broker.ack(alice, "k1");
  assert.deepEqual(alice.holding, ["l2", "k2"]);
});

Deno.test("an acknowledgement of one group leaves the message to the others", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  const alice = broker.join("alice", { group: "a" });
  const bob = broker.join("bob", { group: "b" });
  broker.publish("q", "x");
  broker.ack(alice, "x");
  assert.deepEqual(bob.holding, ["x"]);
  assert.deepEqual(broker.restarted().join("bob", { group: "b" }).holding, ["x"]);
});

Deno.test("a backlog is read in pages as it is worked off", () => {
  const broker = new BrokerOfQueues();
  broker.create({ name: "q" });
  for (let i = 0; i < 5_000; i++) broker.publish("q", `${i}`);
  const alice = broker.join("alice");
  const got: string[] = [];
  while (alice.deliveries.length > 0) {
    const all = alice.deliveries.splice(0);
    for (const delivery of all) {
      got.push(delivery.record.offset.toString());
      broker.queues.settle(delivery, { kind: "ack" }, broker.turn);
      broker.settle();
    }
  }
  assert.deepEqual(got, Array.from({ length: 5_000 }, (_, i) => `${i}`));
  assert.ok(broker.pages >= 5 && broker.pages < 20, `${broker.pages} pages`);
});

Deno.test("a message that fails for ever without a backoff is given out for ever", () => {
  const broker = new BrokerOfQueues();
  const backoff = { initialMs: 0, maxMs: 8_000, multiplier: 1_000, jitter: 0 };
  broker.create({ name: "q", backoff, deliveryLimit: Infinity });
  const alice = broker.join("alice");
  broker.publish("q", "a");
  for (let failures = 1; failures <= 110; failures++) { // 1000 ** 103 is no number any more
    assert.ok(broker.nack(alice, "a"));
    assert.deepEqual(alice.holding, ["a"], `after ${failures} failures`);
  }
});
