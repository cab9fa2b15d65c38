import type { DisconnectCause } from "../happening.ts";
import type { Message, QoS } from "../message.ts";
import { type Outcome, Refusal } from "../refusal.ts";
import type { Session } from "../session.ts";
import { parseFilter, type SubscriptionOptions } from "../subscription.ts";
import { quoted } from "../text.ts";
import type { Turn } from "../turn.ts";
import { parseQueueFilter, QUEUE_PREFIX, type QueueAddress, queueAddressOf } from "./address.ts";
import { DEAD_LETTERS } from "./definition.ts";
import type { QueueCodec, SettlementFacts } from "./codec.ts";
import type { QueueDelivery } from "./delivery.ts";
import type { GroupStart } from "./group_start.ts";
import { messageIdOf } from "./message_id.ts";
import type { StoredQueueConsumer } from "./mutation.ts";
import type { Publication } from "./publication.ts";
import type { JoinOptions, Queues } from "./queues.ts";
import { queueTopic } from "./routing_key.ts";
import { SessionConsumer } from "./session_consumer.ts";

/** What SUBSCRIBE says of a consumer beside the filter. */
export interface ConsumeOptions {
  /** Empty when the client named none. */
  readonly group: string;
  /** 0 for the queue's own. */
  readonly prefetch: number;
  readonly start: GroupStart;
}

const DEFAULT_START: GroupStart = { kind: "default" };
const PLAIN: ConsumeOptions = { group: "", prefetch: 0, start: DEFAULT_START };

/** Of a topic that a queue keeps: its dead letter has one level more, and MQTT has 65,535 bytes for all. */
const TOPIC_BYTES_MAX = 65_535 - `/${DEAD_LETTERS}`.length;

const NO_PROPERTIES = new Uint8Array();

/** Ends of a connection by the client's wish, or by the broker for reasons of its own. */
const PEACEFUL: ReadonlySet<DisconnectCause> = new Set<DisconnectCause>([
  ...["normal", "with-will", "server-shutting-down", "administrative-action", "session-taken-over"] as const,
]);

/** The queues as sessions see them: what MQTT clients and wills publish to `$queue/...`, what is captured, subscribed to and settled. */
export class SessionQueues {
  readonly queues: Queues;
  readonly #codec: QueueCodec;
  /** What was asked about last, read already: mostly it is published next. */
  #taken: { readonly message: Message; readonly publication: Publication } | null = null;

  constructor(queues: Queues, codec: QueueCodec) {
    this.queues = queues;
    this.#codec = codec;
  }

  /** To be asked before {@link publish}.
   * @throws {Refusal} when the queue is not there, is full, or a property cannot be understood */
  assertTaken(message: Message, address: QueueAddress, turn: Turn): void {
    if (address.verb !== undefined) return;
    assertRoomForTopic(message.topic.name, message.topic.bytes.length);
    try {
      const publication = this.#publicationOf(message, address);
      this.queues.admit(publication, turn);
      this.#taken = { message, publication };
    } catch (error) { // in an acknowledgement there is no reason code for a size, and the connection need not end for it
      if (!(error instanceof Refusal) || error.refusal !== "packet-too-large") throw error;
      throw new Refusal("quota-exceeded", error.message, { cause: error });
    }
  }

