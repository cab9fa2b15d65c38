import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "./certificate.ts";
import { badCertificate, beneath, handshakeFailure, Handshakes, peerOf, putOff, sourceOf } from "./handshakes.ts";
import { strangerWords } from "./other_protocol.ts";
import type { ProxySource } from "./proxy/proxy_header.ts";
import type { TrustedProxies } from "./proxy/trusted_proxies.ts";
import { certificateOf, contextOf, renewed, type TlsOptions, usable, type UsableTls } from "./tls.ts";
import type { OnRefusedPeer } from "./transport.ts";

/** A request as the listener hands it over; the target as it was sent. */
export interface HttpRequestIn {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  /** Aborted when the peer has gone. */
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
  /** What was verified of the peer, where it is asked for a certificate. */
  readonly certificate?: ClientCertificate;
  /** Why nothing is done for the connection that it came by. */
  readonly refusal?: Error;
}

/** Where and how to listen for HTTP. */
export interface HttpListenOptions {
  readonly hostname: string;
  readonly port: number;
  /** In clear text when absent. */
  readonly tls?: TlsOptions;
  readonly onRefusedPeer?: OnRefusedPeer;
  /** Set when a PROXY header from one of these stands at the start of each connection. */
  readonly proxies?: TrustedProxies;
  /** Connections at a time. */
  readonly connectionsMax: number;
  /** The headers must have arrived this long after the connection was opened, and the whole request after its first byte. A PROXY header and
   * a handshake before them have as long. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** A peer that takes nothing of an answer for this long is cut. */
  readonly writeTimeoutMs: number;
  /** Counts a connection from this address; undefined when it is one too many. The answer is called when it has gone. */
  readonly enter: (remoteAddress: string) => (() => void) | undefined;
  /** Why a connection from this address is to be told no, and then closed; asked once for each. */
  readonly refusalOf?: (remoteAddress: string) => Error | undefined;
  readonly onRequest: (request: HttpRequestIn) => Promise<Response>;
  readonly onError: (error: unknown) => void;
}

/** Bytes of the headers of one request. */
const HEADER_BYTES_MAX = 16 * 1024;
/** How long a connection may wait for its next request. */
const IDLE_MS = 30_000;
/** Requests of one connection that are not answered yet, those included that are not looked at before the ones before them are answered.
 * A second costs its sender 30 bytes, and us 4 KB. */
const REQUESTS_MAX = 100;
/** Between two looks at the deadlines. */
const CHECK_MS = 500;
/** Of an answer written at once: whoever takes so much in time takes something. */
const SLICE_BYTES = 64 * 1024;

/** An open HTTP listener, over `node:http`: `Deno.serve` has no deadline for headers (docs/decisions/0020). */
export class HttpListener {
  hostname: string;
  port: number;
  readonly #options: HttpListenOptions;
  readonly #server: Server;
  readonly #handshakes: Handshakes;
  /** Serves a connection. */
  readonly #begin: (socket: Socket) => void;
  /** Those that are served. By the peer: beneath the socket of TLS there is another. */
  readonly #served = new Map<string, Served>();
  /** What was found of the clients that have done their handshake. */
  readonly #certificates = new WeakMap<Socket, Promise<ClientCertificate | undefined>>();
  #tls: UsableTls | undefined;
  #isClosing = false;

