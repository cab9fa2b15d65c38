/** MQTT 5.0 section 4.13: what is malformed or breaks the protocol ends the connection, with the reason. */

import assert from "node:assert/strict";
import type { Verdict } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import { connectRefusal } from "../support/endings.ts";
import { join, packet, properties, rawConnect, rawPublish, rawSubscribe } from "../support/raw_packet.ts";
import { text, uint16, uint32, userProperty } from "../support/raw_packet.ts";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const WILL = { topic: "will", payload: "died", qos: 0, retain: false } as const;

/** A SUBSCRIBE to "a" with these properties. */
function subscribeWith(...parts: (number | Uint8Array)[]): Uint8Array {
  return packet(0x82, uint16(1), properties(...parts), text("a"), 0);
}

/** What a connected client may not send, and the reason code that the specification gives. */
const OFFENCES: readonly [string, number, Uint8Array][] = [
  ["a packet of type 0", MALFORMED, packet(0x00)],
  ["a remaining length of five bytes", MALFORMED, join(0x30, 0xff, 0xff, 0xff, 0xff, 0x01)],
  ["a PUBLISH with QoS 3", MALFORMED, rawPublish({ first: 0x36, packetId: 1 })],
  ["a PUBLISH with QoS 0 and DUP", MALFORMED, rawPublish({ first: 0x38 })],
  ["a PUBLISH that ends inside its topic", MALFORMED, packet(0x30, 0, 9, 0x61)],
  ["a PUBLISH without packet id", MALFORMED, packet(0x32, text("a"))],
  ["a PUBLISH with packet id 0", PROTOCOL_ERROR, rawPublish({ first: 0x32, packetId: 0 })],
  ["a PUBLISH whose properties are longer than it", MALFORMED, packet(0x30, text("a"), 50)],
  ["a PUBLISH with a property of no packet", MALFORMED, rawPublish({ properties: Uint8Array.of(0x7f, 0) })],
  ["a PUBLISH with a property of CONNECT", MALFORMED, rawPublish({ properties: join(0x11, uint32(1)) })],
  ["a PUBLISH with two expiries", PROTOCOL_ERROR, rawPublish({ properties: join(0x02, uint32(1), 0x02, uint32(1)) })],
  ["a payload format indicator of 2", PROTOCOL_ERROR, rawPublish({ properties: Uint8Array.of(0x01, 2) })],
  ["topic alias 0", 0x94, rawPublish({ properties: join(0x23, uint16(0)) })],
  ["a topic alias that was not set", PROTOCOL_ERROR, rawPublish({ topic: "", properties: join(0x23, uint16(1)) })],
  ["a PUBLISH without topic and alias", PROTOCOL_ERROR, rawPublish({ topic: "" })],
  ["a subscription identifier in a PUBLISH", PROTOCOL_ERROR, rawPublish({ properties: Uint8Array.of(0x0b, 1) })],
  ["a response topic with a wildcard", PROTOCOL_ERROR, rawPublish({ properties: join(0x08, text("a/+")) })],
  ["a user property that is not UTF-8", MALFORMED, rawPublish({ properties: userProperty(Uint8Array.of(0xff), "v") })],
  ["subscription identifier 0", PROTOCOL_ERROR, subscribeWith(0x0b, 0)],
  ["two subscription identifiers", PROTOCOL_ERROR, subscribeWith(0x0b, 1, 0x0b, 2)],
  ["a SUBSCRIBE with packet id 0", PROTOCOL_ERROR, rawSubscribe(0, "a")],
  ["a SUBSCRIBE that ends inside its packet id", MALFORMED, packet(0x82, 0)],
  ["an UNSUBSCRIBE with packet id 0", PROTOCOL_ERROR, packet(0xa2, uint16(0), properties(), text("a"))],
  ["a PUBACK without packet id", MALFORMED, packet(0x40, 1)],
  ["a PUBACK with flags", MALFORMED, packet(0x41, uint16(1))],
  ["a PUBREL without its flags", MALFORMED, packet(0x60, uint16(1))],
  ["a second CONNECT", PROTOCOL_ERROR, rawConnect()],
  ["a CONNACK", PROTOCOL_ERROR, packet(0x20, 0, 0, 0)],
  ["a SUBACK", PROTOCOL_ERROR, packet(0x90, uint16(1), properties(), 0)],
  ["an UNSUBACK", PROTOCOL_ERROR, packet(0xb0, uint16(1), properties(), 0)],
  ["a PINGRESP", PROTOCOL_ERROR, packet(0xd0)],
  ["a DISCONNECT with a server reference", PROTOCOL_ERROR, packet(0xe0, 0, properties(0x1c, text("other")))],
  ["a DISCONNECT with two expiries", PROTOCOL_ERROR, packet(0xe0, 0, properties(0x11, uint32(1), 0x11, uint32(1)))],
];

