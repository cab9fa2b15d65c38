/** Why a message is a dead letter. */
export type DeadLetterCause = "rejected" | "delivery-limit";

/** Where a dead letter comes from. */
export interface DeadLetterOrigin {
  /** Why it is a dead letter. */
  readonly cause: DeadLetterCause;
  /** What the consumer said; empty when it said nothing. */
  readonly reason: string;
  /** The queue, partition and offset that it had. */
  readonly queue: string;
  /** From 0. */
  readonly partition: number;
  /** The place of the message in its log. */
  readonly offset: number;
  /** The group that could not settle it. */
  readonly group: string;
  /** How often it was delivered to that group. */
  readonly deliveryCount: number;
  /** When it was appended there, in milliseconds since 1970. */
  readonly appendedAt: number;
  /** When its delivery failed first. */
  readonly failedAt: number;
  /** When it became a dead letter. */
  readonly movedAt: number;
}

/** What is appended, before it has its place. Plain data: it is stored as it is. */
export interface QueueEntry {
  /** What a consumer gets it by: `$queue/<name>[/<routing/key>]`. */
  readonly topic: string;
  /** The ordinary topic that it was captured from; empty for what was published to the queue. */
  readonly sourceTopic: string;
  /** The `partition-key`; empty for none. Chooses the partition, and holds the order. */
  readonly key: string;
  /** The `message-key`; empty for none. */
  readonly messageKey: string;
  /** 0 to 9; the highest first. Always 0 in a stream. */
  readonly priority: number;
  /** Milliseconds; Infinity when it does not expire. */
  readonly expiresAt: number;
  /** The only group that gets it, for a dead letter that was sent back; empty for every group. */
  readonly group: string;
  /** Undefined unless it is a dead letter. */
  readonly origin: DeadLetterOrigin | undefined;
  /** The forwarded properties, encoded as MQTT 5 does, in order. */
  readonly properties: Uint8Array;
  /** As published. */
  readonly payload: Uint8Array;
}

/** A message in a partition. */
export interface QueueRecord extends QueueEntry {
  /** Its place: grows within a partition, with gaps, and never comes again. */
  readonly offset: number;
  /** When it was appended, in milliseconds since 1970. */
  readonly appendedAt: number;
}

/** Bytes of topic, properties and payload: what limits and retention count. UTF-16 units of the topic stand for its bytes. */
export function recordBytes({ topic, properties, payload }: QueueEntry): number {
  return topic.length + properties.length + payload.length;
}
