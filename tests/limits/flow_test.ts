import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { sysValue, Witness } from "../hostile/witness.ts";
import { TestBroker } from "../support/broker.ts";
import { connectRefusal, happening } from "./refused.ts";

const over = (topic: string) => ({ topic, payload: Buffer.from("x"), qos: 0 as const, retain: false });

for (
  const [name, limits, fits, exceeds] of [
    ["topicBytesMax", { topicBytesMax: 10 }, "ab/défghi", "ab/défghij"], // 10 and 11 bytes
    ["topicLevelsMax", { topicLevelsMax: 3 }, "a/b/c", "a/b/c/"],
  ] as const
) {
  Deno.test(`${name}: at the limit all is well; above it 0x90 for a topic, 0x8F for a filter`, async () => {
    await using broker = await TestBroker.start({ limits });
    const witness = await broker.connect();
    await witness.subscribe("ok");
    const client = await broker.connect();
    assert.equal(await client.subscribe(fits, { qos: 1 }), 1);
    assert.equal(await client.subscribe(exceeds), 0x8f);
    assert.equal(await client.publish(exceeds, "x", { qos: 1 }), 0x90);
    assert.equal(await client.publish(exceeds, "x", { qos: 2 }), 0x90);
    await broker.broker.publish({ topic: fits, payload: "fits", qos: 1 });
    assert.equal((await client.receive()).payload.toString(), "fits");
    await assert.rejects(broker.broker.publish({ topic: exceeds, payload: "x" }), { refusal: "topic-name-invalid" });
    await client.publish(exceeds);
    assert.equal(await client.expectClosed(), 0x90);
    assert.equal(await connectRefusal(broker, { will: over(exceeds) }), 0x90);
    const old = await broker.connect({ version: 4 });
    assert.equal(await old.subscribe(exceeds), 0x80);
    await old.publish(exceeds);
    assert.equal(await old.expectClosed(), undefined);
    await broker.broker.publish({ topic: "ok", payload: "x" });
    await witness.receive();
  });
}

Deno.test("subscriptionsPerSessionMax: 0x97 above it, replacing is free, unsubscribing gives room, others have their own", async () => {
  await using broker = await TestBroker.start({ limits: { subscriptionsPerSessionMax: 2 }, sysIntervalMs: 50 });
  const client = await broker.connect();
  const other = await broker.connect({ version: 4 });
  await client.subscribe("a");
  await client.subscribe("b");
  assert.equal(await client.subscribe("c"), 0x97);
  assert.equal(await client.subscribe("$share/g/c"), 0x97);
  assert.equal(await client.subscribe("a", { qos: 2 }), 2);
  assert.equal(await other.subscribe("a"), 0);
  assert.equal(await other.subscribe("c"), 0);
  assert.equal(await other.subscribe("d"), 0x80);
  await other.publish("c", "not for the first");
  await other.receive();
  await client.expectNothing();
  await client.unsubscribe("b");
  assert.equal(await client.subscribe("c"), 0);
  await sysValue(broker, "subscriptions/count", (value) => value >= 4);
});

for (const version of [4, 5] as const) {
  Deno.test(`v${version} inflightMax: no more are under way, the next comes for each acknowledgement`, async () => {
    await using broker = await TestBroker.start({ limits: { inflightMax: 2 } });
    const client = await broker.connect({ version, properties: version === 5 ? { receiveMaximum: 10 } : undefined });
    const other = await broker.connect();
    await client.subscribe("t", { qos: 2 });
    await other.subscribe("t", { qos: 0 });
    for (let n = 0; n < 6; n++) await broker.broker.publish({ topic: "t", payload: `${n}`, qos: n % 2 === 0 ? 1 : 2 });
    for (let n = 0; n < 6; n++) assert.equal((await other.receive()).payload.toString(), `${n}`);
    const first = await client.receive({ acknowledge: false });
    const second = await client.receive({ acknowledge: false });
    await client.expectNothing();
    await client.send({ cmd: "puback", messageId: first.messageId });
    const third = await client.receive({ acknowledge: false });
    await client.expectNothing();
    await client.send({ cmd: "pubrec", messageId: second.messageId });
    await client.expect("pubrel");
    await client.expectNothing(); // QoS 2 is under way until PUBCOMP
    await client.send({ cmd: "pubcomp", messageId: second.messageId });
    const fourth = await client.receive({ acknowledge: false });
    const order = [first, second, third, fourth].map(({ payload }) => payload.toString());
    assert.deepEqual(order, ["0", "1", "2", "3"]);
  });
}

Deno.test("[MQTT-3.3.4-9] the client's own Receive Maximum counts when it is smaller", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { receiveMaximum: 1 } });
  await client.subscribe("t", { qos: 1 });
  for (let n = 0; n < 3; n++) await broker.broker.publish({ topic: "t", payload: `${n}`, qos: 1 });
  for (let n = 0; n < 3; n++) {
    const message = await client.receive({ acknowledge: false });
    assert.equal(message.payload.toString(), `${n}`);
    await client.expectNothing();
    await client.send({ cmd: "puback", messageId: message.messageId });
  }
});

Deno.test("receiveMaximum: announced, 0x93 above it, PUBREL gives room, counted; v3 has no such rule", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 3 }, sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.receiveMaximum, 3);
  const open = async (messageId: number) => {
    await client.send({ cmd: "publish", topic: "t", payload: "x", qos: 2, messageId, retain: false, dup: false });
  };
  for (const id of [1, 2, 3]) {
    await open(id);
    await client.expect("pubrec");
  }
  await open(3); // again: none more
  await client.expect("pubrec");
  await client.send({ cmd: "pubrel", messageId: 2 });
  await client.expect("pubcomp");
  await open(4);
  await client.expect("pubrec");
  await open(5);
  assert.equal(await client.expectClosed(), 0x93);
  await sysValue(broker, "errors/protocol", (value) => value === 1);
  const old = await broker.connect({ version: 4 });
  for (let messageId = 1; messageId <= 10; messageId++) {
    await old.send({ cmd: "publish", topic: "t", payload: "x", qos: 2, messageId, retain: false, dup: false });
    await old.expect("pubrec");
  }
  await witness.check();
});

