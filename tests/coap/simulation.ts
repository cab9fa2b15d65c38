/** A network that loses, doubles and delays datagrams, and a client that keeps to RFC 7252, in simulated time. */
import { Timers } from "../../src/bridge/coap/timers.ts";
import { decode, encode } from "../../src/bridge/coap/codec.ts";
import { optionsOf } from "./options.ts";
import { classOf, type CoapMessage, type CoapOption, Code, MessageType } from "../../src/bridge/coap/message.ts";
import type { PeerAddress } from "../../src/bridge/coap/peer.ts";

const NOTHING = new Uint8Array(0);

/** How bad the network is. */
export interface Weather {
  /** Of the datagrams, 0 to 1. */
  readonly lost: number;
  readonly doubled: number;
  /** Each takes up to so long, so that they overtake one another. */
  readonly delayMsMax: number;
}

/** Pseudo-random numbers from 0 up to 1 (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Time, and everything that is to happen in it. */
export class World {
  now = 0;
  readonly timers = new Timers(() => {});
  readonly random: () => number;

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  in(ms: number, due: () => void): void {
    this.timers.set(this.now + ms, due);
  }

  /** Goes on until `at`, or until nothing is left to happen. */
  runUntil(at: number): void {
    while (this.timers.next <= at && this.timers.next !== Infinity) {
      this.now = Math.max(this.now, this.timers.next);
      this.timers.tick(this.now);
    }
    if (at !== Infinity) this.now = at;
  }
}

/** One direction of a network. */
export function carry(world: World, weather: Weather, deliver: (bytes: Uint8Array) => void) {
  return (bytes: Uint8Array): void => {
    const copies = world.random() < weather.doubled ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (world.random() < weather.lost) continue;
      const kept = bytes.slice();
      world.in(1 + world.random() * weather.delayMsMax, () => deliver(kept));
    }
  };
}

/** What a client asks for. */
export interface Wish {
  readonly code: number;
  readonly isConfirmable?: boolean;
  readonly options?: readonly CoapOption[];
  readonly payload?: Uint8Array;
}

/** A request that is under way, or over. */
export class Pending {
  readonly token: Uint8Array;
  responses: CoapMessage[] = [];
  isSettled = false;
  isGivenUp = false;

  constructor(token: Uint8Array) {
    this.token = token;
  }
}

/** A client that does what RFC 7252 asks of one: retransmission, deduplication, acknowledgements and resets. */
export class Client {
  readonly address: PeerAddress;
  readonly pending = new Map<string, Pending>();
  /** Whether it answers Empty confirmable messages. */
  answersPings = true;
  /** Whether it acknowledges what the server sends by itself. */
  acknowledges = true;
  /** Set by the network. */
  send: (bytes: Uint8Array) => void = () => {};
  readonly #world: World;
  readonly #byMessageId = new Map<number, Pending>();
  readonly #seen = new Map<number, Uint8Array>();
  #messageId: number;
  #token = 0;

  constructor(world: World, port: number) {
    this.#world = world;
    this.address = { hostname: "192.0.2.1", port };
    this.#messageId = Math.floor(world.random() * 0x10000);
  }

  request(wish: Wish): Pending {
    const pending = new Pending(Uint8Array.of(++this.#token >> 8, this.#token));
    this.pending.set(pending.token.toHex(), pending);
    this.#begin(pending, wish);
    return pending;
  }

  /** Another request under the token of a former one. */
  again(token: Uint8Array, { path, options, ...wish }: Wish & { path: string }): void {
    const pending = this.pending.get(token.toHex())!;
    pending.isSettled = false;
    this.#begin(pending, { ...wish, options: [...optionsOf(path), ...options ?? []] });
  }

  #begin(pending: Pending, wish: Wish): void {
    const { code, isConfirmable = true, options = [], payload = NOTHING } = wish;
    const { token } = pending;
    const messageId = this.#messageId = (this.#messageId + 1) & 0xffff;
    const type = isConfirmable ? MessageType.confirmable : MessageType.nonConfirmable;
    const bytes = encode({ type, code, messageId, token, options, payload });
    this.#byMessageId.set(messageId, pending);
    if (isConfirmable) this.#attempt(pending, bytes, { left: 5, wait: 2_000 * (1 + this.#world.random() / 2) });
    else this.send(bytes);
  }

  receive(bytes: Uint8Array): void {
    const decoded = decode(bytes);
    if (decoded.kind !== "message") throw new Error("The server has sent what is no message");
    const { message } = decoded;
    if (message.type === MessageType.acknowledgement || message.type === MessageType.reset) {
      const pending = this.#byMessageId.get(message.messageId);
      if (pending === undefined) return;
      pending.isSettled = true;
      if (message.code !== Code.empty) this.#take(message);
    } else if (message.type === MessageType.confirmable) this.#answer(message);
    else if (!this.#seen.has(message.messageId)) {
      this.#seen.set(message.messageId, NOTHING);
      this.#take(message);
    }
  }

  #attempt(pending: Pending, bytes: Uint8Array, { left, wait }: { left: number; wait: number }): void {
    if (pending.isSettled) return;
    if (left === 0) {
      pending.isGivenUp = true;
      return;
    }
    this.send(bytes);
    this.#world.in(wait, () => this.#attempt(pending, bytes, { left: left - 1, wait: wait * 2 }));
  }

  #answer(message: CoapMessage): void {
    if (message.code === Code.empty ? !this.answersPings : !this.acknowledges) return;
    const known = this.#seen.get(message.messageId);
    if (known !== undefined) return this.send(known);
    const isWanted = classOf(message.code) >= 2 && this.#take(message);
    const type = isWanted ? MessageType.acknowledgement : MessageType.reset;
    const { messageId } = message;
    const reply = encode({ type, code: Code.empty, messageId, token: NOTHING, options: [], payload: NOTHING });
    this.#seen.set(messageId, reply);
    this.send(reply);
  }

  #take(message: CoapMessage): boolean {
    const pending = this.pending.get(message.token.toHex());
    if (pending === undefined) return false;
    pending.isSettled = true;
    pending.responses.push(message);
    return true;
  }
}
