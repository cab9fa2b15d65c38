import type { Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { plainAddress } from "../address/ip_address.ts";
import { readSocketHeader } from "./proxy/proxied_socket.ts";
import type { ProxySource } from "./proxy/proxy_header.ts";
import type { TrustedProxies } from "./proxy/trusted_proxies.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** Handshakes under way at a time; above it the oldest of the address that has most makes room. */
const HANDSHAKES_MAX = 1_000;

/** What {@link Handshakes} need. */
export interface HandshakesOptions {
  /** Told of each that failed, with the address of the peer and why. */
  readonly onRefusedPeer?: (address: string, reason: string) => void;
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
    if (proxies === undefined) return onKnown(sourceOf(socket));
    readHeader(socket, proxies).then(onKnown, (error) => {
      this.refuse(socket, `Cannot take the connection of a proxy: ${error.message}`);
    });
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
  refuse(socket: Socket, reason: string, source = this.#sources.get(socket)): void {
    this.#sources.delete(socket);
    socket.destroy();
    if (source !== undefined) this.#options.onRefusedPeer?.(source.address, reason);
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
    this.#sources.set(socket, source);
    const timer = setTimeout(
      () => this.refuse(socket, "the handshake took too long"),
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

/** @throws {RangeError} when it is no trusted proxy that speaks, or what it says is no header */
async function readHeader(socket: Socket, proxies: TrustedProxies): Promise<ProxySource> {
  if (!proxies.trusts(sourceOf(socket).address)) throw new RangeError("it is no proxy that is trusted");
  return await readSocketHeader(socket) ?? sourceOf(socket);
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
const FAILURES: readonly (readonly [RegExp, string])[] = [
  [/InvalidContentType/, "the client does not speak TLS, and this listener does"],
  [/sent no certificates/, "the client has no certificate"],
  [/fatal alert: (\w*(?:Certificate\w*|CA))/, "the client does not accept the certificate of this listener ($1)"],
];

/** Why a handshake failed, for the log. */
export function handshakeFailure({ message }: Error): string {
  const known = FAILURES.find(([said]) => said.test(message));
  return known === undefined ? message : message.replace(new RegExp(`^.*${known[0].source}.*$`, "s"), known[1]);
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
