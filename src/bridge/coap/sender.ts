import { encode } from "./codec.ts";
import { Code, MessageType, NO_BYTES } from "./message.ts";
import type { Peer, PeerAddress } from "./peer.ts";
import type { Timers } from "./timers.ts";
import { type Outcome, Transmission } from "./transmission.ts";

/** Confirmable messages that wait for the one under way to one peer. */
const WAITING_MAX = 256;

/** What the sender needs of the world. */
export interface SenderParts {
  readonly random: () => number;
  readonly transmit: (bytes: Uint8Array, to: PeerAddress) => void;
  /** The address has proved that it is there, or has not answered when it was asked to. */
  readonly onProof: (peer: Peer, isProved: boolean, now: number) => void;
}

/** Sends: confirmable messages one at a time to a peer, again and again until they are acknowledged, and to an address that has proved
 * nothing only what it has paid for. What is more waits until the address has answered an Empty confirmable message, as any CoAP endpoint
 * does (RFC 7252 section 4.3); its reset names the message id, which nobody knows who does not receive there. */
export class Sender {
  readonly #parts: SenderParts;
  readonly #timers: Timers;

  constructor(parts: SenderParts, timers: Timers) {
    this.#parts = parts;
    this.#timers = timers;
  }

  /** Sends what needs no acknowledgement, unless the peer has not paid for it. */
  send(peer: Peer, bytes: Uint8Array): void {
    if (!peer.hasRoomFor(bytes.length)) return;
    peer.noteSent(bytes.length);
    this.#parts.transmit(bytes, peer.address);
  }

  /** Sends a message confirmably, after those that wait. */
  start(peer: Peer, transmission: Transmission, now: number): void {
    if (peer.waiting.length >= WAITING_MAX) return transmission.onOutcome("timeout", now);
    peer.waiting.push(transmission);
    this.#advance(peer, now);
  }

  /** Asks whether anybody is there, unless that is being asked. */
  ping(peer: Peer, now: number): void {
    if (!peer.isTrustworthy || peer.underWay?.isPing || peer.waiting[0]?.isPing) return;
    peer.waiting.unshift(this.#pingOf(peer));
    this.#advance(peer, now);
  }

  /** Forgets a message that has not left yet. */
  withdraw(peer: Peer, transmission: Transmission): void {
    const index = peer.waiting.indexOf(transmission);
    if (index >= 0) peer.waiting.splice(index, 1);
  }

  /** An acknowledgement or a reset has come. */
  settle(peer: Peer, messageId: number, answer: { outcome: Outcome; now: number }): void {
    if (peer.underWay?.messageId === messageId) this.#end(peer, answer.outcome, answer.now);
    else peer.noteWrongGuess();
  }

  #pingOf(peer: Peer): Transmission {
    const messageId = peer.nextMessageId();
    const bytes = emptyMessage(MessageType.confirmable, messageId);
    return new Transmission({ messageId, bytes, isPing: true, onOutcome: () => {} });
  }

  #advance(peer: Peer, now: number): void {
    while (peer.underWay === null && peer.waiting.length > 0) {
      const next = peer.waiting[0];
      if (next.isPing || peer.hasRoomFor(next.bytes.length)) {
        peer.underWay = peer.waiting.shift()!;
        this.#attempt(peer, next, now);
      } else if (peer.isTrustworthy) peer.waiting.unshift(this.#pingOf(peer));
      else peer.waiting.shift()!.onOutcome("timeout", now);
    }
  }

  #attempt(peer: Peer, transmission: Transmission, now: number): void {
    const wait = transmission.next(this.#parts.random);
    if (wait === undefined) return this.#end(peer, "timeout", now);
    this.send(peer, transmission.bytes);
    peer.deadline = this.#timers.set(now + wait, (now) => this.#attempt(peer, transmission, now));
  }

  #end(peer: Peer, outcome: Outcome, now: number): void {
    const transmission = peer.underWay!;
    const isNews = !peer.isVerified;
    peer.underWay = null;
    this.#timers.cancel(peer.deadline);
    const isSilent = outcome === "timeout";
    if (!isSilent) peer.verify();
    else if (transmission.isPing) { for (const waiting of peer.waiting.splice(0)) waiting.onOutcome("timeout", now); }
    transmission.onOutcome(outcome, now);
    if (isSilent ? transmission.isPing : isNews) this.#parts.onProof(peer, !isSilent, now);
    this.#advance(peer, now);
  }
}

/** A message that is nothing but a header. */
export function emptyMessage(type: MessageType, messageId: number): Uint8Array {
  return encode({ type, code: Code.empty, messageId, token: NO_BYTES, options: [], payload: NO_BYTES });
}
