/** MQTT 3.1.1, sections 1.5 and 2: strings, fixed headers, packet identifiers. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import {
  assertConnectAccepted,
  assertConnectRefused,
  assertViolation,
  type Bytes,
  connectBytes,
  field,
  Flag,
  framesOf,
  headersOf,
  join,
  packet,
  publishBytes,
  uint16,
} from "./v3_packets.ts";

/** Every place where a client sends a UTF-8 string once it is connected. */
const STRING_PLACES: Readonly<Record<string, (text: Bytes) => Uint8Array>> = {
  "a topic name": (text) => publishBytes(0x30, text),
  "a topic filter to subscribe to": (text) => packet(0x82, uint16(1), field(text), [0]),
  "a topic filter to unsubscribe from": (text) => packet(0xa2, uint16(1), field(text)),
};

/** The same in CONNECT. */
const CONNECT_PLACES: Readonly<Record<string, (text: Bytes) => Uint8Array>> = {
  "the client identifier": (text) => connectBytes({}, field(text)),
  "the will topic": (text) => connectBytes({ flags: Flag.clean | Flag.will }, field("c"), field(text), field("m")),
  "the user name": (text) => connectBytes({ flags: Flag.clean | Flag.username }, field("c"), field(text)),
};

/** What RFC 3629 forbids, between two letters. */
const ILL_FORMED: readonly Bytes[] = [
  [0xed, 0xa0, 0x80], // U+D800
  [0xed, 0xbf, 0xbf], // U+DFFF
  [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], // a surrogate pair
  [0xc0, 0x80], // an over-long U+0000
  [0xe0, 0x80, 0xaf], // an over-long "/"
  [0xf4, 0x90, 0x80, 0x80], // beyond U+10FFFF
  [0xc3], // cut off
  [0x80], // continues nothing
  [0xff],
].map((bytes) => [0x61, ...bytes, 0x62]);

const NULL_CHARACTER: Bytes = [0x61, 0x00, 0x62];
const WELL_FORMED: Bytes = [0x61, 0xed, 0x9f, 0xbf, 0xee, 0x80, 0x80, 0xf4, 0x8f, 0xbf, 0xbf, 0x62];

for (const [place, bytes] of Object.entries(CONNECT_PLACES)) {
  Deno.test(`v3.1.1 [MQTT-1.5.3-1] ill-formed UTF-8 in ${place} closes the connection`, async () => {
    await using broker = await TestBroker.start();
    for (const text of ILL_FORMED) await assertConnectRefused(broker, bytes(text));
    await assertConnectAccepted(broker, bytes(WELL_FORMED));
  });

  Deno.test(`v3.1.1 [MQTT-1.5.3-2] U+0000 in ${place} closes the connection`, async () => {
    await using broker = await TestBroker.start();
    await assertConnectRefused(broker, bytes(NULL_CHARACTER));
    await assertConnectAccepted(broker, bytes(WELL_FORMED));
  });
}

for (const [place, bytes] of Object.entries(STRING_PLACES)) {
  Deno.test(`v3.1.1 [MQTT-1.5.3-1] ill-formed UTF-8 in ${place} closes the connection`, async () => {
    await using broker = await TestBroker.start();
    for (const text of ILL_FORMED) await assertViolation(broker, bytes(text));
    const client = await join(broker);
    await client.sendBytes(bytes(WELL_FORMED));
    await client.sendBytes("c000");
    while ((await client.next())?.cmd !== "pingresp");
  });

  Deno.test(`v3.1.1 [MQTT-1.5.3-2] U+0000 in ${place} closes the connection`, async () => {
    await using broker = await TestBroker.start();
    await assertViolation(broker, bytes(NULL_CHARACTER));
  });
}

Deno.test("v3.1.1 [MQTT-1.5.3-3] U+FEFF at the start of a string or inside it is a character like others", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.subscribe("\ufeffa");
  await client.subscribe("a");
  assert.deepEqual(await echo(client, "\ufeffa"), publishBytes(0x30, "\ufeffa"));
  assert.deepEqual(await echo(client, "a"), publishBytes(0x30, "a"));
  await client.subscribe("b\ufeffc");
  await client.publish("bc");
  assert.deepEqual(await echo(client, "b\ufeffc"), publishBytes(0x30, "b\ufeffc"));
  await client.expectNothing();
});

/** Publishes to a topic that the client is subscribed to itself; answers the PUBLISH that comes back. */
async function echo(client: TestClient, topic: string): Promise<Uint8Array> {
  await client.publish(topic);
  await client.expect("publish");
  return Uint8Array.from(framesOf(client).at(-1)!);
}

