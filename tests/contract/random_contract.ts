// The part of the contract that nobody thought of: random mutations, held against lists that are searched from end to end.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Mutation } from "../../src/core/mutation.ts";
import { isQueueMutation } from "../../src/core/queue/mutation.ts";
import {
  body,
  type Contents,
  contents,
  contentsOf,
  delivery,
  done,
  retained,
  session,
  subscription,
  will,
} from "./mutations.ts";
import { type OpenStore, StoreBench } from "./store_contract.ts";

type Row<Kind extends Mutation["kind"]> = Extract<Mutation, { kind: Kind }>;

/** What a store shall hold, as plain lists. It gives out the ids, as a broker does. */
export class Model {
  #sessions: Row<"session-saved">[] = [];
  #subscriptions: Row<"subscribed">[] = [];
  #bodies: Row<"body-stored">[] = [];
  #deliveries: Row<"delivery-stored">[] = [];
  #received: string[] = [];
  #retained: Row<"retained-set">[] = [];
  #wills: Row<"will-saved">[] = [];
  #lastBodyId = 0;
  #lastSequence = 0;

  /** The mutations that a step stands for; what it says is done to the model. */
  run({ what, who, pick }: Step): Mutation[] {
    const clientId = who;
    switch (what) {
      case "save":
        return this.#apply([session(clientId, { offlineSince: pick })]);
      case "end":
        return this.#apply([{ kind: "session-ended", clientId }]);
      case "subscribe":
        return this.#apply([subscription(clientId, `f/${pick % 3}`, { subscriptionId: pick })]);
      case "unsubscribe":
        return this.#apply([{ kind: "unsubscribed", clientId, filter: `f/${pick % 3}` }]);
      case "enqueue":
        return this.#apply([this.#newBody(), ...this.#deliver(["p", "q", "r"].slice(pick % 3))]);
      case "retain":
        return this.#apply([
          this.#newBody(),
          retained(`r/${pick % 2}`, this.#lastBodyId),
          ...this.#deliver([clientId]),
        ]);
      case "clear":
        return this.#apply([{ kind: "retained-cleared", topic: `r/${pick % 2}` }]);
      case "will":
        return this.#apply([
          pick % 3 === 0 ? { kind: "will-cleared", clientId } : will(clientId, { delaySeconds: pick }),
        ]);
      case "receive":
        return this.#apply([{ kind: "packet-id-received", clientId, packetId: 1 + pick % 3 }]);
      case "release":
        return this.#apply([{ kind: "packet-id-released", clientId, packetId: 1 + pick % 3 }]);
      case "replay":
        return this.#apply(this.#replay(clientId));
      default:
        return this.#apply(this.#advance(what, clientId, pick));
    }
  }

  contents(): Contents {
    return contents({
      sessions: this.#sessions,
      subscriptions: this.#subscriptions,
      bodies: this.#bodies.filter(({ bodyId }) => this.#isReferred(bodyId)),
      deliveries: this.#deliveries.toSorted((a, b) => a.clientId < b.clientId ? -1 : a.clientId > b.clientId ? 1 : 0),
      received: this.#received,
      retained: this.#retained.map(({ topic, bodyId }) => `${topic} ${bodyId}`),
      wills: this.#wills,
    });
  }

  #newBody(): Mutation {
    return body(++this.#lastBodyId);
  }

  #deliver(clientIds: readonly string[]): Mutation[] {
    return clientIds.map((clientId) => delivery(clientId, ++this.#lastSequence, this.#lastBodyId));
  }

  /** Another delivery of a retained message, as for a new subscription. */
  #replay(clientId: string): Mutation[] {
    return this.#retained.map(({ bodyId }) => delivery(clientId, ++this.#lastSequence, bodyId, { isReplay: true }));
  }

  #advance(what: "send" | "done" | "pubrec", clientId: string, pick: number): Mutation[] {
    const own = this.#deliveries.filter((each) => each.clientId === clientId);
    const sequence = own.length === 0 ? 1_000_000 : own[pick % own.length].sequence;
    if (what === "done") return [done(clientId, sequence)];
    if (what === "pubrec") return [{ kind: "delivery-released", clientId, sequence }];
    return [{ kind: "delivery-sent", clientId, sequence, packetId: 1 + pick }];
  }

  #isReferred(bodyId: number): boolean {
    return [...this.#deliveries, ...this.#retained].some((each) => each.bodyId === bodyId);
  }

  #apply(mutations: Mutation[]): Mutation[] {
    for (const mutation of mutations) this.#applyOne(mutation);
    return mutations;
  }

  #applyOne(mutation: Mutation): void {
    if (isQueueMutation(mutation)) throw new Error("queues have a contract of their own");
    const { kind } = mutation;
    if (kind === "body-stored") this.#bodies.push(mutation);
    else if (kind === "retained-set" || kind === "retained-cleared") {
      this.#retained = this.#retained.filter(({ topic }) => topic !== mutation.topic);
      if (kind === "retained-set") this.#retained.push(mutation);
    } else if (kind === "will-saved" || kind === "will-cleared") {
      this.#wills = this.#wills.filter(({ clientId }) => clientId !== mutation.clientId);
      if (kind === "will-saved") this.#wills.push(mutation);
    } else if (kind === "session-saved") {
      this.#sessions = this.#sessions.filter(({ clientId }) => clientId !== mutation.clientId).concat(mutation);
    } else if (this.#sessions.some(({ clientId }) => clientId === mutation.clientId)) {
      this.#applyToSession(mutation);
    }
  }

  #applyToSession(
    mutation: Exclude<Mutation, { kind: `${"body" | "retained" | "will" | "queue"}-${string}` | "session-saved" }>,
  ): void {
    const { kind, clientId } = mutation;
    const isOther = (each: { clientId: string }) => each.clientId !== clientId;
    if (kind === "session-ended") {
      this.#sessions = this.#sessions.filter(isOther);
      this.#subscriptions = this.#subscriptions.filter(isOther);
      this.#deliveries = this.#deliveries.filter(isOther);
      this.#received = this.#received.filter((each) => !each.startsWith(`${clientId} `));
      this.#wills = this.#wills.filter(isOther);
    } else if (kind === "subscribed" || kind === "unsubscribed") {
      this.#subscriptions = this.#subscriptions.filter((each) => isOther(each) || each.filter !== mutation.filter);
      if (kind === "subscribed") this.#subscriptions.push(mutation);
    } else if (kind === "packet-id-received" || kind === "packet-id-released") {
      this.#received = this.#received.filter((each) => each !== `${clientId} ${mutation.packetId}`);
      if (kind === "packet-id-received") this.#received.push(`${clientId} ${mutation.packetId}`);
    } else if (kind === "delivery-stored") {
      this.#deliveries.push(mutation);
    } else {
      this.#deliveries = this.#deliveries.flatMap((each) => {
        if (isOther(each) || each.sequence !== mutation.sequence) return [each];
        if (kind === "delivery-done") return [];
        return [{ ...each, ...(kind === "delivery-sent" ? { packetId: mutation.packetId } : { released: true }) }];
      });
    }
  }
}

