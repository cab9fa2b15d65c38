/** MQTT 5.0 section 2: fixed header, packet identifiers, properties. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { ending, refusal } from "../support/endings.ts";
import {
  frames,
  hex,
  join,
  lastFrame,
  packet,
  type Part,
  properties,
  rawConnect,
  rawPublish,
  rawSubscribe,
  text,
  uint16,
  uint32,
  userProperty,
} from "../support/raw_packet.ts";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const IN_USE = 0x91;

/** What a client sends, with the flags that table 2-2 asks for. */
const WELL_FORMED: Record<string, Uint8Array> = {
  PUBACK: packet(0x40, uint16(1)),
  PUBREC: packet(0x50, uint16(1)),
  PUBREL: packet(0x62, uint16(1)),
  PUBCOMP: packet(0x70, uint16(1)),
  SUBSCRIBE: rawSubscribe(1, "a"),
  UNSUBSCRIBE: packet(0xa2, uint16(1), properties(), text("a")),
  PINGREQ: packet(0xc0),
  DISCONNECT: packet(0xe0),
};

Deno.test("[MQTT-2.1.3-1] [MQTT-3.6.1-1] reserved flags that are not as in table 2-2 are malformed", async () => {
  await using broker = await TestBroker.start();
  for (const [name, bytes] of Object.entries(WELL_FORMED)) {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === (bytes[0] & 0x0f)) continue;
      const client = await broker.connect();
      assert.equal(
        await ending(client, join((bytes[0] & 0xf0) | flags, bytes.subarray(1))),
        MALFORMED,
        `${name} ${flags}`,
      );
    }
  }
});

Deno.test("[MQTT-2.1.3-1] a CONNECT with flags in its fixed header is refused", async () => {
  await using broker = await TestBroker.start();
  for (let flags = 1; flags < 16; flags++) {
    const answer = await refusal(broker, join(0x10 | flags, rawConnect().subarray(1)));
    assert.ok(answer === undefined || answer === MALFORMED, `CONNACK ${answer}`);
  }
});

Deno.test("[MQTT-2.1.3-1] the broker's own flags are those of table 2-2", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2 });
  await client.publish("b", "", { qos: 1 });
  await client.send({ cmd: "publish", topic: "a", payload: "", qos: 2, dup: false, retain: false, messageId: 9 });
  const kinds = [await client.next(), await client.next()].map((each) => each?.cmd).sort();
  assert.deepEqual(kinds, ["publish", "pubrec"]);
  await client.sendBytes(join(packet(0x62, uint16(9)), packet(0x50, uint16(1))));
  await client.expect("pubcomp");
  await client.expect("pubrel");
  await client.unsubscribe("a");
  await client.expectNothing();
  await client.sendBytes(packet(0xe0, 0x04));
  await client.expectClosed();
  const firstBytes = frames(client.bytes).map((frame) => frame[0]);
  assert.deepEqual(new Set(firstBytes), new Set([0x20, 0x90, 0x40, 0x50, 0x34, 0x70, 0x62, 0xb0, 0xd0]));
});

Deno.test("MQTT5 2.1.2: packet type 0 is an error, and told in a DISCONNECT of no flags", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const code = await ending(client, packet(0x00));
  assert.ok(code === MALFORMED || code === PROTOCOL_ERROR, `${code}`);
  assert.equal(lastFrame(client.bytes, 14)[0], 0xe0);
});

Deno.test("MQTT5 2.1.2: packets that only a server sends are a protocol error", async () => {
  await using broker = await TestBroker.start();
  const packets: Record<string, Uint8Array> = {
    CONNACK: packet(0x20, 0, 0, properties()),
    SUBACK: packet(0x90, uint16(1), properties(), 0),
    UNSUBACK: packet(0xb0, uint16(1), properties(), 0),
    PINGRESP: packet(0xd0),
  };
  for (const [name, bytes] of Object.entries(packets)) {
    assert.equal(await ending(await broker.connect(), bytes), PROTOCOL_ERROR, name);
  }
});

Deno.test("[MQTT-2.2.1-2] a QoS 0 PUBLISH holds no packet identifier, either way", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2 });
  await client.sendBytes("30 07 0001 61 00 00 01 78"); // the payload begins like an identifier
  const message = await client.receive();
  assert.deepEqual([...message.payload as Uint8Array], [0, 1, 0x78]);
  assert.equal(hex(lastFrame(client.bytes, 3)), "30 07 00 01 61 00 00 01 78");
});

