import type { StoredQueues } from "../../core/queue/mutation.ts";
import type {
  QueueAmount,
  QueueCompaction,
  QueueCompactionRequest,
  QueueCountRequest,
  QueueDelayPage,
  QueuePageRequest,
  QueueStore,
} from "../../core/queue/ports.ts";
import type { QueueRecord } from "../../core/queue/record.ts";
import type { StoreReply, StoreRequest } from "./protocol.ts";
import { unpackQueuePage } from "./queue_page.ts";

type Reply<Kind extends StoreReply["kind"]> = Extract<StoreReply, { kind: Kind }>;

/** The queues of the database in the Worker. */
export class WorkerQueues implements QueueStore {
  readonly #ask: (request: StoreRequest) => Promise<StoreReply>;

  constructor(ask: (request: StoreRequest) => Promise<StoreReply>) {
    this.#ask = ask;
  }

  async loadQueues(): Promise<StoredQueues> {
    return (await this.#ask({ kind: "load-queues" }) as Reply<"queues-loaded">).state;
  }

  async queuePage(request: QueuePageRequest): Promise<QueueRecord[]> {
    const { page } = await this.#ask({ kind: "queue-page", request }) as Reply<"queue-paged">;
    return unpackQueuePage(page, request);
  }

  async countQueue(request: QueueCountRequest): Promise<QueueAmount> {
    return (await this.#ask({ kind: "count-queue", request }) as Reply<"queue-counted">).amount;
  }

  async queueDelays(now: number, limit: number): Promise<QueueDelayPage> {
    return (await this.#ask({ kind: "queue-delays", now, limit }) as Reply<"delays-paged">).page;
  }

  async compactQueue(request: QueueCompactionRequest): Promise<QueueCompaction> {
    return (await this.#ask({ kind: "compact-queue", request }) as Reply<"queue-compacted">).compaction;
  }
}
