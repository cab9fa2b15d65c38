/** Headers of the PROXY protocol, for tests. */

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/** A line of version 1, or any text. */
export function text(line: string): Uint8Array {
  return new TextEncoder().encode(line);
}

/** A binary header with `body` behind its length, which may be said otherwise. */
export function binary(command: number, family: number, body: readonly number[], length = body.length): Uint8Array {
  return Uint8Array.from([...SIGNATURE, command, family, length >> 8, length & 0xff, ...body]);
}

const IPV6 = [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 7];
const IPV4_AS_IPV6 = [...new Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 7];
/** An address of 192.0.2.7:40000 to 198.51.100.1:1883. */
export const IPV4_BODY: readonly number[] = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 7, 0x5b];
const TLV = [0x20, 0, 3, 1, 2, 3];

/** As many bytes of type-length-values, one of them. */
export function filler(bytes: number): readonly number[] {
  return [0x04, (bytes - 3) >> 8, (bytes - 3) & 0xff, ...new Array(bytes - 3).fill(0)];
}

/** What may stand at the start of a connection, and who the client then is; undefined when the connection's own addresses count. */
export const HEADERS: Readonly<Record<string, readonly [Uint8Array, string | undefined]>> = {
  "a line for IPv4": [text("PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883\r\n"), "192.0.2.7"],
  "a line for IPv6": [text("PROXY TCP6 2001:db8::7 2001:db8::1 40000 1883\r\n"), "2001:db8::7"],
  "a line with IPv4 in IPv6": [text("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 2\r\n"), "192.0.2.7"],
  "a line that does not know": [text("PROXY UNKNOWN\r\n"), undefined],
  "a line that does not know, and says more": [text("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), undefined],
  "the longest line": [text(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`), undefined],
  "version 2 for IPv4": [binary(0x21, 0x11, IPV4_BODY), "192.0.2.7"],
  "version 2 for IPv4 over UDP": [binary(0x21, 0x12, IPV4_BODY), undefined],
  "version 2 for IPv6 and more": [binary(0x21, 0x21, [...IPV6, ...IPV6, 0, 1, 0, 2, ...TLV]), "2001:db8::7"],
  "version 2 with IPv4 in IPv6": [binary(0x21, 0x21, [...IPV4_AS_IPV6, ...IPV6, 0, 1, 0, 2]), "192.0.2.7"],
  "version 2 of the proxy itself": [binary(0x20, 0, []), undefined],
  "version 2 of the proxy itself, with addresses": [binary(0x20, 0x11, IPV4_BODY), undefined],
  "version 2 that does not know": [binary(0x21, 0, [1, 2, 3]), undefined],
  "version 2 for a Unix socket": [binary(0x21, 0x31, new Array(216).fill(0)), undefined],
  "the longest of version 2": [binary(0x21, 0x11, [...IPV4_BODY, ...filler(4096 - 16 - 12)]), "192.0.2.7"],
};

/** What may not. */
export const REFUSED: Readonly<Record<string, Uint8Array>> = {
  "no header": Uint8Array.of(0x10, 0x0d, 0, 4),
  "another word": text("proxy TCP4 192.0.2.7 198.51.100.1 40000 1883\r\n"),
  "a line that is too long": text(`PROXY TCP4 ${"1".repeat(120)}`),
  "a line that does not know and is too long": text(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`),
  "another family": text("PROXY UDP4 192.0.2.7 198.51.100.1 40000 1883\r\n"),
  "an address that is none": text("PROXY TCP4 192.0.2.999 198.51.100.1 40000 1883\r\n"),
  "an address in octal": text("PROXY TCP4 192.0.2.07 198.51.100.1 40000 1883\r\n"),
  "an IPv4 address for IPv6": text("PROXY TCP6 192.0.2.7 198.51.100.1 40000 1883\r\n"),
  "an IPv6 address for IPv4": text("PROXY TCP4 ::1 ::1 40000 1883\r\n"),
  "an address with a zone": text("PROXY TCP6 fe80::1%eth0 ::1 40000 1883\r\n"),
  "a port that is none": text("PROXY TCP4 192.0.2.7 198.51.100.1 70000 1883\r\n"),
  "a port with a zero before it": text("PROXY TCP4 192.0.2.7 198.51.100.1 040 1883\r\n"),
  "two spaces": text("PROXY TCP4  192.0.2.7 198.51.100.1 40000 1883\r\n"),
  "a word too many": text("PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883 x\r\n"),
  "a line without carriage return": text("PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883\n"),
  "a carriage return within a line": text("PROXY UNKNOWN \rx\r\n"),
  "a signature that is wrong at its end": Uint8Array.from([...SIGNATURE.slice(0, 11), 0x0b]),
  "another version": binary(0x11, 0x11, new Array(12).fill(1)),
  "an unknown command": binary(0x22, 0x11, new Array(12).fill(1)),
  "an unknown family": binary(0x21, 0x41, new Array(12).fill(1)),
  "an unknown protocol": binary(0x21, 0x13, new Array(12).fill(1)),
  "addresses that are cut": binary(0x21, 0x11, IPV4_BODY.slice(1)),
  "addresses of IPv6 that are cut": binary(0x21, 0x21, new Array(35).fill(1)),
  "one byte more than is taken": binary(0x21, 0x11, IPV4_BODY, 4096 - 16 + 1),
  "the greatest length": binary(0x21, 0x11, [], 65_535),
  "the greatest length, of the proxy itself": binary(0x20, 0, [], 65_535),
};
