import type {
  AuthenticationMethod,
  Authenticator,
  Credentials,
  Exchange,
  ExchangeStep,
  Verdict,
} from "../auth/authenticator.ts";
import { addressKey } from "../address/ip_address.ts";
import { type Ban, FailedLogins } from "../auth/failed_logins.ts";
import type { Happening } from "../core/happening.ts";
import type { Clock } from "./clock.ts";

/** What a login that fails costs whoever tries. */
export interface FailedLoginOptions {
  /** A login that fails is answered this long after it began, not earlier; 0 ms. */
  readonly delayMs?: number;
  /** Failures from one address after which it is banned for a time (0x8A); never. Of IPv6 the first 64 bits are an address. */
  readonly banAfter?: number;
  /** The first ban, 60,000 ms; each further failure makes it twice as long. */
  readonly banMs?: number;
  /** The longest ban; 3,600,000 ms. */
  readonly banMsMax?: number;
  /** For how long a failure is remembered, counted from the end of a ban if there is one; 600,000 ms. */
  readonly memoryMs?: number;
  /** Addresses that are never banned; none. */
  readonly isExempt?: (remoteAddress: string) => boolean;
}

/** Logins of one address that are looked at together; the others wait, so that a flood is banned before it is all looked at. */
const AT_ONCE_MAX = 8;

/** Logins that wait because of that. */
const WAITING_MAX = 10_000;

const SWEEP_MS = 60_000;

const BANNED = { refusal: "banned", reason: "Too many logins from this address have failed" } as const;
const BUSY = { refusal: "server-busy", reason: "Too many logins wait" } as const;

/** What the guard is given to work with. */
export interface LoginGuardParts {
  readonly clock: Clock;
  readonly tell: (happening: Happening) => void;
}

/** Stands before an authenticator and its methods, and makes logins that fail slow and, from one address, few. */
export class LoginGuard {
  readonly #options: Required<FailedLoginOptions>;
  readonly #parts: LoginGuardParts;
  readonly #failed: FailedLogins;
  /** Of each address with logins under way, those who wait for them. */
  readonly #underWay = new Map<string, { count: number; readonly waiting: (() => void)[] }>();
  #waiting = 0;
  #isSwept = false;

