/** Durable queues over MQTT, both versions: publishing, consuming, the three ways to settle. */
import assert from "node:assert/strict";
import type { Packet } from "mqtt-packet";
import { happening } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";
import { AT_ONCE, facts, propertiesOf, put, queueBroker, settle } from "./queue_client.ts";

const IN_GROUP = { qos: 1, userProperties: { "consumer-group": "workers" } } as const;

Deno.test("what was published before anybody subscribed is delivered, with what a consumer has to know", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  assert.equal(await put(publisher, "$queue/tasks/image/large", "one", { "partition-key": "k", own: ["a", "b"] }), 0);
  const consumer = await broker.connect();
  assert.equal(await consumer.subscribe("$queue/tasks", IN_GROUP), 1);
  const publish = await consumer.receive();
  assert.deepEqual([publish.topic, `${publish.payload}`, publish.qos], ["$queue/tasks/image/large", "one", 1]);
  const { timestamp, ...properties } = propertiesOf(publish);
  assert.ok(Math.abs(Number(timestamp) - Date.now()) < 60_000);
  assert.deepEqual(properties, {
    "partition-key": "k",
    own: ["a", "b"],
    "message-id": "tasks:0:0",
    "group-id": "workers",
    queue: "tasks",
    partition: "0",
    offset: "0",
    "delivery-count": "1",
  });
});

Deno.test("a queue is made by its first use, publish or subscription", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const client = await broker.connect();
  assert.equal(await client.subscribe("$queue/one", { qos: 1 }), 1);
  assert.equal(await put(publisher, "$queue/two", "x"), 0);
  await put(publisher, "$queue/one", "y");
  assert.equal(facts(await client.receive()).payload, "y");
  assert.deepEqual(broker.broker.queues.list().map(({ definition }) => definition.name), ["one", "two"]);
});

Deno.test("groups are independent: each gets every message, and settles for itself", async () => {
  await using broker = await queueBroker();
  const clients = await Promise.all(["billing", "mail"].map(async (group) => {
    const client = await broker.connect();
    await client.subscribe("$queue/tasks", { qos: 1, userProperties: { "consumer-group": group } });
    return client;
  }));
  const publisher = await broker.connect();
  await put(publisher, "$queue/tasks", "one");
  for (const [index, client] of clients.entries()) {
    const { payload, group } = facts(await client.receive());
    assert.deepEqual([payload, group], ["one", ["billing", "mail"][index]]);
  }
  for (const client of clients) await client.expectNothing();
});

Deno.test("members of a group share the messages, each goes to one of them", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 4 });
  const members = [await broker.connect(), await broker.connect()];
  for (const member of members) await member.subscribe("$queue/tasks", IN_GROUP);
  const publisher = await broker.connect();
  for (let i = 0; i < 8; i++) await put(publisher, "$queue/tasks", `${i}`);
  const got = [];
  for (const member of members) for (let i = 0; i < 4; i++) got.push(facts(await member.receive()).payload);
  assert.deepEqual(got.toSorted(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
});

Deno.test("3.1.1: the group is in the filter, PUBACK settles", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect({ version: 4 });
  await publisher.publish("$queue/tasks", "one", { qos: 1 });
  const first = await broker.connect({ version: 4 });
  assert.equal(await first.subscribe("$share/workers/$queue/tasks", { qos: 1 }), 1);
  assert.equal(`${(await first.receive()).payload}`, "one");
  await first.expectNothing();
  await first.disconnect();
  const second = await broker.connect({ version: 4 });
  await second.subscribe("$share/workers/$queue/tasks", { qos: 1 });
  await second.expectNothing();
});

Deno.test("QoS 2: PUBREC settles", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", { ...IN_GROUP, qos: 2 });
  await put(publisher, "$queue/tasks", "one");
  const publish = await client.receive({ acknowledge: false });
  assert.equal(publish.qos, 2);
  await client.send({ cmd: "pubrec", messageId: publish.messageId });
  await client.expect("pubrel");
  client.close(); // before PUBCOMP
  const other = await broker.connect();
  await other.subscribe("$queue/tasks", IN_GROUP);
  await other.expectNothing();
});

