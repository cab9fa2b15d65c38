import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Mutation } from "../../src/core/mutation.ts";
import { backUp } from "../../src/store/sqlite/backup.ts";
import { checkFile } from "../../src/store/sqlite/database_file.ts";
import type { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { appended, entry, log, queue, queueContents, recordsOf } from "../contract/queue_mutations.ts";
import { assertWhole, Folder, numberFrom } from "./folder.ts";

const payload = new Uint8Array(500).fill(7);
const BLOCKS = "SELECT count(*) FROM queue_blocks";

/** A queue with `count` records in log 2, each of a commit of its own kind: so many to a commit. */
function fill(store: SqliteStore, count: number, batch: number): void {
  store.commit([queue(1), log(2, 1), log(3, 1, 1), appended(3, 0)]);
  for (let at = 0; at < count; at += batch) {
    store.commit(Array.from({ length: batch }, (_, i) => appended(2, at + i, { payload, appendedAt: at + i })));
  }
}

Deno.test("what is trimmed is out of sight at once and swept out by and by: no commit pays for all of it", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 20_000, 5);
  const all = numberFrom(folder.database, BLOCKS);
  store.commit([{ kind: "queue-trimmed", logId: 2, before: 19_998 }]);
  assert.deepEqual((await recordsOf(store, 2)).map(({ offset }) => offset), [19_998, 19_999]);
  const left = numberFrom(folder.database, BLOCKS);
  assert.ok(all - left <= 500 && left < all, `one commit took ${all - left} of ${all} blocks out`);
  let rounds = 0;
  while (store.maintain()) rounds++;
  assert.ok(rounds >= 5, `the housekeeping took ${rounds} rounds`);
  assert.equal(numberFrom(folder.database, BLOCKS), 2);
  assert.ok(numberFrom(folder.database, "SELECT count(*) FROM queue_segments") <= 1, "segments go too");
  await store.close();
  assertWhole(folder.database);
});

Deno.test("a sweep that a crash has cut off goes on at the next start, and nothing comes into sight again", async () => {
  using folder = new Folder();
  using copy = new Folder();
  const store = folder.open();
  fill(store, 20_000, 5);
  store.commit([{ kind: "queue-trimmed", logId: 2, before: 15_001 }]);
  store.maintain();
  for (const name of ["weir.db", "weir.db-wal"]) Deno.copyFileSync(folder.file(name), copy.file(name)); // as after kill -9
  await store.close();
  const again = copy.open();
  const { logs } = again.queues.loadQueues();
  assert.deepEqual([logs[0].first, logs[0].segments[0].from], [15_001, 15_001]);
  assert.equal(logs[0].segments.reduce((sum, { count }) => sum + count, 0), 4_999);
  assert.equal((await recordsOf(again, 2))[0].offset, 15_001);
  assert.ok(numberFrom(copy.database, BLOCKS) > 1_010, "the sweep was not at its end");
  while (again.maintain());
  assert.equal(numberFrom(copy.database, BLOCKS), 1_001);
  await again.close();
  assertWhole(copy.database);
});

Deno.test("a deleted queue leaves nothing, and the file shrinks", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 50_000, 100);
  const others: Mutation[] = Array.from({ length: 2_000 }, (_, i) => {
    return { kind: "queue-delayed", delayId: 10 + i, queueId: 1, partition: 0, dueAt: i, entry: entry({ payload }) };
  });
  store.commit(others);
  store.commit(others.map((_, i) => ({ kind: "queue-key-noted", queueId: 1, messageKey: `k${i}`, at: i })));
  store.commit([{ kind: "queue-deleted", queueId: 1 }]);
  assert.equal(store.queues.queueDelays(Infinity, 10).delays.length, 0);
  const full = folder.size();
  while (store.maintain());
  for (let i = 0; i < 30; i++) store.maintain();
  for (const table of ["blocks", "logs", "segments", "delays", "keys"]) {
    assert.equal(numberFrom(folder.database, `SELECT count(*) FROM queue_${table}`), 0, table);
  }
  assert.equal(numberFrom(folder.database, "SELECT count(*) FROM ended_queues"), 0);
  assert.ok(full > 25_000_000 && folder.size() < 2_000_000, `${folder.size()} of ${full} bytes are left`);
  await store.close();
  assertWhole(folder.database);
});

