/** MQTT packets byte by byte, for tests that send what no codec writes and look at what no codec shows. */

/** A byte, or bytes. */
export type Part = number | Uint8Array;

const encoder = new TextEncoder();

/** The parts one after the other. */
export function join(...parts: Part[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => typeof part === "number" ? [part] : [...part]));
}

/** A whole packet: the first byte, the remaining length, the body. */
export function packet(first: number, ...body: Part[]): Uint8Array {
  const bytes = join(...body);
  return join(first, integer(bytes.length), bytes);
}

/** A variable byte integer. */
export function integer(value: number): Uint8Array {
  const bytes: number[] = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return Uint8Array.from(bytes);
}

/** A two byte integer. */
export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

/** A four byte integer. */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** A string, or binary data, behind its two byte length. */
export function text(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return join(uint16(bytes.length), bytes);
}

/** Properties behind their length; each is its identifier and its value. */
export function properties(...parts: Part[]): Uint8Array {
  const bytes = join(...parts);
  return join(integer(bytes.length), bytes);
}

/** A user property. */
export function userProperty(name: string | Uint8Array, value: string | Uint8Array): Uint8Array {
  return join(0x26, text(name), text(value));
}

/** What a CONNECT is made of; the defaults are those of a v5 client with clean start and the id "raw". */
export interface RawConnect {
  readonly name?: string | Uint8Array;
  readonly level?: number;
  readonly flags?: number;
  readonly keepAlive?: number;
  /** With their length. */
  readonly properties?: Uint8Array;
  /** Client id, will, user name and password as they shall stand there. */
  readonly payload?: readonly Part[];
}

/** A CONNECT of version 5. */
export function rawConnect(connect: RawConnect = {}): Uint8Array {
  const { name = "MQTT", level = 5, flags = 0x02, keepAlive = 0 } = connect;
  const head = [text(name), level, flags, uint16(keepAlive), connect.properties ?? properties()];
  return packet(0x10, ...head, ...connect.payload ?? [text("raw")]);
}

/** What a PUBLISH is made of; the default is an empty QoS 0 message to "a". */
export interface RawPublish {
  readonly first?: number;
  readonly topic?: string | Uint8Array;
  readonly packetId?: number;
  /** Without their length. */
  readonly properties?: Uint8Array;
  readonly payload?: string | Uint8Array;
}

/** A PUBLISH of version 5. */
export function rawPublish(publish: RawPublish = {}): Uint8Array {
  const { first = 0x30, topic = "a", packetId, payload = "" } = publish;
  const id = packetId === undefined ? [] : [uint16(packetId)];
  const body = typeof payload === "string" ? encoder.encode(payload) : payload;
  return packet(first, text(topic), ...id, properties(publish.properties ?? new Uint8Array(0)), body);
}

/** A SUBSCRIBE of version 5 for one filter. */
export function rawSubscribe(packetId: number, filter: string | Uint8Array, options = 0): Uint8Array {
  return packet(0x82, uint16(packetId), properties(), text(filter), options);
}

/** Cuts received bytes into whole packets. A rest that is not one is left out. */
export function frames(received: readonly number[]): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + 1 < received.length;) {
    let [length, shift, body] = [0, 0, at + 1];
    for (let more = true; more; body++, shift += 7) {
      length |= (received[body] & 0x7f) << shift;
      more = received[body] > 0x7f;
    }
    if (body + length > received.length) break;
    found.push(Uint8Array.from(received.slice(at, body + length)));
    at = body + length;
  }
  return found;
}

/** The last packet of a type (the upper four bits of its first byte) among the received bytes. */
export function lastFrame(received: readonly number[], type: number): Uint8Array {
  const frame = frames(received).findLast((each) => each[0] >> 4 === type);
  if (frame === undefined) throw new Error(`No packet of type ${type} was received`);
  return frame;
}

/** Bytes as hex digits, to be compared and read. */
export function hex(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
