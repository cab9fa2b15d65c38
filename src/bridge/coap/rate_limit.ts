import { addressKey } from "../../address/ip_address.ts";
import { BoundedMap } from "../../core/bounded_map.ts";

/** How many addresses are told apart; the one that was silent longest is forgotten, and has a full allowance when it comes back. */
const ADDRESSES_MAX = 10_000;

/** What a request is met with: carried out, refused in words, or not answered at all. */
export type Allowance = "granted" | "refused" | "ignored";

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** Requests per second of one address, whatever its port: a bucket that holds two seconds' worth. Who goes on after that is told so, and who
 * goes on after having been told so as often is not answered any more. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #buckets = new BoundedMap<string, Bucket>(ADDRESSES_MAX);

  /** Infinity for no limit. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Counts one request of `hostname`. */
  take(hostname: string, now: number): Allowance {
    if (this.#perSecond === Infinity) return "granted";
    const burst = this.#perSecond * 2;
    const key = addressKey(hostname);
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAt: now };
    this.#buckets.set(key, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.filledAt) / 1000 * this.#perSecond);
    bucket.filledAt = now;
    if (bucket.tokens <= -burst) return "ignored";
    bucket.tokens--;
    return bucket.tokens >= 0 ? "granted" : "refused";
  }

  /** Takes a tenth of what `hostname` has for a second, for what costs more than a request. */
  charge(hostname: string): void {
    const bucket = this.#buckets.get(addressKey(hostname));
    if (bucket !== undefined) bucket.tokens -= this.#perSecond / 10;
  }

  /** Seconds until a request of `hostname` is granted again. */
  secondsUntilRoom(hostname: string): number {
    const tokens = this.#buckets.get(addressKey(hostname))?.tokens ?? 0;
    return Math.max(1, Math.ceil((1 - tokens) / this.#perSecond));
  }
}
