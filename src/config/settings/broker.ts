import { DEFAULT_LIMITS } from "../../core/limits.ts";
import { setting } from "../setting.ts";
import { text } from "../text_type.ts";
import { choice, count, duration, flag, seconds, size, UNLIMITED } from "../value_type.ts";

const PACKET_BYTES_MAX = 256 * 1024 ** 2; // MQTT itself ends there
const COUNT_MAX = 1_000_000_000;
const BYTES_MAX = 1024 ** 4;
const SECONDS_MAX = 49_710 * 86_400; // the whole days that fit in the 32 bits of MQTT

/** `broker`: messages, topics and what MQTT 5 clients are told about them in CONNACK. */
export const BROKER_SETTINGS = {
  "broker.max_message_size": setting({
    type: size({ from: 1024, to: PACKET_BYTES_MAX }),
    initial: 1024 ** 2,
    about: "Largest packet from a client, all of it counted. Announced as Maximum Packet Size.",
    atLimit:
      "MQTT 5: DISCONNECT 0x95 (Packet too large). 3.1.1: the connection is closed. The packet is not read into memory.",
  }),
  "broker.max_qos": setting({
    type: choice([0, 1, 2]),
    initial: DEFAULT_LIMITS.qosMax,
    about: "Highest QoS that is accepted and granted. Announced as Maximum QoS.",
    atLimit:
      "PUBLISH above it: DISCONNECT 0x9B, 3.1.1 is closed. Will above it: CONNACK 0x9B. SUBSCRIBE above it is granted less.",
  }),
  "broker.retain_available": setting({
    type: flag(),
    initial: DEFAULT_LIMITS.retainAvailable,
    about: "Whether messages may be retained. Announced as Retain Available.",
    atLimit: "Retained PUBLISH: DISCONNECT 0x9A, 3.1.1 is closed. Retained will: CONNACK 0x9A.",
  }),
  "broker.wildcard_available": setting({
    type: flag(),
    initial: DEFAULT_LIMITS.wildcardAvailable,
    about: "Whether filters may hold `+` and `#`. Announced as Wildcard Subscription Available.",
    atLimit: "SUBACK 0xA2, in 3.1.1 0x80, for each such filter.",
  }),
  "broker.shared_available": setting({
    type: flag(),
    initial: DEFAULT_LIMITS.sharedAvailable,
    about: "Whether `$share/<group>/<filter>` may be subscribed to. Announced as Shared Subscription Available.",
    atLimit: "SUBACK 0x9E, in 3.1.1 0x80, for each such filter.",
  }),
  "broker.subscription_ids_available": setting({
    type: flag(),
    initial: DEFAULT_LIMITS.subscriptionIdsAvailable,
    about: "Whether a SUBSCRIBE may carry a Subscription Identifier. Announced as Subscription Identifiers Available.",
    atLimit: "DISCONNECT 0xA1.",
  }),
  "broker.max_topic_length": setting({
    type: size({ from: 1, to: 65_535 }),
    initial: DEFAULT_LIMITS.topicBytesMax,
    about: "UTF-8 bytes of a topic name or filter.",
    atLimit: "PUBLISH: 0x90 (Topic Name invalid) in PUBACK, PUBREC or, at QoS 0, DISCONNECT. SUBSCRIBE: SUBACK 0x8F. " +
      "3.1.1: acknowledged and dropped, at QoS 0 closed; SUBACK 0x80.",
  }),
  "broker.max_topic_levels": setting({
    type: count({ from: 1, to: 65_535 }),
    initial: DEFAULT_LIMITS.topicLevelsMax,
    about: "Levels of a topic name or filter.",
    atLimit: "As `max_topic_length`.",
  }),
  "broker.max_keep_alive": setting({
    type: seconds({ from: 0, to: 65_535 }),
    initial: 0,
    about: "Longest keep alive. 0 leaves every client its own, also none.",
    atLimit:
      "MQTT 5: a longer one, or none, is cut to it and announced as Server Keep Alive. 3.1.1 clients, who could not be told, keep " +
      "their own.",
  }),
  "broker.topic_alias_maximum": setting({
    type: count({ from: 0, to: 65_535 }),
    initial: 64,
    about: "Topic aliases that a client may set. Announced as Topic Alias Maximum.",
    atLimit: "DISCONNECT 0x94 (Topic Alias invalid).",
  }),
  "broker.topic_alias_maximum_outbound": setting({
    type: count({ from: 0, to: 65_535 }),
    initial: 64,
    about: "Topic aliases that the broker sets towards one client, if the client allows as many.",
    atLimit: "Further topics are sent by name.",
  }),
  "broker.max_retained_messages": setting({
    type: count({ from: 0, to: COUNT_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.retainedMessagesMax,
    about: "Retained messages, one for each topic.",
    atLimit:
      "The message is delivered and acknowledged but not retained, and counted as dropped; its topic has none then, since an older one would be wrong. Replacing by what takes no more, and deleting, go on.",
  }),
  "broker.max_retained_bytes": setting({
    type: size({ from: 0, to: BYTES_MAX, special: UNLIMITED }),
    initial: DEFAULT_LIMITS.retainedBytesMax,
    about:
      "Topics, properties and payloads of all retained messages, and 96 bytes for each level of their topics that no other has.",
    atLimit: "As `max_retained_messages`.",
  }),
  "broker.max_message_expiry": setting({
    type: seconds({ from: 1, to: SECONDS_MAX, special: { word: "never", value: Infinity } }),
    initial: DEFAULT_LIMITS.messageExpirySecondsMax,
    about: "Longest Message Expiry Interval. `never` leaves messages alone.",
    atLimit:
      "A message with a longer one, or none, is given this one; when it has passed, the message is no longer delivered.",
  }),
  "broker.validate_payload_format": setting({
    type: flag(),
    initial: false,
    about: "Whether a payload that its publisher declares to be UTF-8 is checked.",
    atLimit: "0x99 (Payload format invalid) in PUBACK, PUBREC or, at QoS 0, DISCONNECT; for a will in CONNACK.",
  }),
  "broker.response_information": setting({
    type: text({ from: 0, to: 1024 }),
    initial: "",
    about: "Topic prefix for responses, handed to clients that request Response Information. Empty hands out none.",
  }),
  "broker.sys_interval": setting({
    type: duration({ from: "1s", to: "1h", zero: true }),
    initial: 10_000,
    about: "How often the `$SYS/broker/...` topics are published. 0 is never.",
  }),
  "broker.allow_zero_length_client_id": setting({
    type: flag(),
    initial: true,
    about: "Whether a client may leave its identifier to the broker. MQTT 5 clients are told theirs.",
    atLimit: "CONNACK 0x85 (Client Identifier not valid), in 3.1.1 0x02.",
  }),
};
