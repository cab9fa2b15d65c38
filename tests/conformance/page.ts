/** Writes docs/conformance.md: which test shows which normative statement. `deno run -A tests/conformance/page.ts` writes it,
 * with `--check` it only says whether the page is up to date. */

import { readText } from "../support/source_code.ts";
import { type NamedTest, namedTests, type Version } from "./test_names.ts";

/** Where the page is, relative to the root of the repository. */
export const PAGE = "docs/conformance.md";

/** A normative statement of one specification, in our words. */
export interface Statement {
  readonly id: string;
  readonly text: string;
  readonly binds: "server" | "client" | "both";
}

/** One specification with what shows that it is kept. */
export interface Specification {
  readonly version: Version;
  readonly title: string;
  readonly url: string;
  readonly statements: readonly Statement[];
  /** By id, why no test can show it from outside. */
  readonly reasons: Readonly<Record<string, string>>;
  readonly tests: readonly NamedTest[];
}

const SOURCES = [
  {
    version: "3.1.1",
    title: "MQTT 3.1.1",
    url: "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html",
    statements: "statements_v3.json",
    reasons: ["untestable_v3.json"],
  },
  {
    version: "5.0",
    title: "MQTT 5.0",
    url: "https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html",
    statements: "statements_v5.json",
    reasons: ["untestable_v5_a.json", "untestable_v5_b.json"],
  },
] as const;

const SECTIONS: Readonly<Record<Version, Readonly<Record<string, string>>>> = {
  "3.1.1": {
    ...{ "1.5": "Data representations", "2.2": "Fixed header", "2.3": "Variable header", "3.1": "CONNECT" },
    ...{ "3.2": "CONNACK", "3.3": "PUBLISH", "3.6": "PUBREL", "3.8": "SUBSCRIBE", "3.9": "SUBACK" },
    ...{ "3.10": "UNSUBSCRIBE", "3.12": "PINGREQ", "3.14": "DISCONNECT", "4.1": "Storing state" },
    ...{ "4.3": "Quality of Service", "4.4": "Message delivery retry", "4.5": "Message receipt" },
    ...{ "4.6": "Message ordering", "4.7": "Topic names and filters", "4.8": "Handling errors" },
    ...{ "6.0": "WebSocket", "7.0": "Conformance", "7.1": "Conformance targets" },
  },
  "5.0": {
    ...{ "1.5": "Data representation", "2.1": "Structure of a packet", "2.2": "Variable header", "3.1": "CONNECT" },
    ...{ "3.2": "CONNACK", "3.3": "PUBLISH", "3.4": "PUBACK", "3.5": "PUBREC", "3.6": "PUBREL", "3.7": "PUBCOMP" },
    ...{ "3.8": "SUBSCRIBE", "3.9": "SUBACK", "3.10": "UNSUBSCRIBE", "3.11": "UNSUBACK", "3.12": "PINGREQ" },
    ...{ "3.14": "DISCONNECT", "3.15": "AUTH", "4.1": "Session state", "4.2": "Network connections" },
    ...{ "4.3": "Quality of Service", "4.4": "Message delivery retry", "4.5": "Message receipt" },
    ...{ "4.6": "Message ordering", "4.7": "Topic names and filters", "4.8": "Subscriptions", "4.9": "Flow control" },
    ...{ "4.12": "Enhanced authentication", "4.13": "Handling errors", "6.0": "WebSocket" },
  },
};

const HEADER = `<!-- deno-fmt-ignore-file -->

# Conformance

Every normative statement of the two specifications that Weir speaks, and the test that shows that Weir keeps it. This page is made
from the statements and from the names of the tests by \`deno run -A tests/conformance/page.ts\`; a test fails when it is out of
date, or when a statement that binds a server has neither a test nor a reason.

**How to read it.** The *id* is the specification's own, so that it can be looked up there. The *statement* is in our words and cut
short. It *binds* a server, a client or both. *Shown by* names the tests; those in \`tests/conformance\` talk to a real broker over
real sockets. A \`…\` in a name stands for what a loop fills in: the test runs once for each. Where no test can show a statement
from outside, the reason stands in *italics*. Statements that bind clients only are listed for completeness.

**How to check it.** \`deno task test\` runs every test below, \`deno test -P=test tests/conformance\` those in that folder; add
\`--filter MQTT-3.1.2-4\` for those of one id. Ids of the two versions collide: names of 3.1.1 tests begin with \`v3.1.1\`.

MQTT 3.1 (\`MQIsdp\`) numbers no statements; what its clients need is shown by
[v3_1_mqisdp_test.ts](../tests/conformance/v3_1_mqisdp_test.ts).
`;

