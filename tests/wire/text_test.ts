import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeUtf8, encodeUtf8, scanUtf8, TextScan } from "../../src/wire/utf8.ts";
import {
  INTEGER_INCOMPLETE,
  INTEGER_INVALID,
  readVariableByteInteger,
  VARIABLE_BYTE_INTEGER_MAX,
  variableByteIntegerBytes,
  writeVariableByteInteger,
} from "../../src/wire/variable_byte_integer.ts";
import { hex } from "./reading.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function scan(bytes: Uint8Array): number {
  return scanUtf8(bytes, 0, bytes.length);
}

/** What the runtime's own decoder says. */
function expected(bytes: Uint8Array): number {
  try {
    const text = strict.decode(bytes);
    if (text.includes("\0")) return TextScan.illFormed;
    return /[+#]/.test(text) ? TextScan.wildcard : TextScan.plain;
  } catch {
    return TextScan.illFormed;
  }
}

Deno.test("[MQTT-1.5.4-1] the scan agrees with the runtime's decoder on every pair of bytes", () => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const bytes = Uint8Array.of(first, second);
      assert.equal(scan(bytes), expected(bytes), bytes.toHex());
    }
  }
});

Deno.test("[MQTT-1.5.4-1] the scan agrees with the runtime's decoder on long sequences", () => {
  const byte = fc.constantFrom(
    0x61,
    0x23,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc1,
    0xc2,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 6 }), (bytes) => {
      assert.equal(scan(Uint8Array.from(bytes)), expected(Uint8Array.from(bytes)));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("[MQTT-1.5.4-1] every code point is well-formed, every surrogate is not", () => {
  for (let point = 1; point <= 0x10ffff; point += point < 0x3000 ? 1 : 97) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    assert.notEqual(scan(encodeUtf8(String.fromCodePoint(point))), TextScan.illFormed);
  }
  for (const surrogate of ["eda080", "edadbf", "edb080", "edbfbf"]) {
    assert.equal(scan(hex(surrogate)), TextScan.illFormed);
  }
});

Deno.test("[MQTT-1.5.4-2] [MQTT-3.3.2-2] U+0000 and wildcards are found anywhere", () => {
  assert.equal(scan(hex('"a" 00')), TextScan.illFormed);
  assert.equal(scan(hex('"#" 00')), TextScan.illFormed);
  assert.equal(scan(hex('"ä/+"')), TextScan.wildcard);
  assert.equal(scan(hex("")), TextScan.plain);
});

Deno.test("[MQTT-1.5.4-3] strings come back as they were, byte order mark included", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const bytes = encodeUtf8("\ufeff" + text);
      assert.equal(decodeUtf8(bytes, 0, bytes.length), "\ufeff" + text);
    }),
  );
});

Deno.test("[MQTT5 1.5.5] variable byte integers at the borders of table 1-1", () => {
  const borders: [number, string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "8001"],
    [16_383, "ff7f"],
    [16_384, "808001"],
    [2_097_151, "ffff7f"],
    [2_097_152, "80808001"],
    [VARIABLE_BYTE_INTEGER_MAX, "ffffff7f"],
  ];
  for (const [value, digits] of borders) {
    const bytes = new Uint8Array(4);
    const end = writeVariableByteInteger(bytes, 0, value);
    assert.equal(bytes.subarray(0, end).toHex(), digits);
    assert.equal(variableByteIntegerBytes(value), end);
    assert.equal(readVariableByteInteger(bytes, 0, end), value);
    for (let cut = 0; cut < end; cut++) assert.equal(readVariableByteInteger(bytes, 0, cut), INTEGER_INCOMPLETE);
  }
});

Deno.test("[MQTT-1.5.5-1] over-long variable byte integers are invalid", () => {
  for (const digits of ["8000", "ff00", "80808000", "80808080", "8080808001", "ffffffff"]) {
    assert.equal(readVariableByteInteger(hex(digits), 0, digits.length / 2), INTEGER_INVALID);
  }
});
