import { createPrivateKey, X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type ClientCertificate, readCertificate, RevocationLists } from "./certificate.ts";
import { beneath, handshakeFailure, Handshakes, putOff } from "./handshakes.ts";
import { NodeChannel } from "./node_channel.ts";
import type { TrustedProxies } from "./proxy/trusted_proxies.ts";
import type { TcpListenOptions } from "./tcp.ts";
import type { OnRefusedPeer, TransportConnection, TransportListener } from "./transport.ts";

/** How a listener proves who it is, and what it asks of its clients. All texts are PEM. */
export interface TlsOptions {
  /** The certificate, and behind it those between it and the root. */
  readonly certificate: string;
  /** The private key of the certificate, not encrypted. */
  readonly privateKey: string;
  /** Whether clients are asked for a certificate, and whether one without is let in; `none`. One that is not valid is never let in. */
  readonly clientCertificate?: "none" | "request" | "require";
  /** Who signs the certificates of clients; wanted unless `clientCertificate` is `none`. */
  readonly clientAuthorities?: string;
  /** Revocation lists of those authorities; revoked certificates are let in without. */
  readonly revocationLists?: string;
  /** The oldest version spoken; 1.2. */
  readonly minVersion?: "1.2" | "1.3";
}

/** Where and how to listen for TLS connections. */
export interface TlsListenOptions extends TcpListenOptions {
  readonly tls: TlsOptions;
  readonly onRefusedPeer?: OnRefusedPeer;
  /** Counts a connection whose handshake is under way; undefined when it is one too many from its address. The answer is called when the
   * handshake is over. */
  readonly enter?: (address: string) => (() => void) | undefined;
  /** Handshakes that take longer are cut off. */
  readonly handshakeTimeoutMs: number;
  /** Set when a PROXY header from one of these stands before each handshake, and counts with it. */
  readonly proxies?: TrustedProxies;
}

/** A listener whose certificate can be renewed while it is open. */
export interface TlsListener extends TransportListener {
  /** Takes effect with the next handshake; connections that are open stay.
   * @throws {RangeError} when what is asked of clients, or the oldest version, is another than at the opening
   * @throws {Error} when certificate, key or lists are not usable; everything is as before then */
  renew(tls: TlsOptions): Promise<void>;
}

/** Opens a TLS listener. Over `node:tls`, not `Deno.listenTls`, which can neither ask for client certificates nor renew its own and keeps
 * small packets back (docs/decisions/0015).
 * @throws {Error} when certificate, key or lists are not usable, and as the system says, with its code (`EADDRINUSE`) */
export async function listenTls(options: TlsListenOptions): Promise<TlsListener> {
  const listener = new NodeTlsListener(options, await usable(options.tls));
  await listener.open();
  return listener;
}

/** What was checked and read of the options. */
export interface UsableTls {
  readonly options: TlsOptions;
  readonly lists: RevocationLists | undefined;
}

/** Checks and reads what a listener is to show and to ask for.
 * @throws {Error} when certificate, key or lists are not usable */
export async function usable(options: TlsOptions): Promise<UsableTls> {
  const { certificate, privateKey, clientCertificate = "none", clientAuthorities, revocationLists } = options;
  if (!readCertificatePem(certificate).checkPrivateKey(readPrivateKeyPem(privateKey))) {
    throw new Error("the private key is not that of the certificate");
  }
  if (clientCertificate !== "none" && clientAuthorities === undefined) {
    throw new Error("client certificates are asked for, and nobody is named whose signature counts");
  }
  if (clientAuthorities !== undefined) readCertificatePem(clientAuthorities);
  const lists = revocationLists === undefined
    ? undefined
    : await RevocationLists.read(revocationLists, clientAuthorities ?? "");
  return { options, lists };
}

/** The first certificate of a text.
 * @throws {Error} in words for people */
export function readCertificatePem(text: string): X509Certificate {
  return readPem("a certificate", () => new X509Certificate(text));
}

/** @throws {Error} in words for people */
export function readPrivateKeyPem(text: string): ReturnType<typeof createPrivateKey> {
  return readPem("a private key that is not encrypted", () => createPrivateKey(text));
}

