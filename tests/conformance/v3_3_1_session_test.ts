/** MQTT 3.1.1, sections 3.1.2.4, 3.1.2.10 and 4.1: clean session, session state, keep alive. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { secondsPassed } from "../support/departure.ts";
import { join, publishBytes, receiveMessages, receivePayloads, retainedOf, will } from "./v3_packets.ts";

/** How a client leaves while its session stays. */
const FAREWELLS: Readonly<Record<string, (client: TestClient) => Promise<unknown>>> = {
  "said DISCONNECT": (client) => client.disconnect(),
  "broke the protocol": breakProtocol,
  "was cut off": (client) => Promise.resolve(client.close()),
};

async function breakProtocol(client: TestClient): Promise<void> {
  await client.sendBytes("f0 00");
  await client.expectClosed();
}

for (const [farewell, leave] of Object.entries(FAREWELLS)) {
  Deno.test(`v3.1.1 [MQTT-3.1.2-4] a client that ${farewell} and comes back with clean session 0 resumes its session`, async () => {
    await using broker = await TestBroker.start();
    const before = await join(broker, { clientId: "c", clean: false });
    await before.subscribe("a/+", { qos: 1 });
    await leave(before);
    const after = await join(broker, { clientId: "c", clean: false });
    const publisher = await join(broker);
    await publisher.publish("a/b", "by a subscription made before", { qos: 2 });
    const message = await after.receive();
    assert.deepEqual([message.payload.toString(), message.qos], ["by a subscription made before", 1]);
  });
}

