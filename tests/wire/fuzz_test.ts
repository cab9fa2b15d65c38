// Bytes that no honest client sends. Whatever comes, the only error is a WireFault, and it comes soon.
import assert from "node:assert/strict";
import fc from "fast-check";
import { WireFault } from "../../src/wire/fault.ts";
import { FrameReader } from "../../src/wire/frame_reader.ts";
import type { ProtocolVersion } from "../../src/wire/packet.ts";
import { processorMs } from "../support/processor_time.ts";
import { clientFixtures } from "./fixtures.ts";
import { bodyStart, frameOf, hex, readAll, readFrame } from "./reading.ts";

const version = fc.constantFrom<ProtocolVersion>(3, 4, 5);
const fixtureBytes = clientFixtures.map((fixture) => hex(fixture.hex));

/** Reads what can be read, and answers the packets or the refusal; any error but a WireFault fails the test. */
function survive(chunks: Uint8Array[], version: ProtocolVersion): unknown {
  try {
    return readAll(chunks, version);
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
    assert.match(error.message, /^Cannot (read|accept) .{10,200}$/);
    return `${error.fault} ${error.message}`;
  }
}

Deno.test("random bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }), version, (chunks, version) => {
      survive(chunks, version);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("random bodies under every first byte", () => {
  fc.assert(
    fc.property(fc.nat(255), fc.uint8Array({ maxLength: 60 }), version, (first, body, version) => {
      survive([frameOf(first, body)], version);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("honest packets with some bytes changed, taken out or put in: refused or not, at any pace alike", () => {
  const change = fc.record({ at: fc.nat(), drop: fc.nat(2), put: fc.uint8Array({ maxLength: 2 }) });
  const changes = fc.array(change, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...fixtureBytes), changes, version, (bytes, changes, version) => {
      const body = [...bytes.subarray(bodyStart(bytes))];
      for (const { at, drop, put } of changes) body.splice(at % (body.length + 1), drop, ...put);
      const frame = frameOf(bytes[0], Uint8Array.from(body));
      const slowly = [...frame].map((byte) => Uint8Array.of(byte));
      assert.deepEqual(survive([frame], version), survive(slowly, version));
    }),
    { numRuns: 4000 },
  );
});

Deno.test("every single byte of every packet changed to every notable value", () => {
  for (const fixture of clientFixtures) {
    const bytes = hex(fixture.hex);
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff, bytes[at] ^ 0x01, bytes[at] ^ 0x80]) {
        survive([bytes.with(at, value)], fixture.version);
      }
    }
  }
});

const attacks: [name: string, bytes: string][] = [
  ["mqtt-packet NSWG 500, CVE-2016-10523", "101000044d5154540502003c0321001400006202d301e0020020"],
  ["NanoMQ #2268: a packet that ends right after the topic", '32 03 0001 "t"'],
  ["NanoMQ #1181: a length of 4096 and three bytes", "30 8020 000161"],
  ["CVE-2021-28166: CONNACK from a client", "20 02 00 00"],
  ["CVE-2018-12543: a topic that begins with $", '30 06 0004 "$bad"'],
  ["CVE-2021-34432: a topic of no characters", "30 02 0000"],
  ["nothing but continuation bits", "ff".repeat(64)],
  ["nothing but zeros", "00".repeat(64)],
];

for (const [name, bytes] of attacks) {
  Deno.test(`attack: ${name}`, () => {
    for (const version of [3, 4, 5] as const) {
      survive([hex(bytes)], version);
      survive([...hex(bytes)].map((byte) => Uint8Array.of(byte)), version);
    }
  });
}

Deno.test("CVE-2016-10523: the packets of the attack are read one by one", () => {
  const reader = new FrameReader(1000);
  reader.push(hex(attacks[0][1]));
  assert.ok(reader.next());
  assert.equal(readFrame(reader, 5).receiveMaximum, 20);
  assert.ok(reader.next());
  assert.deepEqual(readFrame(reader, 5), { packetId: 0xd301, reasonCode: 0, reason: "" });
  assert.ok(reader.next());
  assert.throws(() => readFrame(reader, 5), WireFault);
});

Deno.test("CVE-2019-11779: a filter of 65,535 levels is one string, in linear time", async () => {
  const body = Uint8Array.of(...hex("0001 00 ffff"), ...new Uint8Array(0xffff).fill(0x2f), 0);
  const ms = await processorMs(() => survive([frameOf(0x82, body)], 5));
  assert.ok(ms < 2_000, `${ms} ms`);
});
