/** Loading the configuration: file, environment, options of the command line, in this order; the later ones win. */
import { readAcl } from "./acl.ts";
import { buildConfig } from "./build.ts";
import { findClashes } from "./clash/find_clashes.ts";
import type { Config } from "./config.ts";
import { readEnvironment } from "./environment.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { type Override, readSettings } from "./reading.ts";
import { whyUnreadable } from "./unreadable.ts";
import { FILE_BYTES_MAX, parseYaml, type YamlTree } from "./yaml_tree.ts";

export interface LoadConfigOptions {
  /** The YAML file; without one the defaults hold. A file that is named must be there. */
  readonly path?: string;
  /** Variables other than `WEIR_...` are not looked at. */
  readonly env?: Readonly<Record<string, string>>;
  /** What the command line says; wins over file and environment. */
  readonly options?: readonly Override[];
  /** {@link readBounded}, or a test's own. */
  readFile?(path: string): Uint8Array;
}

/** The configuration that everything together makes.
 * @throws {ConfigError} with every problem of file, environment and options at once. */
export function loadConfig(
  { path, env = {}, options = [], readFile = readBounded }: LoadConfigOptions = {},
): Config {
  const file = path === undefined ? NO_FILE : readYamlFile(path, readFile);
  const environment = readEnvironment(env);
  const reading = readSettings(file.root, [...environment.overrides, ...options]);
  const acl = readAcl(reading, (path) => readOrTell(path, readFile));
  const before = [...file.problems, ...environment.problems, ...acl.problems];
  const problems = [...before, ...reading.problems, ...(file.problems.length > 0 ? [] : findClashes(reading))];
  if (problems.length > 0) throw new ConfigError(problems.sort(byPlace));
  return { ...buildConfig(reading, acl.rules), file: path };
}

/** The file from top to bottom, then variables and options. */
function byPlace({ place: one }: Problem, { place: other }: Problem): number {
  if ("variable" in one || "variable" in other) return Number("variable" in one) - Number("variable" in other);
  return (one.line ?? 0) - (other.line ?? 0) || (one.column ?? 0) - (other.column ?? 0);
}

/** The bytes of a file, or of one that is too large for a configuration as many as show that: a device may have no end. */
export function readBounded(path: string): Uint8Array {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(FILE_BYTES_MAX + 1);
  let length = 0;
  for (let count = file.readSync(bytes); count !== null; count = file.readSync(bytes.subarray(length))) {
    length += count;
    if (length === bytes.length) break;
  }
  return bytes.subarray(0, length);
}

const NO_FILE: YamlTree = { root: undefined, problems: [] };

function readYamlFile(path: string, readFile: (path: string) => Uint8Array): YamlTree {
  const bytes = readOrTell(path, readFile);
  return bytes instanceof Uint8Array ? parseYaml(bytes, path) : { root: undefined, problems: [bytes] };
}

function readOrTell(path: string, readFile: (path: string) => Uint8Array): Uint8Array | Problem {
  try {
    return readFile(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return unreadable(path, error);
  }
}

function unreadable(file: string, error: Error): Problem {
  return { place: { file }, path: "", message: `cannot read it: ${whyUnreadable(file, error)}` };
}
