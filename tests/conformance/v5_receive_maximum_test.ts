/** MQTT 5.0 sections 3.3.4 and 4.9: Receive Maximum, both ways. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { ending } from "../support/endings.ts";
import { packet, rawPublish, uint16 } from "../support/raw_packet.ts";

const EXCEEDED = 0x93;
const LASTING = { sessionExpiryInterval: 300 };

Deno.test("[MQTT-3.3.4-7] as many QoS 2 messages as the broker's Receive Maximum may be open; one more is 0x93", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 3 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.receiveMaximum, 3);
  for (const packetId of [1, 2, 3]) await openQos2(client, packetId);
  await client.expectNothing();
  assert.equal(await ending(client, rawPublish({ first: 0x34, packetId: 4 })), EXCEEDED);
});

Deno.test("[MQTT-3.3.4-7] a QoS 1 message counts as well", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 2 } });
  const client = await broker.connect();
  for (const packetId of [1, 2]) await openQos2(client, packetId);
  assert.equal(await ending(client, rawPublish({ first: 0x32, packetId: 3 })), EXCEEDED);
});

Deno.test("[MQTT-3.3.4-7] the window is free again with PUBCOMP, and a QoS 0 message takes no part in it", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 2 } });
  const client = await broker.connect();
  for (let packetId = 1; packetId < 20; packetId++) {
    await openQos2(client, packetId);
    await client.sendBytes(rawPublish());
    if (packetId === 1) continue;
    await client.send({ cmd: "pubrel", messageId: packetId - 1 });
    assert.equal((await client.expect("pubcomp")).messageId, packetId - 1);
  }
  await client.expectNothing();
});

Deno.test("[MQTT-3.3.4-7] QoS 1 messages that are acknowledged do not add up, also when they come at once", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 2 } });
  const client = await broker.connect();
  for (let packetId = 1; packetId <= 50; packetId++) {
    await client.sendBytes(rawPublish({ first: 0x32, packetId }));
    assert.equal((await client.expect("puback")).messageId, packetId);
  }
  await client.expectNothing();
});

Deno.test("[MQTT-3.3.4-7] a message that PUBREC refuses is not open, and its identifier is free", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 1 }, authenticator: onlyTopic("open") });
  const client = await broker.connect();
  for (let count = 0; count < 3; count++) {
    await client.sendBytes(rawPublish({ first: 0x34, packetId: 1, topic: "shut" }));
    assert.equal((await client.expect("pubrec")).reasonCode, 0x87);
  }
  await client.sendBytes(rawPublish({ first: 0x34, packetId: 1, topic: "open" }));
  assert.equal((await client.expect("pubrec")).reasonCode, 0x10);
});

Deno.test("[MQTT-3.3.4-7] the same message again, DUP or not, is not one more", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 1 } });
  const client = await broker.connect();
  await openQos2(client, 1);
  for (const first of [0x3c, 0x34]) {
    await client.sendBytes(rawPublish({ first, packetId: 1 }));
    assert.equal((await client.expect("pubrec")).messageId, 1);
  }
  await client.expectNothing();
});

Deno.test("[MQTT-3.3.4-7] a listener that is not strict about Receive Maximum bears with more", async () => {
  await using broker = await TestBroker.start({
    limits: { receiveMaximum: 1 },
    listen: { strictReceiveMaximum: false },
  });
  const client = await broker.connect();
  for (const packetId of [1, 2, 3]) await openQos2(client, packetId);
  await client.expectNothing();
});

Deno.test("[MQTT-3.3.4-9] a client is sent as many QoS 1 and 2 messages as its Receive Maximum, and one more with each PUBACK", async () => {
  await using broker = await TestBroker.start();
  for (const receiveMaximum of [1, 2, 5]) {
    const client = await broker.connect({ properties: { receiveMaximum } });
    await client.subscribe("a", { qos: 1 });
    await publishAll(broker, "a", 10);
    const open: number[] = [];
    for (let count = 0; count < 10; count++) {
      if (open.length === receiveMaximum) {
        await client.expectNothing();
        await client.send({ cmd: "puback", messageId: open.shift()! });
      }
      const message = await client.expect("publish");
      assert.equal(message.payload.toString(), `${count}`);
      open.push(message.messageId!);
    }
    await client.disconnect();
  }
});

Deno.test("[MQTT-3.3.4-9] PUBREC and PUBREL do not free the window, PUBCOMP does", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { receiveMaximum: 1 } });
  await client.subscribe("a", { qos: 2 });
  await publishAll(broker, "a", 3, 2);
  for (let count = 0; count < 3; count++) {
    const { messageId, payload } = await client.expect("publish");
    assert.equal(payload.toString(), `${count}`);
    await client.send({ cmd: "pubrec", messageId });
    await client.expect("pubrel");
    await client.expectNothing();
    await client.send({ cmd: "pubcomp", messageId });
  }
  await client.expectNothing();
});

Deno.test("[MQTT-3.3.4-9] a PUBREC of 0x80 or above frees the window and ends the message", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "one", properties: { receiveMaximum: 1, ...LASTING } });
  await client.subscribe("a", { qos: 2 });
  await publishAll(broker, "a", 3, 2);
  for (const [index, code] of [0x80, 0x97, 0x99].entries()) {
    const { messageId, payload } = await client.expect("publish");
    assert.equal(payload.toString(), `${index}`);
    await client.sendBytes(packet(0x50, uint16(messageId!), code));
  }
  await client.expectNothing();
  const again = await broker.connect({ clientId: "one", clean: false });
  await again.expectNothing();
});

Deno.test("[MQTT-3.3.4-9] QoS 0 messages are not held by a full window", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { receiveMaximum: 1 } });
  await client.subscribe("a", { qos: 1 });
  await publishAll(broker, "a", 2);
  await client.receive({ acknowledge: false });
  await (await broker.connect()).publish("a", "free");
  const message = await client.receive();
  assert.deepEqual([message.payload.toString(), message.qos], ["free", 0]);
});

Deno.test("[MQTT-3.3.4-9] after a reconnect the new Receive Maximum holds, for what is sent again too", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const before = await broker.connect({ clientId, properties: { ...LASTING, receiveMaximum: 3 } });
  await before.subscribe("a", { qos: 1 });
  await publishAll(broker, "a", 5);
  for (let count = 0; count < 3; count++) await before.receive({ acknowledge: false });
  await before.disconnect();
  const after = await broker.connect({ clientId, clean: false, properties: { ...LASTING, receiveMaximum: 1 } });
  for (let count = 0; count < 5; count++) {
    const message = await after.expect("publish");
    assert.deepEqual([message.payload.toString(), message.dup], [`${count}`, count < 3]);
    await after.expectNothing();
    await after.send({ cmd: "puback", messageId: message.messageId });
  }
  await after.expectNothing();
});

Deno.test("[MQTT-3.3.4-9] a client that says nothing has a Receive Maximum of 65,535, up to the broker's own limit", async () => {
  await using broker = await TestBroker.start({ limits: { inflightMax: 4 } });
  const client = await broker.connect();
  await client.subscribe("a", { qos: 1 });
  await publishAll(broker, "a", 6);
  for (let count = 0; count < 4; count++) await client.receive({ acknowledge: false });
  await client.expectNothing();
  await using wide = await TestBroker.start({ limits: { inflightMax: 65_535 } });
  const open = await wide.connect();
  await open.subscribe("a", { qos: 1 });
  await publishAll(wide, "a", 500);
  for (let count = 0; count < 500; count++) await open.receive({ acknowledge: false });
});

Deno.test("[MQTT-3.3.4-9] retained messages for a new subscription keep to the window as well", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (let index = 0; index < 5; index++) await publisher.publish(`a/${index}`, "x", { qos: 1, retain: true });
  const client = await broker.connect({ properties: { receiveMaximum: 2 } });
  await client.subscribe("a/+", { qos: 1 });
  const topics = [(await client.receive({ acknowledge: false })).topic]; // stays open
  for (let count = 0; count < 4; count++) {
    const { topic, messageId } = await client.expect("publish");
    topics.push(topic);
    await client.expectNothing();
    await client.send({ cmd: "puback", messageId });
  }
  await client.expectNothing();
  assert.deepEqual(topics.sort(), ["a/0", "a/1", "a/2", "a/3", "a/4"]);
});

Deno.test("[MQTT-3.3.4-10] a full window delays nothing but PUBLISH", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { receiveMaximum: 1 } });
  await client.subscribe("a", { qos: 1 });
  await publishAll(broker, "a", 3);
  const { messageId } = await client.receive({ acknowledge: false });
  assert.equal(await client.subscribe("b", { qos: 1 }), 1);
  assert.equal(await client.unsubscribe("b"), 0);
  assert.equal(await client.publish("c", "", { qos: 1 }), 0x10);
  assert.equal(await client.publish("c", "", { qos: 2 }), 0x10);
  await client.expectNothing(); // PINGRESP
  await client.send({ cmd: "puback", messageId });
  assert.equal((await client.receive()).payload.toString(), "1");
});

/** Publishes `0`, `1`, ... and waits until the broker has them all. */
async function publishAll(broker: TestBroker, topic: string, count: number, qos: 1 | 2 = 1): Promise<void> {
  const publisher = await broker.connect();
  for (let index = 0; index < count; index++) await publisher.publish(topic, `${index}`, { qos });
  await publisher.disconnect();
}

/** Sends a QoS 2 message, which stays open. */
async function openQos2(client: TestClient, packetId: number): Promise<void> {
  await client.sendBytes(rawPublish({ first: 0x34, packetId }));
  assert.equal((await client.expect("pubrec")).messageId, packetId);
}

/** Everybody may use one topic. */
function onlyTopic(open: string): Authenticator {
  const isOpen = (_: unknown, topic: string) => topic === open;
  return { authenticate: ({ username }) => ({ username, policy: { mayPublish: isOpen, maySubscribe: isOpen } }) };
}
