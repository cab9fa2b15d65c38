/** MQTT 5.0 sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL, PUBCOMP. Their reason strings against the Maximum Packet Size are in
 * v5_maximum_packet_size_test.ts, without problem information in v5_connack_test.ts. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { ending } from "../support/endings.ts";
import {
  hex,
  join,
  lastFrame,
  packet,
  type Part,
  properties,
  rawPublish,
  text,
  uint16,
  userProperty,
} from "../support/raw_packet.ts";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const NOT_AUTHORIZED = 0x87;
const NOT_FOUND = 0x92;
const NO_SUBSCRIBERS = 0x10;
const LASTING = { sessionExpiryInterval: 300 };

/** Tables 3-4 and 3-5: what PUBACK and PUBREC may say; tables 3-6 and 3-7: PUBREL and PUBCOMP. */
const RECEIVED_CODES = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASED_CODES = [0x00, 0x92];

Deno.test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] a message that reaches somebody is acknowledged with 0x00, one that reaches nobody with 0x10", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const qos of [1, 2] as const) assert.equal(await publisher.publish("a", "", { qos }), NO_SUBSCRIBERS);
  const offline = await broker.connect({ clientId: "offline", properties: LASTING });
  await offline.subscribe("a", { qos: 1 });
  await offline.disconnect();
  for (const qos of [1, 2] as const) assert.equal(await publisher.publish("a", "", { qos }), 0);
  for (const qos of [1, 2] as const) assert.equal(await publisher.publish("a/b", "", { qos }), NO_SUBSCRIBERS);
});

Deno.test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] a message that goes back to its own publisher only reaches somebody unless it is no-local", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { noLocal: true });
  assert.equal(await client.publish("a", "", { qos: 1 }), NO_SUBSCRIBERS);
  await client.subscribe("a");
  await client.sendBytes(rawPublish({ first: 0x32, packetId: 99 }));
  const answers = [await client.next(), await client.next()];
  const puback = answers.find((each) => each?.cmd === "puback");
  assert.equal((puback as { reasonCode?: number } | undefined)?.reasonCode ?? 0, 0);
});

Deno.test("MQTT5 3.4.2.1: success without properties is said in the shortest form", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("a");
  const client = await broker.connect();
  await client.publish("a", "", { qos: 1, messageId: 0x0102 });
  assert.equal(hex(lastFrame(client.bytes, 4)), "40 02 01 02");
  await client.publish("a", "", { qos: 2, messageId: 0x0304 });
  assert.equal(hex(lastFrame(client.bytes, 5)), "50 02 03 04");
  assert.equal(hex(lastFrame(client.bytes, 7)), "70 02 03 04");
});

Deno.test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] a message that may not be published is refused with 0x87 and the reason, and goes nowhere", async () => {
  await using broker = await TestBroker.start({ authenticator: onlyTopic("open") });
  const witness = await broker.connect();
  await witness.subscribe("open", { qos: 2 });
  const client = await broker.connect();
  for (const [first, cmd] of [[0x33, "puback"], [0x35, "pubrec"]] as const) {
    await client.sendBytes(rawPublish({ first, packetId: 5, topic: "shut", payload: "x" }));
    const ack = await client.expect(cmd);
    assert.deepEqual([ack.messageId, ack.reasonCode], [5, NOT_AUTHORIZED]);
    assert.notEqual(ack.properties?.reasonString ?? "", "");
  }
  await client.sendBytes(packet(0x62, uint16(5))); // the identifier was free again
  assert.equal((await client.expect("pubcomp")).reasonCode, NOT_FOUND);
  assert.equal(await client.publish("open", "", { qos: 1 }), 0); // the connection goes on
  await witness.receive();
  await witness.expectNothing();
});

Deno.test("[MQTT-3.4.2-1] a message to $SYS is the broker's own and refused", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const topic of ["$SYS/broker/uptime", "$SYS"]) {
    assert.equal(await client.publish(topic, "x", { qos: 1 }), NOT_AUTHORIZED);
    assert.equal(await client.publish(topic, "x", { qos: 2 }), NOT_AUTHORIZED);
  }
});

