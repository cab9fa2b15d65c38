import assert from "node:assert/strict";
import fc from "fast-check";
import { Outbox } from "../../src/wire/outbox.ts";
import { PropertyId } from "../../src/wire/property_table.ts";
import { encodeProperties, type Property } from "../../src/wire/properties.ts";
import {
  publishBytes,
  PublishShape,
  type PublishSource,
  PublishView,
  readPublish,
  writePublish,
} from "../../src/wire/publish.ts";
import { variableByteIntegerBytes } from "../../src/wire/variable_byte_integer.ts";
import { processorMs } from "../support/processor_time.ts";
import { frameAt, frameOf, hex, readOne, toHex } from "./reading.ts";

const userA = '26 0001 "k" 0001 "1"';
const userB = '26 0001 "k" 0001 "2"';
const expiry = "02 0000003c";
const alias = "23 0001";

/** The view of a PUBLISH 5 to "t" with the given properties and the payload "p". */
function viewOf(properties: string): PublishView {
  const view = new PublishView();
  const section = hex(properties);
  const length = variableByteIntegerBytes(section.length) === 1 ? [section.length] : [];
  readPublish(view, frameAt(frameOf(0x30, Uint8Array.of(...hex('0001 "t"'), ...length, ...section, 0x70))), 5);
  return view;
}

function forwarded(view: PublishView): string {
  return toHex(view.properties.subarray(view.propertiesStart, view.propertiesEnd));
}

const cuts: [properties: string, forwarded: string, isCopied: boolean][] = [
  ["", "", false],
  [`${alias} ${expiry}`, "", false],
  [`${userA} ${userB}`, `${userA} ${userB}`, false],
  [`${alias} ${userA} ${userB} ${expiry}`, `${userA} ${userB}`, false],
  [`${userA} ${alias} ${userB}`, `${userA} ${userB}`, true],
  [`${userA} ${alias} 01 01 ${expiry} ${userB}`, `${userA} 01 01 ${userB}`, true],
];

for (const [properties, expected, isCopied] of cuts) {
  Deno.test(`[MQTT-3.3.2-18] of the properties ${properties || "none"} the forwarded ones remain in order`, () => {
    const view = viewOf(properties);
    assert.equal(forwarded(view), toHex(hex(expected)));
    assert.equal(view.properties !== view.bytes, isCopied);
    assert.equal(toHex(view.bytes.subarray(view.payloadStart, view.payloadEnd)), "70");
    assert.equal(toHex(view.bytes.subarray(view.topicStart, view.topicEnd)), "74");
  });
}

Deno.test("a view that is used again remembers nothing of the packet before", () => {
  const view = viewOf(`${userA} ${alias} 01 01 08 0001 "r" ${expiry}`);
  readPublish(view, frameAt(hex('30 04 0001 "u" 00')), 5);
  const { cursor: _cursor, bytes: _bytes, properties: _properties, ...rest } = view;
  const fresh = new PublishView();
  readPublish(fresh, frameAt(hex('30 04 0001 "u" 00')), 5);
  const { cursor: _cursor2, bytes: _bytes2, properties: _properties2, ...expected } = fresh;
  assert.deepEqual(rest, expected);
});

Deno.test("CVE-2021-41039: 100,000 user properties are read, cut and written in linear time", async () => {
  const pair: Property = { id: PropertyId.userProperty, value: ["k", "v"] };
  const half = encodeProperties(Array.from({ length: 50_000 }, () => pair));
  const section = Uint8Array.from({ length: half.length * 2 + 5 });
  section.set(half);
  section.set(hex(expiry), half.length);
  section.set(half, half.length + 5);
  const source = messageOf({ properties: section, payload: hex("") });
  const out = new Outbox();
  writePublish(out, source, new PublishShape());
  const frame = frameAt(out.take());
  const view = new PublishView();
  const ms = await processorMs(() => readPublish(view, frame, 5));
  assert.ok(ms < 2_000, `${ms} ms`);
  assert.equal(view.propertiesEnd - view.propertiesStart, half.length * 2);
  assert.equal(view.expirySeconds, 60);
});

function messageOf({ properties, payload }: { properties: Uint8Array; payload: Uint8Array }): PublishSource {
  return {
    topic: { bytes: hex('"a/b"') },
    properties,
    propertiesStart: 0,
    propertiesEnd: properties.length,
    bytes: payload,
    payloadStart: 0,
    payloadEnd: payload.length,
  };
}

const shapes: [name: string, shape: Partial<PublishShape>, bytes: string][] = [
  ["3.1.1 without properties", { version: 4, qos: 1, packetId: 0x1234 }, '32 0b 0003 "a/b" 1234 "hell"'],
  ["5, forwarded properties last", {
    ...{ topicAlias: 0x102, expirySeconds: 7, subscriptionIds: [1, 300], retain: true, qos: 2, dup: true, packetId: 9 },
  }, `3d 20 0003 "a/b" 0009 14 23 0102 02 00000007 0b 01 0b ac02 ${userA} "hell"`],
  ["5 by alias alone", { topicAlias: 1, sendTopic: false }, `30 11 0000 0a ${alias} ${userA} "hell"`],
  ["5 that has just expired", { expirySeconds: 0 }, `30 16 0003 "a/b" 0c 02 00000000 ${userA} "hell"`],
];

for (const [name, shape, bytes] of shapes) {
  Deno.test(`a PUBLISH of ${name} is written, and its size known before`, () => {
    const message = messageOf({ properties: hex(userA), payload: hex('"hell"') });
    const full = Object.assign(new PublishShape(), shape);
    const out = new Outbox();
    writePublish(out, message, full);
    assert.equal(out.length, publishBytes(message, full));
    assert.equal(toHex(out.take()), toHex(hex(bytes)));
  });
}

function allOf(out: Outbox): Uint8Array {
  const parts: number[] = [];
  while (out.size > 0) for (const byte of out.take()) parts.push(byte);
  return Uint8Array.from(parts);
}

Deno.test("what is written is read again, at any size", () => {
  const size = fc.oneof(fc.nat(300), fc.constantFrom(127, 128, 16_383, 16_384, 70_000, 131_071, 131_072));
  fc.assert(
    fc.property(size, size, fc.boolean(), (payloadBytes, valueBytes, isV5) => {
      const value = "v".repeat(Math.min(valueBytes, 65_535));
      const properties = encodeProperties([{ id: PropertyId.userProperty, value: ["k", value] }]);
      const payload = new Uint8Array(payloadBytes).fill(7);
      const message = messageOf({ properties, payload });
      const shape = Object.assign(new PublishShape(), { version: isV5 ? 5 : 4, expirySeconds: 3 });
      const out = new Outbox();
      writePublish(out, message, shape);
      assert.equal(out.size, publishBytes(message, shape));
      const read = readOne(allOf(out), shape.version);
      assert.deepEqual(read.payload, payload);
      assert.equal(read.expirySeconds, isV5 ? 3 : -1);
      assert.deepEqual(read.properties, isV5 ? [{ id: PropertyId.userProperty, value: ["k", value] }] : []);
    }),
    { numRuns: 60 },
  );
});
