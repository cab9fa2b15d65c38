import type { Property } from "./properties.ts";
import { kindOf, PropertyId, PropertyKind } from "./property_table.ts";
import { encodeUtf8 } from "./utf8.ts";
import { VARIABLE_BYTE_INTEGER_MAX, writeVariableByteInteger } from "./variable_byte_integer.ts";

const FIRST_BYTES = 1_024;
/** Larger memory is given up afterwards. */
const KEPT_BYTES_MAX = 64 * 1024;
/** The id of a property, and the lengths of two texts or a number. */
const HEAD_BYTES = 5;
const TEXT_BYTES_MAX = 0xffff;
const NOTHING = new Uint8Array(0);

/** Of what is as wide as its kind says. */
const NUMBER_BYTES: Readonly<Record<number, number>> = {
  [PropertyKind.boolean]: 1,
  [PropertyKind.uint16]: 2,
  [PropertyKind.uint32]: 4,
};
const NUMBER_MAX: Readonly<Record<number, number>> = {
  [PropertyKind.boolean]: 1,
  [PropertyKind.uint16]: 0xffff,
  [PropertyKind.uint32]: 0xffff_ffff,
  [PropertyKind.integer]: VARIABLE_BYTE_INTEGER_MAX,
};

/** Writes properties one by one into the same memory. What it refuses leaves what was written before as it was: numbers beyond their kind
 * and texts beyond 65535 bytes by a RangeError, texts that MQTT does not allow (U+0000 [MQTT-1.5.4-2], a lone surrogate [MQTT-1.5.4-1])
 * by a TypeError. */
export class PropertyWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** Starts anew, behind properties that are encoded already. */
  begin(before: Uint8Array = NOTHING): void {
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(FIRST_BYTES);
    this.#length = 0;
    this.#reserve(before.length);
    this.#append(before);
  }

  add({ id, value }: Property): void {
    if (typeof value === "number") this.#putNumber(id, value);
    else if (typeof value === "string") this.#putParts(id, [encodeText(value)]);
    else if (value instanceof Uint8Array) this.#putParts(id, [value]);
    else this.addPair(value[0], value[1]);
  }

  /** A user property. Almost all that they say is short and ASCII, and a queue writes some for each of its deliveries. */
  addPair(name: string, value: string): void {
    const begin = this.#length;
    this.#reserve(HEAD_BYTES + name.length + value.length);
    this.#bytes[this.#length++] = PropertyId.userProperty;
    if (this.#putPlain(name) && this.#putPlain(value)) return;
    this.#length = begin;
    this.#putParts(PropertyId.userProperty, [encodeText(name), encodeText(value)]);
  }

  /** All that was written, in an array of its own. */
  end(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #putNumber(id: number, value: number): void {
    const kind = kindOf[id];
    if (value > NUMBER_MAX[kind]) {
      throw new RangeError(`Cannot encode ${value} as a property: the maximum of its kind is ${NUMBER_MAX[kind]}`);
    }
    this.#reserve(HEAD_BYTES);
    const bytes = this.#bytes;
    bytes[this.#length++] = id;
    if (kind === PropertyKind.integer) this.#length = writeVariableByteInteger(bytes, this.#length, value);
    else for (let left = NUMBER_BYTES[kind]; left > 0; left--) bytes[this.#length++] = value >>> (8 * (left - 1));
  }

  #putParts(id: number, parts: readonly Uint8Array[]): void {
    for (const { length } of parts) {
      if (length <= TEXT_BYTES_MAX) continue;
      throw new RangeError(`Cannot encode a property value of ${length} bytes: the maximum is ${TEXT_BYTES_MAX}`);
    }
    this.#reserve(parts.reduce((bytes, part) => bytes + part.length, HEAD_BYTES));
    this.#bytes[this.#length++] = id;
    for (const part of parts) {
      this.#putLength(part.length);
      this.#append(part);
    }
  }

  /** False when the text is not ASCII without U+0000, or too long: what is written then is no property. */
  #putPlain(text: string): boolean {
    const { length } = text;
    if (length > TEXT_BYTES_MAX) return false;
    this.#putLength(length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code === 0 || code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.#length = at;
    return true;
  }

  #putLength(length: number): void {
    this.#bytes[this.#length++] = length >> 8;
    this.#bytes[this.#length++] = length;
  }

  /** There has to be room. */
  #append(more: Uint8Array): void {
    this.#bytes.set(more, this.#length);
    this.#length += more.length;
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

function encodeText(text: string): Uint8Array {
  if (text.includes("\0")) {
    throw new TypeError(`Cannot encode ${JSON.stringify(text)}: U+0000 is not allowed [MQTT-1.5.4-2]`);
  }
  if (!text.isWellFormed()) {
    throw new TypeError(`Cannot encode ${JSON.stringify(text)}: a lone surrogate is not allowed [MQTT-1.5.4-1]`);
  }
  return encodeUtf8(text);
}