/** Statements, reasons and tests of both specifications. */
export async function specifications(): Promise<Specification[]> {
  const tests = await namedTests("tests");
  return SOURCES.map(({ version, title, url, statements, reasons }) => ({
    version,
    title,
    url,
    statements: readStatements(statements),
    reasons: Object.assign({}, ...reasons.map(readReasons)),
    tests: tests.filter(({ versions }) => versions.includes(version)),
  }));
}

/** The page, as it should be. */
export function pageOf(specifications: readonly Specification[]): string {
  return [HEADER, ...specifications.map(chapterOf)].join("\n");
}

/** Ids of the statements that bind a server and have neither a test nor a reason. */
export function uncovered({ statements, tests, reasons }: Specification): string[] {
  const shown = new Set(tests.flatMap(({ ids }) => ids));
  return statements.filter(({ id, binds }) => binds !== "client" && !shown.has(id) && !(id in reasons)).map(({ id }) =>
    id
  );
}

/** Names of tests that carry an id which their specification does not have. */
export function misnamed({ statements, tests }: Specification): string[] {
  const known = new Set(statements.map(({ id }) => id));
  return tests.flatMap(({ ids, path, name }) =>
    ids.filter((id) => !known.has(id)).map((id) => `${path}: ${id} in "${name}"`)
  );
}

/** Ids with a reason that are unknown, bind clients only, or have a test after all. */
export function unreasonable({ statements, tests, reasons }: Specification): string[] {
  const shown = new Set(tests.flatMap(({ ids }) => ids));
  const binding = new Set(statements.filter(({ binds }) => binds !== "client").map(({ id }) => id));
  return Object.keys(reasons).filter((id) => !binding.has(id) || shown.has(id));
}

function chapterOf(specification: Specification): string {
  const { title, url, version, statements, tests, reasons } = specification;
  const binding = statements.filter(({ binds }) => binds !== "client");
  const shown = new Set(tests.flatMap(({ ids }) => ids));
  const withTest = binding.filter(({ id }) => shown.has(id)).length;
  const withReason = binding.filter(({ id }) => !shown.has(id) && id in reasons).length;
  const sections = Map.groupBy(statements, ({ id }) => sectionOf(id));
  const summary =
    `Of the ${statements.length} statements of [the specification](${url}), ${binding.length} bind a server: ` +
    `${withTest} are shown by tests, ${withReason} cannot be, ${binding.length - withTest - withReason} are open. ` +
    `${statements.length - binding.length} bind clients only.`;
  const tables = [...sections].map(([section, rows]) =>
    [
      `### ${title}, ${section} ${SECTIONS[version][section] ?? ""}`.trim(),
      "",
      "| id | statement | binds | shown by |",
      "|---|---|---|---|",
      ...rows.map((statement) => rowOf(statement, specification)),
      "",
    ].join("\n")
  );
  return [`## ${title}`, "", summary, "", ...tables].join("\n");
}

function rowOf({ id, text, binds }: Statement, { tests, reasons }: Specification): string {
  return `| ${id} | ${escaped(shortened(text))} | ${binds} | ${
    evidenceOf(tests.filter(({ ids }) => ids.includes(id)))
  } |`;

  function evidenceOf(tests: readonly NamedTest[]): string {
    if (tests.length > 0) return [...Map.groupBy(tests, ({ path }) => path)].map(testsOf).join("<br>");
    if (id in reasons) return `*${escaped(reasons[id]!)}*`;
    return binds === "client" ? "binds clients only" : "**open**";
  }
}

function testsOf([path, tests]: readonly [string, readonly NamedTest[]]): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const names = [...new Set(tests.map(({ name }) => escaped(name)))];
  return [`[${file}](../${path}):`, ...names.map((name) => `· ${name}`)].join("<br>");
}

function sectionOf(id: string): string {
  return /^MQTT-(\d+\.\d+)/.exec(id)?.[1] ?? "";
}

/** The text up to a word that ends before the 140th character. */
function shortened(text: string): string {
  if (text.length <= 140) return text;
  return `${text.slice(0, text.lastIndexOf(" ", 139)).replace(/[,;:.]$/, "")} …`;
}

function escaped(text: string): string {
  return text.replace(/[\\`*_[\]<>|$~]/g, "\\$&").replaceAll("\n", " ");
}

function readStatements(file: string): Statement[] {
  const statements: (Statement & { alias?: string })[] = JSON.parse(readText(`tests/conformance/${file}`));
  return statements.map(({ id, alias, text, binds }) => ({ id: alias ?? id, text, binds })); // two are misprinted
}

function readReasons(file: string): Record<string, string> {
  try {
    return JSON.parse(readText(`tests/conformance/${file}`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

if (import.meta.main) {
  const page = pageOf(await specifications());
  if (!Deno.args.includes("--check")) Deno.writeTextFileSync(PAGE, page);
  else if (readText(PAGE) !== page) {
    console.error(`${PAGE} is out of date: run deno run -A tests/conformance/page.ts`);
    Deno.exit(1);
  }
}
