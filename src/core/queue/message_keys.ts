import { BoundedMap } from "../bounded_map.ts";

/** Keys remembered of one queue, and got back of it at a start; the oldest goes above it. */
export const KEYS_MAX = 100_000;

/** The message keys that a queue has seen within its window, oldest first. The store keeps them all until it is told to forget some. */
export class MessageKeys {
  readonly #seen = new BoundedMap<string, number>(KEYS_MAX);
  /** When a key made room for the last time: of keys from before only the store may still know. */
  #fullAt = -Infinity;
  /** What the store was told last. */
  #forgottenBefore = 0;

  get size(): number {
    return this.#seen.size;
  }

  /** Whether `key` was noted after `since`. */
  has(key: string, since: number): boolean {
    const at = this.#seen.get(key);
    return at !== undefined && at > since;
  }

  note(key: string, at: number): void {
    if (this.#seen.size === KEYS_MAX) this.#fullAt = at;
    this.#seen.set(key, at);
  }

  /** Forgets what was noted before `before`; true when the store may have something to forget. */
  forget(before: number): boolean {
    const size = this.#seen.size;
    for (const [key, at] of this.#seen) {
      if (at >= before) break;
      this.#seen.delete(key);
    }
    const hasForgotten = this.#seen.size < size || this.#fullAt >= this.#forgottenBefore;
    if (hasForgotten) this.#forgottenBefore = before;
    return hasForgotten;
  }
}
