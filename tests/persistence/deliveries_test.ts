/** What is on its way to a client, or from it, when the broker goes. */
import assert from "node:assert/strict";
import type { TestClient } from "../support/client.ts";
import { committed, type DurableBroker, everyEnding, textOf, texts, untilTime } from "./durable_broker.ts";

everyEnding("a session that is offline goes on collecting after a restart, before it has come back", async (broker) => {
  const alice = await broker.connect("alice");
  await alice.subscribe("a", { qos: 2 });
  await alice.disconnect();
  for (const text of ["before 1", "before 2"]) {
    const bob = await broker.visitor();
    await bob.publish("a", text, { qos: 2 });
    await broker.restart();
  }
  const bob = await broker.visitor();
  await bob.publish("a", "after", { qos: 1 });
  const back = await broker.connect("alice");
  assert.equal(back.connack?.sessionPresent, true);
  assert.deepEqual(await texts(back, 3), ["before 1", "before 2", "after"]);
});

everyEnding("QoS 1 that was not acknowledged comes again with DUP and its packet id, in order", async (broker) => {
  const { client: alice } = await subscribed(broker, 1);
  const sent = [await alice.receive({ acknowledge: false }), await alice.receive({ acknowledge: false })];
  await alice.receive();
  await committed(alice);
  await broker.restart();
  const back = await broker.connect("alice");
  const again = [await back.receive(), await back.receive()];
  const view = (each: typeof sent) => each.map((packet) => [packet.messageId, textOf(packet), packet.qos]);
  assert.deepEqual(view(again), view(sent));
  assert.deepEqual(again.map(({ dup }) => dup), [true, true]);
  await back.expectNothing();
});

everyEnding("QoS 2 goes on in each state: PUBLISH sent, PUBREC received, PUBREL sent", async (broker) => {
  const { client: alice } = await subscribed(broker, 2);
  const first = await alice.expect("publish"); // and no PUBREC
  const second = await alice.expect("publish");
  const third = await alice.expect("publish");
  await alice.send({ cmd: "pubrec", messageId: second.messageId }); // and no PUBCOMP
  await alice.expect("pubrel");
  await alice.send({ cmd: "pubrec", messageId: third.messageId });
  await alice.expect("pubrel");
  await alice.send({ cmd: "pubcomp", messageId: third.messageId });
  await committed(alice);
  await broker.restart();
  const back = await broker.connect("alice");
  const again = await back.expect("publish");
  assert.deepEqual([again.messageId, again.dup, textOf(again)], [first.messageId, true, textOf(first)]);
  assert.equal((await back.expect("pubrel")).messageId, second.messageId);
  await back.send({ cmd: "pubcomp", messageId: second.messageId });
  await back.send({ cmd: "pubrec", messageId: again.messageId });
  assert.equal((await back.expect("pubrel")).messageId, again.messageId);
  await back.send({ cmd: "pubcomp", messageId: again.messageId });
  await committed(back);
  await broker.restart();
  await (await broker.connect("alice")).expectNothing();
});

everyEnding(
  "new messages after a restart take packet ids that are not in use, and come after the old ones",
  async (broker) => {
    const { client: alice } = await subscribed(broker, 1, { properties: { receiveMaximum: 2 } });
    const sent = [await alice.receive({ acknowledge: false }), await alice.receive({ acknowledge: false })];
    await broker.restart();
    const bob = await broker.visitor();
    await bob.publish("a", "new", { qos: 1 });
    const back = await broker.connect("alice");
    const came = [];
    for (let i = 0; i < 4; i++) came.push(await back.receive({ acknowledge: false }));
    assert.deepEqual(came.map(textOf), ["0", "1", "2", "new"]);
    assert.deepEqual(came.slice(0, 2).map(({ messageId }) => messageId), sent.map(({ messageId }) => messageId));
    assert.equal(new Set(came.map(({ messageId }) => messageId)).size, 4);
    assert.deepEqual(came.map(({ dup }) => dup), [true, true, false, false]);
  },
);

everyEnding("a QoS 2 message from a client is taken once, though it comes again after the restart", async (broker) => {
  const alice = await broker.connect("alice");
  await alice.subscribe("a", { qos: 2 });
  await alice.disconnect();
  const bob = await broker.connect("bob");
  const publish = { cmd: "publish", topic: "a", payload: "once", qos: 2, retain: false, messageId: 7 } as const;
  await bob.send({ ...publish, dup: false });
  await bob.expect("pubrec");
  await broker.restart();
  const back = await broker.connect("bob");
  await back.send({ ...publish, dup: true });
  assert.equal((await back.expect("pubrec")).messageId, 7);
  await back.send({ cmd: "pubrel", messageId: 7 });
  assert.equal((await back.expect("pubcomp")).reasonCode ?? 0, 0);
  await broker.restart();
  const again = await broker.connect("bob");
  await again.send({ cmd: "pubrel", messageId: 7 }); // PUBCOMP was lost, for all the broker knows
  assert.equal((await again.expect("pubcomp")).messageId, 7);
  await again.publish("a", "another with the same id", { qos: 2, messageId: 7 });
  const reader = await broker.connect("alice");
  assert.deepEqual(await texts(reader, 2), ["once", "another with the same id"]);
});

everyEnding("several sessions share what was published once, and each settles it for itself", async (broker) => {
  const names = ["alice", "bob", "carol"];
  for (const name of names) {
    const client = await broker.connect(name);
    await client.subscribe("a/#", { qos: 1 });
    await client.disconnect();
  }
  const dave = await broker.visitor();
  for (let n = 0; n < 5; n++) await dave.publish(`a/${n}`, `${n}`, { qos: 1, retain: n === 0 });
  for (const [i, name] of names.entries()) {
    await broker.restart();
    const client = await broker.connect(name, i === 1 ? { clean: true } : {});
    assert.equal(client.connack?.sessionPresent, i !== 1);
    assert.deepEqual(await texts(client, i === 1 ? 0 : 5), i === 1 ? [] : ["0", "1", "2", "3", "4"]);
  }
  await broker.restart();
  const late = await broker.visitor();
  await late.subscribe("a/#", { qos: 1 });
  assert.deepEqual(await texts(late, 1), ["0"]);
});

everyEnding(
  "a message that expires while the broker is down is not delivered, one that lasts says how long still",
  async (broker) => {
    const alice = await broker.connect("alice");
    await alice.subscribe("a", { qos: 1 });
    await alice.disconnect();
    const bob = await broker.visitor();
    await bob.publish("a", "short", { qos: 1, properties: { messageExpiryInterval: 1 } });
    await bob.publish("a", "long", { qos: 1, properties: { messageExpiryInterval: 100 } });
    const publishedAt = Date.now();
    await broker.end();
    await untilTime(publishedAt + 1_100);
    await broker.start();
    const back = await broker.connect("alice");
    const { payload, properties } = await back.receive();
    assert.equal(`${payload}`, "long");
    assert.ok(properties!.messageExpiryInterval! < 100, `${properties!.messageExpiryInterval} s are left`);
    await back.expectNothing();
  },
);

/** Alice, with the messages 0, 1 and 2 on their way to her. */
async function subscribed(
  broker: DurableBroker,
  qos: 1 | 2,
  options: Parameters<DurableBroker["connect"]>[1] = {},
): Promise<{ client: TestClient }> {
  const client = await broker.connect("alice", options);
  await client.subscribe("a", { qos });
  const bob = await broker.visitor();
  for (let n = 0; n < 3; n++) await bob.publish("a", `${n}`, { qos });
  return { client };
}