/** What the runtime says of text that it cannot read is about its own parts. */
function readPem<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Error(`expected ${what} in PEM form, found none`, { cause });
  }
}

class NodeTlsListener implements TlsListener {
  hostname: string;
  port: number;
  readonly connections: ReadableStream<TransportConnection>;
  readonly #options: TlsListenOptions;
  readonly #server: Server;
  #tls: UsableTls;
  #accepted!: ReadableStreamDefaultController<TransportConnection>;
  readonly #handshakes: Handshakes;
  #isClosed = false;

  constructor(options: TlsListenOptions, tls: UsableTls) {
    this.#options = options;
    this.#tls = tls;
    this.#handshakes = new Handshakes(options);
    this.hostname = options.hostname;
    this.port = options.port;
    this.connections = new ReadableStream({ start: (controller) => void (this.#accepted = controller) });
    this.#server = createServer({ ...contextOf(tls.options), noDelay: options.noDelay });
    const begin = putOff(this.#server, "connection", (socket) => this.#handshakes.meet(socket, () => begin(socket)));
    this.#server.on(
      "tlsClientError",
      (error: Error, socket: TLSSocket) => this.#handshakes.refuse(beneath(socket), handshakeFailure(error)),
    );
    this.#server.on("secureConnection", (socket: TLSSocket) => void this.#onSecure(socket));
  }

  open(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(this.port, this.hostname, () => {
      this.#server.off("error", reject);
      this.#server.on("error", (error: Error) => this.#options.onAcceptError?.(error));
      ({ address: this.hostname, port: this.port } = this.#server.address() as AddressInfo);
      resolve();
    });
    return promise;
  }

  async renew(tls: TlsOptions): Promise<void> {
    this.#tls = await renewed(this.#tls, tls);
    this.#server.setSecureContext(contextOf(tls));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#server.close();
    this.#handshakes.cut();
    this.#accepted.close();
  }

  async #onSecure(socket: TLSSocket): Promise<void> {
    const peer = await this.#handshakes.secure(socket, certificateOf(socket, this.#tls));
    if (peer === undefined) return;
    if (this.#options.noDelay) socket.setNoDelay(true);
    this.#accepted.enqueue({
      remoteAddress: peer.source.address,
      remotePort: peer.source.port,
      channel: new NodeChannel(socket),
      certificate: peer.certificate,
    });
  }
}

/** What the certificate of a client that has done its handshake says; undefined where none is asked for, or needed.
 * @throws {Error} saying why the client is not let in */
export async function certificateOf(
  socket: TLSSocket,
  { options: { clientCertificate = "none" }, lists }: UsableTls,
): Promise<ClientCertificate | undefined> {
  if (clientCertificate === "none") return undefined;
  const { raw } = socket.getPeerCertificate() as { raw?: Uint8Array };
  if (raw === undefined) {
    if (clientCertificate === "request") return undefined;
    throw new Error("the client has no certificate");
  }
  if (!socket.authorized) throw new Error(`the client certificate is not valid: ${socket.authorizationError}`);
  const der = new Uint8Array(raw);
  const refusal = lists?.refusal(der, Date.now());
  if (refusal !== undefined) throw new Error(`the client certificate is not accepted: ${refusal}`);
  return await readCertificate(der);
}

/** What an open listener goes on with.
 * @throws {RangeError} when it would ask another thing of its clients
 * @throws {Error} when certificate, key or lists are not usable */
export async function renewed({ options }: UsableTls, next: TlsOptions): Promise<UsableTls> {
  const { clientCertificate = "none", minVersion = "1.2" } = options;
  if ((next.clientCertificate ?? "none") !== clientCertificate || (next.minVersion ?? "1.2") !== minVersion) {
    throw new RangeError("clientCertificate and minVersion hold as long as the listener is open");
  }
  return await usable(next);
}

/** As the runtime's TLS servers take it. */
export function contextOf(tls: TlsOptions) {
  const { certificate, privateKey, clientCertificate = "none", clientAuthorities, minVersion = "1.2" } = tls;
  return {
    cert: certificate,
    key: privateKey,
    ca: clientAuthorities,
    requestCert: clientCertificate !== "none",
    rejectUnauthorized: clientCertificate === "require",
    minVersion: `TLSv${minVersion}` as const,
  };
}
