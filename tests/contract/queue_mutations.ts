// Mutations of queues to hand to a store, and what it answers in an order and a shape that can be compared.
import type { Mutation } from "../../src/core/mutation.ts";
import type { Store } from "../../src/core/ports.ts";
import { DEFAULT_QUEUE, type QueueDefinition } from "../../src/core/queue/definition.ts";
import type { StoredQueueConsumer, StoredQueueFailure, StoredQueueGroup } from "../../src/core/queue/mutation.ts";
import type { QueueStore } from "../../src/core/queue/ports.ts";
import type { QueueEntry, QueueRecord } from "../../src/core/queue/record.ts";
import { line } from "./mutations.ts";

type Of<Kind extends Mutation["kind"]> = Extract<Mutation, { kind: Kind }>;

export function queue(queueId: number, rest: Partial<QueueDefinition> = {}): Of<"queue-saved"> {
  return { kind: "queue-saved", queueId, definition: { name: `q${queueId}`, ...DEFAULT_QUEUE, ...rest } };
}

export function log(logId: number, queueId: number, partition = 0, priority = 0): Of<"queue-log-opened"> {
  return { kind: "queue-log-opened", logId, queueId, partition, priority };
}

export function entry(rest: Partial<QueueEntry> = {}): QueueEntry {
  const names = { topic: "$queue/q", sourceTopic: "", key: "", messageKey: "", group: "" };
  const bytes = { properties: new Uint8Array(), payload: Uint8Array.of(7) };
  return { ...names, priority: 0, expiresAt: Infinity, origin: undefined, ...bytes, ...rest };
}

export function record(offset: number, rest: Partial<QueueRecord> = {}): QueueRecord {
  return { ...entry(), offset, appendedAt: 1_000 + offset, ...rest };
}

export function appended(logId: number, offset: number, rest: Partial<QueueRecord> = {}): Of<"queue-appended"> {
  return { kind: "queue-appended", logId, record: record(offset, rest) };
}

export function group(groupId: number, queueId: number, rest: Partial<StoredQueueGroup> = {}): Of<"queue-group-saved"> {
  const same = { name: `g${groupId}`, filter: "#", clientId: "", idleSince: 0 };
  return { kind: "queue-group-saved", groupId, queueId, ...same, ...rest };
}

export function settled(
  place: { groupId: number; logId: number },
  range: readonly [number, number],
  position: number,
): Of<"queue-settled"> {
  return { kind: "queue-settled", ...place, from: range[0], to: range[1], position };
}

export function failed(
  place: { groupId: number; logId: number },
  offset: number,
  rest: Partial<StoredQueueFailure> = {},
): Of<"queue-failed"> {
  return { kind: "queue-failed", ...place, offset, failures: 1, failedAt: 5, dueAt: 10, ...rest };
}

export function consumer(
  clientId: string,
  filter: string,
  rest: Partial<StoredQueueConsumer> = {},
): Of<"queue-consumer-saved"> {
  const same = { qos: 1, group: "g", isNamed: true, prefetch: 0, subscriptionId: 0 } as const;
  return { kind: "queue-consumer-saved", clientId, filter, ...same, ...rest };
}

/** The queues of a store, which has some. */
export function queuesOf(store: Store): QueueStore {
  if (store.queues === undefined) throw new Error("Cannot test the queues of this store: it has none");
  return store.queues;
}

/** Every record of a log. */
export async function recordsOf(store: Store, logId: number, from = 0): Promise<QueueRecord[]> {
  const records: QueueRecord[] = [];
  for (;;) {
    const request = { logId, from, to: Number.MAX_SAFE_INTEGER, limit: 7, bytesMax: 1_000 };
    const page = await queuesOf(store).queuePage(request);
    if (page.length === 0) return records.map(plain);
    records.push(...page);
    from = page.at(-1)!.offset + 1;
  }
}

/** With bytes of its own, to compare it. */
export function plain(record: QueueRecord): QueueRecord {
  const { properties, payload } = record;
  return { ...record, properties: Uint8Array.from(properties), payload: Uint8Array.from(payload) };
}

/** All that queues hold, messages too, in an order of its own. Of segments only the sum: stores may close them earlier. */
export async function queueContents(store: Store): Promise<Record<string, unknown>> {
  const loaded = await queuesOf(store).loadQueues();
  const byText = (a: object, b: object) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
  const logs = [];
  for (const { segments, ...each } of loaded.logs) {
    const sum = segments.reduce((sum, { count, bytes }) => ({ count: sum.count + count, bytes: sum.bytes + bytes }), {
      count: 0,
      bytes: 0,
    });
    logs.push({ ...each, ...sum, records: (await recordsOf(store, each.logId)).map(line) });
  }
  const { delays, nextAt } = await queuesOf(store).queueDelays(Infinity, 1_000);
  return {
    queues: loaded.queues.toSorted((a, b) => a.queueId - b.queueId),
    logs: logs.sort((a, b) => a.logId - b.logId),
    groups: loaded.groups.toSorted((a, b) => a.groupId - b.groupId).map((each) => ({ ...each })),
    positions: loaded.positions.map((each) => ({ ...each })).sort(byText),
    failures: loaded.failures.map(({ groupId, logId, offset, failures, failedAt, dueAt }) => {
      return { groupId, logId, offset, failures, failedAt, dueAt };
    }).sort(byText),
    delayed: loaded.delayed.map(({ queueId, count, bytes }) => ({ queueId, count, bytes })).sort(byText),
    delays: delays.map(({ delayId, queueId, partition, dueAt }) => ({ delayId, queueId, partition, dueAt })),
    nextDelayAt: [loaded.nextDelayAt, nextAt],
    keys: loaded.keys.map(({ queueId, messageKey, at }) => ({ queueId, messageKey, at })).sort(byText),
    consumers: loaded.consumers.map((each) => ({ ...each })).sort(byText),
    lastId: loaded.lastId,
  };
}
