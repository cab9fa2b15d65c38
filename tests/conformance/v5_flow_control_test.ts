import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable } from "../support/departure.ts";
import { rawPublish } from "../support/raw_packet.ts";

/** A subscriber to "a" that takes this many unacknowledged messages, and a publisher. */
async function pair(broker: TestBroker, receiveMaximum: number, qos: 0 | 1 | 2 = 2): Promise<[TestClient, TestClient]> {
  const subscriber = await broker.connect({ properties: { receiveMaximum } });
  await subscriber.subscribe("a", { qos });
  return [subscriber, await broker.connect()];
}

/** Publishes these payloads to "a". */
async function publishAll(publisher: TestClient, payloads: readonly string[], qos: 0 | 1 | 2): Promise<void> {
  for (const payload of payloads) await publisher.publish("a", payload, { qos });
}

/** Reads so many messages without acknowledging; answers their packet ids. */
async function take(subscriber: TestClient, payloads: readonly string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const payload of payloads) {
    const message = await subscriber.receive({ acknowledge: false });
    assert.equal(message.payload.toString(), payload);
    ids.push(message.messageId!);
  }
  return ids;
}

for (const qos of [1, 2] as const) {
  for (const maximum of [1, 3]) {
    Deno.test(`[MQTT-4.9.0-1][MQTT-4.9.0-2] QoS ${qos}: exactly ${maximum} under way at Receive Maximum ${maximum}`, async () => {
      await using broker = await TestBroker.start();
      const [subscriber, publisher] = await pair(broker, maximum);
      const payloads = ["0", "1", "2", "3", "4"];
      await publishAll(publisher, payloads, qos);
      await take(subscriber, payloads.slice(0, maximum));
      await subscriber.expectNothing();
    });
  }
}

Deno.test("[MQTT-4.9.0-1] without a Receive Maximum the broker sends more than one, and less than 65,536", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = [await broker.connect(), await broker.connect()];
  await subscriber.subscribe("a", { qos: 1 });
  await publishAll(publisher, ["0", "1", "2"], 1);
  await take(subscriber, ["0", "1", "2"]);
});

Deno.test("[MQTT-4.9.0-2] QoS 1 and QoS 2 share the quota", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 2);
  await publishAll(publisher, ["one"], 1);
  await publishAll(publisher, ["two"], 2);
  await publishAll(publisher, ["one more"], 1);
  await take(subscriber, ["one", "two"]);
  await subscriber.expectNothing();
});

for (const reasonCode of [0x00, 0x10, 0x80, 0x97]) {
  Deno.test(`[MQTT-4.9.0-2] each PUBACK 0x${reasonCode.toString(16)} lets one more go`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, 1, 1);
    await publishAll(publisher, ["0", "1", "2"], 1);
    for (const payload of ["0", "1", "2"]) {
      const [messageId] = await take(subscriber, [payload]);
      await subscriber.expectNothing();
      await subscriber.send({ cmd: "puback", messageId, reasonCode });
    }
    await subscriber.expectNothing();
  });
}

Deno.test("[MQTT-4.9.0-2] PUBCOMP lets one more go, PUBREC does not", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 1);
  await publishAll(publisher, ["0", "1"], 2);
  const [messageId] = await take(subscriber, ["0"]);
  await subscriber.send({ cmd: "pubrec", messageId });
  await subscriber.expect("pubrel");
  await subscriber.expectNothing();
  await subscriber.send({ cmd: "pubcomp", messageId });
  await take(subscriber, ["1"]);
});

Deno.test("[MQTT-4.9.0-2] a PUBREC that refuses lets one more go", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 1);
  await publishAll(publisher, ["0", "1"], 2);
  const [messageId] = await take(subscriber, ["0"]);
  await subscriber.send({ cmd: "pubrec", messageId, reasonCode: 0x83 });
  await take(subscriber, ["1"]);
});

Deno.test("[MQTT-4.9.0-2] acknowledgements of what was not sent do not raise the quota", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 1, 1);
  await publishAll(publisher, ["0", "1", "2"], 1);
  const [messageId] = await take(subscriber, ["0"]);
  for (const other of [messageId + 1, messageId + 2, 999]) await subscriber.send({ cmd: "puback", messageId: other });
  await subscriber.expectNothing();
  for (let i = 0; i < 3; i++) await subscriber.send({ cmd: "puback", messageId });
  const [next] = await take(subscriber, ["1"]);
  if (next !== messageId) await subscriber.expectNothing();
});

