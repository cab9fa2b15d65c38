/** A map of so many entries at most. What is set comes behind all others; where it is one too many, the entry that was set longest ago
 * makes room. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number;
  /** Goes on from one entry that made room to the next, since each new walk would pass by all that have gone before. Only kept from one to
   * the next: it would keep former tables of the map alive. */
  #oldest: MapIterator<K> | undefined;

  /** @param max 1 or more */
  constructor(max: number) {
    super();
    this.#max = max;
  }

  override set(key: K, value: V): this {
    if (this.delete(key) || this.size < this.#max) this.#oldest = undefined;
    else this.delete((this.#oldest ??= this.keys()).next().value!);
    return super.set(key, value);
  }
}
