import { backup, DatabaseSync } from "node:sqlite";
import { DATABASE_NAME, DataFolderError, explained, fileBytes, openForReading, quickCheck } from "./database_file.ts";

/** What a backup came to. */
export interface BackupResult {
  readonly bytes: number;
}

/** All pages in one step: a copy in several begins anew whenever the broker commits, and may never end. */
const ALL_PAGES = 0x7fff_ffff;

/** Copies the database of a data folder to `target`, as it is at one moment, beside a broker that goes on or without one. The copy is
 * looked through before it gets its name; only its owner can read it.
 * @throws {DataFolderError} when there is nothing to copy, `target` is there, cannot be written, or the copy is damaged */
export async function backUp(folder: string, target: string): Promise<BackupResult> {
  const path = `${folder}/${DATABASE_NAME}`;
  assertFree(target);
  const source = openForReading(path);
  const part = `${target}.part`;
  try {
    createPart(part, target);
    try {
      await copy(source, { path, part });
      Deno.renameSync(part, target);
    } catch (error) {
      removeParts(part);
      throw error;
    }
  } finally {
    source.close();
  }
  return { bytes: fileBytes(target) };
}

async function copy(source: DatabaseSync, { path, part }: { path: string; part: string }): Promise<void> {
  try {
    await backup(source, part, { rate: ALL_PAGES });
  } catch (error) {
    throw explained(error, path);
  }
  const made = new DatabaseSync(part);
  try {
    made.exec("PRAGMA journal_mode = DELETE"); // one whole file, with no log beside it
    quickCheck(made);
  } catch (error) {
    throw new DataFolderError(
      `Cannot keep the copy of ${path}: ${messageOf(error)}. The database itself may be damaged`,
      {
        cause: error,
      },
    );
  } finally {
    made.close();
  }
}

function assertFree(target: string): void {
  try {
    Deno.lstatSync(target);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw cannotWrite(target, error);
  }
  throw new DataFolderError(`Cannot back up to ${target}: it is there already. Choose another name, or move it away`);
}

function createPart(part: string, target: string): void {
  try {
    Deno.openSync(part, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new DataFolderError(
        `Cannot back up to ${target}: ${part} is there, from a backup that is under way or was cut off. Remove it, then try again`,
      );
    }
    throw cannotWrite(target, error);
  }
}

function cannotWrite(target: string, cause: unknown): Error {
  if (!(cause instanceof Deno.errors.NotCapable)) {
    return new DataFolderError(`Cannot back up to ${target}: ${messageOf(cause)}`, { cause });
  }
  const folder = folderOf(target); // the copy has another name at first, and its own cannot be told from it by the permission
  return new DataFolderError(
    `Cannot back up to ${target}: Deno was not allowed to. It has to read and write the folder, as with ` +
      `--allow-read=config,data,src,${folder} --allow-write=${folder}`,
  );
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

function removeParts(part: string): void {
  for (const path of [part, `${part}-journal`, `${part}-wal`, `${part}-shm`]) {
    try {
      Deno.removeSync(path);
    } catch {
      // not there, as a rule
    }
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ");
}
