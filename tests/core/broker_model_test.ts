// Random histories of a few clients against the model of what MQTT promises.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Broker } from "../../src/core/broker.ts";
import { SendKind } from "../../src/core/effects.ts";
import type { QoS } from "../../src/core/message.ts";
import type { Session } from "../../src/core/session.ts";
import { attachRequestOf, drain, limitsOf, messageOf, optionsOf, StubPeer, turnOf, willOf } from "./building.ts";
import { Model, type ModelSession, NEVER } from "./model.ts";

const START = 1_000_000_000_000;
const CLIENTS = ["alice", "bob", "carol"] as const;
const TOPICS = ["a/x", "a/y", "b", "$s/x"] as const;
const FILTERS = ["a/x", "a/+", "a/#", "#", "b", "will/+", "$s/#", "+/x"] as const;

const client = fc.nat(2);
const qos = fc.constantFrom<QoS>(0, 1, 2);

const anyStep = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("connect" as const),
      client,
      clean: fc.constantFrom(false, false, false, true),
      expirySeconds: fc.constantFrom(0, 5, NEVER, NEVER),
      window: fc.constantFrom(1, 2, 3, 10),
      will: fc.option(fc.record({ qos, delaySeconds: fc.constantFrom(0, 2, 7) })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant("disconnect" as const), client, isNormal: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant("subscribe" as const),
      client,
      filter: fc.constantFrom(...FILTERS),
      qos,
      noLocal: fc.constantFrom(false, false, true),
      retainAsPublished: fc.boolean(),
      retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      subscriptionId: fc.constantFrom(0, 0, 1, 2, 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("unsubscribe" as const), client, filter: fc.constantFrom(...FILTERS) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant("publish" as const),
      client,
      topic: fc.constantFrom(...TOPICS),
      qos,
      retain: fc.constantFrom(false, false, true),
      isEmpty: fc.constantFrom(false, false, false, true),
      expirySeconds: fc.constantFrom(Infinity, Infinity, 3),
    }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("acknowledge" as const), client, nth: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("congest" as const), client, isCongested: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("advance" as const), seconds: fc.integer({ min: 1, max: 9 }) }),
  },
);

type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;
type StepOf<What extends Step["what"]> = Extract<Step, { what: What }>;

/** The broker and the model, driven side by side. */
class World {
  readonly #turn = turnOf(limitsOf());
  readonly #broker = new Broker(this.#turn.limits);
  readonly #model = new Model(START);
  readonly #sessions = new Map<string, Session>();
  #published = 0;

  constructor() {
    this.#turn.now = START;
  }

  run(step: Step): void {
    this.#turn.now++; // so that no two things ever fall due at the same moment
    this.#model.now = this.#turn.now;
    if (step.what === "advance") this.#advance(step.seconds * 1000);
    else if (step.what === "connect") this.#connect(CLIENTS[step.client], step);
    else this.#runConnected(step);
    this.#hear();
    this.#compare();
  }

  #runConnected(step: Exclude<Step, StepOf<"advance"> | StepOf<"connect">>): void {
    const model = this.#model.sessions.get(CLIENTS[step.client]);
    if (model === undefined || model.peer === null) return;
    const session = this.#sessions.get(model.clientId)!;
    switch (step.what) {
      case "disconnect":
        return this.#disconnect(session, model, step.isNormal);
      case "subscribe": {
        const options = optionsOf(step.filter, step);
        this.#broker.subscribe(session, { packetId: 1, requests: [options] }, this.#turn);
        return this.#model.subscribe(model, options);
      }
      case "unsubscribe":
        this.#broker.unsubscribe(session, { packetId: 1, filters: [step.filter] }, this.#turn);
        model.filters.delete(step.filter);
        return;
      case "publish":
        return this.#publish(session, model, step);
      case "acknowledge":
        return this.#acknowledge(session, model, step.nth);
      case "congest":
        model.peer.congested = step.isCongested;
        if (!step.isCongested) session.pump(this.#turn);
    }
  }

