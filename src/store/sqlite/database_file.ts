/** What can be said of a database file without changing a byte of it. */
import { DatabaseSync } from "node:sqlite";
import { schemaVersion } from "./schema.ts";

/** The name of the database in a data folder. */
export const DATABASE_NAME = "weir.db";

/** The file that the broker of a data folder holds a lock on. */
export const LOCK_NAME = "weir.lock";

/** A database up to this size is looked through whole when it is opened: about a second's work. */
const WHOLE_CHECK_BYTES = 512 * 1024 * 1024;

/** The data cannot be used, for a reason that a person can mend. The message says which folder or file, and why. */
export class DataFolderError extends Error {
  override readonly name = "DataFolderError";
}

/** Opens a database to read it, beside a broker that writes it or without one. An empty or missing file is not a database.
 * @throws {DataFolderError} when it is not there, damaged beyond reading, another program's or newer */
export function openForReading(path: string): DatabaseSync {
  if (fileBytes(path) === 0) throw new DataFolderError(`Cannot read ${path}: ${whyNothing(path)}`);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec("PRAGMA busy_timeout = 5000");
    schemaVersion(database, path);
    return database;
  } catch (error) {
    database?.close();
    throw explained(error, path);
  }
}

/** Refuses a file that is damaged, another program's or newer. A connection that could write would merge the write-ahead log into it
 * when it is closed; this one leaves everything as it is. Of one that is larger than `wholeBytes` the records of queues are taken on trust.
 * @throws {DataFolderError} saying what is wrong */
export function checkFile(path: string, wholeBytes = WHOLE_CHECK_BYTES): void {
  if (fileBytes(`${path}-journal`) > 0) recover(path); // a change that was cut off cannot be undone by who only reads
  if (fileBytes(path) === 0) return; // to be filled
  const database = openForReading(path);
  try {
    if (fileBytes(path) <= wholeBytes) quickCheck(database);
    else quickCheckLarge(database);
    assertWholePages(database, path);
  } catch (error) {
    throw explained(error, path);
  } finally {
    database.close();
  }
}

/** SQLite reads a last page that is cut as if it went on with zeros; with a log, that page may be in there. */
function assertWholePages(database: DatabaseSync, path: string): void {
  const { page_size } = database.prepare("PRAGMA page_size").get() as { page_size: number };
  if (fileBytes(`${path}-wal`) > 0 || fileBytes(path) % page_size === 0) return;
  throw new Error("its last page is cut off");
}

/** Looks through the structure of everything but the records of queues: of a database of gigabytes they are the most, and a start is
 * not to wait for them. */
function quickCheckLarge(database: DatabaseSync): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'queue_blocks'")
    .all();
  for (const { name } of tables) {
    const [verdict] = Object.values(database.prepare(`PRAGMA quick_check(${name})`).get() as Record<string, string>);
    if (verdict !== "ok") throw new Error(verdict);
  }
}

/** Looks through the whole structure of a database.
 * @throws {Error} with SQLite's words for the first thing that is wrong */
export function quickCheck(database: DatabaseSync): void {
  const [verdict] = Object.values(database.prepare("PRAGMA quick_check(1)").get() as Record<string, string>);
  if (verdict !== "ok") throw new Error(verdict);
}

/** SQLite's own words say what is wrong, but not with which file, nor what to do. */
export function explained(error: unknown, path: string): DataFolderError {
  if (error instanceof DataFolderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith("Cannot use")) return new DataFolderError(message, { cause: error });
  const words = wordsFor(message);
  return new DataFolderError(`Cannot use ${path}: ${words}`, { cause: error });
}

/** Bytes of a file; 0 when it is not there. */
export function fileBytes(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return 0;
    throw error;
  }
}

function wordsFor(message: string): string {
  if (/database is locked/.test(message)) return "another program holds it: a backup, or an SQLite shell?";
  if (/readonly database|unable to open/.test(message)) {
    return `${message}. May this user read and write it and its folder?`;
  }
  if (/full|disk I\/O/.test(message)) return `${message}. Is there space left on its disk?`;
  if (/not a database/.test(message)) return "it is not an SQLite database. The file is left as it is";
  return `it is damaged (${
    message.replaceAll("\n", " ")
  }). The file is left as it is; docs/operations.md says how to restore a backup`;
}

function whyNothing(path: string): string {
  try {
    Deno.statSync(path);
    return "it is empty: no broker has stored anything yet";
  } catch {
    return "there is no such file. Is that the data folder of a broker?";
  }
}

function recover(path: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec("SELECT count(*) FROM sqlite_schema");
  } catch (error) {
    throw explained(error, path);
  } finally {
    database.close();
  }
}
