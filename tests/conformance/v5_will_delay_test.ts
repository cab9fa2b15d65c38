/** MQTT 5.0 sections 3.1.3.2.2 and 3.14.4: what becomes of a will when delay, expiry, takeover and DISCONNECT meet. */

import assert from "node:assert/strict";
import type { IConnectPacket } from "mqtt-packet";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable, secondsPassed, sessionEnded } from "../support/departure.ts";

type Will = NonNullable<IConnectPacket["will"]>;

/** A will to "will" that is published `delay` seconds after the end of the connection. */
function delayed(delay: number, changes: Partial<Omit<Will, "payload">> & { payload?: string } = {}): Will {
  const { payload = "gone", properties, ...rest } = changes;
  const all = { ...delay > 0 && { willDelayInterval: delay }, ...properties };
  return { topic: "will", qos: 1, retain: false, ...rest, payload: payload as never, properties: all } as Will;
}

/** A CONNECT with this will, for a session that lasts `seconds`. */
function lasting(clientId: string, seconds: number, will: Will) {
  return { clientId, clean: false, will, properties: { sessionExpiryInterval: seconds } };
}

/** A client that is subscribed to the topic of the wills. */
async function watching(broker: TestBroker): Promise<TestClient> {
  const client = await broker.connect();
  await client.subscribe("will", { qos: 2 });
  return client;
}

/** The arrival of the will. */
async function arrival(watcher: TestClient): Promise<void> {
  assert.equal((await watcher.receive()).payload.toString(), "gone");
}

/** The arrival of the will, a second or more after `since`. */
async function lateArrival(watcher: TestClient, since: number): Promise<void> {
  await arrival(watcher);
  const elapsed = performance.now() - since;
  assert.ok(elapsed > 980, `after ${elapsed} ms`);
}

Deno.test("[MQTT-3.1.2-8] the session's end comes before a longer delay: the will is published then, once", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 1, delayed(600)));
  const ended = sessionEnded(broker, "one");
  const since = performance.now();
  await drop(broker, client);
  await watcher.expectNothing();
  await lateArrival(watcher, since);
  await ended;
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] a delay that is shorter than the expiry: published after the delay, not again at the end", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 2, delayed(1)));
  const ended = sessionEnded(broker, "one");
  const kinds: string[] = [];
  broker.broker.watch(({ kind }) => kinds.push(kind));
  const since = performance.now();
  await drop(broker, client);
  await lateArrival(watcher, since);
  await ended;
  assert.deepEqual(kinds.filter((kind) => /will|ended/.test(kind)), ["will-published", "session-ended"]);
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] the delay counts from the end of the connection, not from its begin", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 300, delayed(1)));
  await secondsPassed(broker); // the delay does not run while the client is there
  const since = performance.now();
  await drop(broker, client);
  await watcher.expectNothing();
  await lateArrival(watcher, since);
});

Deno.test("[MQTT-3.1.2-8] DISCONNECT 0x04 keeps to the delay", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 300, delayed(1)));
  const since = performance.now();
  await client.disconnect(0x04);
  await watcher.expectNothing();
  await lateArrival(watcher, since);
});

Deno.test("[MQTT-3.1.2-8] DISCONNECT 0x04 that ends the session publishes the will at once", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 300, delayed(600)));
  await client.disconnect(0x04, { sessionExpiryInterval: 0 });
  await arrival(watcher);
});

Deno.test("[MQTT-3.1.2-8] DISCONNECT 0x04 with a shorter expiry brings the will forward", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 300, delayed(600)));
  const since = performance.now();
  await client.disconnect(0x04, { sessionExpiryInterval: 1 });
  await watcher.expectNothing();
  await lateArrival(watcher, since);
});

Deno.test("[MQTT-3.14.4-3] DISCONNECT 0x00 with an expiry of 0 ends the session and publishes no will", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect(lasting("one", 300, delayed(600)));
  await client.disconnect(0x00, { sessionExpiryInterval: 0 });
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.14.4-3] DISCONNECT 0x00 discards the will of this connection for good", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  await (await broker.connect(lasting("one", 300, delayed(0)))).disconnect();
  const again = await broker.connect(durable("one"));
  assert.equal(again.connack?.sessionPresent, true);
  await drop(broker, again);
  await broker.connect({ clientId: "one", clean: true });
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.3-9] a takeover with clean start 0 cancels a delayed will", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const first = await broker.connect(lasting("one", 300, delayed(1)));
  const second = await broker.connect(durable("one"));
  assert.equal(await first.expectClosed(), 0x8e);
  await secondsPassed(broker); // the delay of the first connection
  await watcher.expectNothing();
  await drop(broker, second);
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] a takeover with clean start 0 publishes a will without delay", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  await broker.connect(lasting("one", 300, delayed(0)));
  const second = await broker.connect(durable("one"));
  assert.equal(second.connack?.sessionPresent, true);
  await arrival(watcher);
  await watcher.expectNothing();
});

