/** Datagrams to messages and back. `coap-packet` does the work and is lenient: it takes options that end behind the datagram and
 * tokens of any length. So a datagram is looked over first, and only what RFC 7252 allows reaches it. */
import { Buffer } from "node:buffer";
import { generate, type OptionName, parse } from "coap-packet";
import { type CoapMessage, type CoapOption, formatCode, MessageType } from "./message.ts";

const HEADER_BYTES = 4;
const TOKEN_BYTES_MAX = 8;
const PAYLOAD_MARKER = 0xff;
/** Options of one message: a path and a query of many short parts, and no more. */
const OPTIONS_MAX = 256;
/** No message that this server makes is larger. */
const DATAGRAM_BYTES_MAX = 65_507;

/** The numbers of the options that the package gives names; it hands the others over as digits. */
const NUMBER_OF: Readonly<Record<OptionName, number>> = {
  "If-Match": 1,
  "Uri-Host": 3,
  "ETag": 4,
  "If-None-Match": 5,
  "Observe": 6,
  "Uri-Port": 7,
  "Location-Path": 8,
  "OSCORE": 9,
  "Uri-Path": 11,
  "Content-Format": 12,
  "Max-Age": 14,
  "Uri-Query": 15,
  "Hop-Limit": 16,
  "Accept": 17,
  "Q-Block1": 19,
  "Location-Query": 20,
  "Block2": 23,
  "Block1": 27,
  "Size2": 28,
  "Q-Block2": 31,
  "Proxy-Uri": 35,
  "Proxy-Scheme": 39,
  "Size1": 60,
  "No-Response": 258,
  "OCF-Accept-Content-Format-Version": 2049,
  "OCF-Content-Format-Version": 2053,
};

/** What a datagram turned out to be. Of one that is malformed the header may still be answered with a reset. */
export type Decoded =
  | { readonly kind: "message"; readonly message: CoapMessage }
  | { readonly kind: "malformed"; readonly type: MessageType; readonly messageId: number }
  | { readonly kind: "ignored" };

/** Reads a datagram; throws nothing, whatever is in it. Too short or of another version, it is to be ignored (RFC 7252 section 3). */
export function decode(bytes: Uint8Array): Decoded {
  if (bytes.length < HEADER_BYTES || bytes[0] >> 6 !== 1) return { kind: "ignored" };
  const type = (bytes[0] >> 4 & 3) as MessageType;
  const messageId = bytes[2] << 8 | bytes[3];
  const malformed = { kind: "malformed", type, messageId } as const;
  if (!isWellFormed(bytes)) return malformed;
  try {
    const { token, options, payload } = parse(Buffer.from(bytes.slice().buffer)); // a copy of its own: parts of it are kept
    const list = options.map(({ name, value }) => ({ number: numberOf(name), value }));
    return { kind: "message", message: { type, code: bytes[1], messageId, token, options: list, payload } };
  } catch {
    return malformed; // what the look before did not see; it costs the sender his message and nothing else
  }
}

/** The datagram of a message. */
export function encode(message: CoapMessage): Uint8Array {
  const { type, code, messageId, token, options, payload } = message;
  return generate({
    code: formatCode(code),
    messageId,
    confirmable: type === MessageType.confirmable,
    ack: type === MessageType.acknowledgement,
    reset: type === MessageType.reset,
    token: asBuffer(token),
    options: options.map(({ number, value }: CoapOption) => ({ name: `${number}`, value: asBuffer(value) })),
    payload: asBuffer(payload),
  }, DATAGRAM_BYTES_MAX);
}

function numberOf(name: OptionName | number): number {
  return NUMBER_OF[name as OptionName] ?? Number(name);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether token, options and payload end where they say (RFC 7252 section 3, 3.1). */
function isWellFormed(bytes: Uint8Array): boolean {
  const tokenLength = bytes[0] & 15;
  if (bytes[1] === 0) return tokenLength === 0 && bytes.length === HEADER_BYTES; // Empty has nothing behind the header
  if (tokenLength > TOKEN_BYTES_MAX) return false;
  let at = HEADER_BYTES + tokenLength;
  let number = 0;
  for (let count = 0; at < bytes.length; count++) {
    if (bytes[at] === PAYLOAD_MARKER) return at + 1 < bytes.length; // a marker before nothing is an error
    const [delta, afterDelta] = extended(bytes, bytes[at] >> 4, at + 1);
    const [length, afterLength] = extended(bytes, bytes[at] & 15, afterDelta);
    number += delta;
    at = afterLength + length;
    if (!(number <= 0xffff) || count === OPTIONS_MAX) return false;
  }
  return at === bytes.length;
}

/** The value of a nibble with what extends it, and the offset behind; NaN for the reserved 15 and behind the end. */
function extended(bytes: Uint8Array, nibble: number, at: number): [number, number] {
  if (nibble < 13) return [nibble, at];
  if (nibble === 13) return [(bytes[at] ?? NaN) + 13, at + 1];
  if (nibble === 14) return [((bytes[at] ?? NaN) * 256 + (bytes[at + 1] ?? NaN)) + 269, at + 2];
  return [NaN, at];
}
