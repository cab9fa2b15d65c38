import type { QueueLoad } from "../core/queue/load.ts";
import type { QueueStore } from "../core/queue/ports.ts";
import type { Queues } from "../core/queue/queues.ts";
import type { Turn } from "../core/turn.ts";

/** What is needed to answer. */
export interface QueueLoadsParts {
  readonly queues: Queues;
  readonly store: QueueStore;
  /** Lets the core decide, then persists and speaks. */
  readonly decide: (decide: (turn: Turn) => void) => void;
  /** The store failed. */
  readonly onFailure: (error: unknown) => void;
}

/** Asks the store what queues want to know, and brings them the answers. */
export class QueueLoads {
  readonly #parts: QueueLoadsParts;

  constructor(parts: QueueLoadsParts) {
    this.#parts = parts;
  }

  /** To be called once everything decided before is committed. */
  answer(load: QueueLoad): void {
    const { queues, store } = this.#parts;
    switch (load.kind) {
      case "page":
        return this.#ask(store.queuePage(load.request), (records, turn) => queues.refill(load, records, turn));
      case "count":
        return this.#ask(store.countQueue(load.request), (amount, turn) => queues.counted(load, amount, turn));
      case "delays":
        return this.#ask(store.queueDelays(load.now, load.limit), (page, turn) => queues.delaysDue(page, turn));
      case "compaction":
        return this.#ask(store.compactQueue(load.request), (done, turn) => queues.compacted(done, turn));
      default:
        load satisfies never;
    }
  }

  #ask<T>(answer: T | Promise<T>, use: (answer: T, turn: Turn) => void): void {
    const { decide, onFailure } = this.#parts;
    if (!(answer instanceof Promise)) return decide((turn) => use(answer, turn));
    answer.then((answer) => decide((turn) => use(answer, turn))).catch(onFailure);
  }
}
