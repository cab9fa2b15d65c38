import type { QueueDropCause } from "../happening.ts";
import { Refusal } from "../refusal.ts";
import { quoted } from "../text.ts";
import type { Turn } from "../turn.ts";
import type { QueueContext } from "./context.ts";
import type { QueueDefinition } from "./definition.ts";
import { cursorAt, type GroupStart, notBefore } from "./group_start.ts";
import { Group } from "./group.ts";
import type { GroupLog } from "./group_log.ts";
import type { QueueItem } from "./item.ts";
import { messageIdOf } from "./message_id.ts";
import { MessageKeys } from "./message_keys.ts";
import type { QueueSegment, StoredQueueLog } from "./mutation.ts";
import type { QueueAmount } from "./ports.ts";
import { QueueLog, SEGMENT_RECORDS } from "./queue_log.ts";
import { type QueueEntry, type QueueRecord, recordBytes } from "./record.ts";
import { QueueStatistics } from "./queue_statistics.ts";
import { Upkeep } from "./upkeep.ts";

/** How long what is settled may lie in a log before it is trimmed, however little it is. */
const TRIM_MS = 1_000;

/** The name of the group of nobody; one that a consumer cannot ask for. */
export const REMOVED = "$removed";

/** One partition: offsets come from one counter, records lie in one log for each priority. */
export interface QueuePartition {
  readonly index: number;
  next: number;
  /** By priority; those that were never used are missing. */
  readonly logs: (QueueLog | undefined)[];
}

/** A queue: its partitions, what lies in them, and the groups that read them. */
export class Queue {
  readonly queueId: number;
  readonly context: QueueContext;
  readonly partitions: QueuePartition[] = [];
  readonly groups = new Map<string, Group>();
  /** Of nobody: what was taken out of the middle of a log lies in its ranges. Null while nothing was. */
  removed: Group | null = null;
  /** Those that have members. */
  readonly active: Group[] = [];
  readonly keys: MessageKeys = new MessageKeys();
  readonly statistics: QueueStatistics = new QueueStatistics();
  readonly upkeep: Upkeep = new Upkeep(this);
  /** What is to be appended later. */
  delayed: QueueAmount = { count: 0, bytes: 0 };
  /** Delays up to this id are purged, though the store may just have brought them. */
  delaysPurged = 0;
  /** What lies in its logs, and what ever did since the start. */
  count = 0;
  bytes = 0;
  appended = 0;
  appendedBytes = 0;
  isGone = false;
  /** At most what the slowest group has passed; groups only go on, so it is looked up when it matters. */
  #slowest: QueueAmount = { count: 0, bytes: 0 };
  #definition: QueueDefinition;
  #inTurn = 0;

  constructor(context: QueueContext, queueId: number, definition: QueueDefinition) {
    this.context = context;
    this.queueId = queueId;
    this.#definition = definition;
    this.#grow();
  }

  get name(): string {
    return this.#definition.name;
  }

  get definition(): QueueDefinition {
    return this.#definition;
  }

  /** Takes another definition, that has been found valid in place of this one. */
  redefine(definition: QueueDefinition, turn: Turn): void {
    this.#definition = definition;
    this.#grow();
    for (const group of this.groups.values()) {
      group.grow();
      if (group.idleSince > 0) group.scheduleExpiry();
    }
    this.removed?.grow();
    this.upkeep.schedule(turn.now);
  }

