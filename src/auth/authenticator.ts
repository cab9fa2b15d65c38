import type { Identity, Origin, Policy } from "../core/ports.ts";
import type { RefusalCause } from "../core/refusal.ts";

/** What a client brings to be known by. */
export interface Credentials extends Origin {
  /** As the client gave it, or as the broker made it up. */
  readonly clientId: string;
  /** Undefined when the client gave none. */
  readonly username: string | undefined;
  /** Undefined when the client gave none; binary data. */
  readonly password: Uint8Array | undefined;
  /** Whether `remoteAddress` may be anybody's, as that of a datagram; absent where it is proven. */
  readonly isUnproven?: boolean;
  /** What the listener has verified; undefined where it asks for none or the client had none. */
  readonly certificate?: PeerCertificate;
}

/** The certificate of a client, after its chain, its dates and its revocation were checked. */
export interface PeerCertificate {
  /** CN of the subject; empty when it has none. */
  readonly commonName: string;
  /** Subject alternative names, each with its kind: `DNS:dev-1.example.com`, `URI:urn:dev:1`, `email:a@example.com`, `IP:192.0.2.1`. */
  readonly alternativeNames: readonly string[];
  /** SHA-256 over the certificate: 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
}

/** Let in, under a name and with what it may do; or not, and why. */
export type Verdict = Admission | { readonly refusal: RefusalCause; readonly reason: string };

/** What a client that is let in has. */
export interface Admission {
  /** Undefined for an anonymous client. */
  readonly username: string | undefined;
  /** What it may do. */
  readonly policy: Policy;
  /** When what it has shown ends, in milliseconds since 1970: it is disconnected then (MQTT 5: 0x87). Never when absent. */
  readonly expiresAt?: number;
  /** Whether what it was let in by still is as it was. Asked by `WeirBroker.endRevoked`; when it answers false the client is
   * disconnected (MQTT 5: 0x87). Always when absent. */
  readonly holds?: () => boolean;
}

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
  | ({ readonly kind: "success"; readonly data: Uint8Array | undefined } & Admission)
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

/** A client once it is known who it is. */
export interface KnownClient extends Identity, Origin {
  /** The groups that it belongs to; none when absent. */
  readonly groups?: readonly string[];
  /** Which source knows it; absent where nobody has found out who it is. */
  readonly source?: string;
}

/** The client that has brought `credentials`, under the name that was found right, without its password. */
export function knownClient(credentials: Credentials, username: string | undefined): KnownClient {
  const { clientId, remoteAddress, listener, protocolVersion } = credentials;
  return { clientId, username, remoteAddress, listener, protocolVersion };
}

/** What a client may do once known; {@link ALLOW_ALL} where nobody says. */
export type PolicyOf = (client: KnownClient) => Policy;

/** Lets everybody in under the name that they give. */
export const anonymous: Authenticator = {
  authenticate: ({ username }) => ({ username, policy: ALLOW_ALL }),
};
