import type { Store } from "../core/ports.ts";
import type { Alarm, Clock } from "./clock.ts";

/** Between two rounds of the store's housekeeping, and while more of it waits. */
const MAINTAIN_MS = 1_000;
const MAINTAIN_MORE_MS = 20;

/** What the upkeep is given to work with. */
export interface StoreUpkeepParts {
  readonly store: Store;
  readonly clock: Clock;
  /** Called once a second, to note whether the store has room. */
  readonly noteRoom: () => void;
  /** The store failed. */
  readonly onFailure: (error: unknown) => void;
}

/** Gives a store time for its housekeeping, a piece at a time. */
export class StoreUpkeep implements Alarm {
  readonly #parts: StoreUpkeepParts;
  #isBusy = false;
  #hasMore = false;

  constructor(parts: StoreUpkeepParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock } = this.#parts;
    clock.set(clock.now() + MAINTAIN_MS, this);
  }

  ring(now: number): number {
    const { store, noteRoom } = this.#parts;
    noteRoom();
    if (store.maintain === undefined) return store.isFull === undefined ? Infinity : now + MAINTAIN_MS;
    if (!this.#isBusy) void this.#maintain();
    return now + (this.#hasMore ? MAINTAIN_MORE_MS : MAINTAIN_MS);
  }

  async #maintain(): Promise<void> {
    this.#isBusy = true;
    try {
      this.#hasMore = await this.#parts.store.maintain!();
    } catch (error) {
      this.#parts.onFailure(error);
    }
    this.#isBusy = false;
  }
}
