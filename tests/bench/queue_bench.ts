// What a message costs in the engine of queues: published, delivered, acknowledged. Every figure is for 1,000 messages of 256 bytes.
import type { QueueDelivery } from "../../src/core/queue/delivery.ts";
import type { QueueConsumer } from "../../src/core/queue/member.ts";
import { Queues } from "../../src/core/queue/queues.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { DEFAULT_QUEUE, type QueueDefinition } from "../../src/core/queue/definition.ts";
import { Turn } from "../../src/core/turn.ts";
import { publicationOf } from "../core/queue/broker_of_queues.ts";

const MESSAGES = 1_000;

class Worker implements QueueConsumer {
  readonly hasRoom = true;
  readonly deliveries: QueueDelivery[] = [];

  constructor(readonly id: string) {}

  deliver(delivery: QueueDelivery): void {
    this.deliveries.push(delivery);
  }

  withdraw(): void {}
}

interface Options {
  readonly consumers: number;
  readonly groups?: number;
  /** Different keys; 0 for none. */
  readonly keys: number;
  readonly definition?: Partial<QueueDefinition>;
}

function roundOf({ consumers, groups = 1, keys, definition = {} }: Options): () => void {
  const turn = new Turn(DEFAULT_LIMITS);
  const template = { ...DEFAULT_QUEUE, deduplicationMs: 0, prefetch: MESSAGES };
  const queues = new Queues({ random: Math.random, template, autoCreate: true, queuesMax: 10, groupsMax: 10 });
  queues.create({ ...template, name: "q", ...definition }, turn);
  const workers = Array.from({ length: consumers * groups }, (_, i) => new Worker(`${i}`));
  workers.forEach((consumer, i) => {
    const group = `g${i % groups}`;
    const start = { kind: "default" } as const;
    queues.join({ queue: "q", group, filter: "#", consumer, prefetch: 0, start, boundToClient: false }, turn);
  });
  const publications = Array.from({ length: MESSAGES }, (_, i) => {
    return publicationOf("q", "x".repeat(256), { key: keys === 0 ? "" : `key ${i % keys}` });
  });
  return () => {
    turn.now++;
    for (const publication of publications) {
      queues.admit(publication, turn);
      queues.append(publication, turn);
    }
    for (let isIdle = false; !isIdle;) {
      isIdle = true;
      for (const { deliveries } of workers) {
        if (deliveries.length === 0) continue;
        isIdle = false;
        for (const delivery of deliveries.splice(0)) queues.settle(delivery, { kind: "ack" }, turn);
      }
    }
    turn.effects.clear();
    if (queues.nextDeadline <= turn.now) queues.tick(turn);
  };
}

const group = "queue";
Deno.bench({ name: "1 consumer, no keys", group }, roundOf({ consumers: 1, keys: 0 }));
Deno.bench({ name: "8 consumers, no keys", group, baseline: true }, roundOf({ consumers: 8, keys: 0 }));
Deno.bench({ name: "8 consumers, 1,000 keys", group }, roundOf({ consumers: 8, keys: 1_000 }));
Deno.bench({ name: "8 consumers, 10 keys", group }, roundOf({ consumers: 8, keys: 10 }));
Deno.bench(
  { name: '8 consumers, ordering "none"', group },
  roundOf({ consumers: 8, keys: 0, definition: { ordering: "none" } }),
);
Deno.bench({ name: "4 groups of 2 consumers", group }, roundOf({ consumers: 2, groups: 4, keys: 0 }));
Deno.bench(
  { name: "a stream", group },
  roundOf({
    consumers: 8,
    keys: 0,
    definition: { type: "stream", retention: { ...DEFAULT_QUEUE.retention, messages: 10_000 } },
  }),
);
