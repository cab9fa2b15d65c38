import assert from "node:assert/strict";
import type { FaultCause } from "../../src/wire/fault.ts";
import type { ProtocolVersion } from "../../src/wire/packet.ts";
import { frameOf, hex, readOne } from "./reading.ts";
import { assertRefused } from "./refusing.ts";

/** A sentence of the specification, and a packet that breaks it: first byte and body. */
type Row = [sentence: string, first: number, body: string, fault: FaultCause, version?: ProtocolVersion];

const longTopic = `ffff ${"61".repeat(0xffff)}`;

const publishRows: Row[] = [
  ["[MQTT-3.3.1-4] PUBLISH with QoS 3", 0x36, '0001 "t" 0001 00', "malformed-packet"],
  ["[MQTT-3.3.1-2] PUBLISH with DUP on QoS 0", 0x38, '0001 "t" 00', "malformed-packet"],
  ["[MQTT-2.2.1-3] PUBLISH with packet identifier 0", 0x32, '0001 "t" 0000 00', "protocol-error"],
  ["[MQTT-3.3.2-2] PUBLISH to a topic with +", 0x30, '0003 "a/+" 00', "topic-name-invalid"],
  ["[MQTT-3.3.2-2] PUBLISH to a topic with #", 0x30, '0001 "#" 00', "topic-name-invalid", 4],
  ["[MQTT-4.7.3-1] PUBLISH to an empty topic before v5", 0x30, "0000", "malformed-packet", 4],
  ["[MQTT-4.7.3-1] PUBLISH to an empty topic without alias", 0x30, "0000 00", "protocol-error"],
  ["[MQTT-3.3.2-8] PUBLISH with topic alias 0", 0x30, '0001 "t" 03 23 0000', "topic-alias-invalid"],
  ["[MQTT-3.3.4-6] PUBLISH with a subscription identifier", 0x30, '0001 "t" 02 0b 01', "protocol-error"],
  ["[MQTT-3.3.2-14] PUBLISH with a wildcard in the response topic", 0x30, '0001 "t" 04 08 0001 "#"', "protocol-error"],
  ["[MQTT-4.7.3-1] PUBLISH with an empty response topic", 0x30, '0001 "t" 03 08 0000', "protocol-error"],
  ["PUBLISH with payload format 2", 0x30, '0001 "t" 02 01 02', "protocol-error"],
  ["[MQTT-1.5.4-2] PUBLISH with U+0000 in the topic", 0x30, "0003 61 00 62 00", "malformed-packet"],
  ["[MQTT-1.5.4-1] PUBLISH with a surrogate in the topic", 0x30, "0003 eda080 00", "malformed-packet"],
  ["[MQTT-1.5.4-1] PUBLISH with ill-formed content type", 0x30, '0001 "t" 04 03 0001 ff', "malformed-packet"],
  ["[MQTT-1.5.4-1] PUBLISH with ill-formed user name", 0x30, '0001 "t" 06 26 0001 80 0000', "malformed-packet"],
  ["[MQTT-1.5.4-1] PUBLISH with ill-formed user value", 0x30, '0001 "t" 06 26 0000 0001 c0', "malformed-packet"],
  ["[MQTT-1.5.5-1] PUBLISH with an over-long property length", 0x30, '0001 "t" 8000', "malformed-packet"],
  ["[MQTT-1.5.5-1] PUBLISH with a five-byte property length", 0x30, '0001 "t" 8080808001', "malformed-packet"],
  ["PUBLISH with more properties than bytes", 0x30, '0001 "t" 05 01 01', "malformed-packet"],
  ["PUBLISH with a topic longer than the packet", 0x30, '0002 "t"', "malformed-packet"],
  ["PUBLISH of 65535 bytes of topic, one missing", 0x30, longTopic.slice(0, -2), "malformed-packet", 4],
  ["PUBLISH that ends after the topic, at QoS 1", 0x32, '0001 "t"', "malformed-packet", 4],
  ["PUBLISH that ends before the property length", 0x30, '0001 "t"', "malformed-packet"],
];

