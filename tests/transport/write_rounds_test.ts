import assert from "node:assert/strict";

import { setImmediate } from "node:timers/promises";
import { WriteRounds } from "../../src/transport/write_rounds.ts";

const BYTES = new Uint8Array(1);

/** Writers that keep the order in which they were let. */
function writers(count: number): { begun: number[]; ask(): void } {
  const rounds = new WriteRounds();
  const begun: number[] = [];
  const all = Array.from({ length: count }, (_, index) => ({ writeNow: () => void begun.push(index) }));
  return { begun, ask: () => all.forEach((writer) => rounds.write(writer, BYTES)) };
}

function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, index) => index);
}

Deno.test("a hundred writes are begun at once, the others in the order in which they asked", async () => {
  const { begun, ask } = writers(250);
  ask();
  assert.deepEqual(begun, upTo(100));
  await setImmediate();
  assert.deepEqual(begun, upTo(200));
  await setImmediate();
  assert.deepEqual(begun, upTo(250));
});

Deno.test("writes that nobody takes count for one turn: the others go on", async () => {
  const rounds = new WriteRounds();
  let begun = 0;
  const stuck = { writeNow: () => void begun++ };
  for (let turn = 1; turn <= 5; turn++) {
    for (let i = 0; i < 100; i++) rounds.write(stuck, BYTES);
    await setImmediate();
    assert.deepEqual(begun, turn * 100);
  }
});

Deno.test("a write that is done makes room in the same turn", () => {
  const rounds = new WriteRounds();
  let begun = 0;
  for (let i = 0; i < 1000; i++) {
    rounds.write({ writeNow: () => void begun++ }, BYTES);
    rounds.done();
  }
  assert.deepEqual(begun, 1000);
});

Deno.test("who waits does not overtake: nothing is begun before those that asked first", async () => {
  const rounds = new WriteRounds();
  const begun: string[] = [];
  const writer = (name: string) => ({ writeNow: () => void begun.push(name) });
  for (let i = 0; i < 100; i++) rounds.write(writer("first"), BYTES);
  rounds.write(writer("waits"), BYTES);
  rounds.done();
  rounds.write(writer("late"), BYTES);
  await setImmediate();
  assert.deepEqual(begun.slice(100), ["waits", "late"]);
});
