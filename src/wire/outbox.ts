import { BUFFER_BYTES_MIN, BufferPool } from "./buffer_pool.ts";

const EMPTY = new Uint8Array(0);
const EXPECTED_BYTES_MAX = 64 * 1024;
const OWN_POOL_BYTES_MAX = 64 * 1024;

// Up to here a byte loop beats `set` of a `subarray` (tests/bench/wire_bench.ts, Deno 2.9.6, ns a copy, loop against set:
// 16 bytes 9 : 22, 32 bytes 18 : 25, 48 bytes 28 : 25, 64 bytes 37 : 26, 256 bytes 152 : 26, 1024 bytes 781 : 26).
const LOOP_COPY_BYTES_MAX = 40;

/** What goes out before the buffer that is being filled. */
interface Sealed {
  readonly filled: Uint8Array;
  /** To be recycled; empty when the bytes are somebody else's. */
  readonly buffer: Uint8Array;
}

/** The bytes that wait to be sent on one connection, one packet behind the other. It owns no buffer while it is empty:
 * `take` hands the filled buffer to the writer, `recycle` gives it back to the pool once it has been written. */
export class Outbox {
  /** The buffer; filled up to `length`. To roll back a packet, set `length` to what it was before. */
  bytes: Uint8Array = EMPTY;
  length = 0;

  readonly #pool: BufferPool;
  #expected = BUFFER_BYTES_MIN; // what the traffic of late needed, so that a busy connection does not grow step by step
  #taken: Uint8Array = EMPTY;
  /** Null for none, as mostly. */
  #sealed: Sealed[] | null = null;
  #sealedBytes = 0;

  /** Hand in the pool that all connections share; without it the outbox keeps up to 64 KiB for itself. */
  constructor(pool: BufferPool = new BufferPool(OWN_POOL_BYTES_MAX)) {
    this.#pool = pool;
  }

  /** All bytes that wait: `length`, and what was attached with what came before it. */
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
    if (this.length > 0) this.#seal({ filled: this.bytes.subarray(0, this.length), buffer: this.bytes });
    this.bytes = EMPTY;
    this.length = 0;
    this.#seal({ filled: data, buffer: EMPTY });
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

  /** The filled part, or what is attached before it, for one write. What is put in from now on goes to another buffer, since this one may still be on
   * its way; hand it to `recycle` when it has been written. */
  take(): Uint8Array {
    if (this.#sealed !== null) return this.#takeSealed(this.#sealed);
    const filled = this.bytes.subarray(0, this.length);
    this.#expected = Math.min(Math.max(this.length, this.#expected >> 1, BUFFER_BYTES_MIN), EXPECTED_BYTES_MAX);
    this.#taken = this.bytes;
    this.bytes = EMPTY;
    this.length = 0;
    return filled;
  }

  /** Gives back what `take` answered. Only the latest one is reused; an earlier one that comes late is left to the collector. */
  recycle(buffer: Uint8Array): void {
    if (buffer.buffer !== this.#taken.buffer) return;
    const taken = this.#taken;
    this.#taken = EMPTY;
    if (taken.length > 0) this.#pool.give(taken);
  }

  /** Drops everything that waits, as when the connection is closed. A buffer that is still being written is not reused. */
  clear(): void {
    if (this.bytes.length > 0) this.#pool.give(this.bytes);
    this.bytes = EMPTY;
    this.#taken = EMPTY;
    this.length = 0;
    this.#sealed = null;
    this.#sealedBytes = 0;
  }

  #seal(sealed: Sealed): void {
    (this.#sealed ??= []).push(sealed);
    this.#sealedBytes += sealed.filled.length;
  }

  #takeSealed(sealed: Sealed[]): Uint8Array {
    const { filled, buffer } = sealed.shift()!;
    if (sealed.length === 0) this.#sealed = null;
    this.#sealedBytes -= filled.length;
    this.#taken = buffer;
    return filled;
  }

  #grow(needed: number): void {
    const old = this.bytes;
    const grown = this.#pool.take(Math.max(needed, old.length * 2, old.length === 0 ? this.#expected : 0));
    if (this.length > 0) grown.set(old.subarray(0, this.length));
    if (old.length > 0) this.#pool.give(old);
    this.bytes = grown;
  }
}
