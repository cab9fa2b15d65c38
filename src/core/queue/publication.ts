/** A message for a queue, as the shell brings it: allowed, and with bytes of its own. */
export interface Publication {
  /** `$queue/<name>[/<routing/key>]`. */
  readonly topic: string;
  readonly queue: string;
  /** What follows the name in the topic; empty for nothing. */
  readonly routingKey: string;
  /** The topic of a captured message; empty for others. */
  readonly sourceTopic?: string;
  /** The `partition-key`; empty for none. */
  readonly key: string;
  /** The `message-key`; empty for none. */
  readonly messageKey: string;
  /** 0 for at once. */
  readonly delayMs: number;
  /** 0 to 9. Streams do not have priorities. */
  readonly priority: number;
  /** Milliseconds since 1970; Infinity when it does not expire. */
  readonly expiresAt: number;
  /** The forwarded properties, encoded as MQTT 5 does. */
  readonly properties: Uint8Array;
  readonly payload: Uint8Array;
}

/** What became of a publication. */
export interface Appended {
  /** `name:partition:offset`; empty for a message that is delayed, or was there already. */
  readonly messageId: string;
  /** Its `message-key` had been seen: nothing was appended, and that is well. */
  readonly isDuplicate: boolean;
}

/** Bytes that limits count; UTF-16 units of the topic stand for its bytes. */
export function publicationBytes({ topic, properties, payload }: Publication): number {
  return topic.length + properties.length + payload.length;
}