Deno.test("[MQTT-2.2.1-3] a packet identifier of 0, or none, is an error", async () => {
  await using broker = await TestBroker.start();
  const packets: Record<string, Uint8Array> = {
    "PUBLISH QoS 1": rawPublish({ first: 0x32, packetId: 0 }),
    "PUBLISH QoS 2": rawPublish({ first: 0x34, packetId: 0 }),
    "PUBLISH QoS 1 without one": packet(0x32, text("a")),
    SUBSCRIBE: rawSubscribe(0, "a"),
    UNSUBSCRIBE: packet(0xa2, uint16(0), properties(), text("a")),
    PUBACK: packet(0x40, uint16(0)),
    PUBREL: packet(0x62, uint16(0)),
    "PUBACK without one": packet(0x40),
    "PUBREL with half of one": packet(0x62, 1),
  };
  for (const [name, bytes] of Object.entries(packets)) {
    const code = await ending(await broker.connect(), bytes);
    assert.ok(code === MALFORMED || code === PROTOCOL_ERROR, `${name}: ${code}`);
  }
});

Deno.test("[MQTT-2.2.1-3] a SUBSCRIBE or UNSUBSCRIBE with an identifier that is in use is refused with 0x91", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await holdQos2(client, 5);
  await client.sendBytes(rawSubscribe(5, "a"));
  assert.deepEqual((await client.expect("suback")).granted, [IN_USE]);
  await client.publish("a", "not subscribed");
  await client.sendBytes(packet(0xa2, uint16(5), properties(), text("a"), text("b")));
  assert.deepEqual((await client.expect("unsuback")).granted, [IN_USE, IN_USE]);
  await client.send({ cmd: "pubrel", messageId: 5 });
  await client.expect("pubcomp");
  await client.sendBytes(rawSubscribe(5, "a"));
  assert.deepEqual((await client.expect("suback")).granted, [0]);
});

Deno.test("[MQTT-2.2.1-3] a QoS 1 PUBLISH with an identifier that a QoS 2 PUBLISH holds is refused with 0x91", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  await holdQos2(client, 5);
  await client.sendBytes(rawPublish({ first: 0x32, packetId: 5 }));
  const puback = await client.expect("puback");
  assert.deepEqual([puback.messageId, puback.reasonCode], [5, IN_USE]);
  await client.expectNothing();
});

Deno.test("[MQTT-2.2.1-3] an identifier is free again as soon as its exchange has ended", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const qos of [1, 2, 1, 2, 2, 1] as const) {
    assert.equal(await client.publish("a", "", { qos, messageId: 1 }), 0x10);
  }
  await client.sendBytes(rawSubscribe(1, "a"));
  assert.deepEqual((await client.expect("suback")).granted, [0]);
});

Deno.test("[MQTT-2.2.1-4] the broker's identifiers are never 0 and never one in use", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await broker.connect();
  await subscriber.subscribe("a", { qos: 2 });
  const publisher = await broker.connect();
  const open = new Map<number, 1 | 2>();
  for (let round = 0; round < 200; round++) {
    const qos = round % 2 === 0 ? 1 : 2;
    await publisher.publish("a", "", { qos });
    const { messageId } = await subscriber.receive({ acknowledge: false });
    assert.ok(messageId! > 0 && !open.has(messageId!), `identifier ${messageId} in round ${round}`);
    open.set(messageId!, qos);
    if (open.size === 50) await complete(subscriber, open, round % 7 + 40);
  }
});

Deno.test("MQTT5 2.2.1: client and broker assign identifiers independently", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2 });
  await client.sendBytes(rawPublish({ first: 0x34, packetId: 1 }));
  const packets = [await client.next(), await client.next()];
  assert.deepEqual(packets.map((each) => each?.cmd).sort(), ["publish", "pubrec"]);
  const theirs = packets.find((each) => each?.cmd === "publish")!.messageId!;
  await client.sendBytes(packet(0x50, uint16(theirs)));
  assert.equal((await client.expect("pubrel")).messageId, theirs);
  await client.sendBytes(packet(0x62, uint16(1)));
  assert.deepEqual(await reasonOf(client, "pubcomp"), [1, 0]);
  await client.sendBytes(packet(0x70, uint16(theirs)));
  await client.expectNothing();
});

Deno.test("[MQTT-2.2.1-5] [MQTT-2.2.1-6] every acknowledgement carries the identifier of what it answers", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const id of [1, 0x00ff, 0x0100, 0x0102, 0xff00, 0xffff]) {
    await client.sendBytes(rawPublish({ first: 0x32, packetId: id }));
    assert.deepEqual(await reasonOf(client, "puback"), [id, 0x10]);
    await client.sendBytes(rawPublish({ first: 0x34, packetId: id }));
    assert.deepEqual(await reasonOf(client, "pubrec"), [id, 0x10]);
    await client.sendBytes(packet(0x62, uint16(id)));
    assert.deepEqual(await reasonOf(client, "pubcomp"), [id, 0]);
    await client.sendBytes(rawSubscribe(id, "b"));
    assert.equal((await client.expect("suback")).messageId, id);
    await client.sendBytes(packet(0xa2, uint16(id), properties(), text("b")));
    assert.equal((await client.expect("unsuback")).messageId, id);
  }
});

