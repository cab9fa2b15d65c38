/** How much in which time. */
export interface Rate {
  /** What comes back in a second; Infinity is no limit. */
  readonly perSecond: number;
  /** What may be taken at once after a pause. */
  readonly burst: number;
}

/** Tokens that come back with time, up to the burst. Times are milliseconds that may jump: a jump back costs nothing but the moment. */
export class TokenBucket {
  /** Exchanged when limits change; what was taken stays so. */
  rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Takes `count` when there are as many, or all that there ever are. */
  take(count: number, now: number): boolean {
    this.#refill(now);
    if (this.#tokens < Math.min(count, this.rate.burst)) return false;
    this.#tokens -= count;
    return true;
  }

  /** Whether {@link take} would. */
  has(count: number, now: number): boolean {
    this.#refill(now);
    return this.#tokens >= Math.min(count, this.rate.burst);
  }

  /** In how many milliseconds {@link take} would take `count`. */
  waitFor(count: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(count, this.rate.burst) - this.#tokens;
    return missing <= 0 ? 0 : missing * 1000 / this.rate.perSecond;
  }

  /** Takes `count` in any case; answers in how many milliseconds what was owed has come back. */
  spend(count: number, now: number): number {
    this.#refill(now);
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : -this.#tokens * 1000 / this.rate.perSecond;
  }

  /** As good as a new one. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.rate.burst;
  }

  #refill(now: number): void {
    const elapsed = now - this.#at;
    this.#at = now;
    if (elapsed <= 0) return;
    const { perSecond, burst } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + elapsed * perSecond / 1000);
  }
}
