import type { StoredQueueDelay, StoredQueues } from "./mutation.ts";
import type { QueueRecord } from "./record.ts";

/** Where in a log a page begins and how much it is at most. */
export interface QueuePageRequest {
  /** Which log. */
  readonly logId: number;
  /** The first offset wanted. */
  readonly from: number;
  /** The first offset that is not wanted any more: what is committed later is not asked for. */
  readonly to: number;
  /** How many records at most. */
  readonly limit: number;
  /** How many bytes of records at most, but always one record. */
  readonly bytesMax: number;
}

/** What is to be counted. */
export interface QueueCountRequest {
  /** Which log. */
  readonly logId: number;
  /** From (included) and to (excluded) in turn, growing, of offsets. */
  readonly ranges: readonly number[];
}

/** Messages and their bytes of topics, properties and payloads. */
export interface QueueAmount {
  /** How many. */
  readonly count: number;
  /** Their bytes. */
  readonly bytes: number;
}

/** What of a log a compaction has taken out. */
export interface QueueCompaction {
  /** Which log. */
  readonly logId: number;
  /** Offsets below were looked at: less than asked for when the piece has ended before. */
  readonly to: number;
  /** What was taken out: where it lay, and its bytes of topics, properties and payloads. */
  readonly removed: readonly { readonly offset: number; readonly bytes: number }[];
}

/** The part of a store that queues need; the `queue-` mutations come through {@link Store.commit} like all others. */
export interface QueueStore {
  /** Called once, after {@link Store.load} and before the first commit. */
  loadQueues(): StoredQueues | Promise<StoredQueues>;
  /** Committed records of a log, by offset; none at all when there are none between `from` and `to`. */
  queuePage(request: QueuePageRequest): readonly QueueRecord[] | Promise<readonly QueueRecord[]>;
  /** How much lies in ranges of a log, of what is committed before. */
  countQueue(request: QueueCountRequest): QueueAmount | Promise<QueueAmount>;
  /** Delays that are due at `now`, the earliest first, and when the one after them is due; Infinity for none. */
  queueDelays(now: number, limit: number): QueueDelayPage | Promise<QueueDelayPage>;
  /** Compacts a bounded piece of a log: between `from` and `to` of each `message-key` only the newest record stays, and none when that
   * one has an empty payload and was appended before `tombstonesBefore`. */
  compactQueue(request: QueueCompactionRequest): QueueCompaction | Promise<QueueCompaction>;
}

/** What is to be compacted. */
export interface QueueCompactionRequest {
  /** Which log. */
  readonly logId: number;
  /** The first offset that is there: what was looked at before needs no second look. */
  readonly from: number;
  /** The first offset that is not looked at. */
  readonly to: number;
  /** Tombstones appended before go too; a piece may end at one that stays. Milliseconds since 1970. */
  readonly tombstonesBefore: number;
}

/** Delays that are due. */
export interface QueueDelayPage {
  /** The earliest first. */
  readonly delays: readonly StoredQueueDelay[];
  /** When the one after them is due; Infinity for none. */
  readonly nextAt: number;
}
