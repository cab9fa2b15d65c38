import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { plainAddress } from "./tcp.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** A handshake that takes longer is cut off. */
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
  readonly address: string;
  readonly leave: (() => void) | undefined;
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

  /** A connection was accepted. */
  begin(socket: Socket): void {
    socket.on("error", () => {}); // "close" follows
    const address = plainAddress(socket.remoteAddress ?? "");
    const { enter } = this.#options;
    const leave = enter?.(address);
    if (enter !== undefined && leave === undefined) return void socket.destroy();
    const peer = peerOf(socket);
    const handshake = { socket, peer, address, leave };
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

  /** The handshake of this socket has succeeded. */
  end(socket: TLSSocket): void {
    this.#over(peerOf(socket));
  }

  /** It has not, or what came out of it is not let in. */
  refuse(socket: Socket, reason: string): void {
    this.#options.onRefusedPeer?.(plainAddress(socket.remoteAddress ?? ""), reason);
    socket.destroy();
  }

  /** The listener is closed. */
  cut(): void {
    for (const { socket } of [...this.#underWay.values()]) socket.destroy();
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

/** Tells the connections that are open from each other. */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