  private constructor(options: HttpListenOptions, tls: UsableTls | undefined) {
    this.#options = options;
    this.#tls = tls;
    this.hostname = options.hostname;
    this.port = options.port;
    const { onRefusedPeer, proxies, headersTimeoutMs: handshakeTimeoutMs } = options;
    this.#handshakes = new Handshakes({ onRefusedPeer, proxies, handshakeTimeoutMs });
    this.#server = serverOf(options);
    this.#begin = putOff(this.#server, (socket) => this.#onConnection(socket));
    this.#server.on("secureConnection", (socket: TLSSocket) => this.#onSecure(socket));
    this.#server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
      this.#handshakes.refuse(beneath(socket), handshakeFailure(error));
    });
    this.#server.on("clientError", (error: ClientError, socket: Socket) => {
      if (error.code === "HPE_ERROR") this.#tellStranger(error, socket);
      refuse(error, socket);
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse) => void this.#onRequest(request, response);
    this.#server.on("request", onRequest).on("checkContinue", onRequest);
  }

  /** @throws {Error} when certificate, key or lists are not usable, and as the system says, with its code (`EADDRINUSE`) */
  static async open(options: HttpListenOptions): Promise<HttpListener> {
    const listener = new HttpListener(options, options.tls === undefined ? undefined : await usable(options.tls));
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

  /** Takes effect with the next handshake; connections that are open stay.
   * @throws {RangeError} when it speaks no TLS, or what is asked of clients or the oldest version is another than at the opening
   * @throws {Error} when certificate, key or lists are not usable; everything is as before then */
  async renew(tls: TlsOptions): Promise<void> {
    if (this.#tls === undefined) throw new RangeError("Cannot renew the certificate of a listener in clear text");
    this.#tls = await renewed(this.#tls, tls);
    (this.#server as unknown as SecureServer).setSecureContext(contextOf(tls));
  }

  /** Takes no more connections; those that are open end with the answer that is under way, or are cut after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isClosing = true;
    this.#server.close(() => resolve());
    this.#handshakes.cut();
    for (const { socket, requests } of [...this.#served.values()]) if (requests === 0) socket.destroy();
    const cut = setTimeout(() => {
      for (const { socket } of [...this.#served.values()]) socket.destroy();
    }, timeoutMs);
    await promise;
    clearTimeout(cut);
  }

  #onConnection(socket: Socket): void {
    const isKnown = this.#tls === undefined && this.#options.proxies === undefined;
    if (isKnown) this.#serve(socket, sourceOf(socket));
    else this.#handshakes.meet(socket, (source) => this.#serve(socket, source));
  }

  #serve(socket: Socket, source: ProxySource): void {
    const { connectionsMax, enter } = this.#options;
    const leave = this.#served.size < connectionsMax ? enter(source.address) : undefined;
    if (leave === undefined) return void socket.destroy();
    const peer = peerOf(socket);
    const refusal = this.#options.refusalOf?.(source.address);
    const served: Served = { socket, source, refusal, requests: 0, answered: Promise.resolve() };
    this.#served.set(peer, served);
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => {
      if (this.#served.get(peer) === served) this.#served.delete(peer); // else its port is another connection's by now
      leave();
    });
    if (this.#tls !== undefined) {
      this.#handshakes.tell(socket, source);
      return this.#begin(socket);
    }
    this.#handshakes.end(socket);
    this.#begin(socket);
    socket.resume(); // a PROXY header has been read of it, and no more
  }

  #onSecure(socket: TLSSocket): void {
    const source = this.#handshakes.end(socket);
    socket.on("error", () => {}); // "close" follows
    const certificate = certificateOf(socket, this.#tls!);
    certificate.catch((error: Error) => this.#handshakes.refuse(socket, badCertificate(error), source));
    this.#certificates.set(socket, certificate);
  }

  /** Who has taken the wrong port, perhaps. */
  #tellStranger({ rawPacket = new Uint8Array() }: ClientError, socket: Socket): void {
    const { address } = this.#served.get(peerOf(socket))?.source ?? sourceOf(socket);
    this.#options.onRefusedPeer?.(address, { kind: "stranger", reason: strangerWords(rawPacket, "HTTP") });
  }

  /** Requests that come at once are carried out one after the other: a later one may rely on what an earlier one has done, and what is not
   * looked at takes no place from anybody (RFC 9112 section 9.3.2). */
  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const served = this.#served.get(peerOf(socket));
    if (served === undefined) return void socket.destroy(); // it has gone
    if (served.requests === REQUESTS_MAX) {
      const reason = `${REQUESTS_MAX} requests were sent without waiting for an answer`;
      this.#options.onRefusedPeer?.(served.source.address, { kind: "stranger", reason });
      return void socket.destroy();
    }
    served.requests++;
    served.answered = served.answered.then(() => this.#answer(request, response, served));
  }

  async #answer(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
    const { socket } = request;
    const gone = new AbortController();
    response.on("error", () => {}); // "close" follows
    response.once("close", () => gone.abort());
    try {
      const certificate = await this.#certificates.get(socket)?.catch(() => null);
      if (certificate === null || socket.destroyed) return void response.destroy(); // where it was not let in, that is told
      const answer = await this.#options.onRequest({
        method: request.method ?? "",
        target: request.url ?? "",
        headers: headersOf(request),
        body: bodyOf(request, response),
        signal: gone.signal,
        remoteAddress: served.source.address,
        certificate,
        refusal: served.refusal,
      });
      const isLast = this.#isClosing && served.requests === 1;
      if (isLast || served.refusal !== undefined) response.setHeader("connection", "close");
      await send(answer, request, new Taking(response, this.#options.writeTimeoutMs));
    } catch (error) {
      if (!(error instanceof Deno.errors.TimedOut)) this.#options.onError(error); // else it is the peer's fault
      response.destroy();
    } finally {
      served.requests--;
      if (this.#isClosing && served.requests === 0) socket.destroySoon();
    }
  }
}

/** A connection, and whose it is. */
interface Served {
  readonly socket: Socket;
  readonly source: ProxySource;
  readonly refusal: Error | undefined;
  /** Those that are not answered yet. */
  requests: number;
  /** Resolves when all that have come are answered. */
  answered: Promise<void>;
}

/** What `node:http` says of a client that it has not understood. */
type ClientError = Error & { readonly code?: string; readonly rawPacket?: Uint8Array };

/** What `node:https` has and `node:http` has not. */
interface SecureServer {
  setSecureContext(context: ReturnType<typeof contextOf>): void;
}

function serverOf({ tls, headersTimeoutMs, requestTimeoutMs }: HttpListenOptions): Server {
  const settings = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: CHECK_MS,
    keepAliveTimeout: IDLE_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    noDelay: true,
  };
  if (tls === undefined) return createServer(settings);
  return createSecureServer({ ...settings, ...contextOf(tls) }) as unknown as Server;
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
  return headers;
}

