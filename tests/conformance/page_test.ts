/** Holds the conformance page complete, true and up to date. */

import assert from "node:assert/strict";
import { readText } from "../support/source_code.ts";
import { misnamed, PAGE, pageOf, specifications, uncovered, unreasonable } from "./page.ts";
import { literalNames, namedTest } from "./test_names.ts";

const both = await specifications();

for (const specification of both) {
  const { title } = specification;

  Deno.test(`${title}: each statement that binds a server has a test or a reason why it has none`, () => {
    assert.deepEqual(uncovered(specification), []);
  });

  Deno.test(`${title}: each id in the name of a test is one of the specification`, () => {
    assert.deepEqual(misnamed(specification), []);
  });

  Deno.test(`${title}: no reason is given for a statement that has a test or needs none`, () => {
    assert.deepEqual(unreasonable(specification), []);
  });
}

Deno.test("docs/conformance.md is up to date", () => {
  const page = pageOf(both);
  assert.ok(readText(PAGE) === page, `Run deno run -A tests/conformance/page.ts: ${PAGE} is not what it would write`);
});

Deno.test("names of tests are found however they are written, and nothing that is not run", () => {
  const text = [
    `Deno.test("[MQTT-1.5.4-1] one \\"quoted\\"", () => {});`,
    "  Deno.test(`[MQTT-1.5.4-2] two ${qos}`, async () => {});",
    `Deno.test({ name: '[MQTT-1.5.4-3] three', fn() {} });`,
    `Deno.test(\n  "[MQTT-2.1.3-1] four",\n  () => {},\n);`,
    `Deno.test.ignore("[MQTT-2.2.1-2] five", () => {});`,
  ].join("\n");
  assert.deepEqual(literalNames(text), [
    `[MQTT-1.5.4-1] one "quoted"`,
    "[MQTT-1.5.4-2] two ${qos}",
    "[MQTT-1.5.4-3] three",
    "[MQTT-2.1.3-1] four",
  ]);
});

Deno.test("the ids of a name belong to the version that stands before them, and are those in brackets", () => {
  const path = "a_test.ts";
  const read = (name: string) => namedTest(name, [name], path);
  assert.deepEqual(read("v3.1.1 [MQTT-1.5.3-1] [MQTT-2.2.2-1] a ${what} b"), {
    name: "a … b",
    path,
    ids: ["MQTT-1.5.3-1", "MQTT-2.2.2-1"],
    versions: ["3.1.1"],
  });
  assert.deepEqual(read("[MQTT-1.5.4-1, MQTT-1.5.4-2] a (unlike MQTT-1.5.4-3)")?.ids, ["MQTT-1.5.4-1", "MQTT-1.5.4-2"]);
  assert.deepEqual(read("[MQTT-1.5.4-1] a")?.versions, ["5.0"]);
  assert.deepEqual(read("v3.1.1 and v5 [MQTT-6.0.0-1] a")?.versions, ["3.1.1", "5.0"]);
  assert.equal(read("a test of MQTT"), undefined);
  const filled = namedTest("[${id}] a", ["[MQTT-1.5.4-1] a", "[MQTT-1.5.4-2] a"], path);
  assert.deepEqual([filled?.name, filled?.ids], ["a", ["MQTT-1.5.4-1", "MQTT-1.5.4-2"]]);
});
