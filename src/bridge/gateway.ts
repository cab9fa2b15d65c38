import type { DisconnectCause } from "../core/happening.ts";
import type { QoS } from "../core/message.ts";
import type { Identity } from "../core/ports.ts";
import type { Outcome } from "../core/refusal.ts";
import type { GuestQueues } from "./queue_gateway.ts";

/** What a door that does not speak MQTT needs of the broker. Whoever comes by it is a guest: known by what it brings, held to the same
 * checks as an MQTT client, and served by the same core. */
export interface Gateway {
  /** Whether the broker is stopping: nobody is admitted any more, and what is under way should come to its end. */
  readonly isDraining: boolean;
  /** Largest message accepted, counted as the MQTT packet that would carry it. */
  readonly packetBytesMax: number;
  /** Finds out who a guest is; may wait, as CONNECT does. For one request or for as long as the door likes, up to
   * {@link Guest.expiresAt}.
   * @throws {Refusal} why not; server-shutting-down while the broker is stopping */
  admit(credentials: GuestCredentials): Promise<Guest>;
  /** Counts somebody who comes by a door without connections as a connection from there.
   * @throws {Refusal} connection-rate-exceeded when there are too many in a short time */
  assertMayVisit(remoteAddress: string): void;
}

/** What a guest brings to be known by. */
export interface GuestCredentials {
  /** Made up by the broker when absent or empty, the same for the same credentials from the same address. */
  readonly clientId?: string;
  /** Absent for an anonymous guest, and where a token says who it is. */
  readonly username?: string;
  /** A password, or a token. */
  readonly password?: Uint8Array;
  /** The IP address of the peer. */
  readonly remoteAddress: string;
  /** Whether the address may be anybody's, as that of a datagram; false when absent. */
  readonly isUnproven?: boolean;
  /** The name of the listener. */
  readonly listener: string;
  /** What the listener has verified, where it asks for that. */
  readonly certificate?: GuestCertificate;
}

/** The certificate of a guest, after its chain, its dates and its revocation were checked. */
export interface GuestCertificate {
  /** CN of the subject; empty when it has none. */
  readonly commonName: string;
  /** Each with its kind, `DNS:dev-1.example.com`. */
  readonly alternativeNames: readonly string[];
  /** SHA-256 over the certificate, in lower case. */
  readonly fingerprint: string;
}

/** What goes with a payload from its publisher to every subscriber, as MQTT 5 has it. */
export interface GuestProperties {
  /** The payload is UTF-8 text. */
  readonly payloadIsUtf8?: boolean;
  /** What the payload is, a MIME type mostly. */
  readonly contentType?: string;
  /** Where a reply is expected. */
  readonly responseTopic?: string;
  /** What the reply carries back to be matched. */
  readonly correlationData?: Uint8Array;
  /** In order, with duplicates. */
  readonly userProperties?: readonly (readonly [string, string])[];
}

/** A message as a guest gets it. Its bytes are shared: they are not to be changed. */
export interface GuestMessage extends GuestProperties {
  /** What it was published to. */
  readonly topic: string;
  /** Shared with other receivers. */
  readonly payload: Uint8Array;
  /** The lower of the publisher's and the subscription's; the publisher's for a retained message that is read. */
  readonly qos: QoS;
  /** Whether it is the topic's retained message, or was published to be. */
  readonly retain: boolean;
  /** Seconds left until it expires; absent when it does not. */
  readonly expirySeconds?: number;
}

/** What a guest publishes. */
export interface GuestPublication extends GuestProperties {
  /** A topic name, without wildcards. */
  readonly topic: string;
  /** The guest's own until it is published. */
  readonly payload: Uint8Array;
  /** 0 when absent. */
  readonly qos?: QoS;
  /** False when absent; an empty payload with it clears the topic's retained message. */
  readonly retain?: boolean;
  /** Seconds after which nobody gets it any more; never when absent. */
  readonly expirySeconds?: number;
  /** Looked at when nothing can come in between any more; what it throws is why nothing is published. */
  readonly precondition?: () => void;
}

/** What became of a message that was taken. */
export type PublishOutcome = Extract<Outcome, "success" | "no-matching-subscribers">;