Deno.test("QoS 2: a packet id that the client may know is released before another message has it", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const durable = { clientId: "c", clean: false, properties: { sessionExpiryInterval: 60 } };
  const client = await broker.connect(durable);
  await client.subscribe("$queue/tasks", { ...IN_GROUP, qos: 2 });
  await put(publisher, "$queue/tasks", "one");
  const { messageId } = await client.receive({ acknowledge: false });
  client.close(); // its PUBREC is lost
  const again = await broker.connect(durable);
  assert.equal((await again.expect("pubrel")).messageId, messageId);
  const publish = await again.receive({ acknowledge: false });
  assert.notEqual(publish.messageId, messageId);
  assert.equal(`${publish.payload}`, "one");
  await again.send({ cmd: "pubcomp", messageId });
});

Deno.test("QoS 0 cannot consume: nothing could be settled", async () => {
  await using broker = await queueBroker();
  const client = await broker.connect();
  assert.equal(await client.subscribe("$queue/tasks", { qos: 0 }), 0x83);
  const old = await broker.connect({ version: 4 });
  assert.equal(await old.subscribe("$queue/tasks", { qos: 0 }), 0x80);
});

Deno.test("[MQTT-3.1.2-29][MQTT-3.9.2-1] a refused consumer is told why, where it wants to know and has room for it", async () => {
  await using broker = await queueBroker();
  const reasons: (string | undefined)[] = [];
  for (const properties of [{}, { requestProblemInformation: false }, { maximumPacketSize: 40 }]) {
    const client = await broker.connect({ properties });
    const topics = [{ topic: "ordinary", qos: 0 }, { topic: "$queue/tasks", qos: 0 }, { topic: "$queue/+", qos: 1 }];
    await client.send({ cmd: "subscribe", messageId: 7, subscriptions: topics } as Packet);
    const suback = await client.expect("suback");
    assert.deepEqual(suback.granted, [0, 0x83, 0x8f]);
    reasons.push(suback.properties?.reasonString);
  }
  assert.deepEqual(reasons, [
    'Cannot consume from "$queue/tasks" with QoS 0: nothing could be settled',
    undefined,
    undefined,
  ]);
});

Deno.test("a message that nobody settles comes again when its consumer is gone, counted", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  await put(publisher, "$queue/tasks", "one");
  const lost = await broker.connect();
  await lost.subscribe("$queue/tasks", IN_GROUP);
  const before = facts(await lost.receive({ acknowledge: false }));
  const heir = await broker.connect();
  await heir.subscribe("$queue/tasks", IN_GROUP);
  lost.close();
  const after = facts(await heir.receive());
  assert.deepEqual([after.payload, after.id, after.count], ["one", before.id, 2]);
});

Deno.test("who leaves in peace gives back what it held, and that does not count", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const leaver = await broker.connect();
  await leaver.subscribe("$queue/tasks", IN_GROUP);
  await put(publisher, "$queue/tasks", "one");
  await leaver.receive({ acknowledge: false });
  assert.equal(await leaver.unsubscribe("$queue/tasks"), 0);
  const heir = await broker.connect();
  await heir.subscribe("$queue/tasks", IN_GROUP);
  assert.equal(facts(await heir.receive()).count, 1);
});

for (const code of [0x80, 0x83, 0x97]) {
  Deno.test(`PUBACK 0x${code.toString(16)} nacks: the message comes again, also where there is one consumer`, async () => {
    await using broker = await queueBroker();
    const publisher = await broker.connect();
    const client = await broker.connect();
    await client.subscribe("$queue/tasks", IN_GROUP);
    await put(publisher, "$queue/tasks", "one");
    const publish = await client.receive({ acknowledge: false });
    await client.send({ cmd: "puback", messageId: publish.messageId, reasonCode: code });
    assert.equal(facts(await client.receive()).count, 2);
  });
}

Deno.test("PUBACK 0x99 rejects: the message is a dead letter that says why", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  await put(publisher, "$queue/tasks/a", "poison", { own: "x" });
  const publish = await client.receive({ acknowledge: false });
  const properties = { reasonString: "not JSON" };
  await client.send({ cmd: "puback", messageId: publish.messageId, reasonCode: 0x99, properties });
  assert.equal(await client.subscribe("$queue/tasks/$dlq", { qos: 1 }), 1);
  const dead = await client.receive();
  assert.deepEqual([dead.topic, `${dead.payload}`], ["$queue/tasks/$dlq/a", "poison"]);
  const found = propertiesOf(dead);
  assert.equal(found.own, "x");
  assert.equal(found["dead-letter-cause"], "rejected");
  assert.equal(found["dead-letter-reason"], "not JSON");
  assert.equal(found["dead-letter-message-id"], "tasks:0:0");
  assert.equal(found["dead-letter-group"], "workers");
  assert.equal(found["dead-letter-delivery-count"], "1");
});

