import type { GuestDelivery } from "../gateway.ts";
import { CoapRefusal, codeOf, refusalResponse } from "./coap_refusal.ts";
import { formatOf } from "./content_format.ts";
import { type CoapResponse, Code, OptionNumber, uintOption, withOptions } from "./message.ts";
import type { MessageLayer } from "./message_layer.ts";
import { Observation, type Registration } from "./observation.ts";
import type { Peer } from "./peer.ts";
import { type Representation, respondWith } from "./representation.ts";
import type { Timers } from "./timers.ts";
import type { Outcome } from "./transmission.ts";

/** A peer of whom nothing was heard for so long is asked whether it is still there. */
const SILENCE_MS = 30 * 60_000;
/** How long the next message waits for a client that has begun to fetch the blocks of the last one. */
const FETCH_MS = 10_000;

/** What the observations need of the door. */
export interface ObservationsParts {
  readonly layer: MessageLayer;
  readonly timers: Timers;
  readonly now: () => number;
  /** Where sequence numbers begin. Since clients compare them over a restart of the server, it is to grow with the time. */
  readonly firstSequence: number;
  readonly observationsMax: number;
  readonly observationsPerPeerMax: number;
  readonly onError: (error: unknown) => void;
}

/** Who observes what (RFC 7641). Each message is a notification of its own, confirmable, and the next one waits until it is acknowledged: a
 * broker's messages are no states that may be skipped. */
export class Observations {
  readonly #parts: ObservationsParts;
  readonly #ofPeer = new Map<Peer, Map<string, Observation>>();
  #count = 0;
  #sequence: number;

  constructor(parts: ObservationsParts) {
    this.#parts = parts;
    this.#sequence = parts.firstSequence;
  }

  get size(): number {
    return this.#count;
  }

  /** Whether `peer` may observe under `token`: it does already, or there is room. */
  hasRoomFor(peer: Peer, token: Uint8Array): boolean {
    const { observationsMax, observationsPerPeerMax } = this.#parts;
    const own = this.#ofPeer.get(peer);
    if (own?.has(token.toHex())) return true;
    return this.#count < observationsMax && (own?.size ?? 0) < observationsPerPeerMax;
  }

