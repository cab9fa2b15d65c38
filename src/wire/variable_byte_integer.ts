/** The variable byte integer of MQTT: seven bits a byte, least significant first, four bytes at most ([MQTT5 1.5.5]). */

/** The largest value that four bytes can carry. */
export const VARIABLE_BYTE_INTEGER_MAX = 268_435_455;

/** Answer of {@link readVariableByteInteger}: the range ends inside the integer. */
export const INTEGER_INCOMPLETE = -1;

/** Answer of {@link readVariableByteInteger}: a fifth byte, or more bytes than the value needs. */
export const INTEGER_INVALID = -2;

/** The value at `start`, or {@link INTEGER_INCOMPLETE}, or {@link INTEGER_INVALID}. Since only the shortest encoding is
 * accepted ([MQTT-1.5.5-1]), `variableByteIntegerBytes(value)` tells how many bytes were read. */
export function readVariableByteInteger(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let index = 0; index < 4; index++) {
    if (start + index >= end) return INTEGER_INCOMPLETE;
    const byte = bytes[start + index];
    value |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return byte === 0 && index > 0 ? INTEGER_INVALID : value;
  }
  return INTEGER_INVALID;
}

/** How many bytes `value` takes, 1 to 4. */
export function variableByteIntegerBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

/** Writes `value` at `at` and answers the offset behind it. The room and the range are the caller's care. */
export function writeVariableByteInteger(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest > 127) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}
