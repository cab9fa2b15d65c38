/** Access rules as they are written: those under `auth.acl`, then those of the file that `auth.acl_file` names. */
import type { AclRule } from "./config.ts";
import { OWN_LISTENERS } from "./listeners.ts";
import { didYouMean } from "./near.ts";
import { formatPlace, type Problem } from "./problem.ts";
import { placeOf, type Reading, readSettings } from "./reading.ts";
import type { Lists } from "./schema.ts";
import { describe, type Tree } from "./tree.ts";
import { parseYaml } from "./yaml_tree.ts";

/** All rules, and what is wrong with them. */
export interface AclReading {
  readonly rules: readonly AclRule[];
  readonly problems: readonly Problem[];
}

type Entry = Lists["auth.acl"][number];

/** The rules of a configuration that was read. `readFile` answers a file's bytes or throws. */
export function readAcl(reading: Reading, readFile: (path: string) => Uint8Array | Problem): AclReading {
  const known = listenerNames(reading);
  const inline = rulesOf(reading, known);
  const path = reading.values["auth.acl_file"];
  if (path === null) return inline;
  const file = rulesOfFile(path, readFile(path), known);
  return { rules: [...inline.rules, ...file.rules], problems: [...inline.problems, ...file.problems] };
}

/** A file that says nothing was cut, or is another one: no rules would be all rights gone, or all there. */
function rulesOfFile(path: string, bytes: Uint8Array | Problem, known: ReadonlySet<string> | undefined): AclReading {
  if (!(bytes instanceof Uint8Array)) return { rules: [], problems: [bytes] };
  const { root, problems } = parseYaml(bytes, path);
  if (problems.length > 0) return { rules: [], problems };
  if (root?.kind !== "list") {
    const found = root === undefined ? "nothing" : describe(root);
    const message = `expected a list of access rules, found ${found}; [] is a list without any`;
    return { rules: [], problems: [{ place: root?.place ?? { file: path }, path: "", message }] };
  }
  const reading = readSettings(wrapped(root), []);
  const read = rulesOf(reading, known);
  return { rules: read.rules, problems: [...reading.problems, ...read.problems] };
}

/** The list as if it stood under `auth.acl`. */
function wrapped(list: Tree): Tree {
  const { place } = list;
  const auth: Tree = { kind: "map", entries: [{ key: "acl", value: list, place }], place };
  return { kind: "map", entries: [{ key: "auth", value: auth, place }], place };
}

/** Those that there can be, open or not; undefined when that cannot be told. */
function listenerNames({ lists, problems }: Reading): ReadonlySet<string> | undefined {
  if (problems.some(({ path }) => path.startsWith("server.listeners"))) return undefined;
  return new Set([...OWN_LISTENERS, ...lists["server.listeners"].map(({ name }) => name!)]);
}

function rulesOf(reading: Reading, known: ReadonlySet<string> | undefined): AclReading {
  const problems: Problem[] = [];
  const rules = reading.lists["auth.acl"].map((entry, index) => {
    const path = `auth.acl[${index}]`;
    for (const [key, message] of mistakes(entry, known)) {
      problems.push({ place: placeOf(reading, `${path}.${key}`), path: `${path}.${key}`, message });
    }
    return ruleOf(entry, formatPlace(placeOf(reading, path)));
  });
  return { rules, problems };
}

/** What a rule says that cannot be meant: two keys against each other, or a listener that there is not. */
function* mistakes(entry: Entry, known: ReadonlySet<string> | undefined): Iterable<readonly [string, string]> {
  if (entry.listener !== undefined && known?.has(entry.listener) === false) {
    yield ["listener", `there is no listener "${entry.listener}"${didYouMean(entry.listener, known)}`];
  }
  if (entry.retain !== undefined && entry.action !== "publish") {
    yield ["retain", "it is about messages: write action: publish beside it"];
  }
  if (entry.max_qos !== undefined && entry.permission === "deny") {
    yield ["max_qos", "it limits what is allowed: a rule that denies has none"];
  }
  if (entry.anonymous === true && (entry.user !== undefined || entry.group !== undefined)) {
    yield ["anonymous", "nobody who has not logged in is a user or in a group"];
  }
}

/** Keys that nobody wrote stay away; those with a problem keep the configuration from being used at all. */
function ruleOf(entry: Entry, place: string): AclRule {
  const { permission = "deny", action = "all", filter = "#", client_id: clientId, max_qos: qosMax, ...rest } = entry;
  return { ...rest, permission, action, filter, clientId, qosMax, place };
}
