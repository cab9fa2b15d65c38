/** The rules of the tidy test as functions: sources in, one line of complaint per breach out. They read no file. */

import {
  functionConstantsOf,
  type FunctionSize,
  functionsOf,
  hiddenMembersOf,
  type Import,
  importsOf,
  impuritiesOf,
  namesImportedBy,
  type Place,
  type SourceFile,
  valuesExportedBy,
} from "./source_code.ts";

/** What a folder of `src`, or a program at the root, may import. Packages are free where `packages` is absent. */
export interface ImportRule {
  readonly folders: readonly string[];
  readonly packages?: readonly string[];
}

/** The limits on length. A "long" function is one of `functionLinesLong` lines or more. */
export interface Budget {
  readonly fileLinesMedian: number;
  readonly fileLinesMax: number;
  readonly functionLinesMedian: number;
  readonly functionLinesLong: number;
  readonly functionsLongShareMax: number;
  readonly functionLinesMax: number;
  readonly parametersMax: number;
}

/** What a known giant is allowed instead of the budget, and why. */
export interface Giant {
  readonly lines?: number;
  readonly parameters?: number;
  readonly reason: string;
}

/** `src/core/session.ts` -> `core`; `main.ts` -> `main.ts`. */
function folderOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  return first === "src" ? second : first;
}

function at(place: Place): string {
  return `${place.path}:${place.line}`;
}

/** Imports that the table does not allow. A folder that the table does not know may import nothing and not be imported. */
export function importProblems(files: readonly SourceFile[], rules: Readonly<Record<string, ImportRule>>): string[] {
  const problems: string[] = [];
  for (const found of files.flatMap(importsOf)) {
    const from = folderOf(found.path);
    const rule = rules[from] ?? { folders: [], packages: [] };
    const to = found.ours ? folderOf(found.target) : found.target;
    const allowed = found.ours ? [from, ...rule.folders] : rule.packages;
    if (allowed === undefined || allowed.includes(to)) continue;
    problems.push(`${at(found)}: ${from} imports ${found.target}, it may import ${list(allowed)}`);
  }
  return problems;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "nothing" : names.join(", ");
}

/**
 * Import cycles among `files`: `src/a.ts:3 -> src/b.ts:1 -> src/a.ts`, and whether one of the steps is gone at run time.
 * Without `types` an import of types is no step.
 */
export function cycleProblems(files: readonly SourceFile[], options: { types: boolean }): string[] {
  const counts = (found: Import) => found.ours && (options.types || !found.typeOnly);
  const graph = new Map(files.map((file) => [file.path, importsOf(file).filter(counts)]));
  const done = new Set<string>();
  const problems: string[] = [];
  for (const path of graph.keys()) findCycles({ graph, done, problems, trail: [] }, path);
  return problems;
}

interface CycleSearch {
  readonly graph: ReadonlyMap<string, readonly Import[]>;
  readonly done: Set<string>;
  readonly problems: string[];
  readonly trail: Import[];
}

function findCycles(search: CycleSearch, path: string): void {
  const start = search.trail.findIndex((step) => step.path === path);
  if (start !== -1) search.problems.push(cycle(search.trail.slice(start)));
  if (start !== -1 || search.done.has(path)) return;
  for (const found of search.graph.get(path) ?? []) {
    search.trail.push(found);
    findCycles(search, found.target);
    search.trail.pop();
  }
  search.done.add(path);
}

function cycle(steps: readonly Import[]): string {
  const kind = steps.some((step) => step.typeOnly) ? " (types only)" : "";
  return [...steps.map(at), steps[0]?.path].join(" -> ") + kind;
}

/** Values that `files` export and nobody among `readers` imports. Types are let be: they belong to what is exported beside them. */
export function exportProblems(files: readonly SourceFile[], readers: readonly SourceFile[]): string[] {
  const asked = new Set(readers.flatMap(namesImportedBy).map(({ target, name }) => `${target}#${name}`));
  return files.flatMap((file) => {
    if (asked.has(`${file.path}#*`)) return [];
    return valuesExportedBy(file)
      .filter(({ name }) => !asked.has(`${file.path}#${name}`))
      .map((found) => `${at(found)}: nobody imports ${found.name}`);
  });
}