Deno.test("a queue that is worked off as it fills takes no more and no more space", async () => {
  using folder = new Folder();
  const store = folder.open();
  store.commit([queue(1), log(2, 1)]);
  for (let at = 0; at < 100_000; at += 50) {
    const writes: Mutation[] = Array.from({ length: 50 }, (_, i) => appended(2, at + i, { payload }));
    if (at >= 500) writes.push({ kind: "queue-trimmed", logId: 2, before: at - 500 });
    store.commit(writes);
  }
  assert.ok(folder.size() < 2_000_000, `the database grew to ${folder.size()} bytes`);
  await store.close();
});

Deno.test("a commit that fails takes back what it did to queues", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 100, 10);
  const before = await queueContents(store);
  const wrong: Mutation[] = [
    { kind: "queue-trimmed", logId: 2, before: 50 },
    { kind: "queue-deleted", queueId: 1 },
    { kind: "retained-set", topic: "t", bodyId: 99 },
  ];
  assert.throws(() => store.commit(wrong), /Cannot refer to body 99/);
  assert.deepEqual(await queueContents(store), before);
  while (store.maintain());
  assert.deepEqual(await queueContents(store), before);
  await store.close();
});

Deno.test("a backup has the queues", async () => {
  using folder = new Folder();
  using target = new Folder();
  const store = folder.open();
  fill(store, 1_000, 10);
  store.commit([{ kind: "queue-trimmed", logId: 2, before: 123 }]);
  await backUp(folder.path, target.database);
  const copy = target.open();
  assert.deepEqual(await queueContents(copy), await queueContents(store));
  await copy.close();
  await store.close();
});

Deno.test("a record that is damaged where SQLite does not see it is told", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 10, 10);
  await store.close();
  const database = new DatabaseSync(folder.database);
  database.exec("UPDATE queue_blocks SET data = substr(data, 1, 1000) WHERE octet_length(data) > 1000");
  database.close();
  const damaged = folder.open();
  const request = { logId: 2, from: 0, to: 10, limit: 10, bytesMax: 1e6 };
  assert.throws(() => damaged.queues.queuePage(request), /the database is damaged/);
  await damaged.close();
});

/** A database with records, whose table `name` is damaged. */
async function damage(folder: Folder, name: string): Promise<void> {
  const store = folder.open();
  fill(store, 1_000, 10);
  await store.close();
  const page = numberFrom(folder.database, `SELECT rootpage FROM sqlite_schema WHERE name = '${name}'`);
  using file = Deno.openSync(folder.database, { write: true });
  file.seekSync((page - 1) * 4096, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(4096).fill(0xff));
}

for (const name of ["queue_blocks", "queue_logs", "sessions"]) {
  Deno.test(`of a large database all but the records of queues is looked through: a damaged ${name}`, async () => {
    using folder = new Folder();
    await damage(folder, name);
    assert.throws(() => checkFile(folder.database), /is damaged/, "a small one is looked through whole");
    const check = () => checkFile(folder.database, 0);
    if (name === "queue_blocks") check();
    else assert.throws(check, /is damaged/);
  });
}

Deno.test("logs come and go as often as they like: when the last place is taken, the first that is free is given", async () => {
  using folder = new Folder();
  const before = folder.open();
  before.commit([queue(1), log(2, 1), log(3, 1, 1)]);
  await before.close();
  const database = new DatabaseSync(folder.database);
  database.exec("UPDATE queue_logs SET slot = (1 << 20) - 1 WHERE id = 3");
  database.close();
  const store = folder.open();
  for (const id of [4, 5]) store.commit([log(id, 1, id), appended(id, 0)]);
  for (const id of [2, 3]) store.commit([appended(id, 7)]);
  for (const id of [4, 5]) assert.deepEqual((await recordsOf(store, id)).map(({ offset }) => offset), [0]);
  assert.equal(numberFrom(folder.database, "SELECT slot FROM queue_logs WHERE id = 5"), 2);
  await store.close();
});
