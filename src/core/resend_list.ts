import type { Delivery } from "./delivery.ts";

/** What was sent on a former connection and is to be sent again on this one, oldest first. What is settled meanwhile is passed over, at
 * the cost of one look at each, however many there are. */
export class ResendList {
  readonly #left: Set<Delivery>;
  readonly #walk: Iterator<Delivery>;

  constructor(deliveries: Iterable<Delivery>) {
    this.#left = new Set(deliveries);
    this.#walk = this.#left.values();
  }

  get length(): number {
    return this.#left.size;
  }

  /** Takes out the next one. */
  shift(): Delivery | undefined {
    const { value } = this.#walk.next();
    if (value !== undefined) this.#left.delete(value);
    return value;
  }

  /** It need not be sent again. */
  delete(delivery: Delivery): void {
    this.#left.delete(delivery);
  }
}
