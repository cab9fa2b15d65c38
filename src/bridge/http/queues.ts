/** Routes by which durable queues are administered and looked at. */
import { readQueueDocument } from "../../config/queue_document.ts";
import type { GroupStart } from "../../core/queue/group_start.ts";
import { quoted } from "../../core/text.ts";
import { countOf, percentDecoded } from "../fields.ts";
import type { GuestDeadLetterChoice, GuestQueues } from "../queue_gateway.ts";
import { type Call, jsonAnswer, notFound } from "./call.ts";
import { encodingOf, Fields } from "./message_json.ts";
import { HttpProblem } from "./problem.ts";
import { deadLetterDocument, queueDocument, summaryDocument } from "./queue_json.ts";

/** Dead letters of one answer, and of one request. */
const LETTERS_MAX = 1_000;
/** Topics, properties and payloads of one answer; it ends with the letter by which they are so many. */
const LETTERS_BYTES_MAX = 8 * 1024 * 1024;

/** `GET /queues` */
export async function listQueues(call: Call): Promise<Response> {
  const queues = await admitted(call);
  call.query.end();
  const all = queues.list();
  return jsonAnswer({ queues: all.map((view) => summaryDocument(view, all)) });
}

/** `GET /queues/{queue}` */
export async function showQueue(call: Call): Promise<Response> {
  const queues = await admitted(call);
  const name = queueOf(call);
  call.query.end();
  return jsonAnswer(queueDocument(queues.get(name)));
}

/** `PUT /queues/{queue}` */
export async function createQueue(call: Call): Promise<Response> {
  const queues = await admitted(call);
  const name = queueOf(call);
  call.query.end();
  await queues.create(readQueueDocument(name, await call.json()));
  return jsonAnswer(queueDocument(queues.get(name)), { status: 201 });
}

/** `PATCH /queues/{queue}` */
export async function changeQueue(call: Call): Promise<Response> {
  const queues = await admitted(call);
  const name = queueOf(call);
  call.query.end();
  await queues.change(readQueueDocument(name, await call.json()));
  return jsonAnswer(queueDocument(queues.get(name)));
}

/** `DELETE /queues/{queue}` */
export async function deleteQueue(call: Call): Promise<Response> {
  const queues = await admitted(call);
  call.query.end();
  await queues.delete(queueOf(call));
  return new Response(null, { status: 204 });
}

/** `POST /queues/{queue}/purge` */
export async function purgeQueue(call: Call): Promise<Response> {
  const queues = await admitted(call);
  call.query.end();
  return jsonAnswer({ purged: await queues.purge(queueOf(call)) });
}

/** `DELETE /queues/{queue}/groups` */
export async function deleteGroup(call: Call): Promise<Response> {
  const queues = await admitted(call);
  const group = call.query.take("group");
  call.query.end();
  if (group === undefined) throw new TypeError("Cannot delete a group: name it in the query, group=");
  await queues.deleteGroup(queueOf(call), group);
  return new Response(null, { status: 204 });
}

/** `POST /queues/{queue}/seek` */
export async function seekGroup(call: Call): Promise<Response> {
  const queues = await admitted(call);
  call.query.end();
  const fields = new Fields(await call.json());
  const group = fields.take("group", "string");
  const to = fields.take("to", "string");
  const partition = fields.take("partition", "number");
  fields.end();
  if (group === undefined || to === undefined) throw new TypeError("Cannot seek: group and to are needed");
  await queues.seek(queueOf(call), group, { to: startOf(to, "to"), partition });
  return new Response(null, { status: 204 });
}

/** `GET /queues/{queue}/dead-letters` */
export async function listDeadLetters(call: Call): Promise<Response> {
  const { query } = call;
  const queues = await admitted(call);
  const encoding = query.read("encoding", encodingOf) ?? "base64";
  const limit = query.read("limit", (text, name) => countOf(text, name, { from: 1, to: LETTERS_MAX })) ?? 100;
  const after = query.take("after");
  query.end();
  const name = queueOf(call);
  const letters = await queues.deadLetters(name, { after, limit, bytesMax: LETTERS_BYTES_MAX });
  const last = letters.at(-1)?.messageId;
  const rest = last === undefined ? [] : await queues.deadLetters(name, { after: last, limit: 1 });
  return jsonAnswer({
    messages: letters.map((letter) => deadLetterDocument(letter, encoding)),
    next: rest.length > 0 ? last : undefined,
  });
}

/** `DELETE /queues/{queue}/dead-letters` */
export async function deleteDeadLetters(call: Call): Promise<Response> {
  const queues = await admitted(call);
  const named = call.query.takeAll("message_id");
  const all = call.query.take("all");
  call.query.end();
  const which = all === undefined ? named : all === "true" || all === "" ? "all" : undefined;
  if (which === undefined || (all === undefined) === (named.length === 0)) {
    throw new TypeError("Cannot delete dead letters: name each as message_id=, or say all=true");
  }
  return jsonAnswer({ deleted: await queues.deleteDeadLetters(queueOf(call), which) });
}

/** `POST /queues/{queue}/replay` */
export async function replayDeadLetters(call: Call): Promise<Response> {
  const queues = await admitted(call);
  call.query.end();
  const fields = new Fields(await call.json());
  const toEveryGroup = fields.take("to_every_group", "boolean") ?? false;
  const all = fields.take("all", "boolean");
  const named = fields.take("messages", "object");
  fields.end();
  if ((all === true) === (named !== undefined)) {
    throw new TypeError('Cannot replay: name dead letters in "messages", or say "all": true');
  }
  const which: GuestDeadLetterChoice = named === undefined ? "all" : messageIdsOf(named);
  const { replayed, refused, refusals } = await queues.replay(queueOf(call), which, { toEveryGroup });
  const outcome = {
    replayed,
    refused,
    refusals: refusals.map(({ messageId, reason }) => ({ message_id: messageId, reason })),
  };
  if (replayed > 0 || refused === 0) return jsonAnswer(outcome);
  const [{ messageId, reason }] = refusals;
  const detail = `Cannot send ${quoted(messageId)} back: ${reason}`;
  throw new HttpProblem(409, "not-replayed", { detail, more: outcome });
}

/** The queues, for who has been let in.
 * @throws {HttpProblem} 404 where there are none */
export async function admitted(call: Call): Promise<GuestQueues> {
  const { queues } = await call.admit();
  if (queues === undefined) throw notFound("This broker keeps no durable queues");
  return queues;
}

/** The name in the path. */
export function queueOf({ rest }: Call): string {
  return percentDecoded(rest, "the queue");
}

/** @throws {TypeError} when they are none, or too many */
export function messageIdsOf(value: object): string[] {
  const isList = Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
  if (!isList) throw new TypeError("Cannot use messages: it is a list of message ids");
  if (value.length > LETTERS_MAX) {
    throw new RangeError(`Cannot use ${value.length} message ids: the maximum is ${LETTERS_MAX}`);
  }
  return value;
}

/** `first`, `last`, `offset=123`, or a time.
 * @throws {TypeError} */
export function startOf(text: string, name: string): GroupStart {
  if (text === "first" || text === "last") return { kind: text };
  const offset = /^offset=(\d{1,15})$/.exec(text)?.[1];
  if (offset !== undefined) return { kind: "offset", offset: Number(offset) };
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return { kind: "time", time };
  throw new TypeError(`Cannot use ${name}: it is first, last, offset=<number>, or a time such as 2026-11-28T10:00:00Z`);
}
