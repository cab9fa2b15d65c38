import type { Deadline } from "../../core/deadlines.ts";
import type { CoapResponse } from "./message.ts";
import type { Due } from "./timers.ts";
import type { Transmission } from "./transmission.ts";

/** What an address that has proved nothing gets at most, as a multiple of what came from it. */
const AMPLIFICATION_MAX = 3;

/** Acknowledgements and resets that fit nothing, from an address that has to prove itself: more is guessing. */
const WRONG_GUESSES_MAX = 8;

/** Where a datagram came from. */
export interface PeerAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A request and what it is answered with, kept so that the same request is not carried out twice. */
export interface Exchange {
  readonly peer: Peer;
  readonly messageId: number;
  readonly token: Uint8Array;
  readonly isConfirmable: boolean;
  /** Of the whole datagram: a message id that comes back with something else is another request, of a client that started anew. */
  readonly fingerprint: number;
  readonly startedAt: number;
  /** What a duplicate is answered with; undefined while nothing was said. */
  reply: Uint8Array | undefined;
  /** An Empty acknowledgement has left: the answer comes in a message of its own. */
  isAcknowledged: boolean;
  isAnswered: boolean;
  /** When it is acknowledged by itself. */
  deadline: Deadline<Due> | undefined;
}

/** What is known of one address and port. */
export class Peer {
  readonly key: string;
  readonly address: PeerAddress;
  /** By message id. */
  readonly exchanges: Map<number, Exchange> = new Map();
  /** Answers that wait until the address has proved that it is there. */
  readonly held: { exchange: Exchange; response: CoapResponse }[] = [];
  /** Confirmable messages that wait for the one under way: one at a time (NSTART, RFC 7252 section 4.7). */
  readonly waiting: Transmission[] = [];
  underWay: Transmission | null = null;
  /** When {@link underWay} is sent again. */
  deadline: Deadline<Due> | undefined;
  lastSeenAt = 0;
  /** Requests that are not answered yet. */
  openRequests = 0;
  /** How many rely on it beside its exchanges: observations. */
  uses = 0;
  #messageId: number;
  #isVerified = false;
  #wrongGuesses = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** `firstMessageId` must not be guessed by others. */
  constructor(key: string, address: PeerAddress, firstMessageId: number) {
    this.key = key;
    this.address = address;
    this.#messageId = firstMessageId;
  }

  /** Whether the address has answered something that only who reads its datagrams can know. */
  get isVerified(): boolean {
    return this.#isVerified;
  }

  /** Whether its word may still be taken for that. */
  get isTrustworthy(): boolean {
    return this.#wrongGuesses < WRONG_GUESSES_MAX;
  }

  /** Whether something is under way that must not be forgotten. */
  get isBusy(): boolean {
    return this.uses > 0 || this.openRequests > 0 || this.underWay !== null;
  }

  nextMessageId(): number {
    return this.#messageId = (this.#messageId + 1) & 0xffff;
  }

  /** Whether it may be sent so much, for what came from it. */
  hasRoomFor(bytes: number): boolean {
    return this.#isVerified || this.#bytesOut + bytes <= this.#bytesIn * AMPLIFICATION_MAX;
  }

  noteReceived(bytes: number, now: number): void {
    this.lastSeenAt = now;
    this.#bytesIn += bytes;
  }

  noteSent(bytes: number): void {
    this.#bytesOut += bytes;
  }

  noteWrongGuess(): void {
    if (!this.#isVerified) this.#wrongGuesses++;
  }

  verify(): void {
    if (this.isTrustworthy) this.#isVerified = true;
  }
}

/** FNV-1a, 32 bits. */
export function fingerprintOf(bytes: Uint8Array, seed = 0x811c9dc5): number {
  let hash = seed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
