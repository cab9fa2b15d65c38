import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable, pause, secondsPassed, sessionEnded } from "../support/departure.ts";

const FOREVER = 0xffff_ffff;

/** A CONNECT whose session lasts `seconds` after the connection. */
function lasting(clientId: string, seconds: number) {
  return durable(clientId, { properties: { sessionExpiryInterval: seconds } });
}

/** Whether a session of this client is there; looking at it makes it last. */
async function isPresent(broker: TestBroker, clientId: string): Promise<boolean> {
  const client = await broker.connect(durable(clientId));
  return client.connack!.sessionPresent;
}

/** Publishes `count` QoS 1 messages, "0" and up, and reads them without acknowledging; answers their packet ids. */
async function receiveUnacknowledged(subscriber: TestClient, publisher: TestClient, count: number): Promise<unknown[]> {
  const ids: unknown[] = [];
  for (let i = 0; i < count; i++) {
    await publisher.publish("a", `${i}`, { qos: 1 });
    ids.push((await subscriber.receive({ acknowledge: false })).messageId);
  }
  return ids;
}

Deno.test("[MQTT-4.1.0-1] the session state stays while the connection is open, however short its expiry", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(lasting("open", 1));
  await first.subscribe("a", { qos: 1 });
  await secondsPassed(broker); // its expiry would have ended it
  const publisher = await broker.connect();
  await publisher.publish("a", "m", { qos: 1 });
  assert.equal((await first.receive({ acknowledge: false })).payload.toString(), "m");
  await drop(broker, first);
  const second = await broker.connect(lasting("open", 1));
  assert.equal(second.connack?.sessionPresent, true);
  assert.equal((await second.receive()).payload.toString(), "m");
});

Deno.test("[MQTT-4.1.0-1] a session without expiry keeps its QoS state while the connection is open", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { receiveMaximum: 1 } });
  const publisher = await broker.connect();
  await client.subscribe("a", { qos: 2 });
  for (const payload of ["1", "2"]) await publisher.publish("a", payload, { qos: 2 });
  assert.equal((await client.receive()).payload.toString(), "1");
  assert.equal((await client.receive()).payload.toString(), "2");
});

Deno.test("[MQTT-4.1.0-1] the whole state outlives the connection: subscriptions, both directions, what waits", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("whole"));
  await first.subscribe("a", { qos: 2, identifier: 3, retainAsPublished: true });
  await publisher.publish("a", "sent", { qos: 2 });
  const { messageId } = await first.receive({ acknowledge: false });
  await first.send({ cmd: "publish", topic: "out", payload: "x", qos: 2, messageId: 77, dup: false, retain: false });
  await first.expect("pubrec");
  await drop(broker, first);
  await publisher.publish("a", "waits", { qos: 1, retain: true });
  const second = await broker.connect(durable("whole"));
  const again = await second.receive({ acknowledge: false });
  assert.deepEqual([again.payload.toString(), again.messageId, again.dup], ["sent", messageId, true]);
  const waiting = await second.receive();
  assert.deepEqual([waiting.payload.toString(), waiting.retain, waiting.dup], ["waits", true, false]);
  assert.deepEqual([waiting.properties?.subscriptionIdentifier].flat(), [3]);
  await second.send({ cmd: "pubrel", messageId: 77 });
  assert.equal((await second.expect("pubcomp")).reasonCode ?? 0, 0, "the id was remembered");
});

Deno.test("[MQTT-4.1.0-2] a session expires its interval after the connection is closed", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect(lasting("expires", 1));
  await client.subscribe("a", { qos: 1 });
  const ended = sessionEnded(broker, "expires");
  const start = performance.now();
  await drop(broker, client);
  await (await broker.connect()).publish("a", "lost", { qos: 1 });
  await ended;
  const elapsed = performance.now() - start;
  assert.ok(elapsed > 980, `it took ${elapsed} ms`);
  const again = await broker.connect(lasting("expires", 1));
  assert.equal(again.connack?.sessionPresent, false);
  await again.expectNothing();
  await (await broker.connect()).publish("a", "no subscription", { qos: 1 });
  await again.expectNothing();
});

Deno.test("[MQTT-4.1.0-2] a session without an interval ends with the connection", async () => {
  await using broker = await TestBroker.start();
  for (const properties of [{}, { sessionExpiryInterval: 0 }]) {
    const client = await broker.connect({ clientId: "brief", clean: false, properties });
    await drop(broker, client);
    assert.equal(await isPresent(broker, "brief"), false);
    await (await broker.connect({ clientId: "brief", clean: true })).disconnect();
  }
});

