import type { DatabaseSync } from "node:sqlite";

/** "WEIR" in ASCII: tells our files from those of other programs (PRAGMA application_id). */
export const APPLICATION_ID = 0x5745_4952;

/** What brings a database from one version to the next; the last one is today's. Never changed once released: a database of every
 * earlier version is brought forward by the steps behind it. */
export const MIGRATIONS: readonly string[] = [
  `
  -- Who has a session. offline_since is in milliseconds, 0 while connected; expiry 4294967295 is never.
  CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL UNIQUE,
    username TEXT,
    expiry INTEGER NOT NULL,
    offline_since INTEGER NOT NULL
  ) STRICT;

  -- Sessions that have ended and whose deliveries are still to be swept out.
  CREATE TABLE ended_sessions (id INTEGER PRIMARY KEY) STRICT;

  -- options: QoS in bits 0 and 1, no local 4, retain as published 8, retain handling in bits 4 and 5,
  -- retained messages that it calls for still to be queued 64.
  CREATE TABLE subscriptions (
    session INTEGER NOT NULL,
    filter TEXT NOT NULL,
    options INTEGER NOT NULL,
    subscription_id INTEGER NOT NULL,
    PRIMARY KEY (session, filter)
  ) STRICT, WITHOUT ROWID;

  -- Messages that more than one delivery, or a retained topic, refers to. flags: QoS, retain 4. expires_at in milliseconds, or null.
  CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL,
    topic TEXT NOT NULL,
    flags INTEGER NOT NULL,
    expires_at INTEGER,
    properties BLOB NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;

  -- One row a message and session. A message that only this delivery refers to lies in the row itself (topic is not null), under the
  -- id in body. flags: QoS of the delivery in bits 0 and 1, its retain 4, released 8, replay 16, QoS of the message in bits 5 and 6, its
  -- retain 128.
  CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    subscription_ids TEXT,
    shared TEXT,
    body INTEGER NOT NULL,
    topic TEXT,
    expires_at INTEGER,
    properties BLOB,
    payload BLOB
  ) STRICT;
  CREATE INDEX deliveries_waiting ON deliveries (session, id, bytes) WHERE packet_id = 0;
  CREATE INDEX deliveries_sent ON deliveries (session, id) WHERE packet_id > 0;

  CREATE TABLE received (
    session INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE retained (topic TEXT PRIMARY KEY, body INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  -- delay and expiry in seconds; expiry null when the will does not expire. flags: QoS, retain 4.
  CREATE TABLE wills (
    client_id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    flags INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    expiry INTEGER,
    properties BLOB NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;

  -- The highest ids ever used: rows go, ids do not come again.
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('body', 0), ('sequence', 0);
  `,
  `
  -- Durable queues. definition: JSON, null for Infinity. Keys noted before keys_from are forgotten.
  CREATE TABLE queues (id INTEGER PRIMARY KEY, definition TEXT NOT NULL, keys_from REAL NOT NULL DEFAULT 0) STRICT;

  -- Queues that are deleted and whose delays and keys are still to be swept out.
  CREATE TABLE ended_queues (id INTEGER PRIMARY KEY) STRICT;

  -- slot: the upper bits of the ids of its blocks. What lies below first is trimmed, below swept its blocks are gone too; compaction has
  -- looked at what lies below compacted. queue is 0 once that is deleted. segment_...: the segment that may still grow.
  CREATE TABLE queue_logs (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    slot INTEGER NOT NULL UNIQUE,
    first INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0,
    swept INTEGER NOT NULL DEFAULT 0,
    compacted INTEGER NOT NULL DEFAULT 0,
    segment_from INTEGER,
    segment_count INTEGER,
    segment_bytes INTEGER,
    segment_first_at REAL,
    segment_last_at REAL
  ) STRICT;
  CREATE INDEX queue_logs_of ON queue_logs (queue);

  -- Segments that do not grow any more.
  CREATE TABLE queue_segments (
    log INTEGER NOT NULL,
    start INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (log, start)
  ) STRICT, WITHOUT ROWID;

  -- Records that came with one commit, packed. id: the slot of the log, then 43 bits of the first offset.
  CREATE TABLE queue_blocks (
    id INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    data BLOB NOT NULL
  ) STRICT;

  -- The newest record of each message key, of what compaction has looked at.
  CREATE TABLE queue_latest (
    log INTEGER NOT NULL,
    key TEXT NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (log, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX queue_latest_by_offset ON queue_latest (log, offset);

  -- entry: a packed record without a place.
  CREATE TABLE queue_delays (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    due_at REAL NOT NULL,
    bytes INTEGER NOT NULL,
    entry BLOB NOT NULL
  ) STRICT;
  CREATE INDEX queue_delays_due ON queue_delays (due_at, id);
  CREATE INDEX queue_delays_of ON queue_delays (queue, bytes);

  CREATE TABLE queue_keys (
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (queue, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX queue_keys_by_time ON queue_keys (queue, at);

  CREATE TABLE queue_groups (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    name TEXT NOT NULL,
    filter TEXT NOT NULL,
    client_id TEXT NOT NULL,
    idle_since REAL NOT NULL
  ) STRICT;

  -- settled: where ranges above the position begin and end in turn, each as its distance from the one before, packed.
  CREATE TABLE queue_positions (
    group_id INTEGER NOT NULL,
    log INTEGER NOT NULL,
    position INTEGER NOT NULL,
    settled BLOB NOT NULL,
    PRIMARY KEY (group_id, log)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE queue_failures (
    group_id INTEGER NOT NULL,
    log INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failed_at REAL NOT NULL,
    due_at REAL NOT NULL,
    PRIMARY KEY (group_id, log, offset)
  ) STRICT, WITHOUT ROWID;

  -- terms: JSON of what the client asked for.
  CREATE TABLE queue_consumers (
    session INTEGER NOT NULL,
    filter TEXT NOT NULL,
    terms TEXT NOT NULL,
    PRIMARY KEY (session, filter)
  ) STRICT, WITHOUT ROWID;

  INSERT INTO counters VALUES ('queue', 0);
  `,
  `
  -- Whom the access rules are asked about, as JSON; null when they are not.
  ALTER TABLE wills ADD COLUMN author TEXT;
  `,
  `
  -- What was appended before is passed over: the group has asked to begin at a time.
  ALTER TABLE queue_positions ADD COLUMN not_before REAL NOT NULL DEFAULT 0;

  -- Delays up to this id are purged.
  ALTER TABLE queues ADD COLUMN delays_to INTEGER NOT NULL DEFAULT 0;
  `,
];

/** The version that this program reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/** The version of a database's schema; 0 where nothing was ever written.
 * @throws {Error} for a file of another program or of a newer version */
export function schemaVersion(database: DatabaseSync, name: string): number {
  const version = pragma(database, "user_version");
  const applicationId = pragma(database, "application_id");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get() as { count: number };
  if (applicationId !== APPLICATION_ID && (applicationId !== 0 || version !== 0 || tables.count > 0)) {
    throw new Error(`Cannot use ${name}: it is an SQLite database of another program. The file is left as it is`);
  }
  if (version <= SCHEMA_VERSION) return version;
  throw new Error(
    `Cannot use ${name}: its schema is version ${version}, this program knows versions up to ${SCHEMA_VERSION}. ` +
      "The file is left as it is; a newer Weir wrote it",
  );
}

/** Brings the schema to today's version, all steps in one transaction. Answers the version that it was of, 0 for a new one.
 * @throws {Error} for a file of another program or of a newer version; it is left as it is. */
export function migrate(database: DatabaseSync, name: string): number {
  const version = schemaVersion(database, name);
  if (version === SCHEMA_VERSION) return version;
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const step of MIGRATIONS.slice(version)) database.exec(step);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
    return version;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[0];
}
