import assert from "node:assert/strict";
import fc from "fast-check";
import { parseYaml } from "../../src/config/yaml_tree.ts";
import { problemsOf } from "./support.ts";

Deno.test("a YAML bomb is refused unfolded", () => {
  const levels = Array.from({ length: 30 }, (_, level) => `  - &a${level + 1} [${`*a${level}, `.repeat(10)}]`);
  const before = performance.now();
  const problems = problemsOf(`server:\n  - &a0 boom\n${levels.join("\n")}\n`);
  assert.ok(performance.now() - before < 1_000);
  assert.equal(problems[0], 'weir.yaml:2:3: server: expected keys such as "tcp_addr:", found a list');
  assert.match(problems[1], /^weir\.yaml:3:\d+: aliases \(\*a0\) are not used in this configuration$/);
});

Deno.test("a merge key is an unknown key", () => {
  assert.deepEqual(problemsOf("log:\n  <<: { level: debug }\n"), ["weir.yaml:2:3: log.<<: unknown key"]);
});

for (
  const [what, text] of Object.entries({
    lists: "[".repeat(100_000),
    maps: "a: {".repeat(50_000),
    dashes: "- ".repeat(100_000),
  })
) {
  Deno.test(`${what} nested too deeply are refused in one line`, () => {
    const problems = problemsOf(text);
    assert.equal(problems.length, 1);
    assert.match(problems[0], /^weir\.yaml:1:\d+: expected a few levels, found lists or maps nested too deeply$/);
  });
}

Deno.test("what is no text is refused", () => {
  const expected = ["weir.yaml: expected YAML in UTF-8, found bytes that are no text"];
  for (const bytes of [[0xff, 0xfe, 0x61, 0x00], [0x7f, 0x45, 0x4c, 0x46, 0x02, 0x00], [0xc3, 0x28]]) {
    assert.deepEqual(problemsOf(new Uint8Array(bytes)), expected);
  }
});

Deno.test("a file beyond 1 MiB is refused unread", () => {
  const problems = problemsOf(new Uint8Array(1024 ** 2 + 1));
  assert.deepEqual(problems, ["weir.yaml: expected at most 1MiB of YAML, found more"]);
});

Deno.test("a byte order mark and Windows line ends are fine", () => {
  const { root, problems } = parseYaml(new TextEncoder().encode("\ufefflog:\r\n  level: info\r\n"), "weir.yaml");
  assert.deepEqual(problems, []);
  assert.equal(root?.kind, "map");
});

Deno.test("__proto__ is an unknown key like any other", () => {
  assert.deepEqual(problemsOf("__proto__: { x: 1 }\n"), ["weir.yaml:1:1: __proto__: unknown key"]);
  assert.deepEqual(
    problemsOf("server: { listeners: [{ __proto__: 1, constructor: 2, name: b, addr: 'localhost:1' }] }").length,
    2,
  );
});

Deno.test("whatever the bytes, there is a configuration or a list of problems", () => {
  const words = [
    "server",
    "log",
    ":",
    " ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "|",
    ">",
    "&a",
    "*a",
    "!t",
    "---",
    "#",
    "tcp_addr",
  ];
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void problemsOf(bytes)), { numRuns: 200 });
  const text = fc.array(fc.constantFrom(...words), { maxLength: 24 }).map((parts) => parts.join(""));
  fc.assert(fc.property(text, (text) => void problemsOf(text)), { numRuns: 500 });
});