Deno.test("v3.1.1 [MQTT-3.1.2-4] clean session 0 makes a new session when there is none", async () => {
  await using broker = await TestBroker.start();
  const other = await join(broker, { clientId: "other", clean: false });
  await other.subscribe("a");
  const client = await join(broker, { clientId: "c", clean: false });
  assert.equal(client.connack!.sessionPresent, false);
  await other.publish("a", "for the other");
  await other.receive();
  await client.expectNothing();
});

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.1.2-5] QoS ${qos} messages for a client that is away are stored and delivered when it is back`, async () => {
    await using broker = await TestBroker.start();
    const before = await join(broker, { clientId: "c", clean: false });
    await before.subscribe("a/#", { qos: 2 });
    await before.disconnect();
    const publisher = await join(broker);
    for (const payload of ["1", "2", "3"]) await publisher.publish("a/b", payload, { qos });
    await publisher.publish("b", "no subscription", { qos });
    const after = await join(broker, { clientId: "c", clean: false });
    const messages = await receiveMessages(after, 3);
    assert.deepEqual(messages.map(({ payload }) => payload.toString()), ["1", "2", "3"]);
    assert.ok(messages.every((message) => message.qos === qos && !message.dup));
    await after.expectNothing();
  });
}

Deno.test("v3.1.1 [MQTT-3.1.2-5] a stored message is delivered once, also over several absences", async () => {
  await using broker = await TestBroker.start();
  await (await subscribed(broker)).disconnect();
  const publisher = await join(broker);
  await publisher.publish("a", "1", { qos: 1 });
  const second = await join(broker, { clientId: "c", clean: false });
  assert.deepEqual(await receivePayloads(second, 1), ["1"]);
  await second.disconnect();
  await publisher.publish("a", "2", { qos: 1 });
  const third = await join(broker, { clientId: "c", clean: false });
  assert.deepEqual(await receivePayloads(third, 1), ["2"]);
  await third.expectNothing();
});

/** The client "c" with a session that lasts, subscribed to "a" at QoS 2. */
async function subscribed(broker: TestBroker): Promise<TestClient> {
  const client = await join(broker, { clientId: "c", clean: false });
  await client.subscribe("a", { qos: 2 });
  return client;
}

Deno.test("v3.1.1 [MQTT-3.1.2-6] clean session 1 discards subscriptions, stored messages and what is unacknowledged", async () => {
  await using broker = await TestBroker.start();
  const before = await subscribed(broker);
  const publisher = await join(broker);
  await publisher.publish("a", "unacknowledged", { qos: 2 });
  await before.receive({ acknowledge: false });
  await before.disconnect();
  await publisher.publish("a", "stored", { qos: 1 });
  const clean = await join(broker, { clientId: "c", clean: true });
  await publisher.publish("a", "live", { qos: 1 });
  await clean.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-6] the state of a session with clean session 1 is not used again", async () => {
  await using broker = await TestBroker.start();
  const before = await join(broker, { clientId: "c", clean: true });
  await before.subscribe("a", { qos: 1 });
  const publisher = await join(broker);
  await publisher.publish("a", "unacknowledged", { qos: 1 });
  await before.receive({ acknowledge: false });
  await breakProtocol(before);
  await publisher.publish("a", "away", { qos: 1 });
  const after = await join(broker, { clientId: "c", clean: false });
  assert.equal(after.connack!.sessionPresent, false);
  await publisher.publish("a", "live", { qos: 1 });
  await after.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-6] [MQTT-3.1.4-3] clean session 1 forgets identifiers of QoS 2 messages that wait for PUBREL", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("b", { qos: 2 });
  for (const clean of [false, true]) {
    const client = await join(broker, { clientId: "c", clean: false });
    await client.sendBytes(publishBytes(0x34, "b", { packetId: 9, payload: "first" }));
    await client.expect("pubrec");
    assert.equal((await watcher.receive()).payload.toString(), "first");
    await client.disconnect();
    const again = await join(broker, { clientId: "c", clean });
    await again.sendBytes(publishBytes(0x3c, "b", { packetId: 9, payload: "again" }));
    await again.expect("pubrec");
    if (clean) assert.equal((await watcher.receive()).payload.toString(), "again");
    await watcher.expectNothing();
    await again.send({ cmd: "pubrel", messageId: 9 });
    await again.expect("pubcomp");
    await again.disconnect();
  }
});

Deno.test("v3.1.1 [MQTT-3.1.4-3] clean session is processed at each CONNECT, also when it takes a connection over", async () => {
  await using broker = await TestBroker.start();
  const publisher = await join(broker);
  await subscribed(broker);
  const resumed = await join(broker, { clientId: "c", clean: false });
  await publisher.publish("a", "1", { qos: 1 });
  assert.deepEqual(await receivePayloads(resumed, 1), ["1"]);
  const clean = await join(broker, { clientId: "c", clean: true });
  await publisher.publish("a", "2", { qos: 1 });
  await clean.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-7] retained messages outlive the session of the client that published them", async () => {
  await using broker = await TestBroker.start();
  for (const clean of [true, false]) {
    const client = await join(broker, { clientId: "c", clean });
    await client.publish("kept", `${clean}`, { qos: 1, retain: true });
    await client.disconnect();
    assert.deepEqual(await retainedOf(broker, "kept"), [`kept=${clean}`]);
    await (await join(broker, { clientId: "c", clean: true })).disconnect(); // ends a session that lasts
    assert.deepEqual(await retainedOf(broker, "kept"), [`kept=${clean}`]);
  }
});

Deno.test("v3.1.1 [MQTT-3.1.3-2] sessions are told apart by the whole client identifier", async () => {
  await using broker = await TestBroker.start();
  const ids = ["client", "Client", "client ", "clien", "client/#"];
  for (const clientId of ids) {
    const client = await join(broker, { clientId, clean: false });
    assert.equal(client.connack!.sessionPresent, false, clientId);
    await client.subscribe(`to/${ids.indexOf(clientId)}`, { qos: 1 });
    await client.disconnect();
  }
  const publisher = await join(broker);
  for (const index of ids.keys()) await publisher.publish(`to/${index}`, `${index}`, { qos: 1 });
  for (const [index, clientId] of ids.entries()) {
    const client = await join(broker, { clientId, clean: false });
    assert.deepEqual(await receivePayloads(client, 1), [`${index}`]);
    await client.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-4.1.0-1] a session keeps subscriptions, messages both ways and what is queued over any number of connections", async () => {
  await using broker = await TestBroker.start();
  const first = await subscribed(broker);
  const publisher = await join(broker);
  await publisher.publish("a", "sent", { qos: 2 });
  const { messageId } = await first.receive({ acknowledge: false });
  await first.sendBytes(publishBytes(0x34, "b", { packetId: 77 }));
  await first.expect("pubrec");
  await first.disconnect();
  await publisher.publish("a", "queued", { qos: 2 });
  for (let i = 0; i < 3; i++) {
    const client = await join(broker, { clientId: "c", clean: false });
    assert.equal(client.connack!.sessionPresent, true);
    client.close();
  }
  await publisher.subscribe("b", { qos: 2 });
  const last = await join(broker, { clientId: "c", clean: false });
  const [again, queued] = await receiveMessages(last, 2);
  assert.deepEqual([again!.payload.toString(), again!.messageId, again!.dup], ["sent", messageId, true]);
  assert.equal(queued!.payload.toString(), "queued");
  await last.sendBytes(publishBytes(0x3c, "b", { packetId: 77 }));
  await last.expect("pubrec");
  await publisher.expectNothing(); // the identifier is known, the message was published before
});

Deno.test("v3.1.1 [MQTT-4.1.0-2] a session lasts as long as its connection, however soon it would expire without one", async () => {
  await using broker = await TestBroker.start({ limits: { sessionExpirySecondsV3: 1 } });
  const publisher = await join(broker);
  const client = await subscribed(broker);
  const clean = await join(broker);
  await clean.subscribe("a", { qos: 1 });
  await secondsPassed(broker, 2);
  await publisher.publish("a", "late", { qos: 1 });
  assert.deepEqual(await receivePayloads(client, 1), ["late"]);
  assert.deepEqual(await receivePayloads(clean, 1), ["late"]);
  const after = await join(broker, { clientId: "c", clean: false });
  assert.equal(after.connack!.sessionPresent, true);
});

Deno.test("v3.1.1 [MQTT-3.1.2-24] a client that is silent for one and a half keep alive periods is disconnected, as if the network had failed", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will");
  const client = await join(broker, { keepAlive: 1, will: will("will", "gone") });
  const heardAt = performance.now();
  await client.expectNothing();
  assert.equal(await client.expectClosed(), undefined);
  const silentMs = performance.now() - heardAt;
  assert.ok(silentMs >= 1_490, `closed after ${silentMs} ms`);
  assert.ok(silentMs < 3_000, `closed after ${silentMs} ms`);
  assert.equal((await watcher.receive()).payload.toString(), "gone");
});

/** How long the next two tests go on: the time is what they test. */
const STEPS = 5;
const STEP_MS = 500;

Deno.test("v3.1.1 [MQTT-3.1.2-24] any packet keeps a connection alive", async () => {
  await using broker = await TestBroker.start();
  const pinging = await join(broker, { keepAlive: 1 });
  const publishing = await join(broker, { keepAlive: 1 });
  for (let step = 0; step < STEPS; step++) {
    await pinging.expectNothing();
    await publishing.publish("b");
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  await pinging.expectNothing();
  await publishing.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-24] bytes of a packet that is never complete do not keep a connection alive", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker, { keepAlive: 1 });
  let isClosed = false;
  const closed = client.expectClosed().then(() => isClosed = true);
  const drip = [...publishBytes(0x30, "a", { payload: "never complete" })];
  for (let step = 0; step < STEPS; step++) {
    await client.sendBytes(Uint8Array.of(drip.shift()!)).catch(() => {}); // the end that is waited for
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  assert.ok(isClosed, "the connection is open after two and a half keep alive periods without a packet");
  await closed;
});
