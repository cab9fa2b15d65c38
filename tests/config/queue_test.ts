/** The keys of durable queues: each, for all queues or for one, changes what the queue is. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { variableOf } from "../../src/config/environment.ts";
import { loadConfig } from "../../src/config/load.ts";
import { QUEUE_KEY_NAMES } from "../../src/config/settings/queue.ts";
import { DEFAULT_QUEUE, type QueueDefinition } from "../../src/core/queue/definition.ts";
import { queueDocument, readQueueDocument } from "../../src/config/queue_document.ts";
import { KEYS, nested } from "./queue_keys.ts";
import { load, problemsOf } from "./support.ts";

for (const [key, [text, read, expected]] of Object.entries(KEYS)) {
  // Compaction is for streams.
  const beside = key === "retention.compaction_enabled" ? "type: stream, " : "";

  Deno.test(`queue.${key} holds for queues that do not say otherwise`, () => {
    assert.notDeepEqual(read(DEFAULT_QUEUE), expected);
    const { template, definitions } = load(`queue: { ${beside}${nested(key, text)} }\nqueues: [{ name: a }]`).queues;
    assert.deepEqual(read(template), expected);
    assert.deepEqual(read(definitions[0]), expected);
    const env = { ...(beside === "" ? {} : { WEIR_QUEUE_TYPE: "stream" }), [variableOf(`queue.${key}`)]: text };
    assert.deepEqual(read(loadConfig({ env }).queues.template), expected);
  });

  Deno.test(`queues[].${key} holds for that queue alone`, () => {
    const { template, definitions } = load(`queues: [{ name: a, ${beside}${nested(key, text)} }, { name: b }]`).queues;
    assert.deepEqual(read(definitions[0]), expected);
    assert.deepEqual([read(template), read(definitions[1])], [read(DEFAULT_QUEUE), read(DEFAULT_QUEUE)]);
  });
}

Deno.test("every key of a queue can be said in JSON, with the same value and the same meaning", () => {
  for (const [key, [text, read, expected]] of Object.entries(KEYS)) {
    const [group, name] = key.split(".");
    const written = parse(text);
    const { retention, limits, backoff, ...rest } = readQueueDocument(
      "a",
      name === undefined ? { [group]: written } : { [group]: { [name]: written } },
    );
    const merged = {
      ...{ ...DEFAULT_QUEUE, ...rest },
      retention: { ...DEFAULT_QUEUE.retention, ...retention },
      limits: { ...DEFAULT_QUEUE.limits, ...limits },
      backoff: { ...DEFAULT_QUEUE.backoff, ...backoff },
    };
    assert.deepEqual(read(merged), expected, key);
    const document = queueDocument({ ...merged, name: "a" }) as Record<string, Record<string, unknown>>;
    assert.deepEqual(name === undefined ? document[group] : document[group][name], plain(written), key);
  }
  assert.deepEqual(readQueueDocument("a", { topics: ["a/#"] }), { ...readQueueDocument("a", {}), topics: ["a/#"] });
});

Deno.test("every key of a queue is in the table above", () => {
  assert.deepEqual(Object.keys(KEYS).toSorted(), QUEUE_KEY_NAMES.toSorted());
});

Deno.test("the defaults of the configuration are those of the library", () => {
  const { template, autoCreate, queuesMax, groupsMax, definitions } = loadConfig().queues;
  assert.deepEqual(template, DEFAULT_QUEUE);
  assert.deepEqual([autoCreate, queuesMax, groupsMax, definitions], [true, 1_000, 10_000, []]);
});

Deno.test("queue.auto_create, queue.max_queues and queue.max_groups have an effect", () => {
  const env = { WEIR_QUEUE_AUTO_CREATE: "false", WEIR_QUEUE_MAX_QUEUES: "7", WEIR_QUEUE_MAX_GROUPS: "8" };
  for (const { queues } of [load("queue: { auto_create: false, max_queues: 7, max_groups: 8 }"), loadConfig({ env })]) {
    assert.deepEqual([queues.autoCreate, queues.queuesMax, queues.groupsMax], [false, 7, 8]);
  }
});

Deno.test("a queue copies the topics that it names", () => {
  const [queue] = load(`queues: [{ name: readings, topics: ["sensors/#", "+/alarm"] }]`).queues.definitions;
  assert.deepEqual<QueueDefinition>(queue, { ...DEFAULT_QUEUE, name: "readings", topics: ["sensors/#", "+/alarm"] });
});

Deno.test("the block that is recommended for event-driven systems loads, replication left aside", () => {
  const yaml = `
queue:
  ordering: partition              # FIFO per aggregate/entity
  partitions: 50-100               # Balance parallelism vs overhead
  retention:
    retention_time: 168h           # 7 days for replay
  replication:
    enabled: true
    replication_factor: 3          # Survive node failures
    mode: sync                     # Don't lose events
    min_in_sync_replicas: 2        # Quorum writes
`;
  const replication =
    "weir.yaml:7:3: queue.replication: this version of Weir does not support replication of queues; remove it";
  assert.deepEqual(problemsOf(yaml), [
    'weir.yaml:4:15: queue.partitions: expected a whole number from 1 to 1000, found the text "50-100"',
    replication,
  ]);
  const numbered = yaml.replace("50-100", "64");
  assert.deepEqual(problemsOf(numbered), [replication]);
  const { template } = load(numbered.replace(/ {2}replication:[^]*/, "")).queues;
  assert.deepEqual([template.partitions, template.retention.ageMs], [64, 604_800_000]);
});

