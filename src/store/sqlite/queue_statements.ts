import type { DatabaseSync, StatementSync } from "node:sqlite";

/** How many bits of a block's id are its offset; above them is the slot of its log. */
const OFFSET_BITS = 43;

/** Offsets are below. */
export const OFFSET_MAX = 2 ** OFFSET_BITS - 1;

/** The highest slot that a log can have. */
export const SLOT_MAX = 2 ** (63 - OFFSET_BITS) - 1;

/** The slot of the next log: behind all others, and once there is nothing behind them the first one that is free. */
const NEXT_SLOT = `(SELECT CASE WHEN coalesce(max(slot), -1) < ${SLOT_MAX} THEN coalesce(max(slot), -1) + 1 ELSE ` +
  "(SELECT min(slot) + 1 FROM (SELECT -1 AS slot UNION ALL SELECT slot FROM queue_logs) l " +
  "WHERE NOT EXISTS (SELECT 1 FROM queue_logs WHERE slot = l.slot + 1)) END FROM queue_logs)";

/** Where a log's offset lies in the table of blocks: slot and offset are the first two parameters. */
const ID = `((?1 << ${OFFSET_BITS}) | ?2)`;
const START = `(?1 << ${OFFSET_BITS})`;
const FIRST = `id & ${OFFSET_MAX}`;

/** A delay that is neither purged nor one of a queue that is deleted. */
const IS_DELAYED = "d.id > (SELECT delays_to FROM queues WHERE id = queue)";

/** The statements of the durable queues, prepared once. */
export type QueueStatements = ReturnType<typeof prepareQueues>;

/** Prepares every statement. */
export function prepareQueues(database: DatabaseSync) {
  const on = (sql: string): StatementSync => database.prepare(sql);
  return {
    ...prepareLogs(on),
    ...prepareGroups(on),
    saveQueue: on(
      "INSERT INTO queues (id, definition) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET definition = ?2",
    ),
    deleteQueue: on("DELETE FROM queues WHERE id = ?"),
    markEnded: on("INSERT OR IGNORE INTO ended_queues VALUES (?)"),
    forgetEnded: on("DELETE FROM ended_queues WHERE id = ?"),
    saveDelay: on(
      "INSERT INTO queue_delays SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM queues WHERE id = ?2)",
    ),
    deleteDelay: on("DELETE FROM queue_delays WHERE id = ?"),
    dueDelays: on(
      `SELECT d.id AS id, queue, partition, due_at, entry FROM queue_delays d WHERE due_at <= ?1 AND ${IS_DELAYED} ` +
        "ORDER BY due_at, d.id LIMIT ?2",
    ),
    nextDelay: on(
      `SELECT due_at FROM queue_delays d WHERE ${IS_DELAYED} ORDER BY due_at, d.id LIMIT 1 OFFSET ?`,
    ),
    setPurged: on("UPDATE queues SET delays_to = ?2 WHERE id = ?1 AND delays_to < ?2"),
    sweepDelays: on(
      "DELETE FROM queue_delays WHERE id IN " +
        "(SELECT id FROM queue_delays INDEXED BY queue_delays_of WHERE queue = ?1 AND id <= ?2 LIMIT ?3)",
    ),
    delaysTo: on("SELECT id, delays_to FROM queues WHERE delays_to > 0"),
    saveKey: on(
      "INSERT OR REPLACE INTO queue_keys SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM queues WHERE id = ?1)",
    ),
    setForgotten: on("UPDATE queues SET keys_from = ?2 WHERE id = ?1 AND keys_from < ?2"),
    sweepKeys: on(
      "DELETE FROM queue_keys WHERE (queue, key) IN " +
        "(SELECT queue, key FROM queue_keys INDEXED BY queue_keys_by_time WHERE queue = ?1 AND at < ?2 LIMIT ?3)",
    ),
    newestKeys: on(
      "SELECT queue AS queueId, key AS messageKey, at FROM queue_keys " +
        "WHERE queue = ?1 AND at >= (SELECT keys_from FROM queues WHERE id = ?1) ORDER BY at DESC LIMIT ?2",
    ),
    keysFrom: on("SELECT id, keys_from FROM queues WHERE keys_from > 0"),
    endedQueues: on("SELECT id FROM ended_queues"),
  };
}

