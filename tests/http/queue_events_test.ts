import assert from "node:assert/strict";
import { openQueueEvents } from "../../src/bridge/http/queue_events.ts";
import type { GuestQueueMessage } from "../../src/bridge/queue_gateway.ts";

/** A stream over these pulls; what happens at its end is noted. */
function streamed(ends: string[], ...pulls: Promise<GuestQueueMessage[]>[]): Promise<ReadableStream<Uint8Array>> {
  return openQueueEvents({
    place: { [Symbol.dispose]: () => void ends.push("place") },
    signal: new AbortController().signal,
    pull: () => pulls.shift()!,
    heartbeatMs: 1,
    document: () => ({}),
    leave: () => Promise.resolve(void ends.push("group")),
  });
}

Deno.test("a stream of a queue ends once, when what it waited for has come", async () => {
  const ends: string[] = [];
  const { promise, resolve } = Promise.withResolvers<[]>();
  const reader = (await streamed(ends, Promise.resolve([]), promise)).getReader();
  await reader.read(); // what it begins with
  const waiting = reader.read();
  const cancelled = reader.cancel();
  assert.equal((await waiting).done, true);
  assert.deepEqual(ends, []);
  resolve([]);
  await cancelled;
  assert.deepEqual(ends, ["group", "place"]);
});

Deno.test("a stream of a queue that nobody begins to read ends as well", async () => {
  const ends: string[] = [];
  await (await streamed(ends, Promise.resolve([]))).cancel();
  assert.deepEqual(ends, ["group", "place"]);
});

Deno.test("a stream of a queue whose first pull is refused has no group to leave", async () => {
  const ends: string[] = [];
  await assert.rejects(streamed(ends, Promise.reject(new TypeError("no"))), TypeError);
  assert.deepEqual(ends, ["place"]);
});