  /** Appends a message that is taken, or does what a verb asks for.
   * @throws {Refusal} when a verb cannot be obeyed */
  publish(message: Message, sender: Session | null, turn: Turn): Outcome {
    const taken = this.#taken;
    this.#taken = null;
    if (taken?.message === message) {
      this.queues.append(taken.publication, turn);
      return "success";
    }
    const address = queueAddressOf(message.topic)!;
    if (address.verb !== undefined) this.#obey(address, { message, sender }, turn);
    else this.queues.append(this.#publicationOf(message, address), turn);
    return "success";
  }

  /** Copies an ordinary message into every queue that wants it; one that is full is told of it, not the publisher. */
  capture(message: Message, turn: Turn): void {
    const { name, bytes } = message.topic;
    for (const { name: queue } of this.queues.capturesOf(name)) {
      const address = { queue, routingKey: name, verb: undefined };
      try {
        const topic = queueTopic(queue, name);
        assertRoomForTopic(topic, this.#codec.topicOf(queueTopic(queue, "")).bytes.length + 1 + bytes.length);
        const publication = { ...this.#publicationOf(message, address), topic, sourceTopic: name };
        this.queues.capture(publication, turn);
      } catch (error) { // a property that is meant for somebody else, or a topic that is too long
        if (!(error instanceof Refusal)) throw error;
        turn.drop("", name, "refused");
      }
    }
  }

  /** Whether a filter, `$share/<group>/` included, is one of a queue. */
  isQueueFilter(filter: string): boolean {
    return parseFilter(filter)?.filter.startsWith(QUEUE_PREFIX) === true;
  }

  /** Makes the session a consumer; nothing is delivered before {@link start}. Answers the granted QoS or why not. */
  subscribe(
    session: Session,
    request: { options: SubscriptionOptions; consume?: ConsumeOptions },
    turn: Turn,
  ): QoS | Refusal {
    const { options, consume = PLAIN } = request;
    const { filter } = options;
    if (Math.min(options.qos, turn.limits.qosMax) < 1) {
      return refused(`Cannot consume from ${quoted(filter)} with QoS 0: nothing could be settled`);
    }
    try {
      const { group: shared } = parseFilter(filter)!;
      const { clientId } = session;
      const stored: StoredQueueConsumer = {
        clientId,
        filter,
        qos: Math.min(options.qos, turn.limits.qosMax) as 1 | 2,
        group: shared || consume.group || clientId,
        isNamed: shared !== "" || consume.group !== "",
        prefetch: consume.prefetch,
        subscriptionId: options.subscriptionId,
      };
      const former = session.consumers.get(filter);
      if (former?.member?.isGone === false && isSame(former.stored, stored)) return stored.qos; // it keeps what it holds
      if (former === undefined && !turn.holdings.hasRoomForFilter(session, turn.limits)) {
        return new Refusal(
          "quota-exceeded",
          `Cannot consume from ${quoted(filter)}: there is no room for more filters`,
        );
      }
      const consumer = this.#consumer(session, stored);
      consumer.member = this.queues.join(joinOf(consumer, consume.start), turn);
      this.unsubscribe(session, filter, turn); // it replaces the former one, once it is in
      this.#add(consumer, session, turn);
      if (session.isStored) turn.effects.writes.push({ kind: "queue-consumer-saved", ...stored });
      return stored.qos;
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
  }

  /** Lets the session's consumers have their messages: SUBACK or CONNACK has been said. */
  start(session: Session, turn: Turn): void {
    for (const consumer of session.consumers.values()) {
      consumer.isStarted = true;
      consumer.pump(turn);
    }
  }

  /** Undefined when there is no such consumer. */
  unsubscribe(session: Session, filter: string, turn: Turn): Outcome | undefined {
    if (!this.#leave(session, filter, turn)) return undefined;
    if (session.isStored) {
      turn.effects.writes.push({ kind: "queue-consumer-deleted", clientId: session.clientId, filter });
    }
    return "success";
  }

  /** Puts back what a restart found: the session is offline and has no part in its groups. */
  restore(session: Session, stored: StoredQueueConsumer, turn: Turn): void {
    this.#add(this.#consumer(session, stored), session, turn);
  }

  /** The session has no connection any more: what it held is given out again, and counts as failed unless the cause says nothing about
   * the messages. */
  detached(session: Session, cause: DisconnectCause, turn: Turn): void {
    const isCrash = !PEACEFUL.has(cause);
    for (const consumer of session.consumers.values()) this.#depart(consumer, { isCrash }, turn);
    session.dropQueued();
  }

  /** The session has a connection again: its consumers rejoin their groups. */
  attached(session: Session, turn: Turn): void {
    for (const consumer of session.consumers.values()) {
      try {
        consumer.member = this.queues.rejoin(joinOf(consumer, DEFAULT_START), turn);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        turn.drop(session.clientId, consumer.stored.filter, "refused"); // deleted, and not made by itself: nothing comes until it is
        this.queues.joinLater(joinOf(consumer, DEFAULT_START));
      }
    }
    this.start(session, turn);
  }

  /** The session is over, and with it the groups that nobody named. */
  ended(session: Session, turn: Turn): void {
    this.detached(session, "normal", turn);
    for (const filter of [...session.consumers.keys()]) this.#delete(filter, session, turn);
    this.queues.endClient(session.clientId, turn);
  }

  /** The chunk that a message lies in is filled again: the queue keeps views of the message's own bytes. */
  #publicationOf(message: Message, { queue, routingKey }: QueueAddress): Publication {
    const { topic, expiresAt, payload, propertiesStart, propertiesEnd } = message.own();
    const hasNone = propertiesStart === propertiesEnd;
    const properties = hasNone ? NO_PROPERTIES : message.properties.subarray(propertiesStart, propertiesEnd);
    return { topic: topic.name, queue, routingKey, ...this.#codec.readFacts(message), expiresAt, properties, payload };
  }

  #consumer(session: Session, stored: StoredQueueConsumer): SessionConsumer {
    const filter = parseQueueFilter(parseFilter(stored.filter)!)!;
    return new SessionConsumer({ session, queues: this.queues, codec: this.#codec, stored, filter });
  }

  #leave(session: Session, filter: string, turn: Turn): boolean {
    const consumer = session.consumers.get(filter);
    if (consumer === undefined) return false;
    this.#depart(consumer, { isCrash: false }, turn);
    this.#delete(filter, session, turn);
    return true;
  }

  #add(consumer: SessionConsumer, session: Session, turn: Turn): void {
    session.addConsumer(consumer);
    turn.holdings.countFilters(session, 1);
  }

  #delete(filter: string, session: Session, turn: Turn): void {
    session.deleteConsumer(filter);
    turn.holdings.countFilters(session, -1);
  }

  #depart(consumer: SessionConsumer, how: { isCrash: boolean }, turn: Turn): void {
    const { member } = consumer;
    consumer.isStarted = false;
    consumer.member = null;
    if (member !== null) this.queues.leave(member, how, turn);
    else this.queues.forgo(consumer.filter.queue, consumer);
  }

  #obey(address: QueueAddress, from: { message: Message; sender: Session | null }, turn: Turn): void {
    const { verb, queue } = address;
    const { sender } = from;
    const facts = this.#codec.readSettlement(from.message);
    if (sender === null) throw refused(`Cannot ${verb} in ${quoted(queue)}: only a consumer can`);
    if (verb === "commit" || verb === "seek") return this.#move(address, { facts, sender }, turn);
    const held = this.#held(sender, queue, facts);
    if (held === undefined) {
      throw refused(`Cannot ${verb} ${quoted(facts.messageId)}: this client does not hold it (any more)`);
    }
    const { delivery, consumer } = held;
    if (verb === "extend") {
      const { visibilityTimeoutMs } = delivery.member.group.queue.definition;
      return void this.queues.extend(delivery, facts.delayMs ?? visibilityTimeoutMs, turn);
    }
    consumer.withdraw(delivery);
    if (verb === "ack") this.queues.settle(delivery, { kind: "ack" }, turn);
    else if (verb === "reject") this.queues.settle(delivery, { kind: "reject", reason: facts.reason }, turn);
    else this.queues.settle(delivery, { kind: "nack", delayMs: facts.delayMs }, turn);
  }

  #held(
    session: Session,
    queue: string,
    { messageId, group }: SettlementFacts,
  ): { delivery: QueueDelivery; consumer: SessionConsumer } | undefined {
    for (const consumer of session.consumers.values()) {
      const { stored, filter } = consumer;
      if (filter.queue !== queue || (group !== "" && group !== stored.group)) continue;
      const delivery = this.queues.held(consumer, { queue, messageId });
      if (delivery !== undefined) return { delivery, consumer };
    }
    return undefined;
  }

