/** The documents about durable queues, as JSON Schema describes them. */
import { queueDocumentSchema } from "../../config/queue_document.ts";
import { object } from "./openapi_object.ts";

const COUNT = { type: "integer", minimum: 0 };
const TEXT = { type: "string" };
const TIME = { type: "integer", minimum: 0, description: "Milliseconds since 1970." };
const AMOUNT = object({ count: COUNT, bytes: COUNT });
const IDS = { type: "array", items: TEXT, minItems: 1, maxItems: 1_000 };
const SETTLEMENT = { group: TEXT, messages: IDS };
const DELAY = { type: "string", description: "`500ms`, `30s`, `5m`, `1h`, `1d`." };

const CONTENT = {
  payload: { type: "string", description: "As `encoding` says." },
  encoding: { $ref: "#/components/schemas/Encoding" },
  payload_is_utf8: { type: "boolean" },
  content_type: TEXT,
  response_topic: TEXT,
  correlation_data: { type: "string", contentEncoding: "base64" },
  user_properties: {
    type: "array",
    items: { type: "array", items: TEXT, minItems: 2, maxItems: 2 },
    description: "Pairs of name and value, in order, with duplicates.",
  },
};

const ORIGIN = object({
  cause: { type: "string", enum: ["rejected", "delivery-limit"] },
  reason: TEXT,
  message_id: { type: "string", description: "What it was called in its queue." },
  group: TEXT,
  delivery_count: COUNT,
  appended_at: TIME,
  first_failed_at: TIME,
  moved_at: TIME,
});

function list(items: Readonly<Record<string, unknown>>) {
  return { type: "array", items };
}

function ref(name: string) {
  return { $ref: `#/components/schemas/${name}` };
}

export const QUEUE_SCHEMAS = {
  QueueDefinition: queueDocumentSchema(),
  QueueList: object({
    queues: list(object({
      name: TEXT,
      type: TEXT,
      partitions: COUNT,
      waiting: AMOUNT,
      delayed: COUNT,
      dead_letters: COUNT,
      groups: list(object({ name: TEXT, unsettled: COUNT, in_flight: COUNT, members: COUNT })),
    })),
  }),
  QueueGroup: object({
    name: TEXT,
    filter: TEXT,
    client_id: { type: "string", description: "The client whose session it ends with." },
    unsettled: COUNT,
    in_flight: COUNT,
    retrying: COUNT,
    idle_since: TIME,
    members: list(object({ client_id: TEXT, held: COUNT, partitions: list(COUNT) })),
    positions: list(object({ partition: COUNT, priority: COUNT, position: COUNT })),
  }, ["name", "filter", "unsettled", "in_flight", "retrying", "members", "positions"]),
  Queue: object({
    name: TEXT,
    definition: ref("QueueDefinition"),
    waiting: AMOUNT,
    stored: AMOUNT,
    delayed: AMOUNT,
    partitions: list(object({ partition: COUNT, first: COUNT, next: COUNT, count: COUNT, bytes: COUNT })),
    groups: list(ref("QueueGroup")),
    statistics: object({
      appended: COUNT,
      duplicates: COUNT,
      delivered: COUNT,
      acknowledged: COUNT,
      failed: COUNT,
      timed_out: COUNT,
      dead_lettered: COUNT,
      dead_letters_refused: COUNT,
      retired: COUNT,
      dropped: object({ "expired": COUNT, "rejected": COUNT, "delivery-limit": COUNT, "queue-full": COUNT }),
    }),
  }),
  QueueMessage: object({
    message_id: TEXT,
    topic: TEXT,
    ...CONTENT,
    source_topic: TEXT,
    queue: TEXT,
    group: TEXT,
    routing_key: { type: "string", description: "What stands behind the name in the topic." },
    partition_key: TEXT,
    partition: COUNT,
    offset: COUNT,
    delivery_count: COUNT,
    appended_at: TIME,
    held_until: TIME,
    expires_at: TIME,
    dead_letter: ORIGIN,
  }, [
    ...[
      "message_id",
      "topic",
      "payload",
      "encoding",
      "queue",
      "group",
      "partition",
      "offset",
      "delivery_count",
      "appended_at",
      "held_until",
    ],
  ]),
  Pulled: object({ messages: list(ref("QueueMessage")) }),
  Ack: object(SETTLEMENT),
  Nack: object({ ...SETTLEMENT, delay: DELAY }, ["group", "messages"]),
  Reject: object({ ...SETTLEMENT, reason: TEXT }, ["group", "messages"]),
  Extend: object({ ...SETTLEMENT, delay: DELAY }, ["group", "messages"]),
  Settled: object({ settled: COUNT, not_held: list(TEXT) }),
  Leave: object({ group: TEXT }),
  Commit: object({ group: TEXT, partition: COUNT, offset: COUNT }),
  Committed: object({ settled: COUNT }),
  Purged: object({ purged: COUNT }),
  Seek: object({ group: TEXT, to: TEXT, partition: COUNT }, ["group", "to"]),
  DeadLetters: object({
    messages: list(object(
      { message_id: TEXT, topic: TEXT, ...CONTENT, partition_key: TEXT, dead_letter: ORIGIN },
      ["message_id", "topic", "payload", "encoding", "dead_letter"],
    )),
    next: { type: "string", description: "The `after` to go on with, when there are more." },
  }, ["messages"]),
  Replay: object({ messages: IDS, all: { type: "boolean" }, to_every_group: { type: "boolean" } }, []),
  Replayed: object({
    replayed: COUNT,
    refused: { ...COUNT, description: "How many could not go back, and stay." },
    refusals: {
      ...list(object({ message_id: TEXT, reason: TEXT })),
      maxItems: 100,
      description: "Why, for the first hundred of them.",
    },
  }),
  Deleted: object({ deleted: COUNT }),
};
