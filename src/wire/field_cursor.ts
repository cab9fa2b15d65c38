import { malformed, protocolError, type WireFault } from "./fault.ts";
import type { FrameReader } from "./frame_reader.ts";
import { packetName, type ProtocolVersion } from "./packet.ts";
import { PropertyCursor } from "./property_cursor.ts";
import { decodeUtf8, scanUtf8, TextScan } from "./utf8.ts";

/** Reads the fields of a packet that is not hot, one after the other, each checked against the end of the frame.
 * `field` names what is read, for the message of the fault. */
export class FieldCursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;
  readonly #name: string;

  constructor(frame: FrameReader) {
    this.bytes = frame.bytes;
    this.at = frame.start;
    this.end = frame.end;
    this.#name = packetName(frame.first >> 4);
  }

  get atEnd(): boolean {
    return this.at >= this.end;
  }

  byte(field: string): number {
    this.#need(1, field);
    return this.bytes[this.at++];
  }

  uint16(field: string): number {
    this.#need(2, field);
    this.at += 2;
    return (this.bytes[this.at - 2] << 8) | this.bytes[this.at - 1];
  }

  /** A packet identifier, which is never 0 ([MQTT-2.2.1-3]). */
  packetId(): number {
    const id = this.uint16("the packet identifier");
    if (id === 0) throw protocolError(`Cannot accept ${this.#name}: packet identifier 0 is not allowed [MQTT-2.2.1-3]`);
    return id;
  }

  /** A UTF-8 string, refused when ill-formed or with U+0000 in it ([MQTT-1.5.4-1], [MQTT-1.5.4-2]). */
  text(field: string): string {
    const length = this.uint16(field);
    this.#need(length, field);
    const start = this.at;
    this.at += length;
    if (scanUtf8(this.bytes, start, this.at) === TextScan.illFormed) {
      throw this.malformed(`${field} is not well-formed UTF-8 without U+0000 [MQTT-1.5.4-1]`);
    }
    return decodeUtf8(this.bytes, start, this.at);
  }

  /** Binary data, as a copy that outlives the chunk. */
  binary(field: string): Uint8Array {
    const length = this.uint16(field);
    this.#need(length, field);
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }

  /** The property section at hand; the cursor moves behind it at once. `type` is the packet type or `WILL_PROPERTIES`. */
  properties(type: number): PropertyCursor {
    const properties = new PropertyCursor(type);
    this.at = properties.open(this.bytes, this.at, this.end);
    return properties;
  }

  /** Refuses bytes behind the last field. */
  finish(): void {
    if (this.at < this.end) throw this.malformed(`${this.end - this.at} bytes follow the last field`);
  }

  malformed(rule: string): WireFault {
    return malformed(`Cannot read ${this.#name}: ${rule}`);
  }

  #need(length: number, field: string): void {
    if (length > this.end - this.at) throw this.malformed(`it ends inside ${field}`);
  }
}

/** Refuses a fixed header whose reserved flags are not `expected` ([MQTT-2.1.3-1]). MQTT 3.1 also allows DUP there. */
export function checkFlags(frame: FrameReader, expected: number, version: ProtocolVersion): void {
  const flags = frame.first & (version === 3 ? 0b0111 : 0b1111);
  if (flags !== expected) {
    throw malformed(
      `Cannot read ${
        packetName(frame.first >> 4)
      }: the fixed header's flags are ${flags}, not ${expected} [MQTT-2.1.3-1]`,
    );
  }
}
