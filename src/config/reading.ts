/** From what was written to typed values: each key is looked up in the schema, each value read by its type. */
import { didYouMean, didYouMeanElsewhere } from "./near.ts";
import type { NamedPlace, Place, Problem } from "./problem.ts";
import { keysUnder, listAt, type ListPath, LISTS, type Lists, settingAt, SETTINGS, type Values } from "./schema.ts";
import type { Fields } from "./setting.ts";
import { type Branch, describe, type Entry, type Leaf, type List, type Tree } from "./tree.ts";
import { unsupported, unsupportedInList } from "./unsupported.ts";
import type { ValueType } from "./value_type.ts";

/** A value from outside the file, such as a variable or an option; it wins over the file. */
export interface Override {
  readonly place: NamedPlace;
  readonly path: string;
  readonly text: string;
}

/** What was read, with what was wrong: a key with a problem has its default. */
export interface Reading {
  readonly values: Values;
  readonly lists: Lists;
  /** Where each key was written, `server.listeners[0].addr` too; a key that nobody wrote is absent. */
  readonly places: ReadonlyMap<string, Place>;
  readonly problems: readonly Problem[];
}

/** Where a key was written, or that nobody has. */
export function placeOf({ places }: Pick<Reading, "places">, path: string): Place {
  return places.get(path) ?? { variable: "default" };
}

/** Reads the file's tree, if any, and then the overrides over it. */
export function readSettings(root: Tree | undefined, overrides: readonly Override[]): Reading {
  const reader = new Reader();
  if (root !== undefined) reader.readRoot(root);
  for (const override of overrides) reader.readOverride(override);
  return reader.reading();
}

/** An entry of a list while it is read. */
interface ItemReading {
  readonly list: ListPath;
  readonly fields: Fields;
  readonly path: string;
  readonly item: Record<string, unknown>;
}

/** Nobody reads the hints of a thousand problems, and each takes a look at all keys. */
const HINTS_MAX = 100;

class Reader {
  readonly #problems: Problem[] = [];
  readonly #places = new Map<string, Place>();
  readonly #values: Record<string, unknown> = {};
  readonly #lists: Record<string, unknown[]> = {};

  readRoot(root: Tree): void {
    if (root.kind === "map") return this.#readBranch(root, "");
    if (root.kind === "value" && root.value === null) return;
    this.#report(root.place, "", `expected sections such as "server:" and "log:", found ${describe(root)}`);
  }

  readOverride({ place, path, text }: Override): void {
    const type = settingAt(path)!.type;
    this.#readSetting(type, { kind: "value", value: type.textual ? text : untyped(text), place }, path);
  }

  reading(): Reading {
    const initial = Object.entries(SETTINGS).map(([path, { initial }]) => [path, initial]);
    const lists = Object.keys(LISTS).map((path) => [path, this.#lists[path] ?? []]);
    return {
      values: { ...Object.fromEntries(initial), ...this.#values } as Values,
      lists: Object.fromEntries(lists) as Lists,
      places: this.#places,
      problems: this.#problems,
    };
  }

  #readBranch(branch: Branch, prefix: string): void {
    const known = keysUnder(prefix);
    for (const entry of branch.entries) {
      const path = prefix === "" ? entry.key : `${prefix}.${entry.key}`;
      const setting = settingAt(path);
      if (!known.has(entry.key)) this.#refuseKey(entry, path, { why: unsupported(path), known });
      else if (setting !== undefined) this.#readSetting(setting.type, entry.value, path);
      else if (listAt(path) !== undefined) this.#readList(path as ListPath, entry.value);
      else this.#readSection(entry.value, path);
    }
  }

  /** A section with nothing under it but comments is an empty one. */
  #readSection(tree: Tree, path: string): void {
    if (tree.kind === "map") return this.#readBranch(tree, path);
    if (tree.kind === "value" && tree.value === null) return;
    this.#report(tree.place, path, `expected keys such as "${[...keysUnder(path)][0]}:", found ${describe(tree)}`);
  }

  #readSetting(type: ValueType<unknown>, tree: Tree, path: string): void {
    const value = this.#readField(type, tree, path);
    if (value !== undefined) this.#values[path] = value;
  }

