import { FILTER_WORK_MAX, filterWork } from "./filter_work.ts";
import type { Limits } from "./limits.ts";
import type { QoS } from "./message.ts";
import type { Outcome, RefusalCause } from "./refusal.ts";
import { Replay } from "./replay.ts";
import type { Retained } from "./retained.ts";
import { type Route, type RouteEntry, routeEntry } from "./route.ts";
import type { Session } from "./session.ts";
import { parseFilter, Subscription, type SubscriptionOptions } from "./subscription.ts";
import { hasWildcard, type Topic } from "./topic.ts";
import { TopicTrie } from "./topic_trie.ts";
import type { Turn } from "./turn.ts";

/** Work on the filters of a session that ends which is done at once: some twenty go with it. */
const END_WORK_MAX = 1024;

/** What a session that has ended has left in the trie. */
interface Leftover {
  readonly session: Session;
  readonly filters: Iterator<string>;
}

/** One filter of a SUBSCRIBE: its options, or why the protocol layer refused it (syntax, permission). */
export type SubscribeRequest = SubscriptionOptions | RefusalCause;

/** Who has subscribed to what, and what subscribing does. */
export class Subscriptions {
  readonly #limits: Limits;
  readonly #retained: Retained;
  readonly #trie = new TopicTrie();
  /** Of those that ended first in front. */
  readonly #leftovers: Leftover[] = [];
  #isTakingOut = false;

  constructor(limits: Limits, retained: Retained) {
    this.#limits = limits;
    this.#retained = retained;
  }

  match(topic: Topic): Route {
    return this.#trie.match(topic);
  }

