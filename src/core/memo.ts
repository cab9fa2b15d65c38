/** Longest name that is worth a place in a table, in UTF-16 units. A name may have 64 KiB: a table of many entries has a bound in memory only
 * if it takes none of these. */
const NAME_LENGTH_MAX = 1024;

/** Whether what is found out about `name` may be remembered. */
export function isMemorable(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX;
}

/** What has been found out about names, so that it need not be found out again: of so many at most, and begun anew when it is full. */
export class Memo<V> extends Map<string, V> {
  readonly #max: number;

  /** @param max 1 or more */
  constructor(max: number) {
    super();
    this.#max = max;
  }

  /** Remembers it, unless the name is not {@link isMemorable memorable}. */
  override set(name: string, value: V): this {
    if (!isMemorable(name)) return this;
    if (this.size >= this.#max && !this.has(name)) this.clear();
    return super.set(name, value);
  }
}
