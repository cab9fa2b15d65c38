/** MQTT 5.0 section 3.3: the fixed header and the topic of PUBLISH, and what a subscriber gets. Properties, retained messages, topic
 * aliases and flow control have files of their own. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import { ending } from "../support/endings.ts";
import { frames, join, lastFrame, packet, rawPublish, text, uint16 } from "../support/raw_packet.ts";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const TOPIC_INVALID = 0x90;
const LASTING = { sessionExpiryInterval: 300 };

Deno.test("[MQTT-3.3.1-1] a PUBLISH that is sent again has DUP 1 and the same id; the first one has DUP 0", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const qos of [1, 2] as const) {
    const clientId = `qos ${qos}`;
    const first = await broker.connect({ clientId, properties: LASTING });
    await first.subscribe("a", { qos });
    await publisher.publish("a", "x", { qos });
    const sent = await first.receive({ acknowledge: false });
    assert.equal(sent.dup, false);
    for (let again = 0; again < 2; again++) {
      const client = await broker.connect({ clientId, clean: false, properties: LASTING });
      const repeated = await client.receive({ acknowledge: again === 1 });
      assert.deepEqual([repeated.dup, repeated.messageId, repeated.qos], [true, sent.messageId, qos]);
    }
    const last = await broker.connect({ clientId, clean: false });
    await last.expectNothing();
  }
});

Deno.test("[MQTT-3.3.1-1] nothing is sent again while the connection lives", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ keepAlive: 1 });
  await client.subscribe("a", { qos: 1 });
  await client.publish("a", "x");
  await client.receive();
  await (await broker.connect()).publish("a", "y", { qos: 1 });
  await client.receive({ acknowledge: false });
  assert.equal(await client.expectClosed(), 0x8d); // one and a half seconds of patience later
});

Deno.test("[MQTT-3.3.1-2] DUP on QoS 0 is malformed", async () => {
  await using broker = await TestBroker.start();
  for (const first of [0x38, 0x39]) {
    assert.equal(await ending(await broker.connect(), rawPublish({ first })), MALFORMED);
  }
});

Deno.test("[MQTT-3.3.1-2] [MQTT-3.3.1-3] DUP is not passed on, whatever the QoS of the subscription", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const qos of [0, 1, 2] as const) {
    const client = await broker.connect();
    await client.subscribe("a", { qos });
    await publisher.publish("a", "one", { qos: 1, dup: true });
    await publisher.publish("a", "two", { qos: 2, dup: true });
    for (const payload of ["one", "two"]) {
      const message = await client.receive();
      assert.deepEqual([message.payload.toString(), message.dup], [payload, false]);
    }
    await client.disconnect();
  }
});

Deno.test("[MQTT-3.3.1-4] QoS 3 is malformed", async () => {
  await using broker = await TestBroker.start();
  for (const first of [0x36, 0x37, 0x3e]) {
    assert.equal(await ending(await broker.connect(), rawPublish({ first, packetId: 1 })), MALFORMED);
  }
});

Deno.test("[MQTT-3.3.2-1] the topic comes first: a PUBLISH that is cut anywhere before its payload is malformed", async () => {
  await using broker = await TestBroker.start();
  const body = rawPublish({ first: 0x32, packetId: 1, topic: "topic", properties: join(0x03, text("t")) }).subarray(2);
  for (let length = 0; length < body.length; length++) {
    assert.equal(await ending(await broker.connect(), packet(0x32, body.subarray(0, length))), MALFORMED, `${length}`);
  }
});

Deno.test("MQTT5 3.3.2.1: a topic of no characters without an alias is a protocol error", async () => {
  await using broker = await TestBroker.start();
  for (const first of [0x30, 0x32]) {
    const packetId = first === 0x30 ? undefined : 1;
    assert.equal(await ending(await broker.connect(), rawPublish({ first, packetId, topic: "" })), PROTOCOL_ERROR);
  }
});

Deno.test("[MQTT-3.3.2-2] a topic with a wildcard is refused with 0x90", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("#");
  for (const topic of ["+", "#", "a/+/b", "a/#", "a+", "#b"]) {
    for (const first of [0x30, 0x32, 0x34]) {
      const packetId = first === 0x30 ? undefined : 1;
      const client = await broker.connect();
      await client.sendBytes(rawPublish({ first, packetId, topic }));
      const answer = await client.next();
      assert.equal((answer as { reasonCode?: number } | undefined)?.reasonCode, TOPIC_INVALID, topic);
      assert.notEqual(answer?.cmd, "publish");
    }
  }
  await witness.expectNothing();
});

Deno.test("[MQTT-3.3.2-3] the topic that is sent is the publisher's, whatever filter it matched", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const filter of ["a/B/c", "a/+/c", "a/#", "+/+/+", "#", "a/B/c/#", "$share/g/a/+/c"]) {
    const client = await broker.connect();
    await client.subscribe(filter);
    await publisher.publish("a/B/c", filter);
    const message = await client.receive();
    assert.deepEqual([message.topic, message.payload.toString()], ["a/B/c", filter]);
    await client.disconnect();
  }
});

Deno.test("[MQTT-3.3.2-3] topics that do not match are not sent", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const filter of ["a/b", "c/+", "d/+/e", "f/+/#"]) await client.subscribe(filter);
  const publisher = await broker.connect();
  for (const topic of ["a", "a/b/", "/a/b", "A/b", "c", "c/d/e", "d//", "d/x/f", "f"]) {
    await publisher.publish(topic, topic);
  }
  await publisher.expectNothing();
  await client.expectNothing();
  for (const topic of ["c/", "d//e", "f/", "f/g/h/i"]) {
    await publisher.publish(topic);
    assert.equal((await client.receive()).topic, topic);
  }
});

Deno.test("[MQTT-3.3.4-1] QoS 0 is not answered, QoS 1 by PUBACK, QoS 2 by PUBREC", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(rawPublish());
  await client.expectNothing();
  await client.sendBytes(rawPublish({ first: 0x32, packetId: 3 }));
  assert.equal((await client.expect("puback")).messageId, 3);
  await client.sendBytes(rawPublish({ first: 0x34, packetId: 4 }));
  assert.equal((await client.expect("pubrec")).messageId, 4);
  await client.expectNothing();
});

Deno.test("MQTT5 3.3.4: the QoS of a delivery is the lower one of message and subscription", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const granted of [0, 1, 2] as const) {
    const client = await broker.connect();
    await client.subscribe("a", { qos: granted });
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish("a", "x", { qos });
      assert.equal((await client.receive()).qos, Math.min(qos, granted));
    }
    await client.disconnect();
  }
});

Deno.test("[MQTT-3.3.4-2] overlapping subscriptions give one copy, with the highest QoS of those that match", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a/#", { qos: 0 });
  await client.subscribe("a/+", { qos: 2 });
  await client.subscribe("a/b", { qos: 1 });
  await client.subscribe("x/#", { qos: 2 });
  const publisher = await broker.connect();
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish("a/b", "x", { qos });
    assert.equal((await client.receive()).qos, qos);
    await client.expectNothing();
  }
  await publisher.publish("a/b/c", "x", { qos: 2 });
  assert.equal((await client.receive()).qos, 0);
  await client.expectNothing();
});

Deno.test("[MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5] every copy carries the identifiers of all the subscriptions that it is for", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a/#", { identifier: 1 });
  await client.subscribe("a/b", { identifier: 300, qos: 1 });
  await client.subscribe("+/b"); // without one
  await client.subscribe("other", { identifier: 5 });
  await client.subscribe("a/+", { identifier: 1 }); // the same one again
  const publisher = await broker.connect();
  await publisher.publish("a/b", "x", { qos: 1 });
  const { properties } = await client.receive();
  await client.expectNothing();
  const identifiers = [properties?.subscriptionIdentifier].flat() as number[];
  assert.deepEqual(new Set(identifiers), new Set([1, 300]));
  await publisher.publish("z/b", "x");
  assert.equal((await client.receive()).properties, undefined);
});

Deno.test("[MQTT-3.3.4-3] identifiers come with retained messages, with queued ones, and again after a reconnect", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  await publisher.publish("a", "kept", { retain: true, qos: 1 });
  const before = await broker.connect({ clientId: "one", properties: LASTING });
  await before.subscribe("a", { qos: 1, identifier: 42 });
  assert.equal((await before.receive({ acknowledge: false })).properties?.subscriptionIdentifier, 42);
  await before.disconnect();
  await publisher.publish("a", "queued", { qos: 1 });
  const after = await broker.connect({ clientId: "one", clean: false });
  for (const payload of ["kept", "queued"]) {
    const message = await after.receive();
    assert.deepEqual([message.payload.toString(), message.properties?.subscriptionIdentifier], [payload, 42]);
  }
});

Deno.test("[MQTT-3.3.4-3] a subscription that is made again has its new identifier, or none", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const publisher = await broker.connect();
  for (const identifier of [1, 2, undefined]) {
    await client.subscribe("a", { identifier });
    await publisher.publish("a");
    assert.equal((await client.receive()).properties?.subscriptionIdentifier, identifier);
  }
});

Deno.test("[MQTT-3.3.4-6] a PUBLISH from a client with a subscription identifier is a protocol error", async () => {
  await using broker = await TestBroker.start();
  assert.equal(await ending(await broker.connect(), rawPublish({ properties: join(0x0b, 5) })), PROTOCOL_ERROR);
});

Deno.test("MQTT5 3.3.4: messages of one publisher come in the order they were sent, per QoS", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a/#", { qos: 2 });
  const publisher = await broker.connect();
  const packets = Array.from({ length: 100 }, (_, index) => {
    const qos = index % 3;
    const packetId = qos === 0 ? undefined : index + 1;
    return rawPublish({ first: 0x30 | (qos << 1), packetId, topic: `a/${qos}`, payload: `${index}` });
  });
  await publisher.sendBytes(join(...packets));
  const last = [-1, -1, -1];
  for (let count = 0; count < 100; count++) {
    const message = await client.expect("publish");
    const index = Number(message.payload.toString());
    assert.ok(index > last[message.qos], `${index} after ${last[message.qos]}`);
    last[message.qos] = index;
    if (message.qos === 1) await client.sendBytes(packet(0x40, uint16(message.messageId!)));
  }
  assert.deepEqual(last, [99, 97, 98]);
});

Deno.test("MQTT5 3.3.4: a QoS 0 message that may not be published is dropped, or ends the connection with 0x87", async () => {
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({ username, policy: { mayPublish: () => false, maySubscribe: () => true } }),
  };
  await using broker = await TestBroker.start({ authenticator });
  const witness = await broker.connect();
  await witness.subscribe("a");
  const client = await broker.connect();
  await client.publish("a", "x");
  await client.expectNothing(); // our choice: dropped
  await witness.expectNothing();
});

Deno.test("MQTT5 3.3.3: payloads of any bytes and of no bytes are carried as they are", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (const payload of [new Uint8Array(0), Uint8Array.of(0), all, new Uint8Array(300_000).fill(0xa5)]) {
    await client.sendBytes(rawPublish({ payload }));
    assert.deepEqual(new Uint8Array((await client.receive()).payload as Uint8Array), payload);
  }
  assert.equal(frames(client.bytes).length, 6);
  assert.equal(lastFrame(client.bytes, 3)[0], 0x30);
});
