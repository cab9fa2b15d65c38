import type { QueueDefinition } from "./definition.ts";
import type { QueueEntry, QueueRecord } from "./record.ts";

/** A log is what one partition holds of one priority: records by offset, read from the front. Streams have one log a partition,
 * classic queues one for each priority that was ever used. Ids of queues, logs and groups are chosen by the broker, grow, and are
 * never used again. */
export interface StoredQueueLog {
  /** Identifies the log. */
  readonly logId: number;
  /** Identifies the queue. */
  readonly queueId: number;
  /** From 0. */
  readonly partition: number;
  /** 0 to 9; 0 in a stream. */
  readonly priority: number;
}

/** A consumer group. */
export interface StoredQueueGroup {
  /** Identifies the group. */
  readonly groupId: number;
  /** Identifies the queue. */
  readonly queueId: number;
  /** What members call it. */
  readonly name: string;
  /** A filter for the routing key; `#` is everything. */
  readonly filter: string;
  /** The client whose session it ends with, for a group that nobody named; empty for one that stays. */
  readonly clientId: string;
  /** Milliseconds since when it has no member; 0 while it has one. */
  readonly idleSince: number;
}

/** How far a group is in a log: everything below `position` is settled, and so are the ranges above it. */
export interface StoredQueuePosition {
  /** Identifies the group. */
  readonly groupId: number;
  /** Identifies the log. */
  readonly logId: number;
  /** Everything below is settled. */
  readonly position: number;
  /** From (included) and to (excluded) in turn, growing, all at or above `position`. */
  readonly settled: readonly number[];
  /** What was appended before is passed over: the group has asked to begin at a time. Milliseconds since 1970; 0 for nothing. */
  readonly notBefore: number;
}

/** A message that a group was given and that failed; kept until it is settled. */
export interface StoredQueueFailure {
  /** Identifies the group. */
  readonly groupId: number;
  /** Identifies the log. */
  readonly logId: number;
  /** The place of the message in its log. */
  readonly offset: number;
  /** Deliveries that have failed. */
  readonly failures: number;
  /** When the first one failed, in milliseconds since 1970. */
  readonly failedAt: number;
  /** When it is delivered again. */
  readonly dueAt: number;
}

/** A message that is appended later. */
export interface StoredQueueDelay {
  /** Identifies it. */
  readonly delayId: number;
  /** Identifies the queue. */
  readonly queueId: number;
  /** From 0. */
  readonly partition: number;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
  /** What is appended. */
  readonly entry: QueueEntry;
}

