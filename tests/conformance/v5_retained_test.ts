/** MQTT 5.0 section 3.3.1.3: RETAIN, Retain Handling, Retain As Published. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";

const LASTING = { sessionExpiryInterval: 300 };

Deno.test("[MQTT-3.3.1-5] a retained message is kept for later subscribers, and the next one replaces it, at any QoS", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const qos of [1, 0, 2, 1, 0] as const) {
    await publisher.publish("a", `qos ${qos}`, { retain: true, qos });
    await publisher.expectNothing();
    const message = await firstRetained(broker, "a");
    assert.deepEqual([message?.payload.toString(), message?.qos, message?.retain], [`qos ${qos}`, qos, true]);
  }
});

Deno.test("[MQTT-3.3.1-5] each topic keeps its own message, and properties replace properties", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  await publisher.publish("a", "old", { retain: true, qos: 1, properties: { contentType: "t", responseTopic: "r" } });
  await publisher.publish("b", "other", { retain: true, qos: 1 });
  await publisher.publish("a", "new", { retain: true, qos: 1, properties: { contentType: "u" } });
  const { payload, properties } = (await firstRetained(broker, "a"))!;
  assert.deepEqual([payload.toString(), { ...properties }], ["new", { contentType: "u" }]);
  assert.equal((await firstRetained(broker, "b"))?.payload.toString(), "other");
});

Deno.test("[MQTT-3.3.1-6] [MQTT-3.3.1-7] an empty retained message is delivered, removes what was kept, and is not kept", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const present = await broker.connect();
  await present.subscribe("a", { qos: 2, retainAsPublished: true });
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish("a", "kept", { retain: true, qos: 1 });
    await present.receive();
    await publisher.publish("a", "", { retain: true, qos, properties: { contentType: "still empty" } });
    const empty = await present.receive();
    assert.deepEqual([empty.payload.length, empty.retain, empty.qos], [0, true, qos]);
    assert.equal(await firstRetained(broker, "a"), undefined);
  }
});

Deno.test("[MQTT-3.3.1-6] an empty retained message where nothing was kept is answered like any other", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  assert.equal(await publisher.publish("a", "", { retain: true, qos: 1 }), 0x10);
  await publisher.subscribe("a");
  await publisher.expectNothing();
});

Deno.test("[MQTT-3.3.1-8] a message without RETAIN is not kept and leaves what is, also when it is empty", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  await publisher.publish("a", "not kept", { qos: 1 });
  assert.equal(await firstRetained(broker, "a"), undefined);
  await publisher.publish("a", "kept", { retain: true, qos: 1 });
  await publisher.publish("a", "passing", { qos: 2 });
  await publisher.publish("a", "", { qos: 1 });
  assert.equal((await firstRetained(broker, "a"))?.payload.toString(), "kept");
});

Deno.test("[MQTT-3.3.1-9] Retain Handling 0: every SUBSCRIBE gets the retained messages, the same filter again too", async () => {
  await using broker = await TestBroker.start();
  const client = await withRetained(broker);
  for (let round = 0; round < 3; round++) {
    await client.subscribe("a/+", { qos: 1, retainHandling: 0 });
    assert.deepEqual(await receiveTopics(client, 2), ["a/1", "a/2"]);
  }
});

Deno.test("[MQTT-3.3.1-10] Retain Handling 1: only a subscription that was not there gets the retained messages", async () => {
  await using broker = await TestBroker.start();
  const client = await withRetained(broker);
  await client.subscribe("a/+", { qos: 1, retainHandling: 1 });
  assert.deepEqual(await receiveTopics(client, 2), ["a/1", "a/2"]);
  await client.subscribe("a/+", { qos: 2, retainHandling: 1 });
  await client.expectNothing();
  await client.subscribe("a/1", { retainHandling: 1 }); // another filter, though the topic was covered
  assert.deepEqual(await receiveTopics(client, 1), ["a/1"]);
  await client.unsubscribe("a/+");
  await client.subscribe("a/+", { qos: 1, retainHandling: 1 });
  assert.deepEqual(await receiveTopics(client, 2), ["a/1", "a/2"]);
});

Deno.test("[MQTT-3.3.1-10] Retain Handling 1: a subscription of a resumed session was there", async () => {
  await using broker = await TestBroker.start();
  await (await broker.connect()).publish("a", "kept", { retain: true, qos: 1 });
  const before = await broker.connect({ clientId: "one", properties: LASTING });
  await before.subscribe("a", { retainHandling: 1 });
  await before.receive();
  await before.disconnect();
  const after = await broker.connect({ clientId: "one", clean: false });
  await after.expectNothing(); // resuming is not subscribing
  await after.subscribe("a", { retainHandling: 1 });
  await after.expectNothing();
});

Deno.test("[MQTT-3.3.1-11] Retain Handling 2: no retained messages, but what is published from now on", async () => {
  await using broker = await TestBroker.start();
  const client = await withRetained(broker);
  await client.subscribe("a/+", { retainHandling: 2 });
  await client.expectNothing();
  await (await broker.connect()).publish("a/1", "live", { retain: true });
  assert.equal((await client.receive()).payload.toString(), "live");
});

Deno.test("[MQTT-3.3.1-12] Retain As Published 0: RETAIN is 0 when a message is forwarded", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2, retainAsPublished: false });
  const publisher = await broker.connect();
  for (const retain of [true, false]) {
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish("a", "x", { retain, qos });
      assert.equal((await client.receive()).retain, false);
    }
  }
});

Deno.test("[MQTT-3.3.1-13] Retain As Published 1: RETAIN is as it was published", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2, retainAsPublished: true });
  const publisher = await broker.connect();
  for (const retain of [true, false]) {
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish("a", "x", { retain, qos });
      assert.equal((await client.receive()).retain, retain);
    }
  }
});

Deno.test("[MQTT-3.3.1-12] [MQTT-3.3.1-13] Retain As Published also counts for what waits for a session that is offline", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  for (const retainAsPublished of [false, true]) {
    const clientId = `${retainAsPublished}`;
    const before = await broker.connect({ clientId, properties: LASTING });
    await before.subscribe("a", { qos: 1, retainAsPublished, retainHandling: 2 });
    await before.disconnect();
    await publisher.publish("a", "x", { qos: 1, retain: true });
    const after = await broker.connect({ clientId, clean: false });
    assert.equal((await after.receive()).retain, retainAsPublished);
  }
});

Deno.test("MQTT5 3.3.1.3: a retained message that is sent for a subscription has RETAIN 1, whatever Retain As Published says", async () => {
  await using broker = await TestBroker.start();
  await (await broker.connect()).publish("a", "kept", { retain: true, qos: 2 });
  for (const retainAsPublished of [false, true]) {
    for (const qos of [0, 1, 2] as const) {
      const client = await broker.connect();
      await client.subscribe("a", { qos, retainAsPublished });
      const message = await client.receive();
      assert.deepEqual([message.retain, message.qos, message.dup], [true, qos, false]);
    }
  }
});

Deno.test("[MQTT-3.3.1-9] a SUBSCRIBE with several filters gets the retained messages of each", async () => {
  await using broker = await TestBroker.start();
  const client = await withRetained(broker);
  const subscriptions = [
    { topic: "a/1", qos: 0, rh: 0 },
    { topic: "b", qos: 0, rh: 2 },
    { topic: "a/#", qos: 1, rh: 1 },
    { topic: "none", qos: 0, rh: 0 },
  ] as const;
  await client.send({ cmd: "subscribe", messageId: 9, subscriptions: [...subscriptions] });
  await client.expect("suback");
  assert.deepEqual((await receiveTopics(client, 3)).sort(), ["a/1", "a/1", "a/2"]);
});

Deno.test("[MQTT-3.3.1-9] wildcards find the retained messages below, those of $ topics only by name", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const topics = ["$own/x", "/x", "x", "x/", "x/y", "x/y/z"];
  for (const topic of topics) await publisher.publish(topic, "kept", { retain: true, qos: 1 });
  const found = async (filter: string, count: number): Promise<string[]> => {
    const client = await broker.connect();
    await client.subscribe(filter);
    return (await receiveTopics(client, count)).sort();
  };
  assert.deepEqual(await found("#", 5), ["/x", "x", "x/", "x/y", "x/y/z"]);
  assert.deepEqual(await found("+/x", 1), ["/x"]);
  assert.deepEqual(await found("x/#", 4), ["x", "x/", "x/y", "x/y/z"]);
  assert.deepEqual(await found("x/+", 2), ["x/", "x/y"]);
  assert.deepEqual(await found("$own/#", 1), ["$own/x"]);
  assert.deepEqual(await found("$own/+", 1), ["$own/x"]);
});

Deno.test("MQTT5 4.8.2: a shared subscription gets no retained messages", async () => {
  await using broker = await TestBroker.start();
  const client = await withRetained(broker);
  await client.subscribe("$share/group/a/#");
  await client.expectNothing();
});

Deno.test("MQTT5 3.3.1.3: a message is kept though it reaches nobody, and its publisher is told so with 0x10", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  assert.equal(await publisher.publish("a", "kept", { retain: true, qos: 1 }), 0x10);
  assert.equal(await publisher.publish("b", "kept", { retain: true, qos: 2 }), 0x10);
  for (const topic of ["a", "b"]) assert.equal((await firstRetained(broker, topic))?.payload.toString(), "kept");
});

/** A new client on a broker that keeps `a/1`, `a/2` and `b`. */
async function withRetained(broker: TestBroker): Promise<TestClient> {
  const publisher = await broker.connect();
  for (const topic of ["a/1", "a/2", "b"]) await publisher.publish(topic, "kept", { retain: true, qos: 1 });
  return await broker.connect();
}

/** What a new subscriber to `topic` gets, and that it is not more than one message. */
async function firstRetained(broker: TestBroker, topic: string) {
  const client = await broker.connect();
  await client.subscribe(topic, { qos: 2 });
  await client.send({ cmd: "pingreq" });
  const packet = await client.next();
  if (packet?.cmd !== "publish") return undefined;
  await client.expect("pingresp");
  return packet;
}

/** The topics of the next messages, in order, and that there are no others. */
async function receiveTopics(client: TestClient, count: number): Promise<string[]> {
  const topics: string[] = [];
  for (let index = 0; index < count; index++) topics.push((await client.receive()).topic);
  await client.expectNothing();
  return topics;
}
