import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Packet } from "mqtt-packet";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { HandStore } from "./hand_store.ts";
import { inTime, Marker, nextText, turns, until } from "./waiting.ts";

/** A broker on a store of which each commit waits for the test, with a durable session "sleeper" that has subscribed to "d/#" with
 * QoS 2 and is offline. */
async function withSleeper(): Promise<{ broker: TestBroker; store: HandStore; marker: Marker } & AsyncDisposable> {
  const store = new HandStore();
  store.isFast = true;
  const broker = await TestBroker.start({ store });
  const sleeper = await broker.connect({ clientId: "sleeper", properties: { sessionExpiryInterval: 3600 } });
  await sleeper.subscribe("d/#", { qos: 2 });
  await sleeper.disconnect();
  store.isFast = false;
  return {
    broker,
    store,
    marker: new Marker(broker.broker),
    async [Symbol.asyncDispose]() {
      store.release();
      await broker[Symbol.asyncDispose]();
    },
  };
}

/** The next packet as a promise, and whether it has come. */
function awaited(client: TestClient): { packet: Promise<Packet | undefined>; hasCome: boolean } {
  const state = { packet: client.next(), hasCome: false };
  state.packet.then(() => state.hasCome = true, () => {});
  return state;
}

Deno.test("CONNACK of a durable session comes after the commit, that of another needs none", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  await broker.connect(); // a session that is not stored
  assert.equal(store.pendingCount, 0);
  const client = await broker.open();
  await client.send(client.connectPacket({ clientId: "durable", properties: { sessionExpiryInterval: 60 } }));
  const connack = awaited(client);
  const commit = await store.nextCommit();
  assert.deepEqual(commit.mutations.map(({ kind }) => kind), ["session-saved"]);
  await turns();
  assert.equal(connack.hasCome, false);
  commit.finish();
  assert.equal((await connack.packet)?.cmd, "connack");
});

Deno.test("packets that come right behind a CONNECT whose session is being stored are answered after CONNACK", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const client = await broker.open();
  await client.send(client.connectPacket({ clientId: "hurry", properties: { sessionExpiryInterval: 60 } }));
  await client.send({
    cmd: "subscribe",
    messageId: 3,
    subscriptions: [{ topic: "d/x", qos: 1, nl: false, rap: false, rh: 0 }],
  });
  await client.send({ cmd: "pingreq" });
  const first = awaited(client);
  const saved = await store.nextCommit();
  await turns();
  assert.equal(first.hasCome, false);
  saved.finish();
  assert.equal((await first.packet)?.cmd, "connack");
  const subscribed = await store.nextCommit();
  assert.deepEqual(subscribed.mutations.map(({ kind }) => kind), ["subscribed"]);
  subscribed.finish();
  await client.expect("suback");
  await client.expect("pingresp");
});

Deno.test("PINGRESP waits for the answers to what its client sent before, not for those of others", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const publisher = await broker.connect();
  const other = await broker.connect();
  for (const qos of [1, 2] as const) {
    await publisher.send({
      cmd: "publish",
      topic: "d/x",
      payload: "kept",
      qos,
      messageId: qos,
      retain: false,
      dup: false,
    });
    await publisher.send({ cmd: "pingreq" });
    const first = awaited(publisher);
    const commit = await store.nextCommit();
    await other.send({ cmd: "pingreq" });
    await other.expect("pingresp");
    await turns();
    assert.equal(first.hasCome, false);
    commit.finish();
    assert.equal((await first.packet)?.cmd, qos === 1 ? "puback" : "pubrec");
    await publisher.expect("pingresp");
  }
});

Deno.test("what came before DISCONNECT is answered after the commit, and then the connection ends", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const client = await broker.connect();
  await client.send({ cmd: "publish", topic: "d/x", payload: "", qos: 1, messageId: 7, retain: false, dup: false });
  await client.send({ cmd: "disconnect" });
  const first = awaited(client);
  const commit = await store.nextCommit();
  await turns();
  assert.equal(first.hasCome, false);
  commit.finish();
  assert.equal((await first.packet)?.cmd, "puback");
  assert.equal(await client.next(), undefined, "the broker closes");
});

