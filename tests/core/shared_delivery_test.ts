// What becomes of messages of a shared group whose members come and go.
import assert from "node:assert/strict";
import { Delivery } from "../../src/core/delivery.ts";
import { QUEUE_WINDOW_MESSAGES } from "../../src/core/delivery_queue.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import type { Session } from "../../src/core/session.ts";
import {
  attachRequestOf,
  Bench,
  drain,
  inWords,
  messageOf,
  type MessageOptions,
  said,
  subscribe,
  willOf,
} from "./building.ts";

class GroupBench extends Bench {
  member(clientId: string, request: Parameters<typeof attachRequestOf>[1] = {}): Session {
    const session = this.attach(clientId, request);
    if (!session.subscriptions?.has("$share/g/a")) subscribe(this, session, "$share/g/a");
    drain(this.turn);
    return session;
  }

  publish(options: MessageOptions): string[] {
    this.broker.publish(messageOf("a", options), null, this.turn);
    return said(this.turn);
  }

  drop(session: Session, expirySeconds?: number): string[] {
    this.broker.detach(session, { peer: session.peer!, cause: "connection-lost", expirySeconds }, this.turn);
    return said(this.turn);
  }
}

Deno.test("QoS 1 that a member leaves unacknowledged goes to another one, for the first time and not again", () => {
  const bench = new GroupBench();
  const [a, b] = [bench.member("a"), bench.member("b")];
  assert.deepEqual(bench.publish({ qos: 1, payload: "x" }), ['PUBLISH a a "x" qos=1 id=1']);
  assert.deepEqual(bench.drop(a), ['PUBLISH b a "x" qos=1 id=1']);
  bench.member("a");
  assert.ok(!a.settle(1, bench.turn), "a has nothing to do with it any more");
  assert.ok(b.settle(1, bench.turn));
});

Deno.test("[MQTT-4.8.2-4] QoS 2 that was sent is completed with the member that has it", () => {
  const bench = new GroupBench();
  const a = bench.member("a");
  bench.member("b");
  assert.deepEqual(bench.publish({ qos: 2, payload: "x" }), ['PUBLISH a a "x" qos=2 id=1']);
  assert.deepEqual(bench.drop(a), []);
  bench.broker.attach(attachRequestOf("a"), bench.turn);
  assert.deepEqual(said(bench.turn), ["CONNACK a session=present", 'PUBLISH a a "x" qos=2 id=1 dup']);
});

Deno.test("[MQTT-4.8.2-5] QoS 2 that was sent goes to nobody else when the member's session ends", () => {
  const bench = new GroupBench();
  const a = bench.member("a");
  bench.member("b");
  bench.publish({ qos: 2, payload: "x" });
  assert.deepEqual(bench.drop(a, 0), []);
});

Deno.test("messages that wait for a member's window go to another when it leaves", () => {
  const bench = new GroupBench();
  const a = bench.member("a", { receiveMaximum: 1 });
  assert.equal(bench.publish({ qos: 2, payload: "1" }).length, 1);
  assert.equal(bench.publish({ qos: 2, payload: "2" }).length, 0);
  bench.member("b");
  assert.deepEqual(bench.drop(a), ['PUBLISH b a "2" qos=2 id=1']);
});

Deno.test("however many messages wait for a member that goes, all of them go to another", () => {
  const bench = new GroupBench({ queuedMessagesMax: Infinity });
  const [a, b] = ["a", "b"].map((clientId) => bench.member(clientId, { expirySeconds: 0, receiveMaximum: 1 }));
  bench.broker.subscriptions.unsubscribe(b, "$share/g/a", bench.turn);
  for (let i = 0; i < 150_001; i++) bench.publish({ qos: 1 }); // more than a call takes arguments
  subscribe(bench, b, "$share/g/a");
  bench.drop(a);
  assert.equal(b.queue!.count, 150_000);
});

Deno.test("[MQTT-3.3.2-5] a message that expired while it waited for one member is not sent to another", () => {
  const bench = new GroupBench();
  const a = bench.member("a", { receiveMaximum: 1 });
  bench.publish({ qos: 1, payload: "under way" });
  bench.publish({ qos: 1, payload: "waits", expiresAt: 1_000 });
  bench.member("b");
  bench.turn.now = 2_000;
  assert.deepEqual(bench.drop(a), ['PUBLISH b a "under way" qos=1 id=1']);
  assert.equal(bench.turn.statistics.droppedByCause.expired, 1);
});

Deno.test("messages wait with an offline member when nobody is connected", () => {
  const bench = new GroupBench();
  const [a, b] = [bench.member("a"), bench.member("b")];
  bench.publish({ qos: 1, payload: "x" });
  bench.drop(b);
  assert.deepEqual(bench.drop(a), []);
  bench.broker.attach(attachRequestOf("a"), bench.turn);
  assert.deepEqual(said(bench.turn), ["CONNACK a session=present", 'PUBLISH a a "x" qos=1 id=1 dup']);
});

