/** The header of the PROXY protocol by itself: at its bounds, in pieces, and cut at every byte. */
import assert from "node:assert/strict";
import { HEADER_BYTES_MAX, readProxyHeader } from "../../src/transport/proxy/proxy_header.ts";
import { HEADERS, REFUSED } from "./headers.ts";

for (const [what, [header, address]] of Object.entries(HEADERS)) {
  Deno.test(`PROXY header: ${what} is read when its last byte has come, and nothing behind it`, () => {
    assert.ok(header.length <= HEADER_BYTES_MAX);
    for (let end = 0; end < header.length; end++) {
      assert.equal(readProxyHeader(header.subarray(0, end)), undefined, `${end} of ${header.length} bytes`);
    }
    for (const behind of [[], [0x10], [0x0a, 0x0d, 0x0a]]) {
      const read = readProxyHeader(Uint8Array.from([...header, ...behind]));
      assert.deepEqual([read?.bytes, read?.source?.address], [header.length, address]);
    }
  });
}

for (const [what, header] of Object.entries(REFUSED)) {
  Deno.test(`PROXY header: ${what} is refused, and from then on however much comes`, () => {
    const isRefused = (bytes: Uint8Array) => {
      try {
        readProxyHeader(bytes);
        return false;
      } catch (error) {
        assert.ok(error instanceof RangeError, `${error}`);
        return true;
      }
    };
    const first = Array.from({ length: header.length + 1 }, (_, end) => end)
      .find((end) => isRefused(header.subarray(0, end)));
    assert.notEqual(first, undefined);
    for (let end = first!; end <= header.length; end++) assert.ok(isRefused(header.subarray(0, end)), `${end} bytes`);
  });
}

Deno.test("PROXY header: the ports are told", () => {
  const ports = ["a line for IPv4", "version 2 for IPv4"].map((name) =>
    readProxyHeader(HEADERS[name][0])?.source?.port
  );
  assert.deepEqual(ports, [40_000, 40_000]);
});

Deno.test("PROXY header: garbage is refused or waited for, and never more than a header is", () => {
  const bytes = new Uint8Array(HEADER_BYTES_MAX);
  for (let round = 0; round < 2_000; round++) {
    crypto.getRandomValues(bytes.subarray(0, 64));
    if (round % 2 === 0) bytes.set(HEADERS["version 2 for IPv4"][0].subarray(0, round % 16));
    try {
      const header = readProxyHeader(bytes);
      assert.ok(header !== undefined && header.bytes <= HEADER_BYTES_MAX);
    } catch (error) {
      assert.ok(error instanceof RangeError, `${error}`);
    }
  }
});
