import { Refusal } from "../core/refusal.ts";
import { BucketTable } from "./bucket_table.ts";
import type { Rate, TokenBucket } from "./token_bucket.ts";

/** Whose buckets there are. */
export interface ScopedRates {
  /** Everybody from one address together. */
  readonly address?: Rate;
  /** One client id. */
  readonly client?: Rate;
  /** One user, under all client ids. */
  readonly user?: Rate;
}

/** How much clients may do in which time; what is absent is not limited. */
export interface RateLimits {
  /** Connections. */
  readonly connection?: Omit<ScopedRates, "client">;
  /** Messages published. */
  readonly message?: ScopedRates;
  /** Bytes of the messages published: topics, properties and payloads. */
  readonly bytes?: ScopedRates;
  /** Filters subscribed to. */
  readonly subscribe?: ScopedRates;
  /** What becomes of who does more, once connected: not read for a while; refused that (0x97), where 3.1.1 has no word for it
   * disconnected; or disconnected (0x96). `slow` when absent. */
  readonly action?: "slow" | "refuse" | "disconnect";
}

/** Who does something. */
export interface MeteredClient {
  /** Undefined where the address does not count. */
  readonly address: string | undefined;
  readonly client: string;
  readonly user: string | undefined;
}

type Kind = "connection" | "message" | "bytes" | "subscribe";
type Scope = keyof ScopedRates;

const KINDS: readonly Kind[] = ["connection", "message", "bytes", "subscribe"];
const SCOPES: readonly Scope[] = ["address", "client", "user"];
const UNLIMITED: Rate = { perSecond: Infinity, burst: Infinity };

/** What somebody does who is not connected by MQTT. */
export interface GuestDeeds {
  readonly message?: number;
  readonly bytes?: number;
  readonly subscribe?: number;
}

/** A client did more than it may, and that is refused. */
export class RateRefusal extends Refusal {}

/** The buckets of everybody, and what becomes of who has emptied one. */
export class RateLimiter {
  /** What was refused, and how often somebody was not read. */
  readonly counts: { refused: number; paused: number } = { refused: 0, paused: 0 };
  /** Grows when limits change, so that meters know. */
  generation = 0;
  #action: NonNullable<RateLimits["action"]> = "slow";
  #isOn = false;
  #hasLimits = false;
  readonly #tables: Readonly<Record<Kind, Readonly<Record<Scope, BucketTable>>>>;

  constructor(limits: RateLimits) {
    const scopes = () => ({
      address: new BucketTable(UNLIMITED),
      client: new BucketTable(UNLIMITED),
      user: new BucketTable(UNLIMITED),
    });
    this.#tables = { connection: scopes(), message: scopes(), bytes: scopes(), subscribe: scopes() };
    this.configure(limits);
  }

  get action(): NonNullable<RateLimits["action"]> {
    return this.#action;
  }

  /** Whether anything is limited for those who are connected. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Whether anything is limited at all. */
  get hasLimits(): boolean {
    return this.#hasLimits;
  }

