import assert from "node:assert/strict";
import { tableLines } from "../../src/cli/table.ts";

Deno.test("a table has as many rows as there are", () => {
  const rows = Array.from({ length: 300_000 }, (_, index) => [`c${index}`]);
  const lines = tableLines([{ heading: "CLIENT" }], rows);
  assert.equal(lines.length, 300_001);
  assert.equal(lines.at(-1), "c299999");
});
