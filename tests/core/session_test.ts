import assert from "node:assert/strict";
import { Broker } from "../../src/core/broker.ts";
import { Delivery } from "../../src/core/delivery.ts";
import { QUEUE_WINDOW_MESSAGES } from "../../src/core/delivery_queue.ts";
import type { Limits } from "../../src/core/limits.ts";
import type { QoS } from "../../src/core/message.ts";
import { ResendList } from "../../src/core/resend_list.ts";
import type { Session } from "../../src/core/session.ts";
import type { Turn } from "../../src/core/turn.ts";
import {
  attachRequestOf,
  drain,
  limitsOf,
  messageOf,
  type MessageOptions,
  optionsOf,
  said,
  StubPeer,
  subscribe,
  turnOf,
} from "./building.ts";

/** A broker with one client, alice, who has subscribed to `a` and is told what `publish` says. */
class Bench {
  readonly turn: Turn;
  readonly broker: Broker;
  readonly alice: Session;

  constructor(options: { limits?: Partial<Limits>; receiveMaximum?: number; expirySeconds?: number; qos?: QoS } = {}) {
    const limits = limitsOf(options.limits);
    const { receiveMaximum = 65_535, expirySeconds = 0xffff_ffff } = options;
    this.turn = turnOf(limits);
    this.broker = new Broker(limits);
    this.alice = this.broker.attach(attachRequestOf("alice", { receiveMaximum, expirySeconds }), this.turn);
    subscribe(this, this.alice, optionsOf("a", { qos: options.qos ?? 2 }));
    drain(this.turn);
  }

  publish(payload: string, options: MessageOptions = { qos: 1 }): string[] {
    this.broker.publish(messageOf("a", { ...options, payload }), null, this.turn);
    return said(this.turn);
  }

  drop(): void {
    this.broker.detach(this.alice, { peer: this.alice.peer!, cause: "connection-lost" }, this.turn);
    drain(this.turn);
  }

  return(options: { receiveMaximum?: number } = {}): string[] {
    const { receiveMaximum = 65_535 } = options;
    assert.equal(this.broker.attach(attachRequestOf("alice", { receiveMaximum }), this.turn), this.alice);
    return said(this.turn);
  }

  settle(packetId: number): string[] {
    assert.ok(this.alice.settle(packetId, this.turn));
    return said(this.turn);
  }
}

Deno.test("[MQTT-3.3.4-9] no more is under way than the client's Receive Maximum, the rest follows as acknowledgements come", () => {
  const bench = new Bench({ receiveMaximum: 2 });
  assert.deepEqual(bench.publish("1"), ['PUBLISH alice a "1" qos=1 id=1']);
  assert.deepEqual(bench.publish("2"), ['PUBLISH alice a "2" qos=1 id=2']);
  assert.deepEqual(bench.publish("3"), []);
  assert.deepEqual(bench.publish("4", { qos: 2 }), []);
  assert.deepEqual(bench.settle(2), ['PUBLISH alice a "3" qos=1 id=3']);
  assert.deepEqual(bench.settle(1), ['PUBLISH alice a "4" qos=2 id=4']);
});

Deno.test("the broker's own limit holds when it is the smaller one", () => {
  const bench = new Bench({ limits: { inflightMax: 1 } });
  assert.deepEqual([...bench.publish("1"), ...bench.publish("2")], ['PUBLISH alice a "1" qos=1 id=1']);
});

Deno.test("QoS 0 does not wait for the window", () => {
  const bench = new Bench({ receiveMaximum: 1 });
  bench.publish("1");
  assert.deepEqual(bench.publish("2", { qos: 0 }), ['PUBLISH alice a "2"']);
});

Deno.test("QoS 2: PUBREC does not open the window, PUBCOMP does", () => {
  const bench = new Bench({ receiveMaximum: 1 });
  bench.publish("1", { qos: 2 });
  assert.deepEqual(bench.publish("2", { qos: 2 }), []);
  assert.ok(bench.alice.release(1, bench.turn));
  assert.deepEqual(said(bench.turn), []);
  assert.deepEqual(bench.settle(1), ['PUBLISH alice a "2" qos=2 id=2']);
});

Deno.test("[MQTT-4.4.0-1] after a reconnect everything unacknowledged comes again, in order, with its id, DUP or PUBREL", () => {
  const bench = new Bench();
  for (const [payload, qos] of [["1", 1], ["2", 2], ["3", 1], ["4", 2]] as const) bench.publish(payload, { qos });
  bench.alice.release(2, bench.turn);
  bench.drop();
  assert.deepEqual(bench.publish("5"), []);
  assert.deepEqual(bench.return(), [
    "CONNACK alice session=present",
    'PUBLISH alice a "1" qos=1 id=1 dup',
    "PUBREL alice id=2",
    'PUBLISH alice a "3" qos=1 id=3 dup',
    'PUBLISH alice a "4" qos=2 id=4 dup',
    'PUBLISH alice a "5" qos=1 id=5',
  ]);
});

