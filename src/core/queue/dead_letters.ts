import { DEAD_LETTERS, type QueueDefinition } from "./definition.ts";
import type { QueueItem } from "./item.ts";
import type { DeadLetterCause, QueueEntry, QueueRecord } from "./record.ts";
import { queueTopic, routingKeyOf } from "./routing_key.ts";

/** The name of a queue's dead-letter queue. */
export function deadLetterName(queue: string): string {
  return `${queue}/${DEAD_LETTERS}`;
}

/** The queue that a dead-letter queue belongs to; undefined for any other queue. */
export function parentName(name: string): string | undefined {
  const end = `/${DEAD_LETTERS}`;
  return name.endsWith(end) ? name.slice(0, -end.length) : undefined;
}

/** What a dead-letter queue is unless somebody has said more: as its queue, but nothing in it dies or runs out by itself. */
export function deadLetterDefinition(parent: QueueDefinition): QueueDefinition {
  return {
    ...parent,
    name: deadLetterName(parent.name),
    type: "classic",
    topics: [],
    retention: { ageMs: Infinity, bytes: Infinity, messages: Infinity, isCompacted: false, compactionLagMs: 0 },
    limits: { ...parent.limits, ttlMs: Infinity, messageBytes: Infinity },
    deliveryLimit: Infinity,
    hasDeadLetters: false,
    deduplicationMs: 0,
  };
}

/** A message as a dead letter: with its key, its routing key and where it comes from. */
export function deadLetterOf(
  item: QueueItem,
  why: { cause: DeadLetterCause; reason: string },
  now: number,
): QueueEntry {
  const { record, place, failures, failedAt } = item;
  const { group, log } = place;
  const queue = group.queue.name;
  return {
    ...plainEntry(record),
    topic: queueTopic(deadLetterName(queue), routingKeyOf(record.topic, queue)),
    expiresAt: Infinity,
    group: "",
    origin: {
      cause: why.cause,
      reason: why.reason,
      queue,
      partition: log.partition,
      offset: record.offset,
      group: group.name,
      deliveryCount: failures,
      appendedAt: record.appendedAt,
      failedAt,
      movedAt: now,
    },
  };
}

/** A dead letter as it was, for one group only, mostly: the others have had it. */
export function revivedEntry(record: QueueRecord, from: string, group: string): QueueEntry {
  const origin = record.origin!;
  return {
    ...plainEntry(record),
    topic: queueTopic(origin.queue, routingKeyOf(record.topic, from)),
    expiresAt: Infinity,
    group,
    origin: undefined,
  };
}

/** A record without its place. The priority stays; a message key has done its work. */
function plainEntry(record: QueueRecord): QueueEntry {
  const { offset: _offset, appendedAt: _appendedAt, ...entry } = record;
  return entry;
}