Deno.test("strictReceiveMaximum off: a client that exceeds it is borne with, and nothing is lost", async () => {
  await using broker = await TestBroker.start({
    limits: { receiveMaximum: 3 },
    listen: { strictReceiveMaximum: false },
  });
  const reader = await broker.connect();
  await reader.subscribe("t");
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.receiveMaximum, 3);
  for (let messageId = 1; messageId <= 20; messageId++) {
    await client.send({ cmd: "publish", topic: "t", payload: "x", qos: 2, messageId, retain: false, dup: false });
    await client.expect("pubrec");
    await reader.receive();
  }
  await client.expectNothing();
});

Deno.test("messageExpirySecondsMax: given to messages that carry none or more, told to v5 subscribers", async () => {
  await using broker = await TestBroker.start({ limits: { messageExpirySecondsMax: 30 } });
  const reader = await broker.connect();
  await reader.subscribe("t/#");
  const client = await broker.connect();
  const expiry = async () => (await reader.receive()).properties?.messageExpiryInterval;
  await client.publish("t/none");
  assert.equal(await expiry(), 30);
  await client.publish("t/more", "x", { properties: { messageExpiryInterval: 600 } });
  assert.equal(await expiry(), 30);
  await client.publish("t/less", "x", { properties: { messageExpiryInterval: 7 } });
  assert.equal(await expiry(), 7);
  const old = await broker.connect({ version: 4 });
  await old.publish("t/v3");
  assert.equal(await expiry(), 30);
});

Deno.test("messageExpirySecondsMax: given to messages of the program too", async () => {
  await using broker = await TestBroker.start({ limits: { messageExpirySecondsMax: 30 } });
  const reader = await broker.connect();
  await reader.subscribe("t/#");
  await broker.broker.publish({ topic: "t/none", payload: "x" });
  assert.equal((await reader.receive()).properties?.messageExpiryInterval, 30);
  await broker.broker.publish({ topic: "t/more", payload: "x", expirySeconds: 600 });
  assert.equal((await reader.receive()).properties?.messageExpiryInterval, 30);
});

Deno.test("messageExpirySecondsMax: given to wills too", async () => {
  await using broker = await TestBroker.start({ limits: { messageExpirySecondsMax: 30 } });
  const reader = await broker.connect();
  await reader.subscribe("t/#");
  const dying = await broker.connect({ will: { topic: "t/will", payload: Buffer.from("x"), qos: 0, retain: false } });
  dying.close();
  assert.equal((await reader.receive()).properties?.messageExpiryInterval, 30);
});

Deno.test("messageExpirySecondsMax: what waits longer is dropped and counted, retained or queued", async () => {
  await using broker = await TestBroker.start({ limits: { messageExpirySecondsMax: 1 }, sysIntervalMs: 50 });
  const kept = { clientId: "kept", properties: { sessionExpiryInterval: 600 } };
  const first = await broker.connect(kept);
  await first.subscribe("t", { qos: 1 });
  await first.disconnect();
  const client = await broker.connect({ version: 4 });
  const gone = happening(broker, "retained-cleared");
  await client.publish("t", "old", { qos: 1, retain: true });
  assert.equal((await gone).length, 1); // gone from the retained ones, and so from the queue
  const reader = await broker.connect();
  await reader.subscribe("t");
  await reader.expectNothing();
  const back = await broker.connect({ ...kept, clean: false });
  await back.expectNothing();
  await sysValue(broker, "messages/publish/dropped", (value) => value === 1);
});

Deno.test("[MQTT-3.1.2-25] a message above the client's Maximum Packet Size is given up, told, and holds nothing up", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const dropped = happening(broker, "message-dropped", 2);
  const client = await broker.connect({ clientId: "small", properties: { maximumPacketSize: 200, receiveMaximum: 1 } });
  await client.subscribe("t", { qos: 2 });
  for (const qos of [1, 2] as const) await broker.broker.publish({ topic: "t", payload: new Uint8Array(500), qos });
  await broker.broker.publish({ topic: "t", payload: "small", qos: 1 });
  assert.equal((await client.receive()).payload.toString(), "small");
  for (const { clientId, cause } of await dropped) {
    assert.deepEqual({ clientId, cause }, { clientId: "small", cause: "packet-too-large" });
  }
  await sysValue(broker, "messages/publish/dropped", (value) => value === 2);
});

Deno.test("what is refused for other reasons is not counted as not authorized, what is not authorized is", async () => {
  const policy = { mayPublish: (_: unknown, topic: string) => topic !== "no", maySubscribe: () => true };
  const authenticator = { authenticate: () => ({ username: undefined, policy }) };
  await using broker = await TestBroker.start({ authenticator, limits: { topicLevelsMax: 4 }, sysIntervalMs: 50 });
  const client = await broker.connect();
  assert.equal(await client.publish("a/b/c/d/e", "x", { qos: 1 }), 0x90);
  assert.equal(await client.publish("a/b/c/d/e", "x", { qos: 2 }), 0x90);
  assert.equal(await client.publish("no", "x", { qos: 1 }), 0x87);
  await sysValue(broker, "errors/authz", (value) => value > 0);
  await client.publish("no", "x", { qos: 1 });
  assert.equal(await sysValue(broker, "errors/authz", (value) => value >= 2), 2);
});
