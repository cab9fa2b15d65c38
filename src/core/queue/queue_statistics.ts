import type { QueueDropCause } from "../happening.ts";

/** Counts of one queue since the start, kept as plain numbers because they are touched for every message. */
export class QueueStatistics {
  /** Messages taken, those of a delay when they are due. */
  appended = 0;
  /** Publishes with a key that had been seen. */
  duplicates = 0;
  /** Deliveries, repeated ones included, to all groups. */
  delivered = 0;
  /** Deliveries that were settled well. */
  acknowledged = 0;
  /** Deliveries that failed, whatever became of the message. */
  failed = 0;
  /** Those of them whose time was over. */
  timedOut = 0;
  /** Messages that became dead letters. */
  deadLettered = 0;
  /** How often a dead letter found no room. */
  deadLettersRefused = 0;
  /** Messages that retention took while a group had not settled them, or that nobody had read. */
  retired = 0;
  /** Messages that a group did not get, by cause. */
  readonly dropped: Record<QueueDropCause, number> = {
    "expired": 0,
    "rejected": 0,
    "delivery-limit": 0,
    "queue-full": 0,
  };
}
