import assert from "node:assert/strict";
import { KEYS_MAX, MessageKeys } from "../../../src/core/queue/message_keys.ts";

Deno.test("a key is known until it is forgotten, or one too many makes it go; the newest time counts", () => {
  const keys = new MessageKeys();
  keys.note("a", 1);
  keys.note("b", 2);
  keys.note("a", 3);
  assert.ok(keys.has("a", 2) && !keys.has("a", 3));
  assert.ok(keys.forget(3));
  assert.ok(!keys.has("b", 0) && keys.has("a", 0));
  for (let i = 0; i < KEYS_MAX; i++) keys.note(`${i}`, 4);
  assert.ok(!keys.has("a", 0) && keys.has("0", 0));
  assert.equal(keys.size, KEYS_MAX);
});

Deno.test("keys that made room are forgotten in the store too, once they are old, and once", () => {
  const keys = new MessageKeys();
  for (let i = 0; i < KEYS_MAX + 1; i++) keys.note(`${i}`, 10);
  for (let i = 0; i < KEYS_MAX; i++) keys.note(`new ${i}`, 20);
  assert.ok(keys.forget(11), "the store has keys of the time 10, which are not known here any more");
  assert.ok(keys.forget(12), "and others up to 20");
  assert.ok(keys.forget(21));
  assert.equal(keys.size, 0);
  assert.ok(!keys.forget(22));
});
