/** What a group has settled above its position in one log: ranges of offsets, as few as may be. There is one more of them than there are
 * messages that hold the position back, a thousand or so at most, mostly none. */
export class SettledRanges {
  /** From (included) and to (excluded) in turn, growing, never touching. */
  readonly #bounds: number[];

  /** Takes the form that {@link toArray} gives. */
  constructor(bounds: readonly number[] = []) {
    this.#bounds = [...bounds];
  }

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  /** The end of the last range; 0 when there is none. */
  get end(): number {
    return this.#bounds.at(-1) ?? 0;
  }

  /** Adds `from` (included) to `to` (excluded) and joins what overlaps or touches. */
  add(from: number, to: number): void {
    if (to <= from) return;
    const bounds = this.#bounds;
    let first = bounds.length;
    while (first > 0 && bounds[first - 1] >= from) first -= 2; // mostly the last one
    let after = first;
    while (after < bounds.length && bounds[after] <= to) after += 2;
    if (after > first) {
      from = Math.min(from, bounds[first]);
      to = Math.max(to, bounds[after - 1]);
    }
    bounds.splice(first, after - first, from, to);
  }

  /** Whether `offset` lies in a range. */
  has(offset: number): boolean {
    return this.#next(offset) !== undefined;
  }

  /** The first offset at or above `offset` that lies in none of the ranges. */
  skip(offset: number): number {
    return this.#next(offset) ?? offset;
  }

  /** How many offsets from `from` (included) to `to` (excluded) lie in ranges. */
  covered(from: number, to: number): number {
    const bounds = this.#bounds;
    let count = 0;
    for (let i = 0; i < bounds.length && bounds[i] < to; i += 2) {
      count += Math.max(0, Math.min(bounds[i + 1], to) - Math.max(bounds[i], from));
    }
    return count;
  }

  /** Forgets what lies below `position`. */
  dropBelow(position: number): void {
    const bounds = this.#bounds;
    let count = 0;
    while (count < bounds.length && bounds[count + 1] <= position) count += 2;
    if (count > 0) bounds.splice(0, count);
    if (bounds.length > 0 && bounds[0] < position) bounds[0] = position;
  }

  /** From (included) and to (excluded) in turn: how it is stored. */
  toArray(): number[] {
    return [...this.#bounds];
  }

  /** The end of the range that holds `offset`. */
  #next(offset: number): number | undefined {
    const bounds = this.#bounds;
    let low = 0; // the first range that ends above `offset`
    let high = bounds.length >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[2 * middle + 1] > offset) high = middle;
      else low = middle + 1;
    }
    return 2 * low < bounds.length && bounds[2 * low] <= offset ? bounds[2 * low + 1] : undefined;
  }
}
