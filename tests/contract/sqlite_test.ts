import { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { WorkerStore } from "../../src/store/sqlite/worker_store.ts";
import { storeContract, type StoreHandle } from "./store_contract.ts";

function open(path: string): StoreHandle {
  const store = SqliteStore.open(path, { sync: "off" });
  return {
    store,
    async reopen() {
      await store.close();
      return open(path);
    },
  };
}

async function openInWorker(folder: string): Promise<StoreHandle> {
  const store = await WorkerStore.open({ folder, path: `${folder}/weir.db`, sync: "off" });
  return {
    store,
    async reopen() {
      await store.close();
      return await openInWorker(folder);
    },
  };
}

storeContract("sqlite", () => open(`${Deno.makeTempDirSync()}/weir.db`));
storeContract("sqlite in a Worker", () => openInWorker(Deno.makeTempDirSync()));
