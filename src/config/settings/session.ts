import { DEFAULT_LIMITS } from "../../core/limits.ts";
import { NEVER_SECONDS } from "../../core/session_table.ts";
import { setting } from "../setting.ts";
import { choice, count, flag, seconds, size, UNLIMITED } from "../value_type.ts";

const COUNT_MAX = 1_000_000_000;
const BYTES_MAX = 1024 ** 4;
const SECONDS_MAX = 49_710 * 86_400; // the whole days that fit in the 32 bits of MQTT
const NEVER = { word: "never", value: NEVER_SECONDS };

/** `session`: what is kept for a client, connected or not. */
export const SESSION_SETTINGS = {
  "session.max_sessions": setting({
    type: count({ from: 1, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.sessionsMax,
    about: "Sessions, connected or not.",
    atLimit: "A CONNECT that needs a new one: CONNACK 0x97 (Quota exceeded), in 3.1.1 0x03.",
  }),
  "session.takeover": setting<"same_user" | "anyone">({
    type: choice(["same_user", "anyone"]),
    initial: "same_user",
    about:
      "Who may go on with the session of a client id, connected or not. With `same_user` it stays with the user whose it is; one of " +
      "a client that did not log in is anybody's. `anyone` is what MQTT itself asks for.",
    atLimit: "CONNACK 0x85 (Client Identifier not valid), in 3.1.1 0x02.",
  }),
  "session.max_expiry_interval": setting({
    type: seconds({ from: 0, to: SECONDS_MAX, special: NEVER }),
    initial: DEFAULT_LIMITS.sessionExpirySecondsMax,
    about: "Longest Session Expiry Interval.",
    atLimit: "A longer one is cut to it; CONNACK tells MQTT 5 clients.",
  }),
  "session.default_expiry_interval": setting({
    type: seconds({ from: 0, to: SECONDS_MAX, special: NEVER }),
    initial: DEFAULT_LIMITS.sessionExpirySecondsV3,
    about: "How long sessions of 3.1.1 clients with clean session 0 outlive the connection. Unless it is written, " +
      "`max_expiry_interval` cuts it.",
    atLimit: "The session ends, and everything that waits in it.",
  }),
  "session.max_inflight_messages": setting({
    type: count({ from: 1, to: 65_535 }),
    initial: DEFAULT_LIMITS.inflightMax,
    about: "QoS 1 and 2 messages under way to one client; a smaller Receive Maximum of the client counts instead.",
    atLimit: "Further ones wait in the session's queue until the client has acknowledged.",
  }),
  "session.receive_maximum": setting({
    type: count({ from: 1, to: 65_535 }),
    initial: DEFAULT_LIMITS.receiveMaximum,
    about: "QoS 2 messages from one client that wait for their PUBREL. Announced as Receive Maximum.",
    atLimit: "See `server.strict_receive_maximum`.",
  }),
  "session.max_offline_queue_size": setting({
    type: count({ from: 0, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.queuedMessagesMax,
    about: "Messages that wait in one session, offline or slow, beyond those under way.",
    atLimit: "See `offline_queue_policy`.",
  }),
  "session.max_offline_queue_bytes": setting({
    type: size({ from: 0, to: BYTES_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.queuedBytesMax,
    about: "Topics, properties and payloads that wait in one session.",
    atLimit: "See `offline_queue_policy`.",
  }),
  "session.offline_queue_policy": setting({
    type: choice(["evict", "reject"]),
    initial: DEFAULT_LIMITS.queueOverflow === "drop-oldest" ? "evict" as const : "reject" as const,
    about:
      "Which message goes when a session's queue is full: `evict` the oldest one that waits, `reject` the new one.",
    atLimit: "The message is dropped and counted. Its publisher is not told: other subscribers have it.",
  }),
  "session.queue_qos0": setting({
    type: flag(),
    initial: DEFAULT_LIMITS.queueQos0,
    about: "Whether QoS 0 messages wait for a session that is offline.",
  }),
  "session.max_sessions_per_user": setting({
    type: count({ from: 1, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.sessionsPerUserMax,
    about:
      "Sessions of one user, connected or not, under whatever client ids; those of clients without a user name are not counted.",
    atLimit: "A CONNECT that needs a new one: CONNACK 0x97 (Quota exceeded), in 3.1.1 0x03.",
  }),
  "session.max_subscriptions": setting({
    type: count({ from: 1, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.subscriptionsPerSessionMax,
    about: "Filters of one session, those of durable queues included.",
    atLimit: "SUBACK 0x97 (Quota exceeded), in 3.1.1 0x80, for each filter above it; HTTP: 429.",
  }),
  "session.max_subscriptions_per_user": setting({
    type: count({ from: 1, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.subscriptionsPerUserMax,
    about: "Filters of one user in all sessions together, connected or not; those of HTTP and CoAP are counted, too.",
    atLimit: "As `max_subscriptions`.",
  }),
  "session.max_subscriptions_per_address": setting({
    type: count({ from: 1, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.subscriptionsPerAddressMax,
    about:
      "Filters of everybody who is connected from one address, together; of IPv6 the first 64 bits are an address. Those of " +
      "`ratelimit.exempt` are not counted.",
    atLimit: "As `max_subscriptions`.",
  }),
};
