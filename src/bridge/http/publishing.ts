/** Routes by which messages come in. */
import { Refusal } from "../../core/refusal.ts";
import { base64Of, flagOf, qosOf, secondsOf, topicOfPath } from "../fields.ts";
import type { Guest, GuestPublication } from "../gateway.ts";
import { type Call, jsonAnswer } from "./call.ts";
import { readPublication } from "./message_json.ts";
import { HttpProblem, problemOf } from "./problem.ts";
import type { Query } from "./query.ts";

/** Messages of one batch. */
const BATCH_MAX = 1_000;

/** Says whether anybody was reached, since the body of the answer is the one that clients of old expect. */
const OUTCOME = "x-outcome";

/** `POST /publish` */
export async function publish(call: Call): Promise<Response> {
  const guest = await call.admit();
  call.query.end();
  return await publishOne(guest, readPublication(await call.json()));
}

/** `POST /topics/{topic}` and `PUT`: the body is the payload. */
export async function publishBody(call: Call): Promise<Response> {
  const guest = await call.admit();
  const facts = readPublicationQuery(call);
  call.query.end();
  return await publishOne(guest, { ...facts, payload: await call.body() });
}

/** `POST /publish/batch`: every message is looked at before the first one is published. */
export async function publishBatch(call: Call): Promise<Response> {
  const guest = await call.admit();
  call.query.end();
  const documents = await call.json();
  if (!Array.isArray(documents)) throw new TypeError("Cannot publish the batch: it is not an array");
  if (documents.length > BATCH_MAX) {
    throw new RangeError(`Cannot publish ${documents.length} messages at a time: the maximum is ${BATCH_MAX}`);
  }
  const publications = readBatch(guest, documents);
  const results = await Promise.all(publications.map(async (publication) => {
    try {
      return { status: "ok", outcome: await guest.publish(publication) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: "refused", outcome: error.refusal, detail: error.message }; // what has changed since it was looked at
    }
  }));
  return jsonAnswer({ results });
}

/** What the path and the query of a call with the payload as its body say. */
export function readPublicationQuery(call: Call): Omit<GuestPublication, "payload"> {
  const { query } = call;
  return {
    topic: topicOfPath(call.rest),
    qos: query.read("qos", qosOf),
    retain: query.read("retain", flagOf),
    expirySeconds: query.read("expiry_seconds", secondsOf),
    payloadIsUtf8: query.read("payload_is_utf8", flagOf),
    responseTopic: query.take("response_topic"),
    correlationData: query.read("correlation_data", base64Of),
    userProperties: readUserProperties(query),
    contentType: contentTypeOf(call.request.headers),
  };
}

async function publishOne(guest: Guest, publication: GuestPublication): Promise<Response> {
  const outcome = await guest.publish(publication);
  return jsonAnswer({ status: "ok" }, { headers: { [OUTCOME]: outcome } });
}

/** The messages of a batch, or every reason why it is not one. */
function readBatch(guest: Guest, documents: readonly unknown[]): GuestPublication[] {
  const publications: GuestPublication[] = [];
  const problems: { index: number; problem: HttpProblem }[] = [];
  for (const [index, document] of documents.entries()) {
    try {
      const publication = readPublication(document);
      guest.assertPublishable(publication);
      publications.push(publication);
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      problems.push({ index, problem });
    }
  }
  if (problems.length === 0) return publications;
  const { status, problem, headers } = problems[0].problem;
  const errors = problems.map(({ index, problem: { problem: cause, message: detail } }) => ({ index, cause, detail }));
  const detail =
    `Cannot publish the batch, nothing of it: ${problems.length} of ${documents.length} are refused, the first is ` +
    `number ${problems[0].index}: ${problems[0].problem.message}`;
  throw new HttpProblem(status, problem, { detail, headers, more: { errors } });
}

/** Each is `name=value`; a name with a `=` of its own can only be said in JSON. */
function readUserProperties(query: Query): [string, string][] | undefined {
  const texts = query.takeAll("user_property");
  if (texts.length === 0) return undefined;
  return texts.map((text) => {
    const at = text.indexOf("=");
    if (at < 0) throw new TypeError("Cannot use user_property: it is name=value");
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

/** What tools say of a body when nobody told them what it is says nothing of the message. */
function contentTypeOf(headers: Headers): string | undefined {
  const contentType = headers.get("content-type");
  return contentType === null || contentType === "application/x-www-form-urlencoded" ? undefined : contentType;
}
