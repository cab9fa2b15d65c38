import type { RefusalCause } from "../core/refusal.ts";
import type { AccessRule } from "./access_rule.ts";
import type { Credentials } from "./authenticator.ts";

/** Who a client is, as one source has found out. */
export interface Identification {
  /** The user, under whatever client id. */
  readonly username: string;
  /** Those that it belongs to; none when absent. */
  readonly groups?: readonly string[];
  /** What the client may do, in place of the broker's own rules; what these do not allow is denied. */
  readonly rules?: readonly AccessRule[];
  /** As of an admission. */
  readonly expiresAt?: number;
  /** As of an admission. */
  readonly holds?: () => boolean;
}

/** The source knows the client and does not let it in. */
export interface Denial {
  /** What the client is told. */
  readonly refusal: RefusalCause;
  /** For the client and the log; without anything secret. */
  readonly reason: string;
}

/** One of several that tell who a client is. */
export interface IdentitySource {
  /** Kept with what outlives its clients, so that a restart knows whom to ask; another one for each source of a chain. */
  readonly name: string;
  /** Undefined when the source has no word about the client: the next one is asked. */
  identify(
    credentials: Credentials,
  ): Identification | Denial | undefined | Promise<Identification | Denial | undefined>;
  /** Refuses a name that no source knows, at the cost of a password that is wrong, so that the time tells nobody which names there are.
   * Absent where that costs nothing. */
  refuse?(): Denial | Promise<Denial>;
}

/** What somebody is told who gives no name where one is asked for. */
export const NAMELESS: Denial = { refusal: "not-authorized", reason: "A user name and password are asked for here" };

/** What somebody is told whose password cannot be looked at. */
export const BUSY: Denial = { refusal: "server-busy", reason: "Too many passwords are being checked" };

/** What everybody is told who has not shown the right thing, whatever it was: it tells nobody which users there are. */
export const WRONG: Denial = { refusal: "bad-user-name-or-password", reason: "User or password is wrong" };
