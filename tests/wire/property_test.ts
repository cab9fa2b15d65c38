import assert from "node:assert/strict";
import { PacketType } from "../../src/wire/packet.ts";
import {
  decodeProperties,
  encodeProperties,
  type Property,
  readMessageProperties,
  writeMessageProperties,
} from "../../src/wire/properties.ts";
import { PropertyCursor } from "../../src/wire/property_cursor.ts";
import { PropertyId, PropertyKind, propertyTable, WILL_PROPERTIES } from "../../src/wire/property_table.ts";
import { WireFault } from "../../src/wire/fault.ts";
import { hex, toHex } from "./reading.ts";

const packetTypes = [WILL_PROPERTIES, ...Object.values(PacketType)];

/** A legal value of each kind. */
const sample: Record<number, Property["value"]> = {
  [PropertyKind.boolean]: 1,
  [PropertyKind.uint16]: 0x0102,
  [PropertyKind.uint32]: 0xfffe_fdfc,
  [PropertyKind.integer]: 300,
  [PropertyKind.text]: "tëxt",
  [PropertyKind.binary]: hex("00ff"),
  [PropertyKind.pair]: ["nämé", "välue"],
};

function entryOf(rule: { id: number; kind: number }): Uint8Array {
  return encodeProperties([{ id: rule.id, value: sample[rule.kind] }]);
}

/** How many properties a cursor for `type` finds; throws what it throws. */
function count(type: number, bytes: Uint8Array): number {
  const cursor = new PropertyCursor(type);
  cursor.begin(bytes, 0, bytes.length);
  let found = 0;
  while (cursor.next()) found++;
  assert.equal(cursor.entryEnd, bytes.length);
  return found;
}

for (const rule of propertyTable) {
  Deno.test(`[MQTT5 2.2.2.2] ${rule.name} is read where it belongs and malformed elsewhere`, () => {
    for (const type of packetTypes) {
      if ((rule.packets & (1 << type)) !== 0) assert.equal(count(type, entryOf(rule)), 1);
      else assertFault(() => count(type, entryOf(rule)), "malformed-packet");
    }
  });

  Deno.test(`[MQTT5 2.2.2.2] ${rule.name} doubled, cut and over-long`, () => {
    const entry = entryOf(rule);
    const type = packetTypes.find((each) => (rule.packets & (1 << each)) !== 0) ?? 0;
    const doubled = Uint8Array.of(...entry, ...entry);
    if (rule.id === PropertyId.userProperty) assert.equal(count(type, doubled), 2);
    else assertFault(() => count(type, doubled), "protocol-error");
    for (let length = 1; length < entry.length; length++) {
      assertFault(() => count(type, entry.subarray(0, length)), "malformed-packet");
    }
    assertFault(() => count(type, Uint8Array.of(0x80 | rule.id, 0, ...entry.subarray(1))), "malformed-packet");
  });
}

function assertFault(action: () => void, fault: string): void {
  assert.throws(action, (error) => error instanceof WireFault && error.fault === fault);
}

Deno.test("the table has the 27 properties of the specification and no more", () => {
  assert.equal(propertyTable.length, 27);
  for (let id = 0; id < 256; id++) {
    if (propertyTable.some((rule) => rule.id === id)) continue;
    for (const type of packetTypes) assertFault(() => count(type, Uint8Array.of(id, 0, 0, 0, 0)), "malformed-packet");
  }
});

Deno.test("the bytes of properties are those that the specification shows", () => {
  const bytes = encodeProperties([
    { id: PropertyId.subscriptionId, value: 128 },
    { id: PropertyId.topicAlias, value: 0x0102 },
    { id: PropertyId.messageExpiry, value: 0xffff_ffff },
    { id: PropertyId.userProperty, value: ["a", "Ω"] },
  ]);
  assert.equal(toHex(bytes), toHex(hex('0b 8001 23 0102 02 ffffffff 26 0001 "a" 0002 "Ω"')));
  assert.deepEqual(decodeProperties(bytes, 3, 6), [{ id: PropertyId.topicAlias, value: 0x0102 }]);
});

Deno.test("[MQTT-3.3.2-18] message properties come back as they were, user properties in order with duplicates", () => {
  const properties = {
    payloadIsUtf8: true,
    contentType: "text/plain",
    responseTopic: "a/ä",
    correlationData: hex("000102"),
    userProperties: [["k", "1"], ["", ""], ["k", "2"], ["__proto__", "x"]] as [string, string][],
  };
  const bytes = writeMessageProperties(properties);
  assert.deepEqual(readMessageProperties(bytes, 0, bytes.length), properties);
  assert.deepEqual(readMessageProperties(bytes, 0, 0), {});
  assert.equal(writeMessageProperties({}).length, 0);
});

Deno.test("message properties that MQTT cannot carry are refused", () => {
  const long = "x".repeat(65_536);
  assert.throws(() => writeMessageProperties({ contentType: long }), RangeError);
  assert.throws(() => writeMessageProperties({ correlationData: new Uint8Array(65_536) }), RangeError);
  assert.throws(() => writeMessageProperties({ contentType: "a\0" }), TypeError);
  assert.throws(() => writeMessageProperties({ userProperties: [["\ud800", ""]] }), TypeError);
  assert.throws(() => writeMessageProperties({ responseTopic: "a/#" }), TypeError);
  assert.throws(() => writeMessageProperties({ responseTopic: "" }), TypeError);
});