for (const [what, code, bytes] of OFFENCES) {
  Deno.test(`[MQTT-4.13.1-1] ${what}: 0x${code.toString(16)}, the end, and the will`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await broker.connect();
    await watcher.subscribe("#");
    const client = await broker.connect({ will: WILL as never });
    await client.sendBytes(join(bytes, rawPublish({ topic: "after", payload: "x" })));
    assert.equal(await client.expectClosed(), code);
    assert.equal((await watcher.receive()).topic, "will", "nothing of the offence or after it is delivered");
    await watcher.expectNothing();
  });
}

Deno.test("[MQTT-4.13.1-1] a packet above the Maximum Packet Size of the broker: 0x95, before it is complete", async () => {
  await using broker = await TestBroker.start({ protocol: { packetBytesMax: 1_000 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.maximumPacketSize, 1_000);
  await client.sendBytes(packet(0x30, text("a"), properties(), new Uint8Array(998)).subarray(0, 100));
  assert.equal(await client.expectClosed(), 0x95);
});

Deno.test("[MQTT-4.13.1-1] a packet of the Maximum Packet Size itself is taken", async () => {
  await using broker = await TestBroker.start({ protocol: { packetBytesMax: 1_000 } });
  const client = await broker.connect();
  const whole = rawPublish({ first: 0x32, packetId: 1, payload: new Uint8Array(1_000 - 9) });
  assert.equal(whole.length, 1_000);
  await client.sendBytes(whole);
  await client.expect("puback");
});

Deno.test("[MQTT-4.13.1-1] a capability that CONNACK has ruled out: the reason that is its own", async () => {
  const cases = [
    [{ qosMax: 1 }, rawPublish({ first: 0x34, packetId: 1 }), 0x9b],
    [{ retainAvailable: false }, rawPublish({ first: 0x31 }), 0x9a],
    [{ subscriptionIdsAvailable: false }, subscribeWith(0x0b, 1), 0xa1],
  ] as const;
  for (const [limits, bytes, code] of cases) {
    await using broker = await TestBroker.start({ limits });
    const client = await broker.connect();
    await client.sendBytes(bytes);
    assert.equal(await client.expectClosed(), code);
  }
});

Deno.test("[MQTT-4.13.1-1] one client's offence does no harm to another", async () => {
  await using broker = await TestBroker.start();
  const [good, bad] = [await broker.connect(), await broker.connect()];
  await good.subscribe("a", { qos: 1 });
  await bad.sendBytes(packet(0xc1));
  assert.equal(await bad.expectClosed(), MALFORMED);
  await (await broker.connect()).publish("a", "m", { qos: 1 });
  assert.equal((await good.receive()).payload.toString(), "m");
});

Deno.test("[MQTT-4.13.2-1] a CONNACK that refuses is followed by the end of the connection", async () => {
  const verdicts: [Verdict, number][] = [
    [{ refusal: "bad-user-name-or-password", reason: "" }, 0x86],
    [{ refusal: "not-authorized", reason: "" }, 0x87],
    [{ refusal: "banned", reason: "" }, 0x8a],
    [{ refusal: "server-busy", reason: "" }, 0x89],
  ];
  for (const [verdict, code] of verdicts) {
    await using broker = await TestBroker.start({ authenticator: { authenticate: () => verdict } });
    assert.equal(await connectRefusal(broker, {}), code);
  }
});

Deno.test("[MQTT-4.13.2-1] what comes behind a CONNECT that is refused is not looked at", async () => {
  const authenticate = (): Verdict => ({ refusal: "not-authorized", reason: "" });
  await using broker = await TestBroker.start({ authenticator: { authenticate } });
  const client = await broker.open();
  await client.sendBytes(join(rawConnect(), rawSubscribe(1, "a"), packet(0xc0)));
  assert.equal((await client.expect("connack")).reasonCode, 0x87);
  assert.equal(await client.next(), undefined);
});

Deno.test("[MQTT-4.13.2-1] a connection that is refused without a word ends all the same", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.open();
  await client.sendBytes(packet(0x10, text("HTTP"), 5));
  for (let next = await client.next(); next !== undefined; next = await client.next()) {
    assert.equal(next.cmd, "connack");
  }
});

for (const code of [0x80, 0x83, 0x98]) {
  Deno.test(`[MQTT-4.13.2-1] after a client's DISCONNECT 0x${code.toString(16)} the broker closes, whatever follows`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    const watcher = await broker.connect();
    await watcher.subscribe("#");
    await client.sendBytes(join(packet(0xe0, code), rawPublish({ topic: "after" }), packet(0xc0)));
    assert.equal(await client.next(), undefined);
    await watcher.expectNothing();
  });
}

Deno.test("[MQTT-4.13.2-1] a reason code of 0x80 and above in an acknowledgement does not end the connection", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  assert.equal(await client.publish("$SYS/x", "", { qos: 1 }), 0x87);
  assert.equal(await client.publish("$SYS/x", "", { qos: 2 }), 0x87);
  assert.equal(await client.subscribe("a/#/b"), 0x8f);
  await client.send({ cmd: "pubrel", messageId: 3 });
  assert.equal((await client.expect("pubcomp")).reasonCode, 0x92);
  await client.expectNothing();
});
