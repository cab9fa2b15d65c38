/** Failures one after the other until nobody is asked any more, and for how long. */
const FAILURES_MAX = 5;
const OPEN_MS = 10_000;

/** Keeps from asking who does not answer: after some failures nobody asks for a while, then one may try. Times are milliseconds of
 * one clock. */
export class Breaker {
  #failures = 0;
  #openUntil = -Infinity;
  #isTrying = false;

  /** Whether to ask now. Whoever is told to has to say how it went. */
  mayAsk(now: number): boolean {
    if (this.#failures < FAILURES_MAX) return true;
    if (now < this.#openUntil || this.#isTrying) return false;
    this.#isTrying = true;
    return true;
  }

  succeed(): void {
    this.#failures = 0;
    this.#isTrying = false;
  }

  fail(now: number): void {
    this.#failures++;
    this.#isTrying = false;
    if (this.#failures >= FAILURES_MAX) this.#openUntil = now + OPEN_MS;
  }
}
