import { addressKey } from "../address/ip_address.ts";
import type { Turn } from "../core/turn.ts";
import type { Endpoint } from "../protocol/endpoint.ts";
import { type GuestDeeds, type RateLimiter, type RateLimits } from "../protocol/rate_limiter.ts";
import type { Clock } from "./clock.ts";

/** {@link RateLimits} of a broker, with whom they leave alone. */
export interface RateLimitOptions extends RateLimits {
  /** Addresses that are not counted, such as those of proxies: their clients and users still are. None when absent. */
  readonly isExempt?: (remoteAddress: string) => boolean;
}

/** A client that owes less than this is read on: timers are not that fine. */
const PAUSE_MS_MIN = 20;

const SWEEP_MS = 10_000;

/** What the metering is given to work with. */
export interface MeteringParts {
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  readonly turn: Turn;
}

/** Holds connections and guests against the rate limits. */
export class Metering {
  readonly limiter: RateLimiter;
  readonly #clock: Clock;
  readonly #turn: Turn;
  #isExempt: (remoteAddress: string) => boolean;
  #isSwept = false;

  constructor({ limiter, clock, turn }: MeteringParts, { isExempt = () => false }: RateLimitOptions) {
    this.limiter = limiter;
    this.#clock = clock;
    this.#turn = turn;
    this.#isExempt = isExempt;
  }

  /** Changes the limits of everybody, from now on. */
  configure({ isExempt = () => false, ...limits }: RateLimitOptions): void {
    this.#isExempt = isExempt;
    this.limiter.configure(limits);
  }

  /** @throws {Refusal} connection-rate-exceeded when one connection too many comes from there in a short time */
  assertMayConnect(remoteAddress: string): void {
    this.#assertMayConnect("address", this.keyOf(remoteAddress));
  }

  /** As {@link assertMayConnect} for who comes with a datagram, which may be anybody: it takes nothing from who connects.
   * @throws {Refusal} connection-rate-exceeded */
  assertMayVisit(remoteAddress: string): void {
    const key = this.keyOf(remoteAddress);
    this.#assertMayConnect("address", key && `datagrams of ${key}`);
  }

  /** The client is connected: what it does counts from now on.
   * @throws {Refusal} connection-rate-exceeded when its user connects too often */
  begin(endpoint: Endpoint, from: { remoteAddress: string; clientId: string; username: string | undefined }): void {
    this.#assertMayConnect("user", from.username);
    this.renew(endpoint, from);
  }

  /** As {@link begin}, for one that is connected already. */
  renew(endpoint: Endpoint, from: { remoteAddress: string; clientId: string; username: string | undefined }): void {
    if (endpoint.meter !== null || !this.limiter.isOn) return;
    const { remoteAddress, clientId, username } = from;
    endpoint.meter = this.limiter.meter(
      { address: this.keyOf(remoteAddress), client: clientId, user: username },
      this.#turn.now,
    );
    this.#sweepLater();
  }

  /** The connection is gone. */
  end(endpoint: Endpoint): void {
    endpoint.meter?.close(this.#clock.timeOfDay());
    endpoint.meter = null;
  }

  /** How long the client should not be read, in milliseconds; 0 when it should be. */
  pauseOf({ meter }: Endpoint): number {
    if (meter === null) return 0;
    const wait = meter.readableAt - this.#turn.now;
    if (wait < PAUSE_MS_MIN) return 0;
    this.limiter.counts.paused++;
    return wait;
  }

  /** Resolves after that long. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const ring = () => {
        resolve();
        return Infinity;
      };
      this.#clock.set(this.#clock.now() + ms, { ring });
    });
  }

  /** Holds what a guest does against the limits; a door that is not MQTT always has an answer, so it is refused whatever the action is.
   * @throws {Refusal} quota-exceeded */
  assertGuestMay(
    deeds: GuestDeeds,
    from: { remoteAddress: string; clientId: string; username: string | undefined },
  ): void {
    const { remoteAddress, clientId, username } = from;
    const client = { address: this.keyOf(remoteAddress), client: clientId, user: username };
    if (!this.limiter.isOn) return;
    this.#sweepLater();
    this.limiter.assertGuestMay(deeds, client, this.#turn.now);
  }

  #assertMayConnect(scope: "address" | "user", key: string | undefined): void {
    this.#sweepLater();
    this.limiter.assertMayConnect(scope, key, this.#clock.timeOfDay());
  }

  /** What an address counts as; undefined where it does not. */
  keyOf(remoteAddress: string): string | undefined {
    return remoteAddress === "" || this.#isExempt(remoteAddress) ? undefined : addressKey(remoteAddress);
  }

  /** As long as there are buckets, somebody looks which of them are full again. */
  #sweepLater(): void {
    if (this.#isSwept || !this.limiter.hasLimits) return;
    this.#isSwept = true;
    const ring = (now: number) => {
      this.limiter.sweep(this.#clock.timeOfDay(now));
      this.#isSwept = this.limiter.size > 0;
      return this.#isSwept ? now + SWEEP_MS : Infinity;
    };
    this.#clock.set(this.#clock.now() + SWEEP_MS, { ring });
  }
}
