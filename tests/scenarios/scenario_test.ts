import assert from "node:assert/strict";
import { playScenario, readScenario, scenarioNames } from "./runner.ts";

for (const name of scenarioNames()) {
  Deno.test(`scenario: ${name.replaceAll("_", " ")}`, async () => {
    const written = readScenario(name);
    assert.equal(await playScenario(written), written);
    assert.ok(written.includes("->"), "a scenario without a transcript shows nothing");
  });
}