Deno.test("$ack, $nack and $reject settle by message-id, and PUBACK says when that is stored", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  for (const payload of ["a", "b", "c"]) await put(publisher, "$queue/tasks", payload);
  const held = [];
  for (let i = 0; i < 3; i++) held.push(facts(await client.receive({ acknowledge: false })));
  assert.equal(await settle(client, "ack", held[0].id), 0);
  assert.equal(await settle(client, "reject", held[1].id, { reason: "bad" }), 0);
  assert.equal(await settle(client, "ack", held[0].id), 0x83, "a second time it is not held any more");
  await client.send({
    cmd: "publish",
    topic: "$queue/tasks/$nack",
    payload: "",
    qos: 1,
    messageId: 77,
    dup: false,
    retain: false,
    properties: { userProperties: { "message-id": held[2].id, delay: "0" } },
  });
  assert.deepEqual([facts(await client.receive()).count, (await client.expect("puback")).reasonCode ?? 0], [2, 0]);
});

Deno.test("only the holder may settle", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const holder = await broker.connect();
  await holder.subscribe("$queue/tasks", IN_GROUP);
  await put(publisher, "$queue/tasks", "one");
  const { id } = facts(await holder.receive({ acknowledge: false }));
  const other = await broker.connect();
  assert.equal(await settle(other, "ack", id), 0x83);
  await other.subscribe("$queue/tasks", IN_GROUP);
  assert.equal(await settle(other, "reject", id), 0x83, "a member of the group, but not the holder");
  assert.equal(await settle(holder, "ack", id, { "group-id": "another" }), 0x83, "not held for that group");
  assert.equal(await settle(holder, "ack", id), 0);
});

Deno.test("[MQTT-4.3.3-10] the packet id of a settlement that was refused is free: what comes with it next is a new message", async () => {
  await using broker = await queueBroker();
  const client = await broker.connect();
  await client.subscribe("t");
  const send = (topic: string) =>
    client.send({
      ...{ cmd: "publish", topic, payload: "x", qos: 2, messageId: 7, dup: false, retain: false },
      properties: { userProperties: { "message-id": "tasks:0:0" } },
    });
  await send("$queue/tasks/$ack");
  assert.equal((await client.expect("pubrec")).reasonCode, 0x83);
  await send("t");
  assert.equal((await client.receive()).topic, "t");
  assert.equal((await client.expect("pubrec")).reasonCode ?? 0, 0);
});

Deno.test("a late settlement is refused without harm, and the message is somebody else's by then", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1, visibilityTimeoutMs: 150 });
  const publisher = await broker.connect();
  const slow = await broker.connect();
  await slow.subscribe("$queue/tasks", { qos: 1, userProperties: { "consumer-group": "workers", prefetch: "1" } });
  await put(publisher, "$queue/tasks", "one");
  const first = await slow.receive({ acknowledge: false });
  const again = facts(await slow.receive()); // its time was over
  assert.equal(again.count, 2);
  assert.equal(await settle(slow, "ack", facts(first).id), 0x83);
});

Deno.test("$extend holds a message longer", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1, visibilityTimeoutMs: 300 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  const other = await broker.connect();
  await other.subscribe("$queue/tasks", { qos: 1, userProperties: { "consumer-group": "others" } });
  await put(publisher, "$queue/tasks", "one");
  const { id } = facts(await client.receive({ acknowledge: false }));
  assert.equal(await settle(client, "extend", id, { delay: "1m" }), 0);
  for (let count = 1; count <= 3; count++) { // the other lets it go twice meanwhile
    assert.equal(facts(await other.receive({ acknowledge: false })).count, count);
  }
  assert.equal(await settle(client, "ack", id), 0);
});

