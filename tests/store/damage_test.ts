import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { body, delivery, retained, session } from "../contract/mutations.ts";
import { assertWhole, Folder, numberFrom } from "./folder.ts";
import { Program } from "../support/program.ts";

const PAGE = 4096;

/** A database with some of everything, closed. */
async function filled(folder: Folder): Promise<void> {
  const store = folder.open();
  store.commit([session("alice"), session("bob")]);
  for (let n = 1; n <= 300; n++) {
    store.commit([
      body(n),
      delivery("alice", 2 * n, n),
      delivery("bob", 2 * n + 1, n),
      body(1000 + n),
      retained(`r/${n}`, 1000 + n),
    ]);
  }
  await store.close();
}

function assertRefused(folder: Folder, pattern: RegExp): void {
  const before = folder.contents();
  assert.throws(() => folder.open(), (error: Error) => {
    assert.equal(error.name, "DataFolderError");
    assert.match(error.message, pattern);
    assert.ok(error.message.includes(folder.database), error.message);
    assert.ok(!error.message.includes("\n"), error.message);
    return true;
  });
  const { "weir.db-shm": _shm, "weir.db-wal": _wal, ...after } = folder.contents(); // scratch of who reads
  const { "weir.db-shm": _shmBefore, "weir.db-wal": walBefore, ...expected } = before;
  assert.deepEqual(after, expected);
  if (walBefore !== undefined) assert.equal(_wal, walBefore);
}

