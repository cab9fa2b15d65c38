import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { plainAddress } from "./tcp.ts";

/** A request as the listener hands it over; the target as it was sent. */
export interface HttpRequestIn {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  /** Aborted when the peer has gone. */
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
}

/** Where and how to listen for HTTP. */
export interface HttpListenOptions {
  readonly hostname: string;
  readonly port: number;
  /** Connections at a time. */
  readonly connectionsMax: number;
  /** The headers must have arrived this long after the connection was opened, and the whole request after its first byte. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Counts a connection from this address; undefined when it is one too many. The answer is called when it has gone. */
  readonly enter: (remoteAddress: string) => (() => void) | undefined;
  readonly onRequest: (request: HttpRequestIn) => Promise<Response>;
  readonly onError: (error: unknown) => void;
}

/** Bytes of the headers of one request. */
const HEADER_BYTES_MAX = 16 * 1024;
/** How long a connection may wait for its next request. */
const IDLE_MS = 30_000;
/** A peer that takes nothing of an answer for this long is cut. */
const WRITE_TIMEOUT_MS = 60_000;
/** Between two looks at the deadlines. */
const CHECK_MS = 500;

/** An open HTTP listener, over `node:http`: `Deno.serve` has no deadline for headers (docs/decisions/0020). */
export class HttpListener {
  hostname: string;
  port: number;
  readonly #options: HttpListenOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Those with a request that is not answered yet. */
  readonly #busy = new Set<Socket>();
  #isClosing = false;

  private constructor(options: HttpListenOptions) {
    this.#options = options;
    this.hostname = options.hostname;
    this.port = options.port;
    const settings = {
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: IDLE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      noDelay: true,
    };
    this.#server = createServer(settings);
    this.#server.on("connection", (socket: Socket) => this.#onConnection(socket));
    this.#server.on("clientError", (error: Error & { code?: string }, socket: Socket) => refuse(error, socket));
    this.#server.on("request", (request, response) => void this.#onRequest(request, response));
  }

  /** @throws {Error} as the system says, with its code (`EADDRINUSE`) */
  static async open(options: HttpListenOptions): Promise<HttpListener> {
    const listener = new HttpListener(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = listener.#server;
    server.once("error", reject);
    server.listen(options.port, options.hostname, resolve);
    await promise;
    server.off("error", reject);
    server.on("error", options.onError);
    ({ address: listener.hostname, port: listener.port } = server.address() as AddressInfo);
    return listener;
  }

  /** Takes no more connections; those that are open end with the answer that is under way, or are cut after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isClosing = true;
    this.#server.close(() => resolve());
    for (const socket of [...this.#sockets]) if (!this.#busy.has(socket)) socket.destroy();
    const cut = setTimeout(() => {
      for (const socket of [...this.#sockets]) socket.destroy();
    }, timeoutMs);
    await promise;
    clearTimeout(cut);
  }

  #onConnection(socket: Socket): void {
    const { connectionsMax, enter } = this.#options;
    const leave = this.#sockets.size < connectionsMax ? enter(plainAddress(socket.remoteAddress ?? "")) : undefined;
    if (leave === undefined) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#busy.delete(socket);
      leave();
    });
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#busy.add(socket);
    const gone = new AbortController();
    response.on("error", () => {}); // "close" follows
    response.once("close", () => gone.abort());
    try {
      const answer = await this.#options.onRequest({
        method: request.method ?? "",
        target: request.url ?? "",
        headers: headersOf(request),
        body: bodyOf(request),
        signal: gone.signal,
        remoteAddress: plainAddress(socket.remoteAddress ?? ""),
      });
      if (this.#isClosing) response.setHeader("connection", "close");
      await send(answer, request, response);
    } catch (error) {
      this.#options.onError(error);
      response.destroy();
    } finally {
      this.#busy.delete(socket);
      if (this.#isClosing) socket.destroySoon();
    }
  }
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
  return headers;
}

/** Nothing of it is read before it is asked for. */
function bodyOf(request: IncomingMessage): ReadableStream<Uint8Array> | null {
  if (!hasBody(request)) return null;
  const parts = request[Symbol.asyncIterator]();
  let isWanted = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (!isWanted) return;
      if (done === true) controller.close();
      else controller.enqueue(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    },
    cancel: () => void (isWanted = false),
  }, { highWaterMark: 0 });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Writes an answer as fast as the peer reads it.
 * @throws whatever the body of the answer ends with */
async function send(answer: Response, request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  if (!request.complete && hasBody(request)) response.setHeader("connection", "close"); // what still comes is read by nobody
  response.statusCode = answer.status;
  if (answer.body !== null) await write(answer.body, response);
  if (response.destroyed) return;
  response.end();
  await taken(response, "finish");
}

async function write(body: ReadableStream<Uint8Array>, response: ServerResponse): Promise<void> {
  const reader = body.getReader();
  response.once("close", () => void reader.cancel().catch(() => {}));
  response.flushHeaders();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (response.destroyed) return;
    if (!response.write(part.value)) await Promise.race([taken(response, "drain"), reader.closed]);
  }
}

/** Resolves when the peer has taken what was written; one that does not within its time is cut. */
function taken(response: ServerResponse, event: "drain" | "finish"): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (response.destroyed || response.writableFinished) return Promise.resolve();
  const cut = setTimeout(() => response.destroy(), WRITE_TIMEOUT_MS);
  const settle = () => {
    clearTimeout(cut);
    response.off(event, settle).off("close", settle);
    resolve();
  };
  response.once(event, settle).once("close", settle);
  return promise;
}

/** What never became a request. */
function refuse(error: Error & { code?: string }, socket: Socket): void {
  const status = error.code === "HPE_HEADER_OVERFLOW"
    ? "431 Request Header Fields Too Large"
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? "408 Request Timeout"
    : "400 Bad Request";
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroySoon();
}