Deno.test("a smaller window after a reconnect holds for what comes again, too", () => {
  const bench = new Bench();
  for (const payload of ["1", "2", "3"]) bench.publish(payload);
  bench.drop();
  assert.deepEqual(bench.return({ receiveMaximum: 1 }).slice(1), ['PUBLISH alice a "1" qos=1 id=1 dup']);
  assert.deepEqual(bench.publish("4"), []);
  assert.deepEqual(bench.settle(1), ['PUBLISH alice a "2" qos=1 id=2 dup']);
  assert.deepEqual(bench.settle(2), ['PUBLISH alice a "3" qos=1 id=3 dup']);
  assert.deepEqual(bench.settle(3), ['PUBLISH alice a "4" qos=1 id=4']);
});

Deno.test("a smaller window holds even when what has not come again yet is acknowledged", () => {
  const bench = new Bench();
  for (const payload of ["1", "2", "3", "4", "5"]) bench.publish(payload);
  bench.drop();
  const again = bench.return({ receiveMaximum: 2 }).slice(1);
  assert.equal(again.length, 2);
  assert.deepEqual(bench.settle(4), [], "1 and 2 are still unacknowledged on this connection");
});

Deno.test("a message that waits for a congested connection goes when there is room again, in order", () => {
  const bench = new Bench();
  const peer = bench.alice.peer as StubPeer;
  peer.congested = true;
  assert.deepEqual([...bench.publish("1"), ...bench.publish("2", { qos: 2 })], []);
  assert.deepEqual(bench.publish("lost", { qos: 0 }), []);
  assert.equal(bench.turn.statistics.droppedByCause["client-congested"], 1);
  peer.congested = false;
  assert.deepEqual(bench.publish("3"), [], "it may not overtake");
  bench.alice.pump(bench.turn);
  assert.deepEqual(said(bench.turn), [
    'PUBLISH alice a "1" qos=1 id=1',
    'PUBLISH alice a "2" qos=2 id=2',
    'PUBLISH alice a "3" qos=1 id=3',
  ]);
});

Deno.test("what is sent again waits for a congested connection as well", () => {
  const bench = new Bench();
  bench.publish("1");
  bench.drop();
  const peer = new StubPeer("alice");
  peer.congested = true;
  bench.broker.attach(attachRequestOf("alice", { peer }), bench.turn);
  assert.deepEqual(said(bench.turn), ["CONNACK alice session=present"]);
  peer.congested = false;
  bench.alice.pump(bench.turn);
  assert.deepEqual(said(bench.turn), ['PUBLISH alice a "1" qos=1 id=1 dup']);
});

Deno.test("a long queue leaves in portions, so that others get their turn", () => {
  const bench = new Bench({ limits: { inflightMax: 1_000 } });
  bench.drop();
  for (let i = 1; i <= 600; i++) bench.publish(`${i}`);
  const { broker, turn, alice } = bench;
  broker.attach(attachRequestOf("alice"), turn);
  const portions: number[] = [];
  for (let more = true; more;) {
    more = turn.effects.unfinished.size > 0;
    portions.push(said(turn).length);
    if (more) alice.pump(turn);
  }
  assert.equal(portions.length, 3);
  assert.equal(portions.reduce((sum, each) => sum + each, 0), 1 + 600);
});

Deno.test("the oldest message gives way when the queue is full, or the newest, as it is configured", () => {
  for (const queueOverflow of ["drop-oldest", "drop-newest"] as const) {
    const bench = new Bench({ limits: { queuedMessagesMax: 2, queueOverflow } });
    bench.drop();
    for (const payload of ["1", "2", "3"]) bench.publish(payload);
    assert.equal(bench.turn.statistics.droppedByCause["queue-full"], 1);
    const kept = queueOverflow === "drop-oldest" ? ["2", "3"] : ["1", "2"];
    const expected = kept.map((payload, i) => `PUBLISH alice a "${payload}" qos=1 id=${i + 1}`);
    assert.deepEqual(bench.return().slice(1), expected);
  }
});

Deno.test("the bytes of a queue are limited, topics included", () => {
  const bench = new Bench({ limits: { queuedBytesMax: 20 } });
  bench.drop();
  for (const payload of ["123456789", "987654321", "x"]) bench.publish(payload); // 10 + 10 + 2 bytes
  assert.deepEqual(bench.return().slice(1).map((each) => each.slice(16)), ['"987654321" qos=1 id=1', '"x" qos=1 id=2']);
});

Deno.test("a message that is larger than the whole queue may be is dropped, and takes no other with it", () => {
  const bench = new Bench({ limits: { queuedBytesMax: 20 } });
  bench.drop();
  bench.publish("small");
  bench.publish("far too large for this queue");
  assert.deepEqual(bench.return().slice(1), ['PUBLISH alice a "small" qos=1 id=1']);
});

