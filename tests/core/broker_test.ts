import assert from "node:assert/strict";
import { Refusal } from "../../src/core/refusal.ts";
import type { Session } from "../../src/core/session.ts";
import type { Turn } from "../../src/core/turn.ts";
import {
  Bench,
  drain,
  messageOf,
  type MessageOptions,
  optionsOf,
  said,
  StubPeer,
  subscribe,
  topicOf,
  willOf,
} from "./building.ts";

class BrokerBench extends Bench {
  subscriber(clientId: string, filter: Parameters<typeof subscribe>[2]): Session {
    const session = this.attach(clientId);
    subscribe(this, session, filter);
    drain(this.turn);
    return session;
  }

  publish(topic: string, options: MessageOptions = {}, sender: Session | null = null): string[] {
    this.broker.publish(messageOf(topic, options), sender, this.turn);
    return said(this.turn);
  }

  drop(session: Session): void {
    this.broker.detach(session, { peer: session.peer!, cause: "connection-lost" }, this.turn);
  }
}

function happenings(turn: Turn): string[] {
  return turn.effects.happenings.map((each) => `${each.kind} ${"cause" in each ? each.cause : ""}`.trim());
}

Deno.test("[MQTT-3.1.4-3] who connects with a client id in use takes the session over, and the other is told", () => {
  const bench = new BrokerBench();
  const old = new StubPeer("old");
  const session = bench.attach("alice", { peer: old });
  drain(bench.turn);
  assert.equal(bench.attach("alice", { peer: new StubPeer("new") }), session);
  assert.deepEqual(said(bench.turn), ["DISCONNECT old session-taken-over", "CONNACK new session=present"]);
  assert.equal(bench.turn.statistics.clientsConnected, 1);
  bench.broker.detach(session, { peer: old, cause: "connection-lost" }, bench.turn);
  assert.equal(bench.turn.statistics.clientsConnected, 1, "the end of the old connection changes nothing any more");
  assert.equal((session.peer as StubPeer).name, "new");
});

Deno.test("[MQTT-3.1.2-4] clean start ends the session that was there, connected or not", () => {
  for (const isConnected of [true, false]) {
    const bench = new BrokerBench();
    const session = bench.subscriber("alice", "a");
    if (!isConnected) bench.drop(session);
    drain(bench.turn);
    assert.notEqual(bench.attach("alice", { clean: true }), session);
    assert.ok(happenings(bench.turn).includes("session-ended clean-start"));
    const { writes } = drain(bench.turn);
    assert.deepEqual(writes.map(({ kind }) => kind), ["session-ended", "session-saved"]);
    assert.deepEqual(bench.publish("a", { qos: 1 }), []);
    assert.equal(bench.turn.statistics.subscriptions, 0);
    assert.equal(bench.broker.sessions.size, 1);
  }
});

Deno.test("a session without expiry ends with its connection", () => {
  const bench = new BrokerBench();
  const session = bench.attach("alice", { expirySeconds: 0 });
  subscribe(bench, session, "a");
  drain(bench.turn);
  bench.drop(session);
  assert.deepEqual(drain(bench.turn).writes, [], "it was never stored");
  assert.equal(bench.broker.sessions.size, 0);
  assert.equal(bench.turn.statistics.clientsConnected, 0);
  assert.equal(bench.turn.statistics.subscriptions, 0);
});

Deno.test("a session ends when its expiry has passed, not a moment before, and a reconnect calls that off", () => {
  const bench = new BrokerBench();
  const session = bench.attach("alice", { expirySeconds: 10 });
  bench.drop(session);
  assert.equal(bench.broker.nextDeadline, 10_000);
  bench.turn.now = 9_999;
  bench.broker.tick(bench.turn);
  bench.attach("alice", { expirySeconds: 10 });
  bench.turn.now = 50_000;
  bench.broker.tick(bench.turn);
  assert.equal(bench.broker.sessions.size, 1);
  bench.drop(session);
  bench.turn.now = 60_000;
  drain(bench.turn);
  bench.broker.tick(bench.turn);
  assert.equal(bench.broker.sessions.size, 0);
  assert.deepEqual(drain(bench.turn).writes, [{ kind: "session-ended", clientId: "alice" }]);
  assert.equal(bench.turn.statistics.sessionsExpired, 1);
});

Deno.test("DISCONNECT may change the expiry, to the end of the session even", () => {
  const bench = new BrokerBench();
  const session = bench.attach("alice", { expirySeconds: 10 });
  const { peer } = session;
  bench.broker.detach(session, { peer: peer!, cause: "normal", expirySeconds: 0 }, bench.turn);
  assert.equal(bench.broker.sessions.size, 0);
  assert.equal(drain(bench.turn).writes.at(-1)!.kind, "session-ended");
});

