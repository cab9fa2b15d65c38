import type { Settlement } from "../core/queue/custody.ts";
import type { QueueDelivery } from "../core/queue/delivery.ts";
import type { QueueConsumer, QueueMember } from "../core/queue/member.ts";
import { routingKeyOf } from "../core/queue/routing_key.ts";
import { readMessageProperties } from "../wire/properties.ts";
import type { QueueMessage, QueueReader } from "./queue_api.ts";

/** What a reader needs of the broker. */
export interface LocalConsumerParts {
  /** For people, and unique. */
  readonly id: string;
  /** False when it is not held any more; resolves when what was decided is stored. */
  readonly settle: (delivery: QueueDelivery, settlement: Settlement) => Promise<boolean>;
  readonly extend: (delivery: QueueDelivery, ms: number) => Promise<boolean>;
  /** Answers how many messages were acknowledged. */
  readonly commit: (member: QueueMember, at: { partition: number; offset: number }) => Promise<number>;
  /** There is room for more. */
  readonly pump: (member: QueueMember) => void;
  /** Called once. */
  readonly onEnd: (member: QueueMember) => void;
}

/** The program as a member of a consumer group: `for await` over it. What it has given out and was not settled is given back when it
 * ends. */
export class LocalConsumer implements QueueConsumer, QueueReader {
  /** For people. */
  readonly id: string;
  readonly #parts: LocalConsumerParts;
  #member: QueueMember | null = null;
  #waiting: QueueDelivery[] = [];
  /** Who waits for a message, in the order of the calls. */
  #waiters: (() => void)[] = [];
  #isClosed = false;

  /** Joins nothing yet. */
  constructor(parts: LocalConsumerParts) {
    this.id = parts.id;
    this.#parts = parts;
  }

  /** The group gives as many as the prefetch allows. */
  get hasRoom(): boolean {
    return this.#member !== null && !this.#isClosed;
  }

  /** To be called once it has joined its group. */
  open(member: QueueMember): void {
    this.#member = member;
    this.#parts.pump(member);
  }

  /** Called by the group. */
  deliver(delivery: QueueDelivery): void {
    this.#waiting.push(delivery);
    this.#waiters.shift()?.();
  }

  /** Called by the group: what was not read yet will not be. */
  withdraw(delivery: QueueDelivery): void {
    const index = this.#waiting.indexOf(delivery);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  /** Called by the queues. */
  rejoined(member: QueueMember): void {
    this.#member = member;
  }

  /** The next message; waits for one. Done when the reader was closed. */
  async next(): Promise<IteratorResult<QueueMessage, undefined>> {
    while (this.#waiting.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    const delivery = this.#waiting.shift();
    if (delivery === undefined) return { done: true, value: undefined };
    return { done: false, value: queueMessage(delivery, this.#parts) };
  }

  /** The next message if it comes within `ms`; undefined otherwise. */
  async poll(ms: number): Promise<QueueMessage | undefined> {
    if (this.#waiting.length === 0 && !this.#isClosed && ms > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.push(resolve);
      const timer = setTimeout(resolve, ms);
      await promise;
      clearTimeout(timer);
      this.#waiters = this.#waiters.filter((waiter) => waiter !== resolve);
    }
    const delivery = this.#waiting.shift();
    return delivery === undefined ? undefined : queueMessage(delivery, this.#parts);
  }

  /** Acknowledges what it holds of a partition up to and with an offset; answers how many messages those were. */
  async commit(at: { readonly partition: number; readonly offset: number }): Promise<number> {
    if (this.#member === null || this.#isClosed) return 0;
    const committed = this.#parts.commit(this.#member, at);
    this.#waiting = this.#waiting.filter(({ isHeld }) => isHeld);
    return await committed;
  }

  /** Leaves the group, which gives what was not settled to others. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#member !== null) this.#parts.onEnd(this.#member);
    this.#waiting = [];
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Called when a `for await` is left. */
  return(): Promise<IteratorResult<QueueMessage, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Leaves the group, as {@link QueueReader.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

function queueMessage(delivery: QueueDelivery, parts: LocalConsumerParts): QueueMessage {
  const { record, messageId, queue, group, partition, deliveryCount } = delivery;
  const { topic, sourceTopic, payload, offset, key, appendedAt, properties } = record;
  const done = async (action: string, isDone: Promise<boolean>) => {
    if (await isDone) return;
    throw new RangeError(`Cannot ${action} ${messageId}: it is not held any more`);
  };
  return {
    ...readMessageProperties(properties, 0, properties.length),
    ...{ messageId, topic, sourceTopic, payload, queue, group, partition, offset, key, deliveryCount, appendedAt },
    routingKey: routingKeyOf(topic, queue),
    ack: () => done("ack", parts.settle(delivery, { kind: "ack" })),
    nack: ({ delayMs } = {}) => done("nack", parts.settle(delivery, { kind: "nack", delayMs })),
    reject: (reason = "") => done("reject", parts.settle(delivery, { kind: "reject", reason })),
    extend: (ms = delivery.member.group.queue.definition.visibilityTimeoutMs) => {
      return done("extend", parts.extend(delivery, ms));
    },
  };
}