Deno.test("[MQTT-3.4.2-1] a topic that is deeper or longer than the limits is refused with 0x90", async () => {
  await using broker = await TestBroker.start({ limits: { topicLevelsMax: 3, topicBytesMax: 10 } });
  const client = await broker.connect();
  for (const topic of ["a/b/c/d", "12345678901"]) {
    assert.equal(await client.publish(topic, "", { qos: 1 }), 0x90, topic);
    assert.equal(await client.publish(topic, "", { qos: 2 }), 0x90, topic);
  }
  for (const topic of ["a/b/c", "1234567890"]) {
    assert.equal(await client.publish(topic, "", { qos: 1 }), NO_SUBSCRIBERS, topic);
  }
});

Deno.test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] each code of tables 3-4 and 3-5 is accepted from a client, and ends the delivery as it says", async () => {
  await using broker = await TestBroker.start();
  for (const code of RECEIVED_CODES) {
    const clientId = `code ${code}`;
    const client = await broker.connect({ clientId, properties: LASTING });
    const one = await delivered(broker, client, 1);
    await client.sendBytes(packet(0x40, uint16(one), code));
    const two = await delivered(broker, client, 2);
    await client.sendBytes(packet(0x50, uint16(two), code));
    if (code < 0x80) {
      assert.equal((await client.expect("pubrel")).messageId, two);
      await client.sendBytes(packet(0x70, uint16(two), 0));
    }
    await client.expectNothing();
    await client.disconnect();
    const again = await broker.connect({ clientId, clean: false });
    await again.expectNothing();
  }
});

Deno.test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] any other code from a client ends the connection", async () => {
  await using broker = await TestBroker.start();
  const cases: [number, number[]][] = [[0x40, RECEIVED_CODES], [0x50, RECEIVED_CODES], [0x62, RELEASED_CODES], [
    0x70,
    RELEASED_CODES,
  ]];
  for (const [first, allowed] of cases) {
    for (const code of [0x01, 0x04, 0x11, 0x10, 0x81, 0x82, 0x91, 0x92, 0x97, 0xff]) {
      if (allowed.includes(code)) continue;
      const answer = await ending(await broker.connect(), packet(first, uint16(1), code));
      assert.ok(answer === PROTOCOL_ERROR || answer === MALFORMED, `${first} ${code}: ${answer}`);
    }
  }
});

Deno.test("MQTT5 3.4.2: an acknowledgement may end behind its id, behind its code, or hold properties", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const pairs = [userProperty("n", "v"), userProperty("n", "v"), userProperty("", "")];
  const tails: Part[][] = [[], [0x00], [0x00, 0x00], [0x00, properties(0x1f, text("fine"), ...pairs)]];
  for (const tail of tails) {
    const one = await delivered(broker, client, 1);
    await client.sendBytes(packet(0x40, uint16(one), ...tail));
    const two = await delivered(broker, client, 2);
    await client.sendBytes(packet(0x50, uint16(two), ...tail));
    assert.equal((await client.expect("pubrel")).messageId, two);
    await client.sendBytes(packet(0x70, uint16(two), ...tail));
    await client.publish("elsewhere", "", { qos: 1 });
    await client.sendBytes(rawPublish({ first: 0x34, packetId: 700, topic: "elsewhere" }));
    await client.expect("pubrec");
    await client.sendBytes(packet(0x62, uint16(700), ...tail));
    assert.equal((await client.expect("pubcomp")).reasonCode, 0);
  }
  await client.expectNothing();
});

Deno.test("MQTT5 3.4.2.2: properties of acknowledgements that are wrong end the connection", async () => {
  await using broker = await TestBroker.start();
  const reason = [0x1f, text("why")];
  const cases: [string, Part[], number][] = [
    ["a reason string twice", [0x00, properties(...reason, ...reason)], PROTOCOL_ERROR],
    ["a property of PUBLISH", [0x00, properties(0x01, 1)], MALFORMED],
    ["bytes behind the properties", [0x00, properties(), 0x00], MALFORMED],
    ["a length beyond the packet", [0x00, 0x05, 0x1f], MALFORMED],
  ];
  for (const first of [0x40, 0x50, 0x62, 0x70]) {
    for (const [what, tail, expected] of cases) {
      assert.equal(
        await ending(await broker.connect(), packet(first, uint16(1), ...tail)),
        expected,
        `${first} ${what}`,
      );
    }
  }
});

