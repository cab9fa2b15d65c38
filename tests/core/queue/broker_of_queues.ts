// A broker that has nothing but queues: the engine, the reference store, and the loop between them with time in hand.
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import type { Happening } from "../../../src/core/happening.ts";
import { DEFAULT_QUEUE, type QueueDefinition } from "../../../src/core/queue/definition.ts";
import type { QueueDelivery } from "../../../src/core/queue/delivery.ts";
import type { QueueLoad } from "../../../src/core/queue/load.ts";
import type { QueueConsumer, QueueMember } from "../../../src/core/queue/member.ts";
import { isQueueMutation, type QueueMutation } from "../../../src/core/queue/mutation.ts";
import type { QueueCompaction, QueueCompactionRequest } from "../../../src/core/queue/ports.ts";
import type { Publication } from "../../../src/core/queue/publication.ts";
import { type JoinOptions, Queues, type QueuesOptions } from "../../../src/core/queue/queues.ts";
import type { QueueRecord } from "../../../src/core/queue/record.ts";
import { Turn } from "../../../src/core/turn.ts";
import { ReferenceStore } from "./reference_store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array();

export const START = 1_000_000_000_000;

/** A queue with one partition, no jitter, and short times. */
export function definitionOf(definition: Partial<QueueDefinition> & { name: string }): QueueDefinition {
  return {
    ...DEFAULT_QUEUE,
    partitions: 1,
    backoff: { initialMs: 1_000, maxMs: 8_000, multiplier: 2, jitter: 0 },
    visibilityTimeoutMs: 10_000,
    ...definition,
  };
}

export function publicationOf(queue: string, payload: string, options: Partial<Publication> = {}): Publication {
  const routingKey = options.routingKey ?? "";
  return {
    topic: routingKey === "" ? `$queue/${queue}` : `$queue/${queue}/${routingKey}`,
    queue,
    routingKey,
    key: "",
    messageKey: "",
    delayMs: 0,
    priority: 0,
    expiresAt: Infinity,
    properties: NO_BYTES,
    payload: encoder.encode(payload),
    ...options,
  };
}

export function textOf({ payload }: QueueRecord): string {
  return decoder.decode(payload);
}

/** A consumer that keeps what it gets until it is told what to do with it. */
export class StubConsumer implements QueueConsumer {
  readonly deliveries: QueueDelivery[] = [];
  readonly withdrawn: QueueDelivery[] = [];
  hasRoom = true;
  member: QueueMember | undefined;

  constructor(readonly id: string) {}

  deliver(delivery: QueueDelivery): void {
    this.deliveries.push(delivery);
  }

  withdraw(delivery: QueueDelivery): void {
    this.withdrawn.push(delivery);
  }

  /** What it has now, in the order in which it came. */
  get holding(): string[] {
    return this.deliveries.filter(({ isHeld }) => isHeld).map(({ record }) => textOf(record));
  }

  /** Everything it was ever handed. */
  get seen(): string[] {
    return this.deliveries.map(({ record }) => textOf(record));
  }

  get(text: string): QueueDelivery {
    const delivery = this.deliveries.findLast(({ record }) => textOf(record) === text);
    if (delivery === undefined) throw new Error(`${this.id} never had ${text}`);
    return delivery;
  }
}

export class BrokerOfQueues {
  readonly turn = new Turn(DEFAULT_LIMITS);
  readonly store: ReferenceStore;
  readonly happenings: Happening[] = [];
  readonly queues: Queues;
  /** Every mutation that was committed, for tests of what is written. */
  readonly written: QueueMutation[] = [];
  pages = 0;
  /** Whether the store takes its time: what it is asked it does at once and in order, and answers when `answer` says so. */
  isSlow = false;
  readonly pending: { readonly kind: QueueLoad["kind"]; readonly answer: () => void }[] = [];
  /** Called with what a compaction has taken out of a log. */
  onCompaction: (request: QueueCompactionRequest, removed: readonly QueueRecord[]) => void = () => {};
  /** Called for every commit, also for one of nothing, once it has been made. */
  onCommit: (writes: readonly QueueMutation[], happenings: readonly Happening[]) => void = () => {};

  constructor(options: Partial<QueuesOptions> & { store?: ReferenceStore; now?: number } = {}) {
    this.turn.now = options.now ?? START;
    this.store = options.store ?? new ReferenceStore();
    const template = { ...DEFAULT_QUEUE, partitions: 1 };
    this.queues = new Queues({
      random: () => 0.5,
      template,
      autoCreate: true,
      queuesMax: 100,
      groupsMax: 100,
      ...options,
    });
    this.queues.restore(structuredClone(this.store.load()), this.turn);
    this.settle();
  }

