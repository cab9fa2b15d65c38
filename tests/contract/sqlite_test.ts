import { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { WorkerStore } from "../../src/store/sqlite/worker_store.ts";
import { queueContract } from "./queue_contract.ts";
import { storeContract, type StoreHandle } from "./store_contract.ts";

const OPTIONS = { sync: "off", ballastBytes: 0 } as const;

/** Every store of this file lies in a folder of its own in here. */
const root = Deno.makeTempDirSync({ prefix: "weir-contract-" });
addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));

function open(path: string): StoreHandle {
  const store = SqliteStore.open(path, OPTIONS);
  return {
    store,
    async reopen() {
      await store.close();
      return open(path);
    },
  };
}

async function openInWorker(folder: string): Promise<StoreHandle> {
  const store = await WorkerStore.open({ folder, path: `${folder}/weir.db`, ...OPTIONS });
  return {
    store,
    async reopen() {
      await store.close();
      return await openInWorker(folder);
    },
  };
}

storeContract("sqlite", () => open(`${Deno.makeTempDirSync({ dir: root })}/weir.db`));
storeContract("sqlite in a Worker", () => openInWorker(Deno.makeTempDirSync({ dir: root })), 20);
queueContract("sqlite", () => open(`${Deno.makeTempDirSync({ dir: root })}/weir.db`));
queueContract("sqlite in a Worker", () => openInWorker(Deno.makeTempDirSync({ dir: root })));