const acknowledgementRows: Row[] = [
  ["[MQTT-2.1.3-1] PUBACK with flags", 0x41, "0001", "malformed-packet"],
  ["[MQTT-3.6.1-1] PUBREL without its flag", 0x60, "0001", "malformed-packet", 4],
  ["[MQTT-3.6.1-1] PUBREL with DUP after 3.1", 0x6a, "0001", "malformed-packet", 4],
  ["[MQTT-2.2.1-3] PUBCOMP with packet identifier 0", 0x70, "0000", "protocol-error"],
  ["PUBACK with a reason before v5", 0x40, "0001 00", "malformed-packet", 4],
  ["PUBACK with half an identifier", 0x40, "01", "malformed-packet"],
  ["[MQTT-3.4.2-1] PUBACK with a foreign reason code", 0x40, "0001 92", "protocol-error"],
  ["[MQTT-3.5.2-1] PUBREC with a foreign reason code", 0x50, "0001 01", "protocol-error"],
  ["[MQTT-3.6.2-1] PUBREL with a foreign reason code", 0x62, "0001 10", "protocol-error"],
  ["[MQTT-3.7.2-1] PUBCOMP with a foreign reason code", 0x70, "0001 80", "protocol-error"],
  ["PUBACK with two reason strings", 0x40, '0001 00 08 1f 0001 "a" 1f 0001 "b"', "protocol-error"],
  ["PUBACK with bytes behind its properties", 0x40, "0001 00 00 00", "malformed-packet"],
];

const subscriptionRows: Row[] = [
  ["[MQTT-3.8.1-1] SUBSCRIBE without its flag", 0x80, '0001 00 0001 "a" 00', "malformed-packet"],
  ["[MQTT-2.2.1-3] SUBSCRIBE with packet identifier 0", 0x82, '0000 00 0001 "a" 00', "protocol-error"],
  ["[MQTT-3.8.3-2] SUBSCRIBE without a filter", 0x82, "0001 00", "protocol-error"],
  ["[MQTT-3.8.3-2] SUBSCRIBE without a filter before v5", 0x82, "0001", "protocol-error", 4],
  ["[MQTT-3.8.3-1] SUBSCRIBE with an ill-formed filter", 0x82, "0001 00 0001 ff 00", "malformed-packet"],
  ["[MQTT-3.8.3-5] SUBSCRIBE with reserved options", 0x82, '0001 00 0001 "a" 40', "malformed-packet"],
  ["[MQTT-3-8.3-4] SUBSCRIBE with v5 options in v3", 0x82, '0001 0001 "a" 04', "malformed-packet", 4],
  ["SUBSCRIBE with QoS 3", 0x82, '0001 00 0001 "a" 03', "protocol-error"],
  ["[MQTT-3-8.3-4] SUBSCRIBE with QoS 3 before v5", 0x82, '0001 0001 "a" 03', "malformed-packet", 4],
  ["SUBSCRIBE with retain handling 3", 0x82, '0001 00 0001 "a" 30', "protocol-error"],
  ["SUBSCRIBE with subscription identifier 0", 0x82, '0001 02 0b 00 0001 "a" 00', "protocol-error"],
  ["SUBSCRIBE with two identifiers", 0x82, '0001 04 0b 01 0b 02 0001 "a" 00', "protocol-error"],
  ["[MQTT-1.5.5-1] SUBSCRIBE with an over-long identifier", 0x82, '0001 03 0b 8100 0001 "a" 00', "malformed-packet"],
  ["SUBSCRIBE with an identifier over its section", 0x82, '0001 02 0b 80 0001 "a" 00', "malformed-packet"],
  ["SUBSCRIBE without options behind the filter", 0x82, '0001 00 0001 "a"', "malformed-packet"],
  ["[MQTT-3.10.1-1] UNSUBSCRIBE without its flag", 0xa0, '0001 00 0001 "a"', "malformed-packet"],
  ["[MQTT-3.10.3-2] UNSUBSCRIBE without a filter", 0xa2, "0001 00", "protocol-error"],
  ["[MQTT-2.2.1-3] UNSUBSCRIBE with packet identifier 0", 0xa2, '0000 00 0001 "a"', "protocol-error"],
  ["[MQTT-3.10.3-1] UNSUBSCRIBE with an ill-formed filter", 0xa2, "0001 00 0002 6100", "malformed-packet"],
];

