/** Messages as JSON documents, both ways. */
import { quoted } from "../../core/text.ts";
import { base64Of, textOfPayload } from "../fields.ts";
import type { GuestDelivery, GuestMessage, GuestProperties, GuestPublication } from "../gateway.ts";

/** How a payload stands in JSON. */
export type PayloadEncoding = "base64" | "text";

/** @throws {TypeError} */
export function encodingOf(text: string): PayloadEncoding {
  if (text === "base64" || text === "text") return text;
  throw new TypeError(`Cannot use the encoding ${quoted(text)}: it is base64 or text`);
}

/** A message that is to be published, out of a document.
 * @throws {TypeError} for what is missing, of another type or unknown; {RangeError} for a number outside its limits */
export function readPublication(document: unknown): GuestPublication {
  const fields = new Fields(document);
  const topic = fields.take("topic", "string");
  if (topic === undefined) throw new TypeError("Cannot publish without a topic: it is missing");
  const encoding = encodingOf(fields.take("encoding", "string") ?? "base64");
  const payload = fields.take("payload", "string") ?? "";
  const correlationData = fields.take("correlation_data", "string");
  const facts = {
    qos: fields.take("qos", "number") as GuestPublication["qos"],
    retain: fields.take("retain", "boolean"),
    expirySeconds: fields.take("expiry_seconds", "number"),
    payloadIsUtf8: fields.take("payload_is_utf8", "boolean") ?? (encoding === "text" ? true : undefined),
    contentType: fields.take("content_type", "string"),
    responseTopic: fields.take("response_topic", "string"),
    userProperties: readPairs(fields.take("user_properties", "object")),
  };
  fields.end(); // before the payload: a member that was meant to say how to read it is the better reason
  return {
    topic,
    payload: encoding === "text"
      ? encoded(payload)
      : base64Of(payload, "payload", '; "encoding": "text" takes it as it is'),
    correlationData: correlationData === undefined ? undefined : base64Of(correlationData, "correlation_data"),
    ...facts,
  };
}

/** A message as a document. */
export function messageDocument(
  message: GuestMessage & Partial<Pick<GuestDelivery, "id" | "isAgain">>,
  wanted: PayloadEncoding,
): Record<string, unknown> {
  const { id } = message;
  return {
    id: id === undefined || id === 0 ? undefined : id,
    topic: message.topic,
    ...contentDocument(message, wanted),
    qos: message.qos,
    retain: message.retain,
    again: message.isAgain === true ? true : undefined,
    expiry_seconds: message.expirySeconds,
  };
}

/** What there is of every message. A payload that is not UTF-8 is in base64 whatever was asked for; `encoding` says which it is. */
export function contentDocument(
  message: GuestProperties & { readonly payload: Uint8Array },
  wanted: PayloadEncoding,
): Record<string, unknown> {
  const text = wanted === "text" ? textOfPayload(message.payload) : undefined;
  return {
    payload: text ?? message.payload.toBase64(),
    encoding: text === undefined ? "base64" : "text",
    payload_is_utf8: message.payloadIsUtf8,
    content_type: message.contentType,
    response_topic: message.responseTopic,
    correlation_data: message.correlationData?.toBase64(),
    user_properties: message.userProperties,
  };
}

interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly object: object;
}

/** The members of a document, each to be taken once. */
export class Fields {
  readonly #left: Map<string, unknown>;

  /** @throws {TypeError} when the document is not an object */
  constructor(document: unknown) {
    if (typeof document !== "object" || document === null || Array.isArray(document)) {
      throw new TypeError("Cannot read the document: it is not an object");
    }
    this.#left = new Map(Object.entries(document));
  }

  /** @throws {TypeError} when it is of another type */
  take<K extends keyof Kinds>(name: string, kind: K): Kinds[K] | undefined {
    const value = this.#left.get(name);
    this.#left.delete(name);
    if (value === undefined) return undefined;
    if (typeof value !== kind || value === null) throw new TypeError(`Cannot use ${name}: it is not a ${kind}`);
    return value as Kinds[K];
  }

  /** @throws {TypeError} when something was not taken */
  end(): void {
    for (const name of this.#left.keys()) {
      throw new TypeError(`Cannot use the member ${quoted(name)}: it is unknown here`);
    }
  }
}

function readPairs(value: object | undefined): [string, string][] | undefined {
  if (value === undefined) return undefined;
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string");
  if (Array.isArray(value) && value.every(isPair)) return value;
  throw new TypeError('Cannot use user_properties: they are pairs of texts, [["name", "value"], ...]');
}

function encoded(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new TypeError("Cannot use payload: it holds half of a surrogate pair");
  return new TextEncoder().encode(text);
}
