import assert from "node:assert/strict";
import type { Mutation } from "../../src/core/mutation.ts";
import type { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { body, delivery, done, retained, session } from "../contract/mutations.ts";
import { processorMs } from "../support/processor_time.ts";
import { assertWhole, Folder, numberFrom } from "./folder.ts";

const payload = new Uint8Array(500).fill(7);

/** `count` messages for alice, each with a body of its own. */
function fill(store: SqliteStore, count: number): void {
  store.commit([session("alice")]);
  for (let at = 1; at <= count;) {
    const writes: Mutation[] = [];
    for (const end = Math.min(count, at + 4_999); at <= end; at++) {
      writes.push(body(at, { payload }), delivery("alice", at, at));
    }
    store.commit(writes);
  }
}

function maintain(store: SqliteStore, rounds: number): void {
  for (let i = 0; i < rounds; i++) store.maintain();
}

Deno.test("after 50,000 queued messages are gone the file shrinks, as the housekeeping goes on", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 50_000);
  for (let at = 1; at <= 50_000; at += 1_000) {
    store.commit(Array.from({ length: 1_000 }, (_, i) => done("alice", at + i)));
  }
  const full = folder.size();
  assert.ok(full > 25_000_000, `only ${full} bytes`);
  store.maintain();
  assert.ok(folder.size() < full, "one round gives something back");
  assert.ok(folder.size() > full / 2, "and not all at once");
  maintain(store, 20);
  assert.ok(folder.size() < 2_000_000, `${folder.size()} bytes are left`);
  await store.close();
  assertWhole(folder.database);
});

Deno.test("the log stays small however long commits go on", async () => {
  using folder = new Folder();
  const store = folder.open();
  store.commit([session("alice")]);
  let largest = 0;
  for (let n = 1; n <= 5_000; n++) {
    store.commit([body(n, { payload }), delivery("alice", n, n), ...(n > 10 ? [done("alice", n - 10)] : [])]);
    if (n % 100 === 0) largest = Math.max(largest, folder.size("weir.db-wal"));
  }
  assert.ok(largest < 8 * 1024 * 1024, `the log grew to ${largest} bytes`);
  assert.ok(folder.size() < 1024 * 1024, `the database grew to ${folder.size()} bytes`);
  await store.close();
});

Deno.test("what an ended session leaves is swept out by and by: no commit pays for all of it", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 100_000);
  store.commit([{ kind: "session-ended", clientId: "alice" }]);
  const counts: number[] = [];
  const durations: number[] = [];
  for (let n = 0; n < 5; n++) {
    durations.push(await processorMs(() => store.commit([session("bob", { offlineSince: n })])));
    counts.push(numberFrom(folder.database, "SELECT count(*) FROM deliveries"));
  }
  for (const [index, count] of counts.entries()) {
    const gone = (counts[index - 1] ?? counts[0]) - count;
    assert.ok(gone <= 1_000, `one commit took ${gone} rows out`);
  }
  assert.ok(counts.at(-1)! < counts[0], "each takes some out");
  assert.ok(Math.min(...durations) < 100, `a commit took ${durations.map(Math.round)} ms`);
  let rounds = 0;
  while (store.maintain()) rounds++;
  assert.ok(rounds > 50, `the housekeeping took ${rounds} rounds`);
  await store.close();
  assert.equal(numberFrom(folder.database, "SELECT count(*) FROM deliveries"), 0);
  assertWhole(folder.database);
});

Deno.test("many ended sessions with little in them are swept out together", async () => {
  using folder = new Folder();
  const store = folder.open();
  const names = Array.from({ length: 2_000 }, (_, i) => `c${i}`);
  store.commit(names.flatMap((name, i) => [session(name), body(i + 1), delivery(name, i + 1, i + 1)]));
  store.commit(names.map((clientId) => ({ kind: "session-ended", clientId })));
  let rounds = 0;
  while (store.maintain()) rounds++;
  assert.ok(rounds < 20, `${rounds} rounds`);
  await store.close();
  assert.equal(numberFrom(folder.database, "SELECT count(*) FROM deliveries"), 0);
  assert.equal(numberFrom(folder.database, "SELECT count(*) FROM ended_sessions"), 0);
});

Deno.test("the sweep goes on after a restart, and spares a session that took the name again", async () => {
  using folder = new Folder();
  const store = folder.open();
  fill(store, 3_000);
  store.commit([
    { kind: "session-ended", clientId: "alice" },
    session("alice"),
    body(9_000),
    delivery("alice", 9_000, 9_000),
  ]);
  await store.close();
  const again = folder.open();
  assert.deepEqual((await again.load()).deliveries.map(({ sequence }) => sequence), [9_000]);
  while (again.maintain());
  assert.deepEqual((await again.load()).deliveries.map(({ sequence }) => sequence), [9_000]);
  await again.close();
  assert.equal(numberFrom(folder.database, "SELECT count(*) FROM deliveries"), 1);
});

Deno.test("a body goes with whoever refers to it last: delivery, sweep or retained topic", async () => {
  using folder = new Folder();
  const store = folder.open();
  const bodies = () => numberFrom(folder.database, "SELECT count(*) FROM bodies");
  store.commit([
    session("alice"),
    session("bob"),
    body(1),
    delivery("alice", 1, 1),
    delivery("bob", 2, 1),
    retained("a", 1),
  ]);
  assert.equal(bodies(), 1);
  store.commit([done("alice", 1), { kind: "retained-cleared", topic: "a" }]);
  assert.equal(bodies(), 1);
  store.commit([{ kind: "session-ended", clientId: "bob" }]);
  while (store.maintain());
  assert.equal(bodies(), 0);
  store.commit([body(2), retained("a", 2)]);
  store.commit([body(3), retained("a", 3)]);
  assert.equal(bodies(), 1, "a retained message that is replaced goes");
  await store.close();
  assertWhole(folder.database);
});

Deno.test("a message for one session lies in one row, whatever its size", async () => {
  using folder = new Folder();
  const store = folder.open();
  store.commit([session("alice"), body(1, { payload: new Uint8Array(300_000) }), delivery("alice", 1, 1)]);
  assert.equal(numberFrom(folder.database, "SELECT count(*) FROM bodies"), 0);
  const { deliveries, bodies } = store.page({ clientId: "alice", after: 0, limit: 9, bytesMax: 1e6 });
  assert.deepEqual([deliveries.length, bodies[0].payload.length], [1, 300_000]);
  await store.close();
});
