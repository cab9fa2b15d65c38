import { DEFAULT_QUEUE, type QueueOrdering, type QueueType } from "../../core/queue/definition.ts";
import { type Field, optional, required, type Setting, setting } from "../setting.ts";
import { filters } from "../list_type.ts";
import { queueName } from "../text_type.ts";
import { choice, count, duration, flag, fraction, NEVER, size, UNLIMITED } from "../value_type.ts";

const { retention, limits, backoff } = DEFAULT_QUEUE;
const SIZE = { from: 1, to: 2 ** 50, special: UNLIMITED } as const;

/** What a queue is: under `queue` for those that say nothing else, and in each entry of `queues`. */
const QUEUE_KEYS = {
  type: setting<QueueType>({
    type: choice(["classic", "stream"], { ephemeral: "set group_expiry and message_ttl instead" }),
    initial: DEFAULT_QUEUE.type,
    about:
      "`classic` is a work queue: what every group has settled is gone. `stream` is a log, read by offset and kept by retention.",
  }),
  partitions: setting<number>({
    type: count({ from: 1, to: 1000 }),
    initial: DEFAULT_QUEUE.partitions,
    about:
      "How many logs the queue has, and how many members of a group can work side by side in order. May grow, never shrink.",
  }),
  ordering: setting<QueueOrdering>({
    type: choice(["none", "partition", "strict"]),
    initial: DEFAULT_QUEUE.ordering,
    about:
      "`partition`: messages with one `partition-key` one after the other, also through retries; `strict`: all messages of the queue, " +
      "which then has one partition; `none`: any member takes any message.",
  }),
  "retention.retention_time": setting<number>({
    type: duration({ from: "1s", to: "36500d", special: NEVER }),
    initial: retention.ageMs,
    about: "How long messages are kept, settled or not; `never` ends.",
  }),
  "retention.retention_bytes": setting<number>({
    type: size(SIZE),
    initial: retention.bytes,
    about: "Bytes that one partition keeps; the oldest messages go first.",
  }),
  "retention.retention_messages": setting<number>({
    type: count({ from: 1, to: 1e12, special: UNLIMITED }),
    initial: retention.messages,
    about: "Messages that one partition keeps; the oldest go first.",
  }),
  "retention.compaction_enabled": setting<boolean>({
    type: flag(),
    initial: retention.isCompacted,
    about:
      "Streams: of the messages with one `message-key` keep only the newest, and none once that has an empty payload.",
  }),
  "retention.compaction_lag": setting<number>({
    type: duration({ from: "0s", to: "365d", zero: true }),
    initial: retention.compactionLagMs,
    about: "How old a message must be before compaction may take it.",
  }),
  "limits.max_depth": setting<number>({
    type: count({ from: 1, to: 1e12, special: UNLIMITED }),
    initial: limits.messages,
    about: "Messages that wait in the queue: those that the slowest group has not settled.",
    atLimit: "A further message is refused: MQTT 5 0x97 (Quota exceeded), 3.1.1 the connection is closed, HTTP 429.",
  }),
  "limits.max_bytes": setting<number>({
    type: size(SIZE),
    initial: limits.bytes,
    about: "Bytes of topics, properties and payloads in the queue.",
    atLimit: "As `limits.max_depth`.",
  }),
  "limits.max_message_size": setting<number>({
    type: size({ from: 1, to: 256 * 1024 ** 2 }),
    initial: limits.messageBytes,
    about: "Topic, properties and payload of one message.",
    atLimit: "As `limits.max_depth`.",
  }),
  "limits.message_ttl": setting<number>({
    type: duration({ from: "1s", to: "36500d", special: NEVER }),
    initial: limits.ttlMs,
    about: "How long a message may be delivered, whatever longer expiry it brings.",
    atLimit: "It is dropped and counted when its turn comes.",
  }),
  visibility_timeout: setting<number>({
    type: duration({ from: "100ms", to: "1d" }),
    initial: DEFAULT_QUEUE.visibilityTimeoutMs,
    about: "How long a consumer may hold a message.",
    atLimit: "It counts as failed and is given out again; the consumer's late settlement is refused.",
  }),
  "retry.max_retries": setting<number>({
    type: count({ from: 0, to: 1_000_000, special: UNLIMITED }),
    initial: DEFAULT_QUEUE.deliveryLimit - 1,
    about: "How often a message that failed is delivered again.",
    atLimit: "It goes to the dead letters, or is dropped and counted where those are switched off.",
  }),
  "retry.initial_backoff": setting<number>({
    type: duration({ from: "0s", to: "1d", zero: true }),
    initial: backoff.initialMs,
    about: "How long a message waits after it failed for the first time.",
  }),
  "retry.max_backoff": setting<number>({
    type: duration({ from: "0s", to: "7d", zero: true }),
    initial: backoff.maxMs,
    about: "The longest such wait.",
  }),
  "retry.multiplier": setting<number>({
    type: fraction({ from: 1, to: 100 }),
    initial: backoff.multiplier,
    about: "How much longer the wait becomes with each failure.",
  }),
  "retry.jitter": setting<number>({
    type: fraction({ from: 0, to: 1 }),
    initial: backoff.jitter,
    about: "The share of the wait that is left to chance, so that what failed together does not come back together.",
  }),
  "dlq.enabled": setting<boolean>({
    type: flag(),
    initial: DEFAULT_QUEUE.hasDeadLetters,
    about: "Whether what was rejected or failed too often goes to `$queue/<name>/$dlq`.",
  }),
  prefetch: setting<number>({
    type: count({ from: 1, to: 65_535 }),
    initial: DEFAULT_QUEUE.prefetch,
    about:
      "Messages that a consumer holds at a time unless it asks for another number; its Receive Maximum counts as well.",
  }),
  deduplication_window: setting<number>({
    type: duration({ from: "1s", to: "7d", zero: true }),
    initial: DEFAULT_QUEUE.deduplicationMs,
    about:
      "How long a `message-key` is remembered: a second publish with it is acknowledged and not appended. 0 is off.",
  }),
  group_expiry: setting<number>({
    type: duration({ from: "1s", to: "36500d", special: NEVER }),
    initial: DEFAULT_QUEUE.groupExpiryMs,
    about: "How long a consumer group is kept that has no member.",
  }),
};

