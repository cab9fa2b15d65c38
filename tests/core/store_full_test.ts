/** What the broker takes, and what not, while the store has no room, and while it has a reserve. */
import assert from "node:assert/strict";
import type { Limits } from "../../src/core/limits.ts";
import type { Session } from "../../src/core/session.ts";
import {
  Bench,
  drain,
  messageOf,
  type MessageOptions,
  payloadOf,
  refusalOf,
  said,
  subscribe,
  willOf,
} from "./building.ts";

class FullBench extends Bench {
  /** What was written, each in a word. */
  publish(topic: string, options: MessageOptions): string[] {
    drain(this.turn);
    this.broker.assertStorable(messageOf(topic, options), null, this.turn);
    this.broker.publish(messageOf(topic, options), null, this.turn);
    return this.turn.effects.writes.map(({ kind }) => kind);
  }

  /** Ends a connection without a word; answers what was said and how much was written but for the end of the session. */
  drop(session: Session): { sends: string[]; writes: string[] } {
    drain(this.turn);
    this.broker.detach(session, { peer: session.peer!, cause: "connection-lost" }, this.turn);
    const writes = this.turn.effects.writes.map(({ kind }) => kind);
    return { sends: said(this.turn), writes: writes.filter((kind) => kind !== "session-ended") };
  }
}

for (
  const { what, will, stays } of [
    { what: "is retained", will: { retain: true }, stays: false },
    { what: "waits for a session", will: { qos: 1 }, stays: false },
    { what: "reaches who is there", will: {}, stays: true },
  ] as const
) {
  Deno.test(`a will that ${what} is ${stays ? "published" : "dropped and counted"} while the store is full`, () => {
    const bench = new FullBench();
    subscribe(bench, bench.attach("sleeper", { expirySeconds: 600 }), "will");
    bench.drop(bench.broker.sessions.get("sleeper")!);
    subscribe(bench, bench.attach("watcher", { expirySeconds: 0 }), "will");
    const dying = bench.attach("dying", { expirySeconds: 0, will: willOf("will", will) });
    bench.turn.isStoreFull = true;
    assert.deepEqual(bench.drop(dying), {
      sends: stays ? ['PUBLISH watcher will "gone"'] : [],
      writes: ["will-cleared"],
    });
    assert.equal(bench.turn.statistics.droppedByCause.refused, stays ? 0 : 1);
  });
}

Deno.test("a QoS 2 will of a kept session goes to who is there while the store is full: it has no packet id", () => {
  const bench = new FullBench();
  subscribe(bench, bench.attach("watcher", { expirySeconds: 0 }), "will");
  const dying = bench.attach("dying", { expirySeconds: 600, will: willOf("will", { qos: 2 }) });
  bench.turn.isStoreFull = true;
  assert.deepEqual(bench.drop(dying).sends, ['PUBLISH watcher will "gone" qos=2 id=1']);
});

Deno.test("who comes back for what waits may bring a small will while the store is full, and no large one", () => {
  const bench = new FullBench();
  bench.drop(bench.attach("alice", { expirySeconds: 600 }));
  bench.turn.isStoreFull = true;
  const attach = (payload: string) => bench.attach("alice", { expirySeconds: 600, will: willOf("will", { payload }) });
  assert.equal(refusalOf(() => attach("x".repeat(5_000))), "quota-exceeded");
  assert.equal(bench.broker.sessions.get("alice")!.peer, null, "nothing has changed");
  assert.equal(refusalOf(() => attach("x".repeat(4_000))), undefined);
});

Deno.test("a message to who is there is taken while the store is full, one that would be kept is not", () => {
  const bench = new FullBench();
  subscribe(bench, bench.attach("kept", { expirySeconds: 600 }), "kept");
  subscribe(bench, bench.attach("passing", { expirySeconds: 0 }), "passing");
  bench.turn.isStoreFull = true;
  const refusal = (topic: string, options: Parameters<typeof messageOf>[1]) =>
    refusalOf(() => bench.broker.assertStorable(messageOf(topic, options), null, bench.turn));
  assert.equal(refusal("passing", { qos: 1 }), undefined);
  assert.equal(refusal("kept", { qos: 0 }), undefined);
  assert.equal(refusal("kept", { qos: 1 }), "quota-exceeded");
  assert.equal(refusal("passing", { retain: true, payload: "x" }), "quota-exceeded");
  assert.equal(refusal("passing", { retain: true }), undefined, "to clear gives room");
});