Deno.test("no more than the prefetch, nor than the client's Receive Maximum, is under way", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  for (let i = 0; i < 5; i++) await put(publisher, "$queue/tasks", `${i}`);
  for (const [properties, userProperties] of [[{ receiveMaximum: 2 }, undefined], [{}, { prefetch: "2" }]] as const) {
    const client = await broker.connect({ properties });
    await client.subscribe("$queue/tasks", { qos: 1, userProperties });
    const first = await client.receive({ acknowledge: false });
    await client.receive({ acknowledge: false });
    await client.expectNothing();
    await client.send({ cmd: "puback", messageId: first.messageId });
    const third = Number(facts(first).payload) + 2; // the first group has settled one, and took it along when it ended
    assert.equal(facts(await client.receive({ acknowledge: false })).payload, `${third}`);
    await client.disconnect();
  }
});

Deno.test("messages of one partition-key come one after the other, in order, through retries", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  for (const payload of ["a1", "a2"]) await put(publisher, "$queue/tasks", payload, { "partition-key": "a" });
  await put(publisher, "$queue/tasks", "b1", { "partition-key": "b" });
  const a1 = await client.receive({ acknowledge: false });
  assert.equal(facts(a1).payload, "a1");
  assert.equal(facts(await client.receive()).payload, "b1"); // a is held, not its partition
  await client.expectNothing();
  await client.send({ cmd: "puback", messageId: a1.messageId, reasonCode: 0x80 });
  const again = await client.receive();
  assert.deepEqual([facts(again).payload, facts(again).count], ["a1", 2]);
  assert.equal(facts(await client.receive()).payload, "a2");
});

Deno.test("a subscription asks for some routing keys only, and the others do not wait for it", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks/image/#", IN_GROUP);
  for (const key of ["text/a", "image/a", "image", "other"]) await put(publisher, `$queue/tasks/${key}`, key);
  assert.equal(facts(await client.receive()).payload, "image/a");
  assert.equal(facts(await client.receive()).payload, "image");
  await client.expectNothing();
});

Deno.test("a delayed message comes when its time has come", async () => {
  await using broker = await queueBroker();
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  const before = performance.now();
  assert.equal(await put(publisher, "$queue/tasks", "later", { delay: "300ms" }), 0);
  await put(publisher, "$queue/tasks", "now");
  assert.equal(facts(await client.receive()).payload, "now");
  assert.equal(facts(await client.receive()).payload, "later");
  assert.ok(performance.now() - before >= 295);
});

Deno.test("a second message with one message-key is acknowledged and not appended", async () => {
  await using broker = await queueBroker();
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  for (const payload of ["one", "again"]) {
    assert.equal(await put(publisher, "$queue/tasks", payload, { "message-key": "order-1" }), 0);
  }
  await put(publisher, "$queue/tasks", "two", { "message-key": "order-2" });
  assert.deepEqual([facts(await client.receive()).payload, facts(await client.receive()).payload], ["one", "two"]);
});

Deno.test("the highest priority comes first", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  for (const priority of ["1", "9", "5"]) await put(publisher, "$queue/tasks", priority, { priority });
  await client.subscribe("$queue/tasks", IN_GROUP);
  const got = [];
  for (let i = 0; i < 3; i++) got.push(facts(await client.receive()).payload);
  assert.deepEqual(got, ["9", "5", "1"]);
});

Deno.test("a property that cannot be understood is refused, and says why", async () => {
  await using broker = await queueBroker();
  const publisher = await broker.connect();
  const wrongs: Record<string, string>[] = [{ priority: "10" }, { priority: "high" }, { delay: "soon" }, {
    "message-key": "k".repeat(1025),
  }, {
    delay: "999d",
  }];
  for (const wrong of wrongs) {
    assert.equal(await put(publisher, "$queue/tasks", "x", wrong), 0x83);
  }
});

Deno.test("a queue that is full says 0x97, and takes more when there is room", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1, limits: { messages: 2 } });
  const publisher = await broker.connect();
  const client = await broker.connect();
  for (const expected of [0, 0, 0x97]) assert.equal(await put(publisher, "$queue/tasks", "x"), expected);
  await client.subscribe("$queue/tasks", IN_GROUP);
  await client.receive();
  await client.receive();
  await client.unsubscribe("$queue/tasks");
  assert.equal(await put(publisher, "$queue/tasks", "x"), 0);
});

Deno.test("a message that is too large for the queue is refused", async () => {
  await using broker = await queueBroker({ name: "tasks", limits: { messageBytes: 100 } });
  const publisher = await broker.connect();
  assert.equal(await put(publisher, "$queue/tasks", "x".repeat(200)), 0x97);
  assert.equal(await put(publisher, "$queue/tasks", "x"), 0);
});

