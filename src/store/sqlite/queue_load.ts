import type { DatabaseSync } from "node:sqlite";
import { KEYS_MAX } from "../../core/queue/message_keys.ts";
import type { QueueSegment, StoredQueuePosition, StoredQueues } from "../../core/queue/mutation.ts";
import type { QueueAmount } from "../../core/queue/ports.ts";
import { recordBytes } from "../../core/queue/record.ts";
import { type BlockRow, unpackBlock } from "./queue_blocks.ts";
import { unpackRanges } from "./queue_place.ts";
import type { QueueStatements } from "./queue_statements.ts";

type LogRow = Record<"id" | "queue" | "partition" | "priority" | "slot" | "first" | "next", number> & {
  readonly segment_from: number | null;
  readonly segment_count: number;
  readonly segment_bytes: number;
  readonly segment_first_at: number;
  readonly segment_last_at: number;
};

/** Everything about queues that a start gets. Of the messages at most a part of one segment of each log is looked at. */
export function loadQueues(database: DatabaseSync, statements: QueueStatements): StoredQueues {
  const all = <Row>(sql: string) => database.prepare(sql).all() as unknown as Row[];
  const queues = all<{ id: number; definition: string }>("SELECT id, definition FROM queues ORDER BY id");
  const [{ value: lastId }] = all<{ value: number }>("SELECT value FROM counters WHERE name = 'queue'");
  return {
    queues: queues.map(({ id, definition }) => ({ queueId: id, definition: JSON.parse(definition, infinite) })),
    logs: loadLogs(database, statements),
    groups: all(
      "SELECT id AS groupId, queue AS queueId, name, filter, client_id AS clientId, idle_since AS idleSince FROM queue_groups ORDER BY id",
    ),
    positions: all<Omit<StoredQueuePosition, "settled"> & { readonly settled: Uint8Array<ArrayBuffer> }>(
      "SELECT group_id AS groupId, log AS logId, position, settled, not_before AS notBefore FROM queue_positions",
    ).map((row) => ({ ...row, settled: unpackRanges(row.settled) })),
    failures: all(
      "SELECT group_id AS groupId, log AS logId, offset, failures, failed_at AS failedAt, due_at AS dueAt FROM queue_failures",
    ),
    delayed: all(
      "SELECT queue AS queueId, count(*) AS count, sum(bytes) AS bytes FROM queue_delays d INDEXED BY queue_delays_of " +
        "WHERE d.id > (SELECT delays_to FROM queues WHERE id = queue) GROUP BY queue",
    ),
    nextDelayAt: (statements.nextDelay.get(0) as { due_at: number } | undefined)?.due_at ?? Infinity,
    keys: queues.flatMap(({ id }) => {
      return statements.newestKeys.all(id, KEYS_MAX).reverse() as unknown as StoredQueues["keys"];
    }),
    consumers: all<{ clientId: string; filter: string; terms: string }>(
      "SELECT client_id AS clientId, filter, terms FROM queue_consumers c JOIN sessions s ON s.id = c.session",
    ).map(({ clientId, filter, terms }) => ({ clientId, filter, ...JSON.parse(terms) })),
    lastId,
  };
}

function loadLogs(database: DatabaseSync, statements: QueueStatements): StoredQueues["logs"] {
  const segments = new Map<number, QueueSegment[]>();
  const rows = database.prepare(
    "SELECT log, start, count, bytes, first_at, last_at FROM queue_segments ORDER BY log, start",
  );
  for (const row of rows.iterate() as Iterable<unknown> as Iterable<Record<string, number>>) {
    const { log, start, count, bytes, first_at, last_at } = row;
    const known = segments.get(log) ?? [];
    known.push({ from: start, count, bytes, firstAt: first_at, lastAt: last_at });
    segments.set(log, known);
  }
  const logs = database.prepare("SELECT * FROM queue_logs WHERE queue > 0 ORDER BY id").all() as unknown as LogRow[];
  return logs.map((row) => {
    const { id: logId, queue: queueId, partition, priority, first, next } = row;
    const whole = [...segments.get(logId) ?? [], ...openSegment(row)];
    return { logId, queueId, partition, priority, first, next, segments: visible(row, whole, statements) };
  });
}

function openSegment(row: LogRow): QueueSegment[] {
  if (row.segment_from === null) return [];
  const { segment_from: from, segment_count: count, segment_bytes: bytes } = row;
  return [{ from, count, bytes, firstAt: row.segment_first_at, lastAt: row.segment_last_at }];
}

/** What of the segments is not trimmed. */
function visible(
  { slot, first, next }: LogRow,
  segments: readonly QueueSegment[],
  statements: QueueStatements,
): QueueSegment[] {
  return segments.flatMap((segment, i) => {
    const end = segments[i + 1]?.from ?? next;
    if (end <= first || segment.count === 0) return [];
    if (segment.from >= first) return [segment];
    const { count, bytes } = amountIn(slot, { from: first, to: end }, statements);
    return count === 0 ? [] : [{ ...segment, from: first, count, bytes }];
  });
}

/** How much lies from an offset (included) to another (excluded). Only the blocks at the ends are looked into. */
export function amountIn(
  slot: number,
  { from, to }: { from: number; to: number },
  { blocksLight, block }: QueueStatements,
): QueueAmount {
  let count = 0;
  let bytes = 0;
  if (from >= to) return { count, bytes };
  for (const row of blocksLight.iterate(slot, from, to) as Iterable<unknown> as Iterable<BlockRow>) {
    if (row.first >= from && row.last < to) {
      count += row.count;
      bytes += row.bytes;
      continue;
    }
    const { data } = block.get(slot, row.first) as { data: Uint8Array<ArrayBuffer> };
    for (const record of unpackBlock(row.first, data)) {
      if (record.offset < from || record.offset >= to) continue;
      count++;
      bytes += recordBytes(record);
    }
  }
  return { count, bytes };
}

/** JSON has no Infinity, and a definition no null. */
function infinite(_key: string, value: unknown): unknown {
  return value === null ? Infinity : value;
}
