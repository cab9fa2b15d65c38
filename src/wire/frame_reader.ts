import { malformed, WireFault } from "./fault.ts";
import { INTEGER_INVALID, readVariableByteInteger, variableByteIntegerBytes } from "./variable_byte_integer.ts";

const EMPTY = new Uint8Array(0);
const CARRY_BYTES_MIN = 64;
const CARRY_KEPT_BYTES_MAX = 8 * 1024; // a larger carry buffer is dropped as soon as its frame has been read

/** Cuts a stream of chunks into frames, one control packet each. Whole frames are read in place from the chunk; a frame that is
 * split over chunks is copied once into a carry buffer, which grows with the bytes that arrived and never ahead of them.
 * A frame's bytes stay as they are until the following `push`. After a fault the reader must not be used again. */
export class FrameReader {
  /** The largest packet that is accepted, fixed header included. May be changed between frames. */
  packetBytesMax: number;
  /** Where the frame at hand lies; empty when there is none. */
  bytes: Uint8Array = EMPTY;
  /** The first byte of the fixed header: packet type and flags. */
  first = 0;
  /** The body, without the fixed header. */
  start = 0;
  end = 0;
  /** The fixed header. */
  frameStart = 0;

  #chunk: Uint8Array = EMPTY;
  #at = 0;
  #carry: Uint8Array = EMPTY;
  #carried = 0;
  #carryTotal = 0; // length of the frame that is being carried, 0 while its header is incomplete
  #lent: Uint8Array = EMPTY; // the other carry buffer: the last carried frame is being read from it

  constructor(packetBytesMax: number) {
    this.packetBytesMax = packetBytesMax;
  }

  /** Bytes kept for a partial frame. */
  get pendingBytes(): number {
    return this.#carried;
  }

  /** Whether it holds nothing of what it was handed: neither a rest nor a part of a frame. */
  get isEmpty(): boolean {
    return this.#carried === 0 && this.#chunk.length === 0;
  }

  /** Hands in the next chunk; valid until the following call of `push`. Call only after `next` answered false. */
  push(chunk: Uint8Array): void {
    if (this.#at < this.#chunk.length) throw new Error("Cannot push a chunk: next() has not answered false yet");
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Moves to the next whole frame; false when more bytes are needed. A length beyond `packetBytesMax` is refused as
   * soon as it is known, before the body has arrived. */
  next(): boolean {
    if (this.#carried !== 0) return this.#nextCarried();
    const chunk = this.#chunk;
    const at = this.#at;
    const total = this.#measure(chunk, at);
    if (total === 0 || total > chunk.length - at) return this.#keepRest(total);
    this.#at = at + total;
    this.bytes = chunk;
    this.first = chunk[at];
    this.frameStart = at;
    this.end = at + total;
    return true;
  }

  /** The length of the frame at `at`, and sets `start`; 0 while its fixed header is incomplete. */
  #measure(bytes: Uint8Array, at: number, limit = bytes.length): number {
    if (limit - at < 2) return 0;
    let length = bytes[at + 1];
    let start = at + 2;
    if (length > 127) {
      length = readVariableByteInteger(bytes, at + 1, limit);
      if (length === INTEGER_INVALID) {
        throw malformed("Cannot read a packet: its remaining length is longer than needed or than four bytes");
      }
      if (length < 0) return 0;
      start = at + 1 + variableByteIntegerBytes(length);
    }
    const total = start - at + length;
    if (total > this.packetBytesMax) {
      throw new WireFault(
        "packet-too-large",
        `Cannot read a packet of ${total} bytes: the maximum is ${this.packetBytesMax}`,
      );
    }
    this.start = start;
    return total;
  }

  /** Copies what is left of the chunk into the carry buffer and lets the chunk go. */
  #keepRest(total: number): false {
    this.#carryTotal = total;
    this.#append(this.#chunk.length - this.#at);
    return this.#wait();
  }

  #nextCarried(): boolean {
    while (this.#carryTotal === 0) { // the fixed header came in pieces: four bytes more at most
      if (this.#at === this.#chunk.length) return this.#wait();
      this.#append(1);
      this.#carryTotal = this.#measure(this.#carry, 0, this.#carried);
    }
    const missing = this.#carryTotal - this.#carried;
    const available = this.#chunk.length - this.#at;
    this.#append(Math.min(missing, available));
    return available < missing ? this.#wait() : this.#lend();
  }

  /** Shows the carried frame, and turns to the other buffer, so that a rest of this same chunk does not overwrite it. */
  #lend(): true {
    const frame = this.#carry;
    this.#carry = this.#lent;
    this.#lent = frame;
    this.bytes = frame;
    this.first = frame[0];
    this.frameStart = 0;
    this.end = this.#measure(frame, 0);
    this.#carried = 0;
    this.#carryTotal = 0;
    return true;
  }

  #append(length: number): void {
    if (length === 0) return;
    const needed = this.#carried + length;
    if (needed > this.#carry.length) {
      const grown = new Uint8Array(Math.max(needed, this.#carry.length * 2, CARRY_BYTES_MIN));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    if (length === 1) this.#carry[this.#carried] = this.#chunk[this.#at];
    else this.#carry.set(this.#chunk.subarray(this.#at, this.#at + length), this.#carried);
    this.#carried = needed;
    this.#at += length;
  }

  #wait(): false {
    this.#chunk = EMPTY;
    this.#at = 0;
    this.bytes = EMPTY;
    if (this.#lent.length > CARRY_KEPT_BYTES_MAX) this.#lent = EMPTY;
    return false;
  }
}
