import type { ReplayOutcome } from "../bridge/queue_gateway.ts";
import type { QueueDefinition, QueueOptions } from "../core/queue/definition.ts";
import type { GroupStart } from "../core/queue/group_start.ts";
import type { DeadLetterOrigin } from "../core/queue/record.ts";
import type { QueueView } from "../core/queue/views.ts";
import type { MessageProperties } from "../wire/properties.ts";
import type { QueueBrokerOptions } from "./options.ts";

/** A message of a durable queue as the program gets it. It is held until one of its methods was called or its time is over. */
export interface QueueMessage extends MessageProperties {
  /** `<queue>:<partition>:<offset>` */
  readonly messageId: string;
  /** `$queue/<name>[/<routing/key>]`. */
  readonly topic: string;
  /** The ordinary topic that it was copied from; empty for what was published to the queue. */
  readonly sourceTopic: string;
  /** The payload; not to be changed. */
  readonly payload: Uint8Array;
  /** What stands behind the name in the topic; empty for nothing. */
  readonly routingKey: string;
  /** The queue that it is in; ends in `/$dlq` for a dead letter. */
  readonly queue: string;
  /** The consumer group that it was given to. */
  readonly group: string;
  /** The partition that it is in. */
  readonly partition: number;
  /** Its place there. */
  readonly offset: number;
  /** The publisher's `partition-key`; empty for none. */
  readonly key: string;
  /** 1 for the first time. */
  readonly deliveryCount: number;
  /** When it was stored, in milliseconds since 1970. */
  readonly appendedAt: number;
  /** It is done: nobody in the group gets it again. Resolves when that is stored.
   * @throws {RangeError} when it is not held any more; somebody else may have it */
  ack(): Promise<void>;
  /** It failed: it comes again after the queue's backoff, or after `delayMs`, or becomes a dead letter when it came too often.
   * @throws {RangeError} as {@link QueueMessage.ack} */
  nack(options?: { delayMs?: number }): Promise<void>;
  /** It can never be done: it becomes a dead letter now.
   * @throws {RangeError} as {@link QueueMessage.ack} */
  reject(reason?: string): Promise<void>;
  /** Holds it for `ms` from now, the queue's visibility timeout when absent.
   * @throws {RangeError} as {@link QueueMessage.ack} */
  extend(ms?: number): Promise<void>;
}

/** How the program consumes a queue. */
export interface ConsumeQueueOptions {
  /** The consumer group; one of its own that ends with the reader when absent. */
  readonly group?: string;
  /** A filter for routing keys; `#`. */
  readonly filter?: string;
  /** Messages that may be unsettled at a time; the queue's own number when absent. */
  readonly prefetch?: number;
  /** Where a new group begins. */
  readonly start?: GroupStart;
  /** Ends the reader. */
  readonly signal?: AbortSignal;
}

/** A dead letter, looked at without being consumed. */
export interface DeadLetter extends MessageProperties, DeadLetterOrigin {
  /** Its place among the dead letters: `<queue>/$dlq:<partition>:<offset>`. */
  readonly messageId: string;
  /** `$queue/<name>/$dlq[/<routing/key>]`. */
  readonly topic: string;
  /** The `partition-key`; empty for none. */
  readonly key: string;
  /** The payload; not to be changed. */
  readonly payload: Uint8Array;
}

/** Which part of many dead letters. */
export interface DeadLetterRange {
  /** Behind this `messageId`. */
  readonly after?: string;
  /** How many at most; 100. */
  readonly limit?: number;
  /** Ends early with the one by which they weigh so much: topics, properties and payloads; Infinity. */
  readonly bytesMax?: number;
}

/** Which dead letters: those of these `messageId`s, or all that are there now. */
export type DeadLetterChoice = readonly string[] | "all";

/** The program as a member of a consumer group: `for await` over it. What it has given out and was not settled is given back when it
 * ends. */
export interface QueueReader extends AsyncIterableIterator<QueueMessage, undefined>, Disposable {
  /** The next message if it comes within `ms`; undefined otherwise. */
  poll(ms: number): Promise<QueueMessage | undefined>;
  /** Acknowledges at once the message at an offset that this reader holds, and what it holds below it and was handed before it, as one
   * who reads a stream in batches does. Resolves when that is stored, with how many messages those were. */
  commit(at: { readonly partition: number; readonly offset: number }): Promise<number>;
  /** Leaves the group, which gives what was not settled to others. */
  close(): void;
}

/** The durable queues of a broker, for the program: made, changed, looked at, consumed. {@link WeirBroker.publish} publishes to one with
 * a topic `$queue/<name>[/<routing/key>]`. */
export interface BrokerQueues {
  /** Makes a queue; resolves when it is stored.
   * @throws {RangeError} when there is one of this name, there are too many, or a value is outside its range */
  create(options: QueueOptions): Promise<void>;
  /** Changes what is given of a queue that is there. Partitions may grow; type and ordering stay.
   * @throws {RangeError} when there is none, or the change is not possible */
  change(options: QueueOptions): Promise<void>;
  /** Makes a queue, or changes one that is there, so that it is this.
   * @throws {RangeError} as `create` and `change` */
  define(definition: QueueDefinition): Promise<void>;
  /** Changes what holds for queues that nobody has defined; those that are there stay as they are. */
  adjust(defaults: Omit<QueueBrokerOptions, "definitions">): void;
  /** Takes a queue away with its messages, groups and dead letters. False when there is none. MQTT consumers and readers that it has wait
   * for the next one of its name. */
  delete(name: string): Promise<boolean>;
  /** Takes all messages of a queue away, those that are delayed too; groups stay. Answers how many lay in it.
   * @throws {RangeError} when there is none */
  purge(name: string): Promise<number>;
  /** All queues, those of dead letters among them, by name. */
  list(): QueueView[];
  /** One queue; undefined when there is none. */
  get(name: string): QueueView | undefined;
  /** Becomes a member of a consumer group: `for await` over it gives its messages, leaving the loop leaves the group.
   * @throws {Refusal} topic-filter-invalid when the queue is not there and is not made by itself */
  consume(queue: string, options?: ConsumeQueueOptions): QueueReader;
  /** Moves a group, in one partition or in all; what its members hold there is taken from them.
   * @throws {RangeError} when there is no such queue or group */
  seek(queue: string, group: string, at: { readonly to: GroupStart; readonly partition?: number }): Promise<void>;
  /** Takes a group away; what it has not settled is nobody's any more. MQTT consumers and readers that it has begin it anew.
   * @throws {RangeError} when there is no such queue or group */
  deleteGroup(queue: string, group: string): Promise<void>;
  /** The dead letters of a queue in the order of their places, without consuming them; none when there are none. */
  deadLetters(queue: string, range?: DeadLetterRange): Promise<DeadLetter[]>;
  /** Sends dead letters back to their queue, partition and key, for the group that they failed in alone, or with `toEveryGroup` as if
   * they were new. Resolves when that is stored. One that cannot go back, since the queue is full or the group is gone, stays and does
   * not hold up the others; of one that is not there any more nothing is said.
   * @throws {RangeError} a `messageId` that is none of these dead letters; nothing has changed then */
  replay(
    queue: string,
    which: DeadLetterChoice,
    options?: { readonly toEveryGroup?: boolean },
  ): Promise<ReplayOutcome>;
  /** Deletes dead letters; resolves when that is stored, with how many were there.
   * @throws {RangeError} a `messageId` that is none of these dead letters */
  deleteDeadLetters(queue: string, which: DeadLetterChoice): Promise<number>;
}
