/** What the log of a start says of what it found. */
import { resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openLog } from "../../src/cli/log.ts";
import { loadConfig } from "../../src/config/load.ts";
import { serve } from "../../src/server/serve.ts";
import { SCHEMA_VERSION } from "../../src/store/sqlite/schema.ts";
import { Folder } from "../store/folder.ts";
import { fixture } from "../store/held.ts";

/** Starts and stops a broker on a data folder; answers what it logs. */
async function startOn(folder: Folder): Promise<string[]> {
  const lines: string[] = [];
  openLog({ level: "info", format: "text" }, (line) => lines.push(line.replace(/^.*weir: /, "")));
  const env = { WEIR_SERVER_TCP_ADDR: "127.0.0.1:0", WEIR_STORAGE_PATH: folder.path };
  try {
    await (await serve(loadConfig({ env, readFile: Deno.readFileSync }))).stop();
  } finally {
    resetSync();
  }
  return lines;
}

Deno.test("the log of a start says nothing of a new data folder, and then of what an older Weir has left in it", async () => {
  using empty = new Folder();
  for (const when of ["new", "again"]) assert.deepEqual(await startOn(empty), [], when);
  using folder = new Folder();
  const database = new DatabaseSync(folder.database);
  database.exec(Deno.readTextFileSync(fixture(2)));
  database.close();
  Deno.chmodSync(folder.database, 0o600);
  const restored = "restored sessions: 2, retained messages: 1, queues: 1";
  assert.deepEqual(await startOn(folder), [
    `the database was of version 2, it is of version ${SCHEMA_VERSION} now`,
    restored,
  ]);
  assert.deepEqual((await startOn(folder)).slice(0, 1), [restored]);
});
