/** Keys remembered of one queue; the oldest goes above it. */
const KEYS_MAX = 100_000;

/** The message keys that a queue has seen within its window, oldest first. */
export class MessageKeys {
  readonly #seen = new Map<string, number>();

  get size(): number {
    return this.#seen.size;
  }

  /** Whether `key` was noted after `since`. */
  has(key: string, since: number): boolean {
    const at = this.#seen.get(key);
    return at !== undefined && at > since;
  }

  note(key: string, at: number): void {
    this.#seen.delete(key);
    this.#seen.set(key, at);
    if (this.#seen.size > KEYS_MAX) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** Forgets what was noted before `before`; true when that was something. */
  forget(before: number): boolean {
    const size = this.#seen.size;
    for (const [key, at] of this.#seen) {
      if (at >= before) break;
      this.#seen.delete(key);
    }
    return this.#seen.size < size;
  }
}