Deno.test("what is captured is delivered under its topic, and to ordinary subscribers as well", async () => {
  await using broker = await queueBroker({ name: "readings", topics: ["sensors/#"] });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/readings", IN_GROUP);
  await publisher.publish("sensors/a/temperature", "21", { qos: 1 });
  const publish = await client.receive();
  assert.equal(publish.topic, "$queue/readings/sensors/a/temperature");
  assert.equal(propertiesOf(publish)["source-topic"], "sensors/a/temperature");
  const hearer = await broker.connect();
  await hearer.subscribe("sensors/#");
  await publisher.publish("sensors/a", "22");
  assert.equal(`${(await hearer.receive()).payload}`, "22");
});

Deno.test("a will for a queue is appended, and a retained publish is, too", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  const dying = await broker.connect({
    will: { topic: "$queue/tasks", payload: "died" as never, qos: 1, retain: false },
  });
  await client.subscribe("$queue/tasks", IN_GROUP);
  dying.close();
  assert.equal(facts(await client.receive()).payload, "died");
  await publisher.publish("$queue/tasks", "kept", { qos: 1, retain: true });
  const kept = await client.receive();
  assert.deepEqual([`${kept.payload}`, kept.retain], ["kept", false]);
  assert.equal(broker.broker.queues.get("tasks")!.stored.count, 2);
  const late = await broker.connect();
  await late.subscribe("$queue/tasks", { qos: 1, userProperties: { "consumer-group": "late", "start-at": "last" } });
  await late.expectNothing(); // it lies in the queue, and is no retained message
});

Deno.test("a topic that ends like a settlement and is none of a queue is an ordinary one", async () => {
  await using broker = await queueBroker();
  const client = await broker.connect();
  await client.subscribe("jobs/#", { qos: 1 });
  assert.equal(await put(await broker.connect(), "jobs/$ack", "plain", { "message-id": "tasks:0:0" }), 0);
  assert.equal(`${(await client.receive()).payload}`, "plain");
});

Deno.test("who names no group has one of its own, whatever its client id begins with", async () => {
  await using broker = await queueBroker();
  const clients = [await broker.connect({ clientId: "worker-1" }), await broker.connect({ clientId: "worker-2" })];
  for (const client of clients) await client.subscribe("$queue/tasks", { qos: 1 });
  await put(await broker.connect(), "$queue/tasks", "for both");
  for (const client of clients) assert.equal(facts(await client.receive()).payload, "for both");
});

Deno.test("a SUBSCRIBE that is refused leaves the consumer as it was", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  const wrong = { qos: 1, userProperties: { "consumer-group": "$wrong" } } as const;
  assert.equal(await client.subscribe("$queue/tasks", wrong), 0x8f);
  await put(await broker.connect(), "$queue/tasks", "one");
  assert.equal(facts(await client.receive()).payload, "one");
});

Deno.test("a session that is resumed consumes on", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const connect = { clientId: "worker", clean: false, properties: { sessionExpiryInterval: 100 } };
  const before = await broker.connect(connect);
  await before.subscribe("$queue/tasks", IN_GROUP);
  await before.disconnect();
  const publisher = await broker.connect();
  await put(publisher, "$queue/tasks", "one");
  const after = await broker.connect(connect);
  assert.equal(facts(await after.receive()).payload, "one");
});

Deno.test("a client that subscribes again, as many do when they come back, keeps what it holds", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1 });
  const expiry = { clientId: "worker", clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await broker.connect(expiry);
  await first.subscribe("$queue/tasks", IN_GROUP);
  await first.disconnect();
  await put(await broker.connect(), "$queue/tasks", "one");
  const second = await broker.connect(expiry);
  const publish = await second.receive({ acknowledge: false });
  assert.equal(await second.subscribe("$queue/tasks", IN_GROUP), 1);
  await second.expectNothing();
  await second.send({ cmd: "puback", messageId: publish.messageId!, reasonCode: 0 });
  await second.expectNothing();
  assert.equal(broker.broker.queues.get("tasks")!.waiting.count, 0);
  assert.equal(await second.subscribe("$queue/tasks", { ...IN_GROUP, qos: 2 }), 2, "with something else it joins anew");
});

