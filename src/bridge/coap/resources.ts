import type { Guest, GuestPublication } from "../gateway.ts";
import { CoapRefusal } from "./coap_refusal.ts";
import { assertConditions, isConditional } from "./conditions.ts";
import { ContentFormat, contentTypeOf } from "./content_format.ts";
import { filterLinks, formatLinks, type Link } from "./link_format.ts";
import { type CoapOption, type CoapResponse, Code, NO_BYTES, withOptions } from "./message.ts";
import { representationOf } from "./observations.ts";
import { Query } from "./query.ts";
import { type Representation, respondWith } from "./representation.ts";
import type { CoapRequest } from "./request.ts";
import { isFilter, locationOf, topicOf, TOPICS } from "./topic_path.ts";

/** What there is, for `.well-known/core`. */
const LINKS: readonly Link[] = [
  { path: "/health", attributes: { ct: `${ContentFormat.json}`, title: "Health" } },
  { path: "/mqtt/publish", attributes: { rt: "weir.publish", title: "POST publishes to the topic behind it" } },
  { path: `/${TOPICS}`, attributes: { rt: "core.ps", obs: "", title: "Topics" } },
];

/** Query parts of a publication. */
const PUBLISH_QUERY = ["qos", "retain", "expiry", "content-type"];
/** Those that durable queues read: user properties by another name. */
const USER_PROPERTIES = ["partition-key", "message-key", "delay", "priority"];

/** A request on its way through the resources. */
export interface Call {
  readonly request: CoapRequest;
  readonly query: Query;
  readonly isDraining: boolean;
  /** Who sends it.
   * @throws {Refusal} why it is not let in */
  guest(): Promise<Guest>;
  /** The whole body, once every block of it is there; what is to be said before that.
   * @throws {CoapRefusal} 4.08, 4.13, 5.03 */
  body(): Uint8Array | CoapResponse;
  /** The rest of a notification that is too large for one datagram, while its client may fetch it. */
  notified(): Representation | undefined;
  /** Observes; answers the option that says so, undefined when there is no room. */
  observe(guest: Guest, filter: string): Promise<CoapOption | undefined>;
  unobserve(): void;
}

/** Answers a request.
 * @throws {CoapRefusal | Refusal} why not */
export function answer(call: Call): CoapResponse | Promise<CoapResponse> {
  if (call.request.method === Code.get && isConditional(call.request)) {
    throw new CoapRefusal(Code.badOption, "Cannot accept If-Match and If-None-Match where nothing is changed");
  }
  const [first, second, ...rest] = call.request.path;
  if (first === TOPICS) return onTopic(call, topicOf(call.request.path.slice(1)));
  if (first === "mqtt" && second === "publish") {
    assertMethod(call, [Code.post, Code.put]);
    return publish(call, topicOf(rest), { retain: false });
  }
  if (first === ".well-known" && second === "core" && rest.length === 0) return discover(call);
  if (first === "health" && second === undefined) return health(call);
  throw new CoapRefusal(Code.notFound, "Cannot find the path: see /.well-known/core");
}

function onTopic(call: Call, topic: string): CoapResponse | Promise<CoapResponse> {
  switch (call.request.method) {
    case Code.get:
      return isRegistration(call.request) ? observe(call, topic) : read(call, topic);
    case Code.post:
      return publish(call, topic, { retain: false });
    case Code.put:
      return publish(call, topic, { retain: true });
    case Code.delete:
      return clear(call, topic);
    default:
      throw methodNotAllowed();
  }
}

/** The later blocks of a notification are read (RFC 7959 section 2.6). */
function isRegistration({ observe, block2 }: CoapRequest): boolean {
  return observe === 0 && (block2?.number ?? 0) === 0;
}

function discover(call: Call): CoapResponse {
  assertMethod(call, [Code.get]);
  const text = formatLinks(filterLinks(LINKS, call.request.query));
  return respondWith(
    { payload: new TextEncoder().encode(text), contentFormat: ContentFormat.linkFormat },
    call.request,
  );
}

function health(call: Call): CoapResponse {
  assertMethod(call, [Code.get]);
  if (call.isDraining) throw new CoapRefusal(Code.serviceUnavailable, "The broker is stopping");
  const payload = new TextEncoder().encode('{"status":"healthy"}');
  return respondWith({ payload, contentFormat: ContentFormat.json, lifeSeconds: 0 }, call.request);
}

