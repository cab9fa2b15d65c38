/** Routes to retained messages. */
import { countOf, topicOfPath } from "../fields.ts";
import { hasWildcard } from "../../core/topic.ts";
import type { GuestMessage } from "../gateway.ts";
import { type Call, jsonAnswer, notFound } from "./call.ts";
import { encodingOf, messageDocument } from "./message_json.ts";

/** Messages in one answer. */
const LIMIT_MAX = 1_000;
/** Topics and payloads of one answer. */
const LIST_BYTES_MAX = 8 * 1024 * 1024;

/** `GET /retained/{topic}` */
export async function readRetained(call: Call): Promise<Response> {
  const guest = await call.admit();
  const encoding = call.query.read("encoding", encodingOf) ?? "base64";
  call.query.end();
  const topic = plainTopic(call.rest);
  const message = guest.retained(topic);
  if (message === undefined) throw notFound("The topic has no retained message");
  return jsonAnswer(messageDocument(message, encoding));
}

/** `GET /retained?filter=...`: in order of topics; `next` is where to go on. */
export async function listRetained(call: Call): Promise<Response> {
  const guest = await call.admit();
  const { query } = call;
  const filter = query.take("filter") ?? "#";
  const limit = query.read("limit", (text, name) => countOf(text, name, { from: 1, to: LIMIT_MAX })) ?? 100;
  const after = query.take("after");
  const encoding = query.read("encoding", encodingOf) ?? "base64";
  query.end();
  const found = await guest.listRetained(filter, { limit: limit + 1, after });
  const count = countWithin(found.slice(0, limit));
  const messages = found.slice(0, count).map((message) => messageDocument(message, encoding));
  return jsonAnswer({ messages, next: found.length > count ? found[count - 1].topic : undefined });
}

/** How many there are up to the one by which they are too heavy for one answer. */
function countWithin(messages: readonly GuestMessage[]): number {
  let bytes = 0;
  const last = messages.findIndex(({ topic, payload }) => (bytes += topic.length + payload.length) >= LIST_BYTES_MAX);
  return last < 0 ? messages.length : last + 1;
}

/** `DELETE /retained/{topic}` */
export async function clearRetained(call: Call): Promise<Response> {
  const guest = await call.admit();
  call.query.end();
  if (!await guest.clearRetained(plainTopic(call.rest))) throw notFound("The topic has no retained message");
  return new Response(null, { status: 204 });
}

function plainTopic(rest: string): string {
  const topic = topicOfPath(rest);
  if (hasWildcard(topic)) throw new TypeError("Cannot use wildcards in a topic: GET /retained?filter= takes them");
  return topic;
}
