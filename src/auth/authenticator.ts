import type { Policy } from "../core/ports.ts";
import type { RefusalCause } from "../core/refusal.ts";

/** What a client brings to be known by. */
export interface Credentials {
  /** As the client gave it, or as the broker made it up. */
  readonly clientId: string;
  /** Undefined when the client gave none. */
  readonly username: string | undefined;
  /** Undefined when the client gave none; binary data. */
  readonly password: Uint8Array | undefined;
  /** IP address of the peer; empty for a connection that has none. */
  readonly remoteAddress: string;
  /** 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0. */
  readonly protocolVersion: number;
}

/** Let in, under a name and with what it may do; or not, and why. */
export type Verdict =
  | { readonly username: string | undefined; readonly policy: Policy }
  | { readonly refusal: RefusalCause; readonly reason: string };

/** Says who a client is. May wait: it is asked once, at CONNECT. */
export interface Authenticator {
  /** Decides about one client; what it throws refuses the client with 0x80. */
  authenticate(credentials: Credentials): Verdict | Promise<Verdict>;
}

/** One exchange of enhanced authentication (MQTT 5 section 4.12): data from the client in, the next step out. */
export interface Exchange {
  /** Takes what the client sent, undefined when it sent none, and answers what comes next. */
  step(data: Uint8Array | undefined): ExchangeStep | Promise<ExchangeStep>;
}

/** Go on (AUTH 0x18 with `data`), let in (the last `data` goes into CONNACK, or AUTH 0x00), or refuse. */
export type ExchangeStep =
  | { readonly kind: "continue"; readonly data: Uint8Array | undefined }
  | {
    readonly kind: "success";
    readonly data: Uint8Array | undefined;
    readonly username: string | undefined;
    readonly policy: Policy;
  }
  | { readonly kind: "refused"; readonly refusal: RefusalCause; readonly reason: string };

/** A method of enhanced authentication, found by the Authentication Method that CONNECT names. */
export interface AuthenticationMethod {
  /** As clients name it, `SCRAM-SHA-256` for one. */
  readonly name: string;
  /** Starts an exchange for one client; the first step follows at once. */
  begin(credentials: Credentials): Exchange;
}

/** Everybody may do everything: for a broker that listens on loopback only, or when the operator says so. */
export const ALLOW_ALL: Policy = {
  mayPublish: () => true,
  maySubscribe: () => true,
};

/** What a user may do once known; {@link ALLOW_ALL} where nobody says. `username` is undefined for an anonymous client. */
export type PolicyOf = (username: string | undefined) => Policy;

/** Lets everybody in under the name that they give. */
export const anonymous: Authenticator = {
  authenticate: ({ username }) => ({ username, policy: ALLOW_ALL }),
};
