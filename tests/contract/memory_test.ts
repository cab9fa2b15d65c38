import assert from "node:assert/strict";
import { MemoryStore } from "../../src/store/memory.ts";
import { body, delivery, done, session } from "./mutations.ts";
import { queueContract } from "./queue_contract.ts";
import { storeContract, type StoreHandle } from "./store_contract.ts";

/** Memory does not outlive the process; for the suite, whoever opens it again finds it as it was. */
function handleOf(store: MemoryStore): StoreHandle {
  return { store, reopen: () => Promise.resolve(handleOf(store)) };
}

storeContract("memory", () => handleOf(new MemoryStore()));
queueContract("memory", () => handleOf(new MemoryStore()));

Deno.test("memory: bodies are counted as they come and go", () => {
  const store = new MemoryStore();
  store.commit([session("alice"), body(1), delivery("alice", 1, 1), body(2)]);
  assert.equal(store.bodyCount, 1);
  store.commit([done("alice", 1)]);
  assert.equal(store.bodyCount, 0);
});