/** `alice` is away and three messages wait for it; the store is full but for its reserve. */
function crowded(limits: Partial<Limits> = {}): FullBench {
  const bench = new FullBench(limits);
  subscribe(bench, bench.attach("alice", { expirySeconds: 600 }), "a");
  bench.drop(bench.broker.sessions.get("alice")!);
  for (const payload of ["1", "2", "3"]) bench.publish("a", { qos: 1, payload });
  bench.turn.isStoreFull = bench.turn.hasReserve = true;
  return bench;
}

function gotByAlice(bench: FullBench): string[] {
  const { inflight } = bench.attach("alice", { expirySeconds: 600 });
  return [...inflight!.values()].map(({ message }) => payloadOf(message));
}

Deno.test("in reserve a message for a session that is away takes the place of its oldest, with drop-oldest", () => {
  const bench = crowded();
  assert.deepEqual(bench.publish("a", { qos: 1, payload: "4" }), ["delivery-done", "body-stored", "delivery-stored"]);
  assert.equal(bench.turn.statistics.droppedByCause["queue-full"], 1);
  assert.deepEqual(gotByAlice(bench), ["2", "3", "4"]);
});

Deno.test("in reserve a message for a session that is away is dropped with drop-newest, and where none could give way", () => {
  const bench = crowded({ queueOverflow: "drop-newest" });
  assert.deepEqual(bench.publish("a", { qos: 1, payload: "4" }), []);
  assert.equal(bench.turn.statistics.droppedByCause["queue-full"], 1);
  assert.deepEqual(gotByAlice(bench), ["1", "2", "3"]);
  const larger = crowded();
  larger.publish("a", { qos: 1, payload: "x".repeat(1_000) });
  assert.equal(larger.turn.statistics.droppedByCause["queue-full"], 1);
  assert.deepEqual(gotByAlice(larger), ["1", "2", "3"]);
});

Deno.test("in reserve a message to a kept session that is there goes out and is stored until it is acknowledged", () => {
  const bench = new FullBench();
  const bob = bench.attach("bob", { expirySeconds: 600 });
  subscribe(bench, bob, "b");
  bench.turn.isStoreFull = bench.turn.hasReserve = true;
  assert.deepEqual(bench.publish("b", { qos: 1, payload: "x" }), ["body-stored", "delivery-stored"]);
  assert.deepEqual(said(bench.turn), ['PUBLISH bob b "x" qos=1 id=1']);
  bench.turn.hasReserve = false;
  assert.equal(refusalOf(() => bench.publish("b", { qos: 1, payload: "x" })), "quota-exceeded");
  assert.ok(bob.settle(1, bench.turn));
  assert.deepEqual(bench.turn.effects.writes.map(({ kind }) => kind), ["delivery-done"]);
});

Deno.test("in reserve a retained message takes the place of its topic's one that is no smaller; others are delivered and not retained", () => {
  const bench = new FullBench();
  subscribe(bench, bench.attach("watcher", { expirySeconds: 0 }), "#");
  bench.publish("r/1", { retain: true, payload: "12345" });
  bench.turn.isStoreFull = bench.turn.hasReserve = true;
  assert.deepEqual(bench.publish("r/1", { retain: true, payload: "1234" }), ["body-stored", "retained-set"]);
  assert.deepEqual(bench.publish("r/1", { retain: true, payload: "123456" }), ["retained-cleared"]);
  assert.deepEqual(bench.publish("r/2", { retain: true, payload: "1" }), []);
  assert.deepEqual(said(bench.turn), ['PUBLISH watcher r/2 "1"']);
  assert.equal(bench.turn.statistics.droppedByCause["retained-limit"], 2);
});