Deno.test("[MQTT-4.1.0-2] a session of 0xFFFFFFFF does not expire", async () => {
  await using broker = await TestBroker.start();
  await drop(broker, await broker.connect(lasting("ever", FOREVER)));
  const other = await broker.connect(lasting("other", 1));
  const ended = sessionEnded(broker, "other");
  await drop(broker, other);
  await ended;
  assert.equal(await isPresent(broker, "ever"), true);
});

Deno.test("[MQTT-4.1.0-2] coming back calls the expiry off, and the next one counts from the next end", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(lasting("back", 1));
  await drop(broker, first);
  const second = await broker.connect(lasting("back", 1));
  assert.equal(second.connack?.sessionPresent, true);
  await secondsPassed(broker); // the expiry that began when the first one went
  await second.expectNothing();
  const ended = sessionEnded(broker, "back");
  await drop(broker, second);
  await ended;
  assert.equal(await isPresent(broker, "back"), false);
});

Deno.test("[MQTT-4.1.0-2] the expiry of the latest CONNECT counts", async () => {
  await using broker = await TestBroker.start();
  await drop(broker, await broker.connect(lasting("less", FOREVER)));
  await drop(broker, await broker.connect({ clientId: "less", clean: false }));
  assert.equal(await isPresent(broker, "less"), false);
});

Deno.test("[MQTT-4.1.0-2] DISCONNECT may shorten the expiry, to 0 for one", async () => {
  await using broker = await TestBroker.start();
  await (await broker.connect(durable("cut"))).disconnect(0, { sessionExpiryInterval: 0 });
  assert.equal(await isPresent(broker, "cut"), false);
  const client = await broker.connect(lasting("cut to 1", FOREVER));
  const ended = sessionEnded(broker, "cut to 1");
  await client.disconnect(0, { sessionExpiryInterval: 1 });
  await ended;
  assert.equal(await isPresent(broker, "cut to 1"), false);
});

Deno.test("[MQTT-4.1.0-2] DISCONNECT may lengthen an expiry that is not 0", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect(lasting("longer", 1));
  await client.disconnect(0, { sessionExpiryInterval: 300 });
  const other = await broker.connect(lasting("other", 2));
  const ended = sessionEnded(broker, "other");
  await drop(broker, other);
  await ended;
  assert.equal(await isPresent(broker, "longer"), true);
});

Deno.test("[MQTT-4.1.0-2] DISCONNECT with an expiry where CONNECT had none is a protocol error (3.14.2.2.2)", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "none" });
  await client.send({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 5 } });
  assert.equal(await client.expectClosed(), 0x82);
  assert.equal(await isPresent(broker, "none"), false);
});

Deno.test("[MQTT-4.1.0-2] a clean start ends the session that was there", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("clean"));
  await first.subscribe("a", { qos: 1 });
  await drop(broker, first);
  await publisher.publish("a", "lost", { qos: 1 });
  const second = await broker.connect({ ...durable("clean"), clean: true });
  assert.equal(second.connack?.sessionPresent, false);
  await publisher.publish("a", "no subscription", { qos: 1 });
  await second.expectNothing();
});

Deno.test("[MQTT-4.4.0-1] unacknowledged messages come again after a reconnect, in order, with their ids and DUP", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("resend"));
  await first.subscribe("a", { qos: 1 });
  const ids = await receiveUnacknowledged(first, publisher, 4);
  await first.send({ cmd: "puback", messageId: ids[1] as number });
  await first.expectNothing();
  await drop(broker, first);
  const second = await broker.connect(durable("resend"));
  for (const i of [0, 2, 3]) {
    const again = await second.receive();
    assert.deepEqual([again.payload.toString(), again.messageId, again.dup], [`${i}`, ids[i], true]);
  }
  await second.expectNothing();
});

Deno.test("[MQTT-4.4.0-1] PUBLISH and PUBREL of QoS 2 come again as far as each had got", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("resend2"));
  await first.subscribe("a", { qos: 2 });
  for (const payload of ["published", "released"]) await publisher.publish("a", payload, { qos: 2 });
  const published = await first.receive({ acknowledge: false });
  const released = await first.receive({ acknowledge: false });
  await first.send({ cmd: "pubrec", messageId: released.messageId });
  await first.expect("pubrel");
  await drop(broker, first);
  const second = await broker.connect(durable("resend2"));
  const again = await second.expect("publish");
  assert.deepEqual([again.messageId, again.dup, again.payload.toString()], [published.messageId, true, "published"]);
  assert.equal((await second.expect("pubrel")).messageId, released.messageId);
  await second.expectNothing();
});

