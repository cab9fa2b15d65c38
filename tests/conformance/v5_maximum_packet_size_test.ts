/** MQTT 5.0 sections 3.1.2.11.4 and 3.2.2.3.6: Maximum Packet Size, both ways, and the reason strings that give way to it. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { connectRefusal, ending } from "../support/endings.ts";
import {
  frames,
  integer,
  join,
  lastFrame,
  packet,
  properties,
  rawConnect,
  rawPublish,
  text,
  uint16,
  uint32,
  userProperty,
} from "../support/raw_packet.ts";

const TOO_LARGE = 0x95;
const NOT_AUTHORIZED = 0x87;

Deno.test("[MQTT-3.1.2-24] a message is sent when its packet has exactly the client's maximum, and not when it has one byte more", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const pair = userProperty("name", "value");
  for (
    const bytes of [rawPublish({ payload: "x".repeat(50) }), rawPublish({ properties: pair, payload: "x".repeat(200) })]
  ) {
    const enough = await limited(broker, bytes.length);
    const tooSmall = await limited(broker, bytes.length - 1);
    for (const client of [enough, tooSmall]) await client.subscribe("a");
    await publisher.sendBytes(bytes);
    await enough.receive();
    assert.deepEqual(lastFrame(enough.bytes, 3), bytes);
    await publisher.publish("a", "small");
    assert.equal((await tooSmall.receive()).payload.toString(), "small");
  }
});

Deno.test("[MQTT-3.1.2-24] subscription identifiers and expiry count for the size of what is sent", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const sent = rawPublish({ payload: "x".repeat(50) });
  const client = await limited(broker, sent.length + 4);
  await client.subscribe("a", { identifier: 268_435_455 }); // five bytes more
  await publisher.sendBytes(sent);
  await publisher.publish("a", "small");
  assert.equal((await client.receive()).payload.toString(), "small");
  await client.subscribe("a");
  await publisher.publish("a", "x".repeat(50), { properties: { messageExpiryInterval: 60 } }); // five bytes more
  await publisher.sendBytes(sent);
  assert.equal((await client.receive()).properties, undefined);
});

Deno.test("[MQTT-3.1.2-25] a message that is too large counts as delivered: the window goes on, QoS 1 and 2", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const qos of [1, 2] as const) {
    const client = await limited(broker, 60, { receiveMaximum: 1 });
    await client.subscribe("a", { qos });
    for (const size of [100, 1, 200, 300, 2]) await publisher.publish("a", "x".repeat(size), { qos });
    assert.equal((await client.receive()).payload.length, 1);
    assert.equal((await client.receive()).payload.length, 2);
    await client.expectNothing();
  }
});

Deno.test("[MQTT-3.1.2-25] a publisher is acknowledged though a subscriber cannot take its message", async () => {
  await using broker = await TestBroker.start();
  const client = await limited(broker, 30);
  await client.subscribe("a", { qos: 1 });
  const publisher = await broker.connect();
  assert.equal(await publisher.publish("a", "x".repeat(100), { qos: 1 }), 0);
  assert.equal(await publisher.publish("a", "x".repeat(100), { qos: 2 }), 0);
  await client.expectNothing();
});

Deno.test("[MQTT-3.1.2-25] retained messages that are too large are passed over", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  await publisher.publish("a/1", "x".repeat(100), { retain: true, qos: 1 });
  await publisher.publish("a/2", "small", { retain: true, qos: 1 });
  await publisher.publish("a/3", "x".repeat(100), { retain: true, qos: 2 });
  const client = await limited(broker, 60, { receiveMaximum: 1 });
  await client.subscribe("a/+", { qos: 2 });
  assert.equal((await client.receive()).topic, "a/2");
  await client.expectNothing();
});

Deno.test("[MQTT-3.1.2-24] [MQTT-3.1.2-25] the maximum is the connection's: what waited, or was in flight, is measured anew", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const lasting = { sessionExpiryInterval: 300 };
  const before = await broker.connect({ clientId, properties: lasting });
  await before.subscribe("a", { qos: 2 });
  const publisher = await broker.connect();
  await publisher.publish("a", "in flight ".repeat(20), { qos: 1 });
  await before.receive({ acknowledge: false });
  await before.disconnect();
  await publisher.publish("a", "queued ".repeat(20), { qos: 2 });
  await publisher.publish("a", "small", { qos: 1 });
  const small = { ...lasting, maximumPacketSize: 60, receiveMaximum: 1 };
  const during = await broker.connect({ clientId, clean: false, properties: small });
  assert.equal((await during.receive()).payload.toString(), "small");
  await during.expectNothing();
  await during.disconnect();
  const after = await broker.connect({ clientId, clean: false });
  await after.expectNothing();
});

Deno.test("[MQTT-3.1.2-24] a CONNACK that is larger than the client's maximum is not sent", async () => {
  await using broker = await TestBroker.start({ protocol: { responseInformation: "x".repeat(100) } });
  for (const maximum of [1, 4, 5, 10, 50]) {
    const client = await broker.open();
    const asked = properties(0x27, uint32(maximum), 0x19, 1);
    await client.sendBytes(rawConnect({ properties: asked, payload: [text("")] })); // CONNACK holds an id of its own
    const answer = await client.next();
    for (const { length } of frames(client.bytes)) {
      assert.ok(length <= maximum, `${length} bytes to a maximum of ${maximum}`);
    }
    assert.ok(answer === undefined || (answer as { reasonCode: number }).reasonCode >= 0x80);
    if (answer !== undefined) assert.equal(await client.next(), undefined);
  }
});

Deno.test("[MQTT-3.1.2-7] [MQTT-3.1.2-24] a client that does not take its CONNACK has no will and takes no session over", async () => {
  await using broker = await TestBroker.start();
  const watcher = await broker.connect();
  await watcher.subscribe("will/+");
  const will = { topic: "will/own", payload: "mine" };
  const before = await broker.connect({ clientId: "raw", will, properties: { sessionExpiryInterval: 300 } });
  const refused = await broker.open();
  const payload = [text("raw"), properties(), text("will/refused"), text("never")];
  await refused.sendBytes(rawConnect({ flags: 0x06, properties: properties(0x27, uint32(10)), payload }));
  assert.equal((await refused.expect("connack")).reasonCode, TOO_LARGE);
  assert.equal(await refused.next(), undefined);
  await before.subscribe("still here");
  before.close();
  assert.equal((await watcher.receive()).topic, "will/own");
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] [MQTT-3.1.2-24] a client that does not take its SUBACK has gone: its will is published at once", async () => {
  await using broker = await TestBroker.start();
  const watcher = await broker.connect();
  await watcher.subscribe("will");
  const will = { topic: "will", payload: "too small" };
  const client = await broker.connect({ will, properties: { maximumPacketSize: 60 } });
  const filters = Array.from({ length: 100 }, (_, index) => join(text(`f/${index}`), 0));
  await client.sendBytes(packet(0x82, uint16(1), properties(), ...filters));
  assert.equal((await client.expect("disconnect")).reasonCode, TOO_LARGE);
  const told = performance.now();
  assert.equal((await watcher.receive()).payload.toString(), "too small");
  assert.ok(performance.now() - told < 1_900, "only when the connection was given up, after 2 s");
});

Deno.test("[MQTT-3.1.2-24] a SUBACK or UNSUBACK that is larger than the client's maximum is not sent", async () => {
  await using broker = await TestBroker.start();
  const filters = Array.from({ length: 100 }, (_, index) => `f/${index}`);
  const packets = [
    packet(0x82, uint16(1), properties(), ...filters.map((filter) => join(text(filter), 0))),
    packet(0xa2, uint16(1), properties(), ...filters.map((filter) => text(filter))),
  ];
  for (const bytes of packets) {
    const client = await limited(broker, 60);
    await ending(client, bytes); // without its answer the client cannot go on
    for (const frame of frames(client.bytes)) assert.ok(frame.length <= 60);
  }
});

Deno.test("[MQTT-3.2.2-15] a packet that is larger than the broker's maximum ends the connection with 0x95", async () => {
  await using broker = await TestBroker.start({ protocol: { packetBytesMax: 1000 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.maximumPacketSize, 1000);
  await client.subscribe("a");
  const largest = rawPublish({ payload: new Uint8Array(993) });
  assert.equal(largest.length, 1000);
  await client.sendBytes(largest);
  assert.equal((await client.receive()).payload.length, 993);
  assert.equal(await ending(client, rawPublish({ payload: new Uint8Array(994) })), TOO_LARGE);
});

Deno.test("[MQTT-3.2.2-15] a packet that is too large is refused by its length, before it has come", async () => {
  await using broker = await TestBroker.start({ protocol: { packetBytesMax: 1000 } });
  for (const length of [998, 100_000, 268_435_455]) {
    assert.equal(await ending(await broker.connect(), join(0x30, integer(length))), TOO_LARGE, `${length}`);
  }
  assert.equal(await ending(await broker.connect(), join(0x82, integer(998))), TOO_LARGE);
});

Deno.test("[MQTT-3.2.2-15] a CONNECT has a maximum of its own", async () => {
  await using broker = await TestBroker.start({ connection: { connectBytesMax: 200 } });
  const client = await broker.open();
  await client.sendBytes(join(0x10, integer(10_000)));
  assert.equal(await client.next(), undefined); // nothing is known of it, not even its version
  const connected = await broker.connect();
  await connected.subscribe("a");
  await connected.publish("a", "x".repeat(10_000));
  assert.equal((await connected.receive()).payload.length, 10_000);
});

Deno.test("[MQTT-3.2.2-19] [MQTT-3.2.2-20] the reason string of CONNACK gives way to the client's maximum", async () => {
  const reason = "a reason of some forty characters, or so";
  const authenticator: Authenticator = { authenticate: () => ({ refusal: "not-authorized", reason }) };
  await using broker = await TestBroker.start({ authenticator });
  const whole = 5 + 3 + reason.length;
  for (const [maximum, expected] of [[whole, reason], [whole - 1, undefined], [5, undefined]] as const) {
    const client = await broker.open();
    await client.send(client.connectPacket({ properties: { maximumPacketSize: maximum } }));
    const connack = await client.expect("connack");
    assert.equal(connack.reasonCode, NOT_AUTHORIZED);
    assert.equal(connack.properties?.reasonString, expected);
    assert.equal(connack.properties?.userProperties, undefined);
    assert.ok(frames(client.bytes)[0].length <= maximum);
  }
  assert.equal(await connectRefusal(broker, {}), NOT_AUTHORIZED);
});

Deno.test("[MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] reason strings of PUBACK and PUBREC give way to the client's maximum", async () => {
  await using broker = await TestBroker.start({ authenticator: mayNotPublish });
  for (const [qos, type, first] of [[1, 4, 0x32], [2, 5, 0x34]] as const) {
    const asking = await broker.connect();
    await asking.sendBytes(rawPublish({ first, packetId: 1 }));
    const full = await asking.expect(qos === 1 ? "puback" : "pubrec");
    assert.notEqual(full.properties?.reasonString, undefined);
    const whole = lastFrame(asking.bytes, type).length;
    assert.ok(whole > 20, "the reason string is too short for this test");
    for (const [maximum, hasReason] of [[whole, true], [whole - 1, false], [20, false]] as const) {
      const client = await limited(broker, maximum);
      await client.sendBytes(rawPublish({ first, packetId: 1 }));
      const ack = await client.expect(qos === 1 ? "puback" : "pubrec");
      assert.equal(ack.reasonCode, NOT_AUTHORIZED);
      assert.equal(ack.properties?.reasonString !== undefined, hasReason);
      assert.equal(ack.properties?.userProperties, undefined);
      assert.ok(lastFrame(client.bytes, type).length <= maximum);
    }
  }
});

Deno.test("[MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] PUBREL and PUBCOMP keep to the client's maximum", async () => {
  await using broker = await TestBroker.start();
  const client = await limited(broker, 20);
  await client.sendBytes("62 02 0009");
  assert.equal((await client.expect("pubcomp")).reasonCode, 0x92);
  await client.sendBytes("50 02 0009");
  assert.equal((await client.expect("pubrel")).reasonCode, 0x92);
  for (const frame of frames(client.bytes)) assert.ok(frame.length <= 20);
  for (const type of [6, 7]) {
    assert.equal(lastFrame(client.bytes, type).length, 5, "room for properties that are not asked for");
  }
});

Deno.test("[MQTT-3.1.2-24] the reason string of DISCONNECT gives way to the client's maximum", async () => {
  await using broker = await TestBroker.start();
  const asking = await broker.connect();
  await asking.sendBytes("36 00");
  assert.notEqual((await asking.expect("disconnect")).properties?.reasonString, undefined);
  const whole = lastFrame(asking.bytes, 14).length;
  for (const maximum of [whole, whole - 1, 20]) {
    const client = await limited(broker, maximum);
    await client.sendBytes("36 00");
    const { reasonCode, properties } = await client.expect("disconnect");
    assert.deepEqual([reasonCode, properties?.reasonString !== undefined], [0x81, maximum === whole]);
    assert.ok(lastFrame(client.bytes, 14).length <= maximum);
  }
});

const mayNotPublish: Authenticator = {
  authenticate: ({ username }) => ({ username, policy: { mayPublish: () => false, maySubscribe: () => true } }),
};

function limited(
  broker: TestBroker,
  maximumPacketSize: number,
  more: Record<string, number> = {},
): Promise<TestClient> {
  return broker.connect({ properties: { maximumPacketSize, ...more } });
}