Deno.test("too many deliveries make a dead letter", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1, deliveryLimit: 3, backoff: AT_ONCE });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", IN_GROUP);
  await put(publisher, "$queue/tasks", "poison");
  for (let count = 1; count <= 3; count++) {
    const publish = await client.receive({ acknowledge: false });
    assert.equal(facts(publish).count, count);
    await client.send({ cmd: "puback", messageId: publish.messageId, reasonCode: 0x80 });
  }
  await client.expectNothing();
  await client.subscribe("$queue/tasks/$dlq", { qos: 1 });
  const found = propertiesOf(await client.receive());
  assert.deepEqual([found["dead-letter-cause"], found["dead-letter-delivery-count"]], ["delivery-limit", "3"]);
});

Deno.test("stream: a group starts at the end unless it says otherwise, and what was read can be read again", async () => {
  await using broker = await queueBroker({ name: "log", type: "stream", partitions: 1 });
  const publisher = await broker.connect();
  for (const payload of ["a", "b", "c"]) await put(publisher, "$queue/log", payload);
  const read = async (group: string, start: string, count: number) => {
    const reader = await broker.connect();
    const userProperties = { "consumer-group": group, "start-at": start };
    await reader.subscribe("$queue/log", { qos: 1, userProperties });
    const got = [];
    for (let i = 0; i < count; i++) got.push(facts(await reader.receive()).payload);
    await reader.expectNothing();
    await reader.disconnect();
    return got.join("");
  };
  assert.equal(await read("new", "", 0), "");
  assert.equal(await read("all", "first", 3), "abc");
  assert.equal(await read("all", "first", 0), "", "a group that is there goes on where it was");
  assert.equal(await read("from", "offset=1", 2), "bc");
  assert.equal(await read("past", "1990-01-01T00:00:00Z", 3), "abc");
  assert.equal(await read("future", "2990-01-01T00:00:00Z", 0), "");
});

