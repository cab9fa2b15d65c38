import { encodeProperties } from "./properties.ts";
import { PropertyId } from "./property_table.ts";

const FIRST_BYTES = 1_024;
/** The property's id and the lengths of its two texts. */
const HEAD_BYTES = 5;

/** Writes user properties behind others, one by one into the same memory: a queue does so for each of its deliveries, and almost all
 * that it says is short and ASCII. Whatever is not goes the general way, with what that refuses. */
export class UserPropertyWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** Starts anew, behind properties that are encoded already. */
  begin(before: Uint8Array): void {
    this.#length = 0;
    this.#append(before);
  }

  /** @throws {RangeError} a text beyond 65535 bytes
   * @throws {TypeError} a text that MQTT does not allow */
  add(name: string, value: string): void {
    const begin = this.#length;
    this.#reserve(HEAD_BYTES + name.length + value.length);
    this.#bytes[this.#length++] = PropertyId.userProperty;
    if (this.#putPlain(name) && this.#putPlain(value)) return;
    this.#length = begin;
    this.#append(encodeProperties([{ id: PropertyId.userProperty, value: [name, value] }]));
  }

  /** All that was written, in an array of its own. */
  end(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** False when the text is not ASCII without U+0000, or too long: what is written then is no property. */
  #putPlain(text: string): boolean {
    const { length } = text;
    if (length > 0xffff) return false;
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = length >> 8;
    bytes[at++] = length & 0xff;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code === 0 || code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.#length = at;
    return true;
  }

  #append(more: Uint8Array): void {
    if (more.length === 0) return;
    this.#reserve(more.length);
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
