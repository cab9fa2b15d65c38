/** The packets as values: what a decoder answers and an encoder takes. Nothing here knows a session. */

/** The control packet type in the high nibble of the first byte ([MQTT5 2.1.2]). */
export const PacketType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

const packetNames = Object.keys(PacketType).map((name) => name.toUpperCase());

/** The name of a packet type as the specification writes it: `packetName(3)` is `PUBLISH`. */
export function packetName(type: number): string {
  return packetNames[type - 1] ?? `packet of reserved type ${type}`;
}

/** The protocol level of CONNECT: 3 is MQTT 3.1 (`MQIsdp`), 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
export type ProtocolVersion = 3 | 4 | 5;

/** Quality of service: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2;

/** The largest packet the protocol can express: a four byte remaining length and five bytes of fixed header. */
export const PACKET_BYTES_MAX = 268_435_460;

/** The will of a CONNECT. `payload` and `properties` are copies and outlive the chunk. */
export interface WillPacket {
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  /** 0 when absent; {@link NEVER_SECONDS} at most. */
  delaySeconds: number;
  /** Message expiry in seconds, or undefined when the will does not expire. */
  expirySeconds: number | undefined;
  /** True when the payload format indicator says UTF-8. */
  payloadIsUtf8: boolean;
  /** The raw properties that are forwarded to subscribers, in the order they came: payload format, content type,
   * response topic, correlation data, user properties. Will delay and message expiry are taken out. */
  properties: Uint8Array;
}

/** A CONNECT with the defaults of absent properties filled in, so that v3 is v5 with the properties absent. */
export interface ConnectPacket {
  version: ProtocolVersion;
  clientId: string;
  /** Clean session in 3.1.1, clean start in 5. */
  clean: boolean;
  keepAliveSeconds: number;
  username: string | undefined;
  /** Binary data, a copy. */
  password: Uint8Array | undefined;
  will: WillPacket | undefined;
  /** 0 when absent in v5; for v3 the decoder answers 0 and the protocol layer decides. */
  sessionExpirySeconds: number;
  /** 65535 when absent. */
  receiveMaximum: number;
  /** {@link PACKET_BYTES_MAX} when absent. */
  maximumPacketBytes: number;
  topicAliasMaximum: number;
  requestResponseInformation: boolean;
  requestProblemInformation: boolean;
  authenticationMethod: string | undefined;
  authenticationData: Uint8Array | undefined;
  /** In order, with duplicates. */
  userProperties: [string, string][];
}

/** One filter of a SUBSCRIBE with its options; in v3 the options are false and 0. */
export interface SubscriptionRequest {
  filter: string;
  qos: QoS;
  noLocal: boolean;
  retainAsPublished: boolean;
  retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  packetId: number;
  /** 0 when absent. */
  subscriptionId: number;
  requests: SubscriptionRequest[];
  /** In order, with duplicates. */
  userProperties: [string, string][];
}

export interface UnsubscribePacket {
  packetId: number;
  filters: string[];
}

export interface DisconnectPacket {
  /** 0 when absent or v3. */
  reasonCode: number;
  /** undefined when absent. */
  sessionExpirySeconds: number | undefined;
}

export interface AuthPacket {
  reasonCode: number;
  authenticationMethod: string | undefined;
  authenticationData: Uint8Array | undefined;
}
