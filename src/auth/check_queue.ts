/** How many wait for their turn. */
const WAITING_MAX = 1_000;

/** Checks at a time: each keeps a core busy for some tenths of a second, and one is left to those who are connected. */
export const CHECKS_MAX = Math.min(4, Math.max(1, navigator.hardwareConcurrency - 1));

/** Passwords that are to be checked, some at a time and the others in their order. */
export class CheckQueue {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs `check` when its turn comes; undefined when too many wait. */
  async run<T>(check: () => Promise<T>): Promise<T | undefined> {
    if (this.#running < CHECKS_MAX) this.#running++;
    else if (this.#waiting.length >= WAITING_MAX) return undefined;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // the place is handed over
    try {
      return await check();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