  #connect(clientId: string, step: Omit<StepOf<"connect">, "what" | "client">): void {
    const { clean, expirySeconds, window } = step;
    const peer = new StubPeer(clientId);
    const topic = `will/${clientId}`;
    const payload = `will ${++this.#published}`;
    const will = step.will === null ? null : {
      topic,
      payload,
      qos: step.will.qos,
      retain: false,
      expiresAt: Infinity,
      delaySeconds: step.will.delaySeconds,
    };
    const request = {
      peer,
      clean,
      expirySeconds,
      receiveMaximum: window,
      will: will === null ? undefined : willOf(topic, will),
    };
    const session = this.#broker.attach(attachRequestOf(clientId, request), this.#turn);
    this.#sessions.set(clientId, session);
    const isPresent = this.#model.attach(clientId, { peer, clean, expirySeconds, window, will });
    const connack = this.#turn.effects.sends.slice(0, this.#turn.effects.length).find((send) =>
      send.kind === SendKind.connack
    );
    assert.equal(connack?.sessionPresent, isPresent, `session present for ${clientId}`);
  }

  #disconnect(session: Session, model: ModelSession, isNormal: boolean): void {
    const cause = isNormal ? "normal" : "connection-lost";
    this.#broker.detach(session, { peer: model.peer!, cause }, this.#turn);
    this.#model.detach(model, isNormal);
  }

  #publish(session: Session, model: ModelSession, step: StepOf<"publish">): void {
    const payload = step.isEmpty && step.retain ? "" : `${++this.#published}`;
    const { topic, qos, retain, expirySeconds } = step;
    const message = { topic, payload, qos, retain, expiresAt: this.#turn.now + expirySeconds * 1000 };
    this.#broker.publish(messageOf(topic, message), session, this.#turn);
    this.#model.publish(message, model);
  }

  /** PUBACK, PUBREC or PUBCOMP, whichever the message waits for. */
  #acknowledge(session: Session, model: ModelSession, nth: number): void {
    const ids = model.acknowledgeable;
    if (ids.length === 0) return;
    const packetId = ids[nth % ids.length];
    const flying = model.flying.get(packetId)!;
    if (flying.owed.qos === 2 && !flying.isReleased) {
      assert.ok(session.release(packetId, this.#turn));
      flying.isReleased = true;
    } else {
      model.flying.delete(packetId);
      assert.ok(session.settle(packetId, this.#turn));
    }
  }

  #advance(milliseconds: number): void {
    const end = this.#turn.now + milliseconds;
    while (this.#broker.nextDeadline <= end) {
      this.#turn.now = Math.max(this.#turn.now, this.#broker.nextDeadline);
      this.#broker.tick(this.#turn);
      this.#model.tick(this.#turn.now);
      this.#hear();
    }
    this.#turn.now = end;
    this.#model.tick(end);
  }

  #hear(): void {
    for (let rounds = 0; !this.#turn.effects.isEmpty; rounds++) {
      assert.ok(rounds < 100, "it goes on and on");
      const unfinished = [...this.#turn.effects.unfinished];
      for (const send of drain(this.#turn).sends) {
        if (send.kind === SendKind.publish) {
          this.#model.sessions.get(send.session!.clientId)!.hear(send, this.#turn.now);
        }
        if (send.kind === SendKind.pubrel) {
          this.#model.sessions.get((send.peer as StubPeer).name)!.hear(send, this.#turn.now);
        }
      }
      for (const session of unfinished) session.pump(this.#turn);
    }
  }

  #compare(): void {
    const models = [...this.#model.sessions.values()];
    const { statistics } = this.#turn;
    assert.equal(statistics.clientsConnected, models.filter(({ peer }) => peer !== null).length, "clientsConnected");
    assert.equal(statistics.subscriptions, models.reduce((sum, { filters }) => sum + filters.size, 0), "subscriptions");
    assert.equal(this.#broker.sessions.size, models.length, "sessions");
    assert.equal(this.#broker.retained.count, this.#model.retained.size, "retained");
    for (const model of models) {
      const session = this.#broker.sessions.get(model.clientId)!;
      assert.equal(session.inflight?.size ?? 0, model.flying.size, `under way to ${model.clientId}`);
      const isHindered = model.peer === null || model.peer.congested;
      const hasRoom = model.acknowledgeable.length < model.window && model.acknowledgeable.length === model.flying.size;
      if (!isHindered && hasRoom) {
        assert.deepEqual(model.missing(this.#turn.now), [], `${model.clientId} waits for nothing`);
      }
    }
  }

  /** Everyone comes back and acknowledges everything: nothing is owed any more. */
  finish(): void {
    for (const clientId of CLIENTS) {
      if (this.#model.sessions.has(clientId)) {
        this.run({
          what: "connect",
          client: CLIENTS.indexOf(clientId),
          clean: false,
          expirySeconds: NEVER,
          window: 3,
          will: null,
        });
      }
    }
    for (const model of this.#model.sessions.values()) {
      while (model.flying.size > 0) {
        this.run({ what: "acknowledge", client: CLIENTS.indexOf(model.clientId as "alice"), nth: 0 });
      }
      assert.deepEqual(model.missing(this.#turn.now), [], `${model.clientId} never got`);
    }
  }
}

Deno.test("every client gets what it is owed: all of it, in order, within its window, QoS 2 once, DUP only when it comes again", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 150, size: "max" }), (steps) => {
      const world = new World();
      for (const step of steps) world.run(step);
      world.finish();
    }),
    { numRuns: 1_000 },
  );
});
