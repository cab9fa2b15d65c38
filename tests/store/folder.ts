/** Folders for the tests of the store, and what lies in them. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type OpenOptions, SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";

/** Without ballast, for folders whose disk does not fill up. */
export const OPTIONS: OpenOptions = { sync: "off", ballastBytes: 0 };

/** A folder of a test; `using` removes it. */
export class Folder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "weir-store-" });

  /** Where the database is. */
  get database(): string {
    return this.file("weir.db");
  }

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  open(options: Partial<OpenOptions> = {}): SqliteStore {
    return SqliteStore.open(this.database, { ...OPTIONS, ...options });
  }

  /** The bytes of each file, by name. */
  contents(): Record<string, string> {
    const names = [...Deno.readDirSync(this.path)].map(({ name }) => name).sort();
    return Object.fromEntries(names.map((name) => [name, digest(Deno.readFileSync(this.file(name)))]));
  }

  size(name = "weir.db"): number {
    return Deno.statSync(this.file(name)).size;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Fails unless the database is whole: every page, every index, every reference to a body. */
export function assertWhole(path: string): void {
  const database = new DatabaseSync(path);
  try {
    const verdict = database.prepare("PRAGMA integrity_check").all().map((row) => row.integrity_check);
    assert.deepEqual(verdict, ["ok"]);
    const wrong = database.prepare(
      `SELECT b.id, b.refs,
        (SELECT count(*) FROM deliveries WHERE body = b.id AND topic IS NULL) +
        (SELECT count(*) FROM retained WHERE body = b.id) AS counted
      FROM bodies b WHERE refs <> counted OR refs <= 0`,
    ).all();
    assert.deepEqual(wrong, [], "bodies count who refers to them");
    const lost = database.prepare(
      `SELECT 'delivery ' || id AS who FROM deliveries WHERE topic IS NULL AND body NOT IN (SELECT id FROM bodies)
      UNION SELECT 'retained ' || topic FROM retained WHERE body NOT IN (SELECT id FROM bodies)`,
    ).all();
    assert.deepEqual(lost, [], "whoever refers to a body finds it");
  } finally {
    database.close();
  }
}

/** One number, such as the answer to `SELECT count(*) FROM deliveries`. */
export function numberFrom(path: string, sql: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Object.values(database.prepare(sql).get() as Record<string, number>)[0];
  } finally {
    database.close();
  }
}

/** Tells contents apart, and their lengths. */
function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `${bytes.length} bytes ${hash.toString(16)}`;
}
