/** The header of the PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt). */

/** Where a connection comes from, as the proxy says. */
export interface ProxySource {
  readonly address: string;
  readonly port: number;
}

/** A header that has arrived. */
export interface ProxyHeader {
  /** Undefined when the proxy speaks for itself (LOCAL), or does not know or cannot say (UNKNOWN, UNSPEC, UNIX): the connection's own
   * addresses count then. */
  readonly source: ProxySource | undefined;
  /** Behind it the client's own bytes begin. */
  readonly bytes: number;
}

/** Type-length-values of version 2, such as the client's certificate, are skipped; more of them than this is refused. */
export const HEADER_BYTES_MAX = 4 * 1024;
const V1_BYTES_MAX = 107;
const V2_SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const V2_FIXED_BYTES = 16;

/** Reads the header at the start of a connection; undefined when more bytes are needed.
 * @throws {RangeError} when it is none, or malformed */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | undefined {
  if (bytes.length === 0) return undefined;
  return bytes[0] === V2_SIGNATURE[0] ? readV2(bytes) : readV1(bytes);
}

/** Section 2.1: one line of text. */
function readV1(bytes: Uint8Array): ProxyHeader | undefined {
  const start = latin1(bytes.subarray(0, 6));
  if (!"PROXY ".startsWith(start)) throw new RangeError("it does not begin with a PROXY header");
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf(0x0a);
  if (end === -1) {
    if (bytes.length >= V1_BYTES_MAX) throw new RangeError(`its PROXY line is longer than ${V1_BYTES_MAX} bytes`);
    return undefined;
  }
  const line = latin1(bytes.subarray(0, end + 1));
  if (/^PROXY UNKNOWN(?: [ -~]*)?\r\n$/.test(line)) return { source: undefined, bytes: end + 1 };
  const [, family, from, to, port, portTo] =
    /^PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line) ?? [];
  const parse = family === "4" ? parseIPv4 : parseIPv6;
  const address = from === undefined ? undefined : parse(from);
  if (address === undefined || parse(to) === undefined || !isPort(port) || !isPort(portTo)) {
    throw new RangeError("its PROXY line is malformed");
  }
  return { source: { address, port: Number(port) }, bytes: end + 1 };
}

/** Section 2.2: a binary header. */
function readV2(bytes: Uint8Array): ProxyHeader | undefined {
  if (!V2_SIGNATURE.every((byte, at) => at >= bytes.length || bytes[at] === byte)) {
    throw new RangeError("it does not begin with a PROXY header");
  }
  if (bytes.length < V2_FIXED_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [command, family, length] = [bytes[12], bytes[13], view.getUint16(14)];
  const total = V2_FIXED_BYTES + length;
  if (command !== 0x20 && command !== 0x21) throw new RangeError("its PROXY header has an unknown version or command");
  if (family >> 4 > 3 || (family & 0x0f) > 2) throw new RangeError("its PROXY header has an unknown address family");
  if (total > HEADER_BYTES_MAX) throw new RangeError(`its PROXY header is longer than ${HEADER_BYTES_MAX} bytes`);
  const isKnown = command === 0x21 && (family === 0x11 || family === 0x21);
  const addressBytes = family === 0x11 ? 4 : 16;
  if (isKnown && length < 2 * addressBytes + 4) throw new RangeError("its PROXY header is too short for its addresses");
  if (bytes.length < total) return undefined;
  if (!isKnown) return { source: undefined, bytes: total };
  const at = V2_FIXED_BYTES;
  const address = addressBytes === 4 ? bytes.subarray(at, at + 4).join(".") : ipv6Of(bytes.subarray(at, at + 16));
  return { source: { address, port: view.getUint16(at + 2 * addressBytes) }, bytes: total };
}

function isPort(text: string): boolean {
  return String(Number(text)) === text && Number(text) <= 65_535;
}

function parseIPv4(text: string): string | undefined {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
    ? text
    : undefined;
}

/** In its shortest form; an IPv4 address in IPv6 clothes as IPv4. */
function parseIPv6(text: string): string | undefined {
  const found = URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(found ?? "") ?? [];
  if (high === undefined) return found;
  const word = (digits: string) => [parseInt(digits, 16) >> 8, parseInt(digits, 16) & 0xff];
  return [...word(high), ...word(low)].join(".");
}

function ipv6Of(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at] << 8 | bytes[2 * at + 1]).toString(16));
  return parseIPv6(groups.join(":"))!;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
