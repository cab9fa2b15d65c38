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
    throw new DataFolderError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function lockFolder(folder: string): Promise<Deno.FsFile> {
  let lock: Deno.FsFile;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = Deno.openSync(`${folder}/${LOCK_NAME}`, { create: true, write: true, mode: 0o600 });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // the command line says which flag is missing
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DataFolderError(`Cannot use the data folder ${folder}: ${reason}`, { cause });
  }
  for (const wait of LOCK_TRIES_MS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (lock.tryLockSync(true)) return lock;
  }
  lock.close();
  throw new DataFolderError(`Cannot use the data folder ${folder}: another broker uses it`);
}