Deno.test("one session too many is refused with the number; one that exists is not", () => {
  const bench = new BrokerBench({ sessionsMax: 1 });
  bench.attach("alice");
  bench.attach("alice");
  assert.throws(
    () => bench.attach("bob"),
    (error) => error instanceof Refusal && error.refusal === "quota-exceeded" && /1 exist/.test(error.message),
  );
  assert.equal(bench.turn.statistics.clientsConnected, 1);
});

Deno.test("an administrator's end of a session ends its connection, and the count of clients is right", () => {
  const bench = new BrokerBench();
  const session = bench.subscriber("alice", "a");
  const { peer } = session;
  bench.broker.endSession(session, bench.turn);
  assert.deepEqual(said(bench.turn), ["DISCONNECT alice administrative-action"]);
  bench.broker.detach(session, { peer: peer!, cause: "administrative-action" }, bench.turn);
  assert.equal(bench.broker.sessions.size, 0);
  assert.equal(bench.turn.statistics.clientsConnected, 0);
});

Deno.test("[MQTT-3.14.4-3] a will is published unless the client says goodbye", () => {
  for (const cause of ["connection-lost", "with-will", "keep-alive-timeout", "normal"] as const) {
    const bench = new BrokerBench();
    bench.subscriber("watcher", "will");
    const session = bench.attach("alice", { will: willOf("will", { qos: 1 }) });
    drain(bench.turn);
    bench.broker.detach(session, { peer: session.peer!, cause }, bench.turn);
    const published = cause === "normal" ? [] : ['PUBLISH watcher will "gone" qos=1 id=1'];
    assert.deepEqual(said(bench.turn), published, cause);
    assert.equal(session.will, null);
  }
});

Deno.test("[MQTT-3.1.3-9] a delayed will waits, and a reconnect calls it off", () => {
  const bench = new BrokerBench();
  bench.subscriber("watcher", "will");
  const session = bench.attach("alice", { will: willOf("will", { delaySeconds: 5 }) });
  bench.drop(session);
  bench.turn.now = 4_999;
  bench.broker.tick(bench.turn);
  bench.attach("alice");
  bench.turn.now = 100_000;
  drain(bench.turn);
  bench.broker.tick(bench.turn);
  assert.deepEqual(said(bench.turn), []);
});

Deno.test("[MQTT-3.1.2-8] a delayed will comes with the end of the session when that is earlier", () => {
  const bench = new BrokerBench();
  bench.subscriber("watcher", "will");
  const session = bench.attach("alice", { expirySeconds: 3, will: willOf("will", { delaySeconds: 5 }) });
  bench.drop(session);
  bench.turn.now = 3_000;
  drain(bench.turn);
  bench.broker.tick(bench.turn);
  assert.deepEqual(said(bench.turn), ['PUBLISH watcher will "gone"']);
  assert.equal(bench.broker.sessions.get("alice"), undefined);
  bench.turn.now = 5_000;
  bench.broker.tick(bench.turn);
  assert.deepEqual(said(bench.turn), [], "once only");
});

Deno.test("a delayed will comes at once when a clean start ends its session", () => {
  const bench = new BrokerBench();
  bench.subscriber("watcher", "will");
  bench.drop(bench.attach("alice", { will: willOf("will", { delaySeconds: 5 }) }));
  drain(bench.turn);
  bench.attach("alice", { clean: true });
  assert.deepEqual(said(bench.turn), ['PUBLISH watcher will "gone"', "CONNACK alice session=absent"]);
});

Deno.test("[MQTT-3.3.1-5] [MQTT-3.3.1-6] a retained message replaces the former one, an empty one removes it", () => {
  const bench = new BrokerBench();
  bench.publish("a", { payload: "1", retain: true });
  bench.publish("a", { payload: "2", retain: true });
  const alice = bench.attach("alice");
  drain(bench.turn);
  subscribe(bench, alice, "a");
  assert.deepEqual(said(bench.turn), ["SUBACK alice 2", 'PUBLISH alice a "2" retain']);
  assert.deepEqual(bench.publish("a", { retain: true }), ['PUBLISH alice a ""']);
  subscribe(bench, alice, "a");
  assert.deepEqual(said(bench.turn), ["SUBACK alice 2"]);
  assert.equal(bench.broker.retained.count, 0);
});

Deno.test("[MQTT-3.3.1-12] [MQTT-3.3.1-13] RETAIN is as published only where the subscription asks for it", () => {
  const bench = new BrokerBench();
  bench.subscriber("plain", "a");
  bench.subscriber("asking", optionsOf("a", { retainAsPublished: true }));
  assert.deepEqual(bench.publish("a", { payload: "x", retain: true }), [
    'PUBLISH plain a "x"',
    'PUBLISH asking a "x" retain',
  ]);
});

