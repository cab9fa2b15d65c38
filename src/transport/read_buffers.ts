const SLAB_BYTES = 64 * 1024;

/** The buffers that idle connections read into, cut from slabs: an `ArrayBuffer` for each connection would cost 900 bytes besides its
 * own (10,000 connections that wait for a read: 7.4 KB each with a buffer of 256 bytes of their own, 6.5 KB with a slot). A slab is
 * never given back, its slots are used again. */
export class ReadBuffers {
  readonly slotBytes: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #slab = new Uint8Array(0);
  #used = 0;

  /** `slotBytes` divides 64 KiB. */
  constructor(slotBytes: number) {
    this.slotBytes = slotBytes;
  }

  /** A slot, with whatever its last reader left in it. */
  take(): Uint8Array<ArrayBuffer> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#used === this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    this.#used += this.slotBytes;
    return this.#slab.subarray(this.#used - this.slotBytes, this.#used);
  }

  /** Takes a slot back; nobody may read into it or from it any more. */
  give(slot: Uint8Array<ArrayBuffer>): void {
    this.#free.push(slot);
  }
}
