import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ProxySource } from "./proxy/proxy_header.ts";
import { plainAddress } from "./tcp.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** A handshake that takes longer is cut off; with a PROXY header, both together. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Handshakes under way at a time; above it the oldest of the address that has most makes room. */
const HANDSHAKES_MAX = 1_000;

/** What {@link Handshakes} need. */
export interface HandshakesOptions {
  /** Told of each that failed, with the address of the peer and why. */
  readonly onRefusedPeer?: (address: string, reason: string) => void;
  /** Counts a connection from this address; undefined when it is one too many. The answer is called when its handshake is over. */
  readonly enter?: (address: string) => (() => void) | undefined;
}

/** One that is under way. */
interface Handshake {
  readonly socket: Socket;
  readonly peer: string;
  /** Of the connection itself. */
  readonly address: string;
  /** Who it is, as a proxy or the connection says. */
  source: ProxySource;
  leave: (() => void) | undefined;
}

/** The TLS handshakes that are under way on one listener. */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** By the peer, since the socket of a handshake and the one that comes out of it are two. */
  readonly #underWay = new Map<string, Handshake>();
  readonly #room = new WaitingRoom<Handshake>(HANDSHAKES_MAX);

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** A connection was accepted; from a client, it counts for its address. */
  begin(socket: Socket): void {
    this.expect(socket);
    this.tell(socket, sourceOf(socket));
  }

  /** A connection was accepted, and it has yet to be told whose it is. */
  expect(socket: Socket): void {
    socket.on("error", () => {}); // "close" follows
    const source = sourceOf(socket);
    const peer = peerOf(socket);
    const { address } = source;
    const handshake = { socket, peer, address, source, leave: undefined };
    this.#cut(this.#room.add(address, handshake));
    this.#underWay.set(peer, handshake);
    const timer = setTimeout(() => {
      if (this.#underWay.get(peer) === handshake) this.refuse(socket, "the handshake took too long");
    }, HANDSHAKE_TIMEOUT_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      if (this.#underWay.get(peer) === handshake) this.#over(peer);
    });
  }

  /** Whose connection it is. False when it is one too many of theirs, or gone. */
  tell(socket: Socket, source: ProxySource): boolean {
    const handshake = this.#underWay.get(peerOf(socket));
    if (handshake?.socket !== socket || socket.destroyed) return false;
    handshake.source = source;
    const { enter } = this.#options;
    if (enter === undefined) return true;
    handshake.leave = enter(source.address);
    if (handshake.leave === undefined) socket.destroy();
    return handshake.leave !== undefined;
  }

  /** The handshake of this socket has succeeded; answers whose it is. */
  end(socket: TLSSocket): ProxySource {
    const source = this.#sourceOf(socket);
    this.#over(peerOf(socket));
    return source;
  }

  /** It has not, or what came out of it is not let in. */
  refuse(socket: Socket, reason: string, { address } = this.#sourceOf(socket)): void {
    this.#options.onRefusedPeer?.(address, reason);
    socket.destroy();
  }

  /** The listener is closed. */
  cut(): void {
    for (const { socket } of [...this.#underWay.values()]) socket.destroy();
  }

  #sourceOf(socket: Socket): ProxySource {
    return this.#underWay.get(peerOf(socket))?.source ?? sourceOf(socket);
  }

  /** Without a word: a flood would fill the log. */
  #cut(oldest: Handshake | undefined): void {
    if (oldest === undefined) return;
    this.#over(oldest.peer); // "close" comes later
    oldest.socket.destroy();
  }

  #over(peer: string): void {
    const handshake = this.#underWay.get(peer);
    if (handshake === undefined) return;
    this.#underWay.delete(peer);
    this.#room.delete(handshake.address, handshake);
    handshake.leave?.();
  }
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