/** A message key that was seen. */
export interface StoredQueueKey {
  /** Identifies the queue. */
  readonly queueId: number;
  /** The `message-key`. */
  readonly messageKey: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** How a session consumes: what its SUBSCRIBE said beside the filter. Ends with the session. */
export interface StoredQueueConsumer {
  /** Whose session. */
  readonly clientId: string;
  /** As the client wrote it, `$share/<group>/` included. */
  readonly filter: string;
  /** The highest QoS of its deliveries. */
  readonly qos: 1 | 2;
  /** The group that it consumes for. */
  readonly group: string;
  /** Whether the client has named the group: it outlives the session then. */
  readonly isNamed: boolean;
  /** 0 when the client asked for none. */
  readonly prefetch: number;
  /** 0 for none. */
  readonly subscriptionId: number;
}

/** What a decision about queues changes on disk: plain data, applied in order and all or nothing, together with every other mutation
 * of the same commit. */
export type QueueMutation =
  /** A new queue, or another definition of one that is there. */
  | { readonly kind: "queue-saved"; readonly queueId: number; readonly definition: QueueDefinition }
  /** Takes logs, records, delays, keys, groups and positions with it. */
  | { readonly kind: "queue-deleted"; readonly queueId: number }
  | ({ readonly kind: "queue-log-opened" } & StoredQueueLog)
  | { readonly kind: "queue-appended"; readonly logId: number; readonly record: QueueRecord }
  /** Records below `before` are gone: settled by every group, retained long enough, or purged. The store may take its time. */
  | { readonly kind: "queue-trimmed"; readonly logId: number; readonly before: number }
  | ({ readonly kind: "queue-delayed" } & StoredQueueDelay)
  /** It is due (and appended in the same commit). */
  | { readonly kind: "queue-delay-ended"; readonly delayId: number }
  /** All that a queue has are purged, up to and with `lastId`. The store may take its time. */
  | { readonly kind: "queue-delays-purged"; readonly queueId: number; readonly lastId: number }
  /** Replaces an earlier one with the same key. */
  | ({ readonly kind: "queue-key-noted" } & StoredQueueKey)
  /** Keys of a queue noted before `before` are forgotten. */
  | { readonly kind: "queue-keys-forgotten"; readonly queueId: number; readonly before: number }
  /** A new group or the new state of one. */
  | ({ readonly kind: "queue-group-saved" } & StoredQueueGroup)
  /** Takes its positions and failures with it. */
  | { readonly kind: "queue-group-deleted"; readonly groupId: number }
  /** Sets a group's place in a log anew: ranges and failures of that log are forgotten. */
  | ({ readonly kind: "queue-positioned" } & Omit<StoredQueuePosition, "settled">)
  /** Everything from `from` (included) to `to` (excluded) is settled, and everything below `position`. Ends the failures of both. The
   * range is as wide as it may be, so that what a group has settled around a message that it has not is one range, however sparse the
   * offsets are. */
  | {
    readonly kind: "queue-settled";
    readonly groupId: number;
    readonly logId: number;
    readonly from: number;
    readonly to: number;
    readonly position: number;
  }
  | ({ readonly kind: "queue-failed" } & StoredQueueFailure)
  | ({ readonly kind: "queue-consumer-saved" } & StoredQueueConsumer)
  | { readonly kind: "queue-consumer-deleted"; readonly clientId: string; readonly filter: string };

/** Tells what concerns queues from the other mutations of a commit. */
export function isQueueMutation<T extends { readonly kind: string }>(
  mutation: T,
): mutation is Extract<T, { readonly kind: `queue-${string}` }> {
  return mutation.kind.startsWith("queue-");
}

/** A run of records next to each other in a log: what retention works with, so that it need not look at each of them.
 * The store closes one after 1,024 records or 4 MiB, or when the next record is a minute younger than its first. */
export interface QueueSegment {
  /** The offset of the first record. */
  readonly from: number;
  /** Records in it. */
  readonly count: number;
  /** Their bytes of topics, properties and payloads. */
  readonly bytes: number;
  /** When the first and the last record were appended. */
  readonly firstAt: number;
  /** When the last record was appended. */
  readonly lastAt: number;
}

/** Everything about queues that a start gets back. */
export interface StoredQueues {
  /** Every queue. */
  readonly queues: readonly { readonly queueId: number; readonly definition: QueueDefinition }[];
  /** Those that are not deleted, with their segments in order and what is not trimmed yet. */
  readonly logs: readonly (StoredQueueLog & {
    /** The first offset that is not trimmed, and the next to be given in this log: above every record that was ever in it. */
    readonly first: number;
    readonly next: number;
    readonly segments: readonly QueueSegment[];
  })[];
  /** Every consumer group. */
  readonly groups: readonly StoredQueueGroup[];
  /** How far each is in each log. */
  readonly positions: readonly StoredQueuePosition[];
  /** Deliveries that have failed. */
  readonly failures: readonly StoredQueueFailure[];
  /** How many messages of each queue are delayed, with their bytes, and when the first of all is due (Infinity for none). */
  readonly delayed: readonly { readonly queueId: number; readonly count: number; readonly bytes: number }[];
  /** When the first delayed message is due; Infinity for none. */
  readonly nextDelayAt: number;
  /** The newest 100,000 keys of each queue. */
  readonly keys: readonly StoredQueueKey[];
  /** How sessions consume. */
  readonly consumers: readonly StoredQueueConsumer[];
  /** The highest id of a queue, log, group or delay that was ever used. */
  readonly lastId: number;
}
