/** The style, held by a program: who may import whom, what is pure, how long a thing may be, how it is named. */

import assert from "node:assert/strict";
import { listFiles, readSources, readText } from "./support/source_code.ts";
import {
  type Budget,
  cycleProblems,
  exportProblems,
  fileProblems,
  functionProblems,
  type Giant,
  giantProblems,
  habitProblems,
  importProblems,
  type ImportRule,
  nameProblems,
  purityProblems,
  textProblems,
  walkProblems,
} from "./support/tidy_rules.ts";

/** Folder -> what it may import beside itself. What is not listed is forbidden. */
const IMPORT_RULES: Readonly<Record<string, ImportRule>> = {
  core: { folders: [], packages: [] },
  address: { folders: [], packages: ["node:net"] },
  wire: { folders: [], packages: ["mqtt-packet", "node:buffer"] },
  transport: { folders: ["address"] },
  protocol: { folders: ["core", "wire"], packages: [] },
  bridge: { folders: ["address", "config", "core"] },
  store: { folders: ["core"] },
  cluster: { folders: ["core"] },
  auth: { folders: ["address", "core"] },
  config: { folders: ["address", "auth", "core"] },
  client: { folders: ["transport", "wire"] },
  server: {
    folders: ["address", "auth", "bridge", "cluster", "config", "core", "protocol", "store", "transport", "wire"],
  },
  cli: { folders: ["address", "auth", "client", "config", "core", "server", "store"] },
  "main.ts": { folders: ["cli", "config", "server"] },
  "mod.ts": {
    folders: ["auth", "bridge", "client", "config", "core", "protocol", "server", "store", "transport", "wire"],
  },
};

/** What the pure folders have no hands on. The check with another `lib` refuses most of it; `Date.now` and the like only this does. */
const OUTSIDE = [
  ...["Deno", "process", "globalThis", "fetch", "console", "performance", "crypto", "Worker", "WebSocket"],
  ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "queueMicrotask"],
  ...["Date.now", "new Date()", "Math.random"],
];

const IMPURITIES: Readonly<Record<string, ReadonlySet<string>>> = {
  core: new Set([...OUTSIDE, "async", "await"]),
  wire: new Set(OUTSIDE),
  protocol: new Set(OUTSIDE),
};

const BUDGET: Budget = {
  fileLinesMedian: 150,
  fileLinesMax: 500,
  functionLinesMedian: 8,
  functionLinesLong: 30,
  functionsLongShareMax: 0.1,
  functionLinesMax: 70,
  parametersMax: 3,
};

/**
 * The ratchet: files (`src/core/x.ts`) and functions (`src/core/x.ts#Class.method`) that are over their budget and known to be.
 * An entry shrinks with its giant and leaves when that fits. Nothing is added without a reason.
 */
const GIANTS: Readonly<Record<string, Giant>> = {};

/** The brackets keep the patterns from finding themselves, since this file is read as well. */
const FORBIDDEN_TEXT = [
  { pattern: /\b(TO[D]O|FI[X]ME|X[X]X|HA[C]K)\b/, rule: "do it now, or file it" },
  { pattern: /@ts-(ignor[e]|nochec[k])/, rule: "the type checker is not switched off" },
  { pattern: /deno-lint-ignore-fil[e]/, rule: "the linter is not switched off for a whole file" },
  { pattern: /Deno\.test\.onl[y]|\bonly: tru[e]/, rule: "no test shuts the others out" },
  { pattern: /["']js[r]:|["']https?:[^"']*\.[jt]s["']/, rule: "an import is a file of ours, npm: or node:" },
];

const programs = ["main.ts", "mod.ts"].flatMap(readSources);
const sources = [...programs, ...readSources("src")];
const tests = readSources("tests");

Deno.test("every import follows the arrows between the folders", () => {
  hold("Cannot import across a boundary that the table does not open", importProblems(sources, IMPORT_RULES));
});

Deno.test("the imports of src have no cycle (docs/decisions/0003)", () => {
  hold("Cannot import in a circle", cycleProblems(sources, { types: false }));
});

Deno.test("what is exported is imported by somebody", () => {
  hold("Cannot export for nobody: leave the word out", exportProblems(readSources("src"), [...sources, ...tests]));
});

Deno.test("core, wire and protocol are pure, and core never waits", () => {
  hold("Cannot reach outside from a pure folder", purityProblems(sources, IMPURITIES));
});

Deno.test("the machines of the CoAP door are told the time and chance", () => {
  const machines = sources.filter(({ path }) => path.startsWith("src/bridge/coap/"));
  assert.ok(machines.length > 10);
  hold("Cannot reach outside from a machine", purityProblems(machines, { bridge: new Set(OUTSIDE) }));
});

Deno.test("files keep their budget of lines", () => {
  hold("Cannot let a file grow over the budget: find the cut", fileProblems(sources, BUDGET, GIANTS));
});

Deno.test("functions keep their budget of lines and parameters", () => {
  hold("Cannot let a function grow over the budget: find the cut", functionProblems(sources, BUDGET, GIANTS));
});

Deno.test("the list of known giants only shrinks", () => {
  hold("Cannot keep a giant on the list that has shrunk", giantProblems(sources, BUDGET, GIANTS));
});

Deno.test("files and folders are named in snake_case", () => {
  hold("Cannot take a name", nameProblems([...sources, ...tests].map(({ path }) => path)));
});

Deno.test("members hide behind #, and a function is declared as one", () => {
  hold("Cannot use the other way to say it", habitProblems(sources));
});

Deno.test("each folder of tests is run by one part of deno task test", () => {
  const { tasks } = JSON.parse(readText("deno.json"));
  const commandOf = (part: string) => tasks[`test:${part}`].command as string;
  const foldersIn = (text: string) => text.match(/tests\/\w+/g)!.toSorted();
  const elsewhere = foldersIn(/--ignore=(\S+)/.exec(commandOf("serial"))![1]);
  assert.deepEqual(foldersIn(`${commandOf("core")} ${commandOf("parallel")}`), elsewhere);
  for (const part of ["core", "parallel", "serial", "doc"]) {
    assert.ok(tasks.test.command.includes(`test:${part}`), part);
  }
});

Deno.test("nothing is left for later and no check is switched off", () => {
  hold("Cannot keep the text", textProblems([...sources, ...tests], FORBIDDEN_TEXT));
});

Deno.test("mod.ts names the public symbols one by one", () => {
  const door = programs.filter(({ path }) => path === "mod.ts");
  hold("Cannot export by accident", textProblems(door, [{ pattern: /^export \*/, rule: "name each symbol" }]));
});

Deno.test("every file on the printed walk of one PUBLISH exists", () => {
  const path = "docs/architecture.md";
  const page = { path, text: listFiles(path).map(readText).join() };
  hold("Cannot follow the walk", walkProblems(page, [...listFiles("src"), "main.ts", "mod.ts"]));
});

function hold(action: string, problems: readonly string[]): void {
  assert.ok(problems.length === 0, `${action} (${problems.length} found)\n  ${problems.join("\n  ")}`);
}
