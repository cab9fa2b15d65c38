import assert from "node:assert/strict";
import fc from "fast-check";
import { BoundedMap } from "../../src/core/bounded_map.ts";

const anyStep = fc.record({ what: fc.constantFrom("set", "set", "set", "delete"), key: fc.nat(12) });

Deno.test("the entry that was set longest ago makes room, whatever was set again or deleted before", () => {
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 200, size: "max" }), (steps) => {
    const map = new BoundedMap<number, number>(5);
    let model: [number, number][] = [];
    for (const [value, { what, key }] of steps.entries()) {
      model = model.filter(([each]) => each !== key);
      if (what === "delete") map.delete(key);
      else {
        map.set(key, value);
        model = [...model, [key, value] as [number, number]].slice(-5);
      }
      assert.deepEqual([...map], model);
    }
  }));
});

Deno.test("a full map goes on as fast as one that fills, and is cleared as any other", () => {
  const map = new BoundedMap<number, number>(20_000);
  for (let key = 0; key < 500_000; key++) map.set(key, key);
  assert.deepEqual([map.size, map.keys().next().value], [20_000, 480_000]);
  map.clear();
  for (let key = 0; key < 20_001; key++) map.set(key, key);
  assert.deepEqual([map.size, map.has(0), map.has(1)], [20_000, false, true]);
});
