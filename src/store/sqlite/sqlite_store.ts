import { DatabaseSync } from "node:sqlite";
import type { Mutation, StoredBody, StoredDelivery, StoredPage, StoredState } from "../../core/mutation.ts";
import type { PageRequest, Store } from "../../core/ports.ts";
import { Ballast, BALLAST_BYTES } from "./ballast.ts";
import { Commit, type DeletedDelivery } from "./commit.ts";
import {
  bodyOf,
  type BodyRow,
  deliveryOf,
  type DeliveryRow,
  ownBodyOf,
  subscriptionOf,
  type SubscriptionRow,
  willOf,
  type WillRow,
} from "./rows.ts";
import { FirstPages, pageRows } from "./pages.ts";
import { type Batch, withRuns } from "./runs.ts";
import { checkFile, explained } from "./database_file.ts";
import { migrate } from "./schema.ts";
import { SqliteQueues } from "./sqlite_queues.ts";
import { prepare, type Statements } from "./statements.ts";

/** How much a commit promises: `full` survives the loss of power, `normal` the crash of the process and most losses of power, `off` the
 * crash of the process. */
export type StorageSync = "full" | "normal" | "off";

/** How a store is opened. */
export interface OpenOptions {
  readonly sync: StorageSync;
  /** Space that is kept for when the disk is full; 16 MiB. */
  readonly ballastBytes?: number;
}

/** How long a start waits for another program that reads the file, such as a backup of a stopped broker. */
const PATIENCE_MS = 30_000;

/** 1 MiB. */
const FREE_PAGES_KEPT = 256;

/** Deliveries of ended sessions deleted with one commit. */
const SWEEP_ROWS = 500;

