import type { Admission, Credentials } from "../auth/authenticator.ts";
import type { GuestQueues } from "../bridge/queue_gateway.ts";
import type {
  Guest,
  GuestFilter,
  GuestMessage,
  GuestPublication,
  GuestSubscribeOptions,
  GuestSubscription,
  PublishOutcome,
  RetainedRange,
} from "../bridge/gateway.ts";
import { parseQueueFilter, queueAddressOf } from "../core/queue/address.ts";
import { parentName } from "../core/queue/dead_letters.ts";
import { expiryTime, Message, messageSource, type QoS } from "../core/message.ts";
import type { Policy } from "../core/ports.ts";
import { Refusal } from "../core/refusal.ts";
import { REPLAY_STEPS_MAX } from "../core/replay.ts";
import { Session } from "../core/session.ts";
import { type ParsedFilter, parseFilter, type SubscriptionOptions } from "../core/subscription.ts";
import { quoted } from "../core/text.ts";
import { assertTopicFilter, hasWildcard, type Topic } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";
import { assertCapabilities, assertMayPublish, assertUtf8Payload, maySubscribe } from "../protocol/admission.ts";
import { type MessageProperties, writeMessageProperties } from "../wire/properties.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import { variableByteIntegerBytes } from "../wire/variable_byte_integer.ts";
import type { GatewayParts } from "./bridge_gateway.ts";
import { FirstTopics } from "./first_topics.ts";
import { guestMessage, type GuestMessages } from "./guest_message.ts";
import { LocalGuestQueues } from "./guest_queues.ts";
import { assertOwn, GuestStream, settleThrough } from "./guest_stream.ts";
import type { PullConsumers } from "./pull_consumers.ts";

/** What a guest is given to work with. */
export interface GuestParts extends GatewayParts {
  /** The subscriptions of all guests. */
  readonly streams: Set<GuestStream>;
  readonly messages: GuestMessages;
  /** Those of all guests that pull; undefined where the store keeps no durable queues. */
  readonly pulls: PullConsumers | undefined;
  /** Whether the broker is stopping. */
  readonly isDraining: () => boolean;
}

/** Someone who came by a door that is not MQTT: what a PUBLISH and a SUBSCRIBE of an MQTT client go through, it goes through too. */
export class BridgeGuest implements Guest {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly expiresAt: number;
  readonly #parts: GuestParts;
  readonly #policy: Policy;
  readonly #holds: () => boolean;
  readonly #from: Pick<Credentials, "remoteAddress" | "listener" | "protocolVersion">;
  /** Stands for the guest where it publishes; not among the clients' sessions. */
  readonly #sender: Session;

  constructor(parts: GuestParts, { clientId, ...from }: Credentials, admission: Admission) {
    this.#parts = parts;
    this.#policy = admission.policy;
    this.#holds = admission.holds ?? (() => true);
    this.#from = from;
    this.clientId = clientId;
    this.username = admission.username;
    this.expiresAt = admission.expiresAt ?? Infinity;
    this.#sender = new Session(clientId, admission.username);
  }

