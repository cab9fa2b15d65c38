import type { Broker } from "../core/broker.ts";
import type { Delivery } from "../core/delivery.ts";
import { SendKind } from "../core/effects.ts";
import { FILTER_WORK_MAX, filterWork } from "../core/filter_work.ts";
import type { DropCause } from "../core/happening.ts";
import { type Outcome, Refusal } from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { SubscribeRequest } from "../core/subscriptions.ts";
import { type ParsedFilter, parseFilter } from "../core/subscription.ts";
import { assertTopicFilter, hasWildcard, type Topic } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";
import { AckView, readAcknowledgement } from "../wire/acknowledgement.ts";
import { readDisconnect, readPingreq } from "../wire/disconnect.ts";
import type { FrameReader } from "../wire/frame_reader.ts";
import {
  packetName,
  PacketType,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubscribePacket,
} from "../wire/packet.ts";
import { PublishView, readPublish } from "../wire/publish.ts";
import { readSubscribe, readUnsubscribe } from "../wire/subscribe.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import { assertCapabilities, assertPublishable, maySubscribe, messageOf, resolveTopic } from "./admission.ts";
import type { Endpoint } from "./endpoint.ts";
import { consumeOptions } from "./queue_codec.ts";
import { RateRefusal } from "./rate_limiter.ts";
import type { TopicTable } from "./topic_table.ts";

/** Turns the packets of connected clients into decisions of the core. One serves every connection: it keeps nothing of any. */
export class PacketHandler {
  readonly #broker: Broker;
  readonly #topics: TopicTable;
  readonly #turn: Turn;
  readonly #publish = new PublishView();
  readonly #ack = new AckView();

  constructor(broker: Broker, topics: TopicTable, turn: Turn) {
    this.#broker = broker;
    this.#topics = topics;
    this.#turn = turn;
  }