const controlRows: Row[] = [
  ["[MQTT-2.1.3-1] PINGREQ with flags", 0xc1, "", "malformed-packet"],
  ["PINGREQ with a body", 0xc0, "00", "malformed-packet"],
  ["[MQTT-3.14.1-1] DISCONNECT with flags", 0xe1, "", "malformed-packet"],
  ["DISCONNECT with a body before v5", 0xe0, "00", "malformed-packet", 4],
  ["[MQTT-3.14.2-1] DISCONNECT with a code of the server", 0xe0, "8e", "protocol-error"],
  ["[MQTT-3.14.2-1] DISCONNECT with an unknown code", 0xe0, "05", "protocol-error"],
  ["DISCONNECT with a server reference", 0xe0, '00 04 1c 0001 "s"', "protocol-error"],
  ["DISCONNECT with a receive maximum", 0xe0, "00 03 21 0001", "malformed-packet"],
  ["[MQTT-3.15.1-1] AUTH with flags", 0xf1, '18 04 15 0001 "m"', "malformed-packet"],
  ["AUTH with success, which only a server says", 0xf0, '00 04 15 0001 "m"', "protocol-error"],
  ["AUTH in short, which means success", 0xf0, "", "protocol-error"],
  ["AUTH without a method", 0xf0, "18 00", "protocol-error"],
  ["AUTH before v5", 0xf0, '18 04 15 0001 "m"', "malformed-packet", 4],
  ["CONNACK from a client", 0x20, "00 00 00", "malformed-packet"],
  ["SUBACK from a client", 0x90, "0001 00 00", "malformed-packet"],
  ["UNSUBACK from a client", 0xb0, "0001 00 00", "malformed-packet"],
  ["PINGRESP from a client", 0xd0, "", "malformed-packet"],
  ["a packet of type 0", 0x00, "", "malformed-packet"],
];

for (
  const [sentence, first, body, fault, version] of [
    ...publishRows,
    ...acknowledgementRows,
    ...subscriptionRows,
    ...controlRows,
  ]
) {
  Deno.test(`${sentence} is refused`, () => {
    const refusal = assertRefused(frameOf(first, hex(body)), fault, version);
    assert.match(refusal.message, /^Cannot (read|accept) /);
    assert.equal(refusal.version, undefined);
  });
}

/** What MQTT 3.1 allows and 3.1.1 forbids. */
const lenient: [sentence: string, first: number, body: string][] = [
  ["PUBREL with DUP", 0x6a, "0001"],
  ["SUBSCRIBE with DUP and unused option bits", 0x8a, '0001 0001 "a" fd'],
  ["UNSUBSCRIBE with DUP", 0xaa, '0001 0001 "a"'],
];

for (const [sentence, first, body] of lenient) {
  Deno.test(`${sentence} is read in MQTT 3.1 and refused in 3.1.1`, () => {
    assert.ok(readOne(frameOf(first, hex(body)), 3));
    assertRefused(frameOf(first, hex(body)), "malformed-packet", 4);
  });
}

Deno.test("PUBLISH to a topic of 65,535 bytes is read", () => {
  const { topic } = readOne(frameOf(0x30, hex(longTopic)), 4);
  assert.equal((topic as string).length, 0xffff);
});

Deno.test("[MQTT-1.5.4-3] a byte order mark stays part of the topic", () => {
  assert.equal(readOne(frameOf(0x30, hex("0004 efbbbf 61")), 4).topic, "\ufeffa");
});