  #parse(type: ValueType<unknown>, leaf: Leaf, path: string): unknown {
    this.#places.set(path, leaf.place);
    const value = type.parse(leaf.value);
    if (value !== undefined) return value;
    const hint = type.hint?.(leaf.value);
    const found = type.isSecret && typeof leaf.value === "string" ? "another text" : describe(leaf);
    const message = `expected ${type.expected}, found ${found}`;
    this.#report(leaf.place, path, hint === undefined ? message : `${message}; ${hint}`);
  }

  #readList(path: ListPath, tree: Tree): void {
    this.#places.set(path, tree.place);
    if (tree.kind === "value" && tree.value === null) return;
    if (tree.kind !== "list") return this.#report(tree.place, path, `expected a list, found ${describe(tree)}`);
    this.#lists[path] = tree.items.map((item, index) => this.#readItem(path, item, index));
  }

  #readItem(list: ListPath, tree: Tree, index: number): Record<string, unknown> {
    const path = `${list}[${index}]`;
    const fields: Fields = LISTS[list].fields;
    const item: Record<string, unknown> = {};
    if (tree.kind !== "map") {
      const first = Object.keys(fields)[0];
      this.#report(tree.place, path, `expected keys such as "${first}:", found ${describe(tree)}`);
      return item;
    }
    this.#places.set(path, tree.place);
    this.#readFields({ list, fields, path, item }, tree, "");
    for (const [key, field] of Object.entries(fields)) {
      if (!field.required || Object.hasOwn(item, key)) continue;
      this.#report(tree.place, path, `expected the key "${key}": ${field.type.expected}`);
    }
    return item;
  }

  /** The keys of an entry, and of the maps in it: `retention: { retention_time: 7d }` is the field `retention.retention_time`. */
  #readFields(into: ItemReading, tree: Branch, prefix: string): void {
    const { list, fields, path, item } = into;
    const names = Object.keys(fields).filter((name) => name.startsWith(prefix));
    const known = new Set(names.map((name) => name.slice(prefix.length).split(".")[0]));
    for (const entry of tree.entries) {
      const name = prefix + entry.key;
      const at = `${path}.${name}`;
      if (Object.hasOwn(fields, name)) item[name] = this.#readField(fields[name].type, entry.value, at);
      else if (!known.has(entry.key)) this.#refuseKey(entry, at, { why: unsupportedInList(list, name), known });
      else if (entry.value.kind === "map") this.#readFields(into, entry.value, `${name}.`);
      else this.#report(entry.value.place, at, `expected keys, found ${describe(entry.value)}`);
    }
  }

  #readField(type: ValueType<unknown>, tree: Tree, path: string): unknown {
    if (tree.kind === "value") return this.#parse(type, tree, path);
    if (tree.kind === "list" && type.parseList !== undefined) return this.#parseList(type, tree, path);
    this.#report(tree.place, path, `expected ${type.expected}, found ${describe(tree)}`);
  }

  #parseList(type: ValueType<unknown>, list: List, path: string): unknown {
    this.#places.set(path, list.place);
    const leaves = list.items.filter((item) => item.kind === "value");
    const value = leaves.length < list.items.length ? undefined : type.parseList!(leaves.map((leaf) => leaf.value));
    if (value === undefined) this.#report(list.place, path, `expected ${type.expected}, found another one`);
    return value;
  }

  #refuseKey(entry: Entry, path: string, { why, known }: { why: string | undefined; known: Iterable<string> }): void {
    const hint = this.#problems.length < HINTS_MAX
      ? didYouMean(entry.key, known) ||
        didYouMeanElsewhere(`.${entry.key}`, [...Object.keys(SETTINGS), ...Object.keys(LISTS)])
      : "";
    this.#report(entry.place, path, why ?? `unknown key${hint}`);
  }

  #report(place: Place, path: string, message: string): void {
    this.#problems.push({ place, path, message });
  }
}

/** A variable has no quotes to tell `5` from `"5"`; YAML's own rule for plain words decides. */
function untyped(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
