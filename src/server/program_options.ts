import type { QoS } from "../core/message.ts";
import type { MessageProperties } from "../wire/properties.ts";

/** A message that the program publishes. Text payloads are sent as UTF-8. */
export interface OutgoingMessage extends MessageProperties {
  /** A topic name, without wildcards. */
  readonly topic: string;
  /** Text is sent as UTF-8. */
  readonly payload: string | Uint8Array;
  /** 0 when absent. */
  readonly qos?: QoS;
  /** False when absent. An empty payload with `retain` clears the topic's retained message. */
  readonly retain?: boolean;
  /** Seconds after which nobody gets it any more; never when absent. */
  readonly expirySeconds?: number;
}

/** How the program subscribes. */
export interface SubscribeOptions {
  /** Highest QoS wanted; 0. */
  readonly qos?: QoS;
  /** Messages kept for a reader that is behind; 1,000. Beyond it QoS 0 is dropped, QoS 1 and 2 wait. */
  readonly highWaterMark?: number;
  /** Whether retained messages are sent first; true. */
  readonly retained?: boolean;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}
