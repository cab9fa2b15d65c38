import { malformed, protocolError } from "./fault.ts";
import { packetName } from "./packet.ts";
import { kindOf, PROPERTY_IDS, PropertyId, PropertyKind, propertyTable } from "./property_table.ts";
import { decodeUtf8, scanUtf8, TextScan } from "./utf8.ts";
import { INTEGER_INVALID, readVariableByteInteger, variableByteIntegerBytes } from "./variable_byte_integer.ts";

const packetsOf = new Uint16Array(PROPERTY_IDS);
const nonZero = new Uint8Array(PROPERTY_IDS);
for (const rule of propertyTable) {
  packetsOf[rule.id] = rule.packets;
  nonZero[rule.id] = rule.nonZero ? 1 : 0;
}

/** Walks the properties of one packet and checks each as it goes by: known, allowed in this packet type, not doubled, whole,
 * of a legal value, well-formed UTF-8. Nothing is allocated, and one cursor serves any number of packets of its type. */
export class PropertyCursor {
  /** The property at hand, and the offset of its identifier. */
  id = 0;
  entryStart = 0;
  /** The value of a boolean (0 or 1) or an integer. */
  number = 0;
  /** The content of a text, of binary data, or of a pair's value. */
  start = 0;
  end = 0;
  /** The name of a pair. */
  nameStart = 0;
  nameEnd = 0;
  /** Whether a text has `+` or `#` in it, which a topic must not. */
  hasWildcard = false;

  readonly #type: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #sectionEnd = 0;
  #seenLow = 0;
  #seenHigh = 0;

  /** @param type The packet type, or `WILL_PROPERTIES`. */
  constructor(type: number) {
    this.#type = type;
  }

  /** The offset behind the property at hand. */
  get entryEnd(): number {
    return this.#at;
  }

  /** Reads the property length at `at` and answers where the section ends ([MQTT5 2.2.2.1]). `end` is the packet's end. */
  open(bytes: Uint8Array, at: number, end: number): number {
    const length = readVariableByteInteger(bytes, at, end);
    if (length < 0) throw this.#lengthFault(length);
    const start = at + variableByteIntegerBytes(length);
    if (length > end - start) {
      throw malformed(`Cannot read ${this.#where()}: ${length} bytes of properties do not fit in ${end - start}`);
    }
    this.begin(bytes, start, start + length);
    return start + length;
  }

  /** Starts over a range of properties whose length is already known. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#sectionEnd = end;
    this.#seenLow = 0;
    this.#seenHigh = 0;
  }

  /** Moves to the next property; false at the end of the section. */
  next(): boolean {
    const at = this.#at;
    if (at >= this.#sectionEnd) return false;
    const id = this.#bytes[at];
    // [MQTT5 2.2.2.2] an identifier that is not valid for its packet type makes the packet malformed
    if (id >= PROPERTY_IDS || (packetsOf[id] & (1 << this.#type)) === 0) throw this.#strangerFault(id);
    if (id !== PropertyId.userProperty) this.#markOnce(id);
    this.id = id;
    this.entryStart = at;
    this.#at = this.#readValue(kindOf[id], at + 1);
    return true;
  }

  /** The property at hand as it came, identifier included. */
  entry(): Uint8Array {
    return this.#bytes.subarray(this.entryStart, this.#at);
  }

  /** The text, or the value of the pair, at hand. */
  text(): string {
    return decodeUtf8(this.#bytes, this.start, this.end);
  }

  /** The pair at hand. */
  pair(): [string, string] {
    return [decodeUtf8(this.#bytes, this.nameStart, this.nameEnd), this.text()];
  }

  /** A copy of the binary data at hand. */
  binary(): Uint8Array {
    return this.#bytes.slice(this.start, this.end);
  }

  #markOnce(id: number): void {
    const bit = 1 << (id & 31);
    const seen = id < 32 ? this.#seenLow : this.#seenHigh;
    if ((seen & bit) !== 0) throw protocolError(`Cannot accept ${this.#where()}: ${nameOf(id)} may occur only once`);
    if (id < 32) this.#seenLow |= bit;
    else this.#seenHigh |= bit;
  }

  #readValue(kind: number, at: number): number {
    switch (kind) {
      case PropertyKind.boolean:
        return this.#readBoolean(at);
      case PropertyKind.uint16:
        this.#need(at, 2);
        return this.#keepNumber((this.#bytes[at] << 8) | this.#bytes[at + 1], at + 2);
      case PropertyKind.uint32:
        this.#need(at, 4);
        return this.#keepNumber(uint32At(this.#bytes, at), at + 4);
      case PropertyKind.integer:
        return this.#readInteger(at);
      case PropertyKind.text:
        return this.#readText(at);
      case PropertyKind.binary:
        return this.#readBinary(at);
      default:
        return this.#readPair(at);
    }
  }

  #readBoolean(at: number): number {
    this.#need(at, 1);
    this.number = this.#bytes[at];
    if (this.number > 1) {
      throw protocolError(`Cannot accept ${this.#where()}: ${nameOf(this.id)} is ${this.number}, allowed are 0 and 1`);
    }
    return at + 1;
  }

  #readInteger(at: number): number {
    const value = readVariableByteInteger(this.#bytes, at, this.#sectionEnd);
    if (value < 0) throw this.#lengthFault(value);
    return this.#keepNumber(value, at + variableByteIntegerBytes(value));
  }

  #keepNumber(value: number, next: number): number {
    if (value === 0 && nonZero[this.id] === 1) {
      throw protocolError(`Cannot accept ${this.#where()}: ${nameOf(this.id)} must not be 0`);
    }
    this.number = value;
    return next;
  }

  #readBinary(at: number): number {
    this.#need(at, 2);
    const start = at + 2;
    const length = (this.#bytes[at] << 8) | this.#bytes[at + 1];
    this.#need(start, length);
    this.start = start;
    this.end = start + length;
    return this.end;
  }

  #readText(at: number): number {
    const next = this.#readBinary(at);
    const scan = scanUtf8(this.#bytes, this.start, next);
    if (scan === TextScan.illFormed) {
      throw malformed(
        `Cannot read ${this.#where()}: ${nameOf(this.id)} is not well-formed UTF-8 without U+0000 [MQTT-1.5.4-1]`,
      );
    }
    this.hasWildcard = scan === TextScan.wildcard;
    return next;
  }

  #readPair(at: number): number {
    const next = this.#readText(at);
    this.nameStart = this.start;
    this.nameEnd = next;
    return this.#readText(next);
  }

  #need(at: number, length: number): void {
    if (length > this.#sectionEnd - at) {
      throw malformed(`Cannot read ${this.#where()}: ${nameOf(this.id)} runs over the end of the properties`);
    }
  }

  #lengthFault(answer: number): Error {
    const rule = answer === INTEGER_INVALID ? "is longer than needed or than four bytes [MQTT-1.5.5-1]" : "is cut";
    return malformed(`Cannot read ${this.#where()}: a variable byte integer in the properties ${rule}`);
  }

  #strangerFault(id: number): Error {
    return malformed(`Cannot read ${this.#where()}: property ${nameOf(id)} does not belong there [MQTT5 2.2.2.2]`);
  }

  #where(): string {
    return this.#type === 0 ? "the will" : packetName(this.#type);
  }
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

function nameOf(id: number): string {
  return propertyTable.find((rule) => rule.id === id)?.name ?? `0x${id.toString(16).padStart(2, "0")}`;
}