  /** Handles the packet that `frame` stands at, unless its client has left. Answers what is left to be done for a packet with many
   * filters, a part at a time: to be gone through before the next packet, as long as the session is its own.
   * @throws {WireFault | Refusal} what ends the connection, with the reason to be told. */
  handle(endpoint: Endpoint, frame: FrameReader): Iterator<void> | void {
    if (endpoint.hasLeft) return;
    const type = frame.first >> 4;
    switch (type) {
      case PacketType.publish:
        return this.#onPublish(endpoint, frame);
      case PacketType.puback:
      case PacketType.pubrec:
      case PacketType.pubrel:
      case PacketType.pubcomp:
        return this.#onAcknowledgement(endpoint, frame);
      case PacketType.subscribe:
        return begun(this.#onSubscribe(endpoint, readSubscribe(frame, endpoint.version)));
      case PacketType.unsubscribe:
        return begun(this.#onUnsubscribe(endpoint, readUnsubscribe(frame, endpoint.version)));
      case PacketType.pingreq:
        readPingreq(frame);
        return this.#turn.effects.pingresp(endpoint); // [MQTT-3.12.4-1]
      case PacketType.disconnect:
        return this.#onDisconnect(endpoint, frame);
      case 0:
        throw new Refusal("malformed-packet", "Cannot read a packet of type 0: the type is reserved");
      default: // a second CONNECT ([MQTT-3.1.0-2]) or what only a server sends
        throw new Refusal("protocol-error", `Cannot accept ${packetName(type)} from a client that is connected`);
    }
  }

  #onPublish(endpoint: Endpoint, frame: FrameReader): void {
    const view = this.#publish;
    readPublish(view, frame, endpoint.version);
    assertCapabilities(endpoint.settings.limits, view);
    const session = endpoint.session!;
    if (view.qos > 0) this.#assertReceivable(endpoint, session);
    let topic: Topic | undefined;
    let outcome: Outcome = "success";
    let reason = "";
    try {
      topic = resolveTopic(endpoint, view, this.#topics); // also of one that comes again: it may set an alias
      if (view.qos === 2 && session.received?.has(view.packetId) === true) { // it is known until PUBREL ([MQTT-4.3.3-10])
        return this.#acknowledge(endpoint, "success", "");
      }
      if (view.qos === 1 && isInUse(endpoint, view.packetId)) {
        return this.#acknowledge(endpoint, "packet-identifier-in-use", "");
      }
      endpoint.meter?.assertMayPublish(frame.end - frame.start, this.#turn.now);
      const publication = { view, topic, hasQueues: this.#broker.queues !== null };
      assertPublishable(endpoint, publication);
      const message = messageOf(endpoint, publication, this.#turn.now);
      this.#broker.assertStorable(message, session, this.#turn);
      outcome = this.#broker.publish(message, session, this.#turn);
      if (view.qos === 2) session.receive(view.packetId, this.#turn); // last: the id of what is refused is free
    } catch (error) {
      if (!(error instanceof Refusal) || !isSayable(error, endpoint, view.qos)) throw error;
      outcome = error.refusal;
      reason = error.message;
      this.#turn.drop(session.clientId, topic?.name ?? "", dropCause(error));
    }
    if (view.qos > 0) this.#acknowledge(endpoint, outcome, reason);
  }

  /** Refuses a QoS 1 or 2 message above the announced Receive Maximum ([MQTT-3.3.4-7]); one that comes again is none. */
  #assertReceivable(endpoint: Endpoint, session: Session): void {
    const { received } = session;
    const { strictReceiveMaximum, limits: { receiveMaximum } } = endpoint.settings;
    if (received === null || received.size < receiveMaximum || !strictReceiveMaximum) return;
    if (endpoint.version !== 5 || received.has(this.#publish.packetId)) return;
    const reason =
      `Cannot accept another QoS 2 message: ${received.size} wait for PUBREL, the maximum is ${receiveMaximum}`;
    throw new Refusal("receive-maximum-exceeded", reason);
  }

  /** PUBACK or PUBREC for the PUBLISH in hand. */
  #acknowledge(endpoint: Endpoint, outcome: Outcome, reason: string): void {
    const { qos, packetId } = this.#publish;
    const kind = qos === 1 ? SendKind.puback : SendKind.pubrec;
    const send = this.#turn.effects.acknowledge(kind, endpoint, packetId);
    send.outcome = outcome;
    send.reason = reason;
  }

  #onAcknowledgement(endpoint: Endpoint, frame: FrameReader): void {
    const ack = this.#ack;
    readAcknowledgement(ack, frame, endpoint.version);
    const session = endpoint.session!;
    const { packetId } = ack;
    const isRefused = ack.reasonCode >= 0x80;
    const turn = this.#turn;
    switch (frame.first >> 4) {
      case PacketType.puback:
        this.#assertAwaited(session, packetId, 1);
        session.settle(packetId, turn, ack);
        return;
      case PacketType.pubrec:
        this.#assertAwaited(session, packetId, 2);
        if (isRefused && isReleased(session.inflight?.get(packetId))) throw outOfOrder(packetId);
        if (isRefused) session.settle(packetId, turn, ack); // [MQTT-4.8.2-6], and the id is free again
        else {
          const isKnown = session.release(packetId, turn);
          const send = turn.effects.acknowledge(SendKind.pubrel, endpoint, packetId);
          if (!isKnown) send.outcome = "packet-identifier-not-found";
        }
        return;
      case PacketType.pubrel: {
        const isKnown = session.forget(packetId, turn);
        const send = turn.effects.acknowledge(SendKind.pubcomp, endpoint, packetId);
        if (!isKnown) send.outcome = "packet-identifier-not-found";
        return;
      }
      default:
        this.#assertAwaited(session, packetId, 2);
        if (session.inflight?.get(packetId)?.state === "sent") throw outOfOrder(packetId); // [MQTT-4.3.3-3]
        session.settle(packetId, turn);
    }
  }

  /** An acknowledgement of the other QoS's kind is out of order; one for an id nobody knows is not: its session may be gone. */
  #assertAwaited(session: Session, packetId: number, qos: 1 | 2): void {
    const delivery = session.inflight?.get(packetId);
    if (delivery === undefined || delivery.qos === qos) return;
    throw new Refusal(
      "protocol-error",
      `Cannot match the acknowledgement of packet ${packetId}: it was sent with QoS ${delivery.qos}`,
    );
  }

  *#onSubscribe(endpoint: Endpoint, packet: SubscribePacket): Generator<void> {
    const session = endpoint.session!;
    const { packetId, subscriptionId } = packet;
    if (subscriptionId !== 0 && !endpoint.settings.limits.subscriptionIdsAvailable) {
      throw new Refusal(
        "subscription-identifiers-not-supported",
        "Cannot subscribe: subscription identifiers are switched off",
      );
    }
    const isTaken = isInUse(endpoint, packetId);
    const isTooMuch = !this.#maySubscribe(endpoint, packet.requests.length);
    const consume = packet.userProperties.length === 0 ? undefined : consumeOptions(packet.userProperties);
    const subscribing = this.#broker.subscribing(session, consume);
    for (const [index, { items, work }] of inParts(packet.requests, ({ filter }) => filter).entries()) {
      if (index > 0) yield;
      this.#turn.effects.filterWork += work;
      const requests = items.map((request): SubscribeRequest => {
        if (isTaken) return "packet-identifier-in-use";
        if (isTooMuch) return "quota-exceeded";
        return this.#admitSubscription(endpoint, request, subscriptionId);
      });
      for (const [index, request] of requests.entries()) {
        const cause = subscribing.take(request, this.#turn);
        if (typeof cause !== "string") continue;
        const { filter } = items[index];
        const { clientId } = session;
        this.#turn.effects.happenings.push({ kind: "subscription-refused", clientId, filter, cause });
      }
    }
    subscribing.end(packetId, this.#turn);
  }

  /** @throws {Refusal} message-rate-too-high where that is how the rate limits are kept */
  #maySubscribe({ meter }: Endpoint, count: number): boolean {
    try {
      meter?.assertMaySubscribe(count, this.#turn.now);
      return true;
    } catch (error) {
      if (error instanceof RateRefusal) return false;
      throw error;
    }
  }

  #admitSubscription(endpoint: Endpoint, request: SubscriptionRequest, subscriptionId: number): SubscribeRequest {
    const parsed = parseFilter(request.filter);
    if (parsed === undefined) return "topic-filter-invalid";
    if (parsed.group !== "" && request.noLocal) { // [MQTT-3.8.3-4]
      throw new Refusal("protocol-error", "Cannot subscribe: a shared subscription cannot be no-local");
    }
    try {
      assertTopicFilter(parsed.filter, encodeUtf8(request.filter).length, endpoint.settings.limits);
    } catch (error) {
      if (error instanceof Refusal) return error.refusal;
      throw error;
    }
    this.#assertSwitchedOn(endpoint, parsed);
    const who = { policy: endpoint.policy!, identity: endpoint.session! };
    if (!maySubscribe(who, parsed.filter, request.qos)) return "not-authorized";
    return { ...request, subscriptionId };
  }

  /** A v5 client has been told what is switched off: to ask for it is a protocol error (MQTT 5 3.2.2.3.11, 3.2.2.3.13).
   * Earlier versions get a failure from the core. */
  #assertSwitchedOn(endpoint: Endpoint, { filter, group }: ParsedFilter): void {
    const { wildcardAvailable, sharedAvailable } = endpoint.settings.limits;
    if (endpoint.version !== 5) return;
    if (!sharedAvailable && group !== "") {
      throw new Refusal(
        "shared-subscriptions-not-supported",
        "Cannot subscribe: shared subscriptions are switched off",
      );
    }
    if (!wildcardAvailable && hasWildcard(filter)) {
      throw new Refusal("wildcard-subscriptions-not-supported", "Cannot subscribe: wildcards are switched off");
    }
  }

  *#onUnsubscribe(endpoint: Endpoint, { packetId, filters }: UnsubscribePacket): Generator<void> {
    if (isInUse(endpoint, packetId)) {
      return this.#turn.effects.unsuback(endpoint, packetId, filters.map(() => "packet-identifier-in-use"));
    }
    const answers: Outcome[] = [];
    for (const [index, { items, work }] of inParts(filters, (filter) => filter).entries()) {
      if (index > 0) yield;
      this.#turn.effects.filterWork += work;
      answers.push(...this.#broker.unsubscribe(endpoint.session!, { packetId: 0, filters: items }, this.#turn));
    }
    this.#turn.effects.unsuback(endpoint, packetId, answers);
  }

  #onDisconnect(endpoint: Endpoint, frame: FrameReader): void {
    const packet = readDisconnect(frame, endpoint.version);
    const session = endpoint.session!;
    const wished = packet.sessionExpirySeconds;
    if (wished !== undefined && wished > 0 && endpoint.requestedExpirySeconds === 0) { // MQTT 5 3.14.2.2.2
      throw new Refusal("protocol-error", "Cannot set a session expiry at DISCONNECT: CONNECT said 0");
    }
    const { sessionExpirySecondsMax } = endpoint.settings.limits;
    this.#broker.detach(session, {
      peer: endpoint,
      cause: packet.reasonCode === 0 ? "normal" : "with-will", // [MQTT-3.14.4-3]
      expirySeconds: wished === undefined ? undefined : Math.min(wished, sessionExpirySecondsMax),
    }, this.#turn);
  }
}

/** Cuts what is asked for into parts: others get their turn before each but the first. */
function inParts<T>(
  all: readonly T[],
  filterOf: (item: T) => string,
): { readonly items: T[]; readonly work: number }[] {
  const parts: { items: T[]; work: number }[] = [];
  for (const item of all) {
    let part = parts.at(-1);
    if (part === undefined || part.work >= FILTER_WORK_MAX) parts.push(part = { items: [], work: 0 });
    part.items.push(item);
    part.work += filterWork(filterOf(item));
  }
  return parts;
}

/** Does the first part; undefined when that is all. */
function begun(parts: Generator<void>): Generator<void> | undefined {
  return parts.next().done ? undefined : parts;
}

/** Whether a QoS 2 message that has not been released has this id, and the client can be told ([MQTT-2.2.1-3]). Earlier versions cannot
 * say so: what comes is done, since its acknowledgement would promise that it is. */
function isInUse({ version, session }: Endpoint, packetId: number): boolean {
  return version === 5 && session!.received?.has(packetId) === true;
}

function outOfOrder(packetId: number): Refusal {
  return new Refusal(
    "protocol-error",
    `Cannot accept the acknowledgement of packet ${packetId} at this point of its exchange`,
  );
}

function dropCause(error: Refusal): DropCause {
  if (error instanceof RateRefusal) return "rate-exceeded";
  return error.refusal === "not-authorized" ? error.refusal : "refused";
}

/** Whether a refusal is said in the acknowledgement, so that the connection lives on. A QoS 0 message has none: it is dropped when it
 * was not authorized or there is no room, and ends the connection otherwise. Before v5 an acknowledgement cannot say that there is no
 * room: the client keeps the message and comes back. */
function isSayable(error: Refusal, endpoint: Endpoint, qos: number): boolean {
  switch (error.refusal) {
    case "not-authorized":
      return true;
    case "quota-exceeded":
      return qos === 0 || endpoint.version === 5;
    case "implementation-specific-error": // a queue cannot do what the message says
    case "payload-format-invalid":
    case "topic-name-invalid":
      return qos > 0;
    default:
      return false;
  }
}

/** Whether the client has said that it took the message. What a queue has taken back it need not have. */
function isReleased(delivery: Delivery | undefined): boolean {
  return delivery?.state === "released" && !delivery.isQueued;
}
