import { groupsOfClaim, rulesOfClaim } from "./access_claim.ts";
import type { Credentials } from "./authenticator.ts";
import { BoundedFetch, FetchError } from "./bounded_fetch.ts";
import { Breaker } from "./breaker.ts";
import { type Denial, type Identification, type IdentitySource, WRONG } from "./identity.ts";
import { isMap } from "./json_map.ts";
import { Turns } from "./turns.ts";
import { whyNoUserName } from "./user_list.ts";
import { VerdictCache, type VerdictCacheOptions } from "./verdict_cache.ts";

/** Who is asked, and how. */
export interface CalloutOptions {
  /** `/auth/authenticate` is put behind it. */
  readonly url: string;
  /** How long an answer may take, from the connection to its last byte; 2,000 ms. */
  readonly timeoutMs?: number;
  /** Who signs the certificate of the server (PEM), besides those whom the runtime trusts. */
  readonly authority?: string;
  /** How many answers are kept and for how long, where that differs: 10,000 of each kind, a yes for a minute, a no for 5 s, and an older
   * yes for an hour more. */
  readonly cache?: Partial<VerdictCacheOptions>;
  /** Requests under way at a time, the others wait; 32. */
  readonly atOnceMax?: number;
  /** Whether those who were let in before are, when nobody answers; false. */
  readonly allowsStale?: boolean;
  /** Shown as `Authorization: Bearer`, if given. */
  readonly token?: string;
  /** Told when nobody answers, and when somebody does again (undefined). */
  readonly onState?: (error: unknown) => void;
  /** Milliseconds that never jump; those of the process. */
  readonly now?: () => number;
}

/** Of an answer. */
const ANSWER_BYTES_MAX = 64 * 1024;

const CACHE: VerdictCacheOptions = { entriesMax: 10_000, knownMs: 60_000, deniedMs: 5_000, staleMs: 3_600_000 };

const DOWN: Denial = { refusal: "server-unavailable", reason: "Who knows the users does not answer" };
const BUSY: Denial = { refusal: "server-busy", reason: "Too many logins wait" };

/** It says that it has no word about a client, which is kept as a no is. */
const UNKNOWN: Denial = { refusal: "not-authorized", reason: "Nobody knows the client" };

/** Asks another program about every client with a user name, over HTTP, and remembers what it said for a while. */
export class CalloutSource implements IdentitySource, Disposable {
  /** Tells it from other sources. */
  readonly name = "external";
  readonly #options: Required<Pick<CalloutOptions, "allowsStale" | "onState" | "now">> & CalloutOptions;
  readonly #cache: VerdictCache;
  readonly #fetch: BoundedFetch;
  readonly #endpoint: string;
  readonly #breaker = new Breaker();
  readonly #asking = new Map<string, Promise<Identification | Denial>>();
  readonly #turns: Turns;
  #isDown = false;

  /** Asks nobody yet. */
  constructor(options: CalloutOptions) {
    const { url, timeoutMs = 2_000, authority, cache, atOnceMax = 32 } = options;
    this.#turns = new Turns(atOnceMax);
    this.#options = { allowsStale: false, onState: () => {}, now: () => performance.now(), ...options };
    this.#cache = new VerdictCache({ ...CACHE, ...cache });
    this.#fetch = new BoundedFetch({ timeoutMs, bytesMax: ANSWER_BYTES_MAX, authority, url });
    this.#endpoint = `${options.url.replace(/\/+$/, "")}/auth/authenticate`;
  }

  /** Everybody is asked about again. */
  forget(): void {
    this.#cache.clear();
  }

  /** Answers that are kept. */
  get kept(): number {
    return this.#cache.size;
  }

  /** Lets go of the connections to who is asked. */
  [Symbol.dispose](): void {
    this.#fetch[Symbol.dispose]();
  }

  /** Has no word about who gives no user name, and about whom the other program has none. */
  async identify(credentials: Credentials): Promise<Identification | Denial | undefined> {
    if (credentials.username === undefined) return undefined;
    const found = await this.#find(credentials);
    return found === UNKNOWN ? undefined : found;
  }

  async #find(credentials: Credentials): Promise<Identification | Denial> {
    const key = this.#cache.keyOf(credentials);
    const known = this.#cache.get(key, this.#options.now());
    if (known !== undefined) return known;
    const asking = this.#asking.get(key); // the same question, a moment ago
    if (asking !== undefined) return await asking;
    const answer = this.#ask(credentials, key).finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return await answer;
  }

  async #ask(credentials: Credentials, key: string): Promise<Identification | Denial> {
    const body = bodyFor(credentials);
    if (body === undefined) return WRONG;
    return await this.#turns.run(() => this.#request(body, { key, username: credentials.username! })) ?? BUSY;
  }

  async #request(body: string, { key, username }: { key: string; username: string }): Promise<Identification | Denial> {
    const { token, now, allowsStale } = this.#options;
    const otherwise = () => (allowsStale ? this.#cache.getStale(key, now()) : undefined) ?? DOWN;
    if (!this.#breaker.mayAsk(now())) return otherwise();
    try {
      const headers = new Headers({ "content-type": "application/json", accept: "application/json" });
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      const found = read(await this.#fetch.json(this.#endpoint, { method: "POST", headers, body }), username);
      this.#breaker.succeed();
      this.#tell(undefined);
      this.#cache.set(key, found, now());
      return found;
    } catch (error) {
      this.#breaker.fail(now());
      if (!(error instanceof FetchError)) throw error;
      this.#tell(error);
      return otherwise();
    }
  }

  /** Once each time it changes. */
  #tell(error: unknown): void {
    if (this.#isDown === (error !== undefined)) return;
    this.#isDown = error !== undefined;
    this.#options.onState(error);
  }
}

/** Undefined for a password that is no text: JSON has no other. */
function bodyFor({ password, ...client }: Credentials): string | undefined {
  try {
    return JSON.stringify({
      client_id: client.clientId,
      username: client.username,
      password: password === undefined
        ? ""
        : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(password),
      protocol: "mqtt",
      protocol_version: client.protocolVersion,
      remote_address: client.remoteAddress,
      listener: client.listener,
    });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** @throws {FetchError} for what is no answer: then nobody is let in by it */
function read(answer: unknown, username: string): Identification | Denial {
  if (!isMap(answer)) throw new FetchError("its answer is no map");
  const claim = (name: string) => Object.hasOwn(answer, name) ? answer[name] : undefined;
  const isAuthenticated = claim("authenticated");
  if (isAuthenticated === null) return UNKNOWN;
  if (typeof isAuthenticated !== "boolean") {
    throw new FetchError("its answer does not say authenticated: true, false or null");
  }
  if (!isAuthenticated) return WRONG;
  const id = claim("id") || username;
  if (id === username && whyNoUserName(username) !== undefined) return WRONG; // as the client gave it: no fault of the answer
  if (typeof id !== "string" || whyNoUserName(id) !== undefined) throw new FetchError("its id is no user name");
  const groups = groupsOfClaim(claim("groups") ?? []);
  if (groups === undefined) throw new FetchError("its groups are none");
  const acl = claim("acl") ?? undefined;
  const rules = acl === undefined ? undefined : rulesOfClaim(acl);
  if (acl !== undefined && rules === undefined) throw new FetchError("its acl has no access rules");
  return { username: id, groups, rules };
}
