import { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
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

storeContract("sqlite", () => open(`${Deno.makeTempDirSync()}/weir.db`));