for (const delay of [0, 600]) {
  Deno.test(`[MQTT-3.1.2-8] a takeover with clean start 1 publishes a will with a delay of ${delay} s, once`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await watching(broker);
    const first = await broker.connect(lasting("one", 300, delayed(delay)));
    await broker.connect({ clientId: "one", clean: true });
    await arrival(watcher);
    assert.equal(await first.expectClosed(), 0x8e);
    await watcher.expectNothing();
  });
}

Deno.test("[MQTT-3.1.3-9] each time the client is back in time its will is kept back, and its last end counts", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  for (let i = 0; i < 3; i++) {
    const client = await broker.connect(lasting("one", 300, delayed(1, { payload: i === 2 ? "gone" : `${i}` })));
    await drop(broker, client);
  }
  await arrival(watcher);
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.2-10] a will that was published is not published again by the end of the session", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  await drop(broker, await broker.connect(lasting("one", 300, delayed(0))));
  await arrival(watcher);
  await broker.connect({ clientId: "one", clean: true });
  await watcher.expectNothing();
});

Deno.test("[MQTT-3.1.2-15] a delayed will with will retain is retained when it is published, not before", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  await drop(broker, await broker.connect(lasting("one", 300, delayed(1, { retain: true }))));
  const early = await broker.connect();
  await early.subscribe("will");
  await early.expectNothing();
  await arrival(watcher);
  assert.equal((await early.receive()).retain, false, "it was subscribed before");
  const late = await broker.connect();
  await late.subscribe("will");
  assert.equal((await late.receive()).retain, true);
});

Deno.test("[MQTT-3.1.3-10] a delayed will keeps its properties, all but the delay", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const properties = { contentType: "text/plain", responseTopic: "answer", userProperties: { a: ["1", "2"], b: "3" } };
  await drop(broker, await broker.connect(lasting("one", 300, delayed(1, { properties }))));
  const { properties: found } = await watcher.receive();
  assert.deepEqual({ ...found, userProperties: { ...found?.userProperties } }, properties);
});

Deno.test("[MQTT-3.1.2-7] a will waits for sessions that are away, and expires there if it has to", async () => {
  await using broker = await TestBroker.start();
  for (const clientId of ["soon", "late"]) {
    const client = await broker.connect(durable(clientId));
    await client.subscribe("will", { qos: 2 });
    await drop(broker, client);
  }
  await drop(broker, await broker.connect({ will: delayed(0, { qos: 2, properties: { messageExpiryInterval: 1 } }) }));
  const soon = await broker.connect(durable("soon"));
  const message = await soon.receive();
  assert.deepEqual([message.payload.toString(), message.qos, message.properties?.messageExpiryInterval], [
    "gone",
    2,
    1,
  ]);
  await secondsPassed(broker); // the expiry of the message
  await (await broker.connect(durable("late"))).expectNothing();
});

Deno.test("[MQTT-3.1.2-8] a will goes to one member of a shared group", async () => {
  await using broker = await TestBroker.start();
  const group = [await broker.connect(), await broker.connect()];
  for (const member of group) await member.subscribe("$share/g/will", { qos: 1 });
  for (let i = 0; i < 2; i++) await drop(broker, await broker.connect({ will: delayed(0) }));
  for (const member of group) {
    await arrival(member);
    await member.expectNothing();
  }
});

Deno.test("[MQTT-3.1.2-8] what a client published comes before its will", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  const client = await broker.connect({ will: delayed(0) });
  await client.publish("will", "last words", { qos: 1 });
  client.close();
  assert.equal((await watcher.receive()).payload.toString(), "last words");
  await arrival(watcher);
});

Deno.test("[MQTT-3.8.3-3] a client that comes back gets its own will, but not through a no-local subscription", async () => {
  await using broker = await TestBroker.start();
  const watcher = await watching(broker);
  for (const noLocal of [false, true]) {
    const clientId = `no-local ${noLocal}`;
    const client = await broker.connect(lasting(clientId, 300, delayed(0)));
    await client.subscribe("will", { qos: 1, noLocal });
    await drop(broker, client);
    await arrival(watcher);
    const back = await broker.connect(durable(clientId));
    if (noLocal) await back.expectNothing();
    else assert.equal((await back.receive()).payload.toString(), "gone");
    await back.unsubscribe("will");
  }
});
