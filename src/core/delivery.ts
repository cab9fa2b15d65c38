import type { Message, QoS } from "./message.ts";
import type { RouteEntry } from "./route.ts";
import type { SharedGroup } from "./shared.ts";
import type { Turn } from "./turn.ts";

/** Where a delivery stands: waiting in the queue, sent and unacknowledged, or (QoS 2) received by the client and released. */
export type DeliveryState = "waiting" | "sent" | "released";

/** What a subscription makes of a message for one session. */
export interface DeliveryTerms {
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[] | null;
  readonly group: SharedGroup | null;
}

/** How a client has answered: by PUBACK or PUBREC. */
export interface Acknowledgement {
  /** Below 0x80 is success; 0 where the version has none. */
  readonly reasonCode: number;
  /** Empty when it said nothing. */
  readonly reason: string;
}

/** A message that a consumer group has given to a session. */
export interface Hold {
  acknowledge(answer: Acknowledgement, turn: Turn): void;
}

/** One message on its way to one session. A view: the message is shared and stays as it is. */
export class Delivery {
  readonly message: Message;
  readonly qos: QoS;
  /** The retain flag as this subscriber shall see it. */
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[] | null;
  /** The shared group that chose this session, or null. */
  readonly group: SharedGroup | null;
  /** Orders the deliveries of a session; 0 when it is not stored. */
  sequence = 0;
  packetId = 0;
  state: DeliveryState = "waiting";
  /** Retained messages sent for a new subscription do not count against the queue's limits. */
  isReplay = false;
  /** Comes from a durable queue, which keeps it and gives it out again: it does not outlive the connection. */
  isQueued = false;
  /** Whom the acknowledgement is told; null once that is done or the queue has taken it back. */
  hold: Hold | null = null;

  constructor(message: Message, terms: DeliveryTerms) {
    this.message = message;
    this.qos = terms.qos;
    this.retain = terms.retain;
    this.subscriptionIds = terms.subscriptionIds;
    this.group = terms.group;
  }

  /** Tells the group that has given it what the client says. With QoS 2 that is PUBREC: from there on the client has the message. */
  answerHold(answer: Acknowledgement, turn: Turn): void {
    const { hold } = this;
    this.hold = null;
    hold!.acknowledge(answer, turn);
  }
}

/** What one session gets of a message, as its subscriptions have it. */
export function deliveryOf(message: Message, entry: RouteEntry, qos: QoS): Delivery {
  const { subscriptionIds, group } = entry;
  return new Delivery(message, { qos, retain: message.retain && entry.retainAsPublished, subscriptionIds, group });
}
