/** MQTT 5.0 section 3.3.2.3: the properties of PUBLISH on their way through the broker, and message expiry. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { secondsPassed } from "../support/departure.ts";
import { connectRefusal, ending } from "../support/endings.ts";
import {
  hex,
  join,
  lastFrame,
  type Part,
  rawPublish,
  text,
  uint16,
  uint32,
  userProperty,
} from "../support/raw_packet.ts";

const PROTOCOL_ERROR = 0x82;
const PAYLOAD_INVALID = 0x99;
const LASTING = { sessionExpiryInterval: 300 };

/** Every property that is forwarded, in an order that no table has. */
const FORWARDED = join(
  userProperty("z", "1"),
  ...[0x09, text(Uint8Array.of(0, 0xff, 0xc3, 0x28))],
  userProperty("a", "2"),
  ...[0x08, text("reply/to/ü")],
  ...[0x03, text("application/json; charset=utf-8")],
  userProperty("z", "1"),
  ...[0x01, 1],
  userProperty("z", "0"),
  userProperty("", ""),
);

Deno.test("[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20] properties are forwarded byte for byte", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const sent = rawPublish({ properties: FORWARDED, payload: "x" });
  const subscribers = [await broker.connect(), await broker.connect(), await broker.connect()];
  for (const client of subscribers) await client.subscribe("a");
  await publisher.sendBytes(sent);
  for (const client of subscribers) {
    await client.receive();
    assert.equal(hex(lastFrame(client.bytes, 3)), hex(sent));
  }
});

Deno.test("[MQTT-3.3.2-17] [MQTT-3.3.2-18] properties survive the queue, a resend, and being retained", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const before = await broker.connect({ clientId: "one", properties: LASTING });
  await before.subscribe("a", { qos: 2 });
  await before.disconnect();
  await publisher.sendBytes(rawPublish({ first: 0x35, packetId: 7, properties: FORWARDED, payload: "x" }));
  await publisher.expect("pubrec");
  await publisher.send({ cmd: "pubrel", messageId: 7 });
  await publisher.expect("pubcomp");
  for (const first of [0x34, 0x3c]) { // from the queue, then again
    const client = await broker.connect({ clientId: "one", clean: false, properties: LASTING });
    const { messageId } = await client.receive({ acknowledge: false });
    const expected = rawPublish({ first, packetId: messageId, properties: FORWARDED, payload: "x" });
    assert.equal(hex(lastFrame(client.bytes, 3)), hex(expected));
  }
  const late = await broker.connect();
  await late.subscribe("a");
  await late.receive();
  assert.equal(hex(lastFrame(late.bytes, 3)), hex(rawPublish({ first: 0x31, properties: FORWARDED, payload: "x" })));
});

Deno.test("[MQTT-3.3.2-18] alias and expiry between the others do not disturb their order", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  const user = [userProperty("1", "a"), userProperty("2", "b"), userProperty("1", "c")];
  const mixed = join(user[0], 0x23, uint16(3), user[1], 0x02, uint32(60), 0x03, text("t"), user[2]);
  await client.sendBytes(rawPublish({ properties: mixed }));
  await client.receive();
  const frame = hex(lastFrame(client.bytes, 3));
  assert.ok(frame.includes(hex(join(user[0], user[1], 0x03, text("t"), user[2]))), frame);
  assert.ok(!frame.includes("23 00 03"), "the alias of the publisher is its own");
});

Deno.test("[MQTT-3.3.2-17] a thousand user properties, of any length, are forwarded", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  const many = Array.from({ length: 1000 }, (_, index) => userProperty(`n${index % 7}`, `${index}`));
  const sent = rawPublish({ properties: join(...many, userProperty("n".repeat(65_535), "v".repeat(65_535))) });
  await client.sendBytes(sent);
  await client.receive();
  assert.deepEqual(lastFrame(client.bytes, 3), sent);
});

