import { createHmac, randomBytes } from "node:crypto";
import { BoundedMap } from "../core/bounded_map.ts";
import type { Credentials } from "./authenticator.ts";
import type { Denial, Identification } from "./identity.ts";

/** How many answers are kept and for how long; times in milliseconds of one clock. */
export interface VerdictCacheOptions {
  /** Of each kind, who is known and who is not: those who guess do not push out those who are known. */
  readonly entriesMax: number;
  /** For how long a yes is good. */
  readonly knownMs: number;
  /** For how long a no is. */
  readonly deniedMs: number;
  /** How much longer who was known may be used when nobody can be asked. */
  readonly staleMs: number;
}

interface Entry {
  readonly found: Identification | Denial;
  readonly until: number;
}

/** What somebody else has said about credentials. A password is not kept, only what one comes to with a key that is new at each
 * start. */
export class VerdictCache {
  readonly #options: VerdictCacheOptions;
  readonly #key = randomBytes(32);
  readonly #known: Map<string, Entry>;
  readonly #denied: Map<string, Entry>;

  constructor(options: VerdictCacheOptions) {
    this.#options = options;
    this.#known = new BoundedMap(options.entriesMax);
    this.#denied = new BoundedMap(options.entriesMax);
  }

  get size(): number {
    return this.#known.size + this.#denied.size;
  }

  /** What credentials are found by: all that the answer may depend on. */
  keyOf({ clientId, username, password, remoteAddress, listener, protocolVersion }: Credentials): string {
    const hash = createHmac("sha256", this.#key);
    hash.update(JSON.stringify([clientId, username, remoteAddress, listener, protocolVersion]));
    return hash.update("\0").update(password ?? new Uint8Array()).update(password === undefined ? "0" : "1").digest(
      "base64",
    );
  }

  /** An answer that is fresh. */
  get(key: string, now: number): Identification | Denial | undefined {
    const entry = this.#known.get(key) ?? this.#denied.get(key);
    return entry !== undefined && now < entry.until ? entry.found : undefined;
  }

  /** An answer that let somebody in and is not too old to be used for want of another. */
  getStale(key: string, now: number): Identification | undefined {
    const entry = this.#known.get(key);
    if (entry === undefined || now >= entry.until + this.#options.staleMs) return undefined;
    return entry.found as Identification;
  }

  /** Keeps an answer in place of a former one. */
  set(key: string, found: Identification | Denial, now: number): void {
    const { entriesMax, knownMs, deniedMs } = this.#options;
    this.#known.delete(key);
    this.#denied.delete(key);
    const isDenied = "refusal" in found;
    const ms = isDenied ? deniedMs : knownMs;
    if (ms === 0 || entriesMax === 0) return;
    const entries = isDenied ? this.#denied : this.#known;
    entries.set(key, { found, until: now + ms });
  }

  /** Forgets everything. */
  clear(): void {
    this.#known.clear();
    this.#denied.clear();
  }
}