  get queues(): GuestQueues | undefined {
    const { queues, pulls, metering, loop, decide } = this.#parts;
    if (queues === undefined || pulls === undefined) return undefined;
    return new LocalGuestQueues({
      queues,
      pulls,
      identity: this,
      policy: this.#policy,
      expiresAt: this.expiresAt,
      holds: this.#holds,
      assertCurrent: () => this.#assertCurrent(),
      assertReadable: (filter) => this.#assertReadable(filter, 1),
      meter: () => metering.assertGuestMay({ subscribe: 1 }, this.#metered),
      decide,
      settled: () => loop.settled(),
    });
  }

  async publish(publication: GuestPublication): Promise<PublishOutcome> {
    const { broker, loop, metering } = this.#parts;
    if (loop.isOverloaded) await loop.settled(); // as connections are not read then
    let outcome: PublishOutcome | undefined;
    this.#parts.decide((turn) => {
      publication.precondition?.();
      const bytes = publication.payload.length + publication.topic.length;
      metering.assertGuestMay({ message: 1, bytes }, this.#metered);
      const message = this.#admit(publication, turn);
      outcome = broker.publish(message, this.#owner ?? this.#sender, turn) as PublishOutcome;
    });
    await loop.settled();
    return outcome!;
  }

  assertPublishable(publication: GuestPublication): void {
    this.#parts.decide((turn) => void this.#admit(publication, turn));
  }

  async subscribe(
    filters: readonly GuestFilter[],
    options: GuestSubscribeOptions = {},
  ): Promise<GuestSubscription> {
    this.#assertCurrent();
    const { broker, clock, decide, loop, messages, metering, streams, turn } = this.#parts;
    turn.now = this.#now();
    metering.assertGuestMay({ subscribe: filters.length }, this.#metered);
    const requests = filters.map((filter) => this.#subscription(filter));
    const { remoteAddress, listener, protocolVersion } = this.#from;
    const { limits } = turn;
    const stream = new GuestStream({
      broker,
      clock,
      loop,
      streams,
      messages,
      decide,
      identity: this,
      origin: { remoteAddress, listener, protocolVersion },
      address: metering.keyOf(remoteAddress),
      expiresAt: this.expiresAt,
      holds: this.#holds,
      window: Math.min(options.window ?? Infinity, limits.inflightMax),
      policy: this.#policy,
    }, {
      ...options,
      sessionExpirySeconds: Math.min(options.sessionExpirySeconds ?? 0, limits.sessionExpirySecondsMax),
    });
    await stream.open(requests);
    return stream;
  }

  retained(topic: string): GuestMessage | undefined {
    this.#assertReads(topic);
    const message = this.#parts.broker.retained.get(topic);
    const now = this.#now();
    return message === undefined || message.expiresAt <= now ? undefined : retainedMessage(message, now);
  }

  async listRetained(filter: string, { limit = 1_000, after }: RetainedRange = {}): Promise<GuestMessage[]> {
    this.#assertReads(filter);
    const { broker, metering, rounds } = this.#parts;
    if (hasWildcard(filter)) metering.assertGuestMay({ subscribe: 1 }, this.#metered); // it costs what subscribing does
    const found = new FirstTopics(limit, after);
    let now = this.#now();
    let steps = 0;
    for (const message of broker.retained.walk(filter)) {
      if (++steps % REPLAY_STEPS_MAX === 0) {
        await rounds.pass();
        now = this.#now();
      }
      if (message !== null && message.expiresAt > now) found.add(message);
    }
    this.#assertReads(filter); // it may have lost the right meanwhile
    return found.inOrder().map((message) => retainedMessage(message, now));
  }

  async clearRetained(
    topic: string,
    { precondition }: Pick<GuestPublication, "precondition"> = {},
  ): Promise<boolean> {
    const { broker } = this.#parts;
    if (this.#parts.queues !== undefined) assertNoQueue({ filter: topic, group: "" }); // there an empty message is one like others
    const wasThere = broker.retained.get(topic) !== undefined;
    await this.publish({ topic, payload: new Uint8Array(0), retain: true, precondition });
    return wasThere;
  }

  async settleThrough(id: number): Promise<number> {
    this.#assertCurrent();
    const { broker, loop } = this.#parts;
    const session = broker.sessions.get(this.clientId);
    if (session === undefined) return 0;
    assertOwn(session, this);
    let count = 0;
    this.#parts.decide((turn) => count = settleThrough(session, id, turn));
    await loop.settled();
    return count;
  }

  async endSession(): Promise<boolean> {
    this.#assertCurrent();
    const { broker, loop } = this.#parts;
    const session = broker.sessions.get(this.clientId);
    if (session === undefined) return false;
    assertOwn(session, this);
    this.#parts.decide((turn) => broker.endSession(session, turn));
    await loop.settled();
    return true;
  }

  get #metered(): { remoteAddress: string; clientId: string; username: string | undefined } {
    return { remoteAddress: this.#from.remoteAddress, clientId: this.clientId, username: this.username };
  }

  /** The guest's own session among the clients', so that its no-local subscriptions know their publisher. */
  get #owner(): Session | undefined {
    const session = this.#parts.broker.sessions.get(this.clientId);
    return session !== undefined && session.username === this.username ? session : undefined;
  }

  /** What a PUBLISH is held to.
   * @throws {Refusal} */
  #admit(publication: GuestPublication, turn: Turn): Message {
    this.#assertCurrent();
    const { broker, protocol, topics } = this.#parts;
    const { payload, qos = 0, retain = false, expirySeconds } = publication;
    assertNumbers(qos, expirySeconds);
    const facts = { qos, retain };
    assertCapabilities(turn.limits, facts);
    const topic = topics.of(publication.topic);
    if (this.#parts.queues !== undefined) assertNoVerb(topic);
    assertMayPublish({ policy: this.#policy, identity: this, hasQueues: broker.queues !== null }, topic, facts);
    if (protocol.validatePayloadFormat && publication.payloadIsUtf8 === true) {
      assertUtf8Payload(payload, 0, payload.length);
    }
    const properties = writeMessageProperties(publication as MessageProperties);
    const expiresAt = expiryTime(expirySeconds, turn.limits.messageExpirySecondsMax, turn.now);
    const message = new Message(topic, messageSource(payload, { qos, retain, properties }), expiresAt);
    assertSize(message, { bytesMax: protocol.packetBytesMax, hasExpiry: expirySeconds !== undefined });
    broker.assertStorable(message, this.#owner ?? this.#sender, turn);
    return message;
  }

  /** @throws {Refusal} */
  #assertReads(filter: string): void {
    this.#assertCurrent();
    this.#subscription({ filter });
  }

  #subscription({ filter, qos = 0, noLocal = false, retainHandling = 0 }: GuestFilter): SubscriptionOptions {
    if (![0, 1, 2].includes(qos)) throw new RangeError(`Cannot subscribe with QoS ${qos}: it is 0, 1 or 2`);
    const options = { filter, qos, noLocal, retainHandling, retainAsPublished: true, subscriptionId: 0 } as const;
    const refusal = this.#parts.broker.subscriptions.refusal(options);
    if (refusal !== undefined) throw new Refusal(refusal, `Cannot subscribe to ${quoted(filter)}`);
    if (this.#parts.queues !== undefined) assertNoQueue(parseFilter(filter)!);
    if (noLocal && parseFilter(filter)!.group !== "") { // [MQTT-3.8.3-4]
      throw new Refusal("topic-filter-invalid", "Cannot subscribe: a shared subscription cannot be no-local");
    }
    this.#assertReadable(parseFilter(filter)!.filter, qos);
    return options;
  }

  #assertReadable(filter: string, qos: QoS): void {
    assertTopicFilter(filter, encodeUtf8(filter).length, this.#parts.turn.limits);
    if (maySubscribe({ policy: this.#policy, identity: this }, filter, qos)) return;
    throw new Refusal("not-authorized", `Not allowed to subscribe to ${quoted(filter)}`);
  }

  #assertCurrent(): void {
    if (this.#parts.isDraining()) throw new Refusal("server-shutting-down", "Cannot go on: the broker is stopping");
    if (this.#now() >= this.expiresAt || !this.#holds()) {
      throw new Refusal("not-authorized", "Cannot go on: what you were let in by has ended");
    }
  }

  #now(): number {
    return this.#parts.clock.timeOfDay();
  }
}

function retainedMessage(message: Message, now: number): GuestMessage {
  return guestMessage(message, { qos: message.qos, retain: true }, now);
}

/** What is held of a queue would not outlive a subscription of a guest: it is consumed by calls of its own.
 * @throws {Refusal} which says by which */
function assertNoQueue(filter: ParsedFilter): void {
  const address = parseQueueFilter(filter);
  if (address === undefined) return;
  const name = parentName(address.queue) ?? address.queue;
  const calls = `POST /queues/${name}/pull or GET /queues/${name}/subscribe over HTTP`;
  throw new Refusal("topic-filter-invalid", `Cannot read ${quoted(filter.filter)} by this call: use ${calls}, or MQTT`);
}

/** @throws {Refusal} for what only who consumes by MQTT can publish */
function assertNoVerb(topic: Topic): void {
  const address = queueAddressOf(topic);
  if (address?.verb === undefined) return;
  const call = `POST /queues/${parentName(address.queue) ?? address.queue}/${address.verb} over HTTP`;
  throw new Refusal("topic-name-invalid", `Cannot ${address.verb} by publishing here: use ${call}`);
}

function assertNumbers(qos: number, expirySeconds: number | undefined): void {
  if (![0, 1, 2].includes(qos)) throw new RangeError(`Cannot publish with QoS ${qos}: it is 0, 1 or 2`);
  if (expirySeconds === undefined) return;
  if (Number.isInteger(expirySeconds) && expirySeconds >= 0 && expirySeconds <= 0xffff_ffff) return;
  throw new RangeError(
    `Cannot publish with an expiry of ${expirySeconds} s: it is a whole number between 0 and 4294967295`,
  );
}

/** Holds a message to the size that its PUBLISH would have. */
function assertSize(message: Message, { bytesMax, hasExpiry }: { bytesMax: number; hasExpiry: boolean }): void {
  const properties = message.propertiesEnd - message.propertiesStart + (hasExpiry ? 5 : 0);
  const rest = message.size + 2 + (message.qos > 0 ? 2 : 0) + variableByteIntegerBytes(properties) +
    (hasExpiry ? 5 : 0);
  const bytes = rest <= 0xfff_ffff ? 1 + variableByteIntegerBytes(rest) + rest : Infinity;
  if (bytes <= bytesMax) return;
  throw new Refusal("packet-too-large", `Cannot publish ${bytes} bytes: the maximum is ${bytesMax}`);
}