Deno.test("[MQTT-3.3.2-4] the payload format indicator is forwarded as 0, as 1, or not at all", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  for (const properties of [join(0x01, 0), join(0x01, 1), join()]) {
    const sent = rawPublish({ properties, payload: "text" });
    await client.sendBytes(sent);
    await client.receive();
    assert.equal(hex(lastFrame(client.bytes, 3)), hex(sent));
  }
});

Deno.test("MQTT5 3.3.2.3.2: a payload format indicator of another value is an error", async () => {
  await using broker = await TestBroker.start();
  const code = await ending(await broker.connect(), rawPublish({ properties: join(0x01, 2) }));
  assert.ok(code === PROTOCOL_ERROR || code === 0x81, `${code}`);
});

Deno.test("MQTT5 3.3.2.3.2: a payload that says it is UTF-8 is checked when the broker is told to", async () => {
  await using broker = await TestBroker.start({ protocol: { validatePayloadFormat: true } });
  const witness = await broker.connect();
  await witness.subscribe("a", { qos: 2 });
  const bad = Uint8Array.of(0x61, 0xed, 0xa0, 0x80);
  const client = await broker.connect();
  const said = { payloadFormatIndicator: true };
  assert.equal(await client.publish("a", bad, { qos: 1, properties: said }), PAYLOAD_INVALID);
  assert.equal(await client.publish("a", bad, { qos: 2, properties: said }), PAYLOAD_INVALID);
  await witness.expectNothing();
  assert.equal(await client.publish("a", "gut, für alle", { qos: 1, properties: said }), 0);
  assert.equal((await witness.receive()).payload.toString(), "gut, für alle");
  assert.equal(await client.publish("a", bad, { qos: 1 }), 0); // it does not say so
  await witness.receive();
  assert.equal(await ending(client, rawPublish({ properties: join(0x01, 1), payload: bad })), PAYLOAD_INVALID);
  const will = { topic: "a", payload: Buffer.from(bad), qos: 0, retain: false, properties: said } as const;
  assert.equal(await connectRefusal(broker, { will }), PAYLOAD_INVALID);
});

Deno.test("MQTT5 3.3.2.3.2: unless told to, the broker does not look at payloads", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  const sent = rawPublish({ properties: join(0x01, 1), payload: Uint8Array.of(0xff) });
  await client.sendBytes(sent);
  await client.receive();
  assert.equal(hex(lastFrame(client.bytes, 3)), hex(sent));
});

Deno.test("[MQTT-3.3.2-14] a response topic with wildcards, or of no characters, is a protocol error", async () => {
  await using broker = await TestBroker.start();
  for (const topic of ["a/+", "#", ""]) {
    const code = await ending(await broker.connect(), rawPublish({ properties: join(0x08, text(topic)) }));
    assert.ok(code === PROTOCOL_ERROR || code === 0x90, `${topic}: ${code}`);
  }
});

Deno.test("[MQTT-3.3.2-16] correlation data and content type may be empty, and are then there and empty", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  const sent = rawPublish({ properties: join(0x09, text(""), 0x03, text("")) });
  await client.sendBytes(sent);
  await client.receive();
  assert.equal(hex(lastFrame(client.bytes, 3)), hex(sent));
});

Deno.test("[MQTT-3.3.2-20] a 3.1.1 subscriber gets the message without properties, and a 5.0 one beside it with them", async () => {
  await using broker = await TestBroker.start();
  const old = await broker.connect({ version: 4 });
  await old.subscribe("a");
  const modern = await broker.connect();
  await modern.subscribe("a");
  const publisher = await broker.connect();
  await publisher.sendBytes(rawPublish({ properties: FORWARDED, payload: "x" }));
  await old.receive();
  assert.equal(hex(lastFrame(old.bytes, 3)), "30 04 00 01 61 78");
  await modern.receive();
  assert.deepEqual(lastFrame(modern.bytes, 3), rawPublish({ properties: FORWARDED, payload: "x" }));
});

