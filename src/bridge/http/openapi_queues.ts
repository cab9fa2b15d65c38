/** The routes of durable queues, as OpenAPI describes them. */
import { ENCODING, type Json, json, problems, query, ref, WHO } from "./openapi_parts.ts";

const QUEUE = {
  name: "queue",
  in: "path",
  required: true,
  schema: { type: "string" },
  description: "The name of the queue, percent-encoded where it has to be.",
};
const PLACE = [QUEUE, ...WHO];
const DONE = { description: "Done." };
const START = "Where a new group begins: `first`, `last`, `offset=<number>`, or a time such as 2026-11-28T10:00:00Z.";

const DEAD_LETTERS = query("dead_letters", { type: "boolean", default: false }, "Of the queue's dead letters.");
const CONSUMING = [
  query("group", { type: "string" }, "The consumer group; needed."),
  query("filter", { type: "string", default: "#" }, "For the routing key; a `+` is a `+`."),
  query("prefetch", { type: "integer", minimum: 1, maximum: 65_535 }, "Messages held at a time, over all calls."),
  query("start_at", { type: "string" }, START),
  DEAD_LETTERS,
  ENCODING,
];

function body(schema: Json): Json {
  return { required: true, content: { "application/json": { schema } } };
}

function settle(operationId: "ack" | "nack" | "reject" | "extend", summary: string): Json {
  const schemas = { ack: "Ack", nack: "Nack", reject: "Reject", extend: "Extend" } as const;
  return {
    post: {
      operationId,
      summary,
      parameters: PLACE,
      requestBody: body(ref(schemas[operationId])),
      responses: { 200: json("How many were.", ref("Settled")), ...problems(404, 408, 409, 413, 415) },
    },
  };
}

const ADMINISTERING = {
  "/queues": {
    get: {
      operationId: "listQueues",
      summary: "The queues that the caller may administer",
      parameters: WHO,
      responses: { 200: json("By name.", ref("QueueList")), ...problems(404) },
    },
  },
  "/queues/{queue}": {
    get: {
      operationId: "showQueue",
      summary: "A queue with its groups",
      parameters: PLACE,
      responses: { 200: json("The queue.", ref("Queue")), ...problems(404) },
    },
    put: {
      operationId: "createQueue",
      summary: "Makes a queue; what is not said is as the configuration has it under `queue`",
      parameters: PLACE,
      requestBody: body(ref("QueueDefinition")),
      responses: { 201: json("The queue.", ref("Queue")), ...problems(404, 408, 409, 413, 415) },
    },
    patch: {
      operationId: "changeQueue",
      summary: "Changes what is said; partitions only grow, type and ordering stay",
      parameters: PLACE,
      requestBody: body(ref("QueueDefinition")),
      responses: { 200: json("The queue.", ref("Queue")), ...problems(404, 408, 413, 415) },
    },
    delete: {
      operationId: "deleteQueue",
      summary: "Takes a queue away with all that lies in it, its dead letters included",
      parameters: PLACE,
      responses: { 204: DONE, ...problems(404) },
    },
  },
  "/queues/{queue}/purge": {
    post: {
      operationId: "purgeQueue",
      summary: "Takes all messages away, those that are delayed too",
      parameters: PLACE,
      responses: { 200: json("How many lay there.", ref("Purged")), ...problems(404) },
    },
  },
  "/queues/{queue}/groups": {
    delete: {
      operationId: "deleteGroup",
      summary: "Takes a consumer group away",
      parameters: [...PLACE, query("group", { type: "string" }, "Which.")],
      responses: { 204: DONE, ...problems(404) },
    },
  },
  "/queues/{queue}/seek": {
    post: {
      operationId: "seekGroup",
      summary: "Moves a consumer group: `to` is first, last, offset=<number>, or a time",
      parameters: PLACE,
      requestBody: body(ref("Seek")),
      responses: { 204: DONE, ...problems(404, 408, 413, 415) },
    },
  },
  "/queues/{queue}/dead-letters": {
    get: {
      operationId: "listDeadLetters",
      summary: "Looks at dead letters without consuming them",
      parameters: [
        ...PLACE,
        query("limit", { type: "integer", minimum: 1, maximum: 1_000, default: 100 }, "How many at most."),
        query("after", { type: "string" }, "Only those behind this message id."),
        ENCODING,
      ],
      responses: { 200: json("By their place.", ref("DeadLetters")), ...problems(404) },
    },
    delete: {
      operationId: "deleteDeadLetters",
      summary: "Deletes dead letters",
      parameters: [
        ...PLACE,
        query("message_id", { type: "array", items: { type: "string" } }, "Which, any number of times."),
        query("all", { type: "boolean" }, "All."),
      ],
      responses: { 200: json("How many were there.", ref("Deleted")), ...problems(404) },
    },
  },
  "/queues/{queue}/replay": {
    post: {
      operationId: "replayDeadLetters",
      summary: "Sends dead letters back, `messages` or `all`, to the group that they failed in or `to_every_group`",
      parameters: PLACE,
      requestBody: body(ref("Replay")),
      responses: {
        200: json("How many are back, and why others are not.", ref("Replayed")),
        ...problems(404, 408, 409, 413, 415),
      },
    },
  },
};

/** By path. */
export const QUEUES: Json = {
  ...ADMINISTERING,
  "/queues/{queue}/pull": {
    post: {
      operationId: "pull",
      summary: "Waits for messages of a queue, which the caller then holds",
      parameters: [
        ...PLACE,
        query("max", { type: "integer", minimum: 1, maximum: 1_000, default: 1 }, "Messages at most."),
        query("wait", { type: "integer", minimum: 0, maximum: 120, default: 25 }, "Seconds to wait for the first."),
        ...CONSUMING,
      ],
      responses: { 200: json("What has come.", ref("Pulled")), ...problems(404) },
    },
  },
  "/queues/{queue}/subscribe": {
    get: {
      operationId: "subscribeQueue",
      summary: "Messages of a queue as a stream of Server-Sent Events, which the caller then holds",
      parameters: [...PLACE, ...CONSUMING],
      responses: {
        200: {
          description: "Each event is a QueueMessage; the one called `end` says why there are no more.",
          content: { "text/event-stream": { schema: { type: "string" } } },
        },
        ...problems(404),
      },
    },
  },
  "/queues/{queue}/leave": {
    post: {
      operationId: "leaveGroup",
      summary: "Leaves a consumer group: what the caller holds goes to others at once",
      parameters: [...PLACE, DEAD_LETTERS],
      requestBody: body(ref("Leave")),
      responses: { 204: DONE, ...problems(404, 408, 413, 415) },
    },
  },
  "/queues/{queue}/commit": {
    post: {
      operationId: "commit",
      summary: "Says that what the caller holds of a partition is done, up to and with an offset",
      parameters: PLACE,
      requestBody: body(ref("Commit")),
      responses: { 200: json("How many messages that were.", ref("Committed")), ...problems(404, 408, 409, 413, 415) },
    },
  },
  "/queues/{queue}/ack": settle("ack", "Says that messages are done"),
  "/queues/{queue}/nack": settle("nack", "Says that messages failed: they come again after the backoff, or `delay`"),
  "/queues/{queue}/reject": settle("reject", "Says that messages can never be done: they become dead letters"),
  "/queues/{queue}/extend": settle("extend", "Holds messages for `delay` from now, or the visibility timeout"),
};
