/** Kinds kept apart between two summaries; beyond it the counts of new ones are put together. */
const KEYS_MAX = 1_000;
const OTHERS = "";

type Facts = Record<string, unknown>;

/** Tells the first of a kind at once and counts the others until {@link tell}, so that what comes in floods costs a line a while. */
export class Summary {
  readonly #write: (count: number, facts: Facts) => void;
  readonly #counts = new Map<string, { count: number; facts: Facts }>();

  constructor(write: (count: number, facts: Facts) => void) {
    this.#write = write;
  }

  /** Notes one more of the kind `key`; `facts` of the last one are told. */
  add(key: string, facts: Facts): void {
    let entry = this.#counts.get(key);
    if (entry === undefined) {
      if (this.#counts.size < KEYS_MAX) {
        this.#counts.set(key, { count: 0, facts });
        return this.#write(1, facts);
      }
      entry = this.#counts.get(OTHERS);
      if (entry === undefined) this.#counts.set(OTHERS, entry = { count: 0, facts });
    }
    entry.count++;
    entry.facts = facts;
  }

  /** Tells what was counted since the last time; a kind of which nothing came is forgotten. */
  tell(): void {
    for (const [key, entry] of [...this.#counts]) {
      if (entry.count === 0) {
        this.#counts.delete(key);
        continue;
      }
      this.#write(entry.count, entry.facts);
      entry.count = 0;
    }
  }
}
