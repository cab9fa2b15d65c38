const decoder = new TextDecoder();

/** Reads what a {@link ByteWriter} wrote. What is cut off or makes no sense is told as damaged. */
export class ByteReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#take(1)];
  }

  float(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  varint(): number {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      if (scale > 2 ** 49) throw damaged();
    }
  }

  /** A view on the bytes that are read. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.varint();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    const length = this.varint();
    const start = this.#take(length);
    if (length > 64) return decoder.decode(this.#bytes.subarray(start, start + length));
    let text = "";
    for (let i = start; i < start + length; i++) {
      const byte = this.#bytes[i];
      if (byte > 127) return decoder.decode(this.#bytes.subarray(start, start + length));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #take(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) throw damaged();
    this.#at += count;
    return start;
  }
}

function damaged(): Error {
  return new Error("Cannot read a record of a queue: the database is damaged there");
}