/** A store in one SQLite database. Synchronous: whoever must not wait for the disk runs it in a Worker. */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #sessionIds = new Map<string, number>();
  readonly #ballast: Ballast | null;
  #endedSessions: number[];
  /** Durable queues. */
  readonly queues: SqliteQueues;
  /** Of the schema as it was found; 0 where there was none. */
  readonly foundVersion: number;

  private constructor(database: DatabaseSync, ballast: Ballast | null, foundVersion: number) {
    this.#database = database;
    this.#ballast = ballast;
    this.foundVersion = foundVersion;
    this.#statements = prepare(database);
    this.queues = new SqliteQueues(database, (error) => this.#isOutOfRoom(error));
    this.#endedSessions = database.prepare("SELECT id FROM ended_sessions").all().map((row) => row.id as number);
    for (const row of database.prepare("SELECT id, client_id FROM sessions").all()) {
      this.#sessionIds.set(row.client_id as string, row.id as number);
    }
  }

  /** Opens or makes the database at `path`; `:memory:` is one that nobody else sees. On a full disk the ballast makes room for it.
   * @throws {DataFolderError} when the file is damaged, another program's, or of a newer version; it is left as it is */
  static open(path: string, options: OpenOptions): SqliteStore {
    if (path === ":memory:") return SqliteStore.#open(path, options);
    checkFile(path);
    try {
      return SqliteStore.#open(path, options);
    } catch (error) {
      if (!/full|disk I\/O/.test(String(error)) || !Ballast.throwOffBeside(path)) throw error;
      return SqliteStore.#open(path, options);
    }
  }

  static #open(path: string, { sync, ballastBytes = BALLAST_BYTES }: OpenOptions): SqliteStore {
    const database = new DatabaseSync(path);
    try {
      database.exec(
        `PRAGMA busy_timeout = ${PATIENCE_MS}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA temp_store = MEMORY`,
      );
      database.exec(`PRAGMA synchronous = ${sync.toUpperCase()}; PRAGMA cache_size = -16000`);
      const version = migrate(database, path);
      database.exec("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864; BEGIN IMMEDIATE; COMMIT");
      return new SqliteStore(database, path === ":memory:" ? null : Ballast.beside(path, ballastBytes), version);
    } catch (error) {
      database.close();
      throw explained(error, path);
    }
  }

  /** All that a start needs; the waiting deliveries of a session only up to the window. */
  load(): Promise<StoredState> {
    const database = this.#database;
    const bodies = new Map<number, StoredBody>();
    const first = new FirstPages(this.#statements);
    const deliveries: StoredDelivery[] = [];
    for (const [clientId, session] of this.#sessionIds) {
      for (const row of first.read(clientId, session)) deliveries.push(this.#delivery(row, clientId, bodies));
    }
    const retained = database.prepare("SELECT topic, body AS bodyId FROM retained")
      .all() as StoredState["retained"][number][];
    for (const { bodyId } of retained) this.#addBody(bodyId, bodies);
    const counters = new Map(
      database.prepare("SELECT name, value FROM counters").all().map((row) => [row.name, row.value]),
    );
    return Promise.resolve({
      sessions: database.prepare("SELECT * FROM sessions ORDER BY id").all().map((row) => ({
        clientId: row.client_id as string,
        username: (row.username ?? undefined) as string | undefined,
        expirySeconds: row.expiry as number,
        offlineSince: row.offline_since as number,
      })),
      subscriptions: database.prepare(
        "SELECT client_id, filter, options, subscription_id FROM subscriptions s JOIN sessions ON sessions.id = s.session",
      ).all().map((row) => subscriptionOf(row as unknown as SubscriptionRow)),
      bodies: [...bodies.values()],
      deliveries,
      backlogs: first.backlogs,
      lastBodyId: counters.get("body") as number,
      lastSequence: counters.get("sequence") as number,
      receivedPacketIds: database.prepare(
        "SELECT client_id AS clientId, packet_id AS packetId FROM received r JOIN sessions ON sessions.id = r.session",
      ).all() as { clientId: string; packetId: number }[],
      retained,
      wills: database.prepare("SELECT * FROM wills").all().map((row) => willOf(row as unknown as WillRow)),
    });
  }

  /** Whether the disk is full: the ballast has been thrown off and could not be taken on again. */
  get isFull(): boolean {
    return this.#ballast?.isOff ?? false;
  }

  /** Writes all in one transaction. When the disk is full, the ballast makes room for this commit and, since new messages are refused
   * from then on, for those that follow until there is space again. */
  commit(mutations: readonly Mutation[]): void {
    this.commitBatch(withRuns(mutations));
  }

  /** As {@link SqliteStore.commit}, for who has gathered the runs elsewhere. */
  commitBatch(batch: Batch): void {
    try {
      this.#commit(batch);
    } catch (error) {
      if (this.#ballast === null || this.#ballast.isOff || !this.#isOutOfRoom(error)) throw error;
      this.#ballast.throwOff();
      this.#commit(batch);
    }
  }

  /** Whether SQLite gave up for want of space: everything is as it was before the commit then. It tells a used-up quota like a disk that
   * fails, so the ballast finds out. */
  #isOutOfRoom(error: unknown): boolean {
    const code = (error as { errcode?: number }).errcode;
    if (code !== SQLITE_IOERR_WRITE && code !== SQLITE_IOERR_SHMSIZE) return code === SQLITE_FULL;
    return this.#ballast?.lacksRoom() ?? false;
  }

  #commit(batch: Batch): void {
    const statements = this.#statements;
    const commit = new Commit(statements, this.queues.statements, this.#sessionIds);
    statements.begin.run();
    try {
      commit.apply(batch);
      if (batch.some(({ kind }) => kind === "session-ended")) this.#refreshEnded();
      this.#sweep(commit);
      commit.finish();
      this.queues.sweepAfter(commit.queues);
      statements.commit.run();
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** The next deliveries of a session that wait. */
  page(request: PageRequest): StoredPage {
    const { clientId } = request;
    const session = this.#sessionIds.get(clientId);
    if (session === undefined) return { deliveries: [], bodies: [] };
    const bodies = new Map<number, StoredBody>();
    const { page, sharedPage } = this.#statements;
    const rows = pageRows(request.sharedOnly === true ? sharedPage : page, session, request);
    const deliveries = rows.map((row) => this.#delivery(row, clientId, bodies));
    return { deliveries, bodies: [...bodies.values()] };
  }

  /** Sweeps out what ended sessions left, as far as one call goes, gives free pages back, and takes ballast on when there is space
   * again. True while there is more to sweep. */
  maintain(): boolean {
    if (this.#hasToSweep) this.commitBatch([]);
    try {
      this.#giveBack();
    } catch (error) {
      if (!this.#isOutOfRoom(error)) throw error; // what cannot be given back now can be used, or given back later
    }
    this.#ballast?.takeOn();
    return this.#hasToSweep;
  }

  get #hasToSweep(): boolean {
    return this.#endedSessions.length > 0 || this.queues.hasToSweep;
  }

  /** Makes the file smaller, a piece at a time. Some free pages are kept: those that come and go need no work then. The file is cut
   * by the checkpoint that follows, which on a full disk makes the log give its space back too. */
  #giveBack(): void {
    const { freePages, vacuum, checkpoint, truncateLog } = this.#statements;
    const { freelist_count } = freePages.get() as { freelist_count: number };
    if (this.isFull) {
      vacuum.all();
      this.#database.exec("PRAGMA busy_timeout = 0"); // who reads the log, such as a backup, is not waited for
      truncateLog.all();
      this.#database.exec(`PRAGMA busy_timeout = ${PATIENCE_MS}`);
    } else if (freelist_count > FREE_PAGES_KEPT) {
      vacuum.all();
      checkpoint.all();
    }
  }

  /** Closes the database. The write-ahead log is merged into it and it is one whole file again, which may be copied and be read
   * without making others beside it; when there is no room for that, or somebody reads it, the next start goes on with the log. */
  close(): Promise<void> {
    try {
      this.#database.exec("PRAGMA busy_timeout = 100; PRAGMA journal_mode = DELETE");
    } catch {
      // nothing is lost: what the log has stays there
    }
    this.#database.close();
    return Promise.resolve();
  }

  #delivery(row: DeliveryRow, clientId: string, bodies: Map<number, StoredBody>): StoredDelivery {
    const own = ownBodyOf(row);
    if (own !== undefined) bodies.set(own.bodyId, own);
    else this.#addBody(row.body, bodies);
    return deliveryOf(row, clientId);
  }

  #addBody(bodyId: number, bodies: Map<number, StoredBody>): void {
    if (bodies.has(bodyId)) return;
    const row = this.#statements.body.get(bodyId) as unknown as BodyRow | undefined;
    if (row !== undefined) bodies.set(bodyId, bodyOf(row, bodyId));
  }

  #refreshEnded(): void {
    this.#endedSessions = this.#database.prepare("SELECT id FROM ended_sessions").all().map((row) => row.id as number);
  }

  /** Takes deliveries of ended sessions out, one session after the other, {@link SWEEP_ROWS} at most. */
  #sweep(commit: Commit): void {
    const { sweepWaiting, sweepSent, forgetEnded } = this.#statements;
    for (let room = SWEEP_ROWS; room > 0;) {
      const [session] = this.#endedSessions;
      if (session === undefined) return;
      const sent = sweepSent.all(session, room);
      const waiting = sweepWaiting.all(session, room - sent.length);
      for (const row of [...sent, ...waiting]) commit.unrefer(row as unknown as DeletedDelivery);
      room -= sent.length + waiting.length;
      if (room <= 0) return;
      room--; // an empty session costs something too
      forgetEnded.run(session);
      this.#endedSessions.shift();
    }
  }

  /** Undoes the transaction and what memory has of it. */
  #rollback(): void {
    try {
      this.#statements.rollback.run();
    } catch {
      // SQLite has rolled back by itself: the disk is full or failing, as the first error says
    }
    try {
      this.#refreshEnded();
      this.queues.refresh();
      this.#sessionIds.clear();
      for (const row of this.#database.prepare("SELECT id, client_id FROM sessions").all()) {
        this.#sessionIds.set(row.client_id as string, row.id as number);
      }
    } catch {
      // a database that cannot be read either takes no other commit: the first error is the one to tell
    }
  }
}

const SQLITE_FULL = 13;

/** A write failed, or the log's index could not grow. */
const SQLITE_IOERR_WRITE = 778;
const SQLITE_IOERR_SHMSIZE = 4874;
