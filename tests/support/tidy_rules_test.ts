/** Shows each rule of the tidy test a breach that it must see and a neighbour that it must let pass. */

import assert from "node:assert/strict";
import { parseSource } from "./source_code.ts";
import {
  type Budget,
  cycleProblems,
  exportProblems,
  fileProblems,
  functionProblems,
  giantProblems,
  habitProblems,
  importProblems,
  nameProblems,
  purityProblems,
  textProblems,
  walkProblems,
} from "./tidy_rules.ts";

const BUDGET: Budget = {
  fileLinesMedian: 3,
  fileLinesMax: 5,
  functionLinesMedian: 2,
  functionLinesLong: 4,
  functionsLongShareMax: 0.5,
  functionLinesMax: 4,
  parametersMax: 3,
};

Deno.test("an import outside the table is refused, with every way to write one", () => {
  const file = parseSource(
    "src/core/a.ts",
    [
      `import { b } from "./b.ts";`,
      `import type { C } from "../server/c.ts";`,
      `export { d } from "../wire/d.ts";`,
      `import fs from "node:fs";`,
      `type E = import("npm:e").E;`,
      `const f = () => import(name);`,
    ].join("\n"),
  );
  assert.deepEqual(importProblems([file], { core: { folders: ["wire"], packages: [] } }), [
    "src/core/a.ts:2: core imports src/server/c.ts, it may import core, wire",
    "src/core/a.ts:4: core imports node:fs, it may import nothing",
    "src/core/a.ts:5: core imports npm:e, it may import nothing",
    "src/core/a.ts:6: core imports (computed) name, it may import nothing",
  ]);
  assert.deepEqual(importProblems([parseSource("src/new/a.ts", `import "../core/a.ts"`)], {}), [
    "src/new/a.ts:1: new imports src/core/a.ts, it may import new",
  ]);
});

Deno.test("a value that is exported has to be imported, by any way to write it", () => {
  const file = parseSource(
    "src/a.ts",
    "export const a = 1, b = 2;\nexport function c() {}\nexport class D {}\nexport type E = 1;",
  );
  const unused = (text: string) => exportProblems([file], [parseSource("src/b.ts", text)]);
  assert.deepEqual(unused(`import { a, c as d, type D } from "./a.ts";`), ["src/a.ts:1: nobody imports b"]);
  assert.deepEqual(unused(`export { a, b, c } from "./a.ts";`), ["src/a.ts:3: nobody imports D"]);
  for (const all of [`import * as a from "./a.ts"`, `export * from "./a.ts"`, `const a = await import("./a.ts")`]) {
    assert.deepEqual(unused(all), []);
  }
  assert.equal(unused(`import { a, b, c, D } from "./c.ts";`).length, 4);
});

Deno.test("a cycle is told once, with the line of each step", () => {
  const files = [
    parseSource("src/a.ts", `import "./b.ts";\nimport "./d.ts";`),
    parseSource("src/b.ts", `\nimport type { C } from "./c.ts";`),
    parseSource("src/c.ts", `import "./b.ts";\nimport "./d.ts";`),
    parseSource("src/d.ts", ``),
  ];
  assert.deepEqual(cycleProblems(files, { types: true }), ["src/b.ts:2 -> src/c.ts:1 -> src/b.ts (types only)"]);
  assert.deepEqual(cycleProblems(files, { types: false }), []);
  files[1] = parseSource("src/b.ts", `import { type D, C } from "./c.ts";`);
  assert.deepEqual(cycleProblems(files, { types: false }), ["src/b.ts:1 -> src/c.ts:1 -> src/b.ts"]);
});

Deno.test("the outside is seen as a value and not as a member, a comment or a text", () => {
  const file = parseSource(
    "src/core/a.ts",
    [
      `/** {@link Deno} Deno.cwd() */`,
      `const queue = { fetch: 1, console() {} }; queue.fetch; "Deno";`,
      `Date.now(); new Date(); new Date(0); Date.parse("");`,
      `async function wait() { await 0; for await (const x of []) x; }`,
      `fetch("x"); globalThis.x; const { now } = { now: setTimeout };`,
    ].join("\n"),
  );
  const names = new Set(["Deno", "fetch", "console", "globalThis", "setTimeout", "Date.now", "new Date()"]);
  const said = purityProblems([file], { core: new Set([...names, "async", "await"]) });
  assert.deepEqual(said.map((problem) => problem.replace(/;.*/, "")), [
    "src/core/a.ts:3: core says Date.now",
    "src/core/a.ts:3: core says new Date()",
    "src/core/a.ts:4: core says async",
    "src/core/a.ts:4: core says await",
    "src/core/a.ts:4: core says await",
    "src/core/a.ts:5: core says fetch",
    "src/core/a.ts:5: core says globalThis",
    "src/core/a.ts:5: core says setTimeout",
  ]);
  assert.deepEqual(purityProblems([parseSource("src/server/a.ts", "Deno.cwd()")], { core: names }), []);
});

