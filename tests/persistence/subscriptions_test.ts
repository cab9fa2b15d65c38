/** Subscriptions and their options after a restart. */
import assert from "node:assert/strict";
import { everyEnding, take, textOf, texts } from "./durable_broker.ts";

everyEnding("every option of a subscription is as it was", async (broker) => {
  const alice = await broker.connect("alice");
  await alice.subscribe("plain", { qos: 0 });
  await alice.subscribe("one", { qos: 1, identifier: 1 });
  await alice.subscribe("two", { qos: 2, identifier: 268_435_455 });
  await alice.subscribe("kept/+", { qos: 2, retainAsPublished: true });
  await alice.subscribe("own", { qos: 1, noLocal: true });
  await alice.subscribe("$share/g/shared/#", { qos: 1, identifier: 5 });
  await broker.restart();

  const back = await broker.connect("alice");
  assert.equal(back.connack?.sessionPresent, true);
  const bob = await broker.visitor();
  for (const topic of ["plain", "one", "two", "kept/x", "shared/a/b"]) {
    await bob.publish(topic, topic, { qos: 2, retain: topic !== "plain" });
  }
  const shown = (await take(back, 5)).map(({ topic, qos, retain, properties }) => {
    return [topic, qos, retain, properties?.subscriptionIdentifier];
  });
  assert.deepEqual(shown, [
    ["plain", 0, false, undefined],
    ["one", 1, false, 1],
    ["two", 2, false, 268_435_455],
    ["kept/x", 2, true, undefined],
    ["shared/a/b", 1, false, 5],
  ]);
  await back.publish("own", "mine", { qos: 1 });
  await bob.publish("own", "theirs", { qos: 1 });
  assert.equal(textOf(await back.receive()), "theirs");
});

everyEnding(
  "overlapping subscriptions keep their identifiers, and one that was given up stays given up",
  async (broker) => {
    const alice = await broker.connect("alice");
    await alice.subscribe("a/#", { qos: 1, identifier: 3 });
    await alice.subscribe("a/+", { qos: 2, identifier: 4 });
    await alice.subscribe("gone", { qos: 1 });
    await alice.unsubscribe("gone");
    await alice.subscribe("a/#", { qos: 0, identifier: 9 }); // in place of the first
    await broker.restart();
    const back = await broker.connect("alice");
    const bob = await broker.visitor();
    await bob.publish("gone", "x", { qos: 1 });
    await bob.publish("a/b", "x", { qos: 2 });
    const { topic, qos, properties } = await back.receive();
    assert.deepEqual([topic, qos], ["a/b", 2]);
    assert.deepEqual([properties?.subscriptionIdentifier].flat().sort(), [4, 9]);
  },
);

everyEnding("to subscribe again with retain handling 1 is not new after a restart", async (broker) => {
  const bob = await broker.visitor();
  await bob.publish("a", "kept", { qos: 1, retain: true });
  const alice = await broker.connect("alice");
  await alice.subscribe("a", { qos: 1, retainHandling: 1 });
  assert.deepEqual(await texts(alice, 1), ["kept"]);
  await broker.restart();
  const back = await broker.connect("alice");
  await back.subscribe("a", { qos: 1, retainHandling: 1 });
  await back.expectNothing();
  await back.subscribe("a", { qos: 1, retainHandling: 0 });
  assert.equal(textOf(await back.receive()), "kept");
});

everyEnding("sessions of both versions go on side by side, and one may change its version", async (broker) => {
  const old = await broker.connect("old", { version: 4 });
  await old.subscribe("a/#", { qos: 1 });
  const recent = await broker.connect("recent");
  await recent.subscribe("a/#", { qos: 2, identifier: 8, retainAsPublished: true });
  await broker.restart();
  const bob = await broker.visitor({ version: 4 });
  const properties = { userProperties: { k: ["v", "w"] }, contentType: "text/plain" };
  const carol = await broker.visitor();
  await bob.publish("a/1", "from v3", { qos: 2 });
  await carol.publish("a/2", "from v5", { qos: 2, properties });
  await broker.restart();
  const oldBack = await broker.connect("old", { version: 5 });
  const recentBack = await broker.connect("recent", { version: 4 });
  assert.deepEqual([oldBack.connack?.sessionPresent, recentBack.connack?.sessionPresent], [true, true]);
  const [first, second] = await take(oldBack, 2);
  assert.deepEqual([textOf(first), second.qos, second.properties?.contentType], ["from v3", 1, "text/plain"]);
  assert.deepEqual({ ...second.properties?.userProperties }, properties.userProperties);
  assert.deepEqual(await texts(recentBack, 2), ["from v3", "from v5"]);
});
