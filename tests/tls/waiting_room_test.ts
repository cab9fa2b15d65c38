import assert from "node:assert/strict";
import { WaitingRoom } from "../../src/transport/waiting_room.ts";

Deno.test("waiting room: above the bound the oldest of the address that has most goes, and once", () => {
  const room = new WaitingRoom<number>(4);
  assert.equal(room.add("calm", 1), undefined);
  for (const entrant of [2, 3, 4]) assert.equal(room.add("busy", entrant), undefined);
  assert.deepEqual([room.add("busy", 5), room.add("other", 6)], [2, 3]);
  assert.deepEqual([room.delete("busy", 2), room.delete("calm", 1), room.delete("calm", 1)], [false, true, false]);
  assert.equal(room.add("third", 7), undefined, "there is room again");
  assert.equal(room.add("third", 8), 4, "of those that have as many the one that came first");
});
