import type { QueueCompaction, QueueCompactionRequest } from "../../core/queue/ports.ts";
import { type QueueRecord, recordBytes } from "../../core/queue/record.ts";
import { type BlockRow, repacked, unpackBlock } from "./queue_blocks.ts";
import { OFFSET_MAX, type QueueStatements } from "./queue_statements.ts";

/** A piece ends after so many records were looked at, or removed. */
const PIECE_RECORDS = 4_096;
const PIECE_REMOVED = 1_024;

interface LogRow {
  readonly slot: number;
  readonly first: number;
  readonly compacted: number;
  readonly queue: number;
}

/** One piece of the compaction of a log: from where the last one ended, records are looked at in order, and the older one of the same
 * key is removed. Nothing but the newest record of each key is remembered, in the database. */
export class Compaction {
  readonly #statements: QueueStatements;
  readonly #request: QueueCompactionRequest;
  /** Offsets of what is to go. */
  readonly #gone = new Set<number>();
  readonly #removed: { offset: number; bytes: number }[] = [];

  constructor(statements: QueueStatements, request: QueueCompactionRequest) {
    this.#statements = statements;
    this.#request = request;
  }

  /** Within a transaction. */
  run(): QueueCompaction {
    const { logId } = this.#request;
    const log = this.#statements.log.get(logId) as LogRow | undefined;
    if (log === undefined || log.queue === 0) return { logId, to: this.#request.to, removed: [] };
    const to = this.#look(log);
    this.#remove(log);
    this.#statements.setCompacted.run(logId, to);
    return { logId, to, removed: this.#removed };
  }

  /** Finds what is to go; answers up to where it has looked. */
  #look(log: LogRow): number {
    const { blocks } = this.#statements;
    const to = Math.min(this.#request.to, OFFSET_MAX);
    const start = Math.max(log.first, log.compacted);
    if (start >= to) return start;
    let looked = 0;
    for (const row of blocks.iterate(log.slot, start, to) as Iterable<unknown> as Iterable<BlockRow>) {
      for (const record of unpackBlock(row.first, row.data)) {
        if (record.offset < start) continue;
        if (record.offset >= to) return to;
        if (looked++ === PIECE_RECORDS || this.#gone.size >= PIECE_REMOVED) return record.offset;
        if (record.messageKey !== "" && !this.#compare(record, log.first)) return record.offset;
      }
    }
    return to;
  }

  /** False for a tombstone that is still to be seen: the piece ends before it. */
  #compare({ offset, messageKey, payload, appendedAt }: QueueRecord, first: number): boolean {
    const { latest, saveLatest, deleteLatest } = this.#statements;
    const { logId, tombstonesBefore } = this.#request;
    const isTombstone = payload.length === 0;
    if (isTombstone && appendedAt >= tombstonesBefore) return false;
    const before = latest.get(logId, messageKey) as { offset: number } | undefined;
    if (before !== undefined && before.offset >= first) this.#gone.add(before.offset);
    if (isTombstone) {
      this.#gone.add(offset);
      deleteLatest.run(logId, messageKey);
    } else {
      saveLatest.run(logId, messageKey, offset);
    }
    return true;
  }

  #remove({ slot }: LogRow): void {
    const offsets = [...this.#gone].sort((a, b) => a - b);
    for (let i = 0; i < offsets.length;) {
      const row = this.#statements.blockAt.get(slot, offsets[i]) as unknown as BlockRow | undefined;
      if (row === undefined) return;
      this.#thin(slot, row);
      const from = i;
      while (i < offsets.length && (offsets[i] <= row.last || i === from)) i++;
    }
  }

  /** Takes out of a block what is to go. */
  #thin(slot: number, { first, data }: BlockRow): void {
    const { logId } = this.#request;
    const { deleteBlock, replaceBlock, thinSegment, thinOpenSegment } = this.#statements;
    const rest: QueueRecord[] = [];
    const before = this.#removed.length;
    let lost = 0;
    for (const record of unpackBlock(first, data)) {
      if (!this.#gone.has(record.offset)) {
        rest.push(record);
        continue;
      }
      const bytes = recordBytes(record);
      lost += bytes;
      this.#removed.push({ offset: record.offset, bytes });
    }
    const count = this.#removed.length - before;
    if (rest.length === 0) deleteBlock.run(slot, first);
    else {
      const block = repacked(logId, first, rest);
      const { last, firstAt, lastAt } = block;
      replaceBlock.run(slot, first, last, block.count, block.bytes, firstAt, lastAt, block.data);
    }
    if (thinOpenSegment.run(logId, first, count, lost).changes === 0) thinSegment.run(logId, first, count, lost);
  }
}
