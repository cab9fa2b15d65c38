import assert from "node:assert/strict";
import { isQueueName, parseQueueFilter, parseQueueTopic, readableBy } from "../../../src/core/queue/address.ts";
import { Refusal } from "../../../src/core/refusal.ts";

const TOPICS: readonly (readonly [string, ReturnType<typeof parseQueueTopic>])[] = [
  ["tasks", undefined],
  ["$SYS/uptime", undefined],
  ["$queue", undefined],
  ["$queue/tasks", { queue: "tasks", routingKey: "", verb: undefined }],
  ["$queue/tasks/image/large", { queue: "tasks", routingKey: "image/large", verb: undefined }],
  ["$queue/tasks/", { queue: "tasks", routingKey: "", verb: undefined }],
  ["$queue/tasks/$ack", { queue: "tasks", routingKey: "", verb: "ack" }],
  ["$queue/tasks/image/$nack", { queue: "tasks", routingKey: "image", verb: "nack" }],
  ["$queue/tasks/$dlq", { queue: "tasks/$dlq", routingKey: "", verb: undefined }],
  ["$queue/tasks/$dlq/$reject", { queue: "tasks/$dlq", routingKey: "", verb: "reject" }],
];

for (const [topic, expected] of TOPICS) {
  Deno.test(`the topic ${topic} is ${expected === undefined ? "an ordinary one" : JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseQueueTopic(topic), expected);
  });
}

for (const topic of ["$queue/", "$queue//a", "$queue/$dlq", "$queue/$ack", "$queue/a/$SYS/b", "$queue/a/$ack/b"]) {
  Deno.test(`nothing can be published to ${topic}`, () => {
    assert.throws(() => parseQueueTopic(topic), (error) => {
      return error instanceof Refusal && error.refusal === "topic-name-invalid";
    });
  });
}

Deno.test("a filter names a queue, and what of its routing keys", () => {
  const of = (filter: string, group = "") => parseQueueFilter({ filter, group });
  assert.equal(of("tasks/#"), undefined);
  assert.deepEqual(of("$queue/tasks"), { queue: "tasks", routingFilter: "#", group: "" });
  assert.deepEqual(of("$queue/tasks/#", "g"), { queue: "tasks", routingFilter: "#", group: "g" });
  assert.deepEqual(of("$queue/tasks/image/+"), { queue: "tasks", routingFilter: "image/+", group: "" });
  assert.deepEqual(of("$queue/tasks/$dlq"), { queue: "tasks/$dlq", routingFilter: "#", group: "" });
});

for (const filter of ["$queue/#", "$queue/+", "$queue/+/a", "$queue/", "$queue/$dlq"]) {
  Deno.test(`nobody can subscribe to ${filter}: one queue at a time`, () => {
    assert.throws(() => parseQueueFilter({ filter, group: "" }), Refusal);
  });
}

Deno.test("a queue's name is one level", () => {
  for (const name of ["tasks", "a.b-c_d", "größe", "x".repeat(128)]) assert.ok(isQueueName(name), name);
  for (const name of ["", "a/b", "a+", "#", "$dlq", "x".repeat(129), "a\n", "\ud800"]) {
    assert.ok(!isQueueName(name), name);
  }
});

Deno.test("who reads by the name of a queue alone reads all of it, its dead letters by their own", () => {
  const read = {
    "a": "a",
    "#": "#",
    "$queue/a": "$queue/a/#",
    "$queue/a/$dlq": "$queue/a/$dlq/#",
    "$queue/a/b": "$queue/a/b",
    "$queue/a/+": "$queue/a/+",
    "$queue/a/#": "$queue/a/#",
    "$queue/a/$dlq/b": "$queue/a/$dlq/b",
  };
  for (const [filter, expected] of Object.entries(read)) assert.equal(readableBy(filter), expected, filter);
});
