/** Packets by hand, with or without faults. A number is one byte, a string is UTF-8 with its length before it. */
export type Part = number | string | Uint8Array | readonly Part[];

const encoder = new TextEncoder();

/** The parts one behind the other. */
export function join(...parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const chunks = parts.map((part): Uint8Array => {
    if (typeof part === "number") return Uint8Array.of(part);
    if (typeof part === "string") return sized(encoder.encode(part));
    if (part instanceof Uint8Array) return part;
    return join(...part);
  });
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

/** Bytes with their length before them, as strings and binary data go. */
export function sized(bytes: Uint8Array): Uint8Array {
  return join(uint16(bytes.length), bytes);
}

/** A variable byte integer; `extra` bytes longer than needed. */
export function varint(value: number, extra = 0): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 128)) bytes.push(rest % 128);
  for (let i = 0; i < extra; i++) bytes.push(0);
  return Uint8Array.from(bytes, (byte, i) => i < bytes.length - 1 ? byte | 0x80 : byte);
}

/** A property section: its length and the properties. */
export function properties(...parts: readonly Part[]): Uint8Array {
  const section = join(...parts);
  return join(varint(section.length), section);
}

/** A whole packet. */
export function packet(first: number, ...parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const body = join(...parts);
  return join(first, varint(body.length), body);
}

/** What {@link connect} may be told to do differently. */
export interface ConnectParts {
  readonly version?: 4 | 5;
  readonly clientId?: Part;
  readonly keepAlive?: number;
  /** 0x02, clean, when absent. */
  readonly flags?: number;
  /** What goes into the property section. */
  readonly properties?: readonly Part[];
  /** What comes behind the client id. */
  readonly rest?: readonly Part[];
}

/** A CONNECT; clean, v5 and without anything unless told otherwise. */
export function connect(parts: ConnectParts = {}): Uint8Array<ArrayBuffer> {
  const { version = 5, clientId = `raw-${crypto.randomUUID().slice(0, 13)}`, keepAlive = 0, flags = 0x02 } = parts;
  const section = version === 5 ? [properties(...(parts.properties ?? []))] : [];
  return packet(0x10, "MQTT", version, flags, uint16(keepAlive), ...section, clientId, ...(parts.rest ?? []));
}

/** A PUBLISH; v5 and QoS 0 unless told otherwise. */
export function publish(topic: Part, options: PublishParts = {}): Uint8Array<ArrayBuffer> {
  const { version = 5, qos = 0, retain = false, packetId = 1, payload = new Uint8Array(0) } = options;
  const section = version === 5 ? [properties(...(options.properties ?? []))] : [];
  const id = qos === 0 ? [] : [uint16(packetId)];
  return packet(0x30 | (qos << 1) | (retain ? 1 : 0), topic, ...id, ...section, payload);
}

export interface PublishParts {
  readonly version?: 4 | 5;
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly packetId?: number;
  readonly payload?: Uint8Array;
  readonly properties?: readonly Part[];
}

/** A SUBSCRIBE with one filter. */
export function subscribe(filter: Part, options: SubscribeParts = {}): Uint8Array<ArrayBuffer> {
  const { version = 5, qos = 0, packetId = 1 } = options;
  const section = version === 5 ? [properties(...(options.properties ?? []))] : [];
  return packet(0x82, uint16(packetId), ...section, filter, qos);
}

export interface SubscribeParts {
  readonly version?: 4 | 5;
  readonly qos?: 0 | 1 | 2;
  readonly packetId?: number;
  readonly properties?: readonly Part[];
}

/** What stands behind the fixed header of a received packet. */
export function bodyOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(readVarint(bytes, 1)[1]);
}

/** Where topic, packet id and payload of a received PUBLISH are. */
export function readPublish(bytes: Uint8Array, version: 4 | 5 = 5): ReceivedPublish {
  const qos = (bytes[0] >> 1) & 3;
  let [, at] = readVarint(bytes, 1);
  const topicEnd = at + 2 + (bytes[at] << 8 | bytes[at + 1]);
  const topic = new TextDecoder().decode(bytes.subarray(at + 2, topicEnd));
  at = topicEnd;
  const packetId = qos === 0 ? 0 : bytes[at] << 8 | bytes[at + 1];
  if (qos > 0) at += 2;
  if (version === 5) {
    const [length, start] = readVarint(bytes, at);
    at = start + length;
  }
  return { topic, qos, packetId, retain: (bytes[0] & 1) === 1, dup: (bytes[0] & 8) !== 0, payload: bytes.subarray(at) };
}

export interface ReceivedPublish {
  readonly topic: string;
  readonly qos: number;
  readonly packetId: number;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly payload: Uint8Array;
}

/** The value at `at`, and where it ends. */
function readVarint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let i = 0;; i++) {
    value += (bytes[at + i] & 0x7f) * 128 ** i;
    if (bytes[at + i] < 128) return [value, at + i + 1];
  }
}
