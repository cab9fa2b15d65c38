import type { Turn } from "../turn.ts";
import type { QueueLoad } from "./load.ts";
import type { Group } from "./group.ts";
import type { GroupPartition } from "./group_partition.ts";
import { QueueItem } from "./item.ts";
import type { StoredQueueFailure } from "./mutation.ts";
import type { QueueAmount } from "./ports.ts";
import { type QueueLog, SEGMENT_RECORDS } from "./queue_log.ts";
import { type QueueRecord, recordBytes } from "./record.ts";
import { SettledRanges } from "./settled_ranges.ts";

/** How many messages that are not settled a group looks at, in each log. */
const WINDOW_RECORDS = 1_000;
const WINDOW_BYTES = 4 * 1024 * 1024;

/** A group's place in one log. What lies below `cursor` is settled, but for the messages in the window; what lies above has not been
 * looked at, but for what a start, or members that went, left behind there: ranges that are settled, and failures. */
export class GroupLog {
  readonly group: Group;
  readonly partition: GroupPartition;
  readonly log: QueueLog;
  cursor: number;
  /** From which position on it is looked whether the log can be trimmed. */
  trimAt: number;
  /** What was appended before is passed over: the group has asked to begin at a time. */
  notBefore = 0;
  /** The page that is asked for. */
  load: QueueLoad | null = null;
  /** What the store is counting. */
  #counting: QueueLoad | null = null;
  /** The window by offset, and its ends. */
  readonly items = new Map<number, QueueItem>();
  first: QueueItem | null = null;
  last: QueueItem | null = null;
  ahead: SettledRanges = new SettledRanges();
  readonly failures = new Map<number, StoredQueueFailure>();
  /** How many of all that were ever in the log this group has nothing to do with any more. */
  passed = 0;
  passedBytes = 0;
  /** Messages that were not for this group since its place was written down last. */
  #skipped = 0;
  #bytes = 0;

  constructor(group: Group, at: { partition: GroupPartition; log: QueueLog; cursor: number }) {
    this.group = group;
    this.partition = at.partition;
    this.log = at.log;
    this.cursor = at.cursor;
    this.trimAt = at.cursor + SEGMENT_RECORDS;
  }

  /** Everything below is settled. */
  get position(): number {
    return this.first === null ? this.cursor : this.first.record.offset;
  }

  get isFull(): boolean {
    return this.items.size >= WINDOW_RECORDS || this.#bytes >= WINDOW_BYTES;
  }

  /** Whether the store should be asked for more. */
  get isHalfEmpty(): boolean {
    return this.load === null && this.cursor < this.log.next && this.items.size < WINDOW_RECORDS / 2 &&
      this.#bytes < WINDOW_BYTES / 2;
  }

  /** The page that fills the window. */
  request(): QueueLoad {
    const request = {
      logId: this.log.logId,
      from: this.cursor,
      to: this.log.next,
      limit: WINDOW_RECORDS - this.items.size,
      bytesMax: WINDOW_BYTES - this.#bytes,
    };
    return this.load = { kind: "page", place: this, request };
  }

  /** Whether what is not settled is an estimate for now. */
  get isCounting(): boolean {
    return this.#counting !== null;
  }

  /** Puts the next record of the log into the window; undefined when it has been settled already. */
  push(record: QueueRecord): QueueItem | undefined {
    this.cursor = record.offset + 1;
    if (!this.ahead.isEmpty) {
      const isSettled = this.ahead.has(record.offset);
      this.ahead.dropBelow(this.cursor);
      if (isSettled) return undefined;
    }
    const item = new QueueItem(record, this);
    const failure = this.failures.get(record.offset);
    if (failure !== undefined) {
      item.failures = failure.failures;
      item.failedAt = failure.failedAt;
      item.dueAt = failure.dueAt;
      this.failures.delete(record.offset);
    }
    item.before = this.last;
    if (this.last === null) this.first = item;
    else this.last.after = item;
    this.last = item;
    this.items.set(record.offset, item);
    this.#bytes += item.bytes;
    return item;
  }

  /** Goes past a record that is not for this group. */
  skip(record: QueueRecord): void {
    this.cursor = record.offset + 1;
    if (!this.ahead.isEmpty) {
      const isSettled = this.ahead.has(record.offset);
      this.ahead.dropBelow(this.cursor);
      if (isSettled) return;
    }
    this.#skipped++;
    this.pass(1, recordBytes(record));
  }

  /** Whether so many were skipped that the place should be written down: a restart would look at all of them again. */
  get isFarAhead(): boolean {
    return this.#skipped >= WINDOW_RECORDS;
  }

  /** What is settled behind the last message of the window. */
  tail(): { from: number; to: number; position: number } {
    this.#skipped = 0;
    const from = this.last === null ? this.position : this.last.record.offset + 1;
    return { from, to: this.cursor, position: this.position };
  }

  /** Takes a message out for good, and answers what is settled now around it. */
  remove(item: QueueItem): { from: number; to: number; position: number } {
    const { before, after, record } = item;
    if (after === null) this.#skipped = 0;
    const from = before === null ? record.offset : before.record.offset + 1;
    const to = after === null ? this.cursor : after.record.offset;
    this.#unlink(item);
    this.pass(1, item.bytes);
    return { from, to, position: this.position };
  }

