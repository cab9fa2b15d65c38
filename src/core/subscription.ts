import type { QoS } from "./message.ts";
import type { Session } from "./session.ts";

/** One filter of one session with its options, v5 names; 3.1.1 has the defaults. */
export interface SubscriptionOptions {
  /** As the client wrote it, with `$share/<group>/` when it is shared. */
  readonly filter: string;
  /** The highest QoS of its deliveries. */
  readonly qos: QoS;
  /** Not for messages of the same client ([MQTT-3.8.3-3]). */
  readonly noLocal: boolean;
  /** Keeps the retain flag as published ([MQTT-3.3.1-13]). */
  readonly retainAsPublished: boolean;
  /** When retained messages are sent: 0 always, 1 for a new subscription, 2 never ([MQTT-3.3.1-9..11]). */
  readonly retainHandling: 0 | 1 | 2;
  /** 0 when the client gave none. */
  readonly subscriptionId: number;
}

/** A subscription in place. */
export class Subscription {
  readonly session: Session;
  readonly options: SubscriptionOptions;
  /** `[options.subscriptionId]`, made once for the many deliveries that carry it; null for none. */
  readonly subscriptionIds: readonly number[] | null;

  constructor(session: Session, options: SubscriptionOptions) {
    this.session = session;
    this.options = options;
    this.subscriptionIds = options.subscriptionId === 0 ? null : [options.subscriptionId];
  }
}

/** A filter taken apart: `$share/<group>/<filter>` or plain ([MQTT-4.8.2-1], [MQTT-4.8.2-2]). */
export interface ParsedFilter {
  /** Empty for a plain filter. */
  readonly group: string;
  /** What topics are matched against. */
  readonly filter: string;
}

/** Takes `$share/<group>/<filter>` apart; undefined when it begins so and is not well formed. */
export function parseFilter(filter: string): ParsedFilter | undefined {
  if (!filter.startsWith("$share/") && filter !== "$share") return { group: "", filter };
  const slash = filter.indexOf("/", 7);
  if (slash <= 7 || slash === filter.length - 1) return undefined;
  const group = filter.slice(7, slash);
  if (group.includes("+") || group.includes("#")) return undefined;
  return { group, filter: filter.slice(slash + 1) };
}
