import type { Message, QoS } from "./message.ts";
import type { SharedGroup } from "./shared.ts";

/** Where a delivery stands: waiting in the queue, sent and unacknowledged, or (QoS 2) received by the client and released. */
export type DeliveryState = "waiting" | "sent" | "released";

/** What a subscription makes of a message for one session. */
export interface DeliveryTerms {
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[] | null;
  readonly group: SharedGroup | null;
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

  constructor(message: Message, terms: DeliveryTerms) {
    this.message = message;
    this.qos = terms.qos;
    this.retain = terms.retain;
    this.subscriptionIds = terms.subscriptionIds;
    this.group = terms.group;
  }
}
