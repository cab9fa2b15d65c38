import { getHeapStatistics } from "node:v8";
import { QUEUE_WINDOW_BYTES, QUEUE_WINDOW_MESSAGES, WindowTotal } from "../core/delivery_queue.ts";
import type {
  Mutation,
  SessionMutation,
  StoredBody,
  StoredDelivery,
  StoredPage,
  StoredSession,
  StoredState,
  StoredSubscription,
  StoredWill,
} from "../core/mutation.ts";
import type { PageRequest, Store } from "../core/ports.ts";
import type { QueueStore } from "../core/queue/ports.ts";
import { isQueueMutation } from "../core/queue/mutation.ts";
import { bodyBytes } from "./body_bytes.ts";
import { MemoryQueues } from "./memory_queues.ts";
import { Tally, WeighedMap } from "./weighed_map.ts";
import {
  bodyWeight,
  DELIVERY_BYTES,
  RECEIVED_BYTES,
  retainedWeight,
  sessionWeight,
  subscriptionWeight,
  willWeight,
} from "./weights.ts";

/** The part of its bound that a store keeps in reserve: it is full when there is no more than that, and has room again when there is
 * twice as much, so that it is not told of with every message. */
const RESERVE = 1 / 16;

/** How much a memory store keeps. */
export interface MemoryStoreOptions {
  /** Bytes of all that it keeps at most, with what that takes in memory around them; the last sixteenth is in reserve
   * ({@link Store.hasReserve}). Half of what V8 may have for its heap when absent. */
  readonly bytesMax?: number;
}

/** What belongs to one session. */
interface SessionRows {
  readonly session: StoredSession;
  readonly subscriptions: Map<string, StoredSubscription>;
  /** By sequence, in the order of sequence. */
  readonly deliveries: Map<number, StoredDelivery>;
  readonly received: Map<number, true>;
}

/** Keeps everything in memory: it is gone with the process. Also the model that other stores are held against. */
export class MemoryStore implements Store {
  /** Bytes of what it keeps at most. */
  readonly bytesMax: number;
  readonly #tally = new Tally();
  readonly #queues = new MemoryQueues(this.#tally);
  readonly #sessions = new WeighedMap<string, SessionRows>(this.#tally, sessionWeight);
  readonly #bodies = new WeighedMap<number, { readonly body: StoredBody; references: number }>(this.#tally, bodyWeight);
  readonly #retained = new WeighedMap<string, number>(this.#tally, (_, topic) => retainedWeight(topic));
  readonly #wills = new WeighedMap<string, StoredWill>(this.#tally, willWeight);
  /** Bodies that lost a reference, or have none yet, in this commit. */
  readonly #unreferred = new Set<number>();
  #lastBodyId = 0;
  #lastSequence = 0;
  #isFull = false;

  /** An empty store. */
  constructor({ bytesMax = defaultBytesMax() }: MemoryStoreOptions = {}) {
    this.bytesMax = bytesMax;
  }

  /** Bytes of what it keeps, with what that takes in memory around them. */
  get bytes(): number {
    return this.#tally.bytes;
  }

  get isFull(): boolean {
    this.#isFull = this.bytes > this.bytesMax * (1 - (this.#isFull ? 2 : 1) * RESERVE);
    return this.#isFull;
  }

  get hasReserve(): boolean {
    return this.bytes <= this.bytesMax;
  }

  /** Durable queues. */
  get queues(): QueueStore {
    return this.#queues;
  }

