import assert from "node:assert/strict";
import fc from "fast-check";
import type { Mutation } from "../../src/core/mutation.ts";
import { type Batch, withRuns } from "../../src/store/sqlite/runs.ts";
import { body, delivery, done, session } from "../contract/mutations.ts";
import { failed, settled } from "../contract/queue_mutations.ts";
import { Folder, numberFrom } from "./folder.ts";

function sent(clientId: string, sequence: number, packetId: number): Mutation {
  return { kind: "delivery-sent", clientId, sequence, packetId };
}

/** One mutation for each delivery again. */
function withoutRuns(batch: Batch): Mutation[] {
  return batch.flatMap((each): Mutation[] => {
    if (each.kind === "queue-block") throw new Error("there are no queues here");
    if (each.kind !== "deliveries-sent" && each.kind !== "deliveries-done") return [each];
    const { clientId, sequence } = each;
    return Array.from({ length: each.count }, (_, i) => {
      if (each.kind === "deliveries-done") return done(clientId, sequence + i);
      return sent(clientId, sequence + i, each.packetId + i);
    });
  });
}

Deno.test("what comes in order is one run for each client, however the two of them take turns", () => {
  const mutations = [1, 2, 3].flatMap((i) => [done("a", i), sent("a", 10 + i, i), done("b", 20 + i)]);
  assert.deepEqual(withRuns([...mutations, session("c")]), [
    session("c"),
    { kind: "deliveries-sent", clientId: "a", sequence: 11, packetId: 1, count: 3 },
    { kind: "deliveries-done", clientId: "a", sequence: 1, count: 3 },
    { kind: "deliveries-done", clientId: "b", sequence: 21, count: 3 },
  ]);
});

Deno.test("a run ends where a sequence is left out or packet ids begin anew", () => {
  const kinds = withRuns([done("a", 1), done("a", 3), sent("a", 5, 65_535), sent("a", 6, 1), sent("a", 8, 2)]);
  assert.deepEqual(kinds.map((each) => "count" in each && each.count), [1, 1, 1, 1, 1]);
});

Deno.test("what a group settles one after the other is one range, unless something else comes between", () => {
  const place = { groupId: 1, logId: 2 };
  const other = { groupId: 1, logId: 3 };
  const some = [
    ...[settled(place, [0, 1], 1), settled(other, [4, 5], 0), settled(place, [1, 3], 3), settled(place, [7, 8], 3)],
    ...[failed(place, 9), settled(place, [8, 9], 3), settled(place, [6, 8], 3)],
  ];
  assert.deepEqual(withRuns(some), [
    ...[settled(place, [0, 3], 3), settled(other, [4, 5], 0), settled(place, [7, 8], 3)],
    ...[failed(place, 9), settled(place, [6, 9], 3)],
  ]);
});

Deno.test("nothing is lost or made up in runs, and what is in none keeps its order", () => {
  const step = fc.record({
    clientId: fc.constantFrom("a", "b"),
    sequence: fc.nat(12),
    packetId: fc.integer({ min: 1, max: 9 }),
  });
  const mutation = fc.oneof(
    step.map(({ clientId, sequence }) => done(clientId, sequence)),
    step.map(({ clientId, sequence, packetId }) => sent(clientId, sequence, packetId)),
    step.map(({ clientId, sequence }) => ({ kind: "delivery-released", clientId, sequence }) as const),
  );
  const sorted = (all: readonly Mutation[]) => all.map((each) => JSON.stringify(each, Object.keys(each).sort())).sort();
  const others = (all: readonly Mutation[]) => all.filter(({ kind }) => kind === "delivery-released");
  fc.assert(fc.property(fc.array(mutation, { maxLength: 60 }), (mutations) => {
    const again = withoutRuns(withRuns(mutations));
    assert.deepEqual(sorted(again), sorted(mutations));
    assert.deepEqual(others(again), others(mutations));
  }));
});

Deno.test("a run that is done takes the bodies that only it refers to, and leaves what others have", async () => {
  using folder = new Folder();
  const store = folder.open();
  const rows = (table: string) => numberFrom(folder.database, `SELECT count(*) FROM ${table}`);
  store.commit([
    session("alice"),
    session("bob"),
    ...[body(1), delivery("alice", 1, 1)], // in its own row
    ...[body(2), delivery("alice", 2, 2), delivery("alice", 3, 2)], // twice in the run
    ...[body(3), delivery("alice", 4, 3), delivery("bob", 5, 3)], // one in the run, one behind it
  ]);
  assert.deepEqual([rows("deliveries"), rows("bodies")], [5, 2]);
  store.commit([1, 2, 3, 4].map((sequence) => done("alice", sequence)));
  assert.deepEqual([rows("deliveries"), rows("bodies")], [1, 1]);
  store.commit([done("bob", 5)]);
  assert.deepEqual([rows("deliveries"), rows("bodies")], [0, 0]);
  await store.close();
});
