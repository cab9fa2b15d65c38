import assert from "node:assert/strict";
import fc from "fast-check";
import { WireFault } from "../../src/wire/fault.ts";
import { FrameReader } from "../../src/wire/frame_reader.ts";
import { PACKET_BYTES_MAX } from "../../src/wire/packet.ts";
import { processorMs } from "../support/processor_time.ts";
import { clientFixtures } from "./fixtures.ts";
import { frameOf, hex, readAll, toHex } from "./reading.ts";

/** The frames of a stream, as hex of the whole packets. */
function frames(reader: FrameReader, chunks: Uint8Array[]): string[] {
  const found: string[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    while (reader.next()) {
      assert.equal(reader.bytes[reader.frameStart], reader.first);
      assert.ok(reader.start > reader.frameStart && reader.start <= reader.end);
      found.push(toHex(reader.bytes.subarray(reader.frameStart, reader.end)));
    }
  }
  return found;
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Cuts `bytes` at the given offsets. */
function split(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.slice(at[index], end));
}

Deno.test("whole frames are read in place, without a copy", () => {
  const chunk = hex("c000 d000 e000");
  const reader = new FrameReader(100);
  reader.push(chunk);
  for (const offset of [0, 2, 4]) {
    assert.ok(reader.next());
    assert.equal(reader.bytes, chunk);
    assert.deepEqual([reader.frameStart, reader.start, reader.end], [offset, offset + 2, offset + 2]);
  }
  assert.equal(reader.next(), false);
  assert.equal(reader.pendingBytes, 0);
});

Deno.test("any split of a stream gives the same frames", () => {
  const body = fc.uint8Array({ maxLength: 400 });
  fc.assert(
    fc.property(fc.array(body, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (bodies, cuts) => {
      const packets = bodies.map((each, index) => frameOf(index * 16, each));
      const stream = concat(packets);
      const reader = new FrameReader(PACKET_BYTES_MAX);
      assert.deepEqual(frames(reader, split(stream, cuts)), packets.map(toHex));
      assert.equal(reader.pendingBytes, 0);
    }),
    { numRuns: 300 },
  );
});

Deno.test("any split of a stream gives the same packets", () => {
  for (const version of [3, 4, 5] as const) {
    const fixtures = clientFixtures.filter((fixture) => fixture.version === version);
    const stream = concat(fixtures.map((fixture) => hex(fixture.hex)));
    const values = fixtures.map((fixture) => fixture.value);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        assert.deepEqual(readAll(split(stream, cuts), version), values);
      }),
      { numRuns: 50 },
    );
  }
});

Deno.test("frames of one push stay as they are until the next, also the one that was put together", () => {
  const packets = [1, 2, 3, 4].map((fill) => frameOf(0x30, new Uint8Array(50).fill(fill)));
  const stream = concat(packets);
  const reader = new FrameReader(1000);
  reader.push(stream.subarray(0, 30));
  assert.equal(reader.next(), false);
  assert.equal(reader.pendingBytes, 30);
  reader.push(stream.subarray(30, 170)); // ends inside the fourth, which goes to the carry buffer
  const kept: [Uint8Array, number, number][] = [];
  while (reader.next()) kept.push([reader.bytes, reader.frameStart, reader.end]);
  assert.equal(kept.length, 3);
  for (const [index, [bytes, start, end]] of kept.entries()) {
    assert.equal(toHex(bytes.subarray(start, end)), toHex(packets[index]));
  }
});

Deno.test("a packet of a megabyte, byte by byte, costs linear time and no more memory than arrived", async () => {
  const packet = frameOf(0x30, new Uint8Array(1_000_000));
  const reader = new FrameReader(PACKET_BYTES_MAX);
  let found = 0;
  const ms = await processorMs(() => {
    for (let at = 0; at < packet.length; at++) {
      reader.push(packet.subarray(at, at + 1));
      while (reader.next()) found++;
    }
  });
  assert.equal(found, 1);
  assert.ok(ms < 2_000, `${ms} ms`);
});

Deno.test("CVE-2017-7651: a length of 256 MiB allocates nothing ahead", () => {
  const reader = new FrameReader(PACKET_BYTES_MAX);
  reader.push(hex("10 ffffff7f 0004"));
  assert.equal(reader.next(), false);
  assert.equal(reader.pendingBytes, 7);
});

Deno.test("a packet beyond the maximum is refused before its body arrives, wherever the header is cut", () => {
  const header = hex("30 808001");
  for (let cut = 0; cut <= header.length; cut++) {
    const reader = new FrameReader(16_387);
    assert.throws(
      () => frames(reader, [header.subarray(0, cut), header.subarray(cut)]),
      (error) => error instanceof WireFault && error.fault === "packet-too-large",
    );
  }
});

Deno.test("the maximum counts the fixed header and may be raised between frames", () => {
  const reader = new FrameReader(4);
  reader.push(hex("c002 0000 c003 000000"));
  assert.ok(reader.next());
  reader.packetBytesMax = 5;
  assert.ok(reader.next());
  assert.equal(reader.next(), false);
});

for (const length of ["8080808001", "ffffffff7f", "8000", "808000", "80808000", "ff00"]) {
  Deno.test(`[MQTT-1.5.5-1] CVE-2026-21888: a remaining length of ${length} is malformed, byte by byte as well`, () => {
    const bytes = hex(`30 ${length} 00`);
    for (const chunks of [[bytes], [...bytes].map((byte) => Uint8Array.of(byte))]) {
      assert.throws(
        () => frames(new FrameReader(PACKET_BYTES_MAX), chunks),
        (error) => error instanceof WireFault && error.fault === "malformed-packet",
      );
    }
  });
}

Deno.test("pushing before the chunk is read to its end is our fault, not the peer's", () => {
  const reader = new FrameReader(100);
  reader.push(hex("c000"));
  assert.throws(() => reader.push(hex("c000")), (error) => !(error instanceof WireFault));
});
