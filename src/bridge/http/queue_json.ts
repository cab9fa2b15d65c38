/** Queues and what lies in them as JSON documents. */
import { queueDocument as definitionDocument } from "../../config/queue_document.ts";
import type { QueueGroupView, QueueView } from "../../core/queue/views.ts";
import type { DeadLetterOrigin } from "../../core/queue/record.ts";
import { deadLetterName } from "../../core/queue/dead_letters.ts";
import type { GuestDeadLetter, GuestQueueMessage } from "../queue_gateway.ts";
import { contentDocument, type PayloadEncoding } from "./message_json.ts";

type Json = Readonly<Record<string, unknown>>;

/** A line of the list; `all` holds its dead letters. */
export function summaryDocument({ definition, waiting, delayed, groups }: QueueView, all: readonly QueueView[]): Json {
  const letters = all.find(({ definition: { name } }) => name === deadLetterName(definition.name));
  return {
    name: definition.name,
    type: definition.type,
    partitions: definition.partitions,
    waiting,
    delayed: delayed.count,
    dead_letters: letters?.waiting.count ?? 0,
    groups: groups.map(({ name, unsettled, inFlight, members }) => {
      return { name, unsettled, in_flight: inFlight, members: members.length };
    }),
  };
}

/** Everything of a queue. */
export function queueDocument(
  { definition, waiting, stored, delayed, partitions, groups, statistics }: QueueView,
): Json {
  return {
    name: definition.name,
    definition: definitionDocument(definition),
    waiting,
    stored,
    delayed,
    partitions: partitions.map(({ partition, first, next, count, bytes }) => ({
      partition,
      first,
      next,
      count,
      bytes,
    })),
    groups: groups.map(groupDocument),
    statistics: {
      appended: statistics.appended,
      duplicates: statistics.duplicates,
      delivered: statistics.delivered,
      acknowledged: statistics.acknowledged,
      failed: statistics.failed,
      timed_out: statistics.timedOut,
      dead_lettered: statistics.deadLettered,
      dead_letters_refused: statistics.deadLettersRefused,
      retired: statistics.retired,
      dropped: { ...statistics.dropped },
    },
  };
}

function groupDocument(
  { name, filter, clientId, unsettled, inFlight, retrying, members, ...rest }: QueueGroupView,
): Json {
  return {
    name,
    filter,
    client_id: clientId === "" ? undefined : clientId,
    unsettled,
    in_flight: inFlight,
    retrying,
    idle_since: rest.idleSince === 0 ? undefined : rest.idleSince,
    members: members.map(({ clientId, held, partitions }) => ({ client_id: clientId, held, partitions })),
    positions: rest.positions.map(({ partition, priority, position }) => ({ partition, priority, position })),
  };
}

/** A message that was pulled. */
export function queueMessageDocument(message: GuestQueueMessage, wanted: PayloadEncoding): Json {
  const { messageId, topic, sourceTopic, queue, group, routingKey, partition, offset, key, origin, expiresAt } =
    message;
  return {
    message_id: messageId,
    topic,
    ...contentDocument(message, wanted),
    source_topic: sourceTopic === "" ? undefined : sourceTopic,
    queue,
    group,
    routing_key: routingKey === "" ? undefined : routingKey,
    partition_key: key === "" ? undefined : key,
    partition,
    offset,
    delivery_count: message.deliveryCount,
    appended_at: message.appendedAt,
    held_until: message.heldUntil,
    expires_at: expiresAt === Infinity ? undefined : expiresAt,
    dead_letter: origin === undefined ? undefined : originDocument(origin),
  };
}

/** A dead letter that is looked at. */
export function deadLetterDocument(letter: GuestDeadLetter, wanted: PayloadEncoding): Json {
  const { messageId, topic, key } = letter;
  return {
    message_id: messageId,
    topic,
    ...contentDocument(letter, wanted),
    partition_key: key === "" ? undefined : key,
    dead_letter: originDocument(letter),
  };
}

function originDocument(origin: DeadLetterOrigin): Json {
  return {
    cause: origin.cause,
    reason: origin.reason,
    message_id: `${origin.queue}:${origin.partition}:${origin.offset}`,
    group: origin.group,
    delivery_count: origin.deliveryCount,
    appended_at: origin.appendedAt,
    first_failed_at: origin.failedAt,
    moved_at: origin.movedAt,
  };
}
