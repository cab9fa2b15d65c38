/** Freezes a database of today's version as SQL, for the tests of migrations to come. To be run once a version, never again: refuses
 * when the fixture is there. */
import { DatabaseSync } from "node:sqlite";
import { SCHEMA_VERSION } from "../../src/store/sqlite/schema.ts";
import { Folder } from "./folder.ts";
import { fixture, HELD, HELD_QUEUES } from "./held.ts";

function dump(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true });
  const lines = ["application_id", "user_version"].map((name) => {
    return `PRAGMA ${name} = ${Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0]};`;
  });
  const tables = database.prepare(
    "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name",
  ).all();
  for (const { sql } of tables) lines.push(`${sql};`);
  for (const { name } of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()) {
    const columns = database.prepare(`PRAGMA table_info(${name})`).all().map(({ name }) => `quote("${name}")`);
    if (name === "sqlite_sequence") lines.push("DELETE FROM sqlite_sequence;");
    for (const row of database.prepare(`SELECT ${columns.join(" || ', ' || ")} AS sql FROM ${name}`).all()) {
      lines.push(`INSERT INTO ${name} VALUES (${row.sql});`);
    }
  }
  database.close();
  return `${lines.join("\n")}\n`;
}

using folder = new Folder();
const store = folder.open();
store.commit([...HELD, ...HELD_QUEUES]);
await store.close();
Deno.writeTextFileSync(fixture(SCHEMA_VERSION), dump(folder.database), { createNew: true });