/** The values of a queue's keys. */
export type QueueValues = {
  readonly [K in keyof typeof QUEUE_KEYS]: (typeof QUEUE_KEYS)[K] extends Setting<infer T> ? T : never;
};

/** `queue`: what holds for queues that do not say otherwise. */
export const QUEUE_SETTINGS = {
  ...prefixed(QUEUE_KEYS),
  "queue.auto_create": setting<boolean>({
    type: flag(),
    initial: true,
    about: "Whether the first publish to `$queue/<name>`, or subscription to it, makes the queue.",
    atLimit:
      "Otherwise: publish 0x90 (Topic Name invalid), subscribe 0x8F (Topic Filter invalid), by HTTP 400 and 404.",
  }),
  "queue.max_queues": setting<number>({
    type: count({ from: 0, to: 100_000 }),
    initial: 1_000,
    about: "Queues, dead letters not counted, beyond which none is made by itself.",
    atLimit: "0x97 (Quota exceeded).",
  }),
  "queue.max_groups": setting<number>({
    type: count({ from: 1, to: 1_000_000 }),
    initial: 10_000,
    about: "Consumer groups of one queue, beyond which none is made; a consumer that names none has one of its own.",
    atLimit: "Subscribe 0x97 (Quota exceeded), in 3.1.1 0x80; by HTTP 429.",
  }),
};

/** `queues[]`. */
export const QUEUE_FIELDS = {
  name: required(queueName(), "Unique; the first level behind `$queue/`."),
  topics: optional(filters(), "Filters of ordinary topics whose messages are copied into the queue."),
  ...optionalOf(QUEUE_KEYS),
};

type Keys = typeof QUEUE_KEYS;

function prefixed(keys: Keys): { readonly [K in keyof Keys as `queue.${K}`]: Keys[K] } {
  const entries = Object.entries(keys).map(([key, declared]) => [`queue.${key}`, declared]);
  return Object.fromEntries(entries);
}

function optionalOf(keys: Keys): { readonly [K in keyof Keys]: Field<QueueValues[K]> } {
  const entries = Object.entries(keys).map(([key, { type, about }]) => {
    return [key, { type, required: false, about: `In place of \`queue.${key}\`. ${about}` }];
  });
  return Object.fromEntries(entries);
}

/** The keys in the order of the reference. */
export const QUEUE_KEY_NAMES = Object.keys(QUEUE_KEYS) as (keyof QueueValues)[];
