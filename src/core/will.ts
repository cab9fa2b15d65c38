import { expiryTime, Message, type MessageSource } from "./message.ts";
import type { StoredWill, WillAuthor } from "./mutation.ts";
import type { Topic } from "./topic.ts";
import type { Turn } from "./turn.ts";

/** What is published when a client goes without saying so; an intention, not yet a message: its expiry starts when it is published. */
export interface Will extends WillRights {
  readonly topic: Topic;
  /** Owned bytes. */
  readonly source: MessageSource;
  /** Seconds after the end of the connection; the end of the session comes first if it is earlier ([MQTT-3.1.3-9], MQTT 5 3.1.3.2.2). */
  readonly delaySeconds: number;
  /** Seconds, undefined when the message does not expire. */
  readonly expirySeconds: number | undefined;
}

/** Whether a will may be published once it is due. */
export interface WillRights {
  /** Whether its client may still publish it, asked when it is due; absent when it may. */
  isAllowed?(): boolean;
  /** Whom a restart asks about; absent for nobody. */
  readonly author?: WillAuthor;
}

/** Bytes of its topic, properties and payload. */
export function willBytes({ topic, source }: Will): number {
  const { propertiesStart, propertiesEnd, payloadStart, payloadEnd } = source;
  return topic.bytes.length + propertiesEnd - propertiesStart + payloadEnd - payloadStart;
}

/** The will as a message published now. */
export function willMessage(will: Will, turn: Turn): Message {
  const expiresAt = expiryTime(will.expirySeconds, turn.limits.messageExpirySecondsMax, turn.now);
  return new Message(will.topic, will.source, expiresAt).own();
}

/** The will as it is stored. */
export function storedWill(clientId: string, will: Will): StoredWill {
  const { source } = will;
  return {
    clientId,
    topic: will.topic.name,
    qos: source.qos,
    retain: source.retain,
    properties: source.properties.subarray(source.propertiesStart, source.propertiesEnd),
    payload: source.bytes.subarray(source.payloadStart, source.payloadEnd),
    delaySeconds: will.delaySeconds,
    expirySeconds: will.expirySeconds,
    ...(will.author !== undefined && { author: will.author }),
  };
}
