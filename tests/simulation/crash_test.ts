// Histories with crashes at the borders of commits: what was acknowledged is there afterwards. Time is simulated, the seed is printed.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Limits } from "../../src/core/limits.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { attachRequestOf, limitsOf, messageOf, optionsOf, payloadOf, willOf } from "../core/building.ts";
import { Client } from "./client.ts";
import { Link, Machine } from "./machine.ts";

const SHARED = "$share/g/m/#";
const NAMES = ["alice", "bob", "carol"] as const;

const anyStep = fc.record({
  what: fc.constantFrom(
    ...([
      "commit",
      "commit",
      "commit",
      "commit",
      "read",
      "read",
      "read",
      "read",
      "publish",
      "publish",
      "publish",
    ] as const),
    ...(["retain", "connect", "connect", "drop", "disconnect", "subscribe", "crash", "crash late", "advance"] as const),
  ),
  who: fc.nat(2),
  count: fc.integer({ min: 1, max: 4 }),
  qos: fc.constantFrom<1 | 2>(1, 2),
});

type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** When the single histories begin. */
const START = 1_000_000;

/** Three clients and a broker that dies now and then. */
class World {
  readonly #store = new MemoryStore();
  readonly #limits: Limits;
  readonly clients: readonly Client[];
  machine!: Machine;
  #now = START;
  /** Everything published by the clients, in order. */
  readonly published: { readonly topic: string; readonly payload: string; readonly qos: 1 | 2 }[] = [];

  private constructor(limits: Limits) {
    this.#limits = limits;
    this.clients = NAMES.map((name, i) => new Client(name, i + 1));
  }

  /** Everyone is connected and subscribed, and knows it. */
  static async open(options: { limits?: Partial<Limits>; filter?: string } = {}): Promise<World> {
    const world = new World(limitsOf(options.limits));
    world.machine = await Machine.start(world.#store, world.#limits, world.#now);
    for (const client of world.clients) {
      client.connect(world.machine);
      client.subscribe(world.machine, options.filter ?? "m/#", 2);
      client.subscribe(world.machine, "will/#", 2);
    }
    await world.settle();
    return world;
  }

  async run({ what, who, count, qos }: Step): Promise<void> {
    const { machine } = this;
    const client = this.clients[who];
    switch (what) {
      case "commit":
        return await machine.commit();
      case "read":
        return client.read(machine, count);
      case "publish":
        return this.publish(client, `m/${client.clientId}`, qos);
      case "retain":
        return this.publish(client, `r/${client.clientId}/${qos}`, qos); // one QoS for each: QoS 1 sent again may come late
      case "connect":
        return client.connect(machine);
      case "drop":
        return client.drop(machine);
      case "disconnect":
        return client.disconnect(machine);
      case "subscribe":
        return client.subscribe(machine, `extra/${count}`, client.filters.has(`extra/${count}`) ? undefined : qos);
      case "advance":
        this.#now += count * 1000;
        machine.turn.now = this.#now;
        return machine.decide((broker, turn) => broker.tick(turn));
      default:
        return await this.crash({ persisting: what === "crash late" });
    }
  }

  publish(client: Client, topic: string, qos: 1 | 2): void {
    const payload = `${this.published.length}`;
    this.published.push({ topic, payload, qos });
    client.publish(this.machine, { topic, payload, qos, retain: topic.startsWith("r/") });
  }

  async crash(options: { persisting: boolean }): Promise<void> {
    await this.machine.crash(options);
    for (const client of this.clients) client.lose();
    this.machine = await Machine.start(this.#store, this.#limits, this.#now);
  }

  /** Everyone comes back and reads until nothing is left to be said. */
  async settle(): Promise<void> {
    for (let round = 0; round < 5_000; round++) {
      for (const client of this.clients) {
        if (client.link === null) client.connect(this.machine);
        client.read(this.machine, 10);
      }
      await this.machine.commit();
      if (this.machine.isSettled && this.clients.every((client) => client.isIdle)) return;
    }
    assert.fail("it does not come to rest");
  }

  /** What must be true once everyone is back and has read everything. */
  async check(): Promise<void> {
    for (const client of this.clients) {
      if (!client.filters.has(SHARED)) this.#checkMessages(client);
      this.#checkWills(client);
      this.#checkSession(client);
    }
    const { broker, turn } = this.machine;
    const lasting = new Map(
      this.published.filter(({ topic }) => topic.startsWith("r/")).map((each) => [each.topic, each.payload]),
    );
    for (const [topic, payload] of lasting) assert.equal(payloadOf(broker.retained.get(topic)!), payload, topic);
    assert.equal(broker.retained.count, lasting.size);
    assert.equal(turn.statistics.subscriptions, this.clients.reduce((sum, { filters }) => sum + filters.size, 0));
    assert.equal(turn.statistics.clientsConnected, this.clients.length);
    assert.equal(this.#store.bodyCount, lasting.size, "bodies that nothing refers to are gone");
    const { deliveries, receivedPacketIds, wills } = await this.#store.load();
    assert.deepEqual([deliveries.length, receivedPacketIds.length, wills.length], [0, 0, this.clients.length]);
  }

  /** A shared group got every message: QoS 1 somebody at least once, QoS 2 one of its members once. */
  checkShared(): void {
    const log = this.clients.flatMap((client) => client.log);
    for (const { topic, payload, qos } of this.published) {
      if (!topic.startsWith("m/")) continue;
      const times = log.filter((each) => each.topic === topic && each.payload === payload).length;
      if (qos === 2) assert.equal(times, 1, `QoS 2 ${payload} came ${times} times`);
      else assert.ok(times >= 1, `QoS 1 ${payload} was lost`);
    }
  }

  #checkMessages({ clientId, log }: Client): void {
    for (const name of NAMES) {
      const topic = `m/${name}`;
      const mine = log.filter((each) => each.topic === topic);
      for (const qos of [1, 2] as const) {
        const sent = this.published.filter((each) => each.topic === topic && each.qos === qos).map(({ payload }) =>
          payload
        );
        const got = mine.filter((each) => each.qos === qos).map(({ payload }) => payload);
        if (qos === 2) assert.deepEqual(got, sent, `${clientId}: QoS 2 on ${topic}: once each, in order`);
        else assert.deepEqual([...new Set(got)], sent, `${clientId}: QoS 1 on ${topic}: at least once, in order`);
      }
    }
  }

  /** Whoever watches gets the will of each connection that broke, and none of one that did not. */
  #checkWills({ clientId, log }: Client): void {
    const seen = log.filter(({ topic }) => topic.startsWith("will/")).map(({ payload }) => payload);
    assert.deepEqual(seen.length, new Set(seen).size, `${clientId} saw a will twice`);
    for (const dying of this.clients) {
      const own = seen.filter((payload) => payload.startsWith(`${dying.clientId} `)).map((each) =>
        Number(each.split(" ")[1])
      );
      for (const number of dying.willsDue) {
        assert.ok(own.includes(number), `${clientId} missed ${dying.clientId} ${number}`);
      }
      for (const number of own) assert.ok(number < dying.connections, "the will of a connection that stands");
    }
  }

  #checkSession({ clientId, filters }: Client): void {
    const session = this.machine.broker.sessions.get(clientId)!;
    const subscriptions = [...session.subscriptions!.values()].map(({ options }) => [options.filter, options.qos])
      .sort();
    assert.deepEqual(subscriptions, [...filters].sort());
    assert.equal(session.inflight?.size ?? 0, 0);
    assert.equal(session.queue?.length ?? 0, 0);
    assert.equal(session.received?.size ?? 0, 0);
  }
}

