import type { QoS } from "../../core/message.ts";
import type { StoredBody, StoredDelivery, StoredPage } from "../../core/mutation.ts";

/** A page as it crosses from the Worker: a few arrays instead of two objects and two buffers for each message, whose copying takes longer
 * than reading them from disk. Topics, and what deliveries have in common, are there once. */
export interface PackedPage {
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly terms: readonly Terms[];
  /** {@link DELIVERY_FIELDS} for each delivery. */
  readonly deliveries: Float64Array<ArrayBuffer>;
  /** {@link BODY_FIELDS} for each body. */
  readonly bodies: Float64Array<ArrayBuffer>;
  /** Properties and payload of each body, one behind the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a subscription made of a message. */
type Terms = Pick<StoredDelivery, "subscriptionIds" | "shared">;

/** Sequence, body id, packet id, flags, index of the terms. */
const DELIVERY_FIELDS = 5;

/** Body id, index of the topic, flags, expiry, lengths of properties and payload. */
const BODY_FIELDS = 6;

/** The page in a few arrays. */
export function pack({ deliveries, bodies }: StoredPage): PackedPage {
  const topics = new Table<string>();
  const terms = new Table<Terms>();
  const deliveryFields = new Float64Array(deliveries.length * DELIVERY_FIELDS);
  deliveries.forEach(({ sequence, bodyId, packetId, qos, retain, isReplay, released, subscriptionIds, shared }, i) => {
    const key = subscriptionIds === null ? shared : `${subscriptionIds} ${shared}`; // a shared filter begins with $
    const flags = qos | (retain ? 4 : 0) | (released ? 8 : 0) | (isReplay ? 16 : 0);
    const row = [sequence, bodyId, packetId, flags, terms.index(key, { subscriptionIds, shared })];
    deliveryFields.set(row, i * DELIVERY_FIELDS);
  });
  const bodyFields = new Float64Array(bodies.length * BODY_FIELDS);
  const bytes = new Uint8Array(bodies.reduce((sum, body) => sum + body.properties.length + body.payload.length, 0));
  let end = 0;
  bodies.forEach(({ bodyId, topic, qos, retain, expiresAt, properties, payload }, i) => {
    const flags = qos | (retain ? 4 : 0);
    bodyFields.set(
      [bodyId, topics.index(topic, topic), flags, expiresAt, properties.length, payload.length],
      i * BODY_FIELDS,
    );
    bytes.set(properties, end);
    bytes.set(payload, end += properties.length);
    end += payload.length;
  });
  const clientId = deliveries.length === 0 ? "" : deliveries[0].clientId;
  return {
    clientId,
    topics: topics.values,
    terms: terms.values,
    deliveries: deliveryFields,
    bodies: bodyFields,
    bytes,
  };
}

/** The page again. Its bodies are views on one buffer. */
export function unpack(page: PackedPage): StoredPage {
  return { deliveries: unpackDeliveries(page), bodies: unpackBodies(page) };
}

function unpackDeliveries({ clientId, terms, deliveries: fields }: PackedPage): StoredDelivery[] {
  const deliveries: StoredDelivery[] = [];
  for (let at = 0; at < fields.length; at += DELIVERY_FIELDS) {
    const flags = fields[at + 3];
    const { subscriptionIds, shared } = terms[fields[at + 4]];
    deliveries.push({
      clientId,
      sequence: fields[at],
      bodyId: fields[at + 1],
      qos: (flags & 3) as QoS,
      retain: (flags & 4) !== 0,
      isReplay: (flags & 16) !== 0,
      subscriptionIds,
      shared,
      packetId: fields[at + 2],
      released: (flags & 8) !== 0,
    });
  }
  return deliveries;
}

function unpackBodies({ topics, bodies: fields, bytes }: PackedPage): StoredBody[] {
  const bodies: StoredBody[] = [];
  let end = 0;
  for (let at = 0; at < fields.length; at += BODY_FIELDS) {
    const flags = fields[at + 2];
    const properties = bytes.subarray(end, end += fields[at + 4]);
    const payload = bytes.subarray(end, end += fields[at + 5]);
    bodies.push({
      bodyId: fields[at],
      topic: topics[fields[at + 1]],
      qos: (flags & 3) as QoS,
      retain: (flags & 4) !== 0,
      properties,
      payload,
      expiresAt: fields[at + 3],
    });
  }
  return bodies;
}

/** Values without doubles, numbered as they come. */
class Table<Value> {
  readonly values: Value[] = [];
  readonly #indexes = new Map<string, number>();

  /** The number of what `key` stands for. */
  index(key: string, value: Value): number {
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.#indexes.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}
