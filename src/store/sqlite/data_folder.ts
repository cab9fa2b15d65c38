import { wordsOf } from "../../core/text.ts";
import { DATABASE_NAME, DataFolderError, LOCK_NAME } from "./database_file.ts";
import type { OpenOptions } from "./sqlite_store.ts";
import { WorkerStore } from "./worker_store.ts";

/** Between two tries for the lock: `weir inspect` holds it for a moment to see whether anybody else does. */
const LOCK_TRIES_MS = [0, 50, 200];

/** Opens the store of a data folder, which is made when it is not there, with files that only their owner can read. One broker at a
 * time: the lock goes with the process.
 * @throws {DataFolderError} when the folder cannot be written, another broker uses it, or its database cannot be used */
export async function openDataFolder(folder: string, options: OpenOptions): Promise<WorkerStore> {
  const path = `${folder}/${DATABASE_NAME}`;
  const lock = await lockFolder(folder);
  try {
    Deno.openSync(path, { create: true, write: true, mode: 0o600 }).close(); // SQLite gives its other files the same mode
    const store = await WorkerStore.open({ folder, path, ...options });
    store.onClosed = () => lock.close();
    return store;
  } catch (error) {
    lock.close();
    throw new DataFolderError(wordsOf(error), { cause: error });
  }
}

function whyUnusable(error: unknown): string {
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
    return "it is no folder";
  }
  if (error instanceof Deno.errors.PermissionDenied) return `${error.message}. May this user write it?`;
  return wordsOf(error);
}

async function lockFolder(folder: string): Promise<Deno.FsFile> {
  let lock: Deno.FsFile;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    Deno.statSync(folder); // what the Worker may not read, since we may not, would be told without its name
    lock = Deno.openSync(`${folder}/${LOCK_NAME}`, { create: true, write: true, mode: 0o600 });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // the command line says which flag is missing
    throw new DataFolderError(`Cannot use the data folder ${folder}: ${whyUnusable(cause)}`, { cause });
  }
  for (const wait of LOCK_TRIES_MS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (lock.tryLockSync(true)) return lock;
  }
  lock.close();
  throw new DataFolderError(`Cannot use the data folder ${folder}: another broker uses it`);
}