Deno.test("a will for the shared group of the session that ends with it goes to a member that lives on", () => {
  const bench = new GroupBench();
  const dying = bench.member("a", { expirySeconds: 1, will: willOf("a", { qos: 1, delaySeconds: 9 }) });
  const other = bench.member("b");
  bench.drop(other);
  bench.drop(dying);
  bench.turn.now = 1_000;
  bench.broker.tick(bench.turn);
  assert.equal(bench.broker.sessions.size, 1);
  bench.broker.attach(attachRequestOf("b"), bench.turn);
  assert.deepEqual(said(bench.turn), ["CONNACK b session=present", 'PUBLISH b a "gone" qos=1 id=1']);
});

Deno.test("a session ends on time though nobody can have what it was given by a shared group", () => {
  const bench = new GroupBench();
  const { broker, turn } = bench;
  bench.member("b");
  const a = bench.member("a", { expirySeconds: 1 });
  subscribe(bench, a, "$share/alone/x");
  bench.drop(a);
  for (let i = 0; i < QUEUE_WINDOW_MESSAGES + 2; i++) broker.publish(messageOf("x", { qos: 1 }), null, turn);
  const group = broker.subscriptions.group("$share/alone/x");
  const spilled = [1, 2].map((place) => {
    const delivery = new Delivery(messageOf("x"), { qos: 1, retain: false, subscriptionIds: null, group });
    delivery.sequence = a.queue!.lastSequence + place;
    return delivery;
  });
  for (let seconds = 1; seconds <= 3 && broker.sessions.size === 2; seconds++) {
    turn.now = seconds * 1_000;
    broker.tick(turn);
    const handOns = [...turn.effects.handOns];
    drain(turn);
    for (const { after } of handOns) {
      broker.handOn.spilled(a, spilled.filter(({ sequence }) => sequence > after), turn);
      broker.handOn.spilled(a, [], turn);
    }
  }
  assert.equal(broker.sessions.get("a"), undefined);
});

Deno.test("a client that is back in the second in which others get what its session left begins anew, and the rest is counted (decision 9)", () => {
  const bench = new GroupBench();
  const { broker, turn } = bench;
  const a = bench.member("a");
  const count = QUEUE_WINDOW_MESSAGES + a.window + 2;
  for (let i = 0; i < count; i++) broker.publish(messageOf("a", { qos: 1 }), null, turn);
  const b = bench.member("b");
  bench.drop(a, 0);
  assert.equal(a.queue?.spilledShared, 2, "its end is put off for them");
  const back = broker.attach(attachRequestOf("a", { clean: false }), turn);
  assert.equal(said(turn).at(-1), "CONNACK a session=absent");
  assert.ok(back !== a && back.queue === null);
  assert.equal(turn.statistics.droppedByCause["session-ended"], 2);
  assert.equal(b.inflight!.size + b.queue!.count, count - 2);
});

/** Which bodies are stored while each delivery is written: what a store would find missing. */
function missingBodies(writes: readonly Mutation[]): string[] {
  const bodies = new Set<number>();
  const missing: string[] = [];
  for (const write of writes) {
    if (write.kind === "body-stored") bodies.add(write.bodyId);
    if (write.kind === "delivery-stored" && !bodies.has(write.bodyId)) {
      missing.push(`${write.clientId} ${write.sequence}`);
    }
    if (write.kind === "session-ended") bodies.clear(); // nothing else refers to a body in these tests
  }
  return missing;
}

Deno.test("what a session that is stored no longer hands on is stored anew for the member that takes it", () => {
  const bench = new GroupBench();
  const writes: Mutation[] = [];
  const keep = () => writes.push(...drain(bench.turn).writes);
  const a = bench.broker.attach(attachRequestOf("a"), bench.turn);
  subscribe(bench, a, "$share/g/a");
  bench.broker.publish(messageOf("a", { qos: 1 }), null, bench.turn);
  keep();
  bench.broker.attach(attachRequestOf("a", { expirySeconds: 0 }), bench.turn); // it stays, and is not stored any more
  keep();
  subscribe(bench, bench.broker.attach(attachRequestOf("b"), bench.turn), "$share/g/a");
  keep();
  bench.broker.detach(a, { peer: a.peer!, cause: "connection-lost" }, bench.turn);
  const sends = bench.turn.effects.sends.slice(0, bench.turn.effects.length).map(inWords);
  keep();
  assert.deepEqual(sends, ['PUBLISH b a "" qos=1 id=1']);
  assert.deepEqual(missingBodies(writes), []);
});
