import assert from "node:assert/strict";
import { BufferPool } from "../../src/wire/buffer_pool.ts";
import { Outbox } from "../../src/wire/outbox.ts";
import { RUN_BYTES, SharedRun } from "../../src/wire/shared_run.ts";
import { hex, toHex } from "./reading.ts";

/** A pool, a run of it, and outboxes of it. */
function world() {
  const pool = new BufferPool();
  const run = new SharedRun(pool, 1);
  const share = (out: Outbox, packet: Uint8Array) => {
    const start = run.add(packet);
    out.share(run, start, packet.length);
    return start;
  };
  return { pool, run, share, one: new Outbox(pool), other: new Outbox(pool) };
}

/** Writes all that waits; answers what each write had. */
function drain(out: Outbox): string[] {
  const written: string[] = [];
  while (out.size > 0) {
    const piece = out.take();
    written.push(toHex(piece));
    out.recycle(piece);
  }
  return written;
}

Deno.test("ranges of a run side by side are one, and are not copied", () => {
  const { run, share, one, other } = world();
  for (const packet of ["0102", "03", "0405"]) other.share(run, share(one, hex(packet)), hex(packet).length);
  assert.deepEqual([one.length, one.size], [5, 5]);
  for (const out of [one, other]) {
    const piece = out.take();
    assert.equal(piece.buffer, run.bytes.buffer);
    assert.equal(toHex(piece), "0102030405");
    out.recycle(piece);
  }
});

Deno.test("ranges that do not lie side by side, and bytes of its own, go out in their order", () => {
  const { run, share, one, other } = world();
  const first = share(one, hex("01"));
  share(other, hex("02"));
  share(one, hex("03"));
  one.append(hex("04"));
  share(one, hex("05"));
  other.append(hex("06"));
  other.share(run, first, 1);
  assert.deepEqual(drain(one), ["01030405"]);
  assert.deepEqual(drain(other), ["020601"]);
});

Deno.test("what is put behind a shared range does not change it for others", () => {
  const { share, run, one, other } = world();
  other.share(run, share(one, hex("0102")), 2);
  one.reserve(1);
  one.put(hex("ff"), 0, 1);
  assert.deepEqual([toHex(run.bytes.subarray(0, 3)), run.length], ["010200", 2]);
  assert.deepEqual(drain(other), ["0102"]);
  assert.deepEqual(drain(one), ["0102ff"]);
});

Deno.test("a packet that is rolled back leaves the shared range before it", () => {
  const { share, one } = world();
  share(one, hex("0102"));
  const before = one.length;
  one.append(hex("ffff"));
  one.length = before;
  share(one, hex("03"));
  assert.deepEqual(drain(one), ["010203"]);
});

Deno.test("a long range goes out by itself when another run, or something attached, comes behind it", () => {
  const { pool, run, share, one } = world();
  const long = new Uint8Array(16 * 1024).fill(7);
  share(one, long);
  const next = new SharedRun(pool, 1);
  one.share(next, next.add(hex("01")), 1);
  one.attach(hex("02"));
  one.append(hex("03"));
  assert.deepEqual([one.length, one.size], [1, long.length + 3]);
  const piece = one.take();
  assert.equal(piece.buffer, run.bytes.buffer);
  assert.deepEqual(drain(one), ["01", "02", "03"]);
});

Deno.test("the buffer of a run comes back once, when the last has written it", () => {
  const { pool, run, share, one, other } = world();
  other.share(run, share(one, hex("0102")), 2);
  const [first, second] = [one.take(), other.take()];
  run.release(); // whoever fills it has ended it
  one.recycle(first);
  one.recycle(first);
  assert.equal(pool.keptBytes, 0);
  other.recycle(second);
  assert.equal(pool.keptBytes, RUN_BYTES);
});

Deno.test("a run that is copied out of, or cleared away, is held no longer; one that is being written is not reused", () => {
  const { pool, run, share, one, other } = world();
  const start = share(one, hex("0102"));
  other.share(run, start, 2);
  run.release();
  one.append(hex("03"));
  other.clear();
  assert.equal(pool.keptBytes, RUN_BYTES);
  assert.deepEqual(drain(one), ["010203"]);

  const late = new SharedRun(pool, 1);
  one.share(late, late.add(hex("04")), 1);
  const piece = one.take();
  late.release();
  one.clear();
  one.recycle(piece);
  assert.notEqual(pool.take(RUN_BYTES).buffer, piece.buffer);
});

Deno.test("a packet that is longer than a run has one of its own", () => {
  const run = new SharedRun(new BufferPool(), RUN_BYTES + 1);
  assert.ok(run.hasRoom(RUN_BYTES + 1));
  run.add(new Uint8Array(run.bytes.length));
  assert.ok(!run.hasRoom(1));
});
