import assert from "node:assert/strict";
import fc from "fast-check";
import { type Deadline, Deadlines } from "../../src/core/deadlines.ts";

const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), at: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("cancel" as const), nth: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), after: fc.nat(12) }) },
);

Deno.test("what falls due comes in the order of time, what is cancelled never, as in a sorted list", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 300 }), (steps) => {
      const deadlines = new Deadlines<number>();
      const all: Deadline<number>[] = [];
      const live = new Set<Deadline<number>>();
      let now = 0;
      for (const step of steps) {
        if (step.kind === "add") {
          const deadline = deadlines.add(now + step.at, all.length);
          all.push(deadline);
          live.add(deadline);
        } else if (step.kind === "cancel" && all.length > 0) {
          const deadline = all[step.nth % all.length];
          deadlines.cancel(deadline); // one that is over, too
          live.delete(deadline);
        } else if (step.kind === "take") {
          now += step.after;
          takeAll(deadlines, { all, live, now });
        }
        const next = Math.min(...[...live].map(({ at }) => at));
        assert.ok(deadlines.next <= next, "something live would be missed");
        assert.ok(deadlines.size >= live.size);
      }
      takeAll(deadlines, { all, live, now: Infinity });
      assert.equal(deadlines.next, Infinity);
      assert.equal(deadlines.size, 0);
    }),
    { numRuns: 300 },
  );
});

function takeAll(
  deadlines: Deadlines<number>,
  model: { all: readonly Deadline<number>[]; live: Set<Deadline<number>>; now: number },
): void {
  const due = [...model.live].filter(({ at }) => at <= model.now).sort((a, b) => a.at - b.at);
  for (const expected of due) {
    const item = deadlines.take(model.now);
    assert.notEqual(item, undefined, "something due was not taken");
    const taken = model.all[item!];
    assert.equal(taken.at, expected.at);
    assert.ok(model.live.delete(taken), "it was cancelled or taken before");
    assert.ok(taken.isOver);
  }
  assert.equal(deadlines.take(model.now), undefined);
}

Deno.test("a storm of cancelled deadlines does not fill the heap", () => {
  const deadlines = new Deadlines<number>();
  const kept = deadlines.add(5_000, -1);
  for (let i = 0; i < 100_000; i++) deadlines.cancel(deadlines.add(10_000 + i, i));
  assert.ok(deadlines.size <= 200, `${deadlines.size} are held for one that is live`);
  assert.equal(deadlines.take(4_999), undefined);
  assert.equal(deadlines.take(5_000), -1);
  assert.ok(kept.isOver);
});

Deno.test("to cancel twice, or too late, does nothing", () => {
  const deadlines = new Deadlines<string>();
  const first = deadlines.add(1, "first");
  assert.equal(deadlines.take(1), "first");
  deadlines.cancel(first);
  const second = deadlines.add(2, "second");
  deadlines.cancel(second);
  deadlines.cancel(second);
  deadlines.add(3, "third");
  assert.equal(deadlines.take(2), undefined);
  assert.equal(deadlines.take(3), "third");
  assert.equal(deadlines.size, 0);
});