  /** Counts what the group has nothing to do with any more. */
  pass(count: number, bytes: number): void {
    this.passed += count;
    this.passedBytes += bytes;
    this.group.pass(count, bytes);
  }

  /** How many the group has not settled. */
  get unsettled(): number {
    return Math.max(0, this.log.appended - this.passed);
  }

  /** Counts anew. Where a segment has gaps its share is estimated, until the store has counted it. */
  recount(turn: Turn): void {
    const { log } = this;
    const rest = { count: this.items.size, bytes: this.#bytes };
    const estimate = { count: 0, bytes: 0 };
    const ranges: number[] = [];
    const bounds = [this.cursor, ...this.ahead.toArray(), log.next];
    for (let i = 0; i < bounds.length; i += 2) {
      addTo(rest, log.between(bounds[i], bounds[i + 1]));
      ranges.push(...log.unsure(bounds[i], bounds[i + 1]));
    }
    for (let i = 0; i < ranges.length; i += 2) addTo(estimate, log.between(ranges[i], ranges[i + 1]));
    this.pass(log.appended - rest.count - this.passed, log.appendedBytes - rest.bytes - this.passedBytes);
    this.#counting = null;
    if (ranges.length === 0) return;
    const correct = ({ count, bytes }: QueueAmount) => {
      if (this.#counting !== load) return; // it was counted anew since
      this.#counting = null;
      this.pass(-count, -bytes);
    };
    const load: QueueLoad = { kind: "count", request: { logId: log.logId, ranges }, estimate, correct };
    this.#counting = load;
    turn.effects.queueLoads.push(load);
  }

  /** A message is not there any more. One in the window is, as long as there is a window: who reads it has it. */
  miss(offset: number, bytes: number): void {
    const item = this.items.get(offset);
    if (item !== undefined) item.isMissing = true;
    else if (this.owes(offset)) this.pass(1, bytes);
  }

  /** Whether a message that is not in the window is not settled. */
  owes(offset: number): boolean {
    return offset >= this.cursor && !this.ahead.has(offset);
  }

  /** A range above the cursor is settled; to be counted. */
  settleAhead(from: number, to: number): void {
    this.ahead.add(from, to);
    for (let offset = from; offset < to; offset++) this.failures.delete(offset);
    if (this.first !== null) return;
    this.cursor = this.ahead.skip(this.cursor);
    this.ahead.dropBelow(this.cursor);
  }

  /** What is settled at or above {@link position}. */
  get settledAbove(): SettledRanges {
    const ranges = new SettledRanges(this.ahead.toArray());
    for (let item = this.first; item !== null; item = item.after) {
      ranges.add(item.record.offset + 1, item.after?.record.offset ?? this.cursor);
    }
    return ranges;
  }

  /** Gives the window back: what it says is kept as ranges and failures, and is read again when somebody wants it. */
  fold(): void {
    this.load = null;
    if (this.first === null) return;
    this.ahead = this.settledAbove;
    for (const item of this.items.values()) {
      if (item.isMissing) this.pass(1, item.bytes);
      else if (item.failures > 0) this.failures.set(item.record.offset, failureOf(item));
    }
    this.cursor = this.first.record.offset;
    this.#empty();
  }

  /** Begins there, or goes there: nothing is known of what lies there. */
  begin(cursor: number, notBefore: number, turn: Turn): void {
    this.load = null;
    this.ahead = new SettledRanges();
    this.failures.clear();
    this.notBefore = notBefore;
    this.cursor = cursor;
    this.#empty();
    this.recount(turn);
    const { group: { groupId }, log: { logId } } = this;
    turn.effects.writes.push({ kind: "queue-positioned", groupId, logId, position: cursor, notBefore });
  }

  /** What lies below `before` is about to go from the log; the window has been cleared of it. */
  dropBelow(before: number, turn: Turn): void {
    for (const offset of [...this.failures.keys()]) if (offset < before) this.failures.delete(offset);
    if (this.cursor >= before) return;
    this.load = null;
    this.cursor = before;
    this.ahead.dropBelow(before);
    this.recount(turn);
  }

  /** Takes out a message that goes with its log. */
  drop(item: QueueItem): void {
    this.#unlink(item);
    this.pass(1, item.bytes);
  }

  #unlink(item: QueueItem): void {
    const { before, after } = item;
    if (before === null) this.first = after;
    else before.after = after;
    if (after === null) this.last = before;
    else after.before = before;
    item.before = item.after = null;
    this.items.delete(item.record.offset);
    this.#bytes -= item.bytes;
  }

  #empty(): void {
    this.items.clear();
    this.first = this.last = null;
    this.#bytes = 0;
    this.#skipped = 0;
  }
}

/** A failure as it is stored. */
export function failureOf({ place, record, failures, failedAt, dueAt }: QueueItem): StoredQueueFailure {
  const { group, log } = place;
  return { groupId: group.groupId, logId: log.logId, offset: record.offset, failures, failedAt, dueAt };
}

function addTo(sum: { count: number; bytes: number }, { count, bytes }: QueueAmount): void {
  sum.count += count;
  sum.bytes += bytes;
}
