import { type QueueSegment, type StoredQueueLog } from "./mutation.ts";
import type { QueueAmount } from "./ports.ts";

/** A segment is closed after so many records or bytes, or when the next record is so much younger than its first. */
export const SEGMENT_RECORDS = 1_024;
export const SEGMENT_BYTES = 4 * 1024 * 1024;
export const SEGMENT_MS = 60_000;

type Segment = { -readonly [Key in keyof QueueSegment]: QueueSegment[Key] };

/** What is known of one log without looking at its records: where it begins and ends, and how much lies in each of its segments.
 * Within a segment that has gaps (priorities, compaction) counts are estimated in proportion, until the store is asked; at its ends they are
 * exact. */
export class QueueLog {
  readonly logId: number;
  readonly partition: number;
  readonly priority: number;
  /** The first offset that is not trimmed, and the next one that this log may get. */
  first: number;
  next: number;
  /** What `next` was before the newest record. */
  nextBefore: number;
  count = 0;
  bytes = 0;
  /** All that ever lay in it since the start, what the start brought back included. */
  appended = 0;
  appendedBytes = 0;
  /** Below it lies what a compaction has looked at, and how much of that is left. */
  compactedTo = 0;
  /** Answers of the store that are under way: until they are there {@link count} may be more, or less, than there is. */
  uncounted = 0;
  /** Whether it falls due that what is settled is trimmed, however little. */
  isTrimDue = false;
  readonly segments: Segment[] = [];

  constructor({ logId, partition, priority }: StoredQueueLog, first: number) {
    this.logId = logId;
    this.partition = partition;
    this.priority = priority;
    this.first = this.next = this.nextBefore = first;
  }

  /** Puts in what a start found. */
  restore(next: number, segments: readonly QueueSegment[]): void {
    this.next = this.nextBefore = next;
    for (const segment of segments) {
      this.segments.push({ ...segment });
      this.count += segment.count;
      this.bytes += segment.bytes;
    }
    this.appended = this.count;
    this.appendedBytes = this.bytes;
  }

  /** Counts a new record; true when a segment begins with it. */
  append(offset: number, bytes: number, now: number): boolean {
    this.nextBefore = this.next;
    this.next = offset + 1;
    this.count++;
    this.bytes += bytes;
    this.appended++;
    this.appendedBytes += bytes;
    const last = this.segments.at(-1);
    if (last !== undefined && fits(last, bytes, now)) {
      last.count++;
      last.bytes += bytes;
      last.lastAt = now;
      return false;
    }
    this.segments.push({ from: offset, count: 1, bytes, firstAt: now, lastAt: now });
    return true;
  }

  /** The offset behind the last record of a segment. */
  endOf(index: number): number {
    return this.segments[index + 1]?.from ?? this.next;
  }

  /** Where the segment begins that holds the first record appended at `time` or later; the end of the log when there is none. */
  offsetAt(time: number): number {
    return this.segments.find(({ lastAt }) => lastAt >= time)?.from ?? this.next;
  }

  /** What lies from `from` (included) to `to` (excluded). */
  between(from: number, to: number): QueueAmount {
    let count = 0;
    let bytes = 0;
    for (let i = this.#segmentAt(from); i < this.segments.length && this.segments[i].from < to; i++) {
      const share = this.#share(i, from, to);
      count += Math.round(this.segments[i].count * share);
      bytes += Math.round(this.segments[i].bytes * share);
    }
    return { count, bytes };
  }

  /** Of the offsets from `from` (included) to `to` (excluded) those for which {@link between} can only estimate, as ranges: the ends, where
   * they lie within a segment that has gaps. */
  unsure(from: number, to: number): number[] {
    const ends = from < to ? new Set([this.#segmentAt(from), this.#segmentAt(to - 1)]) : [];
    return [...ends].flatMap((index) => {
      const segment = this.segments[index];
      if (segment === undefined) return [];
      const end = this.endOf(index);
      const isSure = (from <= segment.from && end <= to) || segment.count === end - segment.from;
      const [start, stop] = [Math.max(from, segment.from), Math.min(to, end)];
      return isSure || stop <= start ? [] : [start, stop];
    });
  }

  /** The end of the last segment that lies below `position` as a whole: what is trimmed to there is counted exactly. */
  wholeBelow(position: number): number {
    if (position >= this.next) return this.next;
    return this.segments[this.#segmentAt(position)]?.from ?? position;
  }

  /** Forgets what lies below `before`, and answers how much that was. */
  dropBelow(before: number): QueueAmount {
    const { segments } = this;
    let count = 0;
    let bytes = 0;
    let whole = 0;
    for (; whole < segments.length && this.endOf(whole) <= before; whole++) {
      count += segments[whole].count;
      bytes += segments[whole].bytes;
    }
    const cut = segments[whole];
    if (cut !== undefined && cut.from < before) {
      const share = this.#share(whole, cut.from, before);
      const cutCount = Math.max(0, Math.min(cut.count - 1, Math.round(cut.count * share))); // the last one is there
      const cutBytes = cut.count === 0 ? 0 : Math.round(cut.bytes * cutCount / cut.count);
      segments[whole] = { ...cut, from: before, count: cut.count - cutCount, bytes: cut.bytes - cutBytes };
      count += cutCount;
      bytes += cutBytes;
    }
    segments.splice(0, whole);
    this.first = Math.max(this.first, before);
    this.count -= count;
    this.bytes -= bytes;
    return { count, bytes };
  }

  /** Puts right what was estimated of the segment that begins at `from`, where it was cut; false when it does not any more. */
  correct(from: number, { count, bytes }: QueueAmount): boolean {
    const segment = this.segments.at(0);
    if (segment?.from !== from) return false;
    segment.count += count;
    segment.bytes += bytes;
    this.count += count;
    this.bytes += bytes;
    return true;
  }

  /** Takes out a record that a compaction has removed; false when it was trimmed meanwhile. */
  thin(offset: number, bytes: number): boolean {
    if (offset < this.first) return false;
    const segment = this.segments[this.#segmentAt(offset)];
    segment.count--;
    segment.bytes -= bytes;
    this.count--;
    this.bytes -= bytes;
    return true;
  }

  #share(index: number, from: number, to: number): number {
    const start = this.segments[index].from;
    const end = this.endOf(index);
    return Math.max(0, Math.min(end, to) - Math.max(start, from)) / (end - start);
  }

  /** The index of the segment that holds `offset`; 0 below all of them. */
  #segmentAt(offset: number): number {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.segments[middle].from <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function fits(segment: Segment, bytes: number, now: number): boolean {
  return segment.count < SEGMENT_RECORDS && segment.bytes + bytes <= SEGMENT_BYTES &&
    now - segment.firstAt < SEGMENT_MS;
}