Deno.test("[MQTT-3.3.2-6] a message that does not wait keeps its expiry, and one without has none", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 1 });
  const publisher = await broker.connect();
  for (const messageExpiryInterval of [60, 0xffff_ffff]) {
    await publisher.publish("a", "x", { qos: 1, properties: { messageExpiryInterval } });
    const left = (await client.receive()).properties!.messageExpiryInterval!;
    assert.ok(left === messageExpiryInterval || left === messageExpiryInterval - 1, `${left}`);
  }
  await publisher.publish("a", "x", { qos: 1 });
  assert.equal((await client.receive()).properties, undefined);
});

Deno.test("[MQTT-3.3.2-5] [MQTT-3.3.2-6] what waits loses its waiting time, or all of it and is not sent: offline, retained, in a full window", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const busy = await broker.connect({ properties: { receiveMaximum: 1 } });
  await busy.subscribe("a", { qos: 1 });
  await publisher.publish("a", "fills the window", { qos: 1 });
  const { messageId } = await busy.receive({ acknowledge: false });
  const offline = await broker.connect({ clientId: "offline", properties: LASTING });
  await offline.subscribe("a", { qos: 2 });
  await offline.disconnect();
  const began = Date.now();
  await publisher.publish("a", "short", { qos: 1, properties: { messageExpiryInterval: 1 } });
  await publisher.publish("a", "long", { qos: 2, properties: { messageExpiryInterval: 100 } });
  await publisher.publish("kept/short", "x", { retain: true, properties: { messageExpiryInterval: 1 } });
  await publisher.publish("kept/long", "x", { retain: true, properties: { messageExpiryInterval: 100 } });
  await secondsPassed(broker, 2);
  await busy.send({ cmd: "puback", messageId });
  const back = await broker.connect({ clientId: "offline", clean: false });
  const late = await broker.connect();
  await late.subscribe("kept/+");
  for (const client of [busy, back, late]) await assertAged(client, began);
});

Deno.test("[MQTT-3.3.2-5] a message that was sent once is sent again though it has expired meanwhile", async () => {
  await using broker = await TestBroker.start();
  const before = await broker.connect({ clientId: "one", properties: LASTING });
  await before.subscribe("a", { qos: 1 });
  const publisher = await broker.connect();
  await publisher.publish("a", "x", { qos: 1, properties: { messageExpiryInterval: 1 } });
  const { messageId } = await before.receive({ acknowledge: false });
  await before.disconnect();
  await secondsPassed(broker);
  const after = await broker.connect({ clientId: "one", clean: false });
  const again = await after.receive();
  assert.deepEqual([again.messageId, again.dup], [messageId, true]); // [MQTT-4.4.0-1]
});

Deno.test("MQTT5 3.3.2.3.3: the broker's own limit of expiry is given to messages that have none, or more", async () => {
  await using broker = await TestBroker.start({ limits: { messageExpirySecondsMax: 50 } });
  const client = await broker.connect();
  await client.subscribe("a");
  const wishes: [Part[], number][] = [[[], 50], [[0x02, uint32(100)], 50], [[0x02, uint32(20)], 20]];
  for (const [wish, expected] of wishes) {
    await client.sendBytes(rawPublish({ properties: join(...wish) }));
    const left = (await client.receive()).properties?.messageExpiryInterval ?? -1;
    assert.ok(left === expected || left === expected - 1, `${left}`);
  }
});

/** Gets the message of 100 s and no other, with the seconds that are left of it. */
async function assertAged(client: TestClient, began: number): Promise<void> {
  const message = await client.receive();
  const left = message.properties?.messageExpiryInterval ?? -1;
  const waited = (Date.now() - began) / 1000;
  assert.ok(left <= 98 && left >= 100 - Math.ceil(waited), `${message.topic}: ${left} s left after ${waited} s`);
  await client.expectNothing();
}
