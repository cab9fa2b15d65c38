import { errors } from "jose";
import { BoundedFetch } from "./bounded_fetch.ts";
import { keySet, KeysUnavailableError, type TokenHeader, type TokenKey, type TokenKeys } from "./token_keys.ts";

/** Where a set of keys comes from, and how long it is good. */
export interface RemoteKeysOptions {
  /** Where they are published. */
  readonly url: string;
  /** What tokens may be signed by. */
  readonly algorithms: readonly string[];
  /** Who signs the certificate of the server (PEM), besides those whom the runtime trusts. */
  readonly authority?: string;
  /** How long an answer may take; 5,000 ms. */
  readonly timeoutMs?: number;
  /** Asked for again after that; 600,000 ms. */
  readonly maxAgeMs?: number;
  /** No longer used after that, when it cannot be had again; a day. */
  readonly staleMs?: number;
  /** Between two requests, whatever tokens ask for; 30,000 ms. */
  readonly coolDownMs?: number;
  /** Told what a request came to; undefined when it worked. */
  readonly onFetched?: (error: unknown) => void;
  /** Milliseconds that never jump; those of the process. */
  readonly now?: () => number;
}

/** Of a key set. */
const ANSWER_BYTES_MAX = 256 * 1024;

const DEFAULTS = {
  timeoutMs: 5_000,
  maxAgeMs: 600_000,
  staleMs: 86_400_000,
  coolDownMs: 30_000,
  onFetched: () => {},
  now: () => performance.now(),
};

/** Keys that an identity provider publishes. They are kept, asked for again when they are old or a token names one that is not among
 * them, and used for a while when the provider is down. However many tokens name whatever keys, it is asked once in a while. */
export class RemoteKeys implements TokenKeys, Disposable {
  readonly #options: RemoteKeysOptions & Required<Omit<RemoteKeysOptions, "authority">>;
  readonly #fetch: BoundedFetch;
  #keys: TokenKeys | undefined;
  #fetchedAt = -Infinity;
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;

  /** Asks for nothing yet. */
  constructor(options: RemoteKeysOptions) {
    this.#options = { ...DEFAULTS, ...options };
    const { url, authority, timeoutMs } = this.#options;
    this.#fetch = new BoundedFetch({ timeoutMs, bytesMax: ANSWER_BYTES_MAX, authority, url });
  }

  /** Lets go of the connections to who is asked. */
  [Symbol.dispose](): void {
    this.#fetch[Symbol.dispose]();
  }

  /** Asks for the keys, now if that may be; resolves when it is known what came of it. */
  refresh(): Promise<void> {
    const { now, coolDownMs } = this.#options;
    if (this.#asking === undefined && now() - this.#askedAt < coolDownMs) return Promise.resolve();
    return this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
  }

  /** Asks for the keys when they are not there, too old, or not the ones that the token names. */
  async keysFor(header: TokenHeader): Promise<readonly TokenKey[]> {
    const { now, maxAgeMs, staleMs } = this.#options;
    const age = now() - this.#fetchedAt;
    if (age > staleMs) {
      this.#keys = undefined;
      await this.refresh();
    } else if (age > maxAgeMs) void this.refresh(); // the old ones do meanwhile
    if (this.#keys === undefined) throw new KeysUnavailableError("The keys of tokens cannot be had");
    try {
      return await this.#keys.keysFor(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const before: TokenKeys = this.#keys;
      await this.refresh();
      if (this.#keys === before || this.#keys === undefined) throw error;
      return await this.#keys.keysFor(header);
    }
  }

  async #ask(): Promise<void> {
    const { url, algorithms, now, onFetched } = this.#options;
    this.#askedAt = now();
    try {
      this.#keys = keySet(await this.#fetch.json(url), algorithms);
      this.#fetchedAt = now();
      onFetched(undefined);
    } catch (error) {
      onFetched(error);
    }
  }
}