Deno.test("a retained message that expires is gone from memory and from disk", () => {
  const bench = new BrokerBench();
  bench.publish("a", { payload: "x", retain: true, expiresAt: 1_000 });
  bench.turn.now = 1_000;
  bench.broker.tick(bench.turn);
  assert.equal(bench.broker.retained.count, 0);
  assert.deepEqual(drain(bench.turn).writes, [{ kind: "retained-cleared", topic: "a" }]);
});

Deno.test("a retained message that was replaced does not take the new one with it when it expires", () => {
  const bench = new BrokerBench();
  bench.publish("a", { payload: "x", retain: true, expiresAt: 1_000 });
  bench.publish("a", { payload: "y", retain: true });
  bench.turn.now = 1_000;
  bench.broker.tick(bench.turn);
  assert.equal(bench.broker.retained.count, 1);
});

Deno.test("a topic whose retained message is replaced again and again leaves nothing behind to wait for", () => {
  const bench = new BrokerBench();
  for (let i = 1; i <= 10_000; i++) {
    bench.publish("a", { payload: "x", retain: true, expiresAt: i });
  }
  let wakings = 0;
  for (; bench.broker.nextDeadline < 10_000 && wakings < 500; wakings++) {
    bench.turn.now = bench.broker.nextDeadline;
    bench.broker.tick(bench.turn);
  }
  assert.ok(wakings < 500, "the clock rings for messages that were replaced long ago, and they are kept until then");
});

Deno.test("[MQTT-3.8.3-3] a no-local subscriber does not receive its own publish, over another subscription it does", () => {
  const bench = new BrokerBench();
  const alice = bench.subscriber("alice", optionsOf("a", { noLocal: true, subscriptionId: 1 }));
  assert.deepEqual(bench.publish("a", {}, alice), []);
  assert.deepEqual(bench.publish("a"), ['PUBLISH alice a "" ids=1']);
  subscribe(bench, alice, optionsOf("+", { qos: 0, subscriptionId: 2 }));
  drain(bench.turn);
  assert.deepEqual(bench.publish("a", { qos: 1 }, alice), ['PUBLISH alice a "" ids=2']);
  assert.deepEqual(bench.publish("a", { qos: 1 }), ['PUBLISH alice a "" qos=1 id=1 ids=1,2']);
});

Deno.test("subscriptions count what is in place: replaced, refused and unsubscribed ones included", () => {
  const bench = new BrokerBench({ subscriptionsPerSessionMax: 2 });
  const alice = bench.attach("alice");
  subscribe(bench, alice, "a", "a", "$share/g/a", "c");
  assert.equal(bench.turn.statistics.subscriptions, 2);
  assert.equal(said(bench.turn).at(-1), "SUBACK alice 2 2 2 quota-exceeded");
  bench.broker.unsubscribe(alice, { packetId: 2, filters: ["a", "a", "$share/g/a", "x", "$share"] }, bench.turn);
  assert.equal(
    said(bench.turn).at(-1),
    "UNSUBACK alice success no-subscription-existed success no-subscription-existed no-subscription-existed",
  );
  assert.equal(bench.turn.statistics.subscriptions, 0);
  assert.deepEqual(bench.publish("a"), []);
});

Deno.test("what a limit has switched off is refused with its cause", () => {
  const bench = new BrokerBench({ wildcardAvailable: false, sharedAvailable: false, qosMax: 1 });
  subscribe(bench, bench.attach("alice"), "a/+", "$share/g/a", "$share/g", "a");
  assert.equal(
    said(bench.turn).at(-1),
    "SUBACK alice wildcard-subscriptions-not-supported shared-subscriptions-not-supported topic-filter-invalid 1",
  );
});

Deno.test("publish answers whether anybody was reached", () => {
  const bench = new BrokerBench();
  assert.equal(bench.broker.publish(messageOf("a"), null, bench.turn), "no-matching-subscribers");
  bench.subscriber("alice", "a");
  assert.equal(bench.broker.publish(messageOf("a"), null, bench.turn), "success");
});

Deno.test("of what falls due together, some hundreds end in one go, and the others are due at once again", () => {
  const bench = new BrokerBench();
  const count = 2_000;
  for (let i = 0; i < count; i++) {
    bench.drop(bench.attach(`s${i}`, { expirySeconds: 1 }));
    bench.publish(`r/${i}`, { payload: "x", retain: true, expiresAt: 1_000 });
  }
  bench.turn.now = 1_000;
  let goes = 0;
  for (; bench.broker.nextDeadline <= bench.turn.now; goes++) {
    drain(bench.turn);
    bench.broker.tick(bench.turn);
    assert.ok(bench.turn.effects.writes.length <= 2 * 512);
  }
  assert.equal(goes, Math.ceil(count / 512));
  assert.deepEqual([bench.broker.sessions.size, bench.broker.retained.count], [0, 0]);
});

