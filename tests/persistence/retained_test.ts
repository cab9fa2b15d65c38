/** Retained messages after a restart. */
import assert from "node:assert/strict";
import { committed, type DurableBroker, everyEnding, take, textOf, texts, untilTime } from "./durable_broker.ts";

/** What a client gets that comes now. */
async function retained(broker: DurableBroker, count: number): Promise<Record<string, string>> {
  const client = await broker.visitor();
  await client.subscribe("#", { qos: 1 });
  const messages = await take(client, count);
  assert.ok(messages.every(({ retain }) => retain));
  return Object.fromEntries(messages.map((message) => [message.topic, textOf(message)]));
}

everyEnding("topics keep the last message with its properties; one that was cleared keeps none", async (broker) => {
  const bob = await broker.visitor();
  const properties = { contentType: "text/plain", userProperties: { a: ["1", "2"], b: "3" } };
  for (let n = 0; n < 3; n++) await bob.publish("a", `${n}`, { qos: 1, retain: true });
  await bob.publish("b", "with properties", { qos: 2, retain: true, properties });
  await bob.publish("c", "to be cleared", { qos: 1, retain: true });
  await bob.publish("c", "", { qos: 1, retain: true });
  await bob.publish("d", "QoS 0", { retain: true });
  await committed(bob);
  await broker.restart();
  assert.deepEqual(await retained(broker, 3), { a: "2", b: "with properties", d: "QoS 0" });
  const carol = await broker.visitor();
  await carol.subscribe("b", { qos: 2 });
  const [message] = await take(carol, 1);
  assert.equal(message.properties?.contentType, "text/plain");
  assert.deepEqual({ ...message.properties?.userProperties }, properties.userProperties);
  const dave = await broker.visitor();
  await dave.publish("b", "", { qos: 1, retain: true });
  await broker.restart();
  assert.deepEqual(await retained(broker, 2), { a: "2", d: "QoS 0" });
});

everyEnding("the expiry of a retained message goes on while the broker is down and after", async (broker) => {
  const bob = await broker.visitor();
  for (const [topic, messageExpiryInterval] of [["short", 1], ["middle", 5], ["long", 100]] as const) {
    await bob.publish(topic, topic, { qos: 1, retain: true, properties: { messageExpiryInterval } });
  }
  const publishedAt = Date.now();
  await broker.end();
  await untilTime(publishedAt + 1_100);
  await broker.start();
  const carol = await broker.visitor();
  await carol.subscribe("#", { qos: 0 });
  const left = new Map<string, number>();
  for (let i = 0; i < 2; i++) {
    const { topic, properties } = await carol.receive();
    left.set(topic, properties!.messageExpiryInterval!);
  }
  assert.ok(left.get("middle")! <= 4 && left.get("long")! <= 99, `left: ${[...left]}`);
  await untilTime(publishedAt + 5_100);
  const late = await broker.visitor();
  await late.subscribe("#", { qos: 0 });
  assert.equal(textOf(await late.receive()), "long");
  await late.expectNothing();
});

everyEnding("a session that is offline has got what is retained no more", async (broker) => {
  const alice = await broker.connect("alice");
  await alice.subscribe("a", { qos: 1 });
  await alice.disconnect();
  const bob = await broker.visitor();
  await bob.publish("a", "first", { qos: 1, retain: true });
  await bob.publish("a", "", { qos: 1, retain: true });
  await bob.publish("a", "second", { qos: 1, retain: true });
  await broker.restart();
  assert.deepEqual(await retained(broker, 1), { a: "second" });
  const back = await broker.connect("alice");
  assert.deepEqual(await texts(back, 3), ["first", "", "second"]);
  assert.deepEqual(await retained(broker, 1), { a: "second" });
});
