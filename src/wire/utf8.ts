/** UTF-8 strings as MQTT allows them ([MQTT5 1.5.4]): well-formed, without U+0000; a byte order mark is kept. */

/** Answers of {@link scanUtf8}. */
export const TextScan = { illFormed: -1, plain: 0, wildcard: 1 } as const;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // [MQTT-1.5.4-3] U+FEFF is never stripped
const encoder = new TextEncoder();

/** Whether the range is a string that MQTT allows ([MQTT-1.5.4-1], [MQTT-1.5.4-2]), and whether `+` or `#` is in it,
 * in one pass, because a topic needs both answers. */
export function scanUtf8(bytes: Uint8Array, start: number, end: number): number {
  let answer: number = TextScan.plain;
  let at = start;
  while (at < end) {
    const byte = bytes[at];
    if (byte >= 0x80) {
      const size = sequenceBytes(bytes, at, end);
      if (size === 0) return TextScan.illFormed;
      at += size;
      continue;
    }
    if (byte === 0x23 || byte === 0x2b) answer = TextScan.wildcard;
    else if (byte === 0) return TextScan.illFormed;
    at++;
  }
  return answer;
}

/** The length of the multi-byte sequence at `at`: 2 to 4, or 0 when it is cut, over-long, a surrogate or beyond U+10FFFF. */
function sequenceBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at];
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + size > end) return 0;
  const second = bytes[at + 1];
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  for (let index = at + 2; index < at + size; index++) {
    if ((bytes[index] & 0xc0) !== 0x80) return 0;
  }
  return size;
}

/** The string of a range that {@link scanUtf8} has passed. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? "" : decoder.decode(bytes.subarray(start, end));
}

/** The bytes of a string. A lone surrogate becomes U+FFFD, as everywhere on the web. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}
