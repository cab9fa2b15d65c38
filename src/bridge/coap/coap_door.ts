import { Refusal } from "../../core/refusal.ts";
import type { Gateway, Guest } from "../gateway.ts";
import { BlockAssembly } from "./block_assembly.ts";
import { blockOption } from "./block.ts";
import { CoapRefusal, codeOf, refusalResponse } from "./coap_refusal.ts";
import { type CoapMessage, type CoapResponse, Code, OptionNumber, uintOption, withOptions } from "./message.ts";
import { MessageLayer } from "./message_layer.ts";
import { Observations } from "./observations.ts";
import type { Exchange, PeerAddress } from "./peer.ts";
import { Query } from "./query.ts";
import { RateLimit } from "./rate_limit.ts";
import { isLastBlock } from "./representation.ts";
import { type CoapRequest, readRequest } from "./request.ts";
import { answer, type Call } from "./resources.ts";
import { Timers } from "./timers.ts";
import { isFilter, locationOf } from "./topic_path.ts";
import { Visitors } from "./visitors.ts";

/** Exchanges remembered, so that a duplicate is known for one: about 300 bytes each. */
const EXCHANGES_MAX = 65_536;
/** Bodies that are put together of blocks, and what they may hold in all. */
const BODIES_MAX = 1_024;
const BODIES_PER_PEER_MAX = 4;
const BODIES_BYTES_MAX = 16 * 1024 * 1024;
const OBSERVATIONS_PER_PEER_MAX = 64;
/** Messages that wait for an observer; beyond it QoS 0 is dropped, and QoS 1 and 2 wait in the queue of its subscription. */
const OBSERVED_WAITING_MAX = 64;
/** When to try again, in seconds, where nobody knows better. */
const RETRY_SECONDS = 30;

/** How much the door takes. */
export interface CoapLimits {
  /** Addresses and ports remembered at a time. */
  readonly endpointsMax: number;
  readonly observationsMax: number;
  /** Of one address; Infinity for any number. */
  readonly requestsPerSecondMax: number;
  /** The largest body, in one datagram or in blocks. */
  readonly bodyBytesMax: number;
}

/** What the door needs of the world. */
export interface CoapDoorParts {
  readonly gateway: Gateway;
  readonly limits: CoapLimits;
  /** In messages and logs. */
  readonly listener: string;
  /** Whether a name and a password may come in the query of a URI, where everybody on the way can read them. */
  readonly uriCredentials: boolean;
  /** Milliseconds that never jump. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly timeOfDay: () => number;
  /** From 0 up to 1, not to be guessed. */
  readonly random: () => number;
  readonly transmit: (bytes: Uint8Array, to: PeerAddress) => void;
  /** {@link CoapDoor.nextDeadline} has come nearer. */
  readonly onEarlier: () => void;
  readonly onError: (error: unknown) => void;
}

/** The CoAP door: datagrams in, datagrams out, and in between what the gateway does. It reads no clock and opens no socket. */
export class CoapDoor {
  readonly #parts: CoapDoorParts;
  readonly #timers: Timers;
  readonly #layer: MessageLayer;
  readonly #observations: Observations;
  readonly #assembly: BlockAssembly;
  readonly #rates: RateLimit;
  readonly #visitors: Visitors;
  readonly #answering = new Set<Promise<void>>();
  #overloads = 0;