  /** Subscribes if the filter is well formed and within the limits; answers the granted QoS or why not. */
  subscribe(session: Session, request: SubscribeRequest, turn: Turn): QoS | RefusalCause {
    if (typeof request === "string") return request;
    const refusal = this.refusal(request);
    if (refusal !== undefined) return refusal;
    if (turn.isStoreFull && session.isStored) return "quota-exceeded";
    const isNew = session.subscriptions?.has(request.filter) !== true;
    if (isNew && !turn.holdings.hasRoomForFilter(session, this.#limits)) return "quota-exceeded";
    if (isNew) this.#takeOutOldest(filterWork(request.filter)); // or those who subscribe and end in turn would fill the trie
    const options = request.qos > this.#limits.qosMax ? { ...request, qos: this.#limits.qosMax } : request;
    this.#put(session, options, turn);
    const { clientId } = session;
    if (session.isStored) turn.effects.writes.push({ kind: "subscribed", clientId, ...options });
    turn.effects.happenings.push({ kind: "subscribed", clientId, filter: options.filter, qos: options.qos });
    return options.qos;
  }

  /** Begins to send the retained messages that the subscription matches; none for a shared one (MQTT 5 4.8.2). */
  replay(session: Session, options: SubscriptionOptions, turn: Turn): void {
    const subscription = session.subscriptions?.get(options.filter);
    if (subscription === undefined || this.#retained.count === 0 || parseFilter(options.filter)!.group !== "") return;
    const entry: RouteEntry = { ...routeEntry(session, [subscription]), retainAsPublished: true }; // RETAIN is 1 ([MQTT-3.3.1-8])
    session.replay(new Replay(subscription.options, entry, this.#retained.walk(options.filter)), turn);
  }

  /** Unsubscribes; a subscription that was not there is an outcome, not an error ([MQTT-3.10.4-5]). */
  unsubscribe(session: Session, filter: string, turn: Turn): Outcome {
    if (session.subscriptions?.delete(filter) !== true) return "no-subscription-existed";
    const { clientId } = session;
    turn.statistics.subscriptions--;
    turn.holdings.countFilters(session, -1);
    session.endReplay(filter);
    this.#trie.delete(parseFilter(filter)!, session);
    if (session.isStored) turn.effects.writes.push({ kind: "unsubscribed", clientId, filter });
    turn.effects.happenings.push({ kind: "unsubscribed", clientId, filter });
    return "success";
  }

  /** Takes the subscriptions that may not stay; answers how many. */
  prune(session: Session, mayKeep: (filter: string, qos: QoS) => boolean, turn: Turn): number {
    const lost = [...session.subscriptions?.values() ?? []].filter(({ options }) =>
      !mayKeep(options.filter, options.qos)
    );
    for (const { options } of lost) this.unsubscribe(session, options.filter, turn);
    return lost.length;
  }

  /** Takes every subscription of a session that ends. Of many filters most are taken out of the trie when others have had their turn: they lead
   * to nobody until then. */
  deleteAll(session: Session, turn: Turn): void {
    const { subscriptions } = session;
    if (subscriptions === null) return;
    session.subscriptions = null;
    turn.statistics.subscriptions -= subscriptions.size;
    turn.holdings.countFilters(session, -subscriptions.size);
    const leftover = { session, filters: subscriptions.keys() };
    if (this.#takeOut(leftover, END_WORK_MAX) > 0) return;
    this.#leftovers.push(leftover);
    if (this.#isTakingOut) return;
    this.#isTakingOut = true;
    turn.effects.rests.push(this.#takeOutInParts());
  }

  *#takeOutInParts(): Generator<void> {
    while (this.#takeOutOldest(FILTER_WORK_MAX)) yield; // more may come meanwhile
    this.#isTakingOut = false;
  }

  /** Does so much work on what is left, of one session after the other; whether there is more. */
  #takeOutOldest(work: number): boolean {
    while (work > 0 && this.#leftovers.length > 0) {
      work = this.#takeOut(this.#leftovers[0], work);
      if (work > 0) this.#leftovers.shift();
    }
    return this.#leftovers.length > 0;
  }

  /** Does so much work on what one session has left; answers how much of it was not needed, when all is out. */
  #takeOut({ session, filters }: Leftover, work: number): number {
    while (work > 0) {
      const { done, value } = filters.next();
      if (done) break;
      this.#trie.delete(parseFilter(value)!, session);
      work -= filterWork(value);
    }
    return work;
  }

  /** Puts back a subscription that a restart found. */
  restore(session: Session, options: SubscriptionOptions, turn: Turn): void {
    this.#put(session, options, turn);
  }

  /** The shared group of `filter` as it was subscribed to, or null. */
  group(filter: string): RouteEntry["group"] {
    const parsed = parseFilter(filter);
    return parsed === undefined || parsed.group === "" ? null : this.#trie.group(parsed) ?? null;
  }

  /** Whether a member of one of the session's shared groups is connected, other than the session itself. */
  canHandOn(session: Session): boolean {
    for (const filter of session.subscriptions?.keys() ?? []) {
      if (this.group(filter)?.hasConnected(session) === true) return true;
    }
    return false;
  }

  #put(session: Session, options: SubscriptionOptions, turn: Turn): void {
    const subscriptions = session.subscriptions ??= new Map<string, Subscription>();
    const subscription = new Subscription(session, options);
    if (!subscriptions.has(options.filter)) {
      turn.statistics.subscriptions++;
      turn.holdings.countFilters(session, 1);
    }
    subscriptions.set(options.filter, subscription); // replaces the former one ([MQTT-3.8.4-3])
    this.#trie.add(parseFilter(options.filter)!, subscription);
  }

  /** Why nobody could subscribe to this; undefined when somebody could. */
  refusal(request: SubscriptionOptions): RefusalCause | undefined {
    const limits = this.#limits;
    const parsed = parseFilter(request.filter);
    if (parsed === undefined) return "topic-filter-invalid";
    if (parsed.group !== "" && !limits.sharedAvailable) return "shared-subscriptions-not-supported";
    if (!limits.wildcardAvailable && hasWildcard(parsed.filter)) return "wildcard-subscriptions-not-supported";
    return undefined;
  }
}
