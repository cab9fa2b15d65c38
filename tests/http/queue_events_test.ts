import assert from "node:assert/strict";
import { queueEvents } from "../../src/bridge/http/queue_events.ts";

Deno.test("a stream of a queue ends once, though what it waited for comes afterwards", async () => {
  let ends = 0;
  const { promise, resolve } = Promise.withResolvers<[]>();
  const stream = queueEvents({ first: [], next: () => promise, document: () => ({}), onEnd: () => ends++ });
  const reader = stream.getReader();
  await reader.read(); // what it begins with
  const waiting = reader.read();
  await reader.cancel();
  resolve([]);
  await waiting;
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(ends, 1);
});
