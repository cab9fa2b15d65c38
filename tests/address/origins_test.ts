import assert from "node:assert/strict";
import { isOriginPattern, Origins } from "../../src/address/origins.ts";

const ROWS: readonly [patterns: string[], origin: string, isAmong: boolean][] = [
  [["https://example.com"], "https://example.com", true],
  [["https://example.com"], "https://example.com:443", true],
  [["https://example.com"], "https://EXAMPLE.com", true],
  [["https://example.com"], "http://example.com", false],
  [["https://example.com"], "https://example.com:8443", false],
  [["https://example.com:8443"], "https://example.com:8443", true],
  [["example.com"], "http://example.com:8080", true],
  [["example.com:8080"], "http://example.com:8080", true],
  [["example.com:8080"], "http://example.com", false],
  [["example.com"], "https://a.example.com", false],
  [["*.example.com"], "https://a.b.example.com", true],
  [["*.example.com"], "https://example.com", true],
  [["*.example.com"], "https://badexample.com", false],
  [["[::1]:3000"], "http://[::1]:3000", true],
  [["a.example", "b.example"], "https://b.example", true],
  [["*"], "null", true],
  [["example.com"], "null", false],
  [["example.com"], "https://example.com/path", false],
  [["example.com"], "https://user@example.com", false],
  [["example.com"], "ftp://example.com", false],
  [[], "https://example.com", false],
];

for (const [patterns, origin, isAmong] of ROWS) {
  Deno.test(`${origin} is ${isAmong ? "" : "not "}among ${JSON.stringify(patterns)}`, () => {
    assert.equal(new Origins(patterns).has(origin), isAmong);
  });
}

Deno.test("what is no origin is refused", () => {
  for (
    const text of ["", "https://", "https://a.example/", "ftp://a.example", "a.example:70000", "*.", "a b", "http://*"]
  ) {
    assert.ok(!isOriginPattern(text), text);
    assert.throws(() => new Origins([text]), /^RangeError: Cannot allow the origin ".*": expected /);
  }
});
