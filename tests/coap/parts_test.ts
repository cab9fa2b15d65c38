/** The small parts of the CoAP door, each by itself. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BlockAssembly, type BlockAssemblyLimits } from "../../src/bridge/coap/block_assembly.ts";
import { CoapRefusal } from "../../src/bridge/coap/coap_refusal.ts";
import { contentTypeOf, formatOf } from "../../src/bridge/coap/content_format.ts";
import { filterLinks, formatLinks, type Link } from "../../src/bridge/coap/link_format.ts";
import { Code, formatCode, OptionNumber, uintOf } from "../../src/bridge/coap/message.ts";
import { RateLimit } from "../../src/bridge/coap/rate_limit.ts";
import { etagOf, respondWith } from "../../src/bridge/coap/representation.ts";
import { locationOf } from "../../src/bridge/coap/topic_path.ts";

const LIMITS: BlockAssemblyLimits = { bodyBytesMax: 4_096, bytesMax: 8_192, bodiesMax: 100, bodiesPerPeerMax: 3 };

/** What a block is answered with: a whole body, or the code. */
function add(
  assembly: BlockAssembly,
  key: string,
  { number, isLast = false, bytes = 1_024, at = 0, peer = "p" }: {
    number: number;
    isLast?: boolean;
    bytes?: number;
    at?: number;
    peer?: string;
  },
): number | string {
  try {
    const block = { number, hasMore: !isLast, sizeExponent: 6 };
    const answer = assembly.add(key, { block, payload: new Uint8Array(bytes), size: undefined }, { peer, now: at });
    return answer instanceof Uint8Array ? answer.length : formatCode(answer.code);
  } catch (error) {
    if (!(error instanceof CoapRefusal)) throw error;
    return formatCode(error.code);
  }
}

Deno.test("CoAP blocks: a body is put together in its order, and is let go when a block is missing or comes again", () => {
  const assembly = new BlockAssembly(LIMITS);
  assert.equal(add(assembly, "a", { number: 0 }), "2.31");
  assert.equal(add(assembly, "a", { number: 2 }), "4.08");
  assert.equal(add(assembly, "a", { number: 1 }), "2.31", "what was there is still there");
  assert.equal(add(assembly, "a", { number: 1 }), "4.08");
  assert.equal(add(assembly, "a", { number: 2, isLast: true, bytes: 5 }), 2_053);
  assert.deepEqual([assembly.size, assembly.bytes], [0, 0]);
  assert.equal(add(assembly, "a", { number: 0 }), "2.31");
  assert.equal(add(assembly, "a", { number: 0 }), "2.31", "the first block begins anew");
  assert.equal(assembly.bytes, 1_024);
});

Deno.test("CoAP blocks: bodies are bounded in size, in number, in all and in time", () => {
  const assembly = new BlockAssembly(LIMITS);
  for (const number of [0, 1, 2, 3]) assert.equal(add(assembly, "a", { number }), "2.31");
  assert.equal(add(assembly, "a", { number: 4, isLast: true, bytes: 1 }), "4.13");
  assert.equal(assembly.bytes, 0, "it is let go");
  for (const key of ["a", "b", "c", "d"]) add(assembly, key, { number: 0 });
  assert.equal(assembly.size, 3, "of one peer, and the oldest makes room");
  assert.equal(add(assembly, "a", { number: 1 }), "4.08");
  for (let index = 0; index < 5; index++) add(assembly, `p${index}`, { number: 0, peer: `${index}` });
  assert.equal(add(assembly, "z", { number: 0, peer: "z" }), "5.03");
  assert.equal(assembly.bytes, 8_192);
  assert.equal(add(assembly, "z", { number: 0, peer: "z", at: 247_000 }), "2.31", "the old ones are gone");
  assert.deepEqual([assembly.size, assembly.bytes], [1, 1_024]);
});

Deno.test("CoAP blocks: so many bodies and no more, whoever sends them", () => {
  const assembly = new BlockAssembly({ ...LIMITS, bytesMax: Infinity });
  for (let index = 0; index < 500; index++) add(assembly, `${index}`, { number: 0, peer: `${index}` });
  assert.deepEqual([assembly.size, assembly.bytes], [100, 102_400]);
});

Deno.test("CoAP blocks: whatever is asked for, the blocks of a body give the body", () => {
  const sizes = fc.record({
    length: fc.nat(5_000),
    sizeExponent: fc.nat(6),
    format: fc.option(fc.nat(70), { nil: undefined }),
  });
  fc.assert(fc.property(sizes, ({ length, sizeExponent, format }) => {
    const payload = Uint8Array.from({ length }, (_, index) => index * 7);
    const whole: number[] = [];
    for (let number = 0;; number++) {
      const block2 = { number, hasMore: false, sizeExponent };
      const answer = respondWith({ payload, contentFormat: format }, { accept: undefined, etags: [], block2 });
      whole.push(...answer.payload!);
      const block = answer.options!.find(({ number }) => number === OptionNumber.block2)!;
      if ((uintOf(block.value) & 8) === 0) break;
    }
    assert.deepEqual(whole, [...payload]);
  }));
});