  constructor(options: FailedLoginOptions, parts: LoginGuardParts) {
    this.#options = {
      delayMs: 0,
      banAfter: Infinity,
      banMs: 60_000,
      banMsMax: 3_600_000,
      memoryMs: 600_000,
      isExempt: () => false,
      ...options,
    };
    this.#parts = parts;
    this.#failed = new FailedLogins(this.#options);
  }

  /** The same, guarded. */
  authenticator(inner: Authenticator): Authenticator {
    return { authenticate: (credentials) => this.#authenticate(inner, credentials) };
  }

  /** The same, guarded. */
  method(inner: AuthenticationMethod): AuthenticationMethod {
    return { name: inner.name, begin: (credentials) => this.#begin(inner, credentials) };
  }

  #authenticate(inner: Authenticator, credentials: Credentials): Verdict | Promise<Verdict> {
    const attempt = this.#attemptOf(credentials);
    const { key } = attempt;
    const isBanned = this.#isBanned(key);
    if (!isBanned && (this.#underWay.get(key)?.count ?? 0) >= AT_ONCE_MAX) return this.#waitFor(inner, credentials);
    const verdict = isBanned ? BANNED : ask(inner, credentials);
    const isLater = verdict instanceof Promise;
    if (isLater && this.#isWatched(attempt.remoteAddress)) return this.#judgeLater(verdict, attempt);
    this.#wakeNext(key); // no place was taken
    if (isLater) return this.#judge(verdict, attempt);
    return isWrong(verdict) ? this.#punish(verdict, attempt) : verdict;
  }

  /** What is counted of an address that may be anybody's is counted apart, or whoever sends datagrams in its name could have it banned. */
  #attemptOf({ remoteAddress, isUnproven }: Credentials): Attempt {
    const key = addressKey(remoteAddress);
    return { remoteAddress, key: isUnproven ? `datagrams of ${key}` : key, startedAt: this.#parts.clock.now() };
  }

  /** Whether failures are counted: many clients may be behind an address that is exempt. */
  #isWatched(remoteAddress: string): boolean {
    return remoteAddress !== "" && !this.#options.isExempt(remoteAddress);
  }

  async #judge(verdict: Promise<Verdict>, attempt: Attempt): Promise<Verdict> {
    const judged = await verdict;
    return isWrong(judged) ? await this.#punish(judged, attempt) : judged;
  }

  async #waitFor(inner: Authenticator, credentials: Credentials): Promise<Verdict> {
    if (this.#waiting >= WAITING_MAX) return BUSY;
    this.#waiting++;
    const { waiting } = this.#underWay.get(this.#attemptOf(credentials).key)!;
    await new Promise<void>((resolve) => waiting.push(resolve));
    this.#waiting--;
    return await this.#authenticate(inner, credentials);
  }

  async #judgeLater(verdict: Promise<Verdict>, attempt: Attempt): Promise<Verdict> {
    const { key } = attempt;
    const underWay = this.#underWay.get(key) ?? { count: 0, waiting: [] };
    this.#underWay.set(key, underWay);
    underWay.count++;
    let answer: Verdict | Promise<Verdict>;
    try {
      const judged = await verdict;
      answer = isWrong(judged) ? this.#punish(judged, attempt) : judged; // counted before the next one is looked at
    } finally {
      underWay.count--;
      this.#wakeNext(key);
    }
    return await answer;
  }

  #wakeNext(key: string): void {
    const underWay = this.#underWay.get(key);
    if (underWay === undefined) return;
    const next = underWay.waiting.shift();
    if (next !== undefined) next();
    else if (underWay.count === 0) this.#underWay.delete(key);
  }

  #begin(inner: AuthenticationMethod, credentials: Credentials): Exchange {
    if (this.#isBanned(this.#attemptOf(credentials).key)) return { step: () => ({ kind: "refused", ...BANNED }) };
    const exchange = inner.begin(credentials);
    return {
      step: async (data): Promise<ExchangeStep> => {
        const attempt = this.#attemptOf(credentials);
        const step = await exchange.step(data);
        return isWrong(step) ? await this.#punish(step, attempt) : step;
      },
    };
  }

  #isBanned(key: string): boolean {
    return this.#failed.isBanned(key, this.#parts.clock.recent);
  }

  /** Counts the failure at once; the answer comes when the delay is over. */
  #punish<T>(answer: T, attempt: Attempt): Promise<T> {
    const { clock } = this.#parts;
    if (this.#isWatched(attempt.remoteAddress)) this.#note(attempt);
    return new Promise((resolve) => {
      const ring = () => {
        resolve(answer);
        return Infinity;
      };
      if (this.#options.delayMs === 0) resolve(answer);
      else clock.set(attempt.startedAt + this.#options.delayMs, { ring });
    });
  }

  #note({ remoteAddress, key }: Attempt): void {
    const { clock, tell } = this.#parts;
    const ban: Ban | undefined = this.#failed.add(key, clock.now());
    if (ban !== undefined) {
      tell({ kind: "address-banned", remoteAddress, failures: ban.failures, seconds: Math.ceil(ban.forMs / 1000) });
    }
    if (this.#isSwept) return;
    this.#isSwept = true;
    const ring = (now: number) => {
      this.#failed.sweep(now);
      this.#isSwept = this.#failed.size > 0;
      return this.#isSwept ? now + SWEEP_MS : Infinity;
    };
    clock.set(clock.now() + SWEEP_MS, { ring });
  }
}

interface Attempt {
  readonly remoteAddress: string;
  /** What counts as that address. */
  readonly key: string;
  readonly startedAt: number;
}

/** One that throws has failed as one that rejects has: those who wait go on. */
function ask(inner: Authenticator, credentials: Credentials): Verdict | Promise<Verdict> {
  try {
    return inner.authenticate(credentials);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Somebody has guessed; the other refusals are about what no guess would change. */
function isWrong(verdict: Verdict | ExchangeStep): boolean {
  return "refusal" in verdict && verdict.refusal === "bad-user-name-or-password";
}