Deno.test("stream: $commit settles everything up to an offset, $seek goes back", async () => {
  await using broker = await queueBroker({ name: "log", type: "stream", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  for (const payload of ["a", "b", "c"]) await put(publisher, "$queue/log", payload);
  const userProperties = { "consumer-group": "g", "start-at": "first" };
  await client.subscribe("$queue/log", { qos: 1, userProperties });
  for (let i = 0; i < 3; i++) await client.receive({ acknowledge: false });
  const commit = () => put(client, "$queue/log/$commit", "", { partition: "0", offset: "1" });
  assert.deepEqual([await commit(), await commit()], [0, 0x83], "once: then it is not held any more");
  await client.unsubscribe("$queue/log");
  const other = await broker.connect();
  await other.subscribe("$queue/log", { qos: 1, userProperties });
  assert.equal(facts(await other.receive()).payload, "c");
  assert.equal(await put(other, "$queue/log/$seek", "", { partition: "0", offset: "0" }), 0);
  const got = [];
  for (let i = 0; i < 3; i++) got.push(facts(await other.receive()).payload);
  assert.equal(got.join(""), "abc");
});

Deno.test("who consumes from a queue that is deleted moves nobody, and consumes from the next one of that name", async () => {
  await using broker = await queueBroker({ name: "log", type: "stream", partitions: 1 });
  const client = await broker.connect();
  const userProperties = { "consumer-group": "g", "start-at": "first" };
  await client.subscribe("$queue/log", { qos: 1, userProperties });
  const publisher = await broker.connect();
  const seek = () => put(client, "$queue/log/$seek", "", { partition: "0", offset: "0" });
  assert.ok(await broker.broker.queues.delete("log"));
  assert.equal(await seek(), 0x83);
  await broker.broker.queues.create({ name: "log", type: "stream", partitions: 1 });
  await put(publisher, "$queue/log", "a");
  assert.equal(facts(await client.receive()).payload, "a");
  assert.equal(await settle(client, "seek", "log:0:0", { partition: "0", offset: "1" }), 0);
});

const KEPT = { clean: false, properties: { sessionExpiryInterval: 60 } } as const;

Deno.test("a consumer waits for a queue that is not there: connected at its end, or back after it", async () => {
  await using broker = await queueBroker({ name: "tasks" }, { queues: { autoCreate: false } });
  const publisher = await broker.connect();
  const [connected, back, gone] = ["connected", "back", "gone"].map((id) => broker.connect({ ...KEPT, clientId: id }));
  for (const client of [connected, back, gone]) await (await client).subscribe("$queue/tasks", { qos: 1 });
  await (await back).disconnect();
  assert.ok(await broker.broker.queues.delete("tasks"));
  const again = await broker.connect({ ...KEPT, clientId: "back" });
  await (await gone).unsubscribe("$queue/tasks");
  await broker.broker.queues.create({ name: "tasks", backoff: AT_ONCE });
  assert.equal(await put(publisher, "$queue/tasks", "one"), 0);
  for (const client of [await connected, again]) assert.equal(facts(await client.receive()).payload, "one");
  await (await gone).expectNothing();
  const { groups } = broker.broker.queues.get("tasks")!;
  assert.deepEqual(groups.map(({ name }) => name).sort(), ["back", "connected"]);
});

Deno.test("of one group two wait for a queue with a filter each: it is made all the same, and who came first is in", async () => {
  await using broker = await queueBroker({ name: "tasks" }, { queues: { autoCreate: false } });
  const publisher = await broker.connect();
  const connect = (key: string) => broker.connect({ ...KEPT, clientId: key });
  for (const key of ["a", "b"]) {
    const client = await connect(key);
    await client.subscribe(`$queue/tasks/${key}`, { qos: 1, userProperties: { "consumer-group": "g" } });
    await client.disconnect();
  }
  assert.ok(await broker.broker.queues.delete("tasks"));
  const first = await connect("a");
  const second = await connect("b");
  const dropped = happening(broker.broker, "message-dropped");
  await broker.broker.queues.create({ name: "tasks" });
  const { clientId, topic, cause } = await dropped;
  assert.deepEqual([clientId, topic, cause], ["b", "$queue/tasks", "refused"]);
  for (const key of ["b", "a"]) assert.equal(await put(publisher, `$queue/tasks/${key}`, key), 0);
  assert.equal(facts(await first.receive()).payload, "a");
  await second.expectNothing();
});

Deno.test("the members of a group that is deleted begin it anew", async () => {
  await using broker = await queueBroker({ name: "log", type: "stream", partitions: 1 });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/log", { qos: 1, userProperties: { "consumer-group": "g" } });
  using reader = broker.broker.queues.consume("log", { group: "h", start: { kind: "first" } });
  await put(publisher, "$queue/log", "a");
  const { id } = facts(await client.receive());
  const held = (await reader.next()).value!;
  for (const group of ["g", "h"]) await broker.broker.queues.deleteGroup("log", group);
  assert.equal(await settle(client, "ack", id), 0x83, "it is not held any more");
  await assert.rejects(held.ack(), /not held any more/);
  await put(publisher, "$queue/log", "b");
  assert.equal(facts(await client.receive()).payload, "b");
  assert.equal(new TextDecoder().decode((await reader.next()).value!.payload), "b");
});

Deno.test("a message that is larger than its consumer accepts has failed: it is not lost", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1, deliveryLimit: 2 });
  const publisher = await broker.connect();
  const small = await broker.connect({ properties: { maximumPacketSize: 400 } });
  await small.subscribe("$queue/tasks", { qos: 1 });
  await put(publisher, "$queue/tasks", "x".repeat(500));
  const client = await broker.connect();
  await client.subscribe("$queue/tasks/$dlq", { qos: 1 });
  const letter = await client.receive();
  assert.equal(letter.payload.length, 500);
  assert.equal(propertiesOf(letter)["dead-letter-cause"], "delivery-limit");
});

Deno.test("a topic that leaves no room for the names of its queue and its dead letters is not taken", async () => {
  await using broker = await queueBroker({ name: "tasks", partitions: 1, topics: ["far/#"] });
  const publisher = await broker.connect();
  const client = await broker.connect();
  await client.subscribe("$queue/tasks", { qos: 1 });
  const longest = 65_535 - "/$dlq".length;
  const queued = (bytes: number) => "$queue/tasks/".padEnd(bytes, "x");
  assert.equal(await put(publisher, queued(longest + 1), ""), 0x90);
  assert.equal(await put(publisher, queued(longest), ""), 0);
  assert.equal((await client.receive()).topic.length, longest);
  const dropped = happening(broker.broker, "message-dropped");
  const captured = (bytes: number) => "far/".padEnd(bytes - "$queue/tasks/".length, "x");
  assert.equal(await put(publisher, captured(longest + 1), ""), 0x10);
  assert.equal((await dropped).cause, "refused");
  assert.equal(await put(publisher, captured(longest), ""), 0x10);
  assert.equal((await client.receive()).topic.length, longest);
});
