import type { GuestDelivery, GuestSubscribeOptions, GuestSubscription } from "../bridge/gateway.ts";
import type { Broker } from "../core/broker.ts";
import { type Send, SendKind } from "../core/effects.ts";
import type { DisconnectCause } from "../core/happening.ts";
import type { QoS } from "../core/message.ts";
import type { Identity, Origin, Policy } from "../core/ports.ts";
import { Refusal, type RefusalCause } from "../core/refusal.ts";
import { Session } from "../core/session.ts";
import type { SubscriptionOptions } from "../core/subscription.ts";
import { quoted } from "../core/text.ts";
import type { Turn } from "../core/turn.ts";
import { mayKeepSubscription } from "../protocol/admission.ts";
import type { AlarmHandle, Clock } from "./clock.ts";
import type { CommitLoop, Speaker } from "./commit_loop.ts";
import type { GuestMessages } from "./guest_message.ts";

/** What a subscription of a guest is given to work with. */
export interface GuestStreamParts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly loop: CommitLoop;
  /** Those of all guests; this one is among them while it is open. */
  readonly streams: Set<GuestStream>;
  /** Of all guests. */
  readonly messages: GuestMessages;
  readonly decide: (decide: (turn: Turn) => void) => void;
  readonly identity: Identity;
  readonly origin: Origin;
  /** What the address counts as; undefined where it does not. */
  readonly address: string | undefined;
  readonly expiresAt: number;
  /** Whether what its guest was let in by still is as it was. */
  readonly holds: () => boolean;
  readonly window: number;
  readonly policy: Policy;
}

/** A delivery with what settles it; without where nothing does. */
interface Taken extends GuestDelivery {
  readonly packetId?: number;
}

/** A subscription of a guest as a peer of the core, in the place of a socket. Over a session of its own that leaves nothing behind, or
 * over the one of its client id, which it takes over and leaves as an MQTT connection does. */
export class GuestStream implements Speaker, GuestSubscription {
  isOpen = false;
  isDirty = false;
  heldSubacks = 0;
  heldAnswers = 0;
  congested = false;
  sessionPresent = false;
  granted: readonly QoS[] = [];
  endCause: DisconnectCause | undefined;
  readonly #parts: GuestStreamParts;
  readonly #options: GuestSubscribeOptions;
  readonly #waiting: Taken[] = [];
  #waitingBytes = 0;
  #session: Session;
  #alarm: AlarmHandle | undefined;
  #wake: (() => void) | undefined;

