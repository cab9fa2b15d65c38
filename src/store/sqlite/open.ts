import type { Store } from "../../core/ports.ts";
import { openDataFolder } from "./data_folder.ts";
import type { StorageSync } from "./sqlite_store.ts";

/** How {@link openSqliteStore} opens. */
export interface SqliteStoreOptions {
  /** What an acknowledgement has survived when it leaves: `full` the loss of power, `normal` and `off` the crash of the process; `full`. */
  readonly sync?: StorageSync;
}

/** Opens the store that the program uses: an SQLite database in a folder, which is made when it is not there, for its owner only. One
 * broker at a time may use it; it is closed with the broker. The database runs in a Worker that may read and write this folder and nothing
 * else, for which Deno wants `--unstable-worker-options`.
 * @throws {Error} when the folder cannot be written, another broker uses it, or its database cannot be used; the message says which */
export async function openSqliteStore(folder: string, { sync = "full" }: SqliteStoreOptions = {}): Promise<Store> {
  return await openDataFolder(folder, { sync });
}
