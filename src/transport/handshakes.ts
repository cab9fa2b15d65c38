import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { plainAddress } from "./tcp.ts";

/** A handshake that takes longer is cut off. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Handshakes under way at a time; the oldest makes room, so that who only opens connections keeps nobody out. */
const HANDSHAKES_MAX = 1_000;

/** The TLS handshakes that are under way on one listener. */
export class Handshakes {
  readonly #onRefused: ((address: string, reason: string) => void) | undefined;
  /** By the peer, since the socket of a handshake and the one that comes out of it are two. */
  readonly #sockets = new Map<string, Socket>();

  /** `onRefused` is told of each that failed, with the address of the peer and why. */
  constructor(onRefused: ((address: string, reason: string) => void) | undefined) {
    this.#onRefused = onRefused;
  }

  /** A connection was accepted. */
  begin(socket: Socket): void {
    if (this.#sockets.size >= HANDSHAKES_MAX) this.#cutOldest();
    const peer = peerOf(socket);
    this.#sockets.set(peer, socket);
    const timer = setTimeout(() => {
      if (this.#sockets.get(peer) === socket) this.refuse(socket, "the handshake took too long");
    }, HANDSHAKE_TIMEOUT_MS);
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => {
      clearTimeout(timer);
      if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer);
    });
  }

  /** The handshake of this socket has succeeded. */
  end(socket: TLSSocket): void {
    this.#sockets.delete(peerOf(socket));
  }

  /** It has not, or what came out of it is not let in. */
  refuse(socket: Socket, reason: string): void {
    this.#onRefused?.(plainAddress(socket.remoteAddress ?? ""), reason);
    socket.destroy();
  }

  /** Without a word: a flood would fill the log. */
  #cutOldest(): void {
    const [peer, socket] = this.#sockets.entries().next().value!;
    this.#sockets.delete(peer); // "close" comes later
    socket.destroy();
  }

  /** The listener is closed. */
  cut(): void {
    for (const socket of [...this.#sockets.values()]) socket.destroy();
  }
}

/** The socket that carries a handshake: that of TLS knows its peer no more once it has failed. */
export function beneath(socket: TLSSocket): Socket {
  return (socket as { _parent?: Socket })._parent ?? socket;
}

/** Tells the connections that are open from each other. */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
