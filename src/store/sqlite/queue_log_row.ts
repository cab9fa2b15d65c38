import { SEGMENT_BYTES, SEGMENT_MS, SEGMENT_RECORDS } from "../../core/queue/queue_log.ts";
import type { QueueBlock } from "./queue_blocks.ts";
import { OFFSET_MAX, type QueueStatements, SLOT_MAX } from "./queue_statements.ts";

/** The segment of a log that may still grow. Blocks lie in it whole. */
interface OpenSegment {
  readonly from: number;
  count: number;
  bytes: number;
  readonly firstAt: number;
  lastAt: number;
}

/** What a commit works with of one log. */
export class LogRow {
  readonly #logId: number;
  readonly #slot: number;
  #first: number;
  #next: number;
  #segment: OpenSegment | undefined;
  #hasChanged = false;

  private constructor(row: Record<string, number | null>) {
    this.#logId = row.id!;
    this.#slot = row.slot!;
    this.#first = row.first!;
    this.#next = row.next!;
    if (row.segment_from === null) return;
    this.#segment = {
      from: row.segment_from,
      count: row.segment_count!,
      bytes: row.segment_bytes!,
      firstAt: row.segment_first_at!,
      lastAt: row.segment_last_at!,
    };
  }

  /** Undefined when there is none, or its queue is deleted. */
  static read(logId: number, { log }: QueueStatements): LogRow | undefined {
    const row = log.get(logId) as Record<string, number | null> | undefined;
    return row === undefined || row.queue === 0 ? undefined : new LogRow(row);
  }

  append(block: QueueBlock, statements: QueueStatements): void {
    const { first, last, count, bytes, firstAt, lastAt, data } = block;
    if (last >= OFFSET_MAX || this.#slot > SLOT_MAX) {
      throw new RangeError(`Cannot append at offset ${last} of log ${this.#logId}: there are no more places`);
    }
    statements.saveBlock.run(this.#slot, first, last, count, bytes, firstAt, lastAt, data);
    this.#next = last + 1;
    this.#hasChanged = true;
    const segment = this.#segment;
    if (segment !== undefined) {
      if (fits(segment, block)) {
        segment.count += count;
        segment.bytes += bytes;
        segment.lastAt = lastAt;
        return;
      }
      const { from, firstAt: since, lastAt: until } = segment;
      statements.saveSegment.run(this.#logId, from, segment.count, segment.bytes, since, until);
    }
    this.#segment = { from: first, count, bytes, firstAt, lastAt };
  }

  /** True when there is something to sweep. */
  trim(before: number): boolean {
    if (before <= this.#first) return false;
    this.#first = Math.min(before, OFFSET_MAX);
    this.#hasChanged = true;
    return true;
  }

  save({ saveLog }: QueueStatements): void {
    if (!this.#hasChanged) return;
    this.#hasChanged = false;
    const { from = null, count = null, bytes = null, firstAt = null, lastAt = null } = this.#segment ?? {};
    saveLog.run(this.#logId, this.#first, this.#next, from, count, bytes, firstAt, lastAt);
  }
}

function fits(segment: OpenSegment, { count, bytes, firstAt }: QueueBlock): boolean {
  return segment.count + count <= SEGMENT_RECORDS && segment.bytes + bytes <= SEGMENT_BYTES &&
    firstAt - segment.firstAt < SEGMENT_MS;
}