Deno.test("SUBACK and UNSUBACK of a durable session come after the commit", async () => {
  await using scene = await withSleeper();
  const { broker, store, marker } = scene;
  const client = await broker.open();
  await client.send(client.connectPacket({ clientId: "durable", properties: { sessionExpiryInterval: 60 } }));
  (await store.nextCommit()).finish();
  await client.expect("connack");
  await client.send({
    cmd: "subscribe",
    messageId: 1,
    subscriptions: [{ topic: "s", qos: 1, nl: false, rap: false, rh: 0 }],
  });
  const subscribed = await store.nextCommit();
  const suback = await marker.unanswered(client);
  subscribed.finish();
  assert.deepEqual((await suback.expect("suback")).granted, [1]);
  await client.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: ["s"] });
  const unsubscribed = await store.nextCommit();
  assert.deepEqual(unsubscribed.mutations.map(({ kind }) => kind), ["unsubscribed"]);
  const unsuback = await marker.unanswered(client);
  unsubscribed.finish();
  await unsuback.expect("unsuback");
});

for (const version of [4, 5] as const) {
  Deno.test(`v${version}: PUBACK and PUBREC for a stored message come after the commit`, async () => {
    await using scene = await withSleeper();
    const { broker, store, marker } = scene;
    const publisher = await broker.connect({ version });
    for (const qos of [1, 2] as const) {
      const messageId = publisher.nextPacketId();
      await publisher.send({ cmd: "publish", topic: "d/1", payload: "x", qos, messageId, dup: false, retain: false });
      const commit = await store.nextCommit();
      assert.deepEqual(commit.mutations.map(({ kind }) => kind), ["body-stored", "delivery-stored"]);
      const answer = await marker.unanswered(publisher);
      commit.finish();
      assert.equal((await answer.expect(qos === 1 ? "puback" : "pubrec")).messageId, messageId);
    }
    await publisher.send({ cmd: "pubrel", messageId: 2 });
    await publisher.expect("pubcomp");
  });
}

Deno.test("PUBACK of a retained message comes after the commit, though nobody subscribes", async () => {
  await using scene = await withSleeper();
  const { broker, store, marker } = scene;
  const publisher = await broker.connect();
  await publisher.send({ cmd: "publish", topic: "r", payload: "x", qos: 1, messageId: 1, dup: false, retain: true });
  const commit = await store.nextCommit();
  assert.deepEqual(commit.mutations.map(({ kind }) => kind), ["body-stored", "retained-set"]);
  const puback = await marker.unanswered(publisher);
  commit.finish();
  await puback.expect("puback");
});

Deno.test("QoS 0 between live clients does not wait for a commit", async () => {
  await using scene = await withSleeper();
  const { broker, store, marker } = scene;
  const [publisher, subscriber] = [await broker.connect(), await broker.connect()];
  await subscriber.subscribe("live");
  const program = broker.broker.subscribe("live").getReader();
  const commits = store.commits;
  await publisher.publish("live", "no commit");
  assert.equal((await subscriber.receive()).payload.toString(), "no commit");
  assert.equal(store.commits, commits);
  await publisher.send({ cmd: "publish", topic: "d/1", payload: "x", qos: 1, messageId: 1, dup: false, retain: false });
  const commit = await store.nextCommit(); // from here on the disk is busy
  await publisher.publish("live", "beside one");
  assert.equal((await subscriber.receive()).payload.toString(), "beside one");
  for (const expected of ["no commit", "beside one"]) assert.equal(await nextText(program), expected);
  const puback = await marker.unanswered(publisher);
  commit.finish();
  await puback.expect("puback");
});

Deno.test("QoS 0 to a live client does not wait, though the same message is stored for another session", async () => {
  await using scene = await withSleeper();
  const { broker, store, marker } = scene;
  const [publisher, subscriber] = [await broker.connect(), await broker.connect()];
  await subscriber.subscribe("d/1", { qos: 0 });
  await publisher.send({ cmd: "publish", topic: "d/1", payload: "x", qos: 1, messageId: 1, dup: false, retain: false });
  const commit = await store.nextCommit();
  assert.equal((await subscriber.receive()).qos, 0);
  const puback = await marker.unanswered(publisher);
  commit.finish();
  await puback.expect("puback");
});

