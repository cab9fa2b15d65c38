/** YAML text to a tree with places. What could mean two things to two readers is refused: duplicate keys, aliases, tags, several
 * documents. Aliases are refused unresolved, so that no YAML bomb ever unfolds. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from "yaml";
import type { Place, Problem } from "./problem.ts";
import type { Tree } from "./tree.ts";
import type { Scalar } from "./value_type.ts";

export interface YamlTree {
  /** Undefined when the text is empty, or no YAML at all. */
  readonly root: Tree | undefined;
  readonly problems: readonly Problem[];
}

/** More is no configuration that a person wrote. */
export const FILE_BYTES_MAX = 1024 ** 2;
const PROBLEMS_MAX = 10; // one stray bracket makes the parser complain about all that follows

/** Parses the bytes of `file`; the name is only for the places. */
export function parseYaml(bytes: Uint8Array, file: string): YamlTree {
  const fault = (message: string): YamlTree => ({
    root: undefined,
    problems: [{ place: { file }, path: "", message }],
  });
  if (bytes.length > FILE_BYTES_MAX) return fault(`expected at most 1MiB of YAML, found more`);
  const text = decode(bytes);
  if (text === undefined) return fault("expected YAML in UTF-8, found bytes that are no text");

  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: "1.2", uniqueKeys: false });
  const converter = new Converter(file, lines);
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    converter.report(pos[0], YAML_HINTS[code] ?? `not valid YAML: ${message}`);
    if (code === "RESOURCE_EXHAUSTION") break; // the rest of the text follows from it
  }
  if (converter.problems.length > 0) return { root: undefined, problems: converter.problems.slice(0, PROBLEMS_MAX) };
  if (document.directives?.yaml.explicit && document.directives.yaml.version !== "1.2") {
    return fault(`expected YAML 1.2, found the directive %YAML ${document.directives.yaml.version}`);
  }
  const root = document.contents === null ? undefined : converter.convert(document.contents);
  return { root, problems: converter.problems };
}

/** Clearer words for what people run into most. */
const YAML_HINTS: Readonly<Record<string, string>> = {
  BAD_INDENT: "expected the indentation of the keys beside it",
  BAD_SCALAR_START: "a value that begins with this character needs quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "expected one key and its value on this line: is the next line indented too far, or a quote missing?",
  BLOCK_IN_FLOW: "expected no indented block inside brackets",
  KEY_OVER_1024_CHARS: "expected a key of at most 1024 characters",
  MULTILINE_IMPLICIT_KEY: "expected a colon behind the key on the same line",
  MULTIPLE_DOCS: "expected one document, found a second one: remove the line with ---",
  RESOURCE_EXHAUSTION: "expected a few levels, found lists or maps nested too deeply",
  TAB_AS_INDENT: "indent with spaces, not with tabs",
  TAG_RESOLVE_FAILED: "tags (!name) are not used in this configuration",
};

class Converter {
  readonly problems: Problem[] = [];
  readonly #file: string;
  readonly #lines: LineCounter;

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  report(offset: number | undefined, message: string): void {
    this.problems.push({ place: this.#place(offset), path: "", message });
  }

  /** Undefined for a node that is refused; the problem is noted. */
  convert(node: unknown): Tree | undefined {
    if (isScalar(node)) return { kind: "value", value: toScalar(node.value), place: this.#place(node.range?.[0]) };
    if (isSeq(node)) {
      const items = node.items.map((item) => this.convert(item)).filter((item) => item !== undefined);
      return { kind: "list", items, place: this.#place(node.range?.[0]) };
    }
    if (isMap(node)) {
      const seen = new Set<string>();
      const entries = node.items.map((pair) => this.#entry(pair, seen)).filter((entry) => entry !== undefined);
      return { kind: "map", entries, place: this.#place(node.range?.[0]) };
    }
    if (isAlias(node)) this.report(node.range?.[0], `aliases (*${node.source}) are not used in this configuration`);
    return undefined;
  }

  /** Looks for keys that come twice by itself: the library compares each with each, seconds for a file full of them. */
  #entry(pair: Pair, seen: Set<string>): { key: string; place: Place; value: Tree } | undefined {
    const { key } = pair;
    if (!isScalar(key) || typeof key.value !== "string") {
      const offset = isScalar(key) || isMap(key) || isSeq(key) || isAlias(key) ? key.range?.[0] : undefined;
      this.report(offset, "a key must be a plain word");
      return undefined;
    }
    const place = this.#place(key.range?.[0]);
    if (seen.has(key.value)) this.report(key.range?.[0], "the key is already there: each key once");
    seen.add(key.value);
    const value = pair.value === null ? { kind: "value" as const, value: null, place } : this.convert(pair.value);
    return value === undefined ? undefined : { key: key.value, place, value };
  }

  #place(offset: number | undefined): Place {
    if (offset === undefined) return { file: this.#file };
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line, column: col };
  }
}

/** YAML 1.2 knows no other kinds of scalars; a date stays text. */
function toScalar(value: unknown): Scalar {
  return value === null || ["string", "number", "bigint", "boolean"].includes(typeof value)
    ? value as Scalar
    : String(value);
}

/** Undefined for what is no UTF-8, or is full of control characters as binary files are. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // deno-lint-ignore no-control-regex -- they are what is looked for
    return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? undefined : text;
  } catch {
    return undefined; // the caller tells
  }
}
