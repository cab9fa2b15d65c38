import type { Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
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
  readonly peer: string;
  /** Of the connection itself. */
  readonly address: string;
  leave: (() => void) | undefined;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly onClose: () => void;
}

/** The PROXY headers and TLS handshakes that are under way on one listener. */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** By the peer, since the socket of a handshake and the one that comes out of it are two. */
  readonly #underWay = new Map<string, Handshake>();
  /** Whose the sockets are whose handshake has not succeeded: that it failed may be told when they have closed. */
  readonly #sources = new WeakMap<Socket, ProxySource>();
  readonly #room = new WaitingRoom<Handshake>(HANDSHAKES_MAX);

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** A connection was accepted. `onKnown` is called when it is known whose it is: at once, or when its PROXY header has been read and was one
   * of a trusted proxy. */
  meet(socket: Socket, onKnown: (source: ProxySource) => void): void {
    this.#expect(socket);
    const { proxies } = this.#options;
    const source = sourceOf(socket);
    if (proxies === undefined) return onKnown(source);
    if (!proxies.trusts(source.address)) return this.refuse(socket, UNTRUSTED);
    readSocketHeader(socket).then(
      (said) => onKnown(said ?? source),
      (error) => this.refuse(socket, badHeader(error)),
    );
  }

  /** Whose connection it is. False when it is one too many of theirs, or gone. */
  tell(socket: Socket, source: ProxySource): boolean {
    const handshake = this.#underWay.get(peerOf(socket));
    if (handshake?.socket !== socket || socket.destroyed) return false;
    this.#sources.set(socket, source);
    const { enter } = this.#options;
    if (enter === undefined) return true;
    handshake.leave = enter(source.address);
    if (handshake.leave === undefined) socket.destroy();
    return handshake.leave !== undefined;
  }

  /** It is over, and has succeeded; answers whose it is. The socket may be that of TLS. */
  end(socket: Socket): ProxySource {
    const under = this.#underWay.get(peerOf(socket))?.socket ?? socket;
    const source = this.#sources.get(under) ?? sourceOf(socket);
    this.#sources.delete(under);
    this.#over(peerOf(socket));
    return source;
  }

  /** It has not, or what came out of it is not let in. Told once, and not of what was cut off to make room. */
  refuse(socket: Socket, fault: PeerFault, source = this.#sources.get(socket)): void {
    this.#sources.delete(socket);
    socket.destroy();
    if (source !== undefined) this.#options.onRefusedPeer?.(source.address, fault);
  }

  /** The listener is closed. */
  cut(): void {
    for (const { socket } of [...this.#underWay.values()]) socket.destroy();
  }

  #expect(socket: Socket): void {
    socket.on("error", () => {}); // "close" follows
    const source = sourceOf(socket);
    const { address } = source;
    const peer = peerOf(socket);
    this.#over(peer); // that its former connection has gone is known now, its "close" may come later
    this.#sources.set(socket, source);
    const timer = setTimeout(
      () => this.refuse(socket, { kind: "late", reason: "the handshake took too long" }),
      this.#options.handshakeTimeoutMs,
    );
    const onClose = () => this.#over(peer);
    const handshake = { socket, peer, address, leave: undefined, timer, onClose };
    this.#cut(this.#room.add(address, handshake));
    this.#underWay.set(peer, handshake);
    socket.once("close", onClose);
  }

  /** Without a word: a flood would fill the log. */
  #cut(oldest: Handshake | undefined): void {
    if (oldest === undefined) return;
    this.#over(oldest.peer); // "close" comes later
    this.#sources.delete(oldest.socket);
    oldest.socket.destroy();
  }

  #over(peer: string): void {
    const handshake = this.#underWay.get(peer);
    if (handshake === undefined) return;
    this.#underWay.delete(peer);
    this.#room.delete(handshake.address, handshake);
    clearTimeout(handshake.timer);
    handshake.socket.off("close", handshake.onClose);
    handshake.leave?.();
  }
}

/** Puts off what a server of the runtime does with a connection: `onConnection` is told of each, and the answer goes on with it. */
export function putOff(server: Server, onConnection: (socket: Socket) => void): (socket: Socket) => void {
  const own = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", onConnection);
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

/** A certificate that is not accepted after a handshake that went well. */
export function badCertificate(error: unknown): PeerFault {
  return { kind: "unwelcome", reason: error instanceof Error ? error.message : String(error) };
}

/** The socket that carries a handshake: that of TLS knows its peer no more once it has failed. */
export function beneath(socket: TLSSocket): Socket {
  return (socket as { _parent?: Socket })._parent ?? socket;
}

/** Where a connection comes from by itself. */
export function sourceOf({ remoteAddress, remotePort }: Socket): ProxySource {
  return { address: plainAddress(remoteAddress ?? ""), port: remotePort ?? 0 };
}

/** Tells the connections that are open from each other. */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
