import assert from "node:assert/strict";
import fc from "fast-check";
import { parseYaml } from "../../src/config/yaml_tree.ts";
import { processorMs } from "../support/processor_time.ts";
import { problemsOf } from "./support.ts";

Deno.test("a YAML bomb is refused unfolded", async () => {
  const levels = Array.from({ length: 30 }, (_, level) => `  - &a${level + 1} [${`*a${level}, `.repeat(10)}]`);
  let problems: string[] = [];
  const ms = await processorMs(() => problems = problemsOf(`server:\n  - &a0 boom\n${levels.join("\n")}\n`));
  assert.ok(ms < 1_000, `${ms} ms`);
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

Deno.test("indentation gone wrong is told where, in the form of all the others", () => {
  assert.deepEqual(problemsOf("server:\n   tcp_addr: ':1'\n  tcp_nodelay: true\n")[0].slice(0, 14), "weir.yaml:3:1:");
  assert.match(
    problemsOf("log:\n  level: info\n   format: json\n")[0],
    /^weir\.yaml:2:\d+: expected one key and its value/,
  );
  assert.deepEqual(problemsOf("log:\n\tlevel: info\n")[0], "weir.yaml:2:1: indent with spaces, not with tabs");
});

Deno.test("fifty thousand unknown keys are told in time that grows with them and in a few lines", async () => {
  const textOf = (count: number) => Array.from({ length: count }, (_, index) => `sever${index}: 1`).join("\n");
  const parse = (count: number) => parseYaml(new TextEncoder().encode(textOf(count)), "weir.yaml");
  const few = await processorMs(() => Array.from({ length: 10 }, () => parse(5_000)));
  const many = await processorMs(() => parse(50_000));
  assert.ok(many < few * 5, `${many} ms against ${few} ms: ten times as much when each key is compared with each`);
  const lines = problemsOf(textOf(50_000));
  assert.equal(lines.length, 21);
  assert.match(lines[0], /^weir\.yaml:1:1: sever0: unknown key; did you mean "server"\?$/);
  assert.equal(lines[20], "and 49980 more");
});

Deno.test("a key that comes twice is refused, wherever it stands", () => {
  assert.deepEqual(problemsOf("log: { level: info, level: debug }\n"), [
    "weir.yaml:1:21: the key is already there: each key once",
  ]);
});

Deno.test("a key that would turn the line around is shown as what it is", () => {
  assert.deepEqual(problemsOf('"a\\u202eb\\u001b[2J": 1\n'), ["weir.yaml:1:1: a\\u{202e}b\\u{1b}[2J: unknown key"]);
  assert.ok(problemsOf(`${"k".repeat(1000)}: 1\n`)[0].length < 400);
});

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
