import type { QueueCommit } from "./queue_commit.ts";
import type { QueueStatements } from "./queue_statements.ts";

/** What one commit sweeps out at most: rows, and bytes of blocks. */
const SWEEP_ROWS = 500;
const SWEEP_BYTES = 2 * 1024 * 1024;

/** Takes out what is out of sight already, a bounded piece with each commit: blocks of trimmed records, and what deleted queues had. */
export class QueueSweep {
  readonly #statements: QueueStatements;
  readonly #logs = new Set<number>();
  readonly #queues = new Set<number>();
  /** Queues whose keys noted before a time are forgotten. */
  readonly #forgotten = new Map<number, number>();
  /** Queues whose delays up to an id are purged. */
  readonly #purged = new Map<number, number>();
  #rows = 0;
  #bytes = 0;

  constructor(statements: QueueStatements) {
    this.#statements = statements;
    this.refresh();
  }

  /** Whether there is more. */
  get hasMore(): boolean {
    return this.#logs.size > 0 || this.#queues.size > 0 || this.#forgotten.size > 0 || this.#purged.size > 0;
  }

  /** Finds out what there is, also after a transaction that was undone. */
  refresh(): void {
    const { unsweptLogs, endedQueues, keysFrom, delaysTo } = this.#statements;
    this.#logs.clear();
    this.#queues.clear();
    this.#forgotten.clear();
    this.#purged.clear();
    for (const { id } of unsweptLogs.all()) this.#logs.add(id as number);
    for (const { id } of endedQueues.all()) this.#queues.add(id as number);
    for (const { id, keys_from } of keysFrom.all()) this.#forgotten.set(id as number, keys_from as number);
    for (const { id, delays_to } of delaysTo.all()) this.#purged.set(id as number, delays_to as number);
  }

  /** Notes what a commit has put out of sight. */
  note({ trimmedLogs, endedQueues, forgotten, purged }: QueueCommit): void {
    for (const logId of trimmedLogs) this.#logs.add(logId);
    for (const queueId of endedQueues) this.#queues.add(queueId);
    for (const { queueId, before } of forgotten) this.#forgotten.set(queueId, before);
    for (const { queueId, lastId } of purged) this.#purged.set(queueId, lastId);
  }

  /** Takes one piece out. */
  run(): void {
    this.#rows = SWEEP_ROWS;
    this.#bytes = SWEEP_BYTES;
    for (const logId of this.#logs) if (!this.#hasRoom || !this.#sweepLog(logId)) return;
    for (const [queueId, before] of this.#forgotten) {
      if (!this.#hasRoom) return;
      if (this.#take(this.#statements.sweepKeys.run(queueId, before, this.#rows))) this.#forgotten.delete(queueId);
    }
    for (const [queueId, lastId] of this.#purged) {
      if (!this.#hasRoom) return;
      if (this.#take(this.#statements.sweepDelays.run(queueId, lastId, this.#rows))) this.#purged.delete(queueId);
    }
    for (const queueId of this.#queues) if (!this.#hasRoom || !this.#sweepQueue(queueId)) return;
  }

  get #hasRoom(): boolean {
    return this.#rows > 0 && this.#bytes > 0;
  }

  /** False when something is left. */
  #sweepLog(logId: number): boolean {
    const { log, sweptLog, deleteLog, sweepSegments, sweepAllSegments, sweepLatest } = this.#statements;
    const row = log.get(logId) as { queue: number; slot: number; first: number; compacted: number } | undefined;
    if (row !== undefined) {
      const { queue, slot, first, compacted } = row;
      if (!this.#sweepBlocks(slot, first)) return false;
      const isEnded = queue === 0;
      if (compacted > 0 && !this.#take(sweepLatest.run(logId, first, this.#rows))) return false;
      const segments = isEnded ? sweepAllSegments.run(logId, this.#rows) : sweepSegments.run(logId, first, this.#rows);
      if (!this.#take(segments)) return false;
      if (isEnded) deleteLog.run(logId);
      else sweptLog.run(logId);
    }
    this.#logs.delete(logId);
    this.#rows--; // an empty log costs something too
    return true;
  }

  #sweepBlocks(slot: number, before: number): boolean {
    const { deadBlocks, deleteBlocks } = this.#statements;
    let count = 0;
    let last = -1;
    for (const row of deadBlocks.iterate(slot, before, this.#rows)) {
      const { first, size } = row as { first: number; size: number };
      last = first;
      count++;
      this.#bytes -= size;
      if (this.#bytes <= 0) break;
    }
    if (last >= 0) deleteBlocks.run(slot, last);
    this.#rows -= count;
    return this.#hasRoom;
  }

  #sweepQueue(queueId: number): boolean {
    const { sweepDelays, sweepKeys, forgetEnded } = this.#statements;
    if (!this.#take(sweepDelays.run(queueId, Number.MAX_SAFE_INTEGER, this.#rows))) return false;
    if (!this.#take(sweepKeys.run(queueId, Infinity, this.#rows))) return false;
    forgetEnded.run(queueId);
    this.#queues.delete(queueId);
    return true;
  }

  /** Counts what a statement has deleted; true when there was no more. */
  #take({ changes }: { changes: number | bigint }): boolean {
    this.#rows -= Number(changes);
    return this.#rows > 0;
  }
}
