import assert from "node:assert/strict";
import fc from "fast-check";
import type { StoredBody, StoredDelivery } from "../../src/core/mutation.ts";
import { pack, unpack } from "../../src/store/sqlite/packed_page.ts";

const PLAIN = { noNullPrototype: true };
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const bytes = fc.uint8Array({ maxLength: 20 });

const delivery: fc.Arbitrary<StoredDelivery> = fc.record({
  clientId: fc.constant("a client"),
  sequence: id,
  bodyId: id,
  qos,
  retain: fc.boolean(),
  isReplay: fc.boolean(),
  subscriptionIds: fc.constantFrom(null, [1], [1, 2], [12], [268_435_455]),
  shared: fc.constantFrom("", "$share/g/a", "$share/1 /a", "$share/g/ü/#"),
  packetId: fc.integer({ min: 0, max: 65_535 }),
  released: fc.boolean(),
}, PLAIN);

const body: fc.Arbitrary<StoredBody> = fc.record({
  bodyId: id,
  topic: fc.string({ unit: "binary", maxLength: 8 }),
  qos,
  retain: fc.boolean(),
  properties: bytes,
  payload: bytes,
  expiresAt: fc.oneof(
    fc.constant(Infinity),
    fc.integer({ min: 0, max: 2 ** 52 }),
    fc.double({ min: 0, max: 1e15, noNaN: true }),
  ),
}, PLAIN);

Deno.test("a page crosses from the Worker as it was", () => {
  const page = fc.record({ deliveries: fc.array(delivery), bodies: fc.array(body) }, PLAIN);
  fc.assert(fc.property(page, (page) => {
    assert.deepEqual(unpack(structuredClone(pack(page))), page);
  }));
});