Deno.test("the lines of files are counted, by the median and one by one", () => {
  const long = parseSource("src/long.ts", "1;\n".repeat(6));
  const short = parseSource("src/short.ts", "1;\n2;");
  assert.deepEqual(fileProblems([long, short], BUDGET, {}), [
    "src: the median file has 4 lines, budget 3",
    "src/long.ts:6: the file has 6 lines, budget 5",
  ]);
  assert.deepEqual(fileProblems([long, short, short], BUDGET, { "src/long.ts": { lines: 6, reason: "" } }), []);
});

Deno.test("the lines and parameters of functions are counted, those of a callback for itself too", () => {
  const file = parseSource(
    "src/a.ts",
    [
      `class A {`,
      `  /** Documentation does not count. */`,
      `  long(a: 1, b: 2, c: 3, d: 4) {`,
      `    1;`,
      `    2;`,
      `    3;`,
      `  }`,
      `}`,
      `const b = (...rest: 1[]) => 1;`,
      `[].map((x) => {`,
      `  return { x,`,
      `    y: 1,`,
      `    z: 1,`,
      `  }; });`,
    ].join("\n"),
  );
  assert.deepEqual(functionProblems([file], BUDGET, {}), [
    "src: the median function has 3 lines, budget 2",
    "src/a.ts:3: A.long has 5 lines, budget 4",
    "src/a.ts:3: A.long takes 4 parameters, budget 3",
    "src/a.ts:10: (callback) has 5 lines, budget 4",
  ]);
  assert.deepEqual(functionProblems([file], { ...BUDGET, functionLinesMedian: 9, functionsLongShareMax: 0.4 }, {}), [
    "src: 1 of 2 functions (50.0%) have 4 lines or more, budget 40.0%",
    "src/a.ts:3: A.long has 5 lines",
    "src/a.ts:3: A.long has 5 lines, budget 4",
    "src/a.ts:3: A.long takes 4 parameters, budget 3",
    "src/a.ts:10: (callback) has 5 lines, budget 4",
  ]);
});

Deno.test("a giant that shrank, fits or is gone leaves the list", () => {
  const file = parseSource("src/a.ts", "function f(a, b, c, d) {\n1;\n2;\n3;\n}\nfunction g() {}\n");
  const giants = {
    "src/a.ts": { lines: 9, reason: "" },
    "src/a.ts#f": { lines: 5, parameters: 4, reason: "" },
    "src/a.ts#g": { lines: 5, reason: "" },
    "src/b.ts": { lines: 9, reason: "" },
  };
  assert.deepEqual(giantProblems([file], BUDGET, giants), [
    "src/a.ts: lines 6, listed with 9, budget 5: lower its entry to 6",
    "src/a.ts#g: lines 1, listed with 5, budget 4: take it off the list",
    "src/b.ts: listed as a giant and not there",
  ]);
  assert.deepEqual(functionProblems([file], { ...BUDGET, functionLinesMedian: 9 }, giants), []);
});

Deno.test("names, hidden members and constant functions are seen", () => {
  assert.deepEqual(
    nameProblems(["src/core/topic_trie.ts", "tests/x.d.ts", "src/Core/a.ts", "src/a-b.ts", "src/aB.ts"]),
    [
      "src/Core/a.ts:1: the name is not snake_case",
      "src/a-b.ts:1: the name is not snake_case",
      "src/aB.ts:1: the name is not snake_case",
    ],
  );
  const file = parseSource(
    "src/a.ts",
    "class A {\n#a = 1;\nprivate b = 1;\nprivate constructor() {}\n}\nconst f = () => 1;\nconst g = [() => 1];",
  );
  assert.deepEqual(habitProblems([file]), [
    `src/a.ts:3: private in "private b = 1;", use #name`,
    "src/a.ts:6: the constant f is a function, declare it so",
  ]);
  assert.deepEqual(textProblems([{ path: "a.ts", text: "1\nlater" }], [{ pattern: /late/, rule: "now" }]), [
    `a.ts:2: "late": now`,
  ]);
});

Deno.test("the walk names files by their path, beside one another and alone", () => {
  const lines = [
    "a/1.ts and 2.ts",
    ...[3, 4, 5, 6, 7, 8, 9].map((n) => `${n} a/${n}.ts`),
    "a/10.ts (11.ts) b/12.ts (13.ts)",
  ];
  const text = `# Page\n\`\`\`\nother/x.ts\n\`\`\`\n## The walk of one PUBLISH\n\nIt goes so:\n\n\`\`\`text\n${
    lines.join("\n")
  }\n\`\`\`\n`;
  const paths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((n) => `src/a/${n}.ts`);
  assert.deepEqual(walkProblems({ path: "page.md", text }, paths), [
    "page.md:18: the walk names b/12.ts, which does not exist",
    "page.md:18: the walk names b/13.ts, which does not exist",
  ]);
  assert.deepEqual(walkProblems({ path: "page.md", text: "" }, paths), ["page.md:1: the page is missing"]);
  assert.deepEqual(walkProblems({ path: "page.md", text: "## The walk of one PUBLISH\n```\na/1.ts\n```" }, paths), [
    "page.md:3: the walk names 1 files, expected 10 or more",
  ]);
  assert.match(walkProblems({ path: "page.md", text: "# Page" }, paths)[0] ?? "", /no code block/);
});
