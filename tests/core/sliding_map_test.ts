import assert from "node:assert/strict";
import fc from "fast-check";
import { SlidingMap } from "../../src/core/sliding_map.ts";

function sorted(values: Iterable<number>): number[] {
  return [...values].sort((a, b) => a - b);
}

Deno.test("a sliding map is a map, whatever its keys", () => {
  const anyKey = fc.oneof(fc.nat(40), fc.nat(10_000), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 20 }));
  const anyStep = fc.tuple(fc.constantFrom("set", "set", "set", "delete", "clear"), anyKey, fc.nat());
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
      const map = new SlidingMap<number>();
      const model = new Map<number, number>();
      for (const [kind, key, value] of steps) {
        if (kind === "set") {
          map.set(key, value);
          model.set(key, value);
        } else if (kind === "delete") {
          assert.equal(map.delete(key), model.delete(key));
        } else if (value % 10 === 0) {
          map.clear();
          model.clear();
        }
        assert.deepEqual([map.size, map.get(key), map.has(key)], [model.size, model.get(key), model.has(key)]);
      }
      for (const [key, value] of model) assert.equal(map.get(key), value);
      assert.deepEqual(sorted(map.values()), sorted(model.values()));
    }),
    { numRuns: 500 },
  );
});

Deno.test("what stays is found while a million others come and go", () => {
  const map = new SlidingMap<string>();
  map.set(5, "stays");
  for (let key = 6; key < 1_000_000; key++) {
    map.set(key, "goes");
    if (key > 20) assert.ok(map.delete(key - 10));
  }
  assert.equal(map.get(5), "stays");
  assert.equal(map.size, 16); // with 6 to 10, which nobody deleted, and the last ten
});

Deno.test("more than the ring has places are kept", () => {
  const map = new SlidingMap<number>();
  for (let key = 0; key < 200_000; key++) map.set(key, -key);
  assert.equal(map.size, 200_000);
  for (let key = 0; key < 200_000; key += 997) assert.equal(map.get(key), -key);
  for (let key = 0; key < 200_000; key++) assert.ok(map.delete(key));
  assert.equal(map.size, 0);
});