Deno.test("a queue with strict order has one partition without being told", () => {
  assert.equal(load("queues: [{ name: a, ordering: strict }]").queues.definitions[0].partitions, 1);
});

const PROBLEMS: Readonly<Record<string, string>> = {
  "queues: [{ name: a, ordering: strict, partitions: 2 }]":
    "weir.yaml:1:51: queues[0].partitions: a queue with ordering: strict has one partition",
  "queues: [{ name: a, retention: { compaction_enabled: true } }]":
    "weir.yaml:1:54: queues[0].retention.compaction_enabled: only a queue with type: stream can be compacted",
  "queue: { retry: { initial_backoff: 1m, max_backoff: 1s } }":
    "weir.yaml:1:53: queue.retry.max_backoff: it is shorter than retry.initial_backoff",
  "queues: [{ name: a }, { name: a }]": 'weir.yaml:1:31: queues[1].name: "a" is already there as queues[0]',
  "queues: [{ name: a/b }]":
    'weir.yaml:1:18: queues[0].name: expected a name of 1 to 128 letters, digits, -, _ and ., found the text "a/b"',
  'queues: [{ name: a, topics: ["$SYS/#"] }]':
    'weir.yaml:1:29: queues[0].topics: expected a list of topic filters such as ["sensors/#"], found another one',
  "queues: [{ name: a, topics: 5 }]":
    'weir.yaml:1:29: queues[0].topics: expected a list of topic filters such as ["sensors/#"], found the number 5',
  "queues: [{ name: a, retry: { max_retry: 1 } }]":
    'weir.yaml:1:30: queues[0].retry.max_retry: unknown key; did you mean "max_retries"?',
  "queues: [{ name: a, retry: 3 }]": "weir.yaml:1:28: queues[0].retry: expected keys, found the number 3",
  "queues: [{ name: a, dlq: { topic: x } }]":
    "weir.yaml:1:28: queues[0].dlq.topic: there is no such key in Weir: dead letters are in $queue/<name>/$dlq",
  "queues: [{ name: a, replication: { enabled: true } }]":
    "weir.yaml:1:21: queues[0].replication: this version of Weir does not support replication of queues; remove it",
};

for (const [yaml, message] of Object.entries(PROBLEMS)) {
  Deno.test(`refused: ${yaml}`, () => assert.deepEqual(problemsOf(yaml), [message]));
}

/** A size in JSON is a number of bytes, and a time in its longest unit. */
function plain(value: unknown): unknown {
  const written: Readonly<Record<string, unknown>> = { "1GiB": 1024 ** 3, "64MiB": 64 * 1024 ** 2, "4KiB": 4096 };
  if (value === "0s") return 0;
  return value === "168h" ? "7d" : written[`${value}`] ?? value;
}
