import { plainAddress } from "../../address/ip_address.ts";
import { Refusal } from "../../core/refusal.ts";
import type { Gateway, Guest } from "../gateway.ts";
import { CoapRefusal } from "./coap_refusal.ts";
import { Code } from "./message.ts";
import type { Peer } from "./peer.ts";
import type { QueryCredentials } from "./query.ts";

/** For how long who was let in is not asked again: a login costs a server more than a datagram does its client. */
const STAY_MS = 60_000;
/** Failed logins of one address and port until the next one has to wait. */
const FAILURES_MAX = 5;

/** What the visitors need of the door. */
export interface VisitorsParts {
  readonly gateway: Gateway;
  readonly listener: string;
  readonly uriCredentials: boolean;
  readonly now: () => number;
  readonly timeOfDay: () => number;
  /** A login was wrong. */
  readonly onFailure: (hostname: string) => void;
}

interface Stay {
  readonly credentials: string;
  readonly guest: Promise<Guest>;
  /** By the clock that never jumps. */
  lastsUntil: number;
}

/** Who is behind each peer, as the gateway has found out. */
export class Visitors {
  readonly #parts: VisitorsParts;
  readonly #stays = new WeakMap<Peer, Stay>();
  readonly #failures = new WeakMap<Peer, { count: number; since: number }>();

  constructor(parts: VisitorsParts) {
    this.#parts = parts;
  }

  /** Finds out who `peer` is, at most once a minute for the same credentials.
   * @throws {CoapRefusal} 4.01 for credentials in a URI where they are not taken, 4.29 after too many that were wrong
   * @throws {Refusal} why it is not let in; connection-rate-exceeded */
  admit(peer: Peer, credentials: QueryCredentials | undefined): Promise<Guest> {
    if (credentials !== undefined && !this.#parts.uriCredentials) {
      const rule = "server.coap_uri_credentials is off";
      return Promise.reject(new CoapRefusal(Code.unauthorized, `Cannot take credentials from a URI: ${rule}`));
    }
    const key = JSON.stringify(credentials ?? null);
    const known = this.#stays.get(peer);
    if (known !== undefined && known.credentials === key && this.#lasts(known)) return known.guest;
    const now = this.#parts.now();
    this.#assertPatience(peer, now);
    this.#parts.gateway.assertMayVisit(addressOf(peer));
    const guest = this.#ask(peer, credentials);
    const stay: Stay = { credentials: key, guest, lastsUntil: now + STAY_MS };
    this.#stays.set(peer, stay);
    guest.then(
      ({ expiresAt }) => stay.lastsUntil = Math.min(stay.lastsUntil, this.#fromTimeOfDay(expiresAt)),
      (error) => {
        if (this.#stays.get(peer) === stay) this.#stays.delete(peer);
        if (error instanceof Refusal && error.refusal !== "server-shutting-down") this.#noteFailure(peer, now);
      },
    );
    return guest;
  }

  #ask(peer: Peer, credentials: QueryCredentials | undefined): Promise<Guest> {
    const { gateway, listener } = this.#parts;
    const { clientId, username, password } = credentials ?? {};
    const secret = password === undefined ? undefined : new TextEncoder().encode(password);
    const remoteAddress = addressOf(peer);
    return gateway.admit({ clientId, username, password: secret, remoteAddress, listener, isUnproven: true });
  }

  #lasts({ lastsUntil }: Stay): boolean {
    return this.#parts.now() < lastsUntil;
  }

  #fromTimeOfDay(at: number): number {
    return this.#parts.now() + at - this.#parts.timeOfDay();
  }

  #assertPatience(peer: Peer, now: number): void {
    const failures = this.#failures.get(peer);
    if (failures === undefined) return;
    if (now - failures.since >= STAY_MS) this.#failures.delete(peer);
    else if (failures.count >= FAILURES_MAX) {
      throw new CoapRefusal(Code.tooManyRequests, "Cannot try to log in again yet: too many were wrong");
    }
  }

  #noteFailure(peer: Peer, now: number): void {
    const failures = this.#failures.get(peer) ?? { count: 0, since: now };
    failures.count++;
    this.#failures.set(peer, failures);
    this.#parts.onFailure(peer.address.hostname);
  }
}

function addressOf({ address }: Peer): string {
  return plainAddress(address.hostname);
}