Deno.test("CoAP blocks: what is made smaller begins at the same byte, and ends at sixteen bytes", () => {
  const payload = Uint8Array.from({ length: 3_000 }, (_, index) => index);
  const block2 = { number: 1, hasMore: false, sizeExponent: 6 };
  let answer = respondWith({ payload, contentFormat: undefined }, { accept: undefined, etags: [], block2 });
  for (let size = 1_024; size >= 16; size /= 2) {
    assert.deepEqual(answer.payload, payload.subarray(1_024, 1_024 + size));
    const smaller = answer.smaller!();
    if (size === 16) assert.equal(smaller, undefined);
    else answer = smaller!;
  }
});

Deno.test("CoAP: an ETag differs with the content and with its format", () => {
  const payload = new TextEncoder().encode("x");
  const etags = [
    { payload, contentFormat: undefined },
    { payload, contentFormat: 0 },
    { payload: new Uint8Array(0), contentFormat: 0 },
    { payload: new Uint8Array(1), contentFormat: 0 },
  ].map((representation) => etagOf(representation).toHex());
  assert.equal(new Set(etags).size, 4);
});

Deno.test("CoAP: what content format has a number has it from its content type too", () => {
  for (const number of [0, 16, 19, 21, 40, 41, 42, 47, 50, 60, 62, 110, 112, 310, 11_542]) {
    assert.equal(formatOf({ contentType: contentTypeOf(number)! }), number);
  }
  assert.equal(formatOf({ contentType: "Application/JSON" }), 50);
  assert.deepEqual([formatOf({ payloadIsUtf8: true }), formatOf({}), contentTypeOf(1)], [0, undefined, undefined]);
});

Deno.test("CoAP: links are filtered by path, by a word of an attribute and by its beginning (RFC 6690 section 4.1)", () => {
  const links: Link[] = [
    { path: "/a", attributes: { rt: "one two", ct: "40", title: 'say "hi"' } },
    { path: "/b/c", attributes: { rt: "three", obs: "" } },
  ];
  assert.equal(formatLinks(links), '</a>;rt="one two";ct=40;title="say \\"hi\\"",</b/c>;rt="three";obs');
  const found = (...query: [string, string][]) => filterLinks(links, query).map(({ path }) => path);
  assert.deepEqual(found(), ["/a", "/b/c"]);
  assert.deepEqual(found(["rt", "two"]), ["/a"]);
  assert.deepEqual(found(["rt", "t*"]), ["/a", "/b/c"]);
  assert.deepEqual(found(["href", "/b*"]), ["/b/c"]);
  assert.deepEqual(found(["rt", "three"], ["href", "/a"]), []);
  assert.deepEqual(found(["toString", "*"]), []);
});

Deno.test("CoAP rates: an address has two seconds' worth, then as much as comes back, whatever its port", () => {
  const rates = new RateLimit(10);
  const take = (hostname: string, count: number, now: number) => {
    return Array.from({ length: count }, () => rates.take(hostname, now)).filter((each) => each === "granted").length;
  };
  assert.equal(take("192.0.2.1", 100, 0), 20);
  assert.equal(take("192.0.2.2", 100, 0), 20, "another one");
  assert.equal(take("192.0.2.1", 100, 2_000), 0, "it was told, and went on");
  assert.equal(take("192.0.2.1", 100, 5_000), 10);
  assert.equal(take("2001:db8::1", 100, 0), 20);
  assert.equal(take("2001:db8:0:0:ffff::2", 100, 0), 0, "one network");
  assert.equal(take("2001:db8:0:1::1", 100, 0), 20);
  assert.equal(take("::ffff:192.0.2.3", 100, 0), 20);
  assert.equal(take("::ffff:192.0.2.4", 100, 0), 20);
  assert.equal(new RateLimit(Infinity).take("a", 0), "granted");
});

Deno.test("CoAP rates: a wrong login costs more than a request", () => {
  const rates = new RateLimit(100);
  rates.take("192.0.2.1", 0);
  for (let count = 0; count < 20; count++) rates.charge("192.0.2.1");
  assert.equal(rates.take("192.0.2.1", 0), "refused");
});

Deno.test("CoAP: a topic is named by its levels, unless one is longer than a segment may be", () => {
  const parts = locationOf("a//b")!.map(({ number, value }) => [number, new TextDecoder().decode(value)]);
  assert.deepEqual(parts, [[8, "ps"], [8, "a"], [8, ""], [8, "b"]]);
  assert.equal(locationOf("é".repeat(127))?.length, 2);
  assert.equal(locationOf("é".repeat(128)), undefined);
  assert.equal(locationOf(`${"x".repeat(200)}/${"x".repeat(200)}/${"x".repeat(200)}`), undefined);
  assert.equal(formatCode(Code.tooManyRequests), "4.29");
});
