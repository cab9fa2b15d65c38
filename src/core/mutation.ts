import type { QoS } from "./message.ts";
import type { QueueMutation } from "./queue/mutation.ts";
import type { SubscriptionOptions } from "./subscription.ts";

/** A message body as it is stored: once, however many sessions and retained topics refer to it.
 * Bodies nobody refers to any more are the store's to remove. */
export interface StoredBody {
  /** Chosen by the broker, grows, never used again. */
  readonly bodyId: number;
  /** What it was published to. */
  readonly topic: string;
  /** As published. */
  readonly qos: QoS;
  /** As published. */
  readonly retain: boolean;
  /** The forwarded properties, encoded as MQTT 5 does, in order. */
  readonly properties: Uint8Array;
  /** The payload. */
  readonly payload: Uint8Array;
  /** Milliseconds; Infinity when it does not expire. */
  readonly expiresAt: number;
}

/** A session without what hangs on it. */
export interface StoredSession {
  /** Identifies the session. */
  readonly clientId: string;
  /** Undefined for an anonymous client. */
  readonly username: string | undefined;
  /** 0xFFFFFFFF is never. */
  readonly expirySeconds: number;
  /** Milliseconds since when nobody is connected; 0 while somebody is. */
  readonly offlineSince: number;
}

/** One message on its way to one session. */
export interface StoredDelivery {
  /** Whose session. */
  readonly clientId: string;
  /** Grows with every delivery of the broker; orders those of a session, and is never used again. */
  readonly sequence: number;
  /** What is delivered. */
  readonly bodyId: number;
  /** With which QoS. */
  readonly qos: QoS;
  /** The retain flag as the subscriber shall see it. */
  readonly retain: boolean;
  /** Whether it is a retained message for a new subscription, which does not count against the queue's limits. */
  readonly isReplay: boolean;
  /** Identifiers of the subscriptions that matched; null for none. */
  readonly subscriptionIds: readonly number[] | null;
  /** The shared filter it came by, or empty. */
  readonly shared: string;
  /** 0 while it waits. */
  readonly packetId: number;
  /** True after PUBREC: only PUBREL is sent again. */
  readonly released: boolean;
}

/** One filter of one session. */
export interface StoredSubscription extends SubscriptionOptions {
  /** Whose session. */
  readonly clientId: string;
  /** Whether retained messages of QoS 1 and 2 that it calls for have not been queued yet. Absent when all have. */
  readonly isReplaying?: true;
}

/** What is published when the client goes without saying so. */
export interface StoredWill {
  /** Whose will. */
  readonly clientId: string;
  /** Where it is published. */
  readonly topic: string;
  /** With which QoS. */
  readonly qos: QoS;
  /** Whether it is retained. */
  readonly retain: boolean;
  /** The forwarded properties, encoded as MQTT 5 does, in order. */
  readonly properties: Uint8Array;
  /** The payload. */
  readonly payload: Uint8Array;
  /** Seconds after the end of the connection. */
  readonly delaySeconds: number;
  /** Undefined when the will message does not expire. */
  readonly expirySeconds: number | undefined;
  /** Who is asked about when it is due after a restart; absent when nobody is. */
  readonly author?: WillAuthor;
}

/** What the rules of a broker go by, of the client whose will it is. */
export interface WillAuthor {
  /** Undefined for an anonymous client. */
  readonly username?: string;
  /** Those that it belonged to. */
  readonly groups?: readonly string[];
  /** As of its connection. */
  readonly remoteAddress: string;
  /** As of its connection. */
  readonly listener: string;
  /** Which source of identities knew it; absent where nobody did. */
  readonly source?: string;
  /** Rules of its own, as plain data; absent where the broker's count. */
  readonly rules?: readonly unknown[];
}

/** What a decision changes on disk: plain data, applied in order and all or nothing. */
export type Mutation =
  | ({ readonly kind: "session-saved" } & StoredSession)
  /** Takes subscriptions, deliveries, received ids and the will with it. */
  | { readonly kind: "session-ended"; readonly clientId: string }
  | ({ readonly kind: "subscribed" } & StoredSubscription)
  | { readonly kind: "unsubscribed"; readonly clientId: string; readonly filter: string }
  | ({ readonly kind: "body-stored" } & StoredBody)
  | ({ readonly kind: "delivery-stored" } & StoredDelivery)
  | { readonly kind: "delivery-sent"; readonly clientId: string; readonly sequence: number; readonly packetId: number }
  | { readonly kind: "delivery-released"; readonly clientId: string; readonly sequence: number }
  | { readonly kind: "delivery-done"; readonly clientId: string; readonly sequence: number }
  /** A QoS 2 message from the client was taken; its id waits for PUBREL. */
  | { readonly kind: "packet-id-received"; readonly clientId: string; readonly packetId: number }
  | { readonly kind: "packet-id-released"; readonly clientId: string; readonly packetId: number }
  | { readonly kind: "retained-set"; readonly topic: string; readonly bodyId: number }
  | { readonly kind: "retained-cleared"; readonly topic: string }
  | ({ readonly kind: "will-saved" } & StoredWill)
  | { readonly kind: "will-cleared"; readonly clientId: string }
  | QueueMutation;

/** What changes something that belongs to one session. When that session is not there (any more), it changes nothing. */
export type SessionMutation = Extract<
  Mutation,
  {
    kind:
      | "subscribed"
      | "unsubscribed"
      | "delivery-stored"
      | "delivery-sent"
      | "delivery-released"
      | "delivery-done"
      | "packet-id-received"
      | "packet-id-released";
  }
>;

/** Deliveries of one session that a start leaves in the store. */
export interface StoredBacklog {
  /** Whose they are. */
  readonly clientId: string;
  /** How many. */
  readonly total: number;
  /** How many of them count against the queue's limits: all but replays. */
  readonly count: number;
  /** Bytes of topics, properties and payloads of those that count. */
  readonly bytes: number;
  /** How many of them a shared group gave to the session. */
  readonly shared: number;
}

/** Deliveries that wait, with their bodies. */
export interface StoredPage {
  /** By sequence. */
  readonly deliveries: readonly StoredDelivery[];
  /** The bodies that they refer to. */
  readonly bodies: readonly StoredBody[];
}

/** Everything that a start gets back. Lists are in the order in which they were written. */
export interface StoredState {
  /** All sessions. */
  readonly sessions: readonly StoredSession[];
  /** All subscriptions. */
  readonly subscriptions: readonly StoredSubscription[];
  /** The bodies that `deliveries` and `retained` refer to. */
  readonly bodies: readonly StoredBody[];
  /** Those that were sent, and of those that wait the front of each session's, none when the fronts of others have taken the memory
   * that there is for them; those of a session by sequence. */
  readonly deliveries: readonly StoredDelivery[];
  /** What else waits: it stays in the store until the session's queue gets there. */
  readonly backlogs: readonly StoredBacklog[];
  /** The highest ids that were ever used. */
  readonly lastBodyId: number;
  /** The highest sequence that was ever used. */
  readonly lastSequence: number;
  /** Ids of QoS 2 messages that wait for PUBREL. */
  readonly receivedPacketIds: readonly { readonly clientId: string; readonly packetId: number }[];
  /** The retained message of each topic. */
  readonly retained: readonly { readonly topic: string; readonly bodyId: number }[];
  /** All wills of clients that have not gone in peace. */
  readonly wills: readonly StoredWill[];
}
