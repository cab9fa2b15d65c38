import assert from "node:assert/strict";
import fc from "fast-check";
import { SettledRanges } from "../../../src/core/queue/settled_ranges.ts";

Deno.test("ranges join what touches and keep apart what does not", () => {
  const ranges = new SettledRanges();
  ranges.add(5, 6);
  ranges.add(9, 10);
  assert.deepEqual(ranges.toArray(), [5, 6, 9, 10]);
  ranges.add(6, 7);
  assert.deepEqual(ranges.toArray(), [5, 7, 9, 10]);
  ranges.add(7, 9);
  assert.deepEqual(ranges.toArray(), [5, 10]);
  ranges.add(1, 2);
  assert.deepEqual(ranges.toArray(), [1, 2, 5, 10]);
  ranges.add(0, 20);
  assert.deepEqual(ranges.toArray(), [0, 20]);
});

Deno.test("ranges answer like a set of offsets, whatever is added and dropped", () => {
  const range = fc.tuple(fc.nat(60), fc.nat(6)).map(([from, length]) => ({ from, to: from + length, drop: 0 }));
  const drop = fc.nat(60).map((below) => ({ from: 0, to: 0, drop: below }));
  fc.assert(fc.property(fc.array(fc.oneof({ weight: 6, arbitrary: range }, drop), { maxLength: 40 }), (steps) => {
    let ranges = new SettledRanges();
    const offsets = new Set<number>();
    for (const { from, to, drop } of steps) {
      if (drop > 0) {
        ranges.dropBelow(drop);
        for (const offset of [...offsets]) if (offset < drop) offsets.delete(offset);
      } else {
        ranges.add(from, to);
        for (let offset = from; offset < to; offset++) offsets.add(offset);
      }
      ranges = new SettledRanges(ranges.toArray());
      for (let offset = 0; offset < 70; offset++) assert.equal(ranges.has(offset), offsets.has(offset), `${offset}`);
      assert.equal(ranges.end, offsets.size === 0 ? 0 : Math.max(...offsets) + 1);
      assertApart(ranges.toArray());
    }
  }));
});

function assertApart(bounds: readonly number[]): void {
  for (let i = 1; i < bounds.length; i++) assert.ok(bounds[i - 1] < bounds[i], `${bounds}`);
}