Deno.test("the database of another program is refused and left as it is", () => {
  for (const mode of ["DELETE", "WAL"]) {
    using folder = new Folder();
    const foreign = new DatabaseSync(folder.database);
    foreign.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)`);
    foreign.close();
    assertRefused(folder, /it is an SQLite database of another program\. The file is left as it is$/);
  }
});

Deno.test("a database of another program with our number in the wrong place is refused too", () => {
  using folder = new Folder();
  const foreign = new DatabaseSync(folder.database);
  foreign.exec("PRAGMA application_id = 1; PRAGMA user_version = 1");
  foreign.close();
  assertRefused(folder, /another program/);
});

Deno.test("a text file is refused and left as it is", () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.database, "hello ".repeat(1000));
  assertRefused(folder, /it is not an SQLite database\. The file is left as it is$/);
});

Deno.test("a short text file is refused and left as it is", () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.database, "hello");
  assertRefused(folder, /it is not an SQLite database/);
});

Deno.test("an empty file is a new database", async () => {
  using folder = new Folder();
  Deno.writeFileSync(folder.database, new Uint8Array());
  const store = folder.open();
  store.commit([session("alice")]);
  await store.close();
  assertWhole(folder.database);
});

Deno.test("a database of a newer version is refused and left as it is", async () => {
  using folder = new Folder();
  await filled(folder);
  const newer = new DatabaseSync(folder.database);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  assertRefused(folder, /its schema is version 99, this program knows versions up to \d+\. The file is left as it is/);
});

Deno.test("a truncated database is refused and left as it is", async () => {
  using folder = new Folder();
  await filled(folder);
  const whole = Deno.readFileSync(folder.database);
  for (const bytes of [100, PAGE - 1, PAGE, 5 * PAGE, 5 * PAGE + 17, whole.length - PAGE, whole.length - 1]) {
    Deno.writeFileSync(folder.database, whole.subarray(0, bytes));
    assertRefused(folder, /it is (damaged \(.*\)|not an SQLite database)/);
  }
});

Deno.test("bits that flip in the structure of any page are found at the start, and the file is left as it is", async () => {
  using folder = new Folder();
  await filled(folder);
  const whole = Deno.readFileSync(folder.database);
  let refused = 0;
  for (let page = 0; page < whole.length / PAGE; page++) {
    if (page === 1) continue; // SQLite's map of pages, which is looked at but may differ without harm
    const damaged = whole.slice();
    const at = page * PAGE + (page === 0 ? 100 : 0); // the header of the tree: its kind, its cells
    for (let i = 0; i < 8; i++) damaged[at + i] ^= 0xa5;
    Deno.writeFileSync(folder.database, damaged);
    assertRefused(folder, /it is damaged \(.*\)\. The file is left as it is/);
    refused++;
  }
  assert.ok(refused > 10, `only ${refused} pages were looked at`);
});

Deno.test("a damaged database with a log is refused without merging the log into it", async () => {
  using folder = new Folder();
  await using writer = Program.module("tests/store/holder.ts", "write", folder.path);
  await writer.line(/^900$/); // the log was merged at least once
  await writer.kill();
  const file = Deno.openSync(folder.database, { write: true });
  for (let page = 2; page < folder.size() / PAGE; page++) {
    file.seekSync(page * PAGE, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(8).fill(0xa5));
  }
  file.close();
  assertRefused(folder, /it is damaged/);
});

/** Opens a copy of what a killed broker left, its log cut to `bytes`; answers how many commits it holds. */
async function commitsAfterCut(folder: Folder, bytes: number): Promise<number> {
  using copy = new Folder();
  Deno.copyFileSync(folder.database, copy.database);
  const log = Deno.readFileSync(folder.file("weir.db-wal"));
  Deno.writeFileSync(copy.file("weir.db-wal"), log.subarray(0, bytes));
  const store = SqliteStore.open(copy.database, { sync: "off", ballastBytes: 0 });
  const { deliveries, bodies, backlogs } = await store.load();
  await store.close();
  assertWhole(copy.database);
  const counts = ["alice", "bob"].map((clientId) => {
    const own = deliveries.filter((delivery) => delivery.clientId === clientId).map(({ bodyId }) => bodyId);
    assert.deepEqual(own, own.map((_, index) => index + 1), "a prefix, in order");
    return own.length + (backlogs.find((backlog) => backlog.clientId === clientId)?.count ?? 0);
  });
  assert.equal(counts[0], counts[1], "never half a commit");
  for (const { bodyId, payload } of bodies) assert.ok(payload.every((byte) => byte === bodyId % 256), `body ${bodyId}`);
  return counts[0];
}

Deno.test("a log that is cut anywhere after a kill holds a prefix of the commits, whole ones only", async () => {
  using folder = new Folder();
  await using writer = Program.module("tests/store/holder.ts", "write", folder.path);
  await writer.line(/^450$/);
  await writer.kill();
  const said = Number(writer.said.filter((line) => /^\d+$/.test(line)).at(-1));
  const size = folder.size("weir.db-wal");
  assert.ok(size > 100_000, `a log of ${size} bytes`);
  assert.ok(await commitsAfterCut(folder, size) >= said, "what was said to be done is there");
  const cuts = Array.from({ length: 40 }, (_, i) => Math.floor((size * i) / 40) + (i * 131) % 61);
  let last = 0;
  for (const cut of [...cuts, size - 1, size]) {
    const commits = await commitsAfterCut(folder, Math.min(cut, size));
    assert.ok(commits >= last, `a longer log holds no less: ${commits} after ${last}`);
    last = commits;
  }
});

Deno.test("a log whose bits flip holds a prefix of the commits", async () => {
  using folder = new Folder();
  await using writer = Program.module("tests/store/holder.ts", "write", folder.path);
  await writer.line(/^120$/);
  await writer.kill();
  const log = Deno.readFileSync(folder.file("weir.db-wal"));
  for (let i = 0; i < 10; i++) {
    const damaged = log.slice();
    damaged[Math.floor((log.length * (i + 1)) / 12)] ^= 1 << (i % 8);
    Deno.writeFileSync(folder.file("weir.db-wal"), damaged);
    await commitsAfterCut(folder, damaged.length);
  }
});

Deno.test("a start that was cut off in the middle of making the schema is made good by the next one", async () => {
  using folder = new Folder();
  const cutOff = new DatabaseSync(folder.database);
  cutOff.exec(
    "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; CREATE TABLE sessions (a); CREATE TABLE filler (b)",
  );
  for (let i = 0; i < 50; i++) cutOff.exec("INSERT INTO filler VALUES (randomblob(3000))");
  using copy = new Folder();
  for (const name of ["weir.db", "weir.db-journal"]) Deno.copyFileSync(folder.file(name), copy.file(name));
  cutOff.close();
  assert.ok(copy.size("weir.db-journal") > 0, "there is a change to undo");
  const store = copy.open();
  store.commit([session("alice")]);
  await store.close();
  assertWhole(copy.database);
  assert.equal(numberFrom(copy.database, "SELECT count(*) FROM sessions"), 1);
});