  load(): Promise<StoredState> {
    const rows = [...this.#sessions.values()];
    const windows = new WindowTotal();
    const pages = rows.map((row) => this.#firstPage(row, windows));
    const deliveries = pages.flatMap((page) => page.deliveries);
    const bodyIds = new Set([...deliveries.map(({ bodyId }) => bodyId), ...this.#retained.values()]);
    return Promise.resolve({
      sessions: rows.map((row) => row.session),
      subscriptions: rows.flatMap(({ subscriptions }) => [...subscriptions.values()]),
      bodies: this.#bodiesOf(bodyIds),
      deliveries,
      backlogs: pages.flatMap(({ rest }, i) => {
        if (rest.length === 0) return [];
        const counted = rest.filter((delivery) => !delivery.isReplay);
        const bytes = counted.reduce((sum, delivery) => sum + this.#bytesOf(delivery), 0);
        const shared = rest.filter((delivery) => delivery.shared !== "").length;
        return [{ clientId: rows[i].session.clientId, total: rest.length, count: counted.length, bytes, shared }];
      }),
      lastBodyId: this.#lastBodyId,
      lastSequence: this.#lastSequence,
      receivedPacketIds: rows.flatMap(({ session: { clientId }, received }) => {
        return [...received.keys()].map((packetId) => ({ clientId, packetId }));
      }),
      retained: [...this.#retained].map(([topic, bodyId]) => ({ topic, bodyId })),
      wills: [...this.#wills.values()],
    });
  }

  commit(mutations: readonly Mutation[]): void {
    this.#assertReferences(mutations); // before anything is changed: all or nothing
    for (const mutation of mutations) this.#apply(mutation);
    for (const bodyId of this.#unreferred) {
      if (this.#bodies.get(bodyId)?.references === 0) this.#bodies.delete(bodyId);
    }
    this.#unreferred.clear();
  }

  /** The next deliveries of a session that wait. */
  page({ clientId, after, limit, bytesMax, sharedOnly = false }: PageRequest): StoredPage {
    const deliveries: StoredDelivery[] = [];
    let bytes = 0;
    for (const delivery of this.#sessions.get(clientId)?.deliveries.values() ?? []) {
      if (delivery.sequence <= after || delivery.packetId > 0) continue; // few: those in front have been taken out
      if (sharedOnly && delivery.shared === "") continue;
      bytes += this.#bytesOf(delivery);
      if (deliveries.length > 0 && bytes > bytesMax) break;
      deliveries.push(delivery);
      if (deliveries.length === limit) break;
    }
    return { deliveries, bodies: this.#bodiesOf(new Set(deliveries.map(({ bodyId }) => bodyId))) };
  }

  /** Does nothing: there is nothing to give back. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** How many bodies are kept, for tests of their removal. */
  get bodyCount(): number {
    return this.#bodies.size;
  }

  #apply(mutation: Mutation): void {
    switch (mutation.kind) {
      case "session-saved":
        return this.#saveSession(mutation);
      case "session-ended":
        return this.#endSession(mutation.clientId);
      case "body-stored": {
        const { kind: _, ...body } = mutation;
        this.#bodies.set(body.bodyId, { body, references: 0 });
        this.#unreferred.add(body.bodyId);
        this.#lastBodyId = Math.max(this.#lastBodyId, body.bodyId);
        return;
      }
      case "retained-set":
        return this.#setRetained(mutation.topic, mutation.bodyId);
      case "retained-cleared":
        return this.#setRetained(mutation.topic, undefined);
      case "will-saved": {
        const { kind: _, ...will } = mutation;
        this.#wills.set(will.clientId, will);
        return;
      }
      case "will-cleared":
        this.#wills.delete(mutation.clientId);
        return;
      default:
        if (isQueueMutation(mutation)) return this.#queues.apply(mutation);
        return this.#applyToSession(mutation);
    }
  }

  #applyToSession(mutation: SessionMutation): void {
    const row = this.#sessions.get(mutation.clientId);
    if (row === undefined) return;
    switch (mutation.kind) {
      case "subscribed": {
        const { kind: _, ...subscription } = mutation;
        row.subscriptions.set(subscription.filter, subscription);
        return;
      }
      case "unsubscribed":
        row.subscriptions.delete(mutation.filter);
        return;
      case "delivery-stored": {
        const { kind: _, ...delivery } = mutation;
        row.deliveries.set(delivery.sequence, delivery);
        this.#lastSequence = Math.max(this.#lastSequence, delivery.sequence);
        this.#bodies.get(delivery.bodyId)!.references++;
        return;
      }
      case "delivery-sent":
        return update(row, mutation.sequence, { packetId: mutation.packetId });
      case "delivery-released":
        return update(row, mutation.sequence, { released: true });
      case "delivery-done":
        return this.#endDelivery(row, mutation.sequence);
      case "packet-id-received":
        row.received.set(mutation.packetId, true);
        return;
      case "packet-id-released":
        row.received.delete(mutation.packetId);
        return;
      default:
        mutation satisfies never;
    }
  }

  #saveSession(saved: StoredSession): void {
    const { clientId, username, expirySeconds, offlineSince } = saved;
    const session = { clientId, username, expirySeconds, offlineSince };
    const rows = this.#sessions.get(clientId) ?? {
      subscriptions: new WeighedMap<string, StoredSubscription>(this.#tally, subscriptionWeight),
      deliveries: new WeighedMap<number, StoredDelivery>(this.#tally, () => DELIVERY_BYTES),
      received: new WeighedMap<number, true>(this.#tally, () => RECEIVED_BYTES),
    };
    this.#sessions.set(clientId, { ...rows, session });
  }

  #endSession(clientId: string): void {
    const row = this.#sessions.get(clientId);
    if (row === undefined) return;
    for (const sequence of [...row.deliveries.keys()]) this.#endDelivery(row, sequence);
    row.subscriptions.clear();
    row.received.clear();
    this.#sessions.delete(clientId);
    this.#wills.delete(clientId);
    this.#queues.endSession(clientId);
  }

  #endDelivery(row: SessionRows, sequence: number): void {
    const delivery = row.deliveries.get(sequence);
    if (delivery === undefined) return;
    row.deliveries.delete(sequence);
    this.#unrefer(delivery.bodyId);
  }

  #setRetained(topic: string, bodyId: number | undefined): void {
    const before = this.#retained.get(topic);
    if (bodyId === undefined) {
      this.#retained.delete(topic);
    } else {
      this.#retained.set(topic, bodyId);
      this.#bodies.get(bodyId)!.references++;
    }
    if (before !== undefined) this.#unrefer(before);
  }

  /** What a start gets of a session's deliveries, and what stays behind. */
  #firstPage(row: SessionRows, windows: WindowTotal): { deliveries: StoredDelivery[]; rest: StoredDelivery[] } {
    const deliveries: StoredDelivery[] = [];
    const rest: StoredDelivery[] = [];
    let count = 0;
    let bytes = 0;
    for (const delivery of row.deliveries.values()) {
      const size = this.#bytesOf(delivery);
      if (delivery.packetId === 0) {
        bytes += size;
        const isTooMuch = count === QUEUE_WINDOW_MESSAGES || (count > 0 && bytes > QUEUE_WINDOW_BYTES);
        if (rest.length > 0 || windows.isFull || isTooMuch) {
          rest.push(delivery);
          continue;
        }
        count++;
        windows.add(size);
      }
      deliveries.push(delivery);
    }
    return { deliveries, rest };
  }

  #bytesOf({ bodyId }: StoredDelivery): number {
    return bodyBytes(this.#bodies.get(bodyId)!.body);
  }

  #bodiesOf(bodyIds: ReadonlySet<number>): StoredBody[] {
    return [...bodyIds].map((bodyId) => this.#bodies.get(bodyId)!.body);
  }

  #unrefer(bodyId: number): void {
    const entry = this.#bodies.get(bodyId);
    if (entry === undefined) return;
    entry.references--;
    this.#unreferred.add(bodyId);
  }

  #assertReferences(mutations: readonly Mutation[]): void {
    const brought = new Set<number>();
    for (const mutation of mutations) {
      if (mutation.kind === "body-stored") brought.add(mutation.bodyId);
      if (mutation.kind !== "delivery-stored" && mutation.kind !== "retained-set") continue;
      const { bodyId } = mutation;
      if (!brought.has(bodyId) && !this.#bodies.has(bodyId)) {
        throw new Error(`Cannot refer to body ${bodyId}: it is not stored`);
      }
    }
  }
}

/** The other half is for whoever is connected, and for garbage that is not collected yet. */
function defaultBytesMax(): number {
  return getHeapStatistics().heap_size_limit / 2;
}

function update(row: SessionRows, sequence: number, change: Partial<StoredDelivery>): void {
  const delivery = row.deliveries.get(sequence);
  if (delivery !== undefined) row.deliveries.set(sequence, { ...delivery, ...change });
}
