import { BUFFER_BYTES_MIN, BufferPool } from "./buffer_pool.ts";
import type { SharedRun } from "./shared_run.ts";

const EMPTY = new Uint8Array(0);
const EXPECTED_BYTES_MAX = 64 * 1024;
const OWN_POOL_BYTES_MAX = 64 * 1024;

// Up to here a byte loop beats `set` of a `subarray` (tests/bench/wire_bench.ts, Deno 2.9.6, ns a copy, loop against set:
// 16 bytes 9 : 22, 32 bytes 18 : 25, 48 bytes 28 : 25, 64 bytes 37 : 26, 256 bytes 152 : 26, 1024 bytes 781 : 26).
const LOOP_COPY_BYTES_MAX = 40;

/** A range of a run from here on goes out by itself when something else comes behind it; a shorter one is copied, since a system call
 * more costs as much. */
const SEALED_BYTES_MIN = 16 * 1024;

/** What goes out in one write. */
interface Piece {
  readonly filled: Uint8Array;
  /** A buffer to be recycled, or a run to be released; null when the bytes are somebody else's. */
  readonly from: Uint8Array | SharedRun | null;
}

/** The bytes that wait to be sent on one connection, one packet behind the other. It owns no buffer while it is empty, or has only a range
 * of a run that it shares: `take` hands the filled part to the writer, `recycle` gives it back once it has been written. */
export class Outbox {
  /** The buffer; filled up to `length`. To roll back a packet, set `length` to what it was before. */
  bytes: Uint8Array = EMPTY;
  length = 0;

  readonly #pool: BufferPool;
  #expected = BUFFER_BYTES_MIN; // what the traffic of late needed, so that a busy connection does not grow step by step
  /** Where `length` bytes lie from `#runStart` on, while `bytes` is empty; null when they lie in `bytes`. */
  #run: SharedRun | null = null;
  #runStart = 0;
  #taken: Piece | null = null;
  /** What goes out before those. Null for none, as mostly. */
  #sealed: Piece[] | null = null;
  #sealedBytes = 0;

  /** Hand in the pool that all connections share; without it the outbox keeps up to 64 KiB for itself. */
  constructor(pool: BufferPool = new BufferPool(OWN_POOL_BYTES_MAX)) {
    this.#pool = pool;
  }

  /** All bytes that wait: `length`, and what goes out before that. */
  get size(): number {
    return this.#sealedBytes + this.length;
  }

  /** Makes room for `count` bytes behind `length`. The buffer grows geometrically; `bytes` may be another one afterwards. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.bytes.length) this.#grow(needed);
  }

  /** Puts `data` behind what is there without a copy: it is not to be changed until it has been written. */
  attach(data: Uint8Array): void {
    if (this.length > 0) this.#sealFilled();
    this.#seal({ filled: data, from: null });
  }

  /** Puts the `count` bytes of `run` from `start` on behind what is there: without a copy, where nothing else waits or what stands before
   * them in the run. */
  share(run: SharedRun, start: number, count: number): void {
    if (this.#run === run && this.#runStart + this.length === start) {
      this.length += count;
      return;
    }
    if (this.#run !== null && this.length >= SEALED_BYTES_MIN) this.#sealFilled();
    if (this.bytes.length > 0 || this.#run !== null) return this.append(run.bytes.subarray(start, start + count));
    run.hold();
    this.#run = run;
    this.#runStart = start;
    this.length = count;
  }

  /** Copies `data` behind what is there. */
  append(data: Uint8Array): void {
    this.reserve(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }

  /** Copies a range behind what is there; the room must have been reserved. */
  put(source: Uint8Array, start: number, end: number): void {
    let at = this.length;
    this.length = at + end - start;
    if (end - start > LOOP_COPY_BYTES_MAX) {
      this.bytes.set(source.subarray(start, end), at);
      return;
    }
    const bytes = this.bytes;
    for (let index = start; index < end; index++) bytes[at++] = source[index];
  }

  /** The filled part, or what goes out before it, for one write. What is put in from now on goes elsewhere, since this may still be on its
   * way; hand it to `recycle` when it has been written. */
  take(): Uint8Array {
    if (this.#sealed === null) this.#taken = this.#cut();
    else this.#taken = this.#unseal(this.#sealed);
    return this.#taken.filled;
  }

  /** Gives back what `take` answered. Only the latest one is reused; an earlier one that comes late is left to the collector. */
  recycle(filled: Uint8Array): void {
    if (this.#taken === null || filled !== this.#taken.filled) return;
    const { from } = this.#taken;
    this.#taken = null;
    if (from instanceof Uint8Array) this.#pool.give(from);
    else from?.release();
  }

  /** Drops everything that waits, as when the connection is closed. What is still being written is not reused. */
  clear(): void {
    if (this.bytes.length > 0) this.#pool.give(this.bytes);
    this.#run?.release();
    this.bytes = EMPTY;
    this.length = 0;
    this.#run = this.#taken = this.#sealed = null;
    this.#sealedBytes = 0;
  }

  /** Takes out what lies behind everything that is sealed. */
  #cut(): Piece {
    const piece = { filled: this.#filled, from: this.#run ?? this.bytes };
    if (this.#run === null) {
      this.#expected = Math.min(Math.max(this.length, this.#expected >> 1, BUFFER_BYTES_MIN), EXPECTED_BYTES_MAX);
    }
    this.bytes = EMPTY;
    this.#run = null;
    this.length = 0;
    return piece;
  }

  get #filled(): Uint8Array {
    const { bytes, length } = this;
    return this.#run === null
      ? bytes.subarray(0, length)
      : this.#run.bytes.subarray(this.#runStart, this.#runStart + length);
  }

  #sealFilled(): void {
    this.#seal(this.#cut());
  }

  #seal(piece: Piece): void {
    (this.#sealed ??= []).push(piece);
    this.#sealedBytes += piece.filled.length;
  }

  #unseal(sealed: Piece[]): Piece {
    const piece = sealed.shift()!;
    if (sealed.length === 0) this.#sealed = null;
    this.#sealedBytes -= piece.filled.length;
    return piece;
  }

  /** Into a buffer of its own, where others may be sharing what there is. */
  #grow(needed: number): void {
    const old = this.bytes;
    const grown = this.#pool.take(Math.max(needed, old.length * 2, old.length === 0 ? this.#expected : 0));
    if (this.length > 0) grown.set(this.#filled);
    if (old.length > 0) this.#pool.give(old);
    this.#run?.release();
    this.#run = null;
    this.bytes = grown;
  }
}
