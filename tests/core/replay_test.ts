import assert from "node:assert/strict";
import { Broker } from "../../src/core/broker.ts";
import { restore } from "../../src/core/restore.ts";
import type { Mutation, StoredState } from "../../src/core/mutation.ts";
import { REPLAY_STEPS_MAX, REPLAYED_MAX } from "../../src/core/replay.ts";
import type { Session } from "../../src/core/session.ts";
import {
  attachRequestOf,
  drain,
  limitsOf,
  messageOf,
  optionsOf,
  StubPeer,
  subscribe,
  topicOf,
  turnOf,
} from "./building.ts";

const EXPECTED = 5_000;

/** A broker that has retained a message for each of the topics `r/0`, `r/1`, ... */
class Bench {
  readonly broker = new Broker(limitsOf({ inflightMax: 65_535 }));
  readonly turn = turnOf();
  readonly writes: Mutation[] = [];

  constructor(count: number) {
    for (let i = 0; i < count; i++) {
      this.broker.publish(messageOf(`r/${i}`, { payload: `${i}`, qos: 1, retain: true }), null, this.turn);
    }
    this.turn.effects.clear();
  }

  attach(clientId: string, expirySeconds = 0): Session {
    return this.broker.attach(attachRequestOf(clientId, { expirySeconds }), this.turn);
  }

  /** What one more go sends; the sessions that are not done with it have theirs after it. */
  go(session: Session): string[] {
    const unfinished = [...this.turn.effects.unfinished];
    const { sends, writes } = drain(this.turn);
    this.writes.push(...writes);
    const topics = sends.filter(({ kind }) => kind === 0).map(({ message }) => message!.topic.name);
    if (unfinished.includes(session)) session.pump(this.turn);
    return topics;
  }

  /** Everything that is sent until nothing is left to be sent. */
  all(session: Session): string[] {
    const topics: string[] = [];
    while (!this.turn.effects.isEmpty) topics.push(...this.go(session));
    return topics;
  }
}

Deno.test("a subscriber to everything has a few of its retained messages in memory, and gets all of them once", () => {
  const bench = new Bench(EXPECTED);
  const session = bench.attach("alice");
  const peer = session.peer as StubPeer;
  peer.congested = true;
  subscribe(bench, session, optionsOf("#", { qos: 0 }));
  assert.deepEqual(bench.go(session), []);
  assert.equal(session.queue?.length, REPLAYED_MAX);
  peer.congested = false;
  session.pump(bench.turn);
  const topics = bench.all(session);
  assert.equal(topics.length, EXPECTED);
  assert.equal(new Set(topics).size, EXPECTED);
  assert.equal(session.isWaiting, false);
});

Deno.test("what changes while the retained messages are on their way comes as it is by then, or not at all", () => {
  const bench = new Bench(EXPECTED);
  const session = bench.attach("alice");
  (session.peer as StubPeer).congested = true;
  subscribe(bench, session, optionsOf("#", { qos: 0 }));
  bench.turn.effects.clear();
  const last = EXPECTED - 1;
  bench.broker.publish(messageOf(`r/${last}`, { payload: "new", retain: true }), null, bench.turn);
  bench.broker.publish(messageOf(`r/${last - 1}`, { retain: true }), null, bench.turn);
  bench.turn.effects.clear();
  (session.peer as StubPeer).congested = false;
  session.pump(bench.turn);
  const payloads: string[] = [];
  while (!bench.turn.effects.isEmpty) {
    const { effects } = bench.turn;
    for (const { message } of effects.sends.slice(0, effects.length)) {
      payloads.push(new TextDecoder().decode(message!.payload));
    }
    bench.go(session);
  }
  assert.equal(payloads.length, EXPECTED - 1);
  assert.equal(payloads.at(-1), "new");
});

Deno.test("a filter that matches little of much is looked for a bounded number of topics at a time", () => {
  const bench = new Bench(0);
  for (let i = 0; i < 4 * REPLAY_STEPS_MAX; i++) {
    bench.broker.publish(messageOf(`${i}/first`, { payload: "x", retain: true }), null, bench.turn);
  }
  bench.broker.publish(messageOf("z/last", { payload: "x", retain: true }), null, bench.turn);
  const session = bench.attach("alice");
  bench.turn.effects.clear();
  subscribe(bench, session, "+/last");
  let goes = 0;
  const topics: string[] = [];
  for (; !bench.turn.effects.isEmpty; goes++) topics.push(...bench.go(session));
  assert.deepEqual(topics, ["z/last"]);
  assert.equal(goes, 5, "each looks as far as it may");
});

