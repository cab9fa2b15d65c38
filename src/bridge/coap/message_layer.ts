import { decode, encode } from "./codec.ts";
import { classOf, type CoapMessage, type CoapResponse, Code, MessageType, NO_BYTES } from "./message.ts";
import { type Exchange, fingerprintOf, type Peer, type PeerAddress } from "./peer.ts";
import { PeerTable } from "./peer_table.ts";
import { emptyMessage, Sender } from "./sender.ts";
import type { Timers } from "./timers.ts";
import { EXCHANGE_LIFETIME_MS, Transmission } from "./transmission.ts";

/** A confirmable request that is not answered by then is acknowledged by itself, before its client sends it again; an answer that waits
 * until its client has proved its address is made smaller. */
const LATE_AFTER_MS = 500;
/** Exchanges of one peer that are remembered. */
const EXCHANGES_PER_PEER_MAX = 1_024;
/** Answers of one peer that wait until it has proved its address. */
const HELD_MAX = 8;
/** A longer answer is not kept for duplicates: only GET has such, and it may be carried out again (RFC 7252 section 4.5). */
const KEPT_REPLY_BYTES_MAX = 256;

/** What the layer needs of the world. */
export interface MessageLayerParts {
  /** From 0 up to 1, not to be guessed: the message ids that prove an address come from it. */
  readonly random: () => number;
  /** Peers remembered at a time. */
  readonly peersMax: number;
  /** Exchanges remembered at a time, of all peers; the oldest is forgotten for a new one. */
  readonly exchangesMax: number;
  /** Ticked by their owner. */
  readonly timers: Timers;
  readonly transmit: (bytes: Uint8Array, to: PeerAddress) => void;
  /** A request that is no duplicate; to be answered by {@link MessageLayer.respond}, now or later. */
  readonly onRequest: (request: CoapMessage, exchange: Exchange, now: number) => void;
  /** Nobody is at the peer's address any more. */
  readonly onSilence: (peer: Peer, now: number) => void;
  /** A datagram was not looked at: the table of peers is full. */
  readonly onOverload: () => void;
}

/** The message layer of CoAP (RFC 7252 section 4) for a server: acknowledgements, duplicates, retransmission, and never more than three
 * bytes for one to an address that has not proved that it is there. Pure: it is told the time, and says what to send. */
export class MessageLayer {
  readonly #parts: MessageLayerParts;
  readonly #peers: PeerTable;
  readonly #sender: Sender;
  /** Oldest first. */
  readonly #exchanges = new Set<Exchange>();

  constructor(parts: MessageLayerParts) {
    this.#parts = parts;
    this.#peers = new PeerTable(parts.peersMax, parts.random);
    const { random, transmit } = parts;
    this.#sender = new Sender({ random, transmit, onProof: this.#onProof }, parts.timers);
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  get exchangeCount(): number {
    return this.#exchanges.size;
  }

  /** Takes a datagram, whatever is in it. */
  receive(bytes: Uint8Array, from: PeerAddress, now: number): void {
    const decoded = decode(bytes);
    if (decoded.kind === "ignored") return;
    const peer = this.#peers.of(from, now);
    if (peer === undefined) return this.#parts.onOverload();
    peer.noteReceived(bytes.length, now);
    if (decoded.kind === "message") return this.#receiveMessage(decoded.message, { peer, bytes }, now);
    if (decoded.type === MessageType.confirmable) this.#reject(peer, decoded.messageId);
  }

  /** Answers a request; a second answer to the same one is dropped. */
  respond(exchange: Exchange, response: CoapResponse, now: number): void {
    if (exchange.isAnswered) return;
    if (exchange.isConfirmable && exchange.isAcknowledged) return this.#respondSeparately(exchange, response, now);
    const bytes = encodeAnswer(exchange, response);
    if (exchange.peer.hasRoomFor(bytes.length)) this.#say(exchange, bytes);
    else this.#hold(exchange, response, now);
  }

  /** Answers with the largest one that the peer has paid for; false when there is none. */
  #respondSmaller(exchange: Exchange, { smaller }: CoapResponse): boolean {
    for (let response = smaller?.(); response !== undefined; response = response.smaller?.()) {
      const bytes = encodeAnswer(exchange, response);
      if (!exchange.peer.hasRoomFor(bytes.length)) continue;
      this.#say(exchange, bytes);
      return true;
    }
    return false;
  }

