import { BoundedMap } from "../core/bounded_map.ts";
import { isMemorable } from "../core/memo.ts";
import { type Rate, TokenBucket } from "./token_bucket.ts";

/** Buckets that nobody holds and that are not full yet; the one released longest ago makes room for another. */
export const IDLE_MAX = 50_000;

interface Held {
  readonly bucket: TokenBucket;
  holders: number;
}

/** A bucket for each key: an address, a client id, a user name. One that is held stays; one that nobody holds goes as soon as it is
 * full, since a new one would be the same; and so does that of a client id of more than a kilobyte. So there are never more than those who
 * are there and {@link IDLE_MAX}. */
export class BucketTable {
  #rate: Rate;
  readonly #held = new Map<string, Held>();
  readonly #idle = new BoundedMap<string, TokenBucket>(IDLE_MAX);

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  get size(): number {
    return this.#held.size + this.#idle.size;
  }

  /** Everybody's bucket has this rate from now on. */
  set rate(rate: Rate) {
    this.#rate = rate;
    for (const { bucket } of this.#held.values()) bucket.rate = rate;
    for (const bucket of this.#idle.values()) bucket.rate = rate;
  }

  /** Whether there is a limit at all. */
  get isOn(): boolean {
    return this.#rate.perSecond !== Infinity;
  }

  /** The bucket of `key`, to be released. */
  hold(key: string, now: number): TokenBucket {
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.holders++;
      return held.bucket;
    }
    const bucket = this.#idle.get(key) ?? new TokenBucket(this.#rate, now);
    this.#idle.delete(key);
    this.#held.set(key, { bucket, holders: 1 });
    return bucket;
  }

  /** One holder less. */
  release(key: string, now: number): void {
    const held = this.#held.get(key)!;
    if (--held.holders > 0) return;
    this.#held.delete(key);
    if (held.bucket.isFull(now) || !isMemorable(key)) return;
    this.#idle.set(key, held.bucket);
  }

  /** Lets go of what is full again. */
  sweep(now: number): void {
    for (const [key, bucket] of this.#idle) if (bucket.isFull(now)) this.#idle.delete(key);
  }
}