  /** Refuses what does not fit, before anything is written.
   * @throws {Refusal} packet-too-large, quota-exceeded */
  assertRoom(bytes: number): void {
    assertSize(bytes, this.#definition);
    const fault = this.#fullness(bytes);
    if (fault !== undefined) throw new Refusal("quota-exceeded", `Cannot append to ${quoted(this.name)}: ${fault}`);
  }

  /** Whether a message of so many bytes fits. */
  hasRoom(bytes: number): boolean {
    return this.#fullness(bytes) === undefined;
  }

  /** The partition for a message: `hash` chooses, or they take turns. */
  partitionFor(hash: number | undefined): number {
    const { length } = this.partitions;
    if (hash !== undefined) return hash % length;
    this.#inTurn = (this.#inTurn + 1) % length;
    return this.#inTurn;
  }

  /** Appends, and hands on to the groups that are at the end. `entry` and its bytes are kept as they are. */
  append(entry: QueueEntry, index: number, turn: Turn): QueueRecord {
    const partition = this.partitions[index];
    const log = partition.logs[entry.priority] ?? this.#open(partition, entry.priority, turn);
    const record: QueueRecord = {
      topic: entry.topic,
      sourceTopic: entry.sourceTopic,
      key: entry.key,
      messageKey: entry.messageKey,
      priority: entry.priority,
      expiresAt: Math.min(entry.expiresAt, turn.now + this.#definition.limits.ttlMs),
      group: entry.group,
      origin: entry.origin,
      properties: entry.properties,
      payload: entry.payload,
      offset: partition.next++,
      appendedAt: turn.now,
    };
    const bytes = recordBytes(record);
    turn.effects.writes.push({ kind: "queue-appended", logId: log.logId, record });
    const isNewSegment = log.append(record.offset, bytes, turn.now);
    this.count++;
    this.bytes += bytes;
    this.appended++;
    this.appendedBytes += bytes;
    this.statistics.appended++;
    for (let i = 0; i < this.active.length; i++) this.active[i].appended(record, log, turn);
    if (isNewSegment) this.upkeep.segmentOpened(partition, turn); // last: what it drops has been looked at
    return record;
  }

  /** Puts in a log that a start found. */
  restoreLog(stored: StoredQueueLog & { first: number; next: number; segments: readonly QueueSegment[] }): QueueLog {
    const partition = this.partitions[stored.partition];
    const log = new QueueLog(stored, stored.first);
    log.restore(stored.next, stored.segments);
    partition.logs[stored.priority] = log;
    partition.next = Math.max(partition.next, stored.next);
    this.count += log.count;
    this.bytes += log.bytes;
    this.appended += log.appended;
    this.appendedBytes += log.appendedBytes;
    return log;
  }

  *logs(): Iterable<QueueLog> {
    for (const { logs } of this.partitions) for (const log of logs) if (log !== undefined) yield log;
  }

  /** A new group; where it starts is written down for each log. */
  openGroup(options: { name: string; filter: string; clientId: string; start: GroupStart }, turn: Turn): Group {
    const { name, filter, clientId, start } = options;
    const stored = { groupId: this.context.nextId(), queueId: this.queueId, name, filter, clientId, idleSince: 0 };
    const group = new Group(this, stored);
    turn.effects.writes.push({ kind: "queue-group-saved", ...stored });
    for (const log of this.logs()) {
      const position = Math.min(log.next, Math.max(cursorAt(start, log, this), log.first));
      group.enter(log, position).begin(position, notBefore(start, turn.now), turn);
    }
    this.#hideRemoved(group, turn);
    this.addGroup(group);
    turn.effects.happenings.push({ kind: "queue-group-created", queue: this.name, group: name });
    return group;
  }

  addGroup(group: Group): void {
    this.groups.set(group.name, group);
    this.noteSlower(group);
    if (group.clientId !== "") this.context.noteClientGroup(group, true);
  }

  /** What a group has settled alone stays settled. */
  deleteGroup(group: Group, turn: Turn): void {
    if (this.#definition.type === "classic" && this.groups.size === 1) this.#takeSettled(group, turn);
    this.groups.delete(group.name);
    const at = this.active.indexOf(group);
    if (at >= 0) this.active.splice(at, 1);
    group.end(turn);
    if (group.clientId !== "") this.context.noteClientGroup(group, false);
    turn.effects.writes.push({ kind: "queue-group-deleted", groupId: group.groupId });
    turn.effects.happenings.push({ kind: "queue-group-deleted", queue: this.name, group: group.name });
    for (const log of this.logs()) this.#trim(log, turn);
  }

  /** Sends a group elsewhere, as far as there is something. */
  seek(group: Group, at: { to: GroupStart; partition?: number }, turn: Turn): void {
    const { to, partition } = at;
    group.seek({ cursorOf: (log) => cursorAt(to, log, this), partition, notBefore: notBefore(to, turn.now) }, turn);
    this.#hideRemoved(group, turn);
    this.noteSlower(group);
    group.refresh(turn);
  }

  /** Takes one message out, for the groups that are there and those that come; false when it is not there (any more). */
  remove(record: QueueRecord, partition: number, turn: Turn): boolean {
    const log = this.partitions[partition]?.logs[record.priority];
    if (log === undefined || record.offset < log.first || record.offset >= log.next) return false;
    this.removed ??= this.#openRemoved(turn);
    if (!this.removed.settleAt(record, log, turn)) return false;
    for (const group of [...this.groups.values()]) group.settleAt(record, log, turn);
    this.#trim(log, turn);
    return true;
  }

  /** Whether a message is there for people: not taken out, and not settled by every group of a work queue. */
  has(record: QueueRecord, partition: number): boolean {
    const log = this.partitions[partition]?.logs[record.priority];
    if (log === undefined || record.offset < log.first || record.offset >= log.next) return false;
    if (this.removed !== null && !this.removed.owes(record, log)) return false;
    if (this.#definition.type === "stream" || this.groups.size === 0) return true;
    return [...this.groups.values()].some((group) => group.owes(record, log));
  }

  /** Nothing of it remains: who holds a message of it holds it no longer. */
  end(turn: Turn): void {
    this.isGone = true;
    this.active.length = 0;
    for (const group of this.groups.values()) {
      group.end(turn);
      if (group.clientId !== "") this.context.noteClientGroup(group, false);
    }
    this.groups.clear();
  }

  /** A group has gone back or is new. */
  noteSlower({ passed, passedBytes }: Group): void {
    const { count, bytes } = this.#slowest;
    this.#slowest = { count: Math.min(count, passed), bytes: Math.min(bytes, passedBytes) };
  }

  /** A group's place has moved: of a classic queue, what every group has settled goes. Looked at once in a thousand messages, and a
   * second after a group has come to the end. */
  settledTo(place: GroupLog, turn: Turn): void {
    if (this.#definition.type !== "classic") return;
    const { log, position } = place;
    if (position >= place.trimAt) {
      place.trimAt = position + SEGMENT_RECORDS;
      this.#trim(log, turn);
    } else if (position >= log.next && !log.isTrimDue && log.first < log.next) {
      log.isTrimDue = true;
      this.context.deadlines.add(turn.now + TRIM_MS, {
        due: (turn) => {
          log.isTrimDue = false;
          if (!this.isGone) this.#trim(log, turn);
        },
      });
    }
  }

  /** Everything below `before` goes from the log, settled or not; to be followed by {@link refresh}. */
  dropBelow(log: QueueLog, before: number, turn: Turn): QueueAmount {
    for (const group of this.groups.values()) group.dropBelow(log, before, turn);
    return this.#cut(log, before, turn);
  }

  /** Takes out everything, settled or not, and what is delayed; answers how many messages. */
  purge(turn: Turn): number {
    let { count } = this.delayed;
    if (count > 0) {
      this.delayed = { count: 0, bytes: 0 };
      this.delaysPurged = this.context.nextId();
      turn.effects.writes.push({ kind: "queue-delays-purged", queueId: this.queueId, lastId: this.delaysPurged });
    }
    for (const log of this.logs()) if (log.first < log.next) count += this.dropBelow(log, log.next, turn).count;
    this.refresh(turn);
    return count;
  }

  /** What was dropped has made room. */
  refresh(turn: Turn): void {
    for (const group of [...this.active]) group.refresh(turn);
  }

  /** Tells and counts that a group did not get a message. */
  tellDropped(item: QueueItem, cause: QueueDropCause, turn: Turn): void {
    this.statistics.dropped[cause]++;
    const { record, place } = item;
    const { group, log } = place;
    const messageId = messageIdOf(this.name, log.partition, record.offset);
    turn.effects.happenings.push({
      kind: "queue-message-dropped",
      queue: this.name,
      group: group.name,
      messageId,
      cause,
    });
  }

  /** What waits: what the slowest group has not settled, or everything while there is none; delayed messages included. */
  get waiting(): QueueAmount {
    this.#findSlowest();
    const isStream = this.#definition.type === "stream";
    return {
      count: this.appended - this.#slowest.count + this.delayed.count,
      bytes: (isStream ? this.bytes : this.appendedBytes - this.#slowest.bytes) + this.delayed.bytes,
    };
  }

  /** The lowest position in a log of all groups; undefined while there is none, and nothing was taken out either. */
  lowestPosition(log: QueueLog): number | undefined {
    let lowest = Infinity;
    for (const group of this.groups.values()) lowest = Math.min(lowest, group.placeIn(log).position);
    return lowest === Infinity ? this.removed?.placeIn(log).position : lowest;
  }

  #fullness(bytes: number): string | undefined {
    const { limits, type } = this.#definition;
    if (this.appended - this.#slowest.count + this.delayed.count + 1 > limits.messages) {
      const { count } = this.waiting;
      if (count + 1 > limits.messages) return `${count} messages wait, the maximum is ${limits.messages}`;
    }
    if (limits.bytes === Infinity) return undefined;
    const atMost = type === "stream" ? this.bytes : this.appendedBytes - this.#slowest.bytes;
    if (atMost + this.delayed.bytes + bytes <= limits.bytes) return undefined;
    const waiting = this.waiting.bytes;
    if (waiting + bytes <= limits.bytes) return undefined;
    return `${waiting} bytes wait, the maximum is ${limits.bytes}`;
  }

  #findSlowest(): void {
    let count = Infinity;
    let bytes = Infinity;
    for (const { passed, passedBytes } of this.groups.values()) {
      count = Math.min(count, passed);
      bytes = Math.min(bytes, passedBytes);
    }
    if (count === Infinity && this.removed !== null) {
      count = this.removed.passed;
      bytes = this.removed.passedBytes;
    } else if (count === Infinity) { // without groups it is what is not there any more
      count = this.appended - this.count;
      bytes = this.appendedBytes - this.bytes;
    }
    this.#slowest = { count, bytes };
  }

  /** Trims whole segments of a classic queue that every group has settled; nothing while there is no group. */
  #trim(log: QueueLog, turn: Turn): void {
    const lowest = this.#definition.type === "classic" ? this.lowestPosition(log) : undefined;
    const before = lowest === undefined ? 0 : log.wholeBelow(lowest);
    if (before > log.first) this.#cut(log, before, turn);
  }

  #cut(log: QueueLog, before: number, turn: Turn): QueueAmount {
    this.removed?.dropBelow(log, before, turn);
    const ranges = log.unsure(before, log.next);
    const dropped = log.dropBelow(before);
    this.count -= dropped.count;
    this.bytes -= dropped.bytes;
    turn.effects.writes.push({ kind: "queue-trimmed", logId: log.logId, before });
    if (ranges.length === 0) return dropped;
    const estimate = log.between(ranges[0], ranges[1]);
    log.uncounted++;
    const correct = (by: QueueAmount, turn: Turn) => {
      log.uncounted--;
      this.#correct(log, { before, by }, turn);
      this.upkeep.counted(this.partitions[log.partition], turn);
    };
    turn.effects.queueLoads.push({ kind: "count", request: { logId: log.logId, ranges }, estimate, correct });
    return dropped;
  }

  /** What the last group has settled goes from the logs before the group does; what lies behind something that it has not, is nobody's. */
  #takeSettled(group: Group, turn: Turn): void {
    for (const log of this.logs()) {
      const { position, settledAbove } = group.placeIn(log);
      if (position > log.first) this.#cut(log, position, turn);
      if (settledAbove.isEmpty) continue;
      this.removed ??= this.#openRemoved(turn);
      const bounds = settledAbove.toArray();
      for (let i = 0; i < bounds.length; i += 2) this.removed.hide(log, { from: bounds[i], to: bounds[i + 1] }, turn);
      this.removed.placeIn(log).recount(turn);
    }
  }

  #correct(log: QueueLog, { before, by }: { before: number; by: QueueAmount }, turn: Turn): void {
    if (!log.correct(before, by)) return;
    this.count += by.count;
    this.bytes += by.bytes;
    for (const group of this.groups.values()) group.placeIn(log).recount(turn); // those that have come meanwhile
    this.removed?.placeIn(log).recount(turn);
  }

