import type { QoS } from "./message.ts";
import type { Session } from "./session.ts";
import type { SharedGroup } from "./shared.ts";
import type { Subscribers } from "./subscribers.ts";
import type { Subscription } from "./subscription.ts";

/** What one session gets of a message, over all of its subscriptions that match ([MQTT-3.3.4-2], [MQTT-3.3.4-3]). */
export interface RouteEntry {
  readonly session: Session;
  /** The highest granted QoS. */
  readonly qos: QoS;
  readonly retainAsPublished: boolean;
  /** All identifiers of the matching subscriptions; null for none. */
  readonly subscriptionIds: readonly number[] | null;
  /** The matching subscriptions, when one of them is no-local: the publisher's own copy depends on them. */
  readonly noLocalAmong: readonly Subscription[] | null;
  /** The shared group that chose the session, or null. */
  readonly group: SharedGroup | null;
}

/** Everyone whom the same filters reach, gathered once for all topics that match just these. */
export class Route {
  readonly key: string;
  readonly filters: readonly Subscribers[];
  entries: RouteEntry[] = [];
  groups: SharedGroup[] = [];
  /** The latest change of a subscription that it knows of. */
  madeAt = 0;

  constructor(key: string, filters: readonly Subscribers[]) {
    this.key = key;
    this.filters = filters;
  }

  /** What it takes in memory; never nothing. */
  get weight(): number {
    return 1 + this.entries.length + this.groups.length;
  }

  /** Lets go of everyone, in lists of their own: a message may be on its way along the old ones. */
  clear(): void {
    this.entries = [];
    this.groups = [];
  }
}

/** Merges the subscriptions of one session that match one topic. */
export function routeEntry(session: Session, subscriptions: readonly Subscription[]): RouteEntry {
  let qos: QoS = 0;
  let retainAsPublished = false;
  let hasNoLocal = false;
  let subscriptionIds: number[] | null = null;
  for (const subscription of subscriptions) {
    const options = subscription.options;
    if (options.qos > qos) qos = options.qos;
    retainAsPublished ||= options.retainAsPublished;
    hasNoLocal ||= options.noLocal;
    if (options.subscriptionId !== 0) (subscriptionIds ??= []).push(options.subscriptionId);
  }
  const noLocalAmong = hasNoLocal ? [...subscriptions] : null;
  return { session, qos, retainAsPublished, subscriptionIds, noLocalAmong, group: null };
}
