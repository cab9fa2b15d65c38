/** What rows of the memory store take in memory: the bytes that a client chose, and for everything around them a constant, what the
 * process grew by for each of many with the core's part of it (docs/decisions/0039-one-bound-on-memory.md has the figures). Text counts
 * one byte a character. */
import type { StoredBody, StoredSubscription, StoredWill } from "../core/mutation.ts";
import type { QueueDefinition } from "../core/queue/definition.ts";
import type { StoredQueueConsumer, StoredQueueGroup, StoredQueueKey } from "../core/queue/mutation.ts";
import { type QueueEntry, recordBytes } from "../core/queue/record.ts";

/** A message that waits for a session or is under way to it, without its body. */
export const DELIVERY_BYTES = 300;

/** A packet id that waits for PUBREL. */
export const RECEIVED_BYTES = 100;

/** One partition and priority of a queue. */
export const LOG_BYTES = 3_500;

/** How far a group is in one log. */
export const PLACE_BYTES = 1_500;

/** A delivery that has failed. */
export const FAILURE_BYTES = 300;

const SESSION_BYTES = 2_000;
const SUBSCRIPTION_BYTES = 900;
const BODY_BYTES = 800;
const RETAINED_BYTES = 800;
const WILL_BYTES = 1_500;
const QUEUE_BYTES = 3_000;
const PARTITION_BYTES = 100;
const RECORD_BYTES = 700;
const GROUP_BYTES = 6_000;
const KEY_BYTES = 300;
const CONSUMER_BYTES = 1_000;

/** A level of a filter or of a retained topic: in the worst case no other has it. */
const LEVEL_BYTES = 100;

export function sessionWeight({ session }: { session: { clientId: string; username: string | undefined } }): number {
  return SESSION_BYTES + session.clientId.length + (session.username?.length ?? 0);
}

export function subscriptionWeight({ filter }: StoredSubscription): number {
  return SUBSCRIPTION_BYTES + levelsWeight(filter);
}

export function bodyWeight({ body: { topic, properties, payload } }: { body: StoredBody }): number {
  return BODY_BYTES + topic.length + properties.length + payload.length;
}

/** That a topic has a retained message, without its body. */
export function retainedWeight(topic: string): number {
  return RETAINED_BYTES + levelsWeight(topic);
}

export function willWeight({ topic, properties, payload, author }: StoredWill): number {
  const bytes = topic.length + properties.length + payload.length;
  return WILL_BYTES + bytes + (author === undefined ? 0 : JSON.stringify(author).length);
}

export function queueWeight({ name, topics, partitions }: QueueDefinition): number {
  const captures = topics.reduce((sum, topic) => sum + levelsWeight(topic), 0);
  return QUEUE_BYTES + name.length + partitions * PARTITION_BYTES + captures;
}

/** A message of a queue, in its log or before it is due. */
export function entryWeight(entry: QueueEntry): number {
  const { sourceTopic, key, messageKey, group, origin } = entry;
  const names = sourceTopic.length + key.length + messageKey.length + group.length;
  return RECORD_BYTES + recordBytes(entry) + names + (origin === undefined ? 0 : JSON.stringify(origin).length);
}

export function groupWeight({ group: { name, filter, clientId } }: { group: StoredQueueGroup }): number {
  return GROUP_BYTES + name.length + filter.length + clientId.length;
}

export function keyWeight({ messageKey }: StoredQueueKey): number {
  return KEY_BYTES + messageKey.length;
}

export function consumerWeight({ clientId, filter, group }: StoredQueueConsumer): number {
  return CONSUMER_BYTES + clientId.length + filter.length + group.length;
}

function levelsWeight(topic: string): number {
  let levels = 1;
  for (let at = topic.indexOf("/"); at >= 0; at = topic.indexOf("/", at + 1)) levels++;
  return topic.length + levels * LEVEL_BYTES;
}
