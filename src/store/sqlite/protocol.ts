import type { StoredState } from "../../core/mutation.ts";
import type { PageRequest } from "../../core/ports.ts";
import type { StoredQueues } from "../../core/queue/mutation.ts";
import type {
  QueueAmount,
  QueueCompaction,
  QueueCompactionRequest,
  QueueCountRequest,
  QueueDelayPage,
  QueuePageRequest,
} from "../../core/queue/ports.ts";
import type { PackedPage } from "./packed_page.ts";
import type { PackedQueuePage } from "./queue_page.ts";
import type { Batch } from "./runs.ts";
import type { OpenOptions } from "./sqlite_store.ts";

/** What the store asks of its Worker; answered in order, one answer each. */
export type StoreRequest =
  | { readonly kind: "open"; readonly path: string; readonly options: OpenOptions }
  | { readonly kind: "load" }
  | { readonly kind: "commit"; readonly batch: Batch }
  | { readonly kind: "page"; readonly request: PageRequest }
  | { readonly kind: "load-queues" }
  | { readonly kind: "queue-page"; readonly request: QueuePageRequest }
  | { readonly kind: "count-queue"; readonly request: QueueCountRequest }
  | { readonly kind: "queue-delays"; readonly now: number; readonly limit: number }
  | { readonly kind: "compact-queue"; readonly request: QueueCompactionRequest }
  | { readonly kind: "maintain" }
  | { readonly kind: "close" };

/** What the Worker answers. Errors cross as text: their classes do not. */
export type StoreReply =
  | { readonly kind: "opened"; readonly isFull: boolean; readonly foundVersion: number }
  | { readonly kind: "done"; readonly isFull: boolean }
  | { readonly kind: "loaded"; readonly state: StoredState }
  | { readonly kind: "paged"; readonly page: PackedPage }
  | { readonly kind: "queues-loaded"; readonly state: StoredQueues }
  | { readonly kind: "queue-paged"; readonly page: PackedQueuePage }
  | { readonly kind: "queue-counted"; readonly amount: QueueAmount }
  | { readonly kind: "delays-paged"; readonly page: QueueDelayPage }
  | { readonly kind: "queue-compacted"; readonly compaction: QueueCompaction }
  | { readonly kind: "maintained"; readonly hasMore: boolean; readonly isFull: boolean }
  | { readonly kind: "failed"; readonly message: string };
