import type { Deadline } from "../deadlines.ts";
import { Memo } from "../memo.ts";
import { filterMatches } from "../topic.ts";
import type { Turn } from "../turn.ts";
import { shareOut, takeShare } from "./assignment.ts";
import { Custody } from "./custody.ts";
import type { QueueDelivery } from "./delivery.ts";
import type { Due } from "./due.ts";
import { GroupLog } from "./group_log.ts";
import { GroupPartition } from "./group_partition.ts";
import { Lane } from "./lane.ts";
import { type QueueConsumer, QueueMember } from "./member.ts";
import type { StoredQueueGroup } from "./mutation.ts";
import type { Queue } from "./queue.ts";
import type { QueueLog } from "./queue_log.ts";
import { type QueueRecord, recordBytes } from "./record.ts";
import { routingKeyOf } from "./routing_key.ts";

/** Answers that are kept of which topics a filter matches. */
const MATCHES_MAX = 1_000;

/** A consumer group: a place in each log of a queue, and the members that work from there on. Without members it has no window:
 * a backlog costs it nothing. */
export class Group implements Due {
  readonly queue: Queue;
  readonly groupId: number;
  readonly name: string;
  /** The client whose session it ends with; empty for one that stays. */
  readonly clientId: string;
  filter: string;
  /** Milliseconds since when it has no member; 0 while it has one. */
  idleSince: number;
  readonly members: QueueMember[] = [];
  readonly partitions: GroupPartition[] = [];
  readonly custody: Custody = new Custody(this);
  /** How many of all messages that ever were in the queue it has nothing to do with any more. */
  passed = 0;
  passedBytes = 0;
  isGone = false;
  readonly #shared: Lane | null;
  readonly #matches = new Memo<boolean>(MATCHES_MAX);
  #expiry: Deadline<Due> | null = null;

  constructor(queue: Queue, stored: StoredQueueGroup) {
    this.queue = queue;
    this.groupId = stored.groupId;
    this.name = stored.name;
    this.filter = stored.filter;
    this.clientId = stored.clientId;
    this.idleSince = stored.idleSince;
    this.#shared = queue.definition.ordering === "partition" ? null : new Lane();
    this.grow();
  }