Deno.test("[MQTT-2.2.1-5] PUBREL carries the identifier of the broker's PUBLISH", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2 });
  for (let round = 0; round < 3; round++) {
    await client.publish("b", "", { qos: 2, messageId: 700 + round }); // other ids than the broker's
    await (await broker.connect()).publish("a", "", { qos: 2 });
    await client.receive(); // asserts the ids
  }
});

Deno.test("[MQTT-2.2.2-1] the broker says that it has no properties with a length of zero", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 1 });
  assert.equal(hex(lastFrame(client.bytes, 9)), "90 04 00 01 00 01");
  await (await broker.connect()).publish("a", "x", { qos: 1 });
  await client.receive();
  assert.equal(hex(lastFrame(client.bytes, 3)), "32 07 00 01 61 00 01 00 78");
  await client.unsubscribe("a");
  assert.equal(hex(lastFrame(client.bytes, 11)), "b0 04 00 02 00 00");
});

Deno.test("[MQTT-2.2.2-1] a packet without a property length is malformed", async () => {
  await using broker = await TestBroker.start();
  for (const bytes of [packet(0x30, text("a")), packet(0x82, uint16(1)), packet(0xa2, uint16(1))]) {
    assert.equal(await ending(await broker.connect(), bytes), MALFORMED, hex(bytes));
  }
  assert.equal(await refusal(broker, packet(0x10, text("MQTT"), 5, 0x02, uint16(0))), MALFORMED);
});

Deno.test("MQTT5 2.2.2.2: a property that is unknown, of another packet, or longer than its section is malformed", async () => {
  await using broker = await TestBroker.start();
  const cases: Record<string, Part[]> = {
    "an unknown identifier": [0x04, 0x00],
    "identifier 0": [0x00, 0x00],
    "session expiry, of CONNECT": [0x11, uint32(1)],
    "reason string, of answers": [0x1f, text("why")],
    "will delay": [0x18, uint32(1)],
    "receive maximum": [0x21, uint16(1)],
    "an expiry that is cut": [0x02, 0, 0, 0],
    "a text that is cut": [0x03, uint16(5), 0x61],
    "a pair without its value": [0x26, text("n")],
    "an identifier without a value": [0x01],
  };
  for (const [what, parts] of Object.entries(cases)) {
    assert.equal(await ending(await broker.connect(), rawPublish({ properties: join(...parts) })), MALFORMED, what);
  }
  const tooLong = packet(0x30, text("a"), 0x0a, 0x01, 0x00);
  assert.equal(await ending(await broker.connect(), tooLong), MALFORMED, "a length beyond the packet");
});

Deno.test("MQTT5 2.2.2.2: a property that comes twice is a protocol error, user properties apart", async () => {
  await using broker = await TestBroker.start();
  const once: Part[][] = [
    [0x01, 1],
    [0x02, uint32(9)],
    [0x03, text("t")],
    [0x08, text("r")],
    [0x09, text("c")],
    [0x23, uint16(1)],
  ];
  for (const parts of once) {
    const twice = rawPublish({ properties: join(...parts, ...parts) });
    assert.equal(await ending(await broker.connect(), twice), PROTOCOL_ERROR, hex(twice));
  }
  const client = await broker.connect();
  await client.sendBytes(rawPublish({ properties: join(userProperty("n", "v"), userProperty("n", "v")) }));
  await client.expectNothing();
});

/** Leaves a QoS 2 PUBLISH unreleased. */
async function holdQos2(client: TestClient, packetId: number): Promise<void> {
  await client.sendBytes(rawPublish({ first: 0x34, packetId, topic: "elsewhere" }));
  await client.expect("pubrec");
}

/** Completes the first `count` exchanges that are open. */
async function complete(client: TestClient, open: Map<number, 1 | 2>, count: number): Promise<void> {
  for (const [messageId, qos] of [...open].slice(0, count)) {
    open.delete(messageId);
    if (qos === 1) await client.send({ cmd: "puback", messageId });
    else {
      await client.send({ cmd: "pubrec", messageId });
      await client.expect("pubrel");
      await client.send({ cmd: "pubcomp", messageId });
    }
  }
}

async function reasonOf(client: TestClient, cmd: "puback" | "pubrec" | "pubcomp"): Promise<[number, number]> {
  const { messageId, reasonCode = 0 } = await client.expect(cmd);
  return [messageId!, reasonCode];
}
