/** How many wait. */
const WAITING_MAX = 1_000;

/** Things that are done some at a time, and the others in their order. */
export class Turns {
  readonly #atOnceMax: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Runs `act` when its turn comes; undefined when too many wait. */
  async run<T>(act: () => Promise<T>): Promise<T | undefined> {
    if (this.#running < this.#atOnceMax) this.#running++;
    else if (this.#waiting.length >= WAITING_MAX) return undefined;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // the place is handed over
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** Checks of passwords at a time: each keeps a core busy for some tenths of a second, and one is left to those who are connected. */
export const CHECKS_MAX = Math.min(4, Math.max(1, navigator.hardwareConcurrency - 1));