  /** Adds what the queue has more of partitions. */
  grow(): void {
    const { ordering, partitions } = this.queue.definition;
    const added: GroupPartition[] = [];
    for (let index = this.partitions.length; index < partitions; index++) {
      const partition = new GroupPartition(index, ordering);
      partition.lane = this.#shared;
      this.partitions.push(partition);
      added.push(partition);
    }
    if (this.#shared === null) shareOut(added, this.members);
  }

  /** Takes a place in a log. */
  enter(log: QueueLog, cursor: number): GroupLog {
    const partition = this.partitions[log.partition];
    const place = new GroupLog(this, { partition, log, cursor: Math.max(cursor, log.first) });
    partition.places[log.priority] = place;
    return place;
  }

  /** Its place in a log that it has entered. */
  placeIn(log: QueueLog): GroupLog {
    return this.partitions[log.partition].places[log.priority]!;
  }

  /** The delivery under way of an offset, if there is one. */
  deliveryAt(partition: number, offset: number): QueueDelivery | undefined {
    for (const place of this.partitions[partition]?.places ?? []) {
      const delivery = place?.items.get(offset)?.delivery;
      if (delivery !== undefined && delivery !== null) return delivery;
    }
    return undefined;
  }

  *places(): Iterable<GroupLog> {
    for (const { places } of this.partitions) for (const place of places) if (place !== undefined) yield place;
  }

  join(consumer: QueueConsumer, prefetch: number, turn: Turn): QueueMember {
    const member = new QueueMember(this, { consumer, prefetch, lane: this.#shared ?? new Lane() });
    if (this.#shared === null) {
      if (this.members.length === 0) shareOut(this.partitions, [member]);
      else takeShare(member, this.members);
    }
    this.members.push(member);
    if (this.members.length === 1) this.#wake(turn);
    this.pump(member, turn);
    return member;
  }

  /** `isFailure` says of which of its messages it counts that they were not settled. */
  leave(member: QueueMember, isFailure: (delivery: QueueDelivery) => boolean, turn: Turn): void {
    if (member.isGone) return;
    member.isGone = true;
    this.members.splice(this.members.indexOf(member), 1);
    if (this.#shared === null) {
      for (const partition of member.partitions) partition.lane = null;
      shareOut(member.partitions.splice(0), this.members);
    }
    this.custody.giveBack(member, isFailure, turn);
    if (this.members.length === 0) return this.#sleep(turn);
    for (const { lane } of this.members) this.custody.serve(lane, turn);
  }

  /** The member may have room again. */
  pump(member: QueueMember, turn: Turn): void {
    member.lane.feed(member);
    this.custody.serve(member.lane, turn);
  }

  /** A record was appended: it is handed on at once when the group was at the end of the log. */
  appended(record: QueueRecord, log: QueueLog, turn: Turn): void {
    const place = this.placeIn(log);
    if (place.load !== null || place.cursor < log.nextBefore || place.isFull) return;
    this.#take(place, record, turn);
    const { lane } = place.partition;
    if (lane !== null) this.custody.serve(lane, turn);
  }

  /** The records that a place has asked for. */
  refill(place: GroupLog, records: readonly QueueRecord[], turn: Turn): void {
    const to = place.load?.kind === "page" ? place.load.request.to : place.cursor;
    place.load = null;
    for (const record of records) if (record.offset >= place.cursor) this.#take(place, record, turn);
    if (records.length === 0) place.cursor = Math.max(place.cursor, to);
    if (place.cursor >= place.log.next) place.recount(turn);
    this.progressed(place, turn);
    place.partition.relist();
    const { lane } = place.partition;
    if (lane !== null) this.custody.serve(lane, turn);
  }

  /** The window has room, and the log may have something to trim. */
  progressed(place: GroupLog, turn: Turn): void {
    if (place.isHalfEmpty && this.members.length > 0) turn.effects.queueLoads.push(place.request());
    this.queue.settledTo(place, turn);
  }

  /** What lies below `before` is about to go from the log; to be followed by {@link refresh}. */
  dropBelow(log: QueueLog, before: number, turn: Turn): void {
    const place = this.placeIn(log);
    while (place.first !== null && place.first.record.offset < before) this.custody.drop(place.first, turn);
    place.dropBelow(before, turn);
  }

  /** A message is settled from outside, wherever the group is; false when it was. */
  settleAt(record: QueueRecord, log: QueueLog, turn: Turn): boolean {
    const place = this.placeIn(log);
    const item = place.items.get(record.offset);
    if (item !== undefined) {
      this.custody.withdraw(item, turn);
      this.custody.end(item, turn);
      this.refresh(turn);
      return true;
    }
    if (!place.owes(record.offset)) return false;
    this.hide(log, { from: record.offset, to: record.offset + 1 }, turn);
    place.pass(1, recordBytes(record));
    return true;
  }

  /** Whether it has still to settle a message, be it with a consumer or not looked at yet. */
  owes(record: QueueRecord, log: QueueLog): boolean {
    const place = this.placeIn(log);
    return place.items.has(record.offset) || place.owes(record.offset);
  }

  /** A range of what has not been looked at is none of this group's business; to be counted. */
  hide(log: QueueLog, range: { from: number; to: number }, turn: Turn): void {
    const place = this.placeIn(log);
    const from = Math.max(range.from, place.cursor);
    if (range.to <= from) return;
    place.settleAhead(from, range.to);
    const { groupId } = this;
    const { position } = place;
    turn.effects.writes.push({ kind: "queue-settled", groupId, logId: log.logId, from, to: range.to, position });
  }

  /** Goes to another place in each log of a partition, or of all: what is under way there is withdrawn. To be followed by
   * {@link refresh}. */
  seek(to: { cursorOf: (log: QueueLog) => number; partition?: number; notBefore: number }, turn: Turn): void {
    const { cursorOf, partition, notBefore } = to;
    for (const place of this.places()) {
      const { log } = place;
      if (partition !== undefined && log.partition !== partition) continue;
      const position = Math.min(log.next, Math.max(log.first, cursorOf(log)));
      while (place.first !== null) this.custody.drop(place.first, turn);
      place.begin(position, notBefore, turn);
    }
  }

  /** Windows and members may have room after something was taken from them. */
  refresh(turn: Turn): void {
    for (const place of this.places()) this.progressed(place, turn);
    for (const partition of this.partitions) partition.relist(); // a page that it waited for may never come
    for (const member of [...this.members]) this.pump(member, turn);
  }

  /** Nothing of it remains: its members have nothing any more. */
  end(turn: Turn): void {
    this.isGone = true;
    for (const place of this.places()) {
      while (place.first !== null) this.custody.drop(place.first, turn);
      place.load = null;
    }
    for (const member of this.members.splice(0)) {
      member.isGone = true;
      this.custody.giveBack(member, () => false, turn);
    }
    if (this.#expiry !== null) this.queue.context.deadlines.cancel(this.#expiry);
  }

  /** Without members for too long. */
  due(turn: Turn): void {
    if (!this.isGone && this.members.length === 0) this.queue.deleteGroup(this, turn);
  }

  /** Counts what it has nothing to do with any more. */
  pass(count: number, bytes: number): void {
    this.passed += count;
    this.passedBytes += bytes;
  }

  get stored(): StoredQueueGroup {
    const { groupId, queue, name, filter, clientId, idleSince } = this;
    return { groupId, queueId: queue.queueId, name, filter, clientId, idleSince };
  }

  /** Another filter; there are no members. What was read and skipped is not looked at again. */
  changeFilter(filter: string): void {
    this.filter = filter;
    this.#matches.clear();
  }

  /** Since when nobody is there is known: it goes when that was long enough. One of a client goes with the client's session. */
  scheduleExpiry(): void {
    const { context, definition } = this.queue;
    if (this.#expiry !== null) context.deadlines.cancel(this.#expiry);
    this.#expiry = null;
    if (this.members.length > 0 || this.clientId !== "" || definition.groupExpiryMs === Infinity) return;
    this.#expiry = context.deadlines.add(this.idleSince + definition.groupExpiryMs, this);
  }

  #wake(turn: Turn): void {
    this.queue.active.push(this);
    if (this.idleSince !== 0) {
      this.idleSince = 0;
      turn.effects.writes.push({ kind: "queue-group-saved", ...this.stored });
    }
    this.scheduleExpiry();
    for (const place of this.places()) this.progressed(place, turn);
  }

  #sleep(turn: Turn): void {
    this.queue.active.splice(this.queue.active.indexOf(this), 1);
    this.idleSince = turn.now;
    turn.effects.writes.push({ kind: "queue-group-saved", ...this.stored });
    this.scheduleExpiry();
    for (const place of this.places()) {
      for (const item of place.items.values()) if (item.retry !== null) this.queue.context.deadlines.cancel(item.retry);
      place.fold();
    }
    for (const partition of this.partitions) partition.clear();
  }

  #take(place: GroupLog, record: QueueRecord, turn: Turn): void {
    if (record.appendedAt < place.notBefore || !this.#wants(record)) {
      place.skip(record);
      if (!place.isFarAhead) return;
      const { groupId } = this;
      turn.effects.writes.push({ kind: "queue-settled", groupId, logId: place.log.logId, ...place.tail() });
      return;
    }
    const item = place.push(record);
    if (item !== undefined && place.partition.enter(item)) this.custody.activate(item, turn);
  }

  #wants({ group, topic }: QueueRecord): boolean {
    if (group !== "" && group !== this.name) return false;
    if (this.filter === "#") return true;
    const known = this.#matches.get(topic);
    if (known !== undefined) return known;
    const matches = filterMatches(this.filter, routingKeyOf(topic, this.queue.name));
    this.#matches.set(topic, matches);
    return matches;
  }
}
