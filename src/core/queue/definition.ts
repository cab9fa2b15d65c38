/** What a queue is, as its owner wrote it: plain data that is stored, compared and handed out. */

/** `classic` is a work queue: what every group has settled is gone. `stream` is a log: it is read by offset and kept by retention. */
export type QueueType = "classic" | "stream";

/** What is kept in order: nothing, the messages of one key, or the whole queue. */
export type QueueOrdering = "none" | "partition" | "strict";

/** How long messages stay although somebody has not settled them. Infinity is for ever. */
export interface QueueRetention {
  /** Milliseconds since they were appended. */
  readonly ageMs: number;
  /** Bytes of topics, properties and payloads in one partition. */
  readonly bytes: number;
  /** Messages in one partition. */
  readonly messages: number;
  /** Streams only: of the messages with one `message-key` only the newest is kept, and none once that has an empty payload. */
  readonly isCompacted: boolean;
  /** How old a message must be before compaction looks at it, in milliseconds. */
  readonly compactionLagMs: number;
}

/** What a queue takes; beyond it a publisher is told (0x97, HTTP 429) and nothing is stored. */
export interface QueueLimits {
  /** Messages that wait in all partitions together: those that the slowest group has not settled, or all while there is no group. */
  readonly messages: number;
  /** Bytes of topics, properties and payloads in all partitions together. */
  readonly bytes: number;
  /** Topic, properties and payload of one message. */
  readonly messageBytes: number;
  /** Milliseconds after which a message is not delivered any more, whatever expiry it brings; Infinity is never. */
  readonly ttlMs: number;
}

/** How long a message that failed waits before it is delivered again: `initialMs * multiplier ** (failures - 1)`, `maxMs` at most,
 * give or take up to `jitter` of it. */
export interface QueueBackoff {
  /** Milliseconds after the first failure. */
  readonly initialMs: number;
  /** Milliseconds at most. */
  readonly maxMs: number;
  /** What each further failure multiplies them by. */
  readonly multiplier: number;
  /** 0 to 1. */
  readonly jitter: number;
}

/** A queue. */
export interface QueueDefinition {
  /** One topic level without wildcards or a leading `$`; a dead-letter queue is called `<name>/$dlq`. */
  readonly name: string;
  /** Whether it is a work queue or a log. */
  readonly type: QueueType;
  /** 1 to 1,000; may grow, never shrink. 1 with `strict`. */
  readonly partitions: number;
  /** What is kept in order. */
  readonly ordering: QueueOrdering;
  /** Filters of ordinary topics whose messages are copied into the queue, under their topic as routing key. */
  readonly topics: readonly string[];
  /** How long messages stay. */
  readonly retention: QueueRetention;
  /** What it takes. */
  readonly limits: QueueLimits;
  /** How long a consumer may hold a message before it counts as failed, in milliseconds. */
  readonly visibilityTimeoutMs: number;
  /** Deliveries, the first included, after which a message that fails again is a dead letter; Infinity tries for ever. */
  readonly deliveryLimit: number;
  /** How long a failed message waits. */
  readonly backoff: QueueBackoff;
  /** Whether what was rejected or failed too often goes to the queue `<name>/$dlq`; it is dropped and counted otherwise. */
  readonly hasDeadLetters: boolean;
  /** Messages that one consumer may hold at a time, unless it asks for another number. */
  readonly prefetch: number;
  /** How long a `message-key` is remembered: a second publish with it is acknowledged and not appended. 0 is off. Milliseconds. */
  readonly deduplicationMs: number;
  /** How long a group without members is kept, in milliseconds; Infinity is for ever. */
  readonly groupExpiryMs: number;
}

/** What differs from the broker's defaults for queues. */
export interface QueueOptions
  extends Partial<Omit<QueueDefinition, "name" | "retention" | "limits" | "backoff">>, Pick<QueueDefinition, "name"> {
  /** What differs. */
  readonly retention?: Partial<QueueRetention>;
  /** What differs. */
  readonly limits?: Partial<QueueLimits>;
  /** What differs. */
  readonly backoff?: Partial<QueueBackoff>;
}

/** The queue of which nobody said more than the name. */
export const DEFAULT_QUEUE: Omit<QueueDefinition, "name"> = {
  type: "classic",
  partitions: 10,
  ordering: "partition",
  topics: [],
  retention: { ageMs: Infinity, bytes: Infinity, messages: Infinity, isCompacted: false, compactionLagMs: 5 * 60_000 },
  limits: { messages: 100_000, bytes: Infinity, messageBytes: 1024 * 1024, ttlMs: 7 * 86_400_000 },
  visibilityTimeoutMs: 30_000,
  deliveryLimit: 10,
  backoff: { initialMs: 5_000, maxMs: 5 * 60_000, multiplier: 2, jitter: 0.1 },
  hasDeadLetters: true,
  prefetch: 100,
  deduplicationMs: 5 * 60_000,
  groupExpiryMs: 7 * 86_400_000,
};

/** The last level of a dead-letter queue's name. */
export const DEAD_LETTERS = "$dlq";
