/** What the bridge serves, as OpenAPI 3.1 describes it. A test holds it to the routes and to what they answer. */
import { ENCODING, type Json, json, problems, query, ref, WHO } from "./openapi_parts.ts";
import { QUEUES } from "./openapi_queues.ts";
import { SCHEMAS } from "./openapi_schemas.ts";

/** The document of `/openapi.json`. */
export function openApi(): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Weir over HTTP",
      version: "1",
      description:
        "Publish, subscribe, read retained messages and work with durable queues of an MQTT broker. docs/doors/http.md says more.",
    },
    paths: PATHS,
    components: {
      schemas: SCHEMAS,
      securitySchemes: { basic: { type: "http", scheme: "basic" }, bearer: { type: "http", scheme: "bearer" } },
    },
    security: [{}, { basic: [] }, { bearer: [] }],
  };
}

const QOS = { type: "integer", enum: [0, 1, 2], default: 0 };
const FLAG = { type: "boolean", default: false };
const TOPIC = {
  name: "topic",
  in: "path",
  required: true,
  schema: { type: "string" },
  description:
    "Everything up to the `?`, slashes included; other characters percent-encoded. No level may be `.` or `..`.",
};
const PUBLICATION_QUERY = [
  query("qos", QOS, "Quality of service."),
  query("retain", FLAG, "Keeps the message for subscribers to come."),
  query("expiry_seconds", { type: "integer", minimum: 0, maximum: 0xffff_ffff }, "Nobody gets it after that."),
  query("payload_is_utf8", FLAG, "Says that the payload is text."),
  query("response_topic", { type: "string" }, "Where a reply is expected."),
  query("correlation_data", { type: "string" }, "Comes back with the reply; base64 of either alphabet."),
  query("user_property", { type: "array", items: { type: "string" } }, "`name=value`, in order, any number of times."),
];

const SUBSCRIPTION_QUERY = [
  query(
    "filter",
    { type: "array", items: { type: "string" } },
    "What to subscribe to, up to 64 times; a `+` is a `+`.",
  ),
  query("qos", QOS, "Highest quality of service."),
  query("retained", { type: "string", enum: ["always", "new", "never"] }, "When retained messages come."),
  query("no_local", FLAG, "Leaves out what the same client publishes."),
  query("session_expiry_seconds", { type: "integer", minimum: 0 }, "Keeps a session for this long when nobody reads."),
  query("clean", FLAG, "Ends an earlier session first."),
];

const BODY = { content: { "*/*": { schema: { type: "string", format: "binary" } } }, description: "The payload." };
const NOTHING = { description: "Done." };

function publishBody(operationId: string): Json {
  return {
    operationId,
    summary: "Publishes the body",
    parameters: [TOPIC, ...WHO, ...PUBLICATION_QUERY],
    requestBody: BODY,
    responses: { 200: json("Published.", ref("Published")), ...problems(408, 413, 414, 415) },
  };
}

const PUBLISHING = {
  "/publish": {
    post: {
      operationId: "publish",
      summary: "Publishes a message",
      parameters: WHO,
      requestBody: { required: true, content: { "application/json": { schema: ref("Publication") } } },
      responses: { 200: json("Published.", ref("Published")), ...problems(408, 413, 415) },
    },
  },
  "/publish/batch": {
    post: {
      operationId: "publishBatch",
      summary: "Publishes up to 1,000 messages, or none when one of them is refused",
      parameters: WHO,
      requestBody: {
        required: true,
        content: { "application/json": { schema: { type: "array", maxItems: 1_000, items: ref("Publication") } } },
      },
      responses: { 200: json("What became of each.", ref("BatchAnswer")), ...problems(408, 413, 415) },
    },
  },
  "/topics/{topic}": { post: publishBody("publishBody"), put: publishBody("putBody") },
  "/request/{topic}": {
    post: {
      operationId: "request",
      summary: "Publishes the body and waits for the reply",
      parameters: [
        TOPIC,
        ...WHO,
        ...PUBLICATION_QUERY,
        query("timeout", { type: "integer", minimum: 1, maximum: 120, default: 10 }, "Seconds to wait."),
        ENCODING,
      ],
      requestBody: BODY,
      responses: { 200: json("The reply.", ref("Message")), ...problems(408, 413, 414, 415, 504) },
    },
  },
};

