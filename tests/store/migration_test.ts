import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from "../../src/store/sqlite/schema.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { contents, contentsOf } from "../contract/mutations.ts";
import { queueContents } from "../contract/queue_mutations.ts";
import { assertWhole, Folder, numberFrom } from "./folder.ts";
import { fixture, HELD, HELD_QUEUES } from "./held.ts";

type Row = typeof HELD[number];

function of<Kind extends Row["kind"]>(kind: Kind): Extract<Row, { kind: Kind }>[] {
  return HELD.filter((row): row is Extract<Row, { kind: Kind }> => row.kind === kind);
}

/** Tables and indexes as they were declared, without layout and comments. */
function schemaOf(path: string): string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").all();
  database.close();
  return rows.map(({ sql }) => (sql as string).replace(/--[^\n]*/g, "").replace(/\s+/g, " "));
}

// A version without a fixture fails here: `deno run -A tests/store/write_fixture.ts` freezes today's, once, when it is released.
for (let version = 1; version <= SCHEMA_VERSION; version++) {
  Deno.test(`a database of version ${version} is brought to version ${SCHEMA_VERSION} with all it holds`, async () => {
    using folder = new Folder();
    execute(folder.database, Deno.readTextFileSync(fixture(version)));
    assert.equal(numberFrom(folder.database, "PRAGMA user_version"), version);
    assert.equal(numberFrom(folder.database, "PRAGMA application_id"), APPLICATION_ID);
    const store = folder.open();
    const state = await store.load();
    const queues = await queueContents(store);
    await store.close();
    const model = new MemoryStore();
    if (version > 1) model.commit([...HELD, ...HELD_QUEUES]);
    assert.deepEqual(queues, await queueContents(model));
    const expected = contents({
      sessions: of("session-saved"),
      subscriptions: of("subscribed"),
      bodies: of("body-stored"),
      deliveries: of("delivery-stored").toSorted((a, b) =>
        a.clientId < b.clientId ? -1 : a.clientId > b.clientId ? 1 : 0
      ),
      wills: of("will-saved"),
      received: ["bob 65535"],
      retained: ["t/3 3"],
    });
    assert.deepEqual(contentsOf(state), expected);
    assert.deepEqual([state.lastBodyId, state.lastSequence], [3, 12]);
    assertWhole(folder.database);
    using fresh = new Folder();
    await fresh.open().close();
    assert.deepEqual(schemaOf(folder.database), schemaOf(fresh.database), "migrated and new databases are alike");
  });
}

Deno.test("a released version is frozen: its migration still makes what its fixture holds", () => {
  for (let version = 1; version <= SCHEMA_VERSION; version++) {
    using migrated = new Folder();
    using frozen = new Folder();
    execute(migrated.database, MIGRATIONS.slice(0, version).join("\n"));
    execute(frozen.database, Deno.readTextFileSync(fixture(version)));
    assert.deepEqual(schemaOf(migrated.database), schemaOf(frozen.database), `version ${version}`);
  }
});

/** Makes a database of what the statements say. */
function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.exec(sql);
  database.close();
}
