import type { DatabaseSync, StatementSync } from "node:sqlite";

/** What reads a page of a session's waiting deliveries behind one of them; each is handed session, sequence and limit. */
export interface PageStatements {
  readonly rows: StatementSync;
  /** What the rows weigh. */
  readonly weight: StatementSync;
  /** How many of the rows weigh no more than a fourth parameter, at least one. */
  readonly cut: StatementSync;
}

/** The statements of the store, prepared once. */
export interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly setCounter: StatementSync;
  readonly saveSession: StatementSync;
  readonly sessionId: StatementSync;
  readonly deleteSession: StatementSync;
  readonly markEnded: StatementSync;
  readonly deleteSubscriptions: StatementSync;
  readonly deleteReceivedOf: StatementSync;
  readonly saveSubscription: StatementSync;
  readonly deleteSubscription: StatementSync;
  readonly saveBody: StatementSync;
  readonly refer: StatementSync;
  readonly deleteUnreferred: StatementSync;
  readonly saveDelivery: StatementSync;
  readonly setPacketId: StatementSync;
  readonly setPacketIds: StatementSync;
  readonly setReleased: StatementSync;
  readonly deleteDelivery: StatementSync;
  readonly sharedBodies: StatementSync;
  readonly deleteDeliveries: StatementSync;
  readonly saveReceived: StatementSync;
  readonly deleteReceived: StatementSync;
  readonly retainedBody: StatementSync;
  readonly saveRetained: StatementSync;
  readonly deleteRetained: StatementSync;
  readonly saveWill: StatementSync;
  readonly deleteWill: StatementSync;
  readonly page: PageStatements;
  readonly sharedPage: PageStatements;
  readonly sent: StatementSync;
  readonly backlog: StatementSync;
  readonly body: StatementSync;
  readonly bodyBytes: StatementSync;
  readonly sweepWaiting: StatementSync;
  readonly sweepSent: StatementSync;
  readonly forgetEnded: StatementSync;
  readonly freePages: StatementSync;
  readonly vacuum: StatementSync;
  readonly checkpoint: StatementSync;
  readonly truncateLog: StatementSync;
}

const DELIVERY_COLUMNS =
  "id, session, packet_id, flags, bytes, subscription_ids, shared, body, topic, expires_at, properties, payload";

/** Prepares every statement. */
export function prepare(database: DatabaseSync): Statements {
  const on = (sql: string) => database.prepare(sql);
  return {
    begin: on("BEGIN IMMEDIATE"),
    commit: on("COMMIT"),
    rollback: on("ROLLBACK"),
    setCounter: on("UPDATE counters SET value = ?2 WHERE name = ?1 AND value < ?2"),
    saveSession: on(
      "INSERT INTO sessions (client_id, username, expiry, offline_since) VALUES (?1, ?2, ?3, ?4) " +
        "ON CONFLICT (client_id) DO UPDATE SET username = ?2, expiry = ?3, offline_since = ?4 RETURNING id",
    ),
    sessionId: on("SELECT id FROM sessions WHERE client_id = ?"),
    deleteSession: on("DELETE FROM sessions WHERE id = ?"),
    markEnded: on("INSERT INTO ended_sessions VALUES (?)"),
    deleteSubscriptions: on("DELETE FROM subscriptions WHERE session = ?"),
    deleteReceivedOf: on("DELETE FROM received WHERE session = ?"),
    saveSubscription: on("INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?)"),
    deleteSubscription: on("DELETE FROM subscriptions WHERE session = ? AND filter = ?"),
    saveBody: on("INSERT INTO bodies VALUES (?, ?, ?, ?, ?, ?, ?)"),
    refer: on("UPDATE bodies SET refs = refs + ?2 WHERE id = ?1"),
    deleteUnreferred: on("DELETE FROM bodies WHERE id = ? AND refs <= 0"),
    saveDelivery: on(`INSERT INTO deliveries (${DELIVERY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    setPacketId: on("UPDATE deliveries SET packet_id = ?2 WHERE id = ?1"),
    setPacketIds: on("UPDATE deliveries SET packet_id = id - ?3 WHERE id BETWEEN ?1 AND ?2"),
    setReleased: on("UPDATE deliveries SET flags = flags | 8 WHERE id = ?"),
    deleteDelivery: on("DELETE FROM deliveries WHERE id = ? RETURNING body, topic IS NULL AS is_shared"),
    sharedBodies: on("SELECT body FROM deliveries WHERE id BETWEEN ? AND ? AND topic IS NULL"),
    deleteDeliveries: on("DELETE FROM deliveries WHERE id BETWEEN ? AND ?"),
    saveReceived: on("INSERT OR IGNORE INTO received VALUES (?, ?)"),
    deleteReceived: on("DELETE FROM received WHERE session = ? AND packet_id = ?"),
    retainedBody: on("SELECT body FROM retained WHERE topic = ?"),
    saveRetained: on("INSERT OR REPLACE INTO retained VALUES (?, ?)"),
    deleteRetained: on("DELETE FROM retained WHERE topic = ?"),
    saveWill: on("INSERT OR REPLACE INTO wills VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    deleteWill: on("DELETE FROM wills WHERE client_id = ?"),
    page: preparePage(on, "true"),
    sharedPage: preparePage(on, "shared IS NOT NULL"),
    sent: on(`SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE packet_id > 0 AND session = ? ORDER BY id`),
    backlog: on(
      "SELECT count(*) AS total, count(shared) AS shared, count(*) FILTER (WHERE flags & 16 = 0) AS count, " +
        "total(bytes) FILTER (WHERE flags & 16 = 0) AS bytes FROM deliveries WHERE packet_id = 0 AND session = ? AND id > ?",
    ),
    body: on("SELECT topic, flags, expires_at, properties, payload FROM bodies WHERE id = ?"),
    bodyBytes: on(
      "SELECT octet_length(topic) + octet_length(properties) + octet_length(payload) AS bytes FROM bodies WHERE id = ?",
    ),
    sweepWaiting: on(sweep("packet_id = 0")),
    sweepSent: on(sweep("packet_id > 0")),
    forgetEnded: on("DELETE FROM ended_sessions WHERE id = ?"),
    freePages: on("PRAGMA freelist_count"),
    vacuum: on("PRAGMA incremental_vacuum(1000)"),
    checkpoint: on("PRAGMA wal_checkpoint(PASSIVE)"),
    truncateLog: on("PRAGMA wal_checkpoint(TRUNCATE)"),
  };
}

/** Weighing needs only the index, so that it costs a tenth of reading. */
function preparePage(on: (sql: string) => StatementSync, condition: string): PageStatements {
  const select = (columns: string) =>
    `SELECT ${columns} FROM deliveries ` +
    `WHERE packet_id = 0 AND session = ?1 AND id > ?2 AND ${condition} ORDER BY id LIMIT ?3`;
  return {
    rows: on(select(DELIVERY_COLUMNS)),
    weight: on(`SELECT sum(bytes) AS bytes FROM (${select("bytes")})`),
    cut: on(
      "SELECT count(*) AS count FROM " +
        `(${select("bytes, sum(bytes) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS total")}) ` +
        "WHERE total <= ?4 OR total = bytes",
    ),
  };
}

/** Deletes some deliveries of a session that has ended; one statement for each partial index. */
function sweep(part: string): string {
  return `DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE ${part} AND session = ?1 LIMIT ?2) ` +
    "RETURNING body, topic IS NULL AS is_shared";
}
