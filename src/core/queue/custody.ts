import type { Turn } from "../turn.ts";
import { backoffMs } from "./backoff.ts";
import { QueueDelivery } from "./delivery.ts";
import type { Group } from "./group.ts";
import { failureOf } from "./group_log.ts";
import { ItemState, type QueueItem } from "./item.ts";
import type { Lane } from "./lane.ts";
import type { QueueMember } from "./member.ts";
import type { DeadLetterCause } from "./record.ts";

/** What the holder of a message says of it. */
export type Settlement =
  | { readonly kind: "ack" }
  /** It failed; `delayMs` in place of the backoff. */
  | { readonly kind: "nack"; readonly delayMs?: number }
  /** It will never succeed. */
  | { readonly kind: "reject"; readonly reason: string };

/** Who of a group has which message, and what becomes of it: delivered, settled, failed, delivered again. */
export class Custody {
  readonly #group: Group;

  constructor(group: Group) {
    this.#group = group;
  }

  /** Hands on what is ready while somebody has room. */
  serve(lane: Lane, turn: Turn): void {
    if (lane.isServing) return;
    lane.isServing = true;
    try {
      for (;;) {
        const member = lane.nextMember();
        const item = member === undefined ? undefined : this.#nextItem(lane, turn);
        if (member === undefined || item === undefined) return;
        lane.rotate();
        this.#deliver(item, member, turn);
        lane.feed(member);
      }
    } finally {
      lane.isServing = false;
    }
  }

  /** False when the delivery is not held any more: nothing has changed then. */
  settle(delivery: QueueDelivery, settlement: Settlement, turn: Turn): boolean {
    if (!delivery.isHeld) return false;
    const { item, member } = delivery;
    this.#release(delivery);
    if (settlement.kind === "ack") {
      this.#group.queue.statistics.acknowledged++;
      this.end(item, turn);
    } else if (settlement.kind === "nack") {
      this.#fail(item, settlement.delayMs, turn);
    } else {
      this.#noteFailure(item, turn);
      this.#bury(item, { cause: "rejected", reason: settlement.reason }, turn);
    }
    this.goOn(member, item, turn);
    return true;
  }

  /** Gives the holder `ms` from now on. False when it is not held any more. */
  extend(delivery: QueueDelivery, ms: number, turn: Turn): boolean {
    if (!delivery.isHeld) return false;
    this.#unlist(delivery);
    delivery.deadline = turn.now + ms;
    this.#listExtended(delivery);
    return true;
  }

  /** A message may be delivered now, or when its time has come. */
  activate(item: QueueItem, turn: Turn): void {
    if (item.dueAt <= turn.now) return item.place.partition.makeReady(item);
    item.state = ItemState.retrying;
    item.retry = this.#group.queue.context.deadlines.add(item.dueAt, item);
  }

  /** The time of a failed message has come. */
  retry(item: QueueItem, turn: Turn): void {
    item.retry = null;
    if (item.state !== ItemState.retrying) return;
    const { partition } = item.place;
    partition.makeReady(item);
    if (partition.lane !== null) this.serve(partition.lane, turn);
  }

  /** A message is settled, whoever has it. */
  end(item: QueueItem, turn: Turn): void {
    const { place } = item;
    const { groupId } = this.#group;
    const range = place.remove(item);
    turn.effects.writes.push({ kind: "queue-settled", groupId, logId: place.log.logId, ...range });
    this.#forget(item, turn);
    this.#group.progressed(place, turn);
  }

  /** A message goes with its log, or is read again from another place: whoever has it has it no longer. */
  drop(item: QueueItem, turn: Turn): void {
    this.withdraw(item, turn);
    item.place.drop(item);
    this.#forget(item, turn);
  }

  /** Takes a message from its holder, if it has one. */
  withdraw(item: QueueItem, turn: Turn): void {
    const { delivery } = item;
    if (delivery === null) return;
    this.#release(delivery);
    delivery.member.consumer.withdraw(delivery, turn);
  }

  /** A member is gone: what it had goes to others at once. `isFailure` says of which it counts as failed. */
  giveBack(member: QueueMember, isFailure: (delivery: QueueDelivery) => boolean, turn: Turn): void {
    for (const list of [member.holds, member.extended]) {
      for (let delivery = list.first; delivery !== null; delivery = list.first) {
        const { item } = delivery;
        const hasFailed = isFailure(delivery); // asked while the consumer still knows it
        this.withdraw(item, turn);
        if (hasFailed) this.#fail(item, 0, turn);
        else item.place.partition.makeReady(item);
      }
    }
    if (member.alarm !== null) this.#group.queue.context.deadlines.cancel(member.alarm);
    member.alarm = null;
  }

