import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, encode } from "../../src/bridge/coap/codec.ts";
import { type CoapMessage, MessageType, uintBytes, uintOf } from "../../src/bridge/coap/message.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** Each breaks one rule of RFC 7252 section 3; of the confirmable ones the id is still known. */
const MALFORMED: Readonly<Record<string, string>> = {
  "a token of nine bytes": "49 01 00 07 000000000000000000",
  "a token that ends behind the datagram": "44 01 00 07 0102",
  "an Empty message with a token": "41 00 00 07 01",
  "an Empty message with a payload": "40 00 00 07 ff 01",
  "an option that ends behind the datagram": "40 01 00 07 b5 7473",
  "an option of the reserved delta 15": "40 01 00 07 f0",
  "an option of the reserved length 15": "40 01 00 07 bf",
  "an option whose extended delta is missing": "40 01 00 07 d0",
  "an option whose extended length is missing": "40 01 00 07 be 00",
  "an option number beyond 65535": "40 01 00 07 e0 ffff",
  "a payload marker before nothing": "40 01 00 07 ff",
};

for (const [what, hex] of Object.entries(MALFORMED)) {
  Deno.test(`CoAP: ${what} is malformed`, () => {
    assert.deepEqual(decode(bytes(hex)), { kind: "malformed", type: MessageType.confirmable, messageId: 7 });
  });
}

Deno.test("CoAP: a message of 257 options is malformed, one of 256 is not", () => {
  const header = bytes("40 01 00 07");
  assert.equal(decode(Uint8Array.of(...header, ...new Uint8Array(257).fill(0))).kind, "malformed");
  assert.equal(decode(Uint8Array.of(...header, ...new Uint8Array(256).fill(0))).kind, "message");
});

Deno.test("CoAP: another version and what is shorter than a header are ignored (RFC 7252 section 3)", () => {
  for (const hex of ["", "40", "40 01 00", "00 01 00 07", "80 01 00 07", "c0 01 00 07"]) {
    assert.deepEqual(decode(bytes(hex)), { kind: "ignored" }, hex);
  }
});

Deno.test("CoAP: the example of RFC 7252 appendix A is read", () => {
  const decoded = decode(bytes("41 01 7d34 20 bb 74656d7065726174757265"));
  assert.ok(decoded.kind === "message");
  const { message } = decoded;
  assert.deepEqual([message.type, message.code, message.messageId], [MessageType.confirmable, 1, 0x7d34]);
  assert.deepEqual([...message.token], [0x20]);
  assert.deepEqual(message.options.map(({ number, value }) => [number, new TextDecoder().decode(value)]), [
    [11, "temperature"],
  ]);
});

const option = fc.record({
  number: fc.integer({ min: 0, max: 0xffff }),
  value: fc.uint8Array({ maxLength: 300 }),
});

const message: fc.Arbitrary<CoapMessage> = fc.record({
  type: fc.constantFrom(0, 1, 2, 3),
  code: fc.integer({ min: 1, max: 255 }),
  messageId: fc.integer({ min: 0, max: 0xffff }),
  token: fc.uint8Array({ maxLength: 8 }),
  options: fc.array(option, { maxLength: 20 }).map((list) => list.toSorted((a, b) => a.number - b.number)),
  payload: fc.uint8Array({ maxLength: 1500 }),
});

Deno.test("CoAP: what is encoded comes back, whatever the bytes", () => {
  fc.assert(fc.property(message, (message) => {
    const decoded = decode(encode(message));
    assert.ok(decoded.kind === "message");
    assert.deepEqual(plain(decoded.message), plain(message));
  }));
});

Deno.test("CoAP: every prefix of a message is read or refused, and nothing is thrown", () => {
  fc.assert(fc.property(message, fc.nat(), (message, cut) => {
    const whole = encode(message);
    decode(whole.subarray(0, cut % whole.length));
  }));
});

Deno.test("CoAP: garbage is read or refused, and what is read can be written again", () => {
  const garbage = fc.uint8Array({ maxLength: 80 }).map((bytes) => {
    if (bytes.length > 0) bytes[0] = bytes[0] & 0x3f | 0x40; // of the right version, or it would be ignored
    return bytes;
  });
  fc.assert(
    fc.property(garbage, (bytes) => {
      const decoded = decode(bytes);
      if (decoded.kind !== "message" || decoded.message.code === 0) return;
      const again = decode(encode(decoded.message));
      assert.ok(again.kind === "message");
      assert.deepEqual(plain(again.message), plain(decoded.message));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("CoAP: integers have no leading zeros when written, and may have when read", () => {
  assert.deepEqual([0, 1, 255, 256, 0xffffff, 0xffffffff].map((value) => uintBytes(value).toHex()), [
    "",
    "01",
    "ff",
    "0100",
    "ffffff",
    "ffffffff",
  ]);
  assert.deepEqual(["", "00", "0001", "ffffffff"].map((hex) => uintOf(bytes(hex))), [0, 0, 1, 0xffffffff]);
});

function plain(message: CoapMessage) {
  return {
    ...message,
    token: [...message.token],
    options: message.options.map(({ number, value }) => [number, ...value]),
    payload: [...message.payload],
  };
}
