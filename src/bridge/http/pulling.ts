/** Routes by which messages of durable queues are taken and settled. */
import { duration } from "../../config/value_type.ts";
import { deadLetterName } from "../../core/queue/dead_letters.ts";
import { quoted } from "../../core/text.ts";
import { countOf, flagOf } from "../fields.ts";
import type { GuestSettlement } from "../queue_gateway.ts";
import { type Call, type Handler, jsonAnswer } from "./call.ts";
import { encodingOf, Fields } from "./message_json.ts";
import { HttpProblem } from "./problem.ts";
import { openQueueEvents } from "./queue_events.ts";
import { queueMessageDocument } from "./queue_json.ts";
import { admitted, messageIdsOf, queueOf, startOf } from "./queues.ts";

const PULL_MAX = 1_000;
/** Messages that leave an event stream in one chunk. */
const STREAM_CHUNK = 64;
const WAIT_SECONDS_MAX = 120;
const WAIT_SECONDS = 25;
const DELAY = duration({ from: "0s", to: "366d" });

/** `POST /queues/{queue}/pull` */
export async function pull(call: Call): Promise<Response> {
  const { query, streams, request: { signal } } = call;
  const queues = await admitted(call);
  const seconds = query.read("wait", (text, name) => countOf(text, name, { from: 0, to: WAIT_SECONDS_MAX }));
  const max = query.read("max", (text, name) => countOf(text, name, { from: 1, to: PULL_MAX })) ?? 1;
  const { queue, encoding, ...wish } = readWish(call);
  const waitMs = 1_000 * (seconds ?? WAIT_SECONDS);
  using _place = streams.enter();
  const messages = await queues.pull(queue, { ...wish, max, waitMs, signal });
  return jsonAnswer({ messages: messages.map((message) => queueMessageDocument(message, encoding)) });
}

/** `GET /queues/{queue}/subscribe` */
export async function subscribeQueue(call: Call): Promise<Response> {
  const { streams, request } = call;
  const queues = await admitted(call);
  const { queue, encoding, ...wish } = readWish(call);
  const { group } = wish;
  const body = await openQueueEvents({
    place: streams.enter(),
    signal: request.signal,
    pull: (waitMs, signal) => queues.pull(queue, { ...wish, max: STREAM_CHUNK, waitMs, signal }),
    heartbeatMs: streams.heartbeatMs,
    document: (message) => queueMessageDocument(message, encoding),
    leave: () => queues.leave({ queue, group }, { isLost: true }).catch(() => {}), // the store failed, which is told elsewhere
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** What is asked of a group, as the query says; the query is done with then. */
function readWish(call: Call) {
  const { query } = call;
  const encoding = query.read("encoding", encodingOf) ?? "base64";
  const isOfDeadLetters = query.read("dead_letters", flagOf) ?? false;
  const group = query.take("group");
  const filter = query.take("filter");
  const prefetch = query.read("prefetch", (text, name) => countOf(text, name, { from: 1, to: 65_535 }));
  const start = query.read("start_at", startOf);
  query.end();
  if (group === undefined) throw new TypeError("Cannot pull: name the consumer group in the query, group=");
  const name = queueOf(call);
  return { queue: isOfDeadLetters ? deadLetterName(name) : name, encoding, group, filter, prefetch, start };
}

/** `POST /queues/{queue}/ack` and its like. */
export function settle(kind: GuestSettlement["kind"]): Handler {
  return async (call) => {
    const queues = await admitted(call);
    call.query.end();
    const fields = new Fields(await call.json());
    const group = fields.take("group", "string");
    const messages = fields.take("messages", "object");
    const settlement = settlementOf(kind, fields);
    fields.end();
    if (group === undefined || messages === undefined) {
      throw new TypeError(`Cannot ${kind}: group and messages are needed`);
    }
    const messageIds = messageIdsOf(messages);
    const queue = oneQueueOf(messageIds, queueOf(call));
    const { settled, notHeld } = await queues.settle({ queue, group, messageIds }, settlement);
    if (settled.length > 0) return jsonAnswer({ settled: settled.length, not_held: notHeld });
    const detail = `Cannot ${kind} ${quoted(notHeld[0])}: this client does not hold it for this group, or not any more`;
    throw new HttpProblem(409, "not-held", { detail, more: { not_held: notHeld } });
  };
}

/** `POST /queues/{queue}/leave` */
export async function leaveGroup(call: Call): Promise<Response> {
  const queues = await admitted(call);
  const isOfDeadLetters = call.query.read("dead_letters", flagOf) ?? false;
  call.query.end();
  const fields = new Fields(await call.json());
  const group = fields.take("group", "string");
  fields.end();
  if (group === undefined) throw new TypeError("Cannot leave: group is needed");
  const name = queueOf(call);
  await queues.leave({ queue: isOfDeadLetters ? deadLetterName(name) : name, group }, { isLost: false });
  return new Response(null, { status: 204 });
}

/** `POST /queues/{queue}/commit` */
export async function commit(call: Call): Promise<Response> {
  const queues = await admitted(call);
  call.query.end();
  const fields = new Fields(await call.json());
  const group = fields.take("group", "string");
  const partition = placeOf(fields, "partition");
  const offset = placeOf(fields, "offset");
  fields.end();
  if (group === undefined || partition === undefined || offset === undefined) {
    throw new TypeError("Cannot commit: group, partition and offset are needed");
  }
  const settled = await queues.commit({ queue: queueOf(call), group, partition, offset });
  if (settled !== undefined) return jsonAnswer({ settled });
  const detail = `Cannot commit for ${quoted(group)}: this client is no member of the group, or not any more`;
  throw new HttpProblem(409, "not-held", { detail });
}

function placeOf(fields: Fields, name: "partition" | "offset"): number | undefined {
  const value = fields.take(name, "number");
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value;
  throw new TypeError(`Cannot use ${name} ${value}: it is a whole number from 0`);
}

/** The queue or its dead letters, as the message ids say.
 * @throws {TypeError} when they say something else */
function oneQueueOf(messageIds: readonly string[], name: string): string {
  const found = [name, deadLetterName(name)].find((queue) => {
    return messageIds.every((each) => each.startsWith(`${queue}:`));
  });
  if (found !== undefined) return found;
  throw new TypeError(`Cannot use messages: they are of ${quoted(name)}, or of its dead letters`);
}

function settlementOf(kind: GuestSettlement["kind"], fields: Fields): GuestSettlement {
  if (kind === "ack") return { kind };
  if (kind === "reject") return { kind, reason: fields.take("reason", "string") ?? "" };
  const text = fields.take("delay", "string");
  const ms = text === undefined ? undefined : DELAY.parse(text);
  if (text !== undefined && ms === undefined) {
    throw new TypeError(`Cannot use delay ${quoted(text)}: it is ${DELAY.expected}`);
  }
  return kind === "nack" ? { kind, delayMs: ms } : { kind, ms };
}
