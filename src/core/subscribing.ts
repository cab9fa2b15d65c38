import type { QoS } from "./message.ts";
import type { ConsumeOptions, SessionQueues } from "./queue/session_queues.ts";
import type { RefusalCause } from "./refusal.ts";
import type { Session } from "./session.ts";
import type { SubscriptionOptions } from "./subscription.ts";
import type { SubscribeRequest, Subscriptions } from "./subscriptions.ts";
import type { Turn } from "./turn.ts";

/** Where filters go. */
interface Places {
  readonly subscriptions: Subscriptions;
  readonly queues: SessionQueues | null;
}

/** A SUBSCRIBE under way. Each filter counts once it is taken, as if it had come alone, and all are answered together
 * ([MQTT-3.8.4-5], [MQTT-3.8.4-6]); one that is not ended is not answered, and nothing retained is sent. */
export class Subscribing {
  readonly #places: Places;
  readonly #session: Session;
  readonly #consume: ConsumeOptions | undefined;
  readonly #answers: (QoS | RefusalCause)[] = [];
  readonly #toReplay: SubscriptionOptions[] = [];
  #reason = "";

  /** @param consume what it says about filters of durable queues */
  constructor(places: Places, session: Session, consume: ConsumeOptions | undefined) {
    this.#places = places;
    this.#session = session;
    this.#consume = consume;
  }

  /** Subscribes to one filter; answers what SUBACK is to say of it. */
  take(request: SubscribeRequest, turn: Turn): QoS | RefusalCause {
    const answer = this.#subscribe(request, turn);
    this.#answers.push(answer);
    return answer;
  }

  /** Says SUBACK, unless the packet id is 0, and then sends the retained messages that the options call for ([MQTT-3.8.4-1],
   * [MQTT-3.3.1-9..11]). Answers what SUBACK says. */
  end(packetId: number, turn: Turn): readonly (QoS | RefusalCause)[] {
    const session = this.#session;
    const { subscriptions, queues } = this.#places;
    if (session.peer !== null && packetId !== 0) {
      turn.effects.suback(session.peer, packetId, this.#answers).reason = this.#reason;
    }
    for (const options of this.#toReplay) subscriptions.replay(session, options, turn);
    queues?.start(session, turn);
    session.pump(turn);
    return this.#answers;
  }

  #subscribe(request: SubscribeRequest, turn: Turn): QoS | RefusalCause {
    const session = this.#session;
    const { subscriptions, queues } = this.#places;
    if (typeof request === "string") return request;
    if (queues !== null && queues.isQueueFilter(request.filter)) {
      const granted = queues.subscribe(session, { options: request, consume: this.#consume }, turn);
      if (typeof granted === "number") return granted;
      this.#reason ||= granted.message; // of several the first
      return granted.refusal;
    }
    const isNew = !session.subscriptions?.has(request.filter);
    const answer = subscriptions.subscribe(session, request, turn);
    if (typeof answer === "string") return answer;
    if (request.retainHandling === 0 || (request.retainHandling === 1 && isNew)) this.#toReplay.push(request);
    return answer;
  }
}
