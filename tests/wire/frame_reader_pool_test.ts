import assert from "node:assert/strict";
import { WireFault } from "../../src/wire/fault.ts";
import { FrameReaderPool } from "../../src/wire/frame_reader_pool.ts";
import { hex } from "./reading.ts";

Deno.test("a reader that has read all it was handed goes to the next connection", () => {
  const pool = new FrameReaderPool();
  const reader = pool.take();
  reader.push(hex("C0 00 C0 00"));
  assert.ok(reader.next());
  assert.ok(!pool.give(reader), "a packet is left");
  assert.ok(reader.next());
  assert.ok(!reader.next());
  assert.ok(pool.give(reader));
  assert.equal(pool.take(), reader);
  assert.notEqual(pool.take(), reader);
});

Deno.test("a reader with a part of a packet stays with its connection, until the rest has come", () => {
  const pool = new FrameReaderPool();
  const reader = pool.take();
  reader.push(hex("C0"));
  assert.ok(!reader.next());
  assert.ok(!pool.give(reader));
  reader.push(hex("00"));
  assert.ok(reader.next());
  assert.ok(!reader.next());
  assert.ok(pool.give(reader));
});

Deno.test("a reader that found a fault is not used again", () => {
  const pool = new FrameReaderPool();
  const reader = pool.take();
  reader.packetBytesMax = 10;
  reader.push(hex("30 7F 00"));
  assert.throws(() => reader.next(), WireFault);
  assert.ok(!pool.give(reader));
});