Deno.test("[MQTT-4.9.0-2] retained messages for a new subscription keep to the quota", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (let i = 0; i < 5; i++) await publisher.publish(`r/${i}`, "kept", { qos: 1, retain: true });
  const subscriber = await broker.connect({ properties: { receiveMaximum: 2 } });
  await subscriber.subscribe("r/+", { qos: 1 });
  for (let i = 0; i < 2; i++) await subscriber.receive({ acknowledge: false });
  await subscriber.expectNothing();
});

Deno.test("[MQTT-4.9.0-2] each connection has its own Receive Maximum: what is sent again keeps to the new one", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("narrower", { properties: { receiveMaximum: 4 } }));
  await first.subscribe("a", { qos: 1 });
  await publishAll(publisher, ["0", "1", "2", "3", "4"], 1);
  const ids = await take(first, ["0", "1", "2", "3"]);
  await drop(broker, first);
  const second = await broker.connect(durable("narrower", { properties: { receiveMaximum: 1 } }));
  for (const [i, messageId] of ids.entries()) {
    assert.deepEqual(await take(second, [`${i}`]), [messageId]);
    await second.expectNothing();
    await second.send({ cmd: "puback", messageId });
  }
  await take(second, ["4"]);
});

Deno.test("[MQTT-4.9.0-2] a wider Receive Maximum after a reconnect is used at once", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("wider", { properties: { receiveMaximum: 1 } }));
  await first.subscribe("a", { qos: 1 });
  await publishAll(publisher, ["0", "1", "2"], 1);
  await take(first, ["0"]);
  await drop(broker, first);
  const second = await broker.connect(durable("wider", { properties: { receiveMaximum: 3 } }));
  await take(second, ["0", "1", "2"]);
});

Deno.test("[MQTT-4.9.0-2] the quota of one subscriber does not hold up another", async () => {
  await using broker = await TestBroker.start();
  const [slow, publisher] = await pair(broker, 1);
  const [fast] = await pair(broker, 100);
  await publishAll(publisher, ["0", "1", "2"], 1);
  await take(fast, ["0", "1", "2"]);
  await take(slow, ["0"]);
  await slow.expectNothing();
});

Deno.test("[MQTT-4.9.0-3] with no quota left everything else is processed and answered", async () => {
  await using broker = await TestBroker.start();
  const [client, other] = await pair(broker, 1);
  await publishAll(other, ["0", "1"], 1);
  await take(client, ["0"]);
  await client.expectNothing();
  assert.equal(await client.subscribe("b", { qos: 1 }), 1);
  assert.equal(await client.unsubscribe("b"), 0);
  await other.subscribe("c", { qos: 2 });
  for (const qos of [0, 1, 2] as const) {
    assert.equal(await client.publish("c", `${qos}`, { qos }), 0);
    assert.equal((await other.receive()).payload.toString(), `${qos}`);
  }
  await client.expectNothing();
});

Deno.test("[MQTT-4.9.0-3] with no quota left PUBREC is answered and the acknowledgement sequence goes on", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = await pair(broker, 2);
  await publishAll(publisher, ["0", "1", "2"], 2);
  const ids = await take(client, ["0", "1"]);
  for (const messageId of ids) {
    await client.send({ cmd: "pubrec", messageId });
    assert.equal((await client.expect("pubrel")).messageId, messageId);
  }
  await client.expectNothing();
});

Deno.test("[MQTT-4.9.0-3] the messages that wait are not lost and come in order", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 1);
  const payloads = Array.from({ length: 40 }, (_, i) => `${i}`);
  for (const [i, payload] of payloads.entries()) await publisher.publish("a", payload, { qos: i % 2 === 0 ? 1 : 2 });
  for (const payload of payloads) assert.equal((await subscriber.receive()).payload.toString(), payload);
  await subscriber.expectNothing();
});

Deno.test("[MQTT-4.9.0-1] a client that exceeds the broker's Receive Maximum is told 0x93", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 2 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.receiveMaximum, 2);
  for (const packetId of [1, 2]) {
    await client.sendBytes(rawPublish({ first: 0x34, packetId }));
    await client.expect("pubrec");
  }
  await client.sendBytes(rawPublish({ first: 0x34, packetId: 3 }));
  assert.equal(await client.expectClosed(), 0x93);
});

Deno.test("[MQTT-4.9.0-1] a client that keeps to the broker's Receive Maximum may go on for ever", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 2 } });
  const client = await broker.connect();
  for (let i = 0; i < 20; i++) await client.publish("a", `${i}`, { qos: i % 2 === 0 ? 1 : 2 });
  await client.expectNothing();
});
