import assert from "node:assert/strict";
import fc from "fast-check";
import type { Message } from "../../src/core/message.ts";
import { RetainedTree } from "../../src/core/retained_tree.ts";
import { filterMatches } from "../../src/core/topic.ts";
import { messageOf, payloadOf } from "./building.ts";
import { anyFilter, anyTopic, matchesByExpression } from "./matcher.ts";

const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("set" as const), topic: anyTopic, payload: fc.string() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), topic: anyTopic }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("match" as const), filter: anyFilter }) },
);

function names(messages: Iterable<Message>): string[] {
  return [...messages].map((message) => `${message.topic.name} ${payloadOf(message)}`).sort();
}

/** What the messages have, and 96 bytes for each place in the tree: a topic, and whatever stands before one of its slashes. */
function bytesOf(messages: readonly Message[]): number {
  const places = new Set(messages.flatMap(({ topic }) => {
    const levels = topic.name.split("/");
    return levels.map((_, depth) => levels.slice(0, depth + 1).join("/"));
  }));
  return messages.reduce((sum, { size }) => sum + size, places.size * 96);
}

function holds(retained: RetainedTree, model: ReadonlyMap<string, Message>): void {
  assert.equal(retained.count, model.size);
  assert.equal(retained.bytes, bytesOf([...model.values()]));
  for (const [topic, message] of model) assert.equal(retained.get(topic), message);
}

Deno.test("match answers what a map of all topics answers, while messages come and go", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const retained = new RetainedTree();
      const model = new Map<string, Message>();
      for (const step of steps) {
        if (step.kind === "set") {
          const message = messageOf(step.topic, { payload: step.payload });
          const bytes = retained.bytes + retained.growth(message);
          retained.set(message);
          assert.equal(retained.bytes, bytes);
          model.set(step.topic, message);
        } else if (step.kind === "delete") {
          assert.equal(retained.delete(step.topic), model.get(step.topic));
          model.delete(step.topic);
        } else {
          const { filter } = step;
          const expected = [...model.values()].filter(({ topic }) => matchesByExpression(filter, topic.name));
          assert.deepEqual(names(retained.match(filter)), names(expected), filter);
          for (const message of expected) assert.ok(filterMatches(filter, message.topic.name));
        }
        holds(retained, model);
      }
      assert.deepEqual(
        names(retained.match("#")),
        names([...model.values()].filter(({ topic }) => !topic.isReserved)),
      );
    }),
    { numRuns: 400 },
  );
});

Deno.test("[MQTT-4.7.2-1] a leading wildcard finds no $ topic, a named first level does", () => {
  const retained = new RetainedTree();
  for (const topic of ["$SYS", "$SYS/a", "a/$SYS", "a"]) retained.set(messageOf(topic));
  assert.deepEqual(names(retained.match("#")), ["a ", "a/$SYS "]);
  assert.deepEqual(names(retained.match("+")), ["a "]);
  assert.deepEqual(names(retained.match("+/#")), ["a ", "a/$SYS "]);
  assert.deepEqual(names(retained.match("+/a")), []);
  assert.deepEqual(names(retained.match("$SYS/#")), ["$SYS ", "$SYS/a "]);
  assert.deepEqual(names(retained.match("a/+")), ["a/$SYS "]);
});

Deno.test("a message is in the place of the topic's former one, and the tree shrinks with the last", () => {
  const retained = new RetainedTree();
  retained.set(messageOf("a/b", { payload: "one" }));
  retained.set(messageOf("a/b", { payload: "second" }));
  assert.equal(retained.count, 1);
  assert.equal(retained.bytes, "a/b".length + "second".length + 2 * 96);
  assert.equal(retained.delete("a"), undefined);
  assert.equal(payloadOf(retained.delete("a/b")!), "second");
  assert.equal(retained.delete("a/b"), undefined);
  assert.deepEqual([retained.count, retained.bytes, retained.match("#").length], [0, 0, 0]);
});

Deno.test("the deepest topic is found without recursion", () => {
  const retained = new RetainedTree();
  const deep = "/".repeat(65_534);
  retained.set(messageOf(deep));
  assert.equal(retained.match("#").length, 1);
  assert.equal(retained.match("/#").length, 1);
  assert.equal(retained.match(deep).length, 1);
  assert.ok(retained.delete(deep));
});
