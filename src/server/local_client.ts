import type { Broker } from "../core/broker.ts";
import type { Limits } from "../core/limits.ts";
import { expiryTime, Message, messageSource, type QoS } from "../core/message.ts";
import { Refusal } from "../core/refusal.ts";
import { Session } from "../core/session.ts";
import { parseFilter, type SubscriptionOptions } from "../core/subscription.ts";
import { quoted } from "../core/text.ts";
import { assertTopicFilter } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";
import { assertCapabilities } from "../protocol/admission.ts";
import type { TopicTable } from "../protocol/topic_table.ts";
import { writeMessageProperties } from "../wire/properties.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import { LocalSubscription, type ReceivedMessage } from "./local_subscription.ts";
import type { OutgoingMessage, SubscribeOptions } from "./program_options.ts";

/** What the program is given to work with. */
export interface LocalClientParts {
  readonly broker: Broker;
  readonly topics: TopicTable;
  readonly limits: Limits;
  /** Lets the core decide, then persists and speaks. */
  readonly decide: (decide: (turn: Turn) => void) => void;
}

/** The program as a client of its own broker: it publishes and subscribes without a socket and without a session that lasts. */
export class LocalClient {
  readonly #parts: LocalClientParts;
  readonly #subscriptions = new Set<LocalSubscription>();
  #sessions = 0;

  constructor(parts: LocalClientParts) {
    this.#parts = parts;
  }

  /** As `WeirBroker.publish`, and answers at once: what has to be stored may not be yet. */
  publish(message: OutgoingMessage): void {
    const { broker, topics, limits, decide } = this.#parts;
    const { payload, qos = 0, retain = false, expirySeconds } = message;
    if (![0, 1, 2].includes(qos)) throw new RangeError(`Cannot publish with QoS ${qos}: it is 0, 1 or 2`);
    if (expirySeconds !== undefined && !(expirySeconds >= 0 && expirySeconds <= 0xffff_ffff)) {
      throw new RangeError(`Cannot publish with an expiry of ${expirySeconds} s: it lies between 0 and 4294967295`);
    }
    // Maximum QoS is about what clients send; those who subscribed get what they were granted.
    assertCapabilities(limits, { qos: 0, retain });
    const bytes = typeof payload === "string" ? encodeUtf8(payload) : payload;
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError("Cannot publish the payload: it is text or a Uint8Array");
    }
    const source = messageSource(bytes, { qos, retain, properties: writeMessageProperties(message) });
    const topic = topics.of(message.topic);
    decide((turn) => {
      const expiresAt = expiryTime(expirySeconds, turn.limits.messageExpirySecondsMax, turn.now);
      const message = new Message(topic, source, expiresAt);
      broker.assertStorable(message, null, turn);
      broker.publish(message, null, turn);
    });
  }

  /** As `WeirBroker.subscribe`. */
  subscribe(filter: string, options: SubscribeOptions): ReadableStream<ReceivedMessage> {
    const { broker, decide } = this.#parts;
    const { qos = 0, highWaterMark = 1_000, retained = true, signal } = options;
    if (![0, 1, 2].includes(qos)) throw new RangeError(`Cannot subscribe with QoS ${qos}: it is 0, 1 or 2`);
    if (!Number.isInteger(highWaterMark) || highWaterMark < 1) {
      throw new RangeError(`Cannot keep ${highWaterMark} messages for a reader: it is a whole number from 1 on`);
    }
    const session = new Session(`$local/${++this.#sessions}`, undefined); // for happenings: it is not among the clients' sessions
    const request = requestOf(filter, qos, retained);
    this.#assertSubscribable(request);
    const onAbort = () => subscription.close();
    const subscription = new LocalSubscription({
      session,
      highWaterMark,
      pump: decide,
      onEnd: (how) => {
        this.#subscriptions.delete(subscription);
        signal?.removeEventListener("abort", onAbort);
        decide((turn) => broker.release(session, how, turn));
      },
    });
    session.peer = subscription;
    session.window = highWaterMark;
    this.#subscriptions.add(subscription);
    decide((turn) => broker.subscribe(session, { packetId: 0, requests: [request] }, turn));
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) subscription.close();
    return subscription.stream;
  }

  /** Ends all subscriptions; what was received can still be read. */
  close(): void {
    for (const subscription of [...this.#subscriptions]) subscription.close();
  }

  #assertSubscribable(request: SubscriptionOptions): void {
    const { broker, limits } = this.#parts;
    const refusal = broker.subscriptions.refusal(request);
    if (refusal !== undefined) throw new Refusal(refusal, `Cannot subscribe to ${quoted(request.filter)}`);
    const { filter } = parseFilter(request.filter)!;
    assertTopicFilter(filter, encodeUtf8(request.filter).length, limits);
  }
}

function requestOf(filter: string, qos: QoS, retained: boolean): SubscriptionOptions {
  const retainHandling = retained ? 0 : 2;
  return { filter, qos, noLocal: false, retainAsPublished: true, retainHandling, subscriptionId: 0 };
}