Deno.test("a session that ends with a long queue tells the first thousand of its messages and counts them all", () => {
  const bench = new BrokerBench({ inflightMax: 1 });
  const session = bench.attach("alice", { expirySeconds: 0 });
  subscribe(bench, session, optionsOf("a", { qos: 1 }));
  for (let i = 0; i < 3_000; i++) bench.publish("a", { payload: "x", qos: 1 });
  drain(bench.turn);
  bench.drop(session);
  assert.equal(happenings(bench.turn).filter((each) => each === "message-dropped session-ended").length, 1_000);
  assert.equal(bench.turn.statistics.droppedByCause["session-ended"], 3_000);
});

Deno.test("of a session with many filters most are taken out in parts, and lead to nobody until then", () => {
  const bench = new BrokerBench();
  const { turn, broker } = bench;
  const filters = Array.from({ length: 1_000 }, (_, i) => i % 2 === 0 ? `a/+/${i}` : `$share/g/a/+/${i}`);
  for (const clientId of ["alice", "bob"]) subscribe(bench, bench.attach(clientId), ...filters);
  const old = broker.sessions.get("alice")!;
  bench.attach("alice", { clean: true });
  bench.drop(bench.attach("bob", { clean: true, expirySeconds: 0 }));
  assert.equal(turn.statistics.subscriptions, 0);
  const [rest, ...others] = turn.effects.rests;
  assert.deepEqual(others, [], "one after the other, however many end");
  const isFound = (i: number) => {
    const { entries, groups } = broker.subscriptions.match(topicOf(`a/x/${i}`));
    return entries.length + groups.length > 0;
  };
  assert.equal(isFound(0), false, "some go at once");
  assert.equal(isFound(998), true);
  drain(turn);
  for (const qos of [0, 1] as const) {
    for (const i of [998, 999]) assert.deepEqual(bench.publish(`a/x/${i}`, { qos }), []);
  }
  assert.deepEqual([old.queue, turn.statistics.messagesDropped], [null, 0]);
  let parts = 1;
  while (!rest.next().done) parts++;
  assert.ok(parts >= 4, `${parts}`);
  assert.deepEqual(filters.keys().filter(isFound).toArray(), []);
});

Deno.test("who subscribes while filters of sessions that have ended are in the way takes out as many", () => {
  const bench = new BrokerBench();
  const filtersOf = (round: number) => Array.from({ length: 1_000 }, (_, i) => `${round}/+/${i}`);
  const comeAndGo = (round: number) => {
    const session = bench.attach("alice", { expirySeconds: 0 });
    subscribe(bench, session, ...filtersOf(round));
    bench.drop(session);
  };
  const foundOf = (round: number) =>
    filtersOf(round).filter((filter) => {
      return bench.broker.subscriptions.match(topicOf(filter.replace("+", "x"))).entries.length > 0;
    }).length;
  for (let round = 0; round < 10; round++) comeAndGo(round); // others do not get their turn
  const found = Array.from({ length: 10 }, (_, round) => foundOf(round));
  assert.ok(found.reduce((sum, each) => sum + each) <= 1_000, found.join());
  const [rest, ...others] = bench.turn.effects.rests;
  assert.deepEqual(others, []);
  while (rest.next().done !== true) continue;
  assert.equal(foundOf(9), 0);
  comeAndGo(10);
  assert.equal(bench.turn.effects.rests.length, 2, "what ends later has its turn as well");
});

Deno.test("queues that cannot be spilled hold so much together: then who has more than a little loses the oldest for the newest", () => {
  const bench = new BrokerBench({ inflightMax: 1, queuedBytesMax: Infinity });
  const stuck = (clientId: string) => {
    const session = bench.attach(clientId, { expirySeconds: 0 });
    subscribe(bench, session, optionsOf(clientId, { qos: 1 }));
    return session;
  };
  const hoarder = stuck("hoarder");
  const modest = stuck("modest");
  const payload = "x".repeat(1024 * 1024);
  for (let i = 0; i < 300; i++) bench.publish("hoarder", { payload, qos: 1 });
  const most = 256;
  assert.ok(hoarder.queue!.length <= most);
  assert.equal(bench.turn.statistics.droppedByCause["queue-full"], 300 - 1 - hoarder.queue!.length);
  for (let i = 0; i < 10; i++) bench.publish("modest", { payload: "x", qos: 1 });
  assert.equal(modest.queue!.length, 9, "one of them is under way");
  bench.drop(hoarder);
  bench.drop(modest);
  const next = stuck("hoarder");
  for (let i = 0; i < 100; i++) bench.publish("hoarder", { payload, qos: 1 });
  assert.equal(next.queue!.length, 99, "what has ended counts no more");
});
