import type { Limits } from "../core/limits.ts";
import type { ProtocolVersion } from "../wire/packet.ts";

/** What the MQTT edge of one listener decides and announces. */
export interface EndpointSettings {
  readonly limits: Limits;
  readonly versions: readonly ProtocolVersion[];
  /** Largest packet accepted once a client is connected, announced as Maximum Packet Size (0x95 above it). */
  readonly packetBytesMax: number;
  /** Largest CONNECT. */
  readonly connectBytesMax: number;
  /** Unsent bytes above which QoS 0 is dropped and QoS 1 and 2 wait in the session's queue. */
  readonly outboxBytesMax: number;
  /** Aliases that a client may set; 0 is none. */
  readonly topicAliasMaximum: number;
  /** Aliases set towards a client at most. */
  readonly topicAliasMaximumOutbound: number;
  /** Longer keep-alives are cut to this, and announced; 0 leaves the client's own. */
  readonly keepAliveSecondsMax: number;
  readonly validatePayloadFormat: boolean;
  /** Empty for none. */
  readonly responseInformation: string;
  readonly allowZeroLengthClientId: boolean;
  /** Whether a client that exceeds the Receive Maximum is disconnected (0x93) or borne with. */
  readonly strictReceiveMaximum: boolean;
  /** Whether a client is cut after 1.5 times its keep-alive, or after 3 times. */
  readonly strictKeepAlive: boolean;
}