  constructor(parts: CoapDoorParts) {
    this.#parts = parts;
    const { limits, gateway, now, random, transmit, onError } = parts;
    const timers = this.#timers = new Timers(parts.onEarlier);
    this.#layer = new MessageLayer({
      timers,
      random,
      transmit,
      peersMax: limits.endpointsMax,
      exchangesMax: EXCHANGES_MAX,
      onRequest: (message, exchange, now) => this.#onRequest(message, exchange, now),
      onSilence: (peer) => this.#observations.cancelAll(peer),
      onOverload: () => this.#onOverload(),
    });
    this.#observations = new Observations({
      layer: this.#layer,
      timers,
      now,
      firstSequence: Math.floor(parts.timeOfDay() / 100) & 0xff_ffff, // ten a second: more than most are told, and less than a day to wrap
      observationsMax: limits.observationsMax,
      observationsPerPeerMax: OBSERVATIONS_PER_PEER_MAX,
      onError,
    });
    this.#assembly = new BlockAssembly({
      bodyBytesMax: Math.min(limits.bodyBytesMax, gateway.packetBytesMax),
      bytesMax: BODIES_BYTES_MAX,
      bodiesMax: BODIES_MAX,
      bodiesPerPeerMax: BODIES_PER_PEER_MAX,
    });
    this.#rates = new RateLimit(limits.requestsPerSecondMax);
    this.#visitors = new Visitors({ ...parts, onFailure: (hostname) => this.#rates.charge(hostname) });
  }

  /** When {@link tick} is to be called; Infinity when nothing is due. */
  get nextDeadline(): number {
    return this.#timers.next;
  }

  /** How much there is now. */
  get statistics(): { endpoints: number; exchanges: number; observations: number; bodies: number; overloads: number } {
    return {
      endpoints: this.#layer.peerCount,
      exchanges: this.#layer.exchangeCount,
      observations: this.#observations.size,
      bodies: this.#assembly.size,
      overloads: this.#overloads,
    };
  }

  /** Takes a datagram, whatever is in it; its bytes may be filled again afterwards. */
  receive(bytes: Uint8Array, from: PeerAddress): void {
    this.#layer.receive(bytes, from, this.#parts.now());
  }

  /** Does what is due. */
  tick(now: number): void {
    this.#timers.tick(now);
  }

  /** Tells the observers that it is over; resolves when the requests that are under way have been answered. */
  async close(): Promise<void> {
    this.#observations.close();
    await Promise.all(this.#answering);
  }

  #onOverload(): void {
    this.#overloads++;
    this.#parts.onError(new Error("Cannot answer a new endpoint: all that may be remembered are busy"));
  }

  #onRequest(message: CoapMessage, exchange: Exchange, now: number): void {
    const { hostname } = exchange.peer.address;
    const allowance = this.#rates.take(hostname, now);
    if (allowance === "ignored") return this.#layer.drop(exchange);
    const answered = allowance === "granted" ? this.#answer(message, exchange) : this.#tooMany(hostname);
    if (answered === "rejected") return this.#layer.reject(exchange);
    if (!(answered instanceof Promise)) return this.#layer.respond(exchange, answered, now);
    const done = answered.then((response) => this.#layer.respond(exchange, response, this.#parts.now()))
      .catch(this.#parts.onError).finally(() => this.#answering.delete(done));
    this.#answering.add(done);
  }

  #tooMany(hostname: string): CoapResponse {
    const age = uintOption(OptionNumber.maxAge, this.#rates.secondsUntilRoom(hostname));
    return refusalResponse(new CoapRefusal(Code.tooManyRequests, "Too many requests", [age]));
  }

  /** Whatever goes wrong is an answer, but for critical options in a message that wants no acknowledgement (RFC 7252 section 5.4.1). */
  #answer(message: CoapMessage, exchange: Exchange): CoapResponse | Promise<CoapResponse> | "rejected" {
    let request: CoapRequest;
    try {
      request = readRequest(message);
    } catch (error) {
      const isBadOption = error instanceof CoapRefusal && error.code === Code.badOption;
      return isBadOption && !exchange.isConfirmable ? "rejected" : this.#explain(error);
    }
    try {
      const answered = answer(this.#callOf(request, exchange));
      if (!(answered instanceof Promise)) return withBlock1(answered, request);
      return answered.then((response) => withBlock1(response, request), (error) => this.#explain(error));
    } catch (error) {
      return this.#explain(error);
    }
  }

  #callOf(request: CoapRequest, { peer, token }: Exchange): Call {
    const query = new Query(request.query);
    const target = JSON.stringify([request.path, request.query]);
    return {
      request,
      query,
      isDraining: this.#parts.gateway.isDraining,
      guest: () => this.#visitors.admit(peer, query.credentials),
      body: () => {
        const { block1, size1: size, payload, requestTag, method } = request;
        const key = JSON.stringify([peer.key, method, target, requestTag?.toHex()]);
        const block = block1 ?? { number: 0, hasMore: false, sizeExponent: 6 };
        return this.#assembly.add(key, { block, size, payload }, { peer: peer.key, now: this.#parts.now() });
      },
      notified: () => {
        const found = this.#observations.bodyOf(peer, target);
        found?.onBlock(isLastBlock(found.body, request.block2!));
        return found?.body;
      },
      observe: (guest, filter) =>
        this.#observe({ guest, filter, query }, { request, target, exchange: { peer, token } }),
      unobserve: () => this.#observations.cancel(peer, token),
    };
  }

  async #observe(
    { guest, filter, query }: { guest: Guest; filter: string; query: Query },
    { request, target, exchange }: { request: CoapRequest; target: string; exchange: Pick<Exchange, "peer" | "token"> },
  ) {
    const { peer, token } = exchange;
    const { accept, block2 } = request;
    if (!this.#observations.hasRoomFor(peer, token)) return undefined;
    const hasWildcards = isFilter(filter);
    const retainHandling = hasWildcards ? 0 : 2; // that of one topic is in the first answer
    const wish = { filter, qos: query.qos(), retainHandling } as const;
    const subscription = await guest.subscribe([wish], { window: 1, waitingMax: OBSERVED_WAITING_MAX });
    if (!this.#observations.hasRoomFor(peer, token)) {
      await subscription.end();
      return undefined;
    }
    const sequence = this.#observations.nextSequence();
    const nameOf = hasWildcards ? locationOf : () => [];
    this.#observations.add({ peer, token: token.slice(), target, accept, block2, nameOf, subscription });
    return sequence;
  }

  #explain(error: unknown): CoapResponse {
    if (error instanceof CoapRefusal) return refusalResponse(error);
    if (error instanceof Refusal) {
      const code = codeOf(error.refusal);
      const isTemporary = code === Code.serviceUnavailable || code === Code.tooManyRequests;
      const seconds = error.retrySeconds ?? RETRY_SECONDS;
      const options = isTemporary ? [uintOption(OptionNumber.maxAge, seconds)] : [];
      return refusalResponse(new CoapRefusal(code, error.message, options));
    }
    if (error instanceof TypeError || error instanceof RangeError) {
      return refusalResponse(new CoapRefusal(Code.badRequest, error.message));
    }
    this.#parts.onError(error);
    return refusalResponse(new CoapRefusal(Code.internalServerError, "The broker has failed"));
  }
}

/** The answer to the last block of a body names it (RFC 7959 section 2.3). */
function withBlock1(response: CoapResponse, { block1 }: CoapRequest): CoapResponse {
  const { options = [] } = response;
  if (block1 === undefined || options.some(({ number }) => number === OptionNumber.block1)) return response;
  return withOptions(response, [blockOption(OptionNumber.block1, { ...block1, hasMore: false })]);
}
