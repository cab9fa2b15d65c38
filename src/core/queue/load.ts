import type { GroupLog } from "./group_log.ts";
import type { QueueCompactionRequest, QueuePageRequest } from "./ports.ts";

/** Something that the store is asked, once everything decided before is committed. */
export type QueueLoad =
  /** A page of a log; the answer goes to `Queues.refill`. */
  | { readonly kind: "page"; readonly place: GroupLog; readonly request: QueuePageRequest }
  /** Delays that are due; the answer goes to `Queues.delaysDue`. */
  | { readonly kind: "delays"; readonly now: number; readonly limit: number }
  /** A compaction; the answer goes to `Queues.compacted`. */
  | { readonly kind: "compaction"; readonly request: QueueCompactionRequest };
