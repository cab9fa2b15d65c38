import assert from "node:assert/strict";
import { findCommand, requires } from "./skip.ts";

const test: Deno.TestDefinition = { name: "a test", fn() {} };

Deno.test("a program is found by any of its names, and one that is not installed is not", () => {
  assert.match(findCommand("no-such-program", "sh") ?? "", /\/sh$/);
  assert.equal(findCommand("no-such-program"), undefined);
});

Deno.test("a test runs where its programs are and is skipped with the reason where one is missing", () => {
  assert.equal(requires(["sh", "no-such-program|sh"], test), test);
  const skipped = requires(["sh", "no-such-program|nor-this", "nor-that"], test);
  assert.equal(skipped.ignore, true);
  assert.equal(skipped.name, "a test (skipped: no-such-program or nor-this, nor-that not installed)");
});

Deno.test("a folder of the path that cannot be looked into is passed over", () => {
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `/${"x".repeat(300)}:${path}`);
  try {
    assert.match(findCommand("sh") ?? "", /\/sh$/);
  } finally {
    Deno.env.set("PATH", path);
  }
});
