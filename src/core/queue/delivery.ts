import type { Deadline } from "../deadlines.ts";
import type { Due } from "./due.ts";
import type { QueueItem } from "./item.ts";
import type { QueueMember } from "./member.ts";
import { messageIdOf } from "./message_id.ts";
import type { QueueRecord } from "./record.ts";

/** A message in the hands of a consumer. The one who has it may settle it, until it is settled, or withdrawn. */
export class QueueDelivery {
  readonly member: QueueMember;
  /** Which one of its member's deliveries it is: they reach a client in this order. */
  readonly number: number;
  /** 1 for the first one. */
  readonly deliveryCount: number;
  /** Belongs to the engine. */
  readonly item: QueueItem;
  /** When it counts as failed, in milliseconds since 1970. */
  deadline: number;
  /** Belong to the engine: its neighbours among those of the member, and the deadline of its own that it has when it was extended. */
  before: QueueDelivery | null = null;
  after: QueueDelivery | null = null;
  extension: Deadline<Due> | null = null;

  constructor(item: QueueItem, member: QueueMember, deadline: number) {
    this.item = item;
    this.member = member;
    this.number = ++member.deliveries;
    this.deliveryCount = item.failures + 1;
    this.deadline = deadline;
  }

  get record(): QueueRecord {
    return this.item.record;
  }

  /** The name of the queue. */
  get queue(): string {
    return this.member.group.queue.name;
  }

  get partition(): number {
    return this.item.place.log.partition;
  }

  /** The name of the group. */
  get group(): string {
    return this.member.group.name;
  }

  get messageId(): string {
    return messageIdOf(this.queue, this.partition, this.record.offset);
  }

  /** Whether it may still be settled. */
  get isHeld(): boolean {
    return this.item.delivery === this;
  }
}

/** Deliveries in the order in which they were made; any of them leaves at constant cost. */
export class HoldList {
  first: QueueDelivery | null = null;
  last: QueueDelivery | null = null;

  push(delivery: QueueDelivery): void {
    delivery.before = this.last;
    delivery.after = null;
    if (this.last === null) this.first = delivery;
    else this.last.after = delivery;
    this.last = delivery;
  }

  remove(delivery: QueueDelivery): void {
    const { before, after } = delivery;
    if (before === null) this.first = after;
    else before.after = after;
    if (after === null) this.last = before;
    else after.before = before;
    delivery.before = delivery.after = null;
  }
}