function prepareLogs(on: (sql: string) => StatementSync) {
  return {
    openLog: on(
      "INSERT OR IGNORE INTO queue_logs (id, queue, partition, priority, slot) " +
        `SELECT ?1, ?2, ?3, ?4, ${NEXT_SLOT} WHERE EXISTS (SELECT 1 FROM queues WHERE id = ?2)`,
    ),
    log: on("SELECT * FROM queue_logs WHERE id = ?"),
    saveLog: on(
      "UPDATE queue_logs SET first = ?2, next = ?3, segment_from = ?4, segment_count = ?5, segment_bytes = ?6, " +
        "segment_first_at = ?7, segment_last_at = ?8 WHERE id = ?1",
    ),
    endLogs: on("UPDATE queue_logs SET queue = 0, first = next WHERE queue = ?"),
    sweptLog: on("UPDATE queue_logs SET swept = first WHERE id = ?"),
    deleteLog: on("DELETE FROM queue_logs WHERE id = ? AND queue = 0"),
    unsweptLogs: on("SELECT id FROM queue_logs WHERE swept < first OR queue = 0"),
    logsOf: on("SELECT id FROM queue_logs WHERE queue = ?"),
    saveSegment: on("INSERT INTO queue_segments VALUES (?, ?, ?, ?, ?, ?)"),
    saveBlock: on(`INSERT INTO queue_blocks VALUES (${ID}, ?3, ?4, ?5, ?6, ?7, ?8)`),
    deadBlocks: on(
      `SELECT ${FIRST} AS first, octet_length(data) AS size FROM queue_blocks ` +
        `WHERE id >= ${START} AND id < ${ID} AND last < ?2 ORDER BY id LIMIT ?3`,
    ),
    deleteBlocks: on(`DELETE FROM queue_blocks WHERE id >= ${START} AND id <= ${ID}`),
    sweepSegments: on(
      "DELETE FROM queue_segments WHERE (log, start) IN (SELECT log, start FROM queue_segments WHERE log = ?1 AND start < coalesce(" +
        "(SELECT segment_from FROM queue_logs WHERE id = ?1 AND segment_from <= ?2), " +
        "(SELECT max(start) FROM queue_segments WHERE log = ?1 AND start <= ?2)) LIMIT ?3)",
    ),
    sweepAllSegments: on(
      "DELETE FROM queue_segments WHERE (log, start) IN (SELECT log, start FROM queue_segments WHERE log = ?1 LIMIT ?2)",
    ),
    sweepLatest: on(
      "DELETE FROM queue_latest WHERE (log, key) IN " +
        "(SELECT log, key FROM queue_latest INDEXED BY queue_latest_by_offset WHERE log = ?1 AND offset < ?2 LIMIT ?3)",
    ),
    ...prepareBlocks(on),
  };
}

function prepareBlocks(on: (sql: string) => StatementSync) {
  const from = (columns: string) =>
    `SELECT ${columns} FROM queue_blocks WHERE id >= coalesce(` +
    `(SELECT max(id) FROM queue_blocks WHERE id >= ${START} AND id <= ${ID}), ${ID}) ` +
    `AND id < (?1 << ${OFFSET_BITS} | ?3) ORDER BY id`;
  const row = `${FIRST} AS first, last, count, bytes`;
  return {
    /** From the block that may hold an offset on, up to another offset. */
    blocks: on(from(`${row}, data`)),
    blocksLight: on(from(row)),
    block: on(`SELECT data FROM queue_blocks WHERE id = ${ID}`),
    blockAt: on(
      `SELECT ${row}, data FROM queue_blocks WHERE id >= ${START} AND id <= ${ID} ORDER BY id DESC LIMIT 1`,
    ),
    deleteBlock: on(`DELETE FROM queue_blocks WHERE id = ${ID}`),
    replaceBlock: on(`REPLACE INTO queue_blocks VALUES (${ID}, ?3, ?4, ?5, ?6, ?7, ?8)`),
    latest: on("SELECT offset FROM queue_latest WHERE log = ? AND key = ?"),
    saveLatest: on("INSERT OR REPLACE INTO queue_latest VALUES (?, ?, ?)"),
    deleteLatest: on("DELETE FROM queue_latest WHERE log = ? AND key = ?"),
    setCompacted: on("UPDATE queue_logs SET compacted = max(compacted, ?2) WHERE id = ?1"),
    thinOpenSegment: on(
      "UPDATE queue_logs SET segment_count = segment_count - ?3, segment_bytes = segment_bytes - ?4 " +
        "WHERE id = ?1 AND segment_from <= ?2",
    ),
    thinSegment: on(
      "UPDATE queue_segments SET count = count - ?3, bytes = bytes - ?4 WHERE log = ?1 AND start = " +
        "(SELECT max(start) FROM queue_segments WHERE log = ?1 AND start <= ?2)",
    ),
  };
}

function prepareGroups(on: (sql: string) => StatementSync) {
  return {
    saveGroup: on(
      "INSERT INTO queue_groups SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM queues WHERE id = ?2) " +
        "ON CONFLICT (id) DO UPDATE SET name = ?3, filter = ?4, client_id = ?5, idle_since = ?6",
    ),
    deleteGroup: on("DELETE FROM queue_groups WHERE id = ?"),
    deletePositions: on("DELETE FROM queue_positions WHERE group_id = ?"),
    deleteFailures: on("DELETE FROM queue_failures WHERE group_id = ?"),
    groupsOf: on("SELECT id FROM queue_groups WHERE queue = ?"),
    place: on(
      "SELECT p.position AS position, p.settled AS settled, p.not_before AS not_before FROM queue_groups g " +
        "LEFT JOIN queue_positions p ON p.group_id = g.id AND p.log = ?2 WHERE g.id = ?1",
    ),
    savePlace: on("INSERT OR REPLACE INTO queue_positions VALUES (?, ?, ?, ?, ?)"),
    saveFailure: on("INSERT OR REPLACE INTO queue_failures VALUES (?, ?, ?, ?, ?, ?)"),
    endFailures: on("DELETE FROM queue_failures WHERE group_id = ? AND log = ? AND offset >= ? AND offset < ?"),
    saveConsumer: on("INSERT OR REPLACE INTO queue_consumers VALUES (?, ?, ?)"),
    deleteConsumer: on("DELETE FROM queue_consumers WHERE session = ? AND filter = ?"),
    deleteConsumers: on("DELETE FROM queue_consumers WHERE session = ?"),
  };
}
