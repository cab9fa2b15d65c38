/** What a queue is, as a document: with the keys, units and words of the configuration. */
import type { QueueDefinition, QueueOptions } from "../../core/queue/definition.ts";
import { quoted } from "../../core/text.ts";

type Json = Readonly<Record<string, unknown>>;

/** How one value stands in a document. */
interface Kind {
  /** For messages, and what it is in OpenAPI. */
  readonly expected: string;
  readonly schema: Json;
  /** Undefined when it is none. */
  read(value: unknown): unknown;
  write(value: unknown): unknown;
}

const MILLISECONDS: readonly (readonly [string, number])[] = [
  ...[["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000], ["ms", 1]] as const,
];
const BYTES: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Milliseconds of a text such as `30s`; undefined when it is none. */
export function millisecondsOf(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * MILLISECONDS.find(([name]) => name === unit)![1];
}

function durationText(ms: number): string {
  if (ms === 0) return "0s";
  const [unit, size] = MILLISECONDS.find(([, size]) => ms % size === 0)!;
  return `${ms / size}${unit}`;
}

function bytesOf(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,12})(KiB|MiB|GiB)$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * BYTES[unit];
}

/** A word stands for Infinity where there is one. */
function worded(kind: Kind, word: string): Kind {
  return {
    expected: `${kind.expected}, or ${word}`,
    schema: {},
    read: (value) => value === word ? Infinity : kind.read(value),
    write: (value) => value === Infinity ? word : kind.write(value),
  };
}

function same(value: unknown): unknown {
  return value;
}

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

const COUNT: Kind = { expected: "a whole number", schema: { type: "integer" }, read: whole, write: same };
const NUMBER: Kind = {
  expected: "a number",
  schema: { type: "number" },
  read: (value) => typeof value === "number" ? value : undefined,
  write: same,
};
const FLAG: Kind = {
  expected: "true or false",
  schema: { type: "boolean" },
  read: (value) => typeof value === "boolean" ? value : undefined,
  write: same,
};
const SIZE: Kind = {
  expected: "a size in bytes or with KiB, MiB or GiB",
  schema: {},
  read: (value) => typeof value === "string" ? bytesOf(value) : whole(value),
  write: same,
};
const DURATION: Kind = {
  expected: "a duration with ms, s, m, h or d",
  schema: { type: "string" },
  read: (value) => typeof value === "string" ? millisecondsOf(value) : value === 0 ? 0 : undefined,
  write: (value) => durationText(value as number),
};
const RETRIES: Kind = {
  expected: "a whole number from 0",
  schema: {},
  read: (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value + 1 : undefined,
  write: (value) => (value as number) - 1,
};
const TEXTS: Kind = {
  expected: "a list of topic filters",
  schema: { type: "array", items: { type: "string" } },
  read: (value) => Array.isArray(value) && value.every((each) => typeof each === "string") ? value : undefined,
  write: same,
};

function choice(words: readonly string[]): Kind {
  return {
    expected: words.join(", "),
    schema: { type: "string", enum: words },
    read: (value) => typeof value === "string" && words.includes(value) ? value : undefined,
    write: same,
  };
}

/** The keys as `queues` in the configuration has them; and the field that each stands for. */
const KEYS: Readonly<Record<string, readonly [field: string, kind: Kind]>> = {
  type: ["type", choice(["classic", "stream"])],
  partitions: ["partitions", COUNT],
  ordering: ["ordering", choice(["none", "partition", "strict"])],
  topics: ["topics", TEXTS],
  "retention.retention_time": ["retention.ageMs", worded(DURATION, "never")],
  "retention.retention_bytes": ["retention.bytes", worded(SIZE, "unlimited")],
  "retention.retention_messages": ["retention.messages", worded(COUNT, "unlimited")],
  "retention.compaction_enabled": ["retention.isCompacted", FLAG],
  "retention.compaction_lag": ["retention.compactionLagMs", DURATION],
  "limits.max_depth": ["limits.messages", worded(COUNT, "unlimited")],
  "limits.max_bytes": ["limits.bytes", worded(SIZE, "unlimited")],
  "limits.max_message_size": ["limits.messageBytes", worded(SIZE, "unlimited")],
  "limits.message_ttl": ["limits.ttlMs", worded(DURATION, "never")],
  visibility_timeout: ["visibilityTimeoutMs", DURATION],
  "retry.max_retries": ["deliveryLimit", worded(RETRIES, "unlimited")],
  "retry.initial_backoff": ["backoff.initialMs", DURATION],
  "retry.max_backoff": ["backoff.maxMs", DURATION],
  "retry.multiplier": ["backoff.multiplier", NUMBER],
  "retry.jitter": ["backoff.jitter", NUMBER],
  "dlq.enabled": ["hasDeadLetters", FLAG],
  prefetch: ["prefetch", COUNT],
  deduplication_window: ["deduplicationMs", DURATION],
  group_expiry: ["groupExpiryMs", worded(DURATION, "never")],
};

type Tree = Record<string, unknown>;

/** What a document says of a queue.
 * @throws {TypeError} for a key that is unknown or a value of another kind */
export function readDefinition(name: string, document: unknown): QueueOptions {
  const options: Tree = { name };
  for (const [key, value] of leaves(document, "")) {
    if (!Object.hasOwn(KEYS, key)) throw new TypeError(`Cannot use the key ${quoted(key)}: it is unknown here`);
    const [field, kind] = KEYS[key];
    const read = kind.read(value);
    if (read === undefined) throw new TypeError(`Cannot use ${key}: it is ${kind.expected}`);
    put(options, field, read);
  }
  return options as unknown as QueueOptions;
}

/** The document that says the same. */
export function definitionDocument(definition: QueueDefinition): Json {
  const document: Tree = {};
  for (const [key, [field, kind]] of Object.entries(KEYS)) {
    const value = field.split(".").reduce<unknown>((at, name) => (at as Tree)[name], definition);
    put(document, key, kind.write(value));
  }
  return document;
}

/** The document in OpenAPI. */
export function definitionSchema(): Json {
  const schema: Tree = {};
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [key, [, { schema: own, expected }]] of Object.entries(KEYS)) {
    const described = { ...own, description: expected };
    const [group, name] = key.split(".");
    if (name === undefined) schema[group] = described;
    else (groups[group] ??= {})[name] = described;
  }
  for (const [group, properties] of Object.entries(groups)) {
    schema[group] = { type: "object", properties, additionalProperties: false };
  }
  return { type: "object", properties: schema, additionalProperties: false };
}

function* leaves(document: unknown, prefix: string): Iterable<readonly [string, unknown]> {
  if (!isTree(document)) {
    throw new TypeError(`Cannot read ${prefix === "" ? "the document" : prefix}: it is not an object`);
  }
  for (const [name, value] of Object.entries(document)) {
    const key = `${prefix}${name}`;
    if (Object.keys(KEYS).some((known) => known.startsWith(`${key}.`))) yield* leaves(value, `${key}.`);
    else yield [key, value];
  }
}

function put(tree: Tree, path: string, value: unknown): void {
  const [group, name] = path.split(".");
  if (name === undefined) tree[group] = value;
  else tree[group] = { ...tree[group] as Tree | undefined, [name]: value };
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
