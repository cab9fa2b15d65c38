/** The documents of the bridge, as JSON Schema describes them. */

import { QUEUE_SCHEMAS } from "./openapi_queue_schemas.ts";
import { object } from "./openapi_object.ts";

const QOS = { type: "integer", enum: [0, 1, 2] };
const SECONDS = { type: "integer", minimum: 0, maximum: 0xffff_ffff };
const BASE64 = { type: "string", contentEncoding: "base64" };
const ENCODING = { $ref: "#/components/schemas/Encoding" };
const MESSAGES = { type: "array", items: { $ref: "#/components/schemas/Message" } };
const PAIRS = {
  type: "array",
  items: { type: "array", items: { type: "string" }, minItems: 2, maxItems: 2 },
  description: "Pairs of name and value, in order, with duplicates.",
};

const PROPERTIES = {
  topic: { type: "string" },
  payload: { type: "string", description: "As `encoding` says." },
  encoding: ENCODING,
  qos: QOS,
  retain: { type: "boolean" },
  expiry_seconds: SECONDS,
  payload_is_utf8: { type: "boolean" },
  content_type: { type: "string" },
  response_topic: { type: "string" },
  correlation_data: BASE64,
  user_properties: PAIRS,
};

export const SCHEMAS = {
  Encoding: { type: "string", enum: ["base64", "text"], default: "base64" },
  Publication: object(PROPERTIES, ["topic"]),
  Message: object(
    {
      id: { type: "integer", description: "Where a session is kept: what an acknowledgement names." },
      again: { type: "boolean", description: "It was sent before, and not acknowledged." },
      ...PROPERTIES,
    },
    ["topic", "payload", "encoding", "qos", "retain"],
  ),
  Published: object({ status: { type: "string", enum: ["ok"] } }),
  BatchAnswer: object({
    results: {
      type: "array",
      items: object(
        {
          status: { type: "string", enum: ["ok", "refused"] },
          outcome: { type: "string", description: "success, no-matching-subscribers, or why it was refused." },
          detail: { type: "string" },
        },
        ["status", "outcome"],
      ),
    },
  }),
  PollAnswer: object({ session_present: { type: "boolean" }, messages: MESSAGES }),
  RetainedAnswer: object(
    { messages: MESSAGES, next: { type: "string", description: "The `after` to go on with, when there are more." } },
    ["messages"],
  ),
  Acknowledgement: object({ through: { type: "integer", minimum: 0 } }),
  Acknowledged: object({ settled: { type: "integer", minimum: 0 } }),
  ...QUEUE_SCHEMAS,
  Health: object({ status: { type: "string", enum: ["healthy", "draining"] } }),
  Problem: object(
    {
      type: { type: "string", pattern: "^urn:weir:problem:[-a-z]+$" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string" },
      not_held: {
        type: "array",
        items: { type: "string" },
        description: "The messages that the client does not hold.",
      },
      replayed: { type: "integer" },
      refused: { type: "integer" },
      refusals: { type: "array", items: object({ message_id: { type: "string" }, reason: { type: "string" } }) },
      errors: {
        type: "array",
        items: object({ index: { type: "integer" }, cause: { type: "string" }, detail: { type: "string" } }),
      },
    },
    ["type", "title", "status", "detail"],
  ),
};
