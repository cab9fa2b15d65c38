import { textOfPayload } from "../fields.ts";
import { HttpProblem } from "./problem.ts";

/** How deep a document may be nested: a batch of messages with user properties needs four. */
const DEPTH_MAX = 8;

/** What a body is held to. */
export interface BodyLimits {
  readonly bytesMax: number;
  /** How long it may take. */
  readonly timeoutMs: number;
}

/** Reads a body as far as it may be long; nothing is read of one that says it is longer.
 * @throws {HttpProblem} 413, 408 or 415 for a compressed one */
export async function readBody(
  from: { readonly headers: Headers; readonly body: ReadableStream<Uint8Array> | null },
  { bytesMax, timeoutMs }: BodyLimits,
): Promise<Uint8Array> {
  const { headers, body } = from;
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    const detail = "Cannot read a compressed body: send it as it is";
    throw new HttpProblem(415, "unsupported-media-type", { detail, headers: { "accept-encoding": "identity" } });
  }
  const announced = headers.get("content-length");
  if (announced !== null && !(Number(announced) <= bytesMax)) throw tooLarge(bytesMax);
  if (body === null) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {});
  }, timeoutMs);
  try {
    for (let part = await read(reader); !part.done; part = await read(reader)) {
      length += part.value.length;
      if (length > bytesMax) throw tooLarge(bytesMax);
      parts.push(part.value);
    }
  } finally {
    clearTimeout(timer);
    void reader.cancel().catch(() => {}); // what is left of it is read by nobody
  }
  if (isLate) {
    throw new HttpProblem(408, "request-timeout", { detail: "The body did not arrive in time", headers: CLOSE });
  }
  return joined(parts, length);
}

/** Reads a JSON document.
 * @throws {HttpProblem} 415 when it says it is something else, 400 when it is none */
export async function readJson(
  from: { readonly headers: Headers; readonly body: ReadableStream<Uint8Array> | null },
  limits: BodyLimits,
): Promise<unknown> {
  assertJson(from.headers.get("content-type") ?? "");
  const text = textOfPayload(await readBody(from, limits));
  if (text === undefined) throw new TypeError("Cannot read the body: JSON is UTF-8, and this is not");
  assertDepth(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TypeError("Cannot read the body: it is not JSON", { cause });
  }
}

function assertJson(contentType: string): void {
  const [type, ...parameters] = contentType.toLowerCase().split(";").map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8).replaceAll('"', "");
  const isJson = type === "application/json" || /^[a-z]+\/[-.\w]+\+json$/.test(type);
  if (isJson && (charset === undefined || charset === "utf-8" || charset === "utf8")) return;
  const detail = "Cannot read the body: send Content-Type: application/json, in UTF-8";
  throw new HttpProblem(415, "unsupported-media-type", { detail, headers: { "accept-post": "application/json" } });
}

/** Looked at before the parser does, which would build whatever it is. */
function assertDepth(text: string): void {
  let depth = 0;
  let isText = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) isText = !isText;
    else if (isText) i += code === 0x5c ? 1 : 0;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > DEPTH_MAX) {
        throw new RangeError(`Cannot read the body: it is nested deeper than ${DEPTH_MAX} levels`);
      }
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch (cause) {
    throw new HttpProblem(400, "bad-request", { detail: "The body broke off", headers: CLOSE, cause });
  }
}

/** The connection ends with the answer: what may still come of the body is read by nobody. */
const CLOSE = { connection: "close" };

function tooLarge(bytesMax: number): HttpProblem {
  const detail = `Cannot read the body: the maximum is ${bytesMax} bytes`;
  return new HttpProblem(413, "body-too-large", { detail, headers: CLOSE });
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
