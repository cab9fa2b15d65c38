/** Every limit of the core in one place, each with its unit; checked once against each other at start.
 * Infinity switches a limit off where it makes sense. What happens at each limit is in docs/configuration.md. */
export interface Limits {
  /** Highest QoS that the broker grants and accepts ([MQTT-3.2.2-9], 0x9B above it). */
  readonly qosMax: 0 | 1 | 2;
  /** Whether messages may be retained (0x9A otherwise). */
  readonly retainAvailable: boolean;
  /** Whether filters may hold wildcards (0xA2 otherwise). */
  readonly wildcardAvailable: boolean;
  /** Whether `$share/...` may be subscribed to (0x9E otherwise). */
  readonly sharedAvailable: boolean;
  /** Whether a SUBSCRIBE may carry a subscription identifier (0xA1 otherwise). */
  readonly subscriptionIdsAvailable: boolean;
  /** UTF-8 bytes of a topic name or filter; 65,535 at most. */
  readonly topicBytesMax: number;
  /** Levels of a topic name or filter. */
  readonly topicLevelsMax: number;
  /** Sessions, connected or not (0x97 for a new one above it). */
  readonly sessionsMax: number;
  /** Who may go on with the session of a client id, connected or not: its own user, or whoever is let in (0x85 otherwise). */
  readonly takeover: "same-user" | "anyone";
  /** Sessions of one user, connected or not (0x97 for a new one above it). */
  readonly sessionsPerUserMax: number;
  /** Filters of one session (0x97 for each above it), those of durable queues included. */
  readonly subscriptionsPerSessionMax: number;
  /** Filters of one user in all sessions together, connected or not (0x97 for each above it). */
  readonly subscriptionsPerUserMax: number;
  /** Filters of those who are connected from one address, together (0x97 for each above it). */
  readonly subscriptionsPerAddressMax: number;
  /** QoS 1 and 2 messages under way to one client; the smaller of this and its Receive Maximum counts. */
  readonly inflightMax: number;
  /** QoS 2 messages from one client that wait for PUBREL, announced as Receive Maximum (0x93 above it). */
  readonly receiveMaximum: number;
  /** Messages waiting in one session, beyond those in flight. */
  readonly queuedMessagesMax: number;
  /** Bytes of topics, properties and payloads waiting in one session. */
  readonly queuedBytesMax: number;
  /** Which message goes when a session's queue is full: the oldest waiting one or the new one. */
  readonly queueOverflow: "drop-oldest" | "drop-newest";
  /** Whether QoS 0 messages wait for a session that is offline. */
  readonly queueQos0: boolean;
  /** Retained messages. */
  readonly retainedMessagesMax: number;
  /** Bytes of retained topics, properties and payloads, and 96 for each level of their topics that no other has. */
  readonly retainedBytesMax: number;
  /** Longest session expiry in seconds; longer wishes are cut and the client is told. 0xFFFFFFFF is never. */
  readonly sessionExpirySecondsMax: number;
  /** Session expiry of 3.1 and 3.1.1 clients that connect with clean session 0, in seconds. */
  readonly sessionExpirySecondsV3: number;
  /** Longest message expiry in seconds given to messages that carry none or more; Infinity leaves them alone. */
  readonly messageExpirySecondsMax: number;
}

/** Those that no client is told about when it connects: they may change while the broker runs. */
export type AdjustableLimits = Pick<
  Limits,
  | "sessionsMax"
  | "takeover"
  | "sessionsPerUserMax"
  | "subscriptionsPerSessionMax"
  | "subscriptionsPerUserMax"
  | "subscriptionsPerAddressMax"
  | "queuedMessagesMax"
  | "queuedBytesMax"
  | "queueOverflow"
  | "queueQos0"
  | "retainedMessagesMax"
  | "retainedBytesMax"
  | "messageExpirySecondsMax"
>;

/** The limits of a broker nobody configured. */
export const DEFAULT_LIMITS: Limits = {
  qosMax: 2,
  retainAvailable: true,
  wildcardAvailable: true,
  sharedAvailable: true,
  subscriptionIdsAvailable: true,
  topicBytesMax: 65_535,
  topicLevelsMax: 128,
  sessionsMax: 100_000,
  takeover: "same-user",
  sessionsPerUserMax: Infinity,
  subscriptionsPerSessionMax: 10_000,
  subscriptionsPerUserMax: Infinity,
  subscriptionsPerAddressMax: Infinity,
  inflightMax: 100,
  receiveMaximum: 1_000,
  queuedMessagesMax: 100_000,
  queuedBytesMax: 64 * 1024 * 1024,
  queueOverflow: "drop-oldest",
  queueQos0: false,
  retainedMessagesMax: 1_000_000,
  retainedBytesMax: 512 * 1024 * 1024,
  sessionExpirySecondsMax: 0xffff_ffff,
  sessionExpirySecondsV3: 0xffff_ffff,
  messageExpirySecondsMax: Infinity,
};

/** Stops the start when two limits contradict each other or one is outside its range.
 * @throws {RangeError} with both numbers in the message. */
export function assertLimits(limits: Limits): void {
  within("topicBytesMax", limits.topicBytesMax, { from: 1, to: 65_535 });
  within("topicLevelsMax", limits.topicLevelsMax, { from: 1, to: 65_535 });
  within("inflightMax", limits.inflightMax, { from: 1, to: 65_535 });
  within("receiveMaximum", limits.receiveMaximum, { from: 1, to: 65_535 });
  within("sessionsMax", limits.sessionsMax, { from: 1, to: Infinity });
  within("sessionsPerUserMax", limits.sessionsPerUserMax, { from: 1, to: Infinity });
  within("subscriptionsPerUserMax", limits.subscriptionsPerUserMax, { from: 1, to: Infinity });
  within("subscriptionsPerAddressMax", limits.subscriptionsPerAddressMax, { from: 1, to: Infinity });
  within("subscriptionsPerSessionMax", limits.subscriptionsPerSessionMax, { from: 1, to: Infinity });
  within("queuedMessagesMax", limits.queuedMessagesMax, { from: 0, to: Infinity });
  within("queuedBytesMax", limits.queuedBytesMax, { from: 0, to: Infinity });
  within("retainedMessagesMax", limits.retainedMessagesMax, { from: 0, to: Infinity });
  within("retainedBytesMax", limits.retainedBytesMax, { from: 0, to: Infinity });
  within("sessionExpirySecondsMax", limits.sessionExpirySecondsMax, { from: 0, to: 0xffff_ffff });
  within("messageExpirySecondsMax", limits.messageExpirySecondsMax, { from: 1, to: Infinity });
  if (limits.sessionExpirySecondsV3 > limits.sessionExpirySecondsMax) {
    throw new RangeError(
      `Cannot keep 3.1.1 sessions for ${limits.sessionExpirySecondsV3} s: sessionExpirySecondsMax is ` +
        `${limits.sessionExpirySecondsMax} s`,
    );
  }
}

function within(name: string, value: number, range: { from: number; to: number }): void {
  if (value >= range.from && value <= range.to) return;
  throw new RangeError(`Cannot set ${name} to ${value}: it must lie between ${range.from} and ${range.to}`);
}
