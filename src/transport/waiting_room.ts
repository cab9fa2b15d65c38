/** Who is not let in yet, up to a bound. Above it the oldest of the address that has most makes room: who opens thousands from one address
 * cuts its own. Who has thousands of addresses cuts others', too. */
export class WaitingRoom<T> {
  readonly #max: number;
  readonly #byAddress = new Map<string, Set<T>>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Answers who has to go for it; undefined when there is room. */
  add(address: string, entrant: T): T | undefined {
    const gone = this.#size >= this.#max ? this.#takeOldest() : undefined;
    const others = this.#byAddress.get(address);
    if (others === undefined) this.#byAddress.set(address, new Set([entrant]));
    else others.add(entrant);
    this.#size++;
    return gone;
  }

  /** False when it was not there any more. */
  delete(address: string, entrant: T): boolean {
    const others = this.#byAddress.get(address);
    if (others?.delete(entrant) !== true) return false;
    if (others.size === 0) this.#byAddress.delete(address);
    this.#size--;
    return true;
  }

  #takeOldest(): T {
    let [address, most] = this.#byAddress.entries().next().value!;
    for (const [other, entrants] of this.#byAddress) {
      if (entrants.size > most.size) [address, most] = [other, entrants];
    }
    const oldest = most.values().next().value!;
    this.delete(address, oldest);
    return oldest;
  }
}
