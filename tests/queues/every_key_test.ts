/** Every key of a queue changes what happens: the same scene without it and with it, from the YAML to the messages. */
import assert from "node:assert/strict";
import { load } from "../config/support.ts";
import type { QueueValues } from "../../src/config/settings/queue.ts";
import { BrokerOfQueues, type StubConsumer } from "../core/queue/broker_of_queues.ts";

interface Scene {
  /** The value of the key, as written. */
  readonly value: unknown;
  /** What else the queue says in both cases. */
  readonly beside?: Readonly<Record<string, unknown>>;
  readonly happens: (broker: BrokerOfQueues) => unknown;
  readonly without: unknown;
  readonly with: unknown;
}

const SCENES: Readonly<Record<keyof QueueValues, Scene>> = {
  type: { value: "stream", happens: seenByNewGroup, without: ["1"], with: [] },
  partitions: { value: 4, happens: partitionsUsed, without: 1, with: 4 },
  ordering: { value: "none", happens: heldOfOneKey, without: ["1"], with: ["1", "2"] },
  "retention.retention_time": { value: "1m", happens: storedAfterMinutes, without: 3, with: 1 },
  "retention.retention_bytes": { value: "1KiB", happens: storedAfterMinutes, without: 3, with: 2 },
  "retention.retention_messages": { value: 1, happens: storedAfterMinutes, without: 3, with: 1 },
  "retention.compaction_enabled": {
    ...{ value: true, beside: { type: "stream", deduplication_window: "0s" }, without: ["old", "new"], with: ["new"] },
    happens: (broker) => leftOfOneSubject(broker, 600_000),
  },
  "retention.compaction_lag": {
    value: "0s",
    beside: { type: "stream", retention: { compaction_enabled: true } },
    ...{ happens: (broker) => leftOfOneSubject(broker, 60_000), without: ["old", "new"], with: ["new"] },
  },
  "limits.max_depth": { value: 2, happens: takenOfThree, without: 3, with: 2 },
  "limits.max_bytes": { value: 1200, happens: takenOfThree, without: 3, with: 1 },
  "limits.max_message_size": { value: 600, happens: takenOfThree, without: 3, with: 0 },
  "limits.message_ttl": { value: "5s", happens: seenAfterTenSeconds, without: ["1"], with: [] },
  visibility_timeout: { value: "1s", happens: deliveriesInThreeSeconds, without: 1, with: 2 },
  "retry.max_retries": { value: 0, happens: deadAfterOneFailure, without: 0, with: 1 },
  "retry.initial_backoff": {
    value: "4s",
    happens: (broker) => deliveriesAfterFailures(broker, 1),
    without: 2,
    with: 1,
  },
  "retry.max_backoff": { value: "1s", happens: (broker) => deliveriesAfterFailures(broker, 2), without: 2, with: 3 },
  "retry.multiplier": { value: 1, happens: (broker) => deliveriesAfterFailures(broker, 2), without: 2, with: 3 },
  "retry.jitter": { value: 0.5, happens: (broker) => deliveriesAfterFailures(broker, 1, 600), without: 1, with: 2 },
  "dlq.enabled": { value: false, happens: queuesAfterReject, without: ["q", "q/$dlq"], with: ["q"] },
  prefetch: { value: 1, happens: heldOfThree, without: 3, with: 1 },
  deduplication_window: { value: "0s", happens: storedOfTwins, without: 1, with: 2 },
  group_expiry: { value: "1m", happens: groupsAfterTwoMinutes, without: 1, with: 0 },
};

for (const [key, { value, beside = {}, happens, ...expected }] of Object.entries(SCENES)) {
  Deno.test(`queues[].${key} changes what happens`, () => {
    assert.deepEqual(happens(brokerWith(beside)), expected.without, "without it");
    assert.deepEqual(happens(brokerWith(merged(beside, nested(key, value)))), expected.with, "with it");
  });
}

type Document = Readonly<Record<string, unknown>>;

function nested(key: string, value: unknown): Document {
  const [group, name] = key.split(".");
  return { [group]: name === undefined ? value : { [name]: value } };
}

