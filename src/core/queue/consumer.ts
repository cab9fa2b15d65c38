import type { Turn } from "../turn.ts";
import type { QueueRecord } from "./record.ts";

/** Where a group begins, or is moved to. */
export type QueueStart =
  /** At the first message of a classic queue, behind the last one of a stream. */
  | { readonly kind: "default" }
  | { readonly kind: "first" }
  /** Behind the last message. */
  | { readonly kind: "last" }
  /** In each partition. */
  | { readonly kind: "offset"; readonly offset: number }
  /** At what was appended at this time or later, in milliseconds since 1970. */
  | { readonly kind: "time"; readonly time: number };

/** Who takes messages for a member of a group. */
export interface QueueConsumer {
  /** For people: the client id. */
  readonly id: string;
  /** Whether it takes one more now; the prefetch is the group's affair. */
  readonly hasRoom: boolean;
  deliver(delivery: QueueDelivery, turn: Turn): void;
  /** It is not the consumer's any more: settled, taken back, or its time is over. */
  withdraw(delivery: QueueDelivery, turn: Turn): void;
}

/** A consumer in a group. */
export interface QueueMember {
  readonly consumer: QueueConsumer;
  readonly queue: string;
  readonly group: string;
}

/** A message that a member holds. */
export interface QueueDelivery {
  readonly record: QueueRecord;
  readonly queue: string;
  readonly partition: number;
  readonly group: string;
  readonly member: QueueMember;
  /** `<queue>:<partition>:<offset>` */
  readonly messageId: string;
  /** 1 for the first. */
  readonly deliveryCount: number;
  /** When it counts as failed, in milliseconds. */
  readonly deadlineAt: number;
}