  /** The broker as it would be after a crash now. */
  restarted(options: Partial<QueuesOptions> = {}): BrokerOfQueues {
    return new BrokerOfQueues({ ...options, store: this.store, now: this.turn.now });
  }

  create(definition: Partial<QueueDefinition> & { name: string }): void {
    this.queues.create(definitionOf(definition), this.turn);
    this.settle();
  }

  publish(queue: string, payload: string, options: Partial<Publication> = {}): string {
    const publication = publicationOf(queue, payload, options);
    this.queues.admit(publication, this.turn);
    const { messageId } = this.queues.append(publication, this.turn);
    this.settle();
    return messageId;
  }

  join(id: string, options: Partial<JoinOptions> = {}): StubConsumer {
    const consumer = options.consumer as StubConsumer ?? new StubConsumer(id);
    const defaults = { queue: "q", group: "g", filter: "#", prefetch: 0, boundToClient: false };
    const start = { kind: "default" } as const;
    consumer.member = this.queues.join({ ...defaults, start, ...options, consumer }, this.turn);
    this.settle();
    return consumer;
  }

  leave(consumer: StubConsumer, isCrash: boolean): void {
    this.queues.leave(consumer.member!, { isCrash }, this.turn);
    this.settle();
  }

  ack(consumer: StubConsumer, ...texts: string[]): boolean {
    const done = texts.map((text) => this.queues.settle(consumer.get(text), { kind: "ack" }, this.turn));
    this.settle();
    return done.every((each) => each);
  }

  nack(consumer: StubConsumer, text: string, delayMs?: number): boolean {
    const settlement = delayMs === undefined ? { kind: "nack" } as const : { kind: "nack", delayMs } as const;
    const done = this.queues.settle(consumer.get(text), settlement, this.turn);
    this.settle();
    return done;
  }

  reject(consumer: StubConsumer, text: string, reason = ""): boolean {
    const done = this.queues.settle(consumer.get(text), { kind: "reject", reason }, this.turn);
    this.settle();
    return done;
  }

  advance(milliseconds: number): void {
    const end = this.turn.now + milliseconds;
    while (this.queues.nextDeadline <= end) {
      this.turn.now = Math.max(this.turn.now, this.queues.nextDeadline);
      this.queues.tick(this.turn);
      this.settle();
    }
    this.turn.now = end;
  }

  /** Commits, then answers what was asked, until nothing is left to do. */
  settle(): void {
    const { effects } = this.turn;
    let loads: QueueLoad[] = [];
    for (let rounds = 0; rounds === 0 || loads.length > 0 || !effects.isEmpty; rounds++) {
      if (rounds > 10_000) throw new Error("it goes on and on");
      const writes = effects.writes.filter(isQueueMutation);
      this.store.commit(writes);
      this.written.push(...writes);
      this.happenings.push(...effects.happenings);
      this.onCommit(writes, [...effects.happenings]);
      loads = [...effects.queueLoads];
      effects.clear();
      const answers = loads.map((load) => ({ kind: load.kind, answer: this.#ask(load) }));
      if (this.isSlow) this.pending.push(...answers);
      else for (const { answer } of answers) answer();
    }
  }

  /** The store gives its next answer. */
  answer(): void {
    this.pending.shift()?.answer();
    this.settle();
  }

  #ask(load: QueueLoad): () => void {
    const { queues, store, turn } = this;
    switch (load.kind) {
      case "page": {
        this.pages++;
        const records = store.page(load.request);
        return () => queues.refill(load, records, turn);
      }
      case "count": {
        const amount = store.count(load.request);
        return () => queues.counted(load, amount, turn);
      }
      case "delays": {
        const page = store.delaysDue(load.now, load.limit);
        return () => queues.delaysDue(page, turn);
      }
      case "compaction": {
        const done = this.#compact(load.request);
        return () => queues.compacted(done, turn);
      }
    }
  }

  #compact(request: QueueCompactionRequest): QueueCompaction {
    const before = this.store.logs.get(request.logId)?.records ?? [];
    const done = this.store.compact(request);
    const left = new Set(this.store.logs.get(request.logId)?.records);
    this.onCompaction(request, before.filter((record) => !left.has(record)));
    return done;
  }
}
