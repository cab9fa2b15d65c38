// The part of the contract that is about long queues: a start gets the front of each, the rest comes page by page.
import assert from "node:assert/strict";
import { QUEUE_WINDOW_BYTES, QUEUE_WINDOW_MESSAGES, QUEUE_WINDOWS_BYTES } from "../../src/core/delivery_queue.ts";
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
  bytesMax = 1e6,
): Promise<{ sequences: number[]; bodyIds: number[] }> {
  const { deliveries, bodies } = await bench.store.page({ clientId: "alice", after, limit, bytesMax });
  return {
    sequences: deliveries.map(({ sequence }) => sequence),
    bodyIds: bodies.map(({ bodyId }) => bodyId).sort((a, b) => a - b),
  };
}

/** What makes every other delivery one of a shared group. */
function given(n: number): { shared: string } {
  return { shared: n % 2 === 0 ? "$share/g/a" : "" };
}

export function pageContract(contract: Contract): void {
  contract("pages follow one another by sequence, each with its bodies, to the end", async (bench) => {
    await fill(bench, 5);
    assert.deepEqual(await page(bench, 0, 2), { sequences: [2, 4], bodyIds: [1, 2] });
    assert.deepEqual(await page(bench, 4, 2), { sequences: [6, 8], bodyIds: [3, 4] });
    assert.deepEqual(await page(bench, 8, 2), { sequences: [10], bodyIds: [5] });
    assert.deepEqual(await page(bench, 10, 2), { sequences: [], bodyIds: [] });
    const nobody = await bench.store.page({ clientId: "nobody", after: 0, limit: 9, bytesMax: 1e6 });
    assert.deepEqual(nobody, { deliveries: [], bodies: [] });
  });

  contract("a page ends before it weighs more than is asked for, but for its first delivery", async (bench) => {
    const sizes = [10, 10, 50, 10, 10];
    const writes = sizes.flatMap((size, i) => [
      body(i + 1, { topic: "t", payload: new Uint8Array(size - 3), properties: new Uint8Array(2) }),
      delivery("alice", i + 1, i + 1),
    ]);
    await bench.commit([session("alice"), ...writes]);
    assert.deepEqual((await page(bench, 0, 9, 20)).sequences, [1, 2], "to the byte");
    assert.deepEqual((await page(bench, 0, 9, 19)).sequences, [1]);
    assert.deepEqual((await page(bench, 2, 9, 20)).sequences, [3], "a large one comes alone");
    assert.deepEqual((await page(bench, 3, 1, 20)).sequences, [4], "or earlier by number");
    assert.deepEqual((await page(bench, 0, 9, 90)).sequences, [1, 2, 3, 4, 5]);
    assert.deepEqual((await page(bench, 5, 9, 0)).sequences, []);
    assert.deepEqual((await page(bench, 4, 9, 0)).sequences, [5]);
  });

  contract(
    "a shared body weighs in each page that has it, and what a shared group gave is weighed by itself",
    async (bench) => {
      const large = body(1, { payload: new Uint8Array(1_000) });
      await bench.commit([session("alice"), large, ...[1, 2, 3, 4].map((n) => delivery("alice", n, 1, given(n)))]);
      assert.deepEqual(await page(bench, 0, 9, 2_500), { sequences: [1, 2], bodyIds: [1] });
      const request = { clientId: "alice", after: 0, limit: 9, bytesMax: 2_500, sharedOnly: true };
      const { deliveries } = await bench.store.page(request);
      assert.deepEqual(deliveries.map(({ sequence }) => sequence), [2, 4]);
    },
  );

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
    const { deliveries, bodies } = await bench.store.page({ clientId: "alice", after: 0, limit: 9, bytesMax: 1e6 });
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

  contract(
    "a start gets of heavy messages what the window may weigh, and of one that is heavier that one",
    async (bench) => {
      const mib = 1024 * 1024;
      for (const [clientId, size, from] of [["alice", mib, 1], ["bob", 5 * mib, 100]] as const) {
        await bench.commit([session(clientId)]);
        for (let n = from; n < from + 6; n++) {
          await bench.commit([body(n, { payload: new Uint8Array(size) }), delivery(clientId, n, n)]);
        }
      }
      const { deliveries, bodies, backlogs } = await bench.load();
      const sequences = (clientId: string) =>
        deliveries.filter((each) => each.clientId === clientId).map(({ sequence }) => sequence);
      assert.ok(4 * mib <= QUEUE_WINDOW_BYTES && QUEUE_WINDOW_BYTES < 5 * mib);
      assert.deepEqual(sequences("alice"), [1, 2, 3], "with their topics, four are too much");
      assert.deepEqual(sequences("bob"), [100]);
      assert.equal(bodies.length, 4);
      assert.deepEqual(backlogs.map(({ clientId, total }) => [clientId, total]).toSorted(), [["alice", 3], ["bob", 5]]);
    },
  );

  contract(
    "a start gets of all sessions together what all windows may weigh, and tells of all the rest",
    async (bench) => {
      const count = 40;
      const body2MiB = { payload: new Uint8Array(2 * 1024 * 1024) };
      for (let n = 1; n <= count; n++) {
        await bench.commit([session(`c${n}`), body(n, body2MiB), delivery(`c${n}`, n, n)]);
      }
      await bench.commit([{ kind: "delivery-sent", clientId: `c${count}`, sequence: count, packetId: 7 }]);
      const { deliveries, backlogs } = await bench.load();
      const waiting = deliveries.filter(({ packetId }) => packetId === 0);
      assert.equal(waiting.length, QUEUE_WINDOWS_BYTES / body2MiB.payload.length);
      assert.equal(waiting.length + backlogs.length, count - 1, "what was sent is there whatever it weighs");
      assert.equal(deliveries.at(-1)!.packetId, 7);
    },
  );

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
