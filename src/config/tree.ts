/** A configuration as written, before anybody asks what its keys mean: values, lists and maps that know where they stand. */
import { quoted } from "../core/text.ts";
import type { Place } from "./problem.ts";
import type { Scalar } from "./value_type.ts";

export type Tree = Leaf | List | Branch;

export interface Leaf {
  readonly kind: "value";
  readonly value: Scalar;
  readonly place: Place;
}

export interface List {
  readonly kind: "list";
  readonly items: readonly Tree[];
  readonly place: Place;
}

export interface Branch {
  readonly kind: "map";
  readonly entries: readonly Entry[];
  readonly place: Place;
}

export interface Entry {
  readonly key: string;
  /** Of the key; the value has its own. */
  readonly place: Place;
  readonly value: Tree;
}

/** What stands there, as a message calls it: `the number 5`, `a list`. Long text is cut. */
export function describe(tree: Tree): string {
  if (tree.kind !== "value") return `a ${tree.kind}`;
  const { value } = tree;
  if (value === null) return "nothing";
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "string") return `the number ${value}`;
  return `the text ${quoted(value, 60)}`;
}
