import type { QueueOptions } from "../core/queue/definition.ts";
import type { GroupStart } from "../core/queue/group_start.ts";
import type { DeadLetterOrigin } from "../core/queue/record.ts";
import type { QueueView } from "../core/queue/views.ts";
import type { GuestProperties } from "./gateway.ts";

/** Something that a guest names is not there, or is there already. */
export class QueueFault extends Error {
  /** Tells it from other errors. */
  override readonly name = "QueueFault";
  /** Not there, or there already. */
  readonly kind: "missing" | "taken";

  /** The message is told to the peer. */
  constructor(kind: QueueFault["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A message that a guest pulled and holds until it settles it, or its time is over. */
export interface GuestQueueMessage extends GuestProperties {
  /** `<queue>:<partition>:<offset>` */
  readonly messageId: string;
  /** What it was published to, `$queue/<name>[/<routing/key>]`. */
  readonly topic: string;
  /** Empty for what was published to the queue itself. */
  readonly sourceTopic: string;
  /** The queue that it is in; ends in `/$dlq` for a dead letter. */
  readonly queue: string;
  /** The consumer group that it was given to. */
  readonly group: string;
  /** What stands behind the name in the topic; empty for nothing. */
  readonly routingKey: string;
  /** Not to be changed. */
  readonly payload: Uint8Array;
  /** From 0. */
  readonly partition: number;
  /** Its place in the partition. */
  readonly offset: number;
  /** The `partition-key`; empty for none. */
  readonly key: string;
  /** 1 for the first time. */
  readonly deliveryCount: number;
  /** When it was stored, in milliseconds since 1970. */
  readonly appendedAt: number;
  /** When it counts as failed unless it is settled or extended, in milliseconds since 1970. */
  readonly heldUntil: number;
  /** Milliseconds since 1970; Infinity when it does not expire. */
  readonly expiresAt: number;
  /** Where a dead letter comes from. */
  readonly origin?: DeadLetterOrigin;
}

/** A dead letter, looked at. */
export interface GuestDeadLetter extends GuestProperties, DeadLetterOrigin {
  /** `<queue>/$dlq:<partition>:<offset>` */
  readonly messageId: string;
  /** `$queue/<name>/$dlq[/<routing/key>]` */
  readonly topic: string;
  /** The `partition-key`; empty for none. */
  readonly key: string;
  /** Not to be changed. */
  readonly payload: Uint8Array;
}

/** What a guest asks a group for. */
export interface GuestPullOptions {
  /** The consumer group. */
  readonly group: string;
  /** A filter for the routing key; the group gets everything when absent. */
  readonly filter?: string;
  /** Messages at most. */
  readonly max: number;
  /** How long to wait for the first one. */
  readonly waitMs: number;
  /** Messages that it may hold at a time, over all its calls; the queue's own number when absent. */
  readonly prefetch?: number;
  /** Where a new group begins. */
  readonly start?: GroupStart;
  /** Aborted when nobody waits for the answer any more: what would have been in it is not given out. */
  readonly signal: AbortSignal;
}

/** What a guest says of messages that it holds. */
export type GuestSettlement =
  | { readonly kind: "ack" }
  /** In place of the backoff. */
  | { readonly kind: "nack"; readonly delayMs?: number }
  | { readonly kind: "reject"; readonly reason: string }
  /** From now on; the queue's visibility timeout when absent. */
  | { readonly kind: "extend"; readonly ms?: number };

/** What became of dead letters that were to go back to their queue. */
export interface ReplayOutcome {
  /** How many are back. */
  readonly replayed: number;
  /** How many could not go back and are dead letters still. */
  readonly refused: number;
  /** Why, for the first hundred of them. */
  readonly refusals: readonly ReplayRefusal[];
}

/** Why a dead letter could not go back. */
export interface ReplayRefusal {
  /** `<queue>/$dlq:<partition>:<offset>` */
  readonly messageId: string;
  /** For people. */
  readonly reason: string;
}

/** Which part of many dead letters. */
export interface GuestDeadLetterRange {
  /** Behind this message id. */
  readonly after?: string;
  /** How many at most. */
  readonly limit: number;
  /** Ends early with the one by which they weigh so much. */
  readonly bytesMax?: number;
}

/** Which dead letters. */
export type GuestDeadLetterChoice = readonly string[] | "all";

/** The durable queues as a guest sees them. To look at a queue and to administer it a guest needs the right to publish to
 * `$admin/queues/<name>`; to consume, that to subscribe to `$queue/<name>`. Without it everything is a Refusal, not-authorized, whether
 * the queue is there or not; with it a queue or group that is not there is a {@link QueueFault}. What changes resolves when it is stored. */
export interface GuestQueues {
  /** Those that the guest may look at, by name. */
  list(): QueueView[];
  /** Everything of one. */
  get(name: string): QueueView;
  /** Makes a queue.
   * @throws {QueueFault} taken
   * @throws {RangeError} a value outside its range, or too many queues */
  create(options: QueueOptions): Promise<void>;
  /** Changes what is said of a queue.
   * @throws {RangeError} a value outside its range, or a change that is not possible */
  change(options: QueueOptions): Promise<void>;
  /** With all that lies in it, its dead letters included. */
  delete(name: string): Promise<void>;
  /** Answers how many lay in it. */
  purge(name: string): Promise<number>;
  /** Moves a group, in one partition or in all. */
  seek(queue: string, group: string, at: { readonly to: GroupStart; readonly partition?: number }): Promise<void>;
  /** Takes a group away. */
  deleteGroup(queue: string, group: string): Promise<void>;
  /** By their places, without consuming them. */
  deadLetters(queue: string, range: GuestDeadLetterRange): Promise<GuestDeadLetter[]>;
  /** Each that can goes back; of those that are not there any more nothing is said. */
  replay(
    queue: string,
    which: GuestDeadLetterChoice,
    options: { readonly toEveryGroup: boolean },
  ): Promise<ReplayOutcome>;
  /** Answers how many were there. */
  deleteDeadLetters(queue: string, which: GuestDeadLetterChoice): Promise<number>;
  /** Takes messages as a member of a group, which it stays for a while after the call. `queue` may be that of dead letters.
   * @throws {Refusal} as subscribing would be refused; quota-exceeded for too many members */
  pull(queue: string, options: GuestPullOptions): Promise<GuestQueueMessage[]>;
  /** Settles what this guest pulled for a group; answers which it holds no longer. */
  settle(
    place: { readonly queue: string; readonly group: string; readonly messageIds: readonly string[] },
    settlement: GuestSettlement,
  ): Promise<{ readonly settled: readonly string[]; readonly notHeld: readonly string[] }>;
  /** Leaves a group, and gives what this guest holds for it to others at once. With `isLost` that counts as failed, as when a connection
   * is lost; nothing happens then while another call of the same client waits. */
  leave(place: { readonly queue: string; readonly group: string }, how: { readonly isLost: boolean }): Promise<void>;
  /** Acknowledges a message that this guest pulled for a group, and what it holds below it and pulled before it; answers how many messages
   * those were, undefined when it is no member of the group. */
  commit(
    place: { readonly queue: string; readonly group: string; readonly partition: number; readonly offset: number },
  ): Promise<number | undefined>;
}