/** Names of the outside world in the folders that must not have them. */
export function purityProblems(
  files: readonly SourceFile[],
  forbidden: Readonly<Record<string, ReadonlySet<string>>>,
): string[] {
  return files.flatMap((file) => {
    const folder = folderOf(file.path);
    return impuritiesOf(file, forbidden[folder] ?? new Set())
      .map((found) => `${at(found)}: ${folder} says ${found.name}; time, chance and the outside are handed in`);
  });
}

/** Files over the budget, by the median and one by one. */
export function fileProblems(
  files: readonly SourceFile[],
  budget: Budget,
  giants: Readonly<Record<string, Giant>>,
): string[] {
  const middle = median(files.map((file) => file.lines));
  const problems = middle <= budget.fileLinesMedian
    ? []
    : [`src: the median file has ${middle} lines, budget ${budget.fileLinesMedian}`];
  for (const { path, lines } of files) {
    const most = giants[path]?.lines ?? budget.fileLinesMax;
    if (lines > most) problems.push(`${path}:${lines}: the file has ${lines} lines, budget ${most}`);
  }
  return problems;
}

/** Functions over the budget, by the median, by the share of long ones and one by one. Callbacks count only one by one. */
export function functionProblems(
  files: readonly SourceFile[],
  budget: Budget,
  giants: Readonly<Record<string, Giant>>,
): string[] {
  const functions = files.flatMap(functionsOf);
  const named = functions.filter((one) => one.named).sort((a, b) => b.lines - a.lines);
  return [
    ...medianProblems(named, budget),
    ...shareProblems(named, budget),
    ...functions.flatMap((one) => sizeProblems(one, budget, giants[giantKey(one)])),
  ];
}

/** How a function is named in the list of giants: `src/core/broker.ts#Broker.publish`. */
function giantKey(one: FunctionSize): string {
  return `${one.path}#${one.name}`;
}

function medianProblems(named: readonly FunctionSize[], budget: Budget): string[] {
  const middle = median(named.map((one) => one.lines));
  if (middle <= budget.functionLinesMedian) return [];
  return [`src: the median function has ${middle} lines, budget ${budget.functionLinesMedian}`];
}

function shareProblems(named: readonly FunctionSize[], budget: Budget): string[] {
  const long = named.filter((one) => one.lines >= budget.functionLinesLong);
  if (long.length <= named.length * budget.functionsLongShareMax) return [];
  const share = `${long.length} of ${named.length} functions (${percent(long.length / named.length)})`;
  return [
    `src: ${share} have ${budget.functionLinesLong} lines or more, budget ${percent(budget.functionsLongShareMax)}`,
    ...long.map((one) => `${at(one)}: ${one.name} has ${one.lines} lines`),
  ];
}

function sizeProblems(one: FunctionSize, budget: Budget, giant?: Giant): string[] {
  const linesMax = giant?.lines ?? budget.functionLinesMax;
  const parametersMax = giant?.parameters ?? budget.parametersMax;
  const problems: string[] = [];
  if (one.lines > linesMax) problems.push(`${at(one)}: ${one.name} has ${one.lines} lines, budget ${linesMax}`);
  if (one.parameters > parametersMax) {
    problems.push(`${at(one)}: ${one.name} takes ${one.parameters} parameters, budget ${parametersMax}`);
  }
  return problems;
}