function merged(one: Document, other: Document): Document {
  const both = { ...one, ...other };
  for (const [name, value] of Object.entries(one)) {
    if (typeof value === "object" && typeof other[name] === "object") both[name] = { ...value, ...other[name] };
  }
  return both;
}

/** A broker with the queue `q` as the YAML says: one partition, retries after 1, 2, 4 seconds, and chance always on the short side. */
function brokerWith(document: Document): BrokerOfQueues {
  const plain = { name: "q", partitions: 1, retry: { initial_backoff: "1s", jitter: 0 } };
  const { definitions } = load(JSON.stringify({ queues: [merged(plain, document)] })).queues;
  const broker = new BrokerOfQueues({ random: () => 0 });
  broker.queues.create(definitions[0], broker.turn);
  broker.settle();
  return broker;
}

function put(broker: BrokerOfQueues, ...texts: readonly string[]): void {
  for (const text of texts) broker.publish("q", text);
}

function joined(broker: BrokerOfQueues, ...texts: readonly string[]): StubConsumer {
  put(broker, ...texts);
  return broker.join("alice", { start: { kind: "first" } });
}

function seenByNewGroup(broker: BrokerOfQueues): unknown {
  put(broker, "1");
  return broker.join("alice").seen;
}

function partitionsUsed(broker: BrokerOfQueues): unknown {
  return new Set(["1", "2", "3", "4"].map((text) => broker.publish("q", text).split(":")[1])).size;
}

function heldOfOneKey(broker: BrokerOfQueues): unknown {
  for (const text of ["1", "2"]) broker.publish("q", text, { key: "k" });
  return joined(broker).holding;
}

/** Three messages of 600 bytes, each in a segment of its own. */
function storedAfterMinutes(broker: BrokerOfQueues): unknown {
  for (let i = 0; i < 3; i++) {
    broker.advance(70_000);
    put(broker, "x".repeat(600));
  }
  broker.advance(30_000);
  return broker.queues.view("q")!.stored.count;
}

function leftOfOneSubject(broker: BrokerOfQueues, milliseconds: number): unknown {
  for (const text of ["old", "new"]) broker.publish("q", text, { messageKey: "subject" });
  broker.advance(milliseconds);
  return joined(broker).seen;
}

/** Three messages of 600 bytes and their topic. */
function takenOfThree(broker: BrokerOfQueues): unknown {
  return [1, 2, 3].filter(() => {
    try {
      put(broker, "x".repeat(600));
      return true;
    } catch {
      return false;
    }
  }).length;
}

function seenAfterTenSeconds(broker: BrokerOfQueues): unknown {
  put(broker, "1");
  broker.advance(10_000);
  return joined(broker).seen;
}

function deliveriesInThreeSeconds(broker: BrokerOfQueues): unknown {
  const alice = joined(broker, "1");
  broker.advance(2_900);
  return alice.seen.length;
}

function deadAfterOneFailure(broker: BrokerOfQueues): unknown {
  broker.nack(joined(broker, "1"), "1");
  return broker.queues.view("q/$dlq")?.waiting.count ?? 0;
}

/** Deliveries a second (or so) after each failure. */
function deliveriesAfterFailures(broker: BrokerOfQueues, failures: number, milliseconds = 1_000): unknown {
  const alice = joined(broker, "1");
  for (let i = 0; i < failures; i++) {
    broker.nack(alice, "1");
    broker.advance(milliseconds);
  }
  return alice.seen.length;
}

function queuesAfterReject(broker: BrokerOfQueues): unknown {
  broker.reject(joined(broker, "1"), "1");
  return [...broker.queues.list()].map(({ name }) => name);
}

function heldOfThree(broker: BrokerOfQueues): unknown {
  return joined(broker, "1", "2", "3").holding.length;
}

function storedOfTwins(broker: BrokerOfQueues): unknown {
  for (let i = 0; i < 2; i++) broker.publish("q", "1", { messageKey: "k" });
  return broker.queues.view("q")!.stored.count;
}

function groupsAfterTwoMinutes(broker: BrokerOfQueues): unknown {
  broker.leave(joined(broker), false);
  broker.advance(120_000);
  return broker.queues.view("q")!.groups.length;
}