  /** What the member has had for too long has failed. */
  expireHolds(member: QueueMember, turn: Turn): void {
    member.alarm = null;
    const failed: QueueItem[] = [];
    for (let first = member.holds.first; first !== null && first.deadline <= turn.now; first = member.holds.first) {
      failed.push(first.item);
      this.#timeOut(first, turn);
    }
    this.#setAlarm(member);
    for (const item of failed) this.goOn(member, item, turn);
  }

  /** Something was settled: its holder has room, and the next of its key may be for another. */
  goOn(member: QueueMember, item: QueueItem, turn: Turn): void {
    member.lane.feed(member);
    this.serve(member.lane, turn);
    const { lane } = item.place.partition;
    if (lane !== null && lane !== member.lane) this.serve(lane, turn);
  }

  /** The next message that is to be delivered; those whose time has run out are settled on the way. */
  #nextItem(lane: Lane, turn: Turn): QueueItem | undefined {
    for (let item = lane.nextItem(); item !== undefined; item = lane.nextItem()) {
      if (item.record.expiresAt > turn.now) return item;
      this.#group.queue.tellDropped(item, "expired", turn);
      this.end(item, turn);
    }
    return undefined;
  }

  #deliver(item: QueueItem, member: QueueMember, turn: Turn): void {
    const { queue } = this.#group;
    const delivery = new QueueDelivery(item, member, turn.now + queue.definition.visibilityTimeoutMs);
    item.state = ItemState.held;
    item.delivery = delivery;
    member.held++;
    const { last } = member.holds;
    if (last !== null && last.deadline > delivery.deadline) { // the timeout was made shorter
      this.#listExtended(delivery);
    } else {
      member.holds.push(delivery);
      if (member.alarm === null) this.#setAlarm(member);
    }
    queue.statistics.delivered++;
    member.consumer.deliver(delivery, turn);
  }

  #release(delivery: QueueDelivery): void {
    this.#unlist(delivery);
    delivery.item.delivery = null;
    delivery.member.held--;
  }

  #unlist(delivery: QueueDelivery): void {
    if (delivery.extension === null) return delivery.member.holds.remove(delivery);
    delivery.member.extended.remove(delivery);
    this.#group.queue.context.deadlines.cancel(delivery.extension);
    delivery.extension = null;
  }

  #listExtended(delivery: QueueDelivery): void {
    delivery.member.extended.push(delivery);
    const due = { due: (turn: Turn) => this.#extensionOver(delivery, turn) };
    delivery.extension = this.#group.queue.context.deadlines.add(delivery.deadline, due);
  }

  #extensionOver(delivery: QueueDelivery, turn: Turn): void {
    if (!delivery.isHeld) return;
    const { member, item } = delivery;
    this.#timeOut(delivery, turn);
    this.goOn(member, item, turn);
  }

  #timeOut(delivery: QueueDelivery, turn: Turn): void {
    const { item } = delivery;
    this.#group.queue.statistics.timedOut++;
    this.withdraw(item, turn);
    this.#fail(item, undefined, turn);
  }

  #setAlarm(member: QueueMember): void {
    const { first } = member.holds;
    if (first !== null) member.alarm = this.#group.queue.context.deadlines.add(first.deadline, member);
  }

  #fail(item: QueueItem, delayMs: number | undefined, turn: Turn): void {
    const { definition, context } = this.#group.queue;
    this.#noteFailure(item, turn);
    if (item.failures >= definition.deliveryLimit) {
      return this.#bury(item, { cause: "delivery-limit", reason: "" }, turn);
    }
    this.#again(item, delayMs ?? backoffMs(definition.backoff, item.failures, context.random), turn);
  }

  #noteFailure(item: QueueItem, turn: Turn): void {
    this.#group.queue.statistics.failed++;
    item.failures++;
    if (item.failedAt === 0) item.failedAt = turn.now;
  }

  #again(item: QueueItem, delayMs: number, turn: Turn): void {
    item.dueAt = turn.now + delayMs;
    turn.effects.writes.push({ kind: "queue-failed", ...failureOf(item) });
    this.activate(item, turn);
  }

  /** To the dead letters, in one commit with its end here. While they have no room it stays. */
  #bury(item: QueueItem, why: { cause: DeadLetterCause; reason: string }, turn: Turn): void {
    const { queue } = this.#group;
    if (!queue.definition.hasDeadLetters) {
      queue.tellDropped(item, why.cause, turn);
      return this.end(item, turn);
    }
    if (queue.context.bury(item, why, turn)) return this.end(item, turn);
    this.#again(item, queue.definition.backoff.maxMs, turn);
  }

  /** It is out of the window: the next of its key is the front. */
  #forget(item: QueueItem, turn: Turn): void {
    item.state = ItemState.gone;
    if (item.retry !== null) this.#group.queue.context.deadlines.cancel(item.retry);
    item.retry = null;
    const next = item.place.partition.leave(item);
    if (next !== undefined) this.activate(next, turn);
  }
}