/** Someone who came by a door that is not MQTT and may do what its policy says, asked for each action. */
export interface Guest extends Identity {
  /** When what it has shown ends, in milliseconds since 1970; Infinity when it does not. Its subscriptions end then. */
  readonly expiresAt: number;
  /** The durable queues; undefined where the broker keeps none. */
  readonly queues: GuestQueues | undefined;
  /** Publishes; resolves when the message is as safe as the store makes it. Several at a time share a commit.
   * @throws {Refusal} as a PUBLISH would be refused, `packet-too-large` among it
   * @throws {TypeError} for a property that MQTT cannot carry; {RangeError} for a number that it does not have */
  publish(message: GuestPublication): Promise<PublishOutcome>;
  /** Refuses what {@link publish} would refuse, and publishes nothing: for a batch of which all or nothing is to go. */
  assertPublishable(message: GuestPublication): void;
  /** Subscribes to every filter or, when one is refused, to none; resolves when that is committed.
   * @throws {Refusal} why one is refused; not-authorized for a session that is another user's */
  subscribe(filters: readonly GuestFilter[], options?: GuestSubscribeOptions): Promise<GuestSubscription>;
  /** The retained message of a topic.
   * @throws {Refusal} topic-filter-invalid, or not-authorized where the guest may not subscribe to the topic */
  retained(topic: string): GuestMessage | undefined;
  /** The retained messages of the topics that a filter matches, by topic in the order of their UTF-16 units. Others get their turn while it
   * looks for them: of what is kept and cleared meanwhile some is listed as it was, and some as it is.
   * @throws {Refusal} topic-filter-invalid, or not-authorized where the guest may not subscribe to the filter */
  listRetained(filter: string, range?: RetainedRange): Promise<GuestMessage[]>;
  /** Clears the retained message of a topic, as publishing an empty one does; resolves when that is committed. False when there was none.
   * @throws {Refusal} as publishing there would be refused */
  clearRetained(topic: string, options?: Pick<GuestPublication, "precondition">): Promise<boolean>;
  /** Settles every delivery of the session that {@link subscribe} has kept up to an id, whoever is connected to it; resolves when that is
   * committed, with how many it were.
   * @throws {Refusal} not-authorized for a session that is another user's */
  settleThrough(id: number): Promise<number>;
  /** Ends a session that {@link subscribe} has kept, and whoever is connected to it; resolves when that is committed. False when there
   * is none.
   * @throws {Refusal} not-authorized for a session that is another user's */
  endSession(): Promise<boolean>;
}

/** A part of many retained messages. */
export interface RetainedRange {
  /** How many at most; 1,000. */
  readonly limit?: number;
  /** Only topics behind this one. */
  readonly after?: string;
}

/** One filter that a guest subscribes to. */
export interface GuestFilter {
  /** May hold wildcards, and `$share/<group>/`. */
  readonly filter: string;
  /** Highest QoS wanted; 0. */
  readonly qos?: QoS;
  /** Not for messages of the same client; false. */
  readonly noLocal?: boolean;
  /** When retained messages are sent: 0 always, 1 when the session did not have the subscription, 2 never; 0. */
  readonly retainHandling?: 0 | 1 | 2;
}

/** How a guest subscribes. */
export interface GuestSubscribeOptions {
  /** Keeps a session under the guest's client id for this long after the subscription has ended, as MQTT does, within the broker's
   * limit; what was not settled comes again. 0, the default, is a subscription that is nobody's session: it leaves nothing behind,
   * takes nothing over, and a client id may have many. */
  readonly sessionExpirySeconds?: number;
  /** Ends an earlier session first. */
  readonly clean?: boolean;
  /** Unsubscribes the session from what `filters` does not name. */
  readonly replace?: boolean;
  /** Everything up to this {@link GuestDelivery.id} was received on an earlier subscription and does not come again. */
  readonly settledThrough?: number;
  /** QoS 1 and 2 messages that may be unsettled at a time; the broker's own limit when absent or above it. */
  readonly window?: number;
  /** Messages and bytes that wait for {@link GuestSubscription.take}; beyond either QoS 0 is dropped, and QoS 1 and 2 stay in the
   * session's queue, within its limits. 1,000 and 1 MiB. */
  readonly waitingMax?: number;
  /** See `waitingMax`. */
  readonly waitingBytesMax?: number;
  /** Called whenever there may be something to take, and at the end. */
  readonly onReady?: () => void;
}

/** A message on its way to a guest. */
export interface GuestDelivery extends GuestMessage {
  /** Grows from message to message of a kept session, also over restarts of the broker; 0 for QoS 0 and where no session is kept. */
  readonly id: number;
  /** It was sent before, and not settled. */
  readonly isAgain: boolean;
  /** What a door has made of it, in some form, for whoever gets the same one: of this delivery, since a copy of it is another. */
  made?: { readonly delivery: GuestDelivery; readonly form: string; readonly text: string };
}

/** A subscription of a guest: a queue of deliveries, each to be settled once it is where it belongs. */
export interface GuestSubscription {
  /** Whether there was a session to go on with. */
  readonly sessionPresent: boolean;
  /** The QoS granted to each filter, in their order. */
  readonly granted: readonly QoS[];
  /** Why it has ended; undefined while it goes on. */
  readonly endCause: DisconnectCause | undefined;
  /** Whether nothing comes until something is settled, and something waits. */
  readonly isStalled: boolean;
  /** What has come, one at a time; undefined when there is nothing now. */
  take(): GuestDelivery | undefined;
  /** As `take`, but waits; undefined when the subscription has ended or `signal` is aborted. One at a time. */
  next(signal?: AbortSignal): Promise<GuestDelivery | undefined>;
  /** The delivery is where it belongs: it does not come again. Nothing to be done for QoS 0. */
  settle(delivery: GuestDelivery): void;
  /** The same for every delivery of a kept session up to this id; answers how many that were. */
  settleThrough(id: number): number;
  /** Ends it; resolves when that is committed. What was not settled comes again to a session that is kept, and goes to other members of
   * a shared group otherwise. */
  end(): Promise<void>;
}
