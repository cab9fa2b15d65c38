import type { Message } from "../message.ts";
import type { Topic } from "../topic.ts";
import type { QueueRecord } from "./record.ts";

/** What the user properties of a message published to a queue say. */
export interface QueueFacts {
  /** `partition-key`; empty for none. */
  readonly key: string;
  /** `message-key`; empty for none. */
  readonly messageKey: string;
  /** `delay` in milliseconds; 0 for none. */
  readonly delayMs: number;
  /** `priority`, 0 to 9. */
  readonly priority: number;
}

/** What a message to a verb of a queue (`$ack` and the like) says in its user properties. */
export interface SettlementFacts {
  /** `message-id`; empty for none. */
  readonly messageId: string;
  /** `group-id`; empty for none. */
  readonly group: string;
  /** `reason`; empty for none. */
  readonly reason: string;
  /** `delay` in milliseconds: when a nacked message comes again, or how much longer one is held. Undefined for none. */
  readonly delayMs: number | undefined;
  /** `partition`, `offset` and `time` (milliseconds since 1970); undefined for none. */
  readonly partition: number | undefined;
  readonly offset: number | undefined;
  readonly time: number | undefined;
}

/** A message of a queue on its way to a consumer, as far as its properties tell. */
export interface DeliveryFacts {
  readonly record: QueueRecord;
  readonly queue: string;
  readonly partition: number;
  readonly group: string;
  readonly messageId: string;
  /** 1 for the first. */
  readonly deliveryCount: number;
}

/** What the core cannot do itself: properties are encoded, and so are topics. The protocol layer can. */
export interface QueueCodec {
  /** @throws {Refusal} implementation-specific-error for a property that cannot be understood */
  readFacts(message: Message): QueueFacts;
  /** @throws {Refusal} implementation-specific-error for a property that cannot be understood */
  readSettlement(message: Message): SettlementFacts;
  /** The forwarded properties of a delivery, encoded: the publisher's, then the broker's as user properties. */
  properties(delivery: DeliveryFacts): Uint8Array;
  topicOf(name: string): Topic;
}