  #say(exchange: Exchange, bytes: Uint8Array): void {
    const { peer } = exchange;
    this.#close(exchange);
    this.#parts.timers.cancel(exchange.deadline);
    if (bytes.length <= KEPT_REPLY_BYTES_MAX) exchange.reply = bytes;
    else this.#forget(exchange);
    this.#sender.send(peer, bytes);
  }

  /** Rejects the message that a request came in: with a reset, and without an answer. A duplicate is rejected as well. */
  reject(exchange: Exchange): void {
    this.drop(exchange);
    this.#reject(exchange.peer, exchange.messageId);
  }

  /** Leaves a request unanswered, and forgets it. */
  drop(exchange: Exchange): void {
    this.#close(exchange);
    this.#parts.timers.cancel(exchange.deadline);
    this.#forget(exchange);
  }

  /** Sends a response that belongs to no exchange, a notification, confirmably; `onOutcome` is called once. */
  notify(
    peer: Peer,
    notification: { response: CoapResponse; token: Uint8Array; onOutcome: Transmission["onOutcome"] },
    now: number,
  ): Transmission {
    const { response, token, onOutcome } = notification;
    const messageId = peer.nextMessageId();
    const bytes = encodeResponse(response, { type: MessageType.confirmable, messageId, token });
    const transmission = new Transmission({ messageId, bytes, isPing: false, onOutcome });
    this.#sender.start(peer, transmission, now);
    return transmission;
  }

  /** Sends a response that belongs to no exchange once, whether it arrives or not. */
  tell(peer: Peer, response: CoapResponse, token: Uint8Array): void {
    const header = { type: MessageType.nonConfirmable, messageId: peer.nextMessageId(), token };
    this.#sender.send(peer, encodeResponse(response, header));
  }

  /** Forgets a notification that has not left yet. */
  withdraw(peer: Peer, transmission: Transmission): void {
    this.#sender.withdraw(peer, transmission);
  }

  /** Asks whether anybody is at the peer's address; `onSilence` tells when not. */
  ping(peer: Peer, now: number): void {
    this.#sender.ping(peer, now);
  }

  /** Forgets exchanges whose message ids may be used again. */
  #dropOld(now: number): void {
    for (const exchange of this.#exchanges) {
      if (now - exchange.startedAt < EXCHANGE_LIFETIME_MS) break;
      this.#forget(exchange);
    }
  }

  #receiveMessage(message: CoapMessage, { peer, bytes }: { peer: Peer; bytes: Uint8Array }, now: number): void {
    const { type, code, messageId } = message;
    if (type === MessageType.acknowledgement || type === MessageType.reset) {
      const outcome = type === MessageType.reset ? "reset" : "acknowledged";
      return this.#sender.settle(peer, messageId, { outcome, now });
    }
    if (classOf(code) !== 0 || code === Code.empty) { // a ping, or an answer to what nobody has asked (RFC 7252 section 4.2, 4.3)
      if (type === MessageType.confirmable) this.#reject(peer, messageId);
      return;
    }
    this.#dropOld(now);
    const fingerprint = fingerprintOf(bytes);
    const known = peer.exchanges.get(messageId);
    if (known?.fingerprint === fingerprint) {
      if (known.reply !== undefined && known.isConfirmable) this.#sender.send(peer, known.reply);
      return;
    }
    if (known !== undefined) this.#forget(known);
    this.#parts.onRequest(message, this.#open(message, { peer, fingerprint }, now), now);
  }

  #open(message: CoapMessage, { peer, fingerprint }: { peer: Peer; fingerprint: number }, now: number): Exchange {
    const { messageId, token } = message;
    const isConfirmable = message.type === MessageType.confirmable;
    const state = { reply: undefined, isAcknowledged: false, isAnswered: false, deadline: undefined };
    const exchange: Exchange = { peer, messageId, token, isConfirmable, fingerprint, startedAt: now, ...state };
    if (peer.exchanges.size >= EXCHANGES_PER_PEER_MAX) this.#forget(peer.exchanges.values().next().value!);
    if (this.#exchanges.size >= this.#parts.exchangesMax) this.#forget(this.#exchanges.values().next().value!);
    peer.exchanges.set(messageId, exchange);
    this.#exchanges.add(exchange);
    peer.openRequests++;
    if (isConfirmable) {
      exchange.deadline = this.#parts.timers.set(now + LATE_AFTER_MS, () => this.#onLate(exchange));
    }
    return exchange;
  }

  /** What the answer is to be is not known yet, or not to be said yet. */
  #onLate(exchange: Exchange): void {
    const { held } = exchange.peer;
    const index = held.findIndex((each) => each.exchange === exchange);
    if (index >= 0 && this.#respondSmaller(exchange, held[index].response)) held.splice(index, 1);
    else if (exchange.isConfirmable) this.#acknowledge(exchange);
  }

  #acknowledge(exchange: Exchange): void {
    exchange.isAcknowledged = true;
    exchange.reply = emptyMessage(MessageType.acknowledgement, exchange.messageId);
    this.#sender.send(exchange.peer, exchange.reply);
  }

  #respondSeparately(exchange: Exchange, response: CoapResponse, now: number): void {
    const { peer, token } = exchange;
    this.#close(exchange);
    this.notify(peer, { response, token, onOutcome: () => {} }, now);
  }

  #hold(exchange: Exchange, response: CoapResponse, now: number): void {
    const { peer } = exchange;
    if (peer.held.length === HELD_MAX || !peer.isTrustworthy) { // its client asks again, or was never there
      if (!this.#respondSmaller(exchange, response)) this.#close(exchange);
      return;
    }
    peer.held.push({ exchange, response });
    exchange.deadline ??= this.#parts.timers.set(now + LATE_AFTER_MS, () => this.#onLate(exchange));
    this.#sender.ping(peer, now);
  }

  readonly #onProof = (peer: Peer, isProved: boolean, now: number): void => {
    for (const { exchange, response } of peer.held.splice(0)) {
      if (isProved) this.respond(exchange, response, now);
      else this.#close(exchange);
    }
    if (!isProved) this.#parts.onSilence(peer, now);
  };

  /** Nothing more is said to it. */
  #close(exchange: Exchange): void {
    if (exchange.isAnswered) return;
    exchange.isAnswered = true;
    exchange.peer.openRequests--;
  }

  #reject(peer: Peer, messageId: number): void {
    this.#sender.send(peer, emptyMessage(MessageType.reset, messageId));
  }

  #forget(exchange: Exchange): void {
    const { peer, messageId } = exchange;
    if (peer.exchanges.get(messageId) === exchange) peer.exchanges.delete(messageId);
    this.#exchanges.delete(exchange);
  }
}

/** An answer that comes with the acknowledgement, or to a request that wants none. */
function encodeAnswer({ isConfirmable, messageId: asked, peer, token }: Exchange, response: CoapResponse): Uint8Array {
  const type = isConfirmable ? MessageType.acknowledgement : MessageType.nonConfirmable;
  const messageId = isConfirmable ? asked : peer.nextMessageId();
  return encodeResponse(response, { type, messageId, token });
}

function encodeResponse(
  response: CoapResponse,
  header: { type: MessageType; messageId: number; token: Uint8Array },
): Uint8Array {
  const { code, options = [], payload = NO_BYTES } = response;
  return encode({ ...header, code, options, payload });
}
