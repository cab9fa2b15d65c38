import type { Turn } from "../turn.ts";
import type { GroupLog } from "./group_log.ts";
import type { QueueAmount, QueueCompactionRequest, QueueCountRequest, QueuePageRequest } from "./ports.ts";

/** Something that the store is asked, once everything decided before is committed. */
export type QueueLoad =
  /** A page of a log; the answer goes to `Queues.refill`. */
  | { readonly kind: "page"; readonly place: GroupLog; readonly request: QueuePageRequest }
  /** How much lies where it could only be estimated; `correct` is told by how much that was wrong. The answer goes to `Queues.counted`. */
  | {
    readonly kind: "count";
    readonly request: QueueCountRequest;
    readonly estimate: QueueAmount;
    readonly correct: (by: QueueAmount, turn: Turn) => void;
  }
  /** Delays that are due; the answer goes to `Queues.delaysDue`. */
  | { readonly kind: "delays"; readonly now: number; readonly limit: number }
  /** A compaction; the answer goes to `Queues.compacted`. */
  | { readonly kind: "compaction"; readonly request: QueueCompactionRequest };