  /** The option that makes a response the next notification (RFC 7641 section 4.4). */
  nextSequence() {
    return uintOption(OptionNumber.observe, this.#sequence = (this.#sequence + 1) & 0xff_ffff);
  }

  /** Begins to tell; one under the same token ends. */
  add(registration: Registration): void {
    const { peer, token } = registration;
    this.cancel(peer, token);
    const observation = new Observation(registration);
    let own = this.#ofPeer.get(peer);
    if (own === undefined) {
      this.#ofPeer.set(peer, own = new Map());
      this.#watch(peer);
    }
    own.set(observation.key, observation);
    peer.uses++;
    this.#count++;
    this.#run(observation).catch(this.#parts.onError);
  }

  /** The client does not want to be told any more. */
  cancel(peer: Peer, token: Uint8Array): void {
    const observation = this.#ofPeer.get(peer)?.get(token.toHex());
    if (observation !== undefined) this.#remove(observation);
  }

  /** Nobody is there any more. */
  cancelAll(peer: Peer): void {
    for (const observation of [...this.#ofPeer.get(peer)?.values() ?? []]) this.#remove(observation);
  }

  /** Tells everybody that it is over (RFC 7641 section 4.2). */
  close(): void {
    const over = new CoapRefusal(Code.serviceUnavailable, "The broker is stopping");
    for (const own of [...this.#ofPeer.values()]) {
      for (const observation of [...own.values()]) this.#finish(observation, refusalResponse(over));
    }
  }

  /** What the peer is to fetch more blocks of, and what to call when it has the last one. */
  bodyOf(peer: Peer, target: string): { body: Representation; onBlock: (isLast: boolean) => void } | undefined {
    for (const observation of this.#ofPeer.get(peer)?.values() ?? []) {
      const { body, registration } = observation;
      if (body === undefined || registration.target !== target) continue;
      const onBlock = (isLast: boolean) => {
        observation.fetchedAt = this.#parts.now();
        if (isLast) observation.onFetched?.();
      };
      return { body, onBlock };
    }
    return undefined;
  }

  async #run(observation: Observation): Promise<void> {
    const { subscription, peer } = observation.registration;
    for (let delivery = await subscription.next(); !observation.isOver; delivery = await subscription.next()) {
      if (delivery === undefined) return this.#finish(observation, endOf(observation));
      const outcome = await this.#tell(observation, delivery);
      if (observation.isOver) return;
      if (outcome === "timeout") return this.cancelAll(peer); // RFC 7641 section 4.5
      if (outcome === "reset") return this.#remove(observation);
      subscription.settle(delivery);
      if (observation.body !== undefined) await this.#fetched(observation);
    }
  }

  #tell(observation: Observation, delivery: GuestDelivery): Outcome | Promise<Outcome> {
    const { peer, token, accept, block2, nameOf } = observation.registration;
    const options = nameOf(delivery.topic);
    if (options === undefined) return "acknowledged"; // its topic cannot be said in CoAP
    const representation = representationOf(delivery);
    let response: CoapResponse;
    try {
      response = respondWith({ ...representation, options }, { accept, etags: [], block2 });
    } catch (error) {
      if (!(error instanceof CoapRefusal)) throw error;
      this.#finish(observation, refusalResponse(error)); // RFC 7641 section 4.2: another format than it was asked for
      return "reset";
    }
    observation.body = response.payload!.length < representation.payload.length ? representation : undefined;
    observation.fetchedAt = this.#parts.now();
    const withSequence = withOptions(response, [this.nextSequence()]);
    return new Promise((onOutcome) => {
      const notification = { response: withSequence, token, onOutcome };
      observation.transmission = this.#parts.layer.notify(peer, notification, this.#parts.now());
    });
  }

  /** Waits until the client has the last block, or fetches no more. */
  #fetched(observation: Observation): Promise<void> {
    return new Promise<void>((resolve) => {
      const look = (now: number) => {
        if (now - observation.fetchedAt >= FETCH_MS) resolve();
        else this.#parts.timers.set(observation.fetchedAt + FETCH_MS, look);
      };
      observation.onFetched = resolve;
      look(this.#parts.now());
    }).then(() => {
      observation.body = observation.onFetched = undefined;
    });
  }

  /** Asks now whether the address is right, and later whether it still is. */
  #watch(peer: Peer): void {
    const { layer, timers, now } = this.#parts;
    if (!peer.isVerified) layer.ping(peer, now());
    const look = (now: number) => {
      if (!this.#ofPeer.has(peer)) return;
      const isSilent = now - peer.lastSeenAt >= SILENCE_MS;
      if (isSilent) layer.ping(peer, now);
      timers.set((isSilent ? now : peer.lastSeenAt) + SILENCE_MS, look);
    };
    timers.set(now() + SILENCE_MS, look);
  }

  #finish(observation: Observation, response: CoapResponse): void {
    const { peer, token } = observation.registration;
    this.#remove(observation);
    this.#parts.layer.tell(peer, response, token);
  }

  #remove(observation: Observation): void {
    if (observation.isOver) return;
    observation.isOver = true;
    const { peer, subscription } = observation.registration;
    const own = this.#ofPeer.get(peer)!;
    own.delete(observation.key);
    if (own.size === 0) this.#ofPeer.delete(peer);
    peer.uses--;
    this.#count--;
    if (observation.transmission !== undefined) this.#parts.layer.withdraw(peer, observation.transmission);
    observation.onFetched?.();
    subscription.end().catch(this.#parts.onError);
  }
}

/** A message as a client of CoAP sees it. */
export function representationOf(
  message: Pick<GuestDelivery, "payload" | "contentType" | "payloadIsUtf8" | "expirySeconds">,
): Representation {
  const { payload, expirySeconds } = message;
  return { payload, contentFormat: formatOf(message), lifeSeconds: expirySeconds };
}

/** What is said when the broker ends a subscription. */
function endOf({ registration: { subscription } }: Observation): CoapResponse {
  const code = codeOf(subscription.endCause ?? "normal", Code.serviceUnavailable);
  return refusalResponse(new CoapRefusal(code, "The subscription has ended"));
}
