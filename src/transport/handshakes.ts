import type { Server, Socket } from "node:net";
import { plainAddress } from "../address/ip_address.ts";
import { readSocketHeader } from "./proxy/proxied_socket.ts";
import type { ProxySource } from "./proxy/proxy_header.ts";
import { badHeader, type TrustedProxies, UNTRUSTED } from "./proxy/trusted_proxies.ts";
import type { OnRefusedPeer, PeerFault } from "./transport.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** Handshakes under way at a time; above it the oldest of the address that has most makes room. */
const HANDSHAKES_MAX = 1_000;

/** What {@link Handshakes} need. */
export interface HandshakesOptions {
  /** Told of each that failed, with the address of the peer and why. */
  readonly onRefusedPeer?: OnRefusedPeer;
  /** Counts a connection from this address; undefined when it is one too many. The answer is called when its handshake is over. */
  readonly enter?: (address: string) => (() => void) | undefined;
  /** Set when a PROXY header from one of these stands before each. */
  readonly proxies?: TrustedProxies;
  /** A handshake that takes longer is cut off; with a PROXY header, both together. */
  readonly handshakeTimeoutMs: number;
}

/** One that is under way. */
interface Handshake {
  readonly socket: Socket;
  /** Of the connection itself. */
  readonly address: string;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly onClose: () => void;
  leave: (() => void) | undefined;
}

/** The PROXY headers and TLS handshakes that are under way on one listener, each from when its connection is accepted until it succeeds, is
 * refused or cut, or its connection closes. */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** By the socket beneath that of TLS. */
  readonly #underWay = new Map<Socket, Handshake>();
  /** Whose they are that have not succeeded: that one failed may be told when its socket has closed. */
  readonly #sources = new WeakMap<Socket, ProxySource>();
  readonly #room = new WaitingRoom<Handshake>(HANDSHAKES_MAX);

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** A connection was accepted. `onKnown` is called when it is known whose it is, and it is not one too many of theirs: at once, or when its
   * PROXY header has been read and was one of a trusted proxy. */
  meet(socket: Socket, onKnown: (source: ProxySource) => void): void {
    this.#begin(socket);
    const source = sourceOf(socket);
    const know = (source: ProxySource) => {
      if (this.#count(socket, source)) onKnown(source);
    };
    this.#sources.set(socket, source);
    const { proxies } = this.#options;
    if (proxies === undefined) return know(source);
    if (!proxies.trusts(source.address)) return this.refuse(socket, UNTRUSTED);
    readSocketHeader(socket).then(
      (said) => know(said ?? source),
      (error) => this.refuse(socket, badHeader(error)),
    );
  }

  /** One has succeeded; answers whose it is, undefined when it is under way no more. The socket may be that of TLS. */
  end(socket: Socket): ProxySource | undefined {
    const under = beneath(socket);
    if (socket.destroyed || !this.#over(under)) return undefined;
    const source = this.#sources.get(under);
    this.#sources.delete(under);
    return source;
  }

  /** One of TLS has succeeded, and so it all has when the certificate is good. Answers whose it is; undefined when it was refused, or is under
   * way no more. */
  async secure<C>(
    socket: Socket,
    certificate: Promise<C>,
  ): Promise<{ source: ProxySource; certificate: C } | undefined> {
    socket.on("error", () => {}); // "close" follows
    try {
      const verified = await certificate;
      const source = this.end(socket);
      if (source !== undefined) return { source, certificate: verified };
      socket.destroy();
    } catch (error) {
      this.refuse(socket, { kind: "unwelcome", reason: error instanceof Error ? error.message : String(error) });
    }
  }

  /** One has not. Told once, and not of what was cut. */
  refuse(socket: Socket, fault: PeerFault): void {
    const under = beneath(socket);
    const source = this.#sources.get(under);
    this.#cut(under);
    socket.destroy();
    if (source !== undefined) this.#options.onRefusedPeer?.(source.address, fault);
  }

  /** The listener is closed. */
  cut(): void {
    for (const socket of [...this.#underWay.keys()]) this.#cut(socket);
  }

  #begin(socket: Socket): void {
    socket.on("error", () => {}); // "close" follows
    const { address } = sourceOf(socket);
    const timer = setTimeout(
      () => this.refuse(socket, { kind: "late", reason: "the handshake took too long" }),
      this.#options.handshakeTimeoutMs,
    );
    const handshake = { socket, address, timer, onClose: () => void this.#over(socket), leave: undefined };
    const oldest = this.#room.add(address, handshake);
    if (oldest !== undefined) this.#cut(oldest.socket);
    this.#underWay.set(socket, handshake);
    socket.once("close", handshake.onClose);
  }

  /** False when it is one too many from there, or under way no more. */
  #count(socket: Socket, source: ProxySource): boolean {
    const handshake = this.#underWay.get(socket);
    if (handshake === undefined || socket.destroyed) return false;
    this.#sources.set(socket, source);
    const { enter } = this.#options;
    if (enter === undefined) return true;
    handshake.leave = enter(source.address);
    if (handshake.leave === undefined) this.#cut(socket);
    return handshake.leave !== undefined;
  }

  /** Without a word: a flood would fill the log. */
  #cut(socket: Socket): void {
    this.#over(socket); // "close" comes later
    this.#sources.delete(socket);
    socket.destroy();
  }

  /** False when it was over before. */
  #over(socket: Socket): boolean {
    const handshake = this.#underWay.get(socket);
    if (handshake === undefined) return false;
    this.#underWay.delete(socket);
    this.#room.delete(handshake.address, handshake);
    clearTimeout(handshake.timer);
    socket.off("close", handshake.onClose);
    handshake.leave?.();
    return true;
  }
}

/** Puts off what a server of the runtime does with a connection at `event`: `onConnection` is told of each, and the answer goes on with it. */
export function putOff<S extends Socket>(
  server: Server,
  event: "connection" | "secureConnection",
  onConnection: (socket: S) => void,
): (socket: S) => void {
  const own = server.listeners(event);
  server.removeAllListeners(event);
  server.on(event, onConnection);
  return (socket) => {
    for (const listener of own) listener.call(server, socket);
  };
}

/** What the runtime says of handshakes that fail, and what that means. */
const FAILURES: readonly (readonly [RegExp, PeerFault["kind"], string])[] = [
  [/InvalidContentType/, "stranger", "the client does not speak TLS, and this listener does"],
  [/sent no certificates/, "unwelcome", "the client has no certificate"],
  [
    /fatal alert: (\w*(?:Certificate\w*|CA))/,
    "stranger",
    "the client does not accept the certificate of this listener ($1)",
  ],
];

/** Why a handshake failed; what is said of a certificate besides is said of the client's own. */
export function handshakeFailure({ message }: Error): PeerFault {
  const known = FAILURES.find(([said]) => said.test(message));
  if (known === undefined) return { kind: /certificate/i.test(message) ? "unwelcome" : "stranger", reason: message };
  const [said, kind, words] = known;
  return { kind, reason: message.replace(new RegExp(`^.*${said.source}.*$`, "s"), words) };
}

/** The socket of a connection: that of TLS stands on it, and knows its peer no more once its handshake has failed. */
export function beneath(socket: Socket): Socket {
  return (socket as { _parent?: Socket })._parent ?? socket;
}

/** Where a connection comes from by itself. */
export function sourceOf({ remoteAddress, remotePort }: Socket): ProxySource {
  return { address: plainAddress(remoteAddress ?? ""), port: remotePort ?? 0 };
}