  /** How many buckets there are. */
  get size(): number {
    return KINDS.flatMap((kind) => SCOPES.map((scope) => this.#tables[kind][scope].size)).reduce((a, b) => a + b);
  }

  /** Changes the limits of everybody, from now on. */
  configure(limits: RateLimits): void {
    this.#action = limits.action ?? "slow";
    for (const kind of KINDS) {
      const rates: ScopedRates = limits[kind] ?? {};
      for (const scope of SCOPES) this.#tables[kind][scope].rate = rates[scope] ?? UNLIMITED;
    }
    const isLimited = (kind: Kind) => SCOPES.some((scope) => this.#tables[kind][scope].isOn);
    this.#hasLimits = KINDS.some(isLimited);
    this.#isOn = KINDS.some((kind) => kind !== "connection" && isLimited(kind));
    this.generation++;
  }

  /** One more connects from there, or as that user.
   * @throws {Refusal} connection-rate-exceeded */
  assertMayConnect(scope: "address" | "user", key: string | undefined, now: number): void {
    const table = this.#tables.connection[scope];
    if (key === undefined || !table.isOn) return;
    const bucket = table.hold(key, now);
    const wait = bucket.take(1, now) ? 0 : bucket.waitFor(1, now);
    table.release(key, now);
    if (wait === 0) return;
    this.counts.refused++;
    const reason = scope === "address" ? "too many connections come from this address" : "this user connects too often";
    throw new Refusal("connection-rate-exceeded", `Cannot connect: ${reason}`, { retrySeconds: secondsOf(wait) });
  }

  /** All of `deeds` or nothing.
   * @throws {RateRefusal} quota-exceeded */
  assertGuestMay(deeds: GuestDeeds, client: MeteredClient, now: number): void {
    const held = (["message", "bytes", "subscribe"] as const).map((kind) => {
      return { ...this.holdFor(kind, client, now), count: deeds[kind] ?? 0 };
    });
    const waits = held.flatMap(({ buckets, count }) => {
      return count === 0 ? [] : buckets.map((bucket) => bucket.waitFor(count, now));
    });
    const wait = Math.max(0, ...waits);
    for (const { buckets, count, release } of held) {
      if (wait === 0 && count > 0) { for (const bucket of buckets) bucket.take(count, now); }
      release(now);
    }
    if (wait === 0) return;
    this.counts.refused++;
    const reason = "Cannot do that much in so short a time";
    throw new RateRefusal("quota-exceeded", reason, { retrySeconds: secondsOf(wait) });
  }

  /** The buckets of a client for what it does while it is connected; to be closed. */
  meter(client: MeteredClient, now: number): Meter {
    return new Meter(this, client, now);
  }

  /** Those of one kind that count for a client, with how to give them back. */
  holdFor(kind: Kind, client: MeteredClient, now: number): { buckets: TokenBucket[]; release: (now: number) => void } {
    const held = SCOPES.flatMap((scope) => {
      const table = this.#tables[kind][scope];
      const key = client[scope];
      return key === undefined || !table.isOn ? [] : [{ table, key, bucket: table.hold(key, now) }];
    });
    return {
      buckets: held.map(({ bucket }) => bucket),
      release: (now) => held.forEach(({ table, key }) => table.release(key, now)),
    };
  }

  /** Lets go of buckets that are full again; to be called now and then. */
  sweep(now: number): void {
    for (const kind of KINDS) for (const scope of SCOPES) this.#tables[kind][scope].sweep(now);
  }
}

/** What one client has done, held against the limits. */
export class Meter {
  /** Until when, by the time that is handed in, nothing should be read from the client. */
  readableAt = 0;
  readonly #limiter: RateLimiter;
  readonly #client: MeteredClient;
  #generation = -1;
  #messages: readonly TokenBucket[] = [];
  #bytes: readonly TokenBucket[] = [];
  #filters: readonly TokenBucket[] = [];
  #release: (now: number) => void = () => {};

  constructor(limiter: RateLimiter, client: MeteredClient, now: number) {
    this.#limiter = limiter;
    this.#client = client;
    this.#refresh(now);
  }

  /** A message is published.
   * @throws {RateRefusal} quota-exceeded; {Refusal} message-rate-too-high where the limits say so */
  assertMayPublish(bytes: number, now: number): void {
    if (this.#generation !== this.#limiter.generation) this.#refresh(now);
    if (this.#messages.length === 0 && this.#bytes.length === 0) return;
    if (this.#limiter.action === "slow") {
      this.#spend(this.#messages, 1, now);
      this.#spend(this.#bytes, bytes, now);
    } else if (hasAll(this.#messages, 1, now) && hasAll(this.#bytes, bytes, now)) {
      for (const bucket of this.#messages) bucket.take(1, now);
      for (const bucket of this.#bytes) bucket.take(bytes, now);
    } else this.#refuse("Cannot publish that much in so short a time");
  }

  /** Filters are subscribed to.
   * @throws as {@link assertMayPublish} */
  assertMaySubscribe(count: number, now: number): void {
    if (this.#generation !== this.#limiter.generation) this.#refresh(now);
    if (this.#filters.length === 0) return;
    if (this.#limiter.action === "slow") this.#spend(this.#filters, count, now);
    else if (hasAll(this.#filters, count, now)) { for (const bucket of this.#filters) bucket.take(count, now); }
    else this.#refuse("Cannot subscribe to that many filters in so short a time");
  }

  /** The client is gone. */
  close(now: number): void {
    this.#release(now);
    this.#release = () => {};
    this.#messages = this.#bytes = this.#filters = [];
  }

  #refuse(reason: string): never {
    this.#limiter.counts.refused++;
    if (this.#limiter.action === "disconnect") throw new Refusal("message-rate-too-high", reason);
    throw new RateRefusal("quota-exceeded", reason);
  }

  #spend(buckets: readonly TokenBucket[], count: number, now: number): void {
    for (const bucket of buckets) {
      const wait = bucket.spend(count, now);
      if (wait > 0) this.readableAt = Math.max(this.readableAt, now + wait);
    }
  }

  #refresh(now: number): void {
    this.#release(now);
    this.#generation = this.#limiter.generation;
    this.readableAt = 0;
    const [messages, bytes, filters] = (["message", "bytes", "subscribe"] as const).map((kind) =>
      this.#limiter.holdFor(kind, this.#client, now)
    );
    this.#messages = messages.buckets;
    this.#bytes = bytes.buckets;
    this.#filters = filters.buckets;
    this.#release = (now) => [messages, bytes, filters].forEach(({ release }) => release(now));
  }
}

function secondsOf(ms: number): number {
  return Math.ceil(ms / 1000);
}

function hasAll(buckets: readonly TokenBucket[], count: number, now: number): boolean {
  return buckets.every((bucket) => bucket.has(count, now));
}
