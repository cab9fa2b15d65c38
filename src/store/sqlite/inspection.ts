import type { DatabaseSync } from "node:sqlite";
import { DATABASE_NAME, explained, fileBytes, LOCK_NAME, openForReading } from "./database_file.ts";
import { durableQueues, type DurableRow } from "./queue_inspection.ts";
import { SCHEMA_VERSION, schemaVersion } from "./schema.ts";

/** How much of everything there is. */
export interface Overview {
  readonly path: string;
  /** Of the database and its log. */
  readonly bytes: number;
  /** Whether a broker uses the folder. */
  readonly isInUse: boolean;
  readonly sessions: number;
  readonly sessionsOnline: number;
  readonly subscriptions: number;
  readonly messagesWaiting: number;
  readonly bytesWaiting: number;
  /** Sent and not acknowledged yet. */
  readonly messagesInflight: number;
  readonly retained: number;
  readonly retainedBytes: number;
  readonly wills: number;
  readonly durableQueues: number;
}

/** A session as it is stored. */
export interface SessionRow {
  readonly clientId: string;
  /** Null for an anonymous client. */
  readonly username: string | null;
  /** Milliseconds; 0 while somebody is connected, or was when the broker went down without a word. */
  readonly offlineSince: number;
  /** 4294967295 is never. */
  readonly expirySeconds: number;
  readonly subscriptions: number;
  readonly waiting: number;
  readonly inflight: number;
}

/** What waits for a session. */
export interface QueueRow {
  readonly clientId: string;
  readonly messages: number;
  /** Topics, properties and payloads. */
  readonly bytes: number;
}

/** A retained message without its payload. */
export interface RetainedRow {
  readonly topic: string;
  /** Topic, properties and payload. */
  readonly bytes: number;
  readonly qos: number;
}

/** A look into a data folder as it is at one moment, that changes nothing in it. Close it soon: what it sees is kept for it. */
export class Inspection implements Disposable {
  readonly #database: DatabaseSync;
  readonly #path: string;
  /** Whether a broker uses the folder. */
  readonly isInUse: boolean;

  private constructor(database: DatabaseSync, folder: string) {
    this.#database = database;
    this.#path = `${folder}/${DATABASE_NAME}`;
    this.isInUse = isInUse(folder);
  }

  /** Opens the database of a data folder.
   * @throws {DataFolderError} when it is not there, damaged, another program's, or not of today's version */
  static open(folder: string): Inspection {
    const path = `${folder}/${DATABASE_NAME}`;
    const database = openForReading(path);
    try {
      const version = schemaVersion(database, path);
      if (version < SCHEMA_VERSION) {
        throw new Error(
          `Cannot use ${path}: its schema is version ${version}; a start of the broker brings it to ${SCHEMA_VERSION}`,
        );
      }
      database.exec("BEGIN");
      return new Inspection(database, folder);
    } catch (error) {
      database.close();
      throw explained(error, path);
    }
  }

  /** Counts everything.
   * @throws {DataFolderError} when the database is damaged, as for all that follow */
  overview(): Overview {
    const counts = this.#rows(
      `SELECT (SELECT count(*) FROM sessions) AS sessions,
        (SELECT count(*) FROM sessions WHERE offline_since = 0) AS sessionsOnline,
        (SELECT count(*) FROM subscriptions) AS subscriptions,
        (SELECT count(*) FROM deliveries JOIN sessions ON sessions.id = session WHERE packet_id = 0) AS messagesWaiting,
        (SELECT total(bytes) FROM deliveries JOIN sessions ON sessions.id = session WHERE packet_id = 0) AS bytesWaiting,
        (SELECT count(*) FROM deliveries JOIN sessions ON sessions.id = session WHERE packet_id > 0) AS messagesInflight,
        (SELECT count(*) FROM retained) AS retained,
        (SELECT total(${BODY_BYTES}) FROM retained r JOIN bodies b ON b.id = r.body) AS retainedBytes,
        (SELECT count(*) FROM wills) AS wills,
        (SELECT count(*) FROM queues) AS durableQueues`,
    );
    const [row] = counts as unknown as Omit<Overview, "path" | "bytes" | "isInUse">[];
    const bytes = fileBytes(this.#path) + fileBytes(`${this.#path}-wal`);
    const sessionsOnline = this.isInUse ? row.sessionsOnline : 0;
    return { path: this.#path, bytes, isInUse: this.isInUse, ...row, sessionsOnline };
  }

  /** Sessions by client id; -1 is all. */
  sessions(limit: number): SessionRow[] {
    return this.#rows(
      `SELECT client_id AS clientId, username, offline_since AS offlineSince, expiry AS expirySeconds,
        (SELECT count(*) FROM subscriptions WHERE session = s.id) AS subscriptions,
        (SELECT count(*) FROM deliveries WHERE packet_id = 0 AND session = s.id) AS waiting,
        (SELECT count(*) FROM deliveries WHERE packet_id > 0 AND session = s.id) AS inflight
      FROM sessions s ORDER BY client_id LIMIT ?`,
      limit,
    ) as unknown as SessionRow[];
  }

  /** Queues that hold something, the largest first; -1 is all. */
  queues(limit: number): QueueRow[] {
    return this.#rows(
      `SELECT client_id AS clientId, count(*) AS messages, total(bytes) AS bytes
      FROM deliveries d JOIN sessions s ON s.id = d.session
      WHERE packet_id = 0 GROUP BY d.session ORDER BY bytes DESC, client_id LIMIT ?`,
      limit,
    ) as unknown as QueueRow[];
  }

  /** How many queues hold something. */
  queueCount(): number {
    const [row] = this.#rows(
      "SELECT count(*) AS count FROM sessions s WHERE EXISTS (SELECT 1 FROM deliveries WHERE packet_id = 0 AND session = s.id)",
    );
    return row.count as number;
  }

  /** Retained messages by topic; -1 is all. */
  retained(limit: number): RetainedRow[] {
    return this.#rows(
      `SELECT r.topic AS topic, ${BODY_BYTES} AS bytes, b.flags & 3 AS qos
      FROM retained r JOIN bodies b ON b.id = r.body ORDER BY r.topic LIMIT ?`,
      limit,
    ) as unknown as RetainedRow[];
  }

  /** Durable queues by name; -1 is all. */
  durable(limit: number): DurableRow[] {
    try {
      return durableQueues(this.#database, limit);
    } catch (error) {
      throw explained(error, this.#path);
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #rows(sql: string, ...values: number[]): Record<string, unknown>[] {
    try {
      return this.#database.prepare(sql).all(...values).map((row) => ({ ...row }));
    } catch (error) {
      throw explained(error, this.#path);
    }
  }
}

const BODY_BYTES = "octet_length(b.topic) + octet_length(b.properties) + octet_length(b.payload)";

/** Whether somebody holds the lock; it is free again when this returns. */
function isInUse(folder: string): boolean {
  try {
    using lock = Deno.openSync(`${folder}/${LOCK_NAME}`);
    return !lock.tryLockSync(false);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
