/** Routes by which messages go out. */
import { countOf, flagOf, qosOf, secondsOf } from "../fields.ts";
import type { GuestFilter, GuestSubscribeOptions, GuestSubscription } from "../gateway.ts";
import { type Call, jsonAnswer, notFound } from "./call.ts";
import { encodingOf, Fields, messageDocument } from "./message_json.ts";

/** Filters of one subscription. */
const FILTERS_MAX = 64;
/** Messages of one poll. */
const POLL_MAX = 1_000;
const WAIT_SECONDS_MAX = 120;
const WAIT_SECONDS = 25;
/** What waits for one reader. */
const WAITING_MAX = 256;
const WAITING_BYTES_MAX = 256 * 1024;

/** When retained messages are sent, as in MQTT 5. */
const RETAIN_HANDLING = { always: 0, new: 1, never: 2 } as const;

/** `GET /subscribe` */
export async function subscribe(call: Call): Promise<Response> {
  const { query, streams } = call;
  const isNamed = call.isNamed;
  const guest = await call.admit();
  const encoding = query.read("encoding", encodingOf) ?? "base64";
  const wish = readWish(call, isNamed);
  const settledThrough = eventId(call.request.headers.get("last-event-id"));
  query.end();
  using place = new DisposableStack();
  place.use(streams.enter());
  let wake = () => {}; // until there is a stream to be woken
  const onReady = () => wake();
  const subscription = await guest.subscribe(wish.filters, { ...wish.options, settledThrough, onReady });
  const stream = streams.open(subscription, { encoding, isKept: wish.isKept, place: place.move() });
  wake = () => stream.wake();
  const headers = { "content-type": "text/event-stream", "x-session-present": `${subscription.sessionPresent}` };
  return new Response(stream.body, { headers });
}

/** `GET /poll` */
export async function poll(call: Call): Promise<Response> {
  const { query, streams, request } = call;
  const isNamed = call.isNamed;
  const guest = await call.admit();
  const encoding = query.read("encoding", encodingOf) ?? "base64";
  const limit = query.read("max", (text, name) => countOf(text, name, { from: 1, to: POLL_MAX })) ?? 100;
  const seconds = query.read("wait", (text, name) => countOf(text, name, { from: 0, to: WAIT_SECONDS_MAX })) ??
    WAIT_SECONDS;
  const settledThrough = query.read("ack", idOf);
  const wish = readWish(call, isNamed);
  query.end();
  using _place = streams.enter();
  const options = { ...wish.options, settledThrough, window: limit, waitingMax: limit };
  const subscription = await guest.subscribe(wish.filters, options);
  try {
    const messages = await gather(subscription, { limit, seconds, signal: request.signal });
    if (!wish.isKept && !request.signal.aborted) { for (const message of messages) subscription.settle(message); }
    return jsonAnswer({
      session_present: subscription.sessionPresent,
      messages: messages.map((message) => messageDocument(message, encoding)),
    });
  } finally {
    await subscription.end();
  }
}

/** `POST /ack` */
export async function acknowledge(call: Call): Promise<Response> {
  assertNamed(call.isNamed);
  const guest = await call.admit();
  call.query.end();
  const fields = new Fields(await call.json());
  const through = fields.take("through", "number");
  fields.end();
  if (through === undefined || !Number.isSafeInteger(through) || through < 0) {
    throw new TypeError("Cannot acknowledge: through is the id of a message");
  }
  return jsonAnswer({ settled: await guest.settleThrough(through) });
}

/** `DELETE /session` */
export async function endSession(call: Call): Promise<Response> {
  assertNamed(call.isNamed);
  const guest = await call.admit();
  call.query.end();
  if (!await guest.endSession()) throw notFound("There is no session of this client id");
  return new Response(null, { status: 204 });
}

/** What a subscription is to be, as the query says. */
interface Wish {
  readonly filters: GuestFilter[];
  readonly options: GuestSubscribeOptions;
  readonly isKept: boolean;
}

function readWish({ query }: Call, isNamed: boolean): Wish {
  const qos = query.read("qos", qosOf) ?? 0;
  const noLocal = query.read("no_local", flagOf) ?? false;
  const sessionExpirySeconds = query.read("session_expiry_seconds", secondsOf) ?? 0;
  const clean = query.read("clean", flagOf);
  const isKept = sessionExpirySeconds > 0;
  const retainHandling = query.read("retained", retainHandlingOf) ?? (isKept ? 1 : 0);
  const filters = query.takeAll("filter").map((filter) => ({ filter, qos, noLocal, retainHandling }));
  if (filters.length > FILTERS_MAX) {
    throw new RangeError(`Cannot subscribe to ${filters.length} filters: the maximum is ${FILTERS_MAX}`);
  }
  if (isKept) assertNamed(isNamed);
  else if (filters.length === 0) throw new TypeError("Cannot subscribe to nothing: name a filter");
  const options = {
    sessionExpirySeconds,
    clean,
    replace: filters.length > 0,
    waitingMax: WAITING_MAX,
    waitingBytesMax: WAITING_BYTES_MAX,
  };
  return { filters, options, isKept };
}

function assertNamed(isNamed: boolean): void {
  if (!isNamed) {
    throw new TypeError("Cannot keep a session without a name: send X-Client-Id, or client_id in the query");
  }
}

function retainHandlingOf(text: string): 0 | 1 | 2 {
  if (Object.hasOwn(RETAIN_HANDLING, text)) return RETAIN_HANDLING[text as keyof typeof RETAIN_HANDLING];
  throw new TypeError("Cannot use retained: it is always, new or never");
}

function idOf(text: string, name: string): number {
  return countOf(text, name, { from: 0, to: Number.MAX_SAFE_INTEGER });
}

function eventId(header: string | null): number | undefined {
  return header === null || header === "" ? undefined : idOf(header, "Last-Event-ID");
}

/** Waits for the first message, and takes what has come with it. */
async function gather(
  subscription: GuestSubscription,
  { limit, seconds, signal }: { limit: number; seconds: number; signal: AbortSignal },
) {
  const messages = [];
  const first = subscription.take() ??
    (seconds === 0
      ? undefined
      : await subscription.next(AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)])));
  for (let each = first; each !== undefined; each = subscription.take()) {
    messages.push(each);
    if (messages.length === limit) break;
  }
  return messages;
}