Deno.test("[MQTT-3.6.1-1] the broker's PUBREL has the flags 0010, and a client's must have them", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const id = await delivered(broker, client, 2);
  await client.sendBytes(packet(0x50, uint16(id)));
  await client.expect("pubrel");
  assert.equal(hex(lastFrame(client.bytes, 6)), hex(packet(0x62, uint16(id))));
  for (const flags of [0, 1, 3, 6, 10, 15]) {
    assert.equal(await ending(await broker.connect(), packet(0x60 | flags, uint16(1))), MALFORMED);
  }
});

Deno.test("[MQTT-3.6.2-1] PUBREC for an identifier that nobody knows is answered by PUBREL 0x92", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(packet(0x50, uint16(0x1234)));
  const pubrel = await client.expect("pubrel");
  assert.deepEqual([pubrel.messageId, pubrel.reasonCode], [0x1234, NOT_FOUND]);
});

Deno.test("[MQTT-3.7.2-1] PUBREL for an identifier that nobody knows is answered by PUBCOMP 0x92", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(packet(0x62, uint16(0x1234)));
  const pubcomp = await client.expect("pubcomp");
  assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode], [0x1234, NOT_FOUND]);
});

Deno.test("[MQTT-3.6.2-1] [MQTT-3.7.2-1] PUBREL 0x92 from a client is answered and frees the identifier", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(rawPublish({ first: 0x34, packetId: 3 }));
  await client.expect("pubrec");
  await client.sendBytes(packet(0x62, uint16(3), NOT_FOUND));
  assert.equal((await client.expect("pubcomp")).messageId, 3);
  await client.sendBytes(rawPublish({ first: 0x34, packetId: 3 }));
  assert.equal((await client.expect("pubrec")).messageId, 3);
});

Deno.test("MQTT5 4.3: acknowledgements for identifiers that nobody knows, or that came before, do no harm", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const id = await delivered(broker, client, 1);
  await client.sendBytes(join(packet(0x40, uint16(id)), packet(0x40, uint16(id)), packet(0x40, uint16(999))));
  await client.sendBytes(packet(0x70, uint16(999)));
  await client.expectNothing();
  const next = await delivered(broker, client, 2);
  await client.sendBytes(packet(0x50, uint16(next)));
  await client.expect("pubrel");
  await client.sendBytes(packet(0x50, uint16(next))); // again: it may not have heard
  assert.equal((await client.expect("pubrel")).reasonCode, 0);
  await client.sendBytes(packet(0x70, uint16(next)));
  await client.expectNothing();
});

Deno.test("MQTT5 4.3: a PUBACK where PUBREC is due, and the other way round, is a protocol error", async () => {
  await using broker = await TestBroker.start();
  const cases: [1 | 2, number][] = [[1, 0x50], [1, 0x70], [2, 0x40]];
  for (const [qos, first] of cases) {
    const client = await broker.connect();
    const id = await delivered(broker, client, qos);
    assert.equal(await ending(client, packet(first, uint16(id))), PROTOCOL_ERROR, `QoS ${qos}, ${first}`);
  }
});

Deno.test("[MQTT-4.3.3-3] a PUBCOMP before PUBREC does not end the delivery as if it had been received", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "one", properties: LASTING });
  const id = await delivered(broker, client, 2);
  await client.sendBytes(join(packet(0x70, uint16(id)), packet(0xc0)));
  await client.next(); // PINGRESP, or DISCONNECT for a protocol error: in either case the message is still owed
  const again = await broker.connect({ clientId: "one", clean: false });
  assert.equal((await again.receive()).messageId, id);
});

/** Publishes to a subscription of `client` and answers the packet id under which it is delivered, not acknowledged yet. */
async function delivered(broker: TestBroker, client: TestClient, qos: 1 | 2): Promise<number> {
  const topic = `to/${client.clientId}`;
  await client.subscribe(topic, { qos: 2, retainHandling: 2 });
  await (await broker.connect()).publish(topic, "x", { qos });
  const message = await client.receive({ acknowledge: false });
  assert.equal(message.qos, qos);
  return message.messageId!;
}

/** Everybody may use one topic. */
function onlyTopic(open: string): Authenticator {
  const isOpen = (_: unknown, topic: string) => topic === open;
  return { authenticate: ({ username }) => ({ username, policy: { mayPublish: isOpen, maySubscribe: isOpen } }) };
}
