/** The smallest buffer, and the largest that is kept for reuse. */
export const BUFFER_BYTES_MIN = 512;
const LARGEST_CLASS = 9; // 512 << 9 is 256 KiB

/** Buffers that wait for the next writer, by size in powers of two, so that an idle connection owns none.
 * One pool is shared by the connections of a broker; what does not fit under `keptBytesMax` is left to the collector. */
export class BufferPool {
  readonly #keptBytesMax: number;
  readonly #free: Uint8Array[][] = [];
  #keptBytes = 0;

  constructor(keptBytesMax = 4 * 1024 * 1024) {
    this.#keptBytesMax = keptBytesMax;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A buffer of at least `length` bytes, with old bytes in it. */
  take(length: number): Uint8Array {
    const size = sizeClass(length);
    const buffer = this.#free[size]?.pop();
    if (buffer === undefined) return new Uint8Array(size > LARGEST_CLASS ? length : BUFFER_BYTES_MIN << size);
    this.#keptBytes -= buffer.length;
    return buffer;
  }

  /** Hands a buffer back; nobody may use it from then on. One of foreign or too large a size is dropped. */
  give(buffer: Uint8Array): void {
    const size = sizeClass(buffer.length);
    if (size > LARGEST_CLASS || buffer.length !== BUFFER_BYTES_MIN << size) return;
    if (this.#keptBytes + buffer.length > this.#keptBytesMax) return;
    this.#keptBytes += buffer.length;
    (this.#free[size] ??= []).push(buffer);
  }
}

/** 0 for up to 512 bytes, 1 for up to 1024, and so on. */
function sizeClass(length: number): number {
  return length <= BUFFER_BYTES_MIN ? 0 : 32 - Math.clz32((length - 1) >>> 9);
}
