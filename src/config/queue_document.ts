/** A queue as a document that is not YAML: with the keys, values and words of an entry of `queues`. */
import type { QueueDefinition, QueueOptions } from "../core/queue/definition.ts";
import { quoted } from "../core/text.ts";
import { queueOptions, queueValues } from "./build_queues.ts";
import { didYouMean } from "./near.ts";
import type { Field } from "./setting.ts";
import { QUEUE_FIELDS } from "./settings/queue.ts";
import { unsupportedInList } from "./unsupported.ts";
import type { Scalar } from "./value_type.ts";

type Tree = Record<string, unknown>;

const { name: _name, ...REST } = QUEUE_FIELDS;
const FIELDS: Readonly<Record<string, Field<unknown>>> = REST;
const KEYS = Object.keys(FIELDS);

/** What a document says of a queue.
 * @throws {TypeError} for a key that is unknown or a value that it cannot have */
export function readQueueDocument(name: string, document: unknown): QueueOptions {
  const values: Tree = {};
  for (const [key, found] of leaves(document, "")) {
    if (!Object.hasOwn(FIELDS, key)) {
      const why = unsupportedInList("queues", key) ?? `it is unknown here${didYouMean(key, KEYS)}`;
      throw new TypeError(`Cannot use the key ${quoted(key)}: ${why}`);
    }
    const { type } = FIELDS[key];
    const value = Array.isArray(found) ? type.parseList?.(found) : type.parse(found as Scalar);
    if (value === undefined) throw new TypeError(`Cannot use ${key}: it is ${type.expected}`);
    values[key] = value;
  }
  return { name, ...queueOptions(values) };
}

/** The document that says everything of a queue. A value that can be read back as it is stands as it is, another one with its unit or
 * word. */
export function queueDocument(definition: QueueDefinition): Tree {
  const document: Tree = {};
  for (const [key, value] of Object.entries(queueValues(definition))) {
    const { type } = FIELDS[key];
    const isPlain = Array.isArray(value) || type.parse(value as Scalar) === value;
    put(document, key, isPlain ? value : type.format(value));
  }
  return document;
}

/** Every such document, as JSON Schema describes it. */
export function queueDocumentSchema(): Tree {
  const top: Tree = {};
  const groups: Record<string, Tree> = {};
  for (const [key, { type: { schema, expected } }] of Object.entries(FIELDS)) {
    const [group, name] = key.split(".");
    const place = name === undefined ? top : groups[group] ??= {};
    place[name ?? group] = { ...schema, description: expected };
  }
  for (const [group, properties] of Object.entries(groups)) top[group] = closed(properties);
  return closed(top);
}

function closed(properties: Tree): Tree {
  return { type: "object", properties, additionalProperties: false };
}

function* leaves(document: unknown, prefix: string): Iterable<readonly [string, unknown]> {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new TypeError(`Cannot read ${prefix === "" ? "the document" : prefix.slice(0, -1)}: it is not an object`);
  }
  for (const [name, value] of Object.entries(document)) {
    const key = `${prefix}${name}`;
    if (prefix === "" && KEYS.some((known) => known.startsWith(`${key}.`))) yield* leaves(value, `${key}.`);
    else yield [key, value];
  }
}

function put(tree: Tree, path: string, value: unknown): void {
  const [group, name] = path.split(".");
  if (name === undefined) tree[group] = value;
  else tree[group] = { ...tree[group] as Tree | undefined, [name]: value };
}
