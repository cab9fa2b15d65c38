import assert from "node:assert/strict";
import fc from "fast-check";
import { FirstTopics } from "../../src/server/first_topics.ts";
import { messageOf, payloadOf } from "../core/building.ts";

Deno.test("the first topics behind a place come in order, each once and with its latest message, however many there are", () => {
  const anyTopics = fc.array(fc.nat(3_000), { maxLength: 4_000, size: "max" });
  fc.assert(
    fc.property(anyTopics, fc.integer({ min: 1, max: 20 }), fc.option(fc.nat(3_000)), (topics, limit, after) => {
      const first = new FirstTopics(limit, after === null ? undefined : `${after}`);
      const latest = new Map<string, string>();
      for (const [index, topic] of topics.entries()) {
        first.add(messageOf(`${topic}`, { payload: `${index}` }));
        latest.set(`${topic}`, `${index}`);
      }
      const expected = [...latest].filter(([topic]) => after === null || topic > `${after}`)
        .sort(([a], [b]) => a < b ? -1 : 1).slice(0, limit);
      assert.deepEqual(first.inOrder().map((message) => [message.topic.name, payloadOf(message)]), expected);
    }),
    { numRuns: 60 },
  );
});