Deno.test("group commit: what comes during a slow commit shares the next one", async () => {
  await using scene = await withSleeper();
  const { broker, store, marker } = scene;
  const publishers = await Promise.all(Array.from({ length: 5 }, () => broker.connect()));
  const publish = (client: TestClient, messageId: number) =>
    client.send({
      cmd: "publish",
      topic: `d/${messageId}`,
      payload: "x",
      qos: 1,
      messageId,
      dup: false,
      retain: false,
    });
  await publish(publishers[0], 1);
  const first = await store.nextCommit();
  for (let messageId = 2; messageId <= 11; messageId++) {
    for (const publisher of publishers) await publish(publisher, messageId);
  }
  const answers = [];
  for (const publisher of publishers) answers.push(await marker.unanswered(publisher)); // all has been read
  assert.equal(store.pendingCount, 0, "one commit at a time");
  first.finish();
  assert.equal((await answers[0].expect("puback")).messageId, 1);
  const second = await store.nextCommit();
  assert.equal(second.mutations.filter(({ kind }) => kind === "delivery-stored").length, 50);
  answers[0] = await marker.unanswered(publishers[0]);
  second.finish();
  for (const [index, publisher] of publishers.entries()) {
    assert.equal((await answers[index].expect("puback")).messageId, 2);
    for (let messageId = 3; messageId <= 11; messageId++) {
      assert.equal((await publisher.expect("puback")).messageId, messageId);
    }
  }
  assert.equal(store.pendingCount, 0);
});

Deno.test("mutations are plain data in the order of the decisions", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const publisher = await broker.connect();
  for (const [index, payload] of ["one", "two"].entries()) {
    await publisher.send({
      cmd: "publish",
      topic: "d/1",
      payload,
      qos: 1,
      messageId: index + 1,
      dup: false,
      retain: false,
    });
  }
  const commits = [await store.nextCommit()];
  if (commits[0].mutations.length < 4) { // two chunks
    commits[0].finish();
    commits.push(await store.nextCommit());
  }
  const texts = commits.flatMap(({ mutations }) => mutations).flatMap((mutation) =>
    mutation.kind === "body-stored" ? [new TextDecoder().decode(mutation.payload)] : []
  );
  assert.deepEqual(texts, ["one", "two"]);
  commits.at(-1)!.finish();
  await publisher.expect("puback");
  await publisher.expect("puback");
});

Deno.test("the program's publish resolves after the commit", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  let isStored = false;
  const published = broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 }).then(() => isStored = true);
  const commit = await store.nextCommit();
  await turns();
  assert.equal(isStored, false);
  commit.finish();
  await inTime(published, "publish");
});

Deno.test("the program's publish during a commit resolves after its own, not before", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const done: string[] = [];
  const first = broker.broker.publish({ topic: "d/1", payload: "1", qos: 1 }).then(() => done.push("first"));
  const commit = await store.nextCommit();
  const second = broker.broker.publish({ topic: "d/2", payload: "2", qos: 1 }).then(() => done.push("second"));
  commit.finish();
  await inTime(first, "publish");
  const next = await store.nextCommit();
  await turns();
  assert.deepEqual(done, ["first"]);
  next.finish();
  await inTime(second, "publish");
});

Deno.test("a happening is told after the commit", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const kinds: string[] = [];
  broker.broker.watch(({ kind }) => kinds.push(kind));
  const client = await broker.open();
  await client.send(client.connectPacket({ clientId: "durable", properties: { sessionExpiryInterval: 60 } }));
  const commit = await store.nextCommit();
  await turns();
  assert.deepEqual(kinds, []);
  commit.finish();
  await client.expect("connack");
  assert.deepEqual(kinds, ["session-created", "client-connected"]);
});

Deno.test("what a watcher publishes comes after all that was committed with what it heard of", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const reader = await broker.connect();
  await reader.subscribe("r/#", { qos: 1 });
  broker.broker.watch((happening) => {
    if (happening.kind !== "message-retained" || happening.message.topic.name !== "r/1") return;
    void broker.broker.publish({ topic: "r/echo", payload: "", qos: 1 });
  });
  const publish = (topic: string) => broker.broker.publish({ topic, payload: "x", qos: 1, retain: true });
  void broker.broker.publish({ topic: "d/first", payload: "x", qos: 1 });
  const first = await store.nextCommit();
  const both = [publish("r/1"), publish("r/2")]; // they wait for the first, and share the commit after it
  first.finish();
  (await store.nextCommit()).finish();
  await inTime(Promise.all(both), "publish");
  const topics = [await reader.receive(), await reader.receive(), await reader.receive()].map(({ topic }) => topic);
  assert.deepEqual(topics, ["r/1", "r/2", "r/echo"]);
});

