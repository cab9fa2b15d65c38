import { DatabaseSync } from "node:sqlite";
import { QUEUE_WINDOW_MESSAGES } from "../../core/delivery_queue.ts";
import type {
  Mutation,
  StoredBacklog,
  StoredBody,
  StoredDelivery,
  StoredPage,
  StoredState,
} from "../../core/mutation.ts";
import type { PageRequest, Store } from "../../core/ports.ts";
import { Ballast } from "./ballast.ts";
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
import { migrate } from "./schema.ts";
import { prepare, type Statements } from "./statements.ts";

/** How much a commit promises: `full` survives the loss of power, `normal` the crash of the process and most losses of power, `off` the
 * crash of the process. */
export type StorageSync = "full" | "normal" | "off";

/** Deliveries of ended sessions deleted with one commit. */
const SWEEP_ROWS = 500;

/** A store in one SQLite database. Synchronous: whoever must not wait for the disk runs it in a Worker. */
export class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #sessionIds = new Map<string, number>();
  readonly #ballast: Ballast | null;
  #endedSessions: number[];

  private constructor(database: DatabaseSync, ballast: Ballast | null) {
    this.#database = database;
    this.#ballast = ballast;
    this.#statements = prepare(database);
    this.#endedSessions = database.prepare("SELECT id FROM ended_sessions").all().map((row) => row.id as number);
    for (const row of database.prepare("SELECT id, client_id FROM sessions").all()) {
      this.#sessionIds.set(row.client_id as string, row.id as number);
    }
  }

  /** Opens or makes the database at `path`; `:memory:` is one that nobody else sees.
   * @throws {Error} when the file is damaged, another program's, or of a newer version; it is left as it is */
  static open(path: string, options: { sync: StorageSync }): SqliteStore {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA busy_timeout = 5000; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA temp_store = MEMORY");
      database.exec(`PRAGMA synchronous = ${options.sync.toUpperCase()}; PRAGMA cache_size = -16000`);
      const check = database.prepare("PRAGMA quick_check(1)").get() as Record<string, string>;
      const [verdict] = Object.values(check);
      if (verdict !== "ok") throw new Error(verdict);
      migrate(database, path);
      database.exec("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864");
      return new SqliteStore(database, path === ":memory:" ? null : Ballast.beside(path));
    } catch (error) {
      database.close();
      throw explained(error, path);
    }
  }

  /** All that a start needs; the waiting deliveries of a session only up to the window. */
  load(): Promise<StoredState> {
    const database = this.#database;
    const bodies = new Map<number, StoredBody>();
    const deliveries = this.#firstDeliveries(bodies);
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
      ).all().map((row) => ({
        clientId: row.client_id as string,
        ...subscriptionOf(row as unknown as SubscriptionRow),
      })),
      bodies: [...bodies.values()],
      deliveries,
      backlogs: this.#backlogs(deliveries),
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
    try {
      this.#commit(mutations);
    } catch (error) {
      if (!isDiskFull(error) || this.#ballast === null || this.#ballast.isOff) throw error;
      this.#ballast.throwOff();
      this.#commit(mutations);
    }
  }

  #commit(mutations: readonly Mutation[]): void {
    const statements = this.#statements;
    const commit = new Commit(statements, this.#sessionIds);
    statements.begin.run();
    try {
      commit.apply(mutations);
      for (const mutation of mutations) if (mutation.kind === "session-ended") this.#refreshEnded();
      this.#sweep(commit);
      commit.finish();
      statements.commit.run();
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** The next deliveries of a session that wait. */
  page({ clientId, after, limit }: PageRequest): StoredPage {
    const session = this.#sessionIds.get(clientId);
    if (session === undefined) return { deliveries: [], bodies: [] };
    const bodies = new Map<number, StoredBody>();
    const rows = this.#statements.page.all(session, after, limit) as unknown as DeliveryRow[];
    const deliveries = rows.map((row) => this.#delivery(row, clientId, bodies));
    return { deliveries, bodies: [...bodies.values()] };
  }

  /** Sweeps out what ended sessions left, as far as one call goes, gives free pages back, and takes ballast on when there is space
   * again. True while there is more to sweep. */
  maintain(): boolean {
    this.#ballast?.takeOn();
    if (this.#endedSessions.length > 0) this.commit([]);
    this.#database.exec("PRAGMA incremental_vacuum(1000)");
    return this.#endedSessions.length > 0;
  }

  /** Closes the database; the write-ahead log is merged into it. */
  close(): Promise<void> {
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

  #firstDeliveries(bodies: Map<number, StoredBody>): StoredDelivery[] {
    const sent = this.#database.prepare("SELECT * FROM deliveries WHERE packet_id > 0 AND session = ? ORDER BY id");
    const found: StoredDelivery[] = [];
    for (const [clientId, session] of this.#sessionIds) {
      const rows = sent.all(session) as unknown as DeliveryRow[];
      rows.push(...this.#statements.page.all(session, 0, QUEUE_WINDOW_MESSAGES) as unknown as DeliveryRow[]);
      rows.sort((a, b) => a.id - b.id);
      for (const row of rows) found.push(this.#delivery(row, clientId, bodies));
    }
    return found;
  }

  /** What waits beyond the deliveries that are loaded. */
  #backlogs(loaded: readonly StoredDelivery[]): StoredBacklog[] {
    const lastOf = new Map<string, number>();
    const countOf = new Map<string, number>();
    for (const { clientId, packetId, sequence } of loaded) {
      if (packetId > 0) continue;
      lastOf.set(clientId, sequence);
      countOf.set(clientId, (countOf.get(clientId) ?? 0) + 1);
    }
    const rest = this.#database.prepare(
      "SELECT count(*) AS count, total(bytes) AS bytes FROM deliveries WHERE packet_id = 0 AND session = ? AND id > ?",
    );
    const backlogs: StoredBacklog[] = [];
    for (const [clientId, count] of countOf) {
      if (count < QUEUE_WINDOW_MESSAGES) continue;
      const row = rest.get(this.#sessionIds.get(clientId)!, lastOf.get(clientId)!) as { count: number; bytes: number };
      if (row.count > 0) backlogs.push({ clientId, count: row.count, bytes: row.bytes });
    }
    return backlogs;
  }

  #refreshEnded(): void {
    this.#endedSessions = this.#database.prepare("SELECT id FROM ended_sessions").all().map((row) => row.id as number);
  }

  #sweep(commit: Commit): void {
    const [session] = this.#endedSessions;
    if (session === undefined) return;
    const { sweepWaiting, sweepSent, forgetEnded } = this.#statements;
    const deleted = [...sweepSent.all(session, SWEEP_ROWS), ...sweepWaiting.all(session, SWEEP_ROWS)];
    for (const row of deleted) commit.unrefer(row as unknown as DeletedDelivery);
    if (deleted.length > 0) return;
    forgetEnded.run(session);
    this.#endedSessions.shift();
  }

  #rollback(): void {
    try {
      this.#statements.rollback.run();
    } catch {
      // SQLite has rolled back by itself: the disk is full or failing, as the first error says
    }
    this.#refreshEnded();
    this.#sessionIds.clear();
    for (const row of this.#database.prepare("SELECT id, client_id FROM sessions").all()) {
      this.#sessionIds.set(row.client_id as string, row.id as number);
    }
  }
}

/** SQLite's own words say what is wrong, but not with which file. */
function explained(error: unknown, path: string): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith("Cannot use")) return error as Error;
  return new Error(`Cannot use ${path}: ${message}. The file is left as it is`, { cause: error });
}

/** Whether SQLite gave up for want of space: everything is as it was before the commit then. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && (error as { errcode?: number }).errcode === SQLITE_FULL;
}

const SQLITE_FULL = 13;
