/** Why the broker says no, by the names of MQTT 5 section 2.4. Each protocol version translates them once, by a table that the
 * compiler completes. */
export type RefusalCause =
  | "unspecified-error"
  | "malformed-packet"
  | "protocol-error"
  | "implementation-specific-error"
  | "unsupported-protocol-version"
  | "client-identifier-not-valid"
  | "bad-user-name-or-password"
  | "not-authorized"
  | "server-unavailable"
  | "server-busy"
  | "banned"
  | "server-shutting-down"
  | "bad-authentication-method"
  | "keep-alive-timeout"
  | "session-taken-over"
  | "topic-filter-invalid"
  | "topic-name-invalid"
  | "packet-identifier-in-use"
  | "packet-identifier-not-found"
  | "receive-maximum-exceeded"
  | "topic-alias-invalid"
  | "packet-too-large"
  | "message-rate-too-high"
  | "quota-exceeded"
  | "administrative-action"
  | "payload-format-invalid"
  | "retain-not-supported"
  | "qos-not-supported"
  | "use-another-server"
  | "server-moved"
  | "shared-subscriptions-not-supported"
  | "connection-rate-exceeded"
  | "maximum-connect-time"
  | "subscription-identifiers-not-supported"
  | "wildcard-subscriptions-not-supported";

/** What an acknowledgement says: that it worked, that it worked and reached nobody, or why not. */
export type Outcome = "success" | "no-matching-subscribers" | "no-subscription-existed" | RefusalCause;

/** The peer's fault. The message states the action, the value and the rule; `refusal` is what the peer is told. */
export class Refusal extends Error {
  /** Tells it from other errors. */
  override readonly name = "Refusal";
  /** What the peer is told, by the names of MQTT 5. */
  readonly refusal: RefusalCause;
  /** When it is worth another try; absent where nobody knows. */
  readonly retrySeconds?: number;

  /** `message` states the action, the value and the rule. */
  constructor(refusal: RefusalCause, message: string, options: { cause?: unknown; retrySeconds?: number } = {}) {
    super(message, options.cause === undefined ? undefined : options);
    this.refusal = refusal;
    this.retrySeconds = options.retrySeconds;
  }
}
