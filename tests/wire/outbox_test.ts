import assert from "node:assert/strict";
import { BufferPool } from "../../src/wire/buffer_pool.ts";
import { Outbox } from "../../src/wire/outbox.ts";
import { hex, toHex } from "./reading.ts";

Deno.test("an outbox owns no buffer until something is put in, nor once it has drained", () => {
  const pool = new BufferPool();
  const out = new Outbox(pool);
  assert.equal(out.bytes.length, 0);
  out.append(hex("0102"));
  const written = out.take();
  assert.equal(toHex(written), "0102");
  assert.equal(out.bytes.length, 0);
  assert.equal(pool.keptBytes, 0);
  out.recycle(written);
  assert.equal(pool.keptBytes, 512);
});

Deno.test("a buffer that is being written is not written over", () => {
  const out = new Outbox();
  out.append(hex("01"));
  const first = out.take();
  out.append(hex("02"));
  assert.notEqual(out.bytes.buffer, first.buffer);
  assert.equal(toHex(first), "01");
  const second = out.take();
  out.recycle(first); // late: it may not be mistaken for the second
  out.append(hex("03"));
  assert.notEqual(out.bytes.buffer, second.buffer);
  assert.equal(toHex(second), "02");
  out.recycle(second);
});

Deno.test("bytes survive growth, and a rolled back packet is gone", () => {
  const out = new Outbox();
  const data = Uint8Array.from({ length: 100_000 }, (_, index) => index);
  for (let at = 0; at < data.length; at += 1000) out.append(data.subarray(at, at + 1000));
  const before = out.length;
  out.append(hex("ffff"));
  out.length = before;
  assert.equal(toHex(out.take()), toHex(data));
});

Deno.test("put copies short and long ranges alike", () => {
  const source = Uint8Array.from({ length: 200 }, (_, index) => index);
  for (let length = 0; length <= 100; length++) {
    const out = new Outbox();
    out.reserve(length);
    out.put(source, 7, 7 + length);
    assert.equal(toHex(out.take()), toHex(source.subarray(7, 7 + length)));
  }
});

Deno.test("a drained outbox keeps at most 64 KiB of its own", () => {
  const out = new Outbox();
  out.append(new Uint8Array(1_000_000));
  out.recycle(out.take());
  out.append(new Uint8Array(1));
  assert.ok(out.bytes.length <= 65_536);
});

Deno.test("a pool keeps what fits under its maximum, and hands out at least what is asked for", () => {
  const pool = new BufferPool(2048);
  for (const length of [1, 512, 513, 5000, 300_000]) assert.ok(pool.take(length).length >= length);
  for (let round = 0; round < 10; round++) pool.give(new Uint8Array(512));
  pool.give(new Uint8Array(1024));
  pool.give(new Uint8Array(700));
  assert.equal(pool.keptBytes, 2048);
  pool.take(400);
  assert.equal(pool.keptBytes, 1536);
  assert.equal(pool.take(600).length, 1024);
  assert.equal(pool.keptBytes, 1536);
});

Deno.test("clear forgets what waits and never reuses a buffer on its way", () => {
  const pool = new BufferPool();
  const out = new Outbox(pool);
  out.append(hex("01"));
  const written = out.take();
  out.append(hex("02"));
  out.clear();
  assert.equal(out.length, 0);
  assert.equal(pool.keptBytes, 512);
  out.recycle(written);
  assert.equal(pool.keptBytes, 512);
});

Deno.test("what is attached is not copied, goes out in its place, and its bytes never come to the pool", () => {
  const pool = new BufferPool();
  const out = new Outbox(pool);
  const large = new Uint8Array(512).fill(7);
  out.append(hex("01"));
  out.attach(large);
  assert.deepEqual([out.length, out.size], [0, 513]);
  out.append(hex("02"));
  out.attach(large.subarray(0, 2));
  out.append(hex("03"));
  assert.equal(out.size, 517);
  const written: Uint8Array[] = [];
  while (out.size > 0) {
    const part = out.take();
    written.push(part);
    out.recycle(part);
  }
  assert.deepEqual(written.map((part) => part.length), [1, 512, 1, 2, 1]);
  assert.equal(written[1], large);
  assert.equal(pool.keptBytes, 3 * 512, "three buffers of its own");
  out.append(hex("04"));
  out.attach(large);
  out.clear();
  assert.deepEqual([out.length, out.size], [0, 0]);
});
