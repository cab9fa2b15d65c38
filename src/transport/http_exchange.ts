import type { IncomingMessage, ServerResponse } from "node:http";

/** Of an answer written at once: whoever takes so much in time takes something. */
const SLICE_BYTES = 64 * 1024;

/** A request; the target as it was sent. */
export interface HttpRequestIn {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  /** Nothing of it is read before it is asked for. */
  readonly body: ReadableStream<Uint8Array> | null;
  /** Aborted when the peer has gone. */
  readonly signal: AbortSignal;
}

/** A request of `node:http` and its answer, as the Web has them. */
export class HttpExchange {
  readonly request: HttpRequestIn;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #writeTimeoutMs: number;

  /** A peer that takes nothing of the answer for `writeTimeoutMs` is cut. */
  constructor(request: IncomingMessage, response: ServerResponse, { writeTimeoutMs }: { writeTimeoutMs: number }) {
    this.#request = request;
    this.#response = response;
    this.#writeTimeoutMs = writeTimeoutMs;
    const gone = new AbortController();
    response.on("error", () => {}); // "close" follows
    response.once("close", () => gone.abort());
    this.request = {
      method: request.method ?? "",
      target: request.url ?? "",
      headers: headersOf(request),
      body: hasBody(request) ? ReadableStream.from(this.#parts()) : null,
      signal: gone.signal,
    };
  }

  /** Writes the answer as fast as the peer takes it. With the last one the connection ends.
   * @throws whatever the body of the answer ends with */
  async respond(answer: Response, { isLast }: { isLast: boolean }): Promise<void> {
    const response = this.#response;
    if (response.destroyed) return await answer.body?.cancel(); // the peer has gone
    const isUnread = hasBody(this.#request) && !this.#request.complete; // what still comes is read by nobody
    if (isLast || isUnread) response.setHeader("connection", "close");
    for (const [name, value] of answer.headers) response.setHeader(name, value);
    response.statusCode = answer.status;
    if (answer.body !== null) await this.#write(answer.body);
    if (response.destroyed) return;
    response.end();
    await this.#taken("finish");
  }

  /** The body; a client that waits for a word is told that it may send it. */
  async *#parts(): AsyncIterable<Uint8Array> {
    const { headers, httpVersion } = this.#request;
    if (headers.expect !== undefined && httpVersion !== "1.0") this.#response.writeContinue();
    const parts = this.#request.iterator({ destroyOnReturn: false }); // an answer may follow
    for await (const { buffer, byteOffset, byteLength } of parts) yield new Uint8Array(buffer, byteOffset, byteLength);
  }

  async #write(body: ReadableStream<Uint8Array>): Promise<void> {
    const response = this.#response;
    const reader = body.getReader();
    response.once("close", () => void reader.cancel().catch(() => {}));
    response.flushHeaders();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      for (let at = 0; at < part.value.length; at += SLICE_BYTES) {
        if (response.destroyed) return;
        if (!response.write(part.value.subarray(at, at + SLICE_BYTES))) await this.#taken("drain");
      }
    }
  }

  /** Resolves when the peer has taken what was written, or has gone. */
  #taken(event: "drain" | "finish"): Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.writableFinished) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cut = setTimeout(() => response.destroy(), this.#writeTimeoutMs);
    const settle = () => {
      clearTimeout(cut);
      response.off(event, settle).off("close", settle);
      resolve();
    };
    response.once(event, settle).once("close", settle);
    return promise;
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
  return headers;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
