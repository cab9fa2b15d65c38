import assert from "node:assert/strict";
import { Backlog } from "../../src/server/backlog.ts";

Deno.test("peers that take nothing have little each when they are too many, and what has gone counts no more", () => {
  const backlog = new Backlog();
  const MIB = 1024 * 1024;
  for (let i = 0; i < 256; i++) assert.equal(backlog.isTooMuch(MIB, 0), false, "each within its own bound");
  assert.equal(backlog.isTooMuch(64 * 1024, 0), false, "a little may always wait");
  assert.equal(backlog.isTooMuch(64 * 1024 + 1, 0), true);
  assert.equal(backlog.isTooMuch(MIB + 1, MIB), true, "they are the ones that lose");
  for (let i = 0; i < 256; i++) backlog.isTooMuch(0, MIB);
  assert.equal(backlog.isTooMuch(MIB, 0), false);
  assert.equal(backlog.bytes, 2 * 64 * 1024 + 2 + MIB);
});
