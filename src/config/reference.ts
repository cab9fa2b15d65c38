/** docs/configuration.md and config/default.yaml, made from the schema; `deno task docs` writes them and a test holds them equal. */
import { formatDefault, keysOf, type ReferenceKey } from "./reference_key.ts";
import { SECTIONS } from "./schema.ts";

/** The page for people. */
export function configurationPage(): string {
  const sections = Object.entries(SECTIONS).map(([section, about]) => {
    const keys = keysOf(section);
    const settings = keys.some((key) => key.setting !== undefined) ? [settingsTable(keys)] : [];
    return [`## \`${section}\``, about, ...settings, ...keys.flatMap(listParagraphs)].join("\n\n");
  });
  return [INTRODUCTION, ...sections, CLOSING].join("\n\n") + "\n";
}

/** A file with every key at its default: loading it changes nothing. */
export function defaultFile(): string {
  const sections = Object.entries(SECTIONS).map(([section, about]) => {
    const keys = keysOf(section);
    if (keys[0].name === "") return [...comment(about, ""), ...listLines(keys[0])].join("\n");
    const lines = keys.map((key, index) => {
      return [...mapLines(key, keys[index - 1]), ...(key.list === undefined ? settingLines(key) : listLines(key))];
    });
    return [...comment(about, ""), `${section}:`, lines.map((each) => each.join("\n")).join("\n\n")].join("\n");
  });
  return [FILE_HEADER, ...sections].join("\n\n") + "\n";
}

function settingsTable(keys: readonly ReferenceKey[]): string {
  const rows = keys.filter((key) => key.setting !== undefined).map(({ name, setting }) => {
    const initial = formatDefault(setting!);
    return [`\`${name}\``, setting!.type.expected, initial && `\`${initial}\``, setting!.about, setting!.atLimit ?? ""];
  });
  return table(["Key", "Value", "Default", "What it does", "At the limit"], rows);
}

function listParagraphs({ name, list, section }: ReferenceKey): string[] {
  if (list === undefined) return [];
  const rows = Object.entries(list.fields).map(([field, { type, required, about }]) => {
    return [`\`${field}\``, type.expected, required ? "yes" : "no", about];
  });
  const example = name === ""
    ? list.example.map((line, index) => `${index === 0 ? "  - " : "    "}${line}`)
    : nested(name, list.example);
  const yaml = ["```yaml", `${section}:`, ...example, "```"].join("\n");
  const title = name === "" ? `Entries of \`${section}\`` : `\`${section}.${name}\``;
  return [`### ${title}`, list.about, table(["Key", "Value", "Needed", "What it is"], rows), yaml];
}

/** A table whose columns are padded as `deno fmt` would. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

/** The inner map that begins with this key, as `retention:` does with `retention.time`. */
function mapLines(key: ReferenceKey, before: ReferenceKey | undefined): string[] {
  const map = mapOf(key);
  return map === "" || (before !== undefined && mapOf(before) === map) ? [] : [`  ${map}:`];
}

/** Lists say their whole path themselves. */
function mapOf({ name, list }: ReferenceKey): string {
  return list === undefined ? name.split(".").slice(0, -1).join(".") : "";
}

function settingLines({ name, setting, variable }: ReferenceKey): string[] {
  const { type, about, atLimit } = setting!;
  const initial = formatDefault(setting!);
  const [key, ...maps] = name.split(".").reverse();
  const indent = "  ".repeat(maps.length + 1);
  return [
    ...comment(about, indent),
    ...comment(`Value: ${type.expected}.`, indent),
    ...(atLimit === undefined ? [] : comment(`At the limit: ${atLimit}`, indent)),
    ...comment(`Variable: ${variable}`, indent),
    initial === "" ? `${indent}# ${key}: true` : `${indent}${key}: ${initial}`,
  ];
}

