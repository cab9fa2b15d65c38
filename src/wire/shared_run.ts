import type { BufferPool } from "./buffer_pool.ts";

/** Holds what a chunk of a publisher brings; a longer packet has a run of its own. */
export const RUN_BYTES = 64 * 1024;

/** Packets that many receive alike, one behind the other. Their outboxes refer to ranges of it, so that a fan-out is one copy, and stays
 * in the processor's cache while it is written to each. The buffer goes back to the pool when nobody holds the run any more; with an
 * outbox that is dropped it is left to the collector. */
export class SharedRun {
  readonly bytes: Uint8Array;
  /** Filled up to here; what is there is not changed any more. */
  length = 0;
  readonly #pool: BufferPool;
  /** The one who fills it is the first. */
  #holders = 1;

  constructor(pool: BufferPool, bytesMin: number) {
    this.#pool = pool;
    this.bytes = pool.take(Math.max(bytesMin, RUN_BYTES));
  }

  hasRoom(count: number): boolean {
    return this.length + count <= this.bytes.length;
  }

  /** Copies a packet behind what is there, for which there is room; answers where it begins. */
  add(packet: Uint8Array): number {
    const start = this.length;
    this.bytes.set(packet, start);
    this.length += packet.length;
    return start;
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#pool.give(this.bytes);
  }
}