Deno.test("[MQTT-4.4.0-1] a message is sent again on every reconnect until it is acknowledged", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  let client = await broker.connect(durable("often"));
  await client.subscribe("a", { qos: 1 });
  const [id] = await receiveUnacknowledged(client, publisher, 1);
  for (let i = 0; i < 3; i++) {
    await drop(broker, client);
    client = await broker.connect(durable("often"));
    assert.equal((await client.receive({ acknowledge: false })).messageId, id);
  }
  await client.send({ cmd: "puback", messageId: id as number });
  await client.expectNothing();
  await drop(broker, client);
  await (await broker.connect(durable("often"))).expectNothing();
});

Deno.test("[MQTT-4.4.0-1] nothing is sent again on the same connection", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const client = await broker.connect(durable("patient"));
  await client.subscribe("a", { qos: 2 });
  await receiveUnacknowledged(client, publisher, 1);
  await publisher.publish("a", "two", { qos: 2 });
  const { messageId } = await client.receive({ acknowledge: false });
  await client.send({ cmd: "pubrec", messageId });
  await client.expect("pubrel");
  await pause(2_000); // a broker that repeats PUBREL by a timer would have done so
  await client.expectNothing();
});

Deno.test("[MQTT-4.4.0-1] a takeover is a reconnect, too", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("moves"));
  await first.subscribe("a", { qos: 1 });
  const ids = await receiveUnacknowledged(first, publisher, 2);
  const second = await broker.connect(durable("moves"));
  for (const id of ids) {
    const again = await second.receive();
    assert.deepEqual([again.messageId, again.dup], [id, true]);
  }
});

Deno.test("[MQTT-4.4.0-1] a clean start gets nothing again", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const first = await broker.connect(durable("fresh"));
  await first.subscribe("a", { qos: 1 });
  await receiveUnacknowledged(first, publisher, 2);
  await drop(broker, first);
  await (await broker.connect({ ...durable("fresh"), clean: true })).expectNothing();
});

for (const code of [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]) {
  Deno.test(`[MQTT-4.4.0-2] PUBACK 0x${code.toString(16)} ends the message: it is not sent again`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await broker.connect();
    const first = await broker.connect(durable("refuses"));
    await first.subscribe("a", { qos: 1 });
    const [messageId] = await receiveUnacknowledged(first, publisher, 1);
    await first.send({ cmd: "puback", messageId: messageId as number, reasonCode: code });
    await first.expectNothing();
    await drop(broker, first);
    await (await broker.connect(durable("refuses"))).expectNothing();
  });

  Deno.test(`[MQTT-4.4.0-2] PUBREC 0x${code.toString(16)} ends the message: no PUBREL, nothing again`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await broker.connect();
    const first = await broker.connect(durable("refuses2"));
    await first.subscribe("a", { qos: 2 });
    await publisher.publish("a", "m", { qos: 2 });
    const { messageId } = await first.receive({ acknowledge: false });
    await first.send({ cmd: "pubrec", messageId, reasonCode: code });
    await first.expectNothing();
    await drop(broker, first);
    await (await broker.connect(durable("refuses2"))).expectNothing();
  });
}

Deno.test("[MQTT-4.5.0-1] a message is added to every session with a matching subscription, connected or not", async () => {
  await using broker = await TestBroker.start();
  const [online, publisher] = [await broker.connect(), await broker.connect()];
  await online.subscribe("a/+", { qos: 1 });
  const offline = ["one", "two"];
  for (const [i, clientId] of offline.entries()) {
    const client = await broker.connect(durable(clientId));
    await client.subscribe(i === 0 ? "a/b" : "#", { qos: 2 });
    await drop(broker, client);
  }
  for (const qos of [1, 2] as const) await publisher.publish("a/b", `${qos}`, { qos });
  for (const qos of [1, 2]) assert.equal((await online.receive()).payload.toString(), `${qos}`);
  for (const clientId of offline) {
    const client = await broker.connect(durable(clientId));
    for (const qos of [1, 2]) {
      const message = await client.receive();
      assert.deepEqual([message.payload.toString(), message.qos, message.dup], [`${qos}`, qos, false]);
    }
    await client.expectNothing();
  }
});

Deno.test("[MQTT-4.5.0-1] a session that no subscription of matches gets nothing", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect(durable("elsewhere"));
  await client.subscribe("b", { qos: 1 });
  await drop(broker, client);
  assert.equal(await (await broker.connect()).publish("a", "m", { qos: 1 }), 0x10);
  await (await broker.connect(durable("elsewhere"))).expectNothing();
});