const RECEIVING = {
  "/subscribe": {
    get: {
      operationId: "subscribe",
      summary: "Subscribes, as a stream of Server-Sent Events",
      parameters: [
        ...WHO,
        ...SUBSCRIPTION_QUERY,
        ENCODING,
        { name: "Last-Event-ID", in: "header", schema: { type: "integer" }, description: "What has arrived before." },
      ],
      responses: {
        200: {
          description: "Each event is a Message; the one called `end` says why there are no more.",
          content: { "text/event-stream": { schema: { type: "string" } } },
        },
        ...problems(),
      },
    },
  },
  "/poll": {
    get: {
      operationId: "poll",
      summary: "Waits for messages",
      parameters: [
        ...WHO,
        ...SUBSCRIPTION_QUERY,
        query("wait", { type: "integer", minimum: 0, maximum: 120, default: 25 }, "Seconds to wait for the first."),
        query("max", { type: "integer", minimum: 1, maximum: 1_000, default: 100 }, "Messages at most."),
        query("ack", { type: "integer", minimum: 0 }, "Everything up to this id has arrived."),
        ENCODING,
      ],
      responses: { 200: json("What has come.", ref("PollAnswer")), ...problems() },
    },
  },
  "/ack": {
    post: {
      operationId: "acknowledge",
      summary: "Says what of a kept session has arrived",
      parameters: WHO,
      requestBody: { required: true, content: { "application/json": { schema: ref("Acknowledgement") } } },
      responses: { 200: json("How many that were.", ref("Acknowledged")), ...problems(408, 413, 415) },
    },
  },
  "/session": {
    delete: {
      operationId: "endSession",
      summary: "Ends a kept session, and whoever reads from it",
      parameters: WHO,
      responses: { 204: NOTHING, ...problems(404) },
    },
  },
};

const RETAINED = {
  "/retained": {
    get: {
      operationId: "listRetained",
      summary: "Retained messages, in the order of their topics",
      parameters: [
        ...WHO,
        query("filter", { type: "string", default: "#" }, "Whose; a `+` is a `+`."),
        query("limit", { type: "integer", minimum: 1, maximum: 1_000, default: 100 }, "Messages at most."),
        query("after", { type: "string" }, "Only topics behind this one."),
        ENCODING,
      ],
      responses: { 200: json("The messages.", ref("RetainedAnswer")), ...problems() },
    },
  },
  "/retained/{topic}": {
    get: {
      operationId: "readRetained",
      summary: "The retained message of a topic",
      parameters: [TOPIC, ...WHO, ENCODING],
      responses: { 200: json("The message.", ref("Message")), ...problems(404, 414) },
    },
    delete: {
      operationId: "clearRetained",
      summary: "Clears the retained message of a topic",
      parameters: [TOPIC, ...WHO],
      responses: { 204: NOTHING, ...problems(404, 414) },
    },
  },
};

const PATHS = {
  ...PUBLISHING,
  ...RECEIVING,
  ...RETAINED,
  ...QUEUES,
  "/health": {
    get: {
      operationId: "health",
      summary: "Whether the broker serves",
      security: [{}],
      responses: { 200: json("It does.", ref("Health")), 503: json("It is stopping.", ref("Health")) },
    },
  },
  "/openapi.json": {
    get: {
      operationId: "openapi",
      summary: "This document",
      security: [{}],
      responses: { 200: json("OpenAPI 3.1.", { type: "object" }) },
    },
  },
};
