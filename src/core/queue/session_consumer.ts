import type { Acknowledgement, Delivery } from "../delivery.ts";
import { Message } from "../message.ts";
import type { Session } from "../session.ts";
import type { Turn } from "../turn.ts";
import type { QueueFilter } from "./address.ts";
import type { QueueCodec } from "./codec.ts";
import type { QueueDelivery } from "./delivery.ts";
import type { QueueConsumer, QueueMember } from "./member.ts";
import type { StoredQueueConsumer } from "./mutation.ts";
import type { Queues } from "./queues.ts";

/** What a session's consumer works with. */
export interface SessionConsumerParts {
  readonly session: Session;
  readonly queues: Queues;
  readonly codec: QueueCodec;
  readonly stored: StoredQueueConsumer;
  readonly filter: QueueFilter;
}

/** A session's part in a consumer group: what the group gives it goes out as QoS 1 or 2 under the session's window. The queue keeps it,
 * not the session: when the connection ends the queue gives it out again. */
export class SessionConsumer implements QueueConsumer {
  readonly stored: StoredQueueConsumer;
  readonly filter: QueueFilter;
  /** Null while the session has no connection. */
  member: QueueMember | null = null;
  /** Whether the client knows by now that it is a consumer. */
  isStarted = false;
  readonly #session: Session;
  readonly #queues: Queues;
  readonly #codec: QueueCodec;
  readonly #subscriptionIds: readonly number[] | null;
  /** What the session sends for it. */
  readonly #sent = new Map<QueueDelivery, Delivery>();

  constructor({ session, queues, codec, stored, filter }: SessionConsumerParts) {
    this.#session = session;
    this.#queues = queues;
    this.#codec = codec;
    this.stored = stored;
    this.filter = filter;
    this.#subscriptionIds = stored.subscriptionId === 0 ? null : [stored.subscriptionId];
  }

  get id(): string {
    return this.#session.clientId;
  }

  get hasRoom(): boolean {
    return this.isStarted && this.#session.hasRoom;
  }

  /** Takes what the group has for it. */
  pump(turn: Turn): void {
    if (this.member !== null && this.hasRoom) this.#queues.pump(this.member, turn);
  }

  deliver(delivery: QueueDelivery, turn: Turn): void {
    const { record } = delivery;
    const properties = this.#codec.properties(delivery);
    const message = Message.owning(this.#codec.topicOf(record.topic), {
      qos: this.stored.qos,
      retain: false,
      properties,
      propertiesStart: 0,
      propertiesEnd: properties.length,
      bytes: record.payload,
      payloadStart: 0,
      payloadEnd: record.payload.length,
    }, record.expiresAt);
    const hold = { acknowledge: (answer: Acknowledgement, turn: Turn) => this.#answer(delivery, answer, turn) };
    const terms = { qos: this.stored.qos, subscriptionIds: this.#subscriptionIds, hold };
    this.#sent.set(delivery, this.#session.sendQueued(message, terms, turn));
  }

  /** It is not the client's any more, or the client has settled it by publishing. An acknowledgement that still comes frees its packet id. */
  withdraw(delivery: QueueDelivery): void {
    const sent = this.#sent.get(delivery);
    if (sent !== undefined) sent.hold = null;
    this.#sent.delete(delivery);
  }

  rejoined(member: QueueMember): void {
    this.member = member;
  }

  /** A reason code below 0x80 settles, 0x99 (Payload format invalid) rejects, every other one says that it failed. */
  #answer(delivery: QueueDelivery, { reasonCode, reason }: Acknowledgement, turn: Turn): void {
    this.#sent.delete(delivery);
    if (reasonCode < 0x80) this.#queues.settle(delivery, { kind: "ack" }, turn);
    else if (reasonCode === 0x99) this.#queues.settle(delivery, { kind: "reject", reason }, turn);
    else this.#queues.settle(delivery, { kind: "nack" }, turn);
  }
}
