/** Bytes of all that is kept, wherever it lies. */
export class Tally {
  bytes = 0;
}

/** A map that knows what its rows weigh: a tally that several of them share goes with every change of each. What a row weighs must not
 * change while it is in; another row takes its place. */
export class WeighedMap<K, V> extends Map<K, V> {
  readonly #tally: Tally;
  readonly #weigh: (row: V, key: K) => number;

  constructor(tally: Tally, weigh: (row: V, key: K) => number) {
    super();
    this.#tally = tally;
    this.#weigh = weigh;
  }

  override set(key: K, row: V): this {
    this.#tally.bytes += this.#weigh(row, key) - this.#weightAt(key);
    return super.set(key, row);
  }

  override delete(key: K): boolean {
    this.#tally.bytes -= this.#weightAt(key);
    return super.delete(key);
  }

  override clear(): void {
    for (const [key, row] of this) this.#tally.bytes -= this.#weigh(row, key);
    super.clear();
  }

  #weightAt(key: K): number {
    const row = this.get(key);
    return row === undefined ? 0 : this.#weigh(row, key);
  }
}
