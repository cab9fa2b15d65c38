import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { beneath, handshakeFailure, Handshakes, putOff, sourceOf } from "./handshakes.ts";
import { HttpConnection, type HttpConnectionOptions } from "./http_connection.ts";
import { strangerWords } from "./other_protocol.ts";
import type { ProxySource } from "./proxy/proxy_header.ts";
import type { TrustedProxies } from "./proxy/trusted_proxies.ts";
import { certificateOf, contextOf, renewed, type TlsOptions, usable, type UsableTls } from "./tls.ts";

/** Where and how to listen for HTTP. */
export interface HttpListenOptions extends HttpConnectionOptions {
  readonly hostname: string;
  readonly port: number;
  /** In clear text when absent. */
  readonly tls?: TlsOptions;
  /** Set when a PROXY header from one of these stands at the start of each connection. */
  readonly proxies?: TrustedProxies;
  /** Connections at a time. */
  readonly connectionsMax: number;
  /** The headers must have arrived this long after the connection was opened, and the whole request after its first byte. A PROXY header and
   * a handshake before them have as long. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Counts a connection from this address; undefined when it is one too many. The answer is called when it has gone. */
  readonly enter: (remoteAddress: string) => (() => void) | undefined;
}

/** Bytes of the headers of one request. */
const HEADER_BYTES_MAX = 16 * 1024;
/** How long a connection may wait for its next request. */
const IDLE_MS = 30_000;
/** Between two looks at the deadlines. */
const CHECK_MS = 500;

/** An open HTTP listener, over `node:http`: `Deno.serve` has no deadline for headers (docs/decisions/0020). A connection is met (PROXY
 * header), admitted, secured (TLS) and then served. */
export class HttpListener {
  hostname: string;
  port: number;
  readonly #options: HttpListenOptions;
  readonly #server: Server;
  readonly #handshakes: Handshakes;
  /** Does the TLS handshake on a connection in clear text; serves it where there is none. */
  readonly #begin: (socket: Socket) => void;
  readonly #serveSecured: (socket: TLSSocket) => void;
  /** Those that are admitted, by the socket beneath that of TLS. */
  readonly #connections = new Map<Socket, HttpConnection>();
  #tls: UsableTls | undefined;

  private constructor(options: HttpListenOptions, tls: UsableTls | undefined) {
    this.#options = options;
    this.#tls = tls;
    this.hostname = options.hostname;
    this.port = options.port;
    const { onRefusedPeer, proxies, headersTimeoutMs: handshakeTimeoutMs } = options;
    this.#handshakes = new Handshakes({ onRefusedPeer, proxies, handshakeTimeoutMs });
    const server = this.#server = serverOf(options);
    this.#begin = putOff(server, "connection", (socket) => {
      this.#handshakes.meet(socket, (source) => this.#admit(socket, source));
    });
    this.#serveSecured = putOff(server, "secureConnection", (socket: TLSSocket) => void this.#secure(socket));
    server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
      this.#handshakes.refuse(beneath(socket), handshakeFailure(error));
    });
    server.on("clientError", (error: ClientError, socket: Socket) => {
      if (error.code === "HPE_ERROR") this.#tellStranger(error, socket);
      refuse(error, socket);
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      this.#connections.get(beneath(request.socket))?.take(request, response); // else it has gone
    };
    server.on("request", onRequest).on("checkContinue", onRequest);
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
    this.#server.close(() => resolve());
    this.#handshakes.cut();
    for (const connection of [...this.#connections.values()]) connection.end();
    const cut = setTimeout(() => {
      for (const connection of [...this.#connections.values()]) connection.cut();
    }, timeoutMs);
    await promise;
    clearTimeout(cut);
  }

  /** It is known whose the connection is. */
  #admit(socket: Socket, { address }: ProxySource): void {
    const { connectionsMax, enter } = this.#options;
    const leave = this.#connections.size < connectionsMax ? enter(address) : undefined;
    if (leave === undefined) return void socket.destroy();
    this.#connections.set(socket, new HttpConnection(socket, address, this.#options));
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => {
      this.#connections.delete(socket);
      leave();
    });
    if (this.#tls !== undefined) return this.#begin(socket);
    this.#handshakes.end(socket);
    this.#begin(socket);
    socket.resume(); // a PROXY header has been read of it, and no more
  }

  /** Its TLS handshake is done. */
  async #secure(socket: TLSSocket): Promise<void> {
    const peer = await this.#handshakes.secure(socket, certificateOf(socket, this.#tls!));
    if (peer === undefined) return;
    this.#connections.get(beneath(socket))!.certificate = peer.certificate;
    this.#serveSecured(socket);
  }

  /** Who has taken the wrong port, perhaps. */
  #tellStranger({ rawPacket = new Uint8Array() }: ClientError, socket: Socket): void {
    const address = this.#connections.get(beneath(socket))?.remoteAddress ?? sourceOf(socket).address;
    this.#options.onRefusedPeer?.(address, { kind: "stranger", reason: strangerWords(rawPacket, "HTTP") });
  }
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
