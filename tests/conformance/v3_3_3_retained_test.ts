/** MQTT 3.1.1, section 3.3.1.3: RETAIN. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { join, receiveMessages, retainedOf } from "./v3_packets.ts";

for (const qos of [0, 1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.3.1-5] a message retained with QoS ${qos} is stored with it for future subscribers`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await join(broker);
    await publisher.publish("a/b", "kept", { qos, retain: true });
    await publisher.disconnect();
    for (const filter of ["a/b", "a/+", "#"]) {
      const subscriber = await join(broker);
      await subscriber.subscribe(filter, { qos: 2 });
      const message = await subscriber.receive();
      assert.deepEqual([message.topic, message.payload.toString(), message.qos], ["a/b", "kept", qos]);
      await subscriber.expectNothing();
    }
  });
}

Deno.test("v3.1.1 [MQTT-3.3.1-6] a new subscription gets the last retained message of each topic that matches", async () => {
  await using broker = await TestBroker.start();
  const publisher = await join(broker);
  for (const topic of ["a", "a/b", "a/b/c", "b", "$a/b"]) {
    for (const text of ["old", "last"]) await publisher.publish(topic, text, { qos: 1, retain: true });
  }
  assert.deepEqual(await retainedOf(broker, "#"), ["a/b/c=last", "a/b=last", "a=last", "b=last"]);
  assert.deepEqual(await retainedOf(broker, "a/#"), ["a/b/c=last", "a/b=last", "a=last"]);
  assert.deepEqual(await retainedOf(broker, "+/+"), ["a/b=last"]);
  assert.deepEqual(await retainedOf(broker, "$a/+"), ["$a/b=last"]);
  assert.deepEqual(await retainedOf(broker, "c/#"), []);
});

Deno.test("v3.1.1 [MQTT-3.3.1-7] a retained QoS 0 message replaces what was retained before", async () => {
  await using broker = await TestBroker.start();
  const publisher = await join(broker);
  await publisher.publish("a", "old", { qos: 2, retain: true });
  await publisher.publish("a", "new", { qos: 0, retain: true });
  await publisher.expectNothing();
  const subscriber = await join(broker);
  await subscriber.subscribe("a", { qos: 2 });
  const message = await subscriber.receive();
  assert.deepEqual([message.payload.toString(), message.qos], ["new", 0]);
  await subscriber.expectNothing();
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.3.1-8] [MQTT-3.3.1-9] at QoS ${qos} RETAIN is 1 for a new subscription and 0 for an established one`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await join(broker);
    const established = await join(broker);
    await established.subscribe("a", { qos });
    await publisher.publish("a", "kept", { qos, retain: true });
    const live = await established.receive();
    assert.deepEqual([live.payload.toString(), live.retain], ["kept", false]);
    await publisher.expectNothing();
    const newcomer = await join(broker);
    await newcomer.subscribe("a", { qos });
    const kept = await newcomer.receive();
    assert.deepEqual([kept.payload.toString(), kept.retain], ["kept", true]);
    await publisher.publish("a", "again", { qos, retain: true });
    assert.equal((await newcomer.receive()).retain, false);
    await publisher.publish("a", "not kept", { qos });
    assert.equal((await newcomer.receive()).retain, false);
  });
}

Deno.test("v3.1.1 [MQTT-3.3.1-9] RETAIN is 0 for a message that waited for a client that was away", async () => {
  await using broker = await TestBroker.start();
  const before = await join(broker, { clientId: "c", clean: false });
  await before.subscribe("a", { qos: 1 });
  await before.disconnect();
  const publisher = await join(broker);
  await publisher.publish("a", "kept", { qos: 1, retain: true });
  const after = await join(broker, { clientId: "c", clean: false });
  assert.equal((await after.receive()).retain, false);
  await after.expectNothing();
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.3.1-10] an empty message with RETAIN 1 at QoS ${qos} is sent to subscribers and removes what is retained`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await join(broker);
    for (const topic of ["a", "b"]) await publisher.publish(topic, "kept", { qos: 1, retain: true });
    const subscriber = await join(broker);
    await subscriber.subscribe("a", { qos: 2 });
    assert.equal((await subscriber.receive()).payload.toString(), "kept");
    await publisher.publish("a", "", { qos, retain: true });
    const removal = await subscriber.receive();
    assert.deepEqual([removal.topic, removal.payload.length, removal.qos, removal.retain], ["a", 0, qos, false]);
    assert.deepEqual(await retainedOf(broker, "#"), ["b=kept"]);
  });
}

Deno.test("v3.1.1 [MQTT-3.3.1-11] an empty message is not retained where nothing was", async () => {
  await using broker = await TestBroker.start();
  const publisher = await join(broker);
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish("a", "", { qos, retain: true });
    await publisher.expectNothing();
    assert.deepEqual(await retainedOf(broker, "#"), []);
  }
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.3.1-12] a QoS ${qos} message with RETAIN 0 is not retained and leaves what is`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await join(broker);
    await publisher.publish("a", "kept", { qos: 1, retain: true });
    const subscriber = await join(broker);
    await subscriber.subscribe("#", { qos: 2 });
    await subscriber.receive();
    await publisher.publish("a", "passing", { qos });
    await publisher.publish("a", "", { qos });
    await publisher.publish("b", "passing", { qos });
    const seen = await receiveMessages(subscriber, 3);
    assert.deepEqual(seen.map(({ payload }) => payload.toString()), ["passing", "", "passing"]);
    assert.deepEqual(await retainedOf(broker, "#"), ["a=kept"]);
  });
}