/** Nothing of it is read before it is asked for, and a client that waits for a word is told then that it may send it. */
function bodyOf(request: IncomingMessage, response: ServerResponse): ReadableStream<Uint8Array> | null {
  if (!hasBody(request)) return null;
  const parts = request[Symbol.asyncIterator]();
  let isWanted = true;
  let isAwaited = request.headers.expect !== undefined && request.httpVersion !== "1.0";
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isAwaited) response.writeContinue();
      isAwaited = false;
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

/** A response, and how long its peer may take. */
class Taking {
  readonly response: ServerResponse;
  readonly #timeoutMs: number;

  constructor(response: ServerResponse, timeoutMs: number) {
    this.response = response;
    this.#timeoutMs = timeoutMs;
  }

  /** Resolves when the peer has taken what was written; one that does not within its time is cut. */
  taken(event: "drain" | "finish"): Promise<void> {
    const { response } = this;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (response.destroyed || response.writableFinished) return Promise.resolve();
    const cut = setTimeout(() => response.destroy(), this.#timeoutMs);
    const settle = () => {
      clearTimeout(cut);
      response.off(event, settle).off("close", settle);
      resolve();
    };
    response.once(event, settle).once("close", settle);
    return promise;
  }
}

/** Writes an answer as fast as the peer reads it.
 * @throws whatever the body of the answer ends with */
async function send(answer: Response, request: IncomingMessage, taking: Taking): Promise<void> {
  const { response } = taking;
  if (response.destroyed) return await answer.body?.cancel(); // the peer has gone
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  if (!request.complete && hasBody(request)) response.setHeader("connection", "close"); // what still comes is read by nobody
  response.statusCode = answer.status;
  if (answer.body !== null) await write(answer.body, taking);
  if (response.destroyed) return;
  response.end();
  await taking.taken("finish");
}

async function write(body: ReadableStream<Uint8Array>, taking: Taking): Promise<void> {
  const { response } = taking;
  const reader = body.getReader();
  response.once("close", () => void reader.cancel().catch(() => {}));
  response.flushHeaders();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    for (let at = 0; at < part.value.length; at += SLICE_BYTES) {
      if (response.destroyed) return;
      if (!response.write(part.value.subarray(at, at + SLICE_BYTES))) await taking.taken("drain");
    }
  }
}

/** What never became a request. */
function refuse(error: ClientError, socket: Socket): void {
  const status = error.code === "HPE_HEADER_OVERFLOW"
    ? "431 Request Header Fields Too Large"
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? "408 Request Timeout"
    : "400 Bad Request";
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroySoon();
}