  #open(partition: QueuePartition, priority: number, turn: Turn): QueueLog {
    const { queueId, context } = this;
    const stored = { logId: context.nextId(), queueId, partition: partition.index, priority };
    turn.effects.writes.push({ kind: "queue-log-opened", ...stored });
    const log = new QueueLog(stored, partition.next);
    partition.logs[priority] = log;
    for (const group of this.groups.values()) group.enter(log, log.first);
    this.removed?.enter(log, log.first);
    return log;
  }

  #openRemoved(turn: Turn): Group {
    const { queueId } = this;
    const name = REMOVED;
    const stored = { groupId: this.context.nextId(), queueId, name, filter: "#", clientId: "", idleSince: turn.now };
    turn.effects.writes.push({ kind: "queue-group-saved", ...stored });
    const group = new Group(this, stored);
    for (const log of this.logs()) group.enter(log, log.first).recount(turn);
    return group;
  }

  /** What was taken out is not for a group that comes from elsewhere. */
  #hideRemoved(group: Group, turn: Turn): void {
    if (this.removed === null) return;
    for (const { log, position, ahead } of this.removed.places()) {
      const bounds = [log.first, position, ...ahead.toArray()];
      for (let i = 0; i < bounds.length; i += 2) group.hide(log, { from: bounds[i], to: bounds[i + 1] }, turn);
      group.placeIn(log).recount(turn);
    }
  }

  #grow(): void {
    for (let index = this.partitions.length; index < this.#definition.partitions; index++) {
      this.partitions.push({ index, next: 0, logs: [] });
    }
  }
}

/** Refuses a message that is too large for a queue.
 * @throws {Refusal} packet-too-large */
export function assertSize(bytes: number, { name, limits }: QueueDefinition): void {
  const { messageBytes } = limits;
  if (bytes <= messageBytes) return;
  throw new Refusal(
    "packet-too-large",
    `Cannot append ${bytes} bytes to ${quoted(name)}: the maximum is ${messageBytes} bytes a message`,
  );
}
