/** Finds the tests that carry ids of normative statements in their names, `[MQTT-3.1.2-4] a client that ...`. */

import { listFiles, readText } from "../support/source_code.ts";

/** A test that says which statements it shows. */
export interface NamedTest {
  /** Without the ids; what a loop fills in is `…`. */
  readonly name: string;
  /** Relative to the root of the repository. */
  readonly path: string;
  /** As the name has them, without what a test of the other version shows. */
  readonly ids: readonly string[];
  readonly versions: readonly Version[];
}

/** The two specifications; ids of one mean something else in the other. */
export type Version = "3.1.1" | "5.0";

const NAME = /(?:\bDeno\.test\(|\bname:)\s*(["'`])((?:\\[\s\S]|(?!\1)[^\\])*)\1/g;
const BRACKETS = /\[([^\]]*\bMQTT-\d[^\]]*)\]/g;
const ID = /\bMQTT-[\d.]+-\d+/g;
const PLACEHOLDER = /\$\{[^}]*\}/g;

/** Every test below `folder` that names a statement. */
export async function namedTests(folder: string): Promise<NamedTest[]> {
  const paths = listFiles(folder).filter((path) => path.endsWith("_test.ts"));
  const found: NamedTest[] = [];
  for (const path of paths) {
    const literals = literalNames(readText(path));
    const filled = literals.some(hasIdPlaceholder) ? await registeredNames(path) : [];
    for (const literal of literals) {
      const names = hasIdPlaceholder(literal) ? filled.filter((name) => patternOf(literal).test(name)) : [literal];
      const test = namedTest(literal, names, path);
      if (test !== undefined) found.push(test);
    }
  }
  return found;
}

/** The names of tests as `text` writes them, placeholders included, each once. */
export function literalNames(text: string): string[] {
  const names = [...text.matchAll(NAME)].map(([, quote, name = ""]) => (quote === "`" ? name : unescaped(name)));
  return [...new Set(names)];
}

/** What a name says; undefined when it names no statement. `names` is the literal, or what a loop has made of it. */
export function namedTest(literal: string, names: readonly string[], path: string): NamedTest | undefined {
  const ids = names.flatMap((name) => [...name.matchAll(BRACKETS)].flatMap(([bracket]) => bracket.match(ID) ?? []));
  if (ids.length === 0) return undefined;
  const [prefix = ""] = literal.split("[");
  const versions = (["3.1.1", "5.0"] as const).filter((version) =>
    version === "3.1.1" ? /\bv3/.test(prefix) : /\bv5/.test(prefix) || !/\bv3/.test(prefix)
  );
  const name = literal.replace(/^v3\.1\.1 /, "").replace(BRACKETS, "").replace(/^\[\$\{\w+\}\]/, "");
  return { name: name.replace(PLACEHOLDER, "…").trim(), path, ids: [...new Set(ids)], versions };
}

/** Whether a loop fills the id in. */
function hasIdPlaceholder(literal: string): boolean {
  return /^(v\S+ )?\[[^\]]*\$\{/.test(literal);
}

/** What the placeholders of a name may have become. */
function patternOf(literal: string): RegExp {
  const parts = literal.split(PLACEHOLDER).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`);
}

/** The names that a file registers when it is loaded; its tests are not run. */
async function registeredNames(path: string): Promise<string[]> {
  const names: string[] = [];
  const { test } = Deno;
  const register = (test: string | { name: string }) => void names.push(typeof test === "string" ? test : test.name);
  Object.assign(Deno, { test: register });
  try {
    await import(new URL(`../../${path}`, import.meta.url).href);
  } finally {
    Object.assign(Deno, { test });
  }
  return names;
}

function unescaped(name: string): string {
  return name.replace(/\\(.)/g, "$1");
}