Deno.test("v3.1.1 [MQTT-1.5.3-3] client identifiers that differ by U+FEFF are two clients", async () => {
  await using broker = await TestBroker.start();
  const plain = await join(broker, { clientId: "id" });
  const marked = await join(broker, { clientId: "\ufeffid" });
  await plain.expectNothing();
  await marked.expectNothing();
});

/** The packets of a client with the flags that table 2.2 fixes. */
const FIXED_FLAGS: Readonly<Record<string, { first: number; body: Bytes }>> = {
  PUBACK: { first: 0x40, body: uint16(1) },
  PUBREC: { first: 0x50, body: uint16(1) },
  PUBREL: { first: 0x62, body: uint16(1) },
  PUBCOMP: { first: 0x70, body: uint16(1) },
  SUBSCRIBE: { first: 0x82, body: [...uint16(1), ...field("a"), 0] },
  UNSUBSCRIBE: { first: 0xa2, body: [...uint16(1), ...field("a")] },
  PINGREQ: { first: 0xc0, body: [] },
  DISCONNECT: { first: 0xe0, body: [] },
};

/** Every value of the low nibble but the right one. */
function wrongFlags(first: number): number[] {
  return Array.from({ length: 16 }, (_, flags) => (first & 0xf0) | flags).filter((wrong) => wrong !== first);
}

async function assertFlagsHeld(name: string): Promise<void> {
  const { first, body } = FIXED_FLAGS[name]!;
  await using broker = await TestBroker.start();
  for (const wrong of wrongFlags(first)) await assertViolation(broker, packet(wrong, body));
}

for (const name of ["PUBACK", "PUBREC", "PUBCOMP", "PINGREQ"]) {
  Deno.test(`v3.1.1 [MQTT-2.2.2-2] ${name} with other flags than its own closes the connection`, () =>
    assertFlagsHeld(name));
}

Deno.test("v3.1.1 [MQTT-2.2.2-2] [MQTT-3.6.1-1] PUBREL with other flags than 0010 closes the connection", () =>
  assertFlagsHeld("PUBREL"));

Deno.test("v3.1.1 [MQTT-2.2.2-2] [MQTT-3.8.1-1] SUBSCRIBE with other flags than 0010 closes the connection", () =>
  assertFlagsHeld("SUBSCRIBE"));

Deno.test("v3.1.1 [MQTT-2.2.2-2] [MQTT-3.10.1-1] UNSUBSCRIBE with other flags than 0010 closes the connection", () =>
  assertFlagsHeld("UNSUBSCRIBE"));

Deno.test("v3.1.1 [MQTT-2.2.2-2] [MQTT-3.14.1-1] DISCONNECT with flags closes the connection, the will is published", async () => {
  await assertFlagsHeld("DISCONNECT");
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will");
  const client = await broker.open(4);
  await client.sendBytes(
    connectBytes({ flags: Flag.clean | Flag.will }, field("c"), field("will"), field("not said farewell")),
  );
  await client.expect("connack");
  await client.sendBytes("e100");
  assert.equal(await client.next(), undefined);
  assert.equal((await watcher.receive()).payload.toString(), "not said farewell");
});

Deno.test("v3.1.1 [MQTT-2.2.2-2] CONNECT with flags closes the connection without a CONNACK", async () => {
  await using broker = await TestBroker.start();
  const connect = connectBytes({}, field("c"));
  for (const wrong of wrongFlags(0x10)) {
    await assertConnectRefused(broker, Uint8Array.from([wrong, ...connect.slice(1)]));
  }
  await assertConnectAccepted(broker, connect);
});

Deno.test("v3.1.1 [MQTT-2.2.2-1] the broker's packets have the flags of table 2.2", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.subscribe("a", { qos: 2 });
  await client.publish("b", "", { qos: 1 });
  await client.publish("b", "", { qos: 2 });
  await client.unsubscribe("b");
  await client.expectNothing();
  assert.deepEqual(headersOf(client), [0x20, 0x90, 0x40, 0x50, 0x70, 0xb0, 0xd0]);
  const sender = await join(broker);
  await sender.publish("a", "", { qos: 2 });
  await client.receive();
  await client.expectNothing();
  assert.deepEqual(headersOf(client).slice(7), [0x34, 0x62, 0xd0]);
});

Deno.test("v3.1.1 [MQTT-2.3.1-1] packet identifier 0 in SUBSCRIBE, UNSUBSCRIBE or PUBLISH closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, packet(0x82, uint16(0), field("a"), [0]));
  await assertViolation(broker, packet(0xa2, uint16(0), field("a")));
  await assertViolation(broker, publishBytes(0x32, "a", { packetId: 0 }));
  await assertViolation(broker, publishBytes(0x34, "a", { packetId: 0 }));
});