Deno.test("a store without room is told once, and its having room again", async () => {
  const store = new HandStore();
  store.isFast = true;
  await using broker = await TestBroker.start({ store });
  const kinds: string[] = [];
  broker.broker.watch(({ kind }) => kind.startsWith("store-") && kinds.push(kind));
  store.isFull = true;
  await until(() => kinds.length > 0, "store-full");
  await assert.rejects(broker.broker.publish({ topic: "r", payload: "x", qos: 1, retain: true }), /full/);
  store.isFull = false;
  await until(() => kinds.length > 1, "store-has-room");
  await broker.broker.publish({ topic: "r", payload: "x", qos: 1, retain: true });
  assert.deepEqual(kinds, ["store-full", "store-has-room"]);
});

Deno.test("stop waits for the commit under way, and closes the store after it", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  void broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 });
  const commit = await store.nextCommit();
  const stopped = broker.broker.stop();
  await turns();
  assert.equal(store.isClosed, false);
  commit.finish();
  await inTime(stopped, "stop");
  assert.equal(store.isClosed, true);
});

Deno.test("what was acknowledged is there after a restart on the same store", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  store.isFast = true;
  const publisher = await broker.connect();
  for (const qos of [1, 2] as const) await publisher.publish("d/1", `qos ${qos}`, { qos, retain: qos === 2 });
  await publisher.disconnect();
  await broker.broker.stop();
  store.isClosed = false;
  await using again = await TestBroker.start({ store });
  const sleeper = await again.connect({ clientId: "sleeper", clean: false });
  assert.equal(sleeper.connack!.sessionPresent, true);
  assert.equal((await sleeper.receive()).payload.toString(), "qos 1");
  assert.equal((await sleeper.receive()).payload.toString(), "qos 2");
  const messages = again.broker.subscribe("d/+").getReader();
  assert.equal(await nextText(messages), "qos 2");
});

Deno.test("a subscription of the program gets QoS 0 during a commit, though it is newer than that", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const publisher = await broker.connect();
  void broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 });
  const commit = await store.nextCommit();
  const messages = broker.broker.subscribe("live").getReader();
  await publisher.publish("live", "no promise hangs on this");
  assert.equal(await nextText(messages), "no promise hangs on this");
  commit.finish();
});

Deno.test("the store is never asked to commit nothing", async () => {
  await using scene = await withSleeper();
  const { broker, store, marker } = scene;
  const publisher = await broker.connect();
  void broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 });
  const commit = await store.nextCommit();
  await marker.passed(publisher); // QoS 0, said already
  const pong = publisher.next(); // said after the commit, and not written
  await publisher.send({ cmd: "pingreq" });
  await marker.passed(publisher);
  commit.finish();
  assert.equal((await pong)?.cmd, "pingresp");
  await turns();
  assert.equal(store.emptyCommits, 0);
});

Deno.test("who has lost its session to another connection does nothing to it any more, nor to one that has ended", async () => {
  for (const sessionExpiryInterval of [0, 60]) {
    await using scene = await withSleeper();
    const { broker, store } = scene;
    store.isFast = true;
    const former = await broker.connect({ clientId: "x", properties: { sessionExpiryInterval } });
    store.isFast = false;
    const next = await broker.open();
    await next.send(next.connectPacket({ clientId: "x", clean: false, properties: { sessionExpiryInterval: 60 } }));
    const taken = await store.nextCommit();
    await former.send({
      cmd: "subscribe",
      messageId: 3,
      subscriptions: [{ topic: "own/#", qos: 0, nl: false, rap: false, rh: 0 }],
    });
    await turns();
    store.release();
    taken.finish();
    await former.expect("disconnect");
    await next.expect("connack");
    const publisher = await broker.connect();
    assert.equal(await publisher.publish("own/1", "", { qos: 1 }), 0x10, "nobody has subscribed to it");
  }
});

Deno.test("while so much waits for the disk that a client is not read it is not cut for its silence", async () => {
  await using scene = await withSleeper();
  const { broker, store } = scene;
  const client = await broker.connect({ keepAlive: 1 });
  for (let messageId = 1; messageId <= 6; messageId++) {
    const payload = Buffer.alloc(1_000_000);
    await client.send({ cmd: "publish", topic: "d/1", payload, qos: 1, messageId, dup: false, retain: false });
  }
  const commit = await store.nextCommit();
  for (let i = 0; i < 5; i++) { // here time itself is the condition
    await new Promise((resolve) => setTimeout(resolve, 500));
    await client.send({ cmd: "pingreq" });
  }
  store.release();
  commit.finish();
  for (let i = 0; i < 6; i++) await client.expect("puback");
  await client.expect("pingresp");
});
