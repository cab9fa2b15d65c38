/** Shared subscriptions with more waiting for a member than the broker keeps in memory. */
import assert from "node:assert/strict";
import { QUEUE_WINDOW_MESSAGES } from "../../src/core/delivery_queue.ts";
import type { TestClient } from "../support/client.ts";
import { committed, DurableBroker, everyEnding, publishNumbers, texts } from "./durable_broker.ts";

const COUNT = 3_000;

/** A member that takes part and acknowledges nothing, so that the queue grows. */
async function slowMember(broker: DurableBroker, sessionExpiryInterval: number): Promise<TestClient> {
  const member = await broker.connect("slow", { properties: { sessionExpiryInterval, receiveMaximum: 10 } });
  await member.subscribe("$share/g/a", { qos: 1 });
  const bob = await broker.visitor();
  await publishNumbers(bob, "a", { from: 0, to: COUNT });
  return member;
}

function inOrder(got: readonly string[]): number[] {
  return got.map(Number).sort((a, b) => a - b);
}

const ALL = Array.from({ length: COUNT }, (_, n) => n);

Deno.test("all that waits for a member of a shared group goes to another when the connection of the first is lost", async () => {
  await using broker = await DurableBroker.start("kill");
  const slow = await slowMember(broker, 300);
  const other = await broker.connect("other");
  await other.subscribe("$share/g/a", { qos: 1 });
  slow.close();
  assert.deepEqual(inOrder(await texts(other, COUNT)), ALL);
});

Deno.test("all that waits for a member of a shared group goes to another when the first one's session expires", async () => {
  await using broker = await DurableBroker.start("kill");
  const slow = await slowMember(broker, 1);
  slow.close();
  await committed(await broker.visitor());
  const other = await broker.connect("other");
  await other.subscribe("$share/g/a", { qos: 1 });
  assert.deepEqual(inOrder(await texts(other, COUNT)), ALL);
});

Deno.test("all that waits for a member of a shared group goes to another when the first one ends its session", async () => {
  await using broker = await DurableBroker.start("kill");
  const slow = await slowMember(broker, 300);
  const other = await broker.connect("other");
  await other.subscribe("$share/g/a", { qos: 1 });
  await slow.send({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
  assert.deepEqual(inOrder(await texts(other, COUNT)), ALL);
});

Deno.test("a member that starts anew gives on what is in memory; what only the store has goes with the session (decision 9)", async () => {
  await using broker = await DurableBroker.start("kill");
  await slowMember(broker, 300);
  const other = await broker.connect("other");
  await other.subscribe("$share/g/a", { qos: 1 });
  await broker.connect("slow", { clean: true });
  const inMemory = 10 + QUEUE_WINDOW_MESSAGES; // those in flight, and the window
  assert.deepEqual(inOrder(await texts(other, inMemory)), ALL.slice(0, inMemory));
});

everyEnding(
  "what waits for an offline member of a shared group is still its own after a restart, and not lost",
  async (broker) => {
    const slow = await slowMember(broker, 300);
    await committed(slow.version === 5 ? await broker.visitor() : slow);
    await broker.restart();
    const other = await broker.connect("other");
    await other.subscribe("$share/g/a", { qos: 1 });
    const bob = await broker.visitor();
    await publishNumbers(bob, "a", { from: COUNT, to: COUNT + 5 });
    const back = await broker.connect("slow");
    assert.deepEqual(inOrder(await texts(back, COUNT)), ALL);
    assert.deepEqual(inOrder(await texts(other, 5)), [0, 1, 2, 3, 4].map((n) => COUNT + n));
  },
);

everyEnding("what was handed on to another member is not delivered by both after a restart", async (broker) => {
  const slow = await broker.connect("slow", { properties: { sessionExpiryInterval: 300, receiveMaximum: 10 } });
  await slow.subscribe("$share/g/a", { qos: 1 });
  const bob = await broker.visitor();
  await publishNumbers(bob, "a", { from: 0, to: 500 });
  const other = await broker.connect("other", { properties: { sessionExpiryInterval: 300, receiveMaximum: 10 } });
  await other.subscribe("$share/g/a", { qos: 1 });
  slow.close();
  await other.receive({ acknowledge: false }); // it has been handed on
  await committed(bob);
  await broker.restart();
  const back = await broker.connect("slow");
  await committed(back);
  assert.deepEqual(inOrder(await texts(await broker.connect("other"), 500)), ALL.slice(0, 500));
});