function listLines({ section, name, list }: ReferenceKey): string[] {
  if (name === "") return topListLines(section, list!);
  const example = nested(name, list!.example).map((line) => line.replace(/^ {2}/, "  # "));
  const parts = name.split(".");
  const empty = parts.map((part, depth) => `${"  ".repeat(depth + 1)}${part}:`).join("\n") + " []";
  return [...comment(list!.about, "  "), "  # For example:", ...example, empty];
}

/** A list that is a section. */
function topListLines(section: string, list: NonNullable<ReferenceKey["list"]>): string[] {
  const example = list.example.map((line, index) => `#   ${index === 0 ? "- " : "  "}${line}`);
  return [...comment(list.about, ""), "# For example:", `# ${section}:`, ...example, `${section}: []`];
}

/** `users:` and under it the entry, indented below its section. */
function nested(name: string, example: readonly string[]): string[] {
  const parts = name.split(".");
  const indent = "  ".repeat(parts.length + 1);
  const heads = parts.map((part, depth) => `${"  ".repeat(depth + 1)}${part}:`);
  return [...heads, ...example.map((line, index) => `${indent}${index === 0 ? "- " : "  "}${line}`)];
}

/** Comment lines of at most 120 characters. */
function comment(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = `${indent}#`;
  for (const word of text.replaceAll("`", "").split(" ")) {
    if (line.length + 1 + word.length > 120) {
      lines.push(line);
      line = `${indent}#`;
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

const FILE_HEADER =
  `# Every key of Weir with its default: loading this file changes nothing. Copy what you change into a file of your own
# and try it with \`weir check FILE\`. Made from the schema by \`deno task docs\`; docs/configuration.md has the same as tables.`;

const INTRODUCTION = `# Configuration

This page is made from the schema by \`deno task docs\`, and so is
[config/default.yaml](../config/default.yaml), which holds every key at its default. A test holds both equal to the code.

\`\`\`sh
weir                        # every key at its default: only this machine can connect
weir --config weir.yaml     # what is written there, defaults for the rest
weir check weir.yaml        # every problem of the file, with line and column; starts nothing
\`\`\`

**What wins.** The command line (\`--addr\`, \`--data\`, \`--log-level\`) wins over the environment, the environment over the file, the file over
the defaults. Every key with one value has a variable: \`server.tcp_addr\` is \`WEIR_SERVER_TCP_ADDR\`. Lists are written in the file
only.

**What is refused.** The broker does not start with a file that is named and not there, with a key or a \`WEIR_...\` variable that it
does not know, with a value of the wrong kind, without its unit or out of its range, with two values that clash, with YAML that has
duplicate keys, aliases or tags, or is longer than 1 MiB. All problems are told at once, each with its place:

\`\`\`
weir.yaml:2:3: server.tcp_adr: unknown key; did you mean "tcp_addr"?
weir.yaml:6:17: session.max_sessions: expected a whole number from 1 to 1000000000, or unlimited, found the number -1
\`\`\`

Keys that other brokers and later versions know and this version has no part for, such as \`server.tls_cert_file\` or \`cluster\`, are
refused by name. Nothing is accepted that does nothing.

**Files and folders** that do not begin with \`/\` are looked for in the folder that the broker is started in.

**Units.** Durations carry theirs: \`100ms\`, \`60s\`, \`5m\`, \`168h\`, \`7d\`, \`1m30s\`. What MQTT itself counts in seconds (expiry
intervals, keep alive) also takes a plain number of seconds. Sizes are plain bytes or \`64KiB\`, \`1MiB\`, \`2GiB\`. \`never\` and
\`unlimited\` are accepted where the table says so.

**Who may connect.** Without users, Weir listens on this machine only. An address that others can reach is refused until somebody
says who may come in: name a file of users with \`auth.users_file\`, or write \`auth.allow_anonymous: true\`.
[security.md](security.md) has every way to tell who a client is.`;

const CLOSING = `## Variables that are left alone

Kubernetes and Docker links put variables such as \`WEIR_SERVICE_HOST\` and \`WEIR_PORT_1883_TCP\` beside a service named weir. Those
are not read.`;
