import type { QoS } from "../../core/message.ts";
import type { StoredBody, StoredDelivery, StoredSubscription, StoredWill } from "../../core/mutation.ts";

/** A row of `deliveries`, with the client id joined in. */
export interface DeliveryRow {
  readonly id: number;
  readonly packet_id: number;
  readonly flags: number;
  readonly bytes: number;
  readonly subscription_ids: string | null;
  readonly shared: string | null;
  readonly body: number;
  readonly topic: string | null;
  readonly expires_at: number | null;
  readonly properties: Uint8Array | null;
  readonly payload: Uint8Array | null;
}

/** A row of `bodies`. */
export interface BodyRow {
  readonly topic: string;
  readonly flags: number;
  readonly expires_at: number | null;
  readonly properties: Uint8Array;
  readonly payload: Uint8Array;
}

/** A row of `subscriptions`. */
export interface SubscriptionRow {
  readonly client_id: string;
  readonly filter: string;
  readonly options: number;
  readonly subscription_id: number;
}

/** A row of `wills`. */
export interface WillRow {
  readonly client_id: string;
  readonly topic: string;
  readonly flags: number;
  readonly delay: number;
  readonly expiry: number | null;
  readonly properties: Uint8Array;
  readonly payload: Uint8Array;
  readonly author: string | null;
}

/** The delivery that a row holds. */
export function deliveryOf(row: DeliveryRow, clientId: string): StoredDelivery {
  return {
    clientId,
    sequence: row.id,
    bodyId: row.body,
    qos: (row.flags & 3) as QoS,
    retain: (row.flags & 4) !== 0,
    released: (row.flags & 8) !== 0,
    isReplay: (row.flags & 16) !== 0,
    subscriptionIds: row.subscription_ids === null ? null : JSON.parse(row.subscription_ids),
    shared: row.shared ?? "",
    packetId: row.packet_id,
  };
}

/** The message that lies in a delivery's row; undefined when it is in `bodies`. */
export function ownBodyOf(row: DeliveryRow): StoredBody | undefined {
  if (row.topic === null) return undefined;
  return {
    bodyId: row.body,
    topic: row.topic,
    qos: ((row.flags >> 5) & 3) as QoS,
    retain: (row.flags & 128) !== 0,
    properties: row.properties!,
    payload: row.payload!,
    expiresAt: row.expires_at ?? Infinity,
  };
}

/** The message that a row of `bodies` holds. */
export function bodyOf(row: BodyRow, bodyId: number): StoredBody {
  const { topic, flags, properties, payload } = row;
  const expiresAt = row.expires_at ?? Infinity;
  return { bodyId, topic, qos: (flags & 3) as QoS, retain: (flags & 4) !== 0, properties, payload, expiresAt };
}

/** The subscription that a row holds. */
export function subscriptionOf(row: SubscriptionRow): StoredSubscription {
  const { client_id, filter, options, subscription_id } = row;
  return {
    clientId: client_id,
    filter,
    qos: (options & 3) as QoS,
    noLocal: (options & 4) !== 0,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: ((options >> 4) & 3) as 0 | 1 | 2,
    subscriptionId: subscription_id,
    ...((options & 64) !== 0 && { isReplaying: true }),
  };
}

/** The will that a row holds. */
export function willOf(row: WillRow): StoredWill {
  const { client_id, topic, flags, delay, expiry, properties, payload, author } = row;
  return {
    clientId: client_id,
    topic,
    qos: (flags & 3) as QoS,
    retain: (flags & 4) !== 0,
    delaySeconds: delay,
    expirySeconds: expiry ?? undefined,
    properties,
    payload,
    ...(author !== null && { author: JSON.parse(author) }),
  };
}