async function publish(call: Call, topic: string, defaults: { retain: boolean }): Promise<CoapResponse> {
  const { query } = call;
  query.assertKnown([...PUBLISH_QUERY, ...USER_PROPERTIES]);
  const options = {
    topic,
    qos: query.qos(),
    retain: query.flag("retain") ?? defaults.retain,
    expirySeconds: query.seconds("expiry"),
    contentType: contentTypeOfRequest(call),
    userProperties: USER_PROPERTIES.flatMap((name) => {
      const value = query.text(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  };
  const guest = await call.guest();
  guest.assertPublishable({ ...options, payload: NO_BYTES }); // before a body is put together for nothing
  const payload = call.body();
  if (!(payload instanceof Uint8Array)) return payload;
  const isNew = options.retain && payload.length > 0 && !isRetained(guest, topic);
  const precondition = preconditionOf(call, guest, topic);
  await guest.publish({ ...options, payload, ...textProperties(call, payload), precondition });
  if (!isNew) return { code: Code.changed };
  return { code: Code.created, options: locationOf(topic) ?? [] };
}

function preconditionOf({ request }: Call, guest: Guest, topic: string): (() => void) | undefined {
  return isConditional(request) ? () => assertConditions(request, guest, topic) : undefined;
}

/** Whoever may publish to a topic is not told what is retained there, unless it may also read it. */
function isRetained(guest: Guest, topic: string): boolean {
  try {
    return guest.retained(topic) !== undefined;
  } catch {
    return true;
  }
}

function contentTypeOfRequest({ query, request: { contentFormat } }: Call): string | undefined {
  const named = query.text("content-type");
  if (named !== undefined || contentFormat === undefined) return named;
  const contentType = contentTypeOf(contentFormat);
  if (contentType !== undefined) return contentType;
  throw new CoapRefusal(
    Code.unsupportedContentFormat,
    `Cannot accept content format ${contentFormat}: name it content-type=`,
  );
}

/** Text says that it is, and has to be. */
function textProperties({ request }: Call, payload: Uint8Array): Pick<GuestPublication, "payloadIsUtf8"> {
  if (request.contentFormat !== ContentFormat.text) return {};
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(payload);
  } catch {
    throw new CoapRefusal(Code.badRequest, "Cannot accept the payload as text: it is not UTF-8");
  }
  return { payloadIsUtf8: true };
}

async function read(call: Call, topic: string): Promise<CoapResponse> {
  const { request, query } = call;
  query.assertKnown(["qos"]);
  if (request.observe === 1) call.unobserve();
  const guest = await call.guest();
  const rest = (request.block2?.number ?? 0) > 0 ? call.notified() : undefined;
  if (rest !== undefined) return respondWith(rest, request);
  if (isFilter(topic)) throw new CoapRefusal(Code.badRequest, "Cannot read a topic with wildcards: it can be observed");
  const message = guest.retained(topic);
  if (message === undefined) throw new CoapRefusal(Code.notFound, "Cannot read the topic: nothing is retained");
  return respondWith(representationOf(message), request);
}

/** The first answer is the retained message of the topic, or nothing; of a topic with wildcards each comes as a notification. */
async function observe(call: Call, filter: string): Promise<CoapResponse> {
  const { request, query } = call;
  query.assertKnown(["qos"]);
  const guest = await call.guest();
  const sequence = await call.observe(guest, filter);
  if (sequence === undefined && isFilter(filter)) {
    throw new CoapRefusal(Code.serviceUnavailable, "Cannot observe: there are too many observations");
  }
  const message = isFilter(filter) ? undefined : guest.retained(filter);
  if (message === undefined) {
    if (sequence === undefined) throw new CoapRefusal(Code.notFound, "Cannot read the topic: nothing is retained");
    return { code: Code.content, options: [sequence] };
  }
  const response = respondWith(representationOf(message), request);
  return sequence === undefined ? response : withOptions(response, [sequence]);
}

async function clear(call: Call, topic: string): Promise<CoapResponse> {
  call.query.assertKnown([]);
  const guest = await call.guest();
  const precondition = preconditionOf(call, guest, topic);
  await guest.clearRetained(topic, { precondition });
  return { code: Code.deleted };
}

function assertMethod({ request }: Call, methods: readonly number[]): void {
  if (!methods.includes(request.method)) throw methodNotAllowed();
}

function methodNotAllowed(): CoapRefusal {
  return new CoapRefusal(Code.methodNotAllowed, "Cannot use this method here");
}