Deno.test("ten times the filters, or acknowledgements meanwhile, do not look for more topics at a time", () => {
  const bench = new Bench(EXPECTED);
  const session = bench.attach("alice");
  subscribe(bench, session, optionsOf("t", { qos: 1 }));
  for (let i = 0; i < 10; i++) bench.broker.publish(messageOf("t", { payload: "x", qos: 1 }), null, bench.turn);
  bench.turn.effects.clear();
  let steps = 0;
  const walk = bench.broker.retained.walk.bind(bench.broker.retained);
  bench.broker.retained.walk = function* (filter) {
    for (const found of walk(filter)) {
      steps++;
      yield found;
    }
  };
  subscribe(bench, session, ...Array.from({ length: 10 }, (_, i) => `+/+/${i}`));
  for (const { packetId } of [...session.inflight!.values()]) session.settle(packetId, bench.turn);
  assert.equal(steps, REPLAY_STEPS_MAX);
  while (!bench.turn.effects.isEmpty) {
    assert.ok(bench.turn.effects.unfinished.size <= 1, "it goes on once");
    assert.deepEqual(bench.go(session), []);
  }
  assert.equal(session.isWaiting, false);
});

Deno.test("an unsubscription ends it, a new subscription to the same filter begins it anew", () => {
  const bench = new Bench(EXPECTED);
  const session = bench.attach("alice");
  (session.peer as StubPeer).congested = true;
  subscribe(bench, session, optionsOf("#", { qos: 0 }));
  bench.broker.unsubscribe(session, { packetId: 2, filters: ["#"] }, bench.turn);
  bench.turn.effects.clear();
  (session.peer as StubPeer).congested = false;
  session.pump(bench.turn);
  assert.equal(bench.all(session).length, REPLAYED_MAX, "what was in the queue still comes");
  (session.peer as StubPeer).congested = true;
  subscribe(bench, session, optionsOf("#", { qos: 0 }));
  subscribe(bench, session, optionsOf("#", { qos: 0 }));
  bench.turn.effects.clear();
  (session.peer as StubPeer).congested = false;
  session.pump(bench.turn);
  assert.equal(bench.all(session).length, REPLAYED_MAX + EXPECTED, "what was in the queue, and all of it anew");
});

Deno.test("a client that comes back gets the rest, and after a crash nothing of it is lost", () => {
  const bench = new Bench(EXPECTED);
  const session = bench.attach("alice", 60);
  session.window = 10;
  subscribe(bench, session, optionsOf("#", { qos: 1 }));
  const first = bench.all(session);
  assert.equal(first.length, 10);
  const peer = session.peer!;
  bench.broker.detach(session, { peer, cause: "connection-lost" }, bench.turn);
  const noted = bench.writes.filter((write) => write.kind === "subscribed" && write.isReplaying);
  assert.equal(noted.length, 1);
  const { kind: _, ...subscription } = noted[0] as Extract<Mutation, { kind: "subscribed" }>;

  bench.attach("alice", 60);
  const resent = bench.all(session);
  for (const { packetId } of [...session.inflight!.values()]) session.settle(packetId, bench.turn);
  const rest: string[] = [];
  while (!bench.turn.effects.isEmpty) {
    rest.push(...bench.go(session));
    for (const { packetId } of [...session.inflight!.values()]) session.settle(packetId, bench.turn);
  }
  assert.equal(new Set([...resent, ...rest]).size, EXPECTED);
  const last = bench.writes.filter((write) => write.kind === "subscribed").at(-1);
  assert.equal(last?.isReplaying, undefined, "the store knows that it is over");

  const after = new Bench(EXPECTED);
  restore(after.broker, { state: stateWith(subscription), topicOf }, after.turn);
  const restored = after.broker.sessions.get("alice")!;
  after.turn.effects.clear();
  after.attach("alice", 60);
  restored.window = 65_535;
  restored.pump(after.turn);
  assert.equal(new Set(after.all(restored)).size, EXPECTED);
});

function stateWith(subscription: StoredState["subscriptions"][number]): StoredState {
  return {
    sessions: [{ clientId: "alice", username: undefined, expirySeconds: 60, offlineSince: 0 }],
    subscriptions: [subscription],
    bodies: [],
    deliveries: [],
    backlogs: [],
    lastBodyId: 0,
    lastSequence: 0,
    receivedPacketIds: [],
    retained: [],
    wills: [],
  };
}
