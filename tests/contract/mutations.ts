// Mutations to hand to a store, and what it answers in an order and a shape that can be compared.
import type {
  Mutation,
  StoredBody,
  StoredDelivery,
  StoredSession,
  StoredState,
  StoredSubscription,
  StoredWill,
} from "../../src/core/mutation.ts";

type Of<Kind extends Mutation["kind"]> = Extract<Mutation, { kind: Kind }>;

export function session(clientId: string, rest: Partial<StoredSession> = {}): Of<"session-saved"> {
  return { kind: "session-saved", clientId, username: undefined, expirySeconds: 60, offlineSince: 0, ...rest };
}

export function subscription(
  clientId: string,
  filter: string,
  rest: Partial<StoredSubscription> = {},
): Of<"subscribed"> {
  const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionId: 0 } as const;
  return { kind: "subscribed", clientId, filter, ...options, ...rest };
}

export function body(bodyId: number, rest: Partial<StoredBody> = {}): Of<"body-stored"> {
  const [properties, payload] = [new Uint8Array(), Uint8Array.of(bodyId)];
  const same = { topic: `t/${bodyId}`, qos: 1, retain: false, properties, payload, expiresAt: Infinity } as const;
  return { kind: "body-stored", bodyId, ...same, ...rest };
}

export function delivery(
  clientId: string,
  sequence: number,
  bodyId: number,
  rest: Partial<StoredDelivery> = {},
): Of<"delivery-stored"> {
  const where = { clientId, sequence, bodyId, packetId: 0, released: false } as const;
  const terms = { qos: 1, retain: false, isReplay: false, subscriptionIds: null, shared: "" } as const;
  return { kind: "delivery-stored", ...where, ...terms, ...rest };
}

export function done(clientId: string, sequence: number): Of<"delivery-done"> {
  return { kind: "delivery-done", clientId, sequence };
}

export function will(clientId: string, rest: Partial<StoredWill> = {}): Of<"will-saved"> {
  const [properties, payload] = [new Uint8Array(), Uint8Array.of(1)];
  const terms = { topic: "will", qos: 0, retain: false, delaySeconds: 0, expirySeconds: undefined } as const;
  return { kind: "will-saved", clientId, properties, payload, ...terms, ...rest };
}

export function retained(topic: string, bodyId: number): Of<"retained-set"> {
  return { kind: "retained-set", topic, bodyId };
}

/** What a start gets, one line for each thing: everything but deliveries sorted, since their order says nothing. */
export interface Contents {
  readonly sessions: readonly string[];
  readonly subscriptions: readonly string[];
  readonly bodies: readonly string[];
  /** Of one session by sequence, as they came. */
  readonly deliveries: readonly string[];
  readonly received: readonly string[];
  readonly retained: readonly string[];
  readonly wills: readonly string[];
}

export function contentsOf(state: StoredState): Contents {
  return {
    sessions: state.sessions.map(line).sort(),
    subscriptions: state.subscriptions.map(line).sort(),
    bodies: state.bodies.map(line).sort(),
    deliveries: state.deliveries.toSorted((a, b) => compare(a.clientId, b.clientId)).map(line), // stable
    received: state.receivedPacketIds.map(({ clientId, packetId }) => `${clientId} ${packetId}`).sort(),
    retained: state.retained.map(({ topic, bodyId }) => `${topic} ${bodyId}`).sort(),
    wills: state.wills.map(line).sort(),
  };
}

/** What is expected: the mutations that shall have had a lasting effect. */
export function contents(
  expected:
    & {
      readonly [Key in "sessions" | "subscriptions" | "bodies" | "deliveries" | "wills"]?: readonly Mutation[];
    }
    & { readonly received?: readonly string[]; readonly retained?: readonly string[] },
): Contents {
  const { sessions = [], subscriptions = [], bodies = [], deliveries = [], wills = [] } = expected;
  return {
    sessions: sessions.map(line).sort(),
    subscriptions: subscriptions.map(line).sort(),
    bodies: bodies.map(line).sort(),
    deliveries: deliveries.map(line),
    received: expected.received?.toSorted() ?? [],
    retained: expected.retained?.toSorted() ?? [],
    wills: wills.map(line).sort(),
  };
}

/** Every field by name but the kind, bytes as hex digits: `bodyId=1 topic="a" ...`. */
export function line(row: object): string {
  return Object.entries(row)
    .filter(([name]) => name !== "kind")
    .map(([name, value]) => `${name}=${value instanceof Uint8Array ? hexOf(value) : worded(value)}`)
    .sort((a, b) => compare(rank(a), rank(b)))
    .join(" ");
}

/** What is told apart by sorts first. */
function rank(field: string): string {
  return /^(clientId|bodyId|sequence)=/.test(field) ? ` ${field}` : field;
}

function hexOf(bytes: Uint8Array): string {
  return new Uint8Array(bytes).toHex();
}

function worded(value: unknown): string {
  return typeof value === "number" ? String(value) : JSON.stringify(value) ?? "undefined";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
