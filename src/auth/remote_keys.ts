import { errors, type JWSHeaderParameters } from "jose";
import type { BoundedFetch } from "./bounded_fetch.ts";
import { keySet, KeysUnavailableError, type TokenKey, type TokenKeys } from "./token_keys.ts";

/** Where a set of keys comes from, and how long it is good. */
export interface RemoteKeysOptions {
  readonly url: string;
  readonly fetch: BoundedFetch;
  readonly algorithms: readonly string[];
  /** Asked for again after that. */
  readonly maxAgeMs: number;
  /** No longer used after that, when it cannot be had again. */
  readonly staleMs: number;
  /** Between two requests, whatever tokens ask for. */
  readonly coolDownMs: number;
  /** Told what a request came to; undefined when it worked. */
  readonly onFetched: (error: unknown) => void;
  /** Milliseconds that never jump. */
  readonly now: () => number;
}

/** Keys that an identity provider publishes. They are kept, asked for again when they are old or a token names one that is not among
 * them, and used for a while when the provider is down. However many tokens name whatever keys, it is asked once in a while. */
export class RemoteKeys implements TokenKeys {
  readonly #options: RemoteKeysOptions;
  #keys: TokenKeys | undefined;
  #fetchedAt = -Infinity;
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  /** Asks for the keys, now if that may be; resolves when it is known what came of it. */
  refresh(): Promise<void> {
    const { now, coolDownMs } = this.#options;
    if (this.#asking === undefined && now() - this.#askedAt < coolDownMs) return Promise.resolve();
    return this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
  }

  async keysFor(header: JWSHeaderParameters): Promise<readonly TokenKey[]> {
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
    const { url, fetch, algorithms, now, onFetched } = this.#options;
    this.#askedAt = now();
    try {
      this.#keys = keySet(await fetch.json(url), algorithms);
      this.#fetchedAt = now();
      onFetched(undefined);
    } catch (error) {
      onFetched(error);
    }
  }
}