/** Entries of the list of giants that fit the budget by now, are gone, or allow more than is needed. */
export function giantProblems(
  files: readonly SourceFile[],
  budget: Budget,
  giants: Readonly<Record<string, Giant>>,
): string[] {
  const functions = files.flatMap(functionsOf);
  return Object.entries(giants).flatMap(([key, giant]) => {
    const file = files.find((one) => one.path === key);
    const largest = file ?? functions.filter((one) => giantKey(one) === key).sort((a, b) => b.lines - a.lines)[0];
    if (largest === undefined) return [`${key}: listed as a giant and not there`];
    const linesMax = file === undefined ? budget.functionLinesMax : budget.fileLinesMax;
    return [
      ...ratchet(`${key}: lines`, largest.lines, { allowed: giant.lines, budget: linesMax }),
      ...("parameters" in largest
        ? ratchet(`${key}: parameters`, largest.parameters, { allowed: giant.parameters, budget: budget.parametersMax })
        : []),
    ];
  });
}

function ratchet(what: string, value: number, limit: { allowed: number | undefined; budget: number }): string[] {
  if (limit.allowed === undefined || (value > limit.budget && value >= limit.allowed)) return [];
  const verdict = value <= limit.budget ? "take it off the list" : `lower its entry to ${value}`;
  return [`${what} ${value}, listed with ${limit.allowed}, budget ${limit.budget}: ${verdict}`];
}

/** File and folder names that are not snake_case. */
export function nameProblems(paths: readonly string[]): string[] {
  const word = /^[a-z0-9]+(_[a-z0-9]+)*$/;
  return paths
    .filter((path) => !path.replace(/(\.d)?\.ts$/, "").split("/").every((part) => word.test(part)))
    .map((path) => `${path}:1: the name is not snake_case`);
}

/** Members hidden with a keyword instead of `#`, and top-level constants that should be a `function`. */
export function habitProblems(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => [
    ...hiddenMembersOf(file).map((found) => `${at(found)}: ${found.name}, use #name`),
    ...functionConstantsOf(file).map((found) =>
      `${at(found)}: the constant ${found.name} is a function, declare it so`
    ),
  ]);
}

/** Lines that match one of the patterns, with the rule that each breaks. */
export function textProblems(
  files: readonly { path: string; text: string }[],
  forbidden: readonly { pattern: RegExp; rule: string }[],
): string[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) =>
      forbidden.flatMap(({ pattern, rule }) => {
        const found = pattern.exec(line)?.[0];
        return found === undefined ? [] : [`${path}:${index + 1}: "${found}": ${rule}`];
      })
    )
  );
}

/** Files that the first code block under the heading names and that `paths` does not have. A page without the walk is a problem. */
export function walkProblems(page: { path: string; text: string }, paths: readonly string[]): string[] {
  const block = /^#+ .*walk of one PUBLISH.*$[\s\S]*?^```[^\n]*\n([\s\S]*?)^```/im.exec(page.text);
  if (page.text === "") return [`${page.path}:1: the page is missing`];
  if (block === null) return [`${page.path}:1: no code block under a heading with "walk of one PUBLISH"`];
  const before = page.text.slice(0, block.index + block[0].indexOf(block[1] ?? ""));
  const first = before.split("\n").length;
  const named = (block[1] ?? "").split("\n").flatMap((line, index) => filesNamed(line, first + index));
  if (named.length < 10) return [`${page.path}:${first}: the walk names ${named.length} files, expected 10 or more`];
  return named
    .filter(({ name }) => !paths.some((path) => path === name || path === `src/${name}` || path.endsWith(`/${name}`)))
    .map(({ name, line }) => `${page.path}:${line}: the walk names ${name}, which does not exist`);
}

/** `protocol/v5.ts (v3.ts)` names two files; a bare name in parentheses lives where the file before it does. */
function filesNamed(text: string, line: number): { name: string; line: number }[] {
  let folder = "";
  return [...text.matchAll(/(\()?([\w./-]+\.ts)\b/g)].map(([, parenthesis, name = ""]) => {
    const beside = parenthesis !== undefined && !name.includes("/");
    if (!beside) folder = name.slice(0, name.lastIndexOf("/") + 1);
    return { name: beside ? folder + name : name, line };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