Deno.test("whatever happens and whenever the broker dies, what was acknowledged is delivered, QoS 2 exactly once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 120, size: "max" }), async (steps) => {
      const world = await World.open();
      for (const step of steps) await world.run(step);
      await world.settle();
      await world.check();
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("whatever happens, a shared group loses nothing, and a QoS 2 message reaches one member once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 120, size: "max" }), async (steps) => {
      const world = await World.open({ filter: SHARED });
      for (const step of steps) await world.run(step);
      await world.settle();
      await world.check();
      world.checkShared();
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("a queue that is longer than memory holds of it survives crashes on its way in and out", async () => {
  const world = await World.open({ limits: { inflightMax: 50 } });
  const [alice, bob, carol] = world.clients;
  alice.drop(world.machine);
  for (let i = 0; i < 3_000; i++) {
    world.publish(bob, "m/bob", i % 2 === 0 ? 1 : 2);
    for (const client of [bob, carol]) client.read(world.machine, 10);
    if (i % 7 === 0) await world.machine.commit();
    if (i === 1_500) await world.crash({ persisting: true });
    if (i === 1_500 || i === 2_200) { for (const client of [bob, carol]) client.connect(world.machine); }
  }
  for (let i = 0; i < 300; i++) {
    if (alice.link === null) alice.connect(world.machine);
    await world.machine.commit();
    for (const client of world.clients) client.read(world.machine, 20);
    if (i % 100 === 50) await world.crash({ persisting: i % 200 === 50 });
  }
  await world.settle();
  await world.check();
});

Deno.test("a session that gets a message twice, with room for one, ends nothing but the first copy", async () => {
  const limits = limitsOf({ queuedMessagesMax: 1 });
  const store = new MemoryStore();
  const machine = await Machine.start(store, limits, START);
  const [alice, bob] = [new Client("alice", 10), new Client("bob", 10)];
  for (const client of [alice, bob]) client.connect(machine);
  await machine.commit();
  for (const client of [alice, bob]) client.read(machine, 10);
  alice.subscribe(machine, "a", 1);
  alice.subscribe(machine, "$share/g/a", 1);
  alice.disconnect(machine);
  bob.publish(machine, { topic: "a", payload: "x", qos: 1, retain: false });
  await machine.commit(); // the second copy evicts the first, whose body is the same
  const { deliveries, bodies } = await store.load();
  assert.deepEqual(deliveries.map(({ shared }) => shared), ["$share/g/a"]);
  assert.equal(bodies.length, 1);
});

Deno.test("a will whose delay had not passed at the crash is published when it has, unless the client comes back", async () => {
  for (const comesBack of [false, true]) {
    const store = new MemoryStore();
    const before = await Machine.start(store, limitsOf(), START);
    const will = willOf("will", { qos: 1, payload: "gone", delaySeconds: 10 });
    const watcher = before.decide((broker, turn) =>
      broker.attach(attachRequestOf("watcher", { peer: new Link() }), turn)
    );
    before.decide((broker, turn) => broker.subscribe(watcher, { packetId: 1, requests: [optionsOf("will")] }, turn));
    const peer = new Link();
    const alice = before.decide((broker, turn) => broker.attach(attachRequestOf("alice", { peer, will }), turn));
    before.decide((broker, turn) => broker.detach(alice, { peer, cause: "connection-lost" }, turn));
    await before.commit();
    await before.crash({ persisting: false });
    const machine = await Machine.start(store, limitsOf(), START + 9_999);
    assert.equal((await store.load()).deliveries.length, 0, "it is not due yet");
    if (comesBack) {
      machine.decide((broker, turn) => broker.attach(attachRequestOf("alice", { peer: new Link() }), turn));
    }
    machine.turn.now = START + 10_000;
    machine.decide((broker, turn) => broker.tick(turn));
    await machine.commit();
    const { deliveries, wills } = await store.load();
    assert.equal(deliveries.length, comesBack ? 0 : 1);
    assert.equal(wills.length, 0);
  }
});

Deno.test("the will of a session that was not stored is published at the start after the crash, once", async () => {
  const store = new MemoryStore();
  const before = await Machine.start(store, limitsOf(), START);
  const watcher = before.decide((broker, turn) =>
    broker.attach(attachRequestOf("watcher", { peer: new Link() }), turn)
  );
  before.decide((broker, turn) => broker.subscribe(watcher, { packetId: 1, requests: [optionsOf("will")] }, turn));
  const request = { peer: new Link(), expirySeconds: 0, will: willOf("will", { qos: 1, delaySeconds: 60 }) };
  before.decide((broker, turn) => broker.attach(attachRequestOf("alice", request), turn));
  await before.commit();
  for (let start = 0; start < 2; start++) {
    const machine = await Machine.start(store, limitsOf(), START + 1_000);
    assert.equal(machine.broker.sessions.size, 1, "alice's session ended with the broker, and so her will is due");
    await machine.crash({ persisting: false });
  }
  assert.deepEqual((await store.load()).deliveries.length, 1);
});

Deno.test("a session's time goes on while the broker is down, and begins anew only once for one that was connected", async () => {
  const store = new MemoryStore();
  const before = await Machine.start(store, limitsOf(), START);
  for (const clientId of ["away", "connected"]) {
    const peer = new Link();
    before.decide((broker, turn) => {
      const session = broker.attach(attachRequestOf(clientId, { peer, expirySeconds: 60 }), turn);
      if (clientId === "away") broker.detach(session, { peer, cause: "connection-lost" }, turn);
    });
  }
  await before.commit();
  const sessionsAt = async (later: number) => (await Machine.start(store, limitsOf(), START + later)).broker.sessions;
  assert.equal((await sessionsAt(30_000)).size, 2);
  assert.deepEqual([...(await sessionsAt(61_000)).values()].map(({ clientId }) => clientId), ["connected"]);
  assert.equal((await sessionsAt(91_000)).size, 0, "it is gone since 30 s: the first start after the crash");
});

Deno.test("a message that expires while the broker is down is not delivered", async () => {
  const store = new MemoryStore();
  const before = await Machine.start(store, limitsOf(), START);
  const alice = new Client("alice", 10);
  alice.connect(before);
  alice.subscribe(before, "a", 1);
  await before.commit();
  alice.read(before, 10);
  await before.commit();
  alice.disconnect(before);
  before.decide((broker, turn) => {
    broker.publish(messageOf("a", { qos: 1, payload: "short", expiresAt: START + 5_000 }), null, turn);
    broker.publish(messageOf("a", { qos: 1, payload: "long", expiresAt: START + 50_000, retain: true }), null, turn);
    broker.publish(messageOf("b", { payload: "kept", expiresAt: START + 5_000, retain: true }), null, turn);
  });
  await before.commit();
  const machine = await Machine.start(store, limitsOf(), START + 5_000);
  assert.equal(machine.broker.retained.count, 1);
  alice.connect(machine);
  await machine.commit();
  alice.read(machine, 10);
  assert.deepEqual(alice.log.map(({ payload }) => payload), ["long"]);
});