Deno.test("QoS 0 for a session that is offline is kept only where that is configured", () => {
  for (const queueQos0 of [false, true]) {
    const bench = new Bench({ limits: { queueQos0 } });
    bench.drop();
    bench.publish("1", { qos: 0 });
    assert.deepEqual(bench.return().slice(1), queueQos0 ? ['PUBLISH alice a "1"'] : []);
  }
});

Deno.test("[MQTT-3.3.2-5] a message that expired while it waited is not sent; one under way is sent again", () => {
  const bench = new Bench({ receiveMaximum: 1 });
  bench.publish("under way", { qos: 1, expiresAt: 1_000 });
  bench.publish("waits", { qos: 1, expiresAt: 1_000 });
  bench.publish("lives", { qos: 1, expiresAt: 1_001 });
  bench.drop();
  bench.turn.now = 1_000;
  assert.deepEqual(bench.return().slice(1), [
    'PUBLISH alice a "under way" qos=1 id=1 dup',
    'PUBLISH alice a "lives" qos=1 id=2',
  ]);
  assert.equal(bench.turn.statistics.droppedByCause.expired, 1);
});

Deno.test("the happening of a delivery tells the QoS it was delivered with", () => {
  const bench = new Bench({ qos: 1 });
  bench.turn.watchesMessages = true;
  bench.broker.publish(messageOf("a", { qos: 2 }), null, bench.turn);
  const delivered = bench.turn.effects.happenings.flatMap((each) =>
    each.kind === "message-delivered" ? [each.qos] : []
  );
  assert.deepEqual(delivered, [1]);
});

Deno.test("[MQTT-4.3.3-10] the id of a QoS 2 message from the client is taken once until it is released", () => {
  const { alice, turn } = new Bench();
  assert.ok(alice.receive(7, turn));
  assert.ok(!alice.receive(7, turn));
  assert.ok(alice.forget(7, turn));
  assert.ok(!alice.forget(7, turn));
  assert.ok(alice.receive(7, turn));
  assert.deepEqual(drain(turn).writes.map(({ kind }) => kind), [
    "packet-id-received",
    "packet-id-released",
    "packet-id-received",
  ]);
});

Deno.test("acknowledgements for ids that are not in use are told apart", () => {
  const { alice, turn } = new Bench();
  assert.ok(!alice.settle(1, turn));
  assert.ok(!alice.release(1, turn));
  assert.ok(drain(turn).writes.length === 0);
});

Deno.test("what is settled before it could be sent again is passed over, and the others keep their order", () => {
  const deliveries = [1, 2, 3, 4, 5].map((id) => {
    const delivery = new Delivery(messageOf(`${id}`), { qos: 1, retain: false, subscriptionIds: null, group: null });
    delivery.packetId = id;
    return delivery;
  });
  const list = new ResendList(deliveries);
  const [first, second, , fourth] = deliveries;
  list.delete(second);
  assert.equal(list.length, 4);
  assert.equal(list.shift(), first);
  list.delete(fourth);
  list.delete(first); // it was sent: nothing changes
  assert.deepEqual([list.shift()?.packetId, list.shift()?.packetId, list.shift()], [3, 5, undefined]);
  assert.equal(list.length, 0);
});

Deno.test("[MQTT-4.6.0-5] a QoS 0 message does not overtake those that wait for the session in the store", () => {
  const bench = new Bench({ limits: { queueQos0: true }, qos: 0 });
  bench.drop();
  for (let i = 0; i <= QUEUE_WINDOW_MESSAGES; i++) bench.publish(`${i}`, { qos: 0 });
  assert.equal(bench.alice.queue!.spilledCount, 1);
  bench.return();
  const rest: string[] = [];
  while (bench.alice.queue!.inMemory > 0) {
    bench.alice.pump(bench.turn);
    rest.push(...said(bench.turn));
  }
  assert.equal(rest.length, QUEUE_WINDOW_MESSAGES - 256);
  assert.deepEqual(bench.publish("live", { qos: 0 }), [], "it may not overtake");
  assert.deepEqual([bench.alice.queue!.inMemory, bench.alice.queue!.spilledCount], [0, 2]);
  const stored = ["spilled", "live"].map((payload, i) => {
    const delivery = new Delivery(messageOf("a", { payload }), {
      qos: 0,
      retain: false,
      subscriptionIds: null,
      group: null,
    });
    delivery.sequence = bench.alice.queue!.lastSequence + 1 + i;
    return delivery;
  });
  bench.alice.refill(stored, bench.turn);
  assert.deepEqual(said(bench.turn), ['PUBLISH alice a "spilled"', 'PUBLISH alice a "live"']);
  assert.deepEqual(bench.publish("at once", { qos: 0 }), ['PUBLISH alice a "at once"']);
});
