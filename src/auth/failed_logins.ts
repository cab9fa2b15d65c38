import { addressKey } from "../address/ip_address.ts";
import { BoundedMap } from "../core/bounded_map.ts";

/** What a table of failed logins goes by. */
export interface FailedLoginsOptions {
  /** Failures from one address after which it is banned; Infinity is never. */
  readonly banAfter: number;
  /** The first ban; each further failure makes it twice as long, up to `banMsMax`. */
  readonly banMs: number;
  readonly banMsMax: number;
  /** For how long a failure is remembered, counted from the end of a ban if there is one. */
  readonly memoryMs: number;
}

/** An address that was banned just now. */
export interface Ban {
  readonly failures: number;
  readonly forMs: number;
}

/** Addresses that are remembered; the one that failed longest ago makes room for another. */
export const ADDRESSES_MAX = 50_000;

interface Failures {
  count: number;
  bannedUntil: number;
  forgottenAt: number;
}

/** How often logins from each address have failed, and for how long nobody there is listened to. A login that succeeds takes nothing
 * back: whoever has one user could guess for ever otherwise. Times are milliseconds of one clock. */
export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  readonly #byAddress = new BoundedMap<string, Failures>(ADDRESSES_MAX);

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#byAddress.size;
  }

  isBanned(address: string, now: number): boolean {
    return (this.#byAddress.get(addressKey(address))?.bannedUntil ?? -Infinity) > now;
  }

  /** Notes a failure; answers the ban that it leads to, if any. One that was under way when the address was banned does not count. */
  add(address: string, now: number): Ban | undefined {
    const key = addressKey(address);
    const before = this.#byAddress.get(key);
    if (before !== undefined && before.bannedUntil > now) return undefined;
    const failures = before !== undefined && before.forgottenAt > now
      ? before
      : { count: 0, bannedUntil: -Infinity, forgottenAt: 0 };
    this.#byAddress.set(key, failures);
    const { banAfter, banMs, banMsMax, memoryMs } = this.#options;
    const excess = ++failures.count - banAfter;
    const forMs = excess < 0 ? 0 : Math.min(banMsMax, banMs * 2 ** Math.min(excess, 40));
    failures.bannedUntil = now + forMs;
    failures.forgottenAt = now + forMs + memoryMs;
    return forMs > 0 ? { failures: failures.count, forMs } : undefined;
  }

  /** Forgets what is over. */
  sweep(now: number): void {
    for (const [key, { forgottenAt }] of this.#byAddress) if (forgottenAt <= now) this.#byAddress.delete(key);
  }
}
