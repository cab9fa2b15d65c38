import type { Topic } from "./topic.ts";

/** Quality of service: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2;

/** Where the parts of a message lie. The packet reader's view of a PUBLISH has this shape, so that no bytes are copied. */
export interface MessageSource {
  readonly qos: QoS;
  readonly retain: boolean;
  /** Holds the forwarded properties, encoded as MQTT 5 does, in the order in which they came ([MQTT-3.3.2-17], [MQTT-3.3.2-18]);
   * mostly the same array as `bytes`. */
  readonly properties: Uint8Array;
  readonly propertiesStart: number;
  readonly propertiesEnd: number;
  /** Holds the payload. */
  readonly bytes: Uint8Array;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

/** An application message: a value that every subscriber shares, never changed for one of them.
 * Until {@link own} is called its bytes may lie in the chunk it arrived in and last as long as that. */
export class Message implements MessageSource {
  readonly topic: Topic;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Milliseconds; Infinity when it does not expire. */
  readonly expiresAt: number;
  /** Identifies the body in the store; 0 until it is stored. */
  bodyId = 0;
  properties: Uint8Array;
  propertiesStart: number;
  propertiesEnd: number;
  bytes: Uint8Array;
  payloadStart: number;
  payloadEnd: number;
  #owned = false;

  constructor(topic: Topic, source: MessageSource, expiresAt: number) {
    this.topic = topic;
    this.qos = source.qos;
    this.retain = source.retain;
    this.expiresAt = expiresAt;
    this.properties = source.properties;
    this.propertiesStart = source.propertiesStart;
    this.propertiesEnd = source.propertiesEnd;
    this.bytes = source.bytes;
    this.payloadStart = source.payloadStart;
    this.payloadEnd = source.payloadEnd;
  }

  /** A message whose bytes last and are nobody else's to change: {@link own} has nothing to do. */
  static owning(topic: Topic, source: MessageSource, expiresAt: number): Message {
    const message = new Message(topic, source, expiresAt);
    message.#owned = true;
    return message;
  }

  /** Copies the bytes out of the chunk, once, so that the message may outlive it. */
  own(): this {
    if (this.#owned) return this;
    this.#owned = true;
    const propertiesLength = this.propertiesEnd - this.propertiesStart;
    const own = new Uint8Array(propertiesLength + this.payloadEnd - this.payloadStart);
    if (propertiesLength > 0) own.set(this.properties.subarray(this.propertiesStart, this.propertiesEnd));
    own.set(this.payload, propertiesLength);
    this.properties = this.bytes = own;
    this.propertiesStart = 0;
    this.propertiesEnd = this.payloadStart = propertiesLength;
    this.payloadEnd = own.length;
    return this;
  }

  /** The same message with a body of its own, for when it is unknown whether the stored body is still there. */
  copy(): Message {
    return new Message(this.topic, this, this.expiresAt).own();
  }

  /** What is left of it when only its packet id counts: a queue has the rest. */
  emptied(): Message {
    const nothing = new Uint8Array();
    const source = messageSource(nothing, { qos: this.qos, retain: false, properties: nothing });
    return Message.owning(this.topic, source, Infinity);
  }

  /** A view on the payload. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  /** Bytes that the message takes in a queue: topic, properties and payload. */
  get size(): number {
    return this.topic.bytes.length + this.propertiesEnd - this.propertiesStart + this.payloadEnd - this.payloadStart;
  }
}

/** When a message published at `now` expires: after what its publisher wished, at most after what the broker allows. */
export function expiryTime(wishedSeconds: number | undefined, maximumSeconds: number, now: number): number {
  return now + Math.min(wishedSeconds ?? Infinity, maximumSeconds) * 1000;
}

/** Payload and properties joined in an array of their own, for messages that were not read from a chunk. */
export function messageSource(
  payload: Uint8Array,
  options: { qos: QoS; retain: boolean; properties?: Uint8Array },
): MessageSource {
  const { qos, retain, properties } = options;
  const propertiesEnd = properties === undefined ? 0 : properties.length;
  const bytes = new Uint8Array(propertiesEnd + payload.length);
  if (properties !== undefined) bytes.set(properties);
  bytes.set(payload, propertiesEnd);
  return {
    qos,
    retain,
    properties: bytes,
    propertiesStart: 0,
    propertiesEnd,
    bytes,
    payloadStart: propertiesEnd,
    payloadEnd: bytes.length,
  };
}
