import assert from "node:assert/strict";
import { Memo } from "../../src/core/memo.ts";

Deno.test("a memo begins anew when one more would be too many, and keeps what is set again", () => {
  const memo = new Memo<number>(3).set("a", 1).set("b", 2).set("c", 3);
  assert.deepEqual([...memo.set("b", 4)], [["a", 1], ["b", 4], ["c", 3]]);
  assert.deepEqual([...memo.set("d", 5)], [["d", 5]]);
});

Deno.test("a memo keeps no name of more than 1,024 characters, and nothing makes room for one", () => {
  const memo = new Memo<number>(1).set("a", 1);
  assert.equal(memo.set("x".repeat(1025), 2).has("x".repeat(1025)), false);
  assert.deepEqual([...memo], [["a", 1]]);
  assert.equal(memo.set("x".repeat(1024), 3).get("x".repeat(1024)), 3);
});