  constructor(parts: GuestStreamParts, options: GuestSubscribeOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clientId, username } = parts.identity;
    this.#session = new Session(clientId, username);
    this.#session.address = parts.address;
  }

  /** @throws {Refusal} when the session is another user's, or there is no room for all that is asked for */
  async open(requests: readonly SubscriptionOptions[]): Promise<void> {
    const { broker, clock, decide, expiresAt, loop, streams, window } = this.#parts;
    decide((turn) => {
      this.#assertRoom(requests, turn);
      if (this.#isKept) this.#attach(requests, turn);
      else this.isOpen = true;
      this.#session.peer = this;
      this.#session.window = window;
      streams.add(this);
      if (requests.length > 0) broker.subscribe(this.#session, { packetId: 0, requests }, turn);
      this.granted = requests.map(({ filter }) => this.#session.subscriptions!.get(filter)!.options.qos);
    });
    if (expiresAt !== Infinity) {
      const ring = () => this.#onExpired();
      this.#alarm = clock.set(clock.now() + Math.max(0, expiresAt - clock.timeOfDay()), { ring });
    }
    await loop.settled();
  }

  speak(send: Send, turn: Turn): void {
    switch (send.kind) {
      case SendKind.publish:
        return this.#receive(send, turn);
      case SendKind.connack:
        this.isOpen = true;
        return;
      case SendKind.pubrel: // an MQTT connection of this session had the message
        return void this.#session.settle(send.packetId, turn);
      case SendKind.disconnect:
        return this.#ended(send.outcome as RefusalCause);
    }
  }

  transmit(): void {
    this.#parts.messages.forget();
    this.#wake?.();
    this.#options.onReady?.();
  }

  get holds(): boolean {
    return this.#parts.holds();
  }

  get policy(): Policy {
    return this.#parts.policy;
  }

  get isStalled(): boolean {
    const { inflight, window, isWaiting } = this.#session;
    return isWaiting && this.#waiting.length === 0 && inflight !== null && inflight.size >= window;
  }

  take(): GuestDelivery | undefined {
    const delivery = this.#waiting.shift();
    if (delivery === undefined) return undefined;
    this.#waitingBytes -= delivery.payload.length;
    this.#noteCongestion();
    if (!this.congested && this.endCause === undefined && this.#session.isWaiting) {
      this.#parts.decide((turn) => this.#session.pump(turn));
    }
    return delivery;
  }

  async next(signal?: AbortSignal): Promise<GuestDelivery | undefined> {
    const onAbort = () => this.#wake?.();
    signal?.addEventListener("abort", onAbort);
    try {
      while (this.#waiting.length === 0 && this.endCause === undefined && signal?.aborted !== true) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        this.#wake = undefined;
      }
      return signal?.aborted === true ? undefined : this.take();
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  settle(delivery: GuestDelivery): void {
    const { packetId } = delivery as Taken;
    if (packetId === undefined || !this.#isCurrent) return;
    this.#parts.decide((turn) => void this.#session.settle(packetId, turn));
  }

  settleThrough(id: number): number {
    if (!this.#isCurrent) return 0;
    let count = 0;
    this.#parts.decide((turn) => count = settleThrough(this.#session, id, turn));
    return count;
  }

  async end(): Promise<void> {
    this.close("normal");
    await this.#parts.loop.settled();
  }

  /** Ends it, without waiting. */
  close(cause: DisconnectCause): void {
    if (this.endCause !== undefined) return;
    const { broker, decide } = this.#parts;
    this.#ended(cause);
    decide((turn) => {
      if (this.#isKept) broker.detach(this.#session, { peer: this, cause }, turn);
      else broker.release(this.#session, { unread: true }, turn);
    });
    this.transmit();
  }

  /** Ends it when it has a filter that is not allowed any more. */
  endIfForbidden(): void {
    if (!this.#isCurrent) return;
    const { broker, decide } = this.#parts;
    let lost = 0;
    decide((turn) => lost = broker.prune(this.#session, this.#mayKeep, turn));
    if (lost > 0) this.close("not-authorized");
  }

  get #isKept(): boolean {
    return (this.#options.sessionExpirySeconds ?? 0) > 0;
  }

  get #isCurrent(): boolean {
    return this.endCause === undefined && this.#session.peer === this;
  }

  /** What the core would refuse is refused before anything has changed. */
  #assertRoom(requests: readonly SubscriptionOptions[], turn: Turn): void {
    const { broker, identity } = this.#parts;
    const before = this.#isKept ? broker.sessions.get(identity.clientId) : undefined;
    if (before !== undefined) assertOwn(before, identity);
    const isKept = this.#options.clean !== true && this.#options.replace !== true;
    const filters = new Set(isKept ? before?.subscriptions?.keys() : undefined);
    for (const { filter } of requests) filters.add(filter);
    const others = this.#options.clean === true ? 0 : before?.consumers.size ?? 0;
    const owner = { username: identity.username, address: this.#parts.address };
    if (!turn.holdings.hasRoomFor(owner, { before, filters: filters.size + others }, turn.limits)) {
      throw new Refusal("quota-exceeded", `Cannot have ${filters.size} filters here: it is more than there may be`);
    }
    if (this.#isKept && turn.isStoreFull && requests.length > 0) {
      throw new Refusal(
        "quota-exceeded",
        `Cannot keep subscriptions for ${quoted(identity.clientId)}: the storage is full`,
      );
    }
  }

  /** Whether a subscription that its session has from before may go on. */
  readonly #mayKeep = (filter: string, qos: QoS): boolean =>
    mayKeepSubscription(this.#parts, this.#parts.identity, { filter, qos });

  /** Goes on with the session of the client id, or begins it. */
  #attach(requests: readonly SubscriptionOptions[], turn: Turn): void {
    const { address, broker, identity, origin, window } = this.#parts;
    const { sessionExpirySeconds: expirySeconds = 0, clean = false, settledThrough, replace } = this.#options;
    const { clientId, username } = identity;
    const before = broker.sessions.get(clientId);
    const request = {
      clientId,
      username,
      address,
      origin,
      clean,
      expirySeconds,
      receiveMaximum: window,
      will: undefined,
      mayKeep: this.#mayKeep,
    };
    this.#session = broker.attach({ ...request, peer: this }, turn);
    this.sessionPresent = this.#session === before;
    if (settledThrough !== undefined) settleThrough(this.#session, settledThrough, turn);
    const named = new Set(requests.map(({ filter }) => filter));
    for (const [filter, { options }] of [...this.#session.subscriptions ?? []]) {
      if (named.has(filter) || (replace !== true && this.#mayKeep(filter, options.qos))) continue;
      broker.subscriptions.unsubscribe(this.#session, filter, turn);
    }
  }

  #receive(send: Send, turn: Turn): void {
    if (this.endCause !== undefined) return;
    const message = send.message!;
    const { packetId, qos, retain, dup } = send;
    let id = 0;
    if (packetId !== 0) {
      const delivery = this.#session.inflight?.get(packetId);
      if (delivery?.message !== message) return; // it was settled before it was said
      id = delivery.sequence;
    }
    const shared = this.#parts.messages.of(message, { qos, retain }, turn.now);
    this.#waiting.push(packetId === 0 ? shared : { ...shared, id, isAgain: dup, packetId });
    this.#waitingBytes += message.payloadEnd - message.payloadStart;
    this.#noteCongestion();
  }

  #noteCongestion(): void {
    const { waitingMax = 1_000, waitingBytesMax = 1024 * 1024 } = this.#options;
    this.congested = this.#waiting.length >= waitingMax || this.#waitingBytes >= waitingBytesMax;
  }

  #onExpired(): number {
    this.close("not-authorized");
    return Infinity;
  }

  #ended(cause: DisconnectCause): void {
    if (this.endCause !== undefined) return;
    this.endCause = cause;
    this.#waiting.length = 0; // nothing of it could be settled any more
    this.#parts.streams.delete(this);
    if (this.#alarm !== undefined) this.#parts.clock.cancel(this.#alarm);
  }
}

/** By these doors nobody becomes another user, whatever `takeover` is, and a session without a user stays without.
 * @throws {Refusal} not-authorized */
export function assertOwn(session: Session, who: { readonly username: string | undefined }): void {
  if (session.username === who.username) return;
  throw new Refusal("not-authorized", `Cannot use the session ${quoted(session.clientId)}: it is another user's`);
}

/** Settles the deliveries of a stored session up to a sequence; answers how many. */
export function settleThrough(session: Session, id: number, turn: Turn): number {
  const settled = [...session.inflight?.values() ?? []].filter(({ sequence }) => sequence > 0 && sequence <= id);
  for (const { packetId } of settled) session.settle(packetId, turn);
  return settled.length;
}