export const anyStep = fc.record({
  what: fc.constantFrom(
    ...([
      "save",
      "save",
      "end",
      "subscribe",
      "unsubscribe",
      "enqueue",
      "enqueue",
      "enqueue",
      "retain",
      "clear",
    ] as const),
    ...(["will", "receive", "release", "send", "send", "done", "done", "pubrec", "replay"] as const),
  ),
  who: fc.constantFrom("p", "q", "r"),
  pick: fc.nat(20),
  /** Whether the step shares a commit with the next one. */
  joins: fc.boolean(),
  /** Whether the store is opened anew after it. */
  looks: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});

type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

export function randomContract(name: string, open: OpenStore, runs: number): void {
  Deno.test(`${name}: holds after any mutations what lists of them hold`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: "max" }), async (steps) => {
        const bench = new StoreBench(await open());
        const model = new Model();
        let batch: Mutation[] = [];
        for (const step of steps) {
          batch.push(...model.run(step));
          if (step.joins) continue;
          await bench.commit(batch);
          batch = [];
          if (step.looks) assert.deepEqual(contentsOf(await bench.load()), model.contents());
        }
        await bench.commit(batch);
        assert.deepEqual(contentsOf(await bench.load()), model.contents());
        await bench.store.close();
      }),
      { numRuns: runs },
    );
  });
}