Deno.test("v3.1.1 [MQTT-2.3.1-1] SUBSCRIBE, UNSUBSCRIBE or PUBLISH without a packet identifier closes the connection", async () => {
  await using broker = await TestBroker.start();
  for (const first of [0x82, 0xa2]) await assertViolation(broker, packet(first));
  for (const first of [0x32, 0x34]) await assertViolation(broker, publishBytes(first, "a"));
});

Deno.test("v3.1.1 [MQTT-4.3.2-2] [MQTT-3.8.4-1] [MQTT-3.10.4-4] what comes with the identifier of a QoS 2 message that is held is done as it is acknowledged", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.sendBytes(publishBytes(0x34, "held", { packetId: 5 }));
  await client.expect("pubrec");
  await client.sendBytes(packet(0x82, uint16(5), field("a"), [1]));
  assert.deepEqual((await client.expect("suback")).granted, [1]);
  await client.sendBytes(publishBytes(0x32, "a", { packetId: 5 }));
  await client.receive();
  assert.equal((await client.expect("puback")).messageId, 5);
  await client.sendBytes(packet(0xa2, uint16(5), field("a")));
  assert.equal((await client.expect("unsuback")).messageId, 5);
  const publisher = await join(broker);
  await publisher.publish("a", "to nobody", { qos: 1 });
  await client.expectNothing();
});

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-2.3.1-4] QoS ${qos} messages under way have identifiers of their own, none of them 0`, async () => {
    const inflightMax = 1_000;
    await using broker = await TestBroker.start({ limits: { inflightMax } });
    const subscriber = await join(broker);
    await subscriber.subscribe("a", { qos });
    const publisher = await join(broker);
    const unacknowledged = new Set<number>();
    for (let i = 0; i < inflightMax; i++) {
      await publisher.publish("a", `${i}`, { qos: 1 });
      const { messageId } = await subscriber.receive({ acknowledge: false });
      assert.ok(messageId! > 0 && !unacknowledged.has(messageId!), `identifier ${messageId}`);
      unacknowledged.add(messageId!);
    }
  });
}

Deno.test("v3.1.1 [MQTT-2.3.1-4] an identifier that is in use is passed over when the identifiers go round", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await join(broker);
  await subscriber.subscribe("a", { qos: 1 });
  await broker.broker.publish({ topic: "a", payload: "held", qos: 1 });
  const { messageId: inUse } = await subscriber.receive({ acknowledge: false });
  const seen = new Set<number>();
  let repeated = 0;
  for (let round = 0; round < 66; round++) {
    for (let i = 0; i < 1_000; i++) void broker.broker.publish({ topic: "a", payload: "", qos: 1 });
    for (let i = 0; i < 1_000; i++) {
      const { messageId } = await subscriber.receive();
      assert.notEqual(messageId, inUse);
      if (seen.has(messageId!)) repeated++;
      seen.add(messageId!);
    }
  }
  assert.ok(repeated > 0, "identifiers did not go round");
});

Deno.test("v3.1.1 [MQTT-2.3.1-5] a QoS 0 PUBLISH has no packet identifier, either way", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await join(broker);
  await subscriber.subscribe("a", { qos: 2 });
  const publisher = await join(broker);
  const publish = publishBytes(0x30, "a", { payload: "\u0000\u0001 begins like an identifier" });
  await publisher.sendBytes(publish);
  await subscriber.expect("publish");
  assert.deepEqual(Uint8Array.from(framesOf(subscriber).at(-1)!), publish);
});

Deno.test("v3.1.1 [MQTT-2.3.1-6] PUBACK, PUBREC, PUBREL and PUBCOMP carry the identifier of the PUBLISH", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const messageId of [1, 0x1234, 0xfffe, 0xffff]) {
    await client.publish("b", "", { qos: 1, messageId }); // these check the identifier of each answer
    await client.publish("b", "", { qos: 2, messageId });
  }
  const publisher = await join(broker);
  await client.subscribe("a", { qos: 2 });
  for (let i = 0; i < 3; i++) {
    await publisher.publish("a", "", { qos: 2 });
    await client.receive(); // checks that of PUBREL
  }
});

Deno.test("v3.1.1 [MQTT-2.3.1-7] SUBACK and UNSUBACK carry the identifier of their request", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const messageId of [0xffff, 0x0100, 7]) {
    await client.send({ cmd: "subscribe", messageId, subscriptions: [{ topic: "a", qos: 0 }] });
    assert.equal((await client.expect("suback")).messageId, messageId);
    await client.send({ cmd: "unsubscribe", messageId, unsubscriptions: ["a"] });
    assert.equal((await client.expect("unsuback")).messageId, messageId);
  }
});