  #move({ verb, queue }: QueueAddress, by: { facts: SettlementFacts; sender: Session }, turn: Turn): void {
    const { facts, sender } = by;
    const consumer = sender.consumers.values().find(({ filter, stored, member }) => {
      return member?.isGone === false && filter.queue === queue && (facts.group === "" || facts.group === stored.group);
    });
    if (consumer === undefined) throw refused(`Cannot ${verb} in ${quoted(queue)}: this client is in no such group`);
    const { partition, offset, time } = facts;
    if (verb === "commit") {
      if (offset === undefined || partition === undefined) {
        throw refused("Cannot commit: the property partition or offset is missing");
      }
      if (this.queues.commit(consumer.member!, { partition, offset }, turn) > 0) return;
      throw refused(
        `Cannot commit ${quoted(messageIdOf(queue, partition, offset))}: this client does not hold it (any more)`,
      );
    }
    if (time !== undefined) {
      return this.queues.seek({ ...placeOf(consumer), to: { kind: "time", time }, partition }, turn);
    }
    if (offset === undefined) throw refused("Cannot seek: the property offset or time is missing");
    this.queues.seek({ ...placeOf(consumer), to: { kind: "offset", offset }, partition }, turn);
  }
}

function joinOf(consumer: SessionConsumer, start: GroupStart): JoinOptions {
  const { stored: { group, prefetch, isNamed }, filter: { queue, routingFilter: filter } } = consumer;
  return { queue, group, filter, consumer, prefetch, start, boundToClient: !isNamed };
}

function isSame(former: StoredQueueConsumer, asked: StoredQueueConsumer): boolean {
  return (Object.keys(asked) as (keyof StoredQueueConsumer)[]).every((name) => former[name] === asked[name]);
}

function placeOf({ filter, stored }: SessionConsumer): { queue: string; group: string } {
  return { queue: filter.queue, group: stored.group };
}

/** @throws {Refusal} topic-name-invalid */
function assertRoomForTopic(topic: string, bytes: number): void {
  if (bytes <= TOPIC_BYTES_MAX) return;
  const rule = `it has ${bytes} bytes, the maximum of a queue's is ${TOPIC_BYTES_MAX}`;
  throw new Refusal("topic-name-invalid", `Cannot append to ${quoted(topic)}: ${rule}`);
}

function refused(message: string): Refusal {
  return new Refusal("implementation-specific-error", message);
}
