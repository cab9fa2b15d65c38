import assert from "node:assert/strict";
import type { QueueCompaction, QueueCompactionRequest, QueueStore } from "../../src/core/queue/ports.ts";
import type { Queues } from "../../src/core/queue/queues.ts";
import type { Turn } from "../../src/core/turn.ts";
import { QueueLoads } from "../../src/server/queue_loads.ts";

/** What the queues hear of a compaction by a store that looks at `piece` offsets at a time, up to `end`. */
async function heard(piece: number, end: number): Promise<number[]> {
  const pieces: number[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const compactQueue = ({ logId, from, to }: QueueCompactionRequest) => {
    return Promise.resolve({ logId, to: Math.min(from + piece, end, to), removed: [] });
  };
  const compacted = ({ to }: QueueCompaction) => {
    pieces.push(to);
    if (to === end) setTimeout(resolve, 0); // one more would have come by then
  };
  const loads = new QueueLoads({
    queues: { compacted } as unknown as Queues,
    store: { compactQueue } as unknown as QueueStore,
    decide: (decide) => decide({} as Turn),
    onFailure: reject,
  });
  loads.answer({ kind: "compaction", request: { logId: 2, from: 3, to: 30, tombstonesBefore: 0 } });
  await promise;
  return pieces;
}

Deno.test("a compaction that the store does in pieces goes on to its end", async () => {
  assert.deepEqual(await heard(10, 30), [13, 23, 30]);
});

Deno.test("a compaction that gets no further ends", async () => {
  assert.deepEqual(await heard(10, 18), [13, 18, 18]);
});
