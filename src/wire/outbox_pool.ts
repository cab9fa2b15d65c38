import type { BufferPool } from "./buffer_pool.ts";
import { Outbox } from "./outbox.ts";

/** As many as a fan-out writes to at a time; of 104 bytes each. */
const KEPT_MAX = 1_024;

/** Outboxes that hold nothing, for whoever has something to say next: an idle connection needs none. */
export class OutboxPool {
  readonly #buffers: BufferPool;
  readonly #free: Outbox[] = [];

  /** @param buffers What the outboxes share. */
  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  take(): Outbox {
    return this.#free.pop() ?? new Outbox(this.#buffers);
  }

  /** Takes one back of which all has been written. */
  give(outbox: Outbox): void {
    if (this.#free.length < KEPT_MAX) this.#free.push(outbox);
  }
}
