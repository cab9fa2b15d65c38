/** The route for request and response over one call. */
import { Refusal, type RefusalCause } from "../../core/refusal.ts";
import { countOf } from "../fields.ts";
import type { GuestDelivery, GuestSubscription } from "../gateway.ts";
import { type Call, jsonAnswer } from "./call.ts";
import { encodingOf, messageDocument } from "./message_json.ts";
import { HttpProblem } from "./problem.ts";
import { readPublicationQuery } from "./publishing.ts";

const TIMEOUT_SECONDS = 10;
const TIMEOUT_SECONDS_MAX = 120;

/** `POST /request/{topic}`: publishes the body, with where to reply, and answers the reply. */
export async function request(call: Call): Promise<Response> {
  const { query, streams } = call;
  const guest = await call.admit();
  const encoding = query.read("encoding", encodingOf) ?? "base64";
  const seconds = query.read("timeout", (text, name) => countOf(text, name, { from: 1, to: TIMEOUT_SECONDS_MAX })) ??
    TIMEOUT_SECONDS;
  const facts = readPublicationQuery(call);
  query.end();
  const payload = await call.body();
  const responseTopic = facts.responseTopic ?? `reply/${guest.clientId}/${crypto.randomUUID()}`;
  const correlationData = facts.correlationData ?? crypto.getRandomValues(new Uint8Array(16));
  using _place = streams.enter();
  let replies: GuestSubscription | undefined;
  try {
    replies = await guest.subscribe([{ filter: responseTopic, qos: 1, retainHandling: 2 }]);
    const outcome = await guest.publish({ ...facts, payload, responseTopic, correlationData });
    if (outcome === "no-matching-subscribers") throw nobody();
    const signal = AbortSignal.any([call.request.signal, AbortSignal.timeout(seconds * 1000)]);
    const isOurs = facts.responseTopic === undefined; // nobody else knows the topic, so that a reply without the data is one as well
    const reply = await find(replies, signal, (message) => matches(message, correlationData, isOurs));
    if (reply === undefined) throw noReply(replies, seconds);
    return jsonAnswer(messageDocument(reply, encoding));
  } finally {
    await replies?.end();
  }
}

async function find(
  replies: GuestSubscription,
  signal: AbortSignal,
  isWanted: (message: GuestDelivery) => boolean,
): Promise<GuestDelivery | undefined> {
  for (let reply = await replies.next(signal); reply !== undefined; reply = await replies.next(signal)) {
    replies.settle(reply);
    if (isWanted(reply)) return reply;
  }
  return undefined;
}

function matches({ correlationData }: GuestDelivery, wanted: Uint8Array, isOurs: boolean): boolean {
  if (correlationData === undefined) return isOurs;
  return correlationData.length === wanted.length && correlationData.every((byte, index) => byte === wanted[index]);
}

function nobody(): HttpProblem {
  const detail = "Cannot get a reply: nobody has subscribed to the topic";
  return new HttpProblem(503, "no-matching-subscribers", { detail, headers: { "retry-after": "1" } });
}

function noReply({ endCause }: GuestSubscription, seconds: number): Error {
  return endCause === undefined
    ? new HttpProblem(504, "no-reply", { detail: `Nobody has replied within ${seconds} s` })
    : new Refusal(endCause as RefusalCause, "Nobody has replied, and nobody is waited for any more");
}
