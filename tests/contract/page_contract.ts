// The part of the contract that is about long queues: a start gets the front of each, the rest comes page by page.
import assert from "node:assert/strict";
import { QUEUE_WINDOW_MESSAGES } from "../../src/core/delivery_queue.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import { body, delivery, done, line, session } from "./mutations.ts";
import type { Contract, StoreBench } from "./store_contract.ts";

/** `count` deliveries of alice, every one of a body of its own, and one of bob between each two. */
async function fill(bench: StoreBench, count: number): Promise<void> {
  const writes: Mutation[] = [session("alice"), session("bob")];
  for (let i = 1; i <= count; i++) {
    writes.push(body(i, { payload: new Uint8Array(10) }), delivery("alice", 2 * i, i), delivery("bob", 2 * i + 1, i));
  }
  await bench.commit(writes);
}

async function page(
  bench: StoreBench,
  after: number,
  limit: number,
): Promise<{ sequences: number[]; bodyIds: number[] }> {
  const { deliveries, bodies } = await bench.store.page({ clientId: "alice", after, limit });
  return {
    sequences: deliveries.map(({ sequence }) => sequence),
    bodyIds: bodies.map(({ bodyId }) => bodyId).sort((a, b) => a - b),
  };
}

export function pageContract(contract: Contract): void {
  contract("pages follow one another by sequence, each with its bodies, to the end", async (bench) => {
    await fill(bench, 5);
    assert.deepEqual(await page(bench, 0, 2), { sequences: [2, 4], bodyIds: [1, 2] });
    assert.deepEqual(await page(bench, 4, 2), { sequences: [6, 8], bodyIds: [3, 4] });
    assert.deepEqual(await page(bench, 8, 2), { sequences: [10], bodyIds: [5] });
    assert.deepEqual(await page(bench, 10, 2), { sequences: [], bodyIds: [] });
    const nobody = await bench.store.page({ clientId: "nobody", after: 0, limit: 9 });
    assert.deepEqual(nobody, { deliveries: [], bodies: [] });
  });

  contract("a page has deliveries that wait, none that was sent or is done", async (bench) => {
    await fill(bench, 5);
    await bench.commit([
      { kind: "delivery-sent", clientId: "alice", sequence: 2, packetId: 1 },
      done("alice", 6),
    ]);
    assert.deepEqual(await page(bench, 0, 9), { sequences: [4, 8, 10], bodyIds: [2, 4, 5] });
  });

  contract("deliveries of a page are whole, and their shared body is there once", async (bench) => {
    const rich = delivery("alice", 2, 1, { retain: true, isReplay: true, subscriptionIds: [7], shared: "$share/g/a" });
    await bench.commit([session("alice"), body(1), rich, delivery("alice", 3, 1)]);
    const { deliveries, bodies } = await bench.store.page({ clientId: "alice", after: 0, limit: 9 });
    assert.deepEqual(deliveries.map(line), [rich, delivery("alice", 3, 1)].map(line));
    assert.deepEqual(bodies.map(line), [body(1)].map(line));
  });

  contract("a start gets the front of a long queue, and how much of it stays behind", async (bench) => {
    const count = QUEUE_WINDOW_MESSAGES + 500;
    await fill(bench, count);
    const sent = [1, 2].map((i) =>
      ({ kind: "delivery-sent", clientId: "alice", sequence: 2 * i, packetId: i }) as const
    );
    await bench.commit(sent);
    const loaded = await bench.load();
    const own = loaded.deliveries.filter(({ clientId }) => clientId === "alice");
    const backlog = loaded.backlogs.find(({ clientId }) => clientId === "alice");
    assert.deepEqual(own.slice(0, 3).map(({ sequence, packetId }) => [sequence, packetId]), [[2, 1], [4, 2], [6, 0]]);
    assert.ok(backlog !== undefined, "the rest is told of");
    assert.equal(own.length + backlog.count, count, "nothing is lost between the two");
    const behind = Array.from({ length: backlog.count }, (_, i) => `t/${count - i}`.length + 10);
    assert.equal(
      backlog.bytes,
      behind.reduce((sum, each) => sum + each, 0),
      "topics and payloads of what stays behind",
    );
    const bodyIds = new Set(loaded.bodies.map(({ bodyId }) => bodyId));
    for (const { bodyId } of loaded.deliveries) assert.ok(bodyIds.has(bodyId));
    let after = own.at(-1)!.sequence;
    for (let left = backlog.count; left > 0;) {
      const { sequences } = await page(bench, after, 200);
      assert.equal(sequences[0], after + 2);
      left -= sequences.length;
      after = sequences.at(-1)!;
    }
    assert.equal(after, 2 * count);
  });

  contract("the highest ids are remembered when what had them is gone", async (bench) => {
    await fill(bench, 3);
    await bench.commit([session("carol"), body(9), delivery("carol", 50, 9)]);
    assert.deepEqual(await lastIds(bench), [9, 50]);
    await bench.commit([done("carol", 50), { kind: "session-ended", clientId: "alice" }]);
    await bench.commit([{ kind: "session-ended", clientId: "bob" }, { kind: "session-ended", clientId: "carol" }]);
    const [bodyId, sequence] = await lastIds(bench);
    assert.ok(bodyId >= 9 && sequence >= 50, `${bodyId} and ${sequence} would be given out again`);
  });
}

async function lastIds(bench: StoreBench): Promise<[number, number]> {
  const { lastBodyId, lastSequence } = await bench.load();
  return [lastBodyId, lastSequence];
}
