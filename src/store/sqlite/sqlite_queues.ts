import type { DatabaseSync } from "node:sqlite";
import type { StoredQueues } from "../../core/queue/mutation.ts";
import type {
  QueueAmount,
  QueueCompaction,
  QueueCompactionRequest,
  QueueCountRequest,
  QueueDelayPage,
  QueuePageRequest,
  QueueStore,
} from "../../core/queue/ports.ts";
import type { QueueRecord } from "../../core/queue/record.ts";
import { type BlockRow, unpackEntry } from "./queue_blocks.ts";
import type { QueueCommit } from "./queue_commit.ts";
import { Compaction } from "./queue_compaction.ts";
import { amountIn, loadQueues } from "./queue_load.ts";
import { type PackedQueuePage, unpackQueuePage } from "./queue_page.ts";
import { OFFSET_MAX, prepareQueues, type QueueStatements } from "./queue_statements.ts";
import { QueueSweep } from "./queue_sweep.ts";

/** The durable queues of a database. Their mutations come through the store's commits. */
export class SqliteQueues implements QueueStore {
  readonly #database: DatabaseSync;
  readonly #sweep: QueueSweep;
  readonly #isOutOfRoom: (error: unknown) => boolean;
  /** For commits. */
  readonly statements: QueueStatements;

  constructor(database: DatabaseSync, isOutOfRoom: (error: unknown) => boolean) {
    this.#database = database;
    this.statements = prepareQueues(database);
    this.#sweep = new QueueSweep(this.statements);
    this.#isOutOfRoom = isOutOfRoom;
  }

  /** All but messages. */
  loadQueues(): StoredQueues {
    return loadQueues(this.#database, this.statements);
  }

  /** Committed records of a log. */
  queuePage(request: QueuePageRequest): QueueRecord[] {
    return unpackQueuePage(this.packedPage(request), request);
  }

  /** As {@link SqliteQueues.queuePage}, in the form that crosses from a Worker. */
  packedPage({ logId, from, to, limit, bytesMax }: QueuePageRequest): PackedQueuePage {
    const log = this.#log(logId);
    const heads: number[] = [];
    const blocks: Uint8Array[] = [];
    let count = 0;
    let size = 0;
    for (const row of log === undefined ? [] : this.#blocks(log.slot, Math.max(from, log.first), to)) {
      heads.push(row.first, row.data.length);
      blocks.push(row.data);
      size += row.data.length;
      if (blocks.length > 1) count += row.count; // of the first one some may lie in front of the page
      if (count >= limit || size > bytesMax + blocks[0].length) break;
    }
    const data = new Uint8Array(size);
    let end = 0;
    for (const block of blocks) data.set(block, (end += block.length) - block.length);
    return { heads: Float64Array.from(heads), data, first: log?.first ?? 0 };
  }

  /** What lies in the ranges. */
  countQueue({ logId, ranges }: QueueCountRequest): QueueAmount {
    const log = this.#log(logId);
    let count = 0;
    let bytes = 0;
    for (let i = 0; log !== undefined && i < ranges.length; i += 2) {
      const part = amountIn(log.slot, { from: Math.max(ranges[i], log.first), to: ranges[i + 1] }, this.statements);
      count += part.count;
      bytes += part.bytes;
    }
    return { count, bytes };
  }

  /** What is due. */
  queueDelays(now: number, limit: number): QueueDelayPage {
    const { dueDelays, nextDelay } = this.statements;
    const delays = dueDelays.all(now, limit).map((row) => ({
      delayId: row.id as number,
      queueId: row.queue as number,
      partition: row.partition as number,
      dueAt: row.due_at as number,
      entry: unpackEntry(row.entry as Uint8Array<ArrayBuffer>),
    }));
    const next = nextDelay.get(delays.length) as { due_at: number } | undefined;
    return { delays, nextAt: next?.due_at ?? Infinity };
  }

  /** Compacts the next piece of a log, in a transaction of its own. On a full disk nothing is done. */
  compactQueue(request: QueueCompactionRequest): QueueCompaction {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const done = new Compaction(this.statements, request).run();
      this.#database.exec("COMMIT");
      return done;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (!this.#isOutOfRoom(error)) throw error;
      return { logId: request.logId, to: request.from, removed: [] };
    }
  }

  /** Whether a sweep has more to do. */
  get hasToSweep(): boolean {
    return this.#sweep.hasMore;
  }

  /** Sweeps out a piece of what this or an earlier commit has put out of sight. Part of the commit. */
  sweepAfter(commit: QueueCommit): void {
    this.#sweep.note(commit);
    if (this.#sweep.hasMore) this.#sweep.run();
  }

  /** The transaction was undone. */
  refresh(): void {
    this.#sweep.refresh();
  }

  #log(logId: number): { slot: number; first: number; next: number } | undefined {
    const row = this.statements.log.get(logId) as Record<"queue" | "slot" | "first" | "next", number> | undefined;
    return row === undefined || row.queue === 0 ? undefined : row;
  }

  #blocks(slot: number, from: number, to: number): Iterable<BlockRow> {
    if (from >= to || from > OFFSET_MAX) return [];
    return this.statements.blocks.iterate(slot, from, Math.min(to, OFFSET_MAX)) as Iterable<unknown> as Iterable<
      BlockRow
    >;
  }
}
