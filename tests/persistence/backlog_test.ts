/** Queues much longer than what the broker keeps of them in memory. */
import assert from "node:assert/strict";
import { committed, type DurableBroker, everyEnding, publishNumbers, textOf, texts } from "./durable_broker.ts";

async function offline(broker: DurableBroker, clientId: string, qos: 1 | 2 = 1): Promise<void> {
  const client = await broker.connect(clientId);
  await client.subscribe("a", { qos });
  await client.disconnect();
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `${from + i}`);
}

everyEnding("20,000 messages for one session come out completely and in order after a restart", async (broker) => {
  await offline(broker, "alice");
  const bob = await broker.visitor();
  await publishNumbers(bob, "a", { from: 0, to: 20_000 });
  await broker.restart();
  const carol = await broker.visitor();
  await publishNumbers(carol, "a", { from: 20_000, to: 20_100 });
  const alice = await broker.connect("alice");
  assert.deepEqual(await texts(alice, 20_100), numbers(0, 20_100));
  await publishNumbers(carol, "a", { from: 20_100, to: 20_101 });
  assert.deepEqual(await texts(alice, 1), ["20100"]);
});

everyEnding("a restart in the middle of a long queue goes on where it was, while more is published", async (broker) => {
  await offline(broker, "alice");
  const bob = await broker.visitor();
  await publishNumbers(bob, "a", { from: 0, to: 5_000 });
  const got: string[] = [];
  for (let part = 0; part < 3; part++) {
    const alice = await broker.connect("alice", { properties: { receiveMaximum: 10 } });
    const more = await broker.visitor();
    const publishing = publishNumbers(more, "a", { from: 5_000 + part * 700, to: 5_700 + part * 700 });
    for (let i = 0; i < 1_500; i++) got.push(`${(await alice.receive()).payload}`);
    await publishing;
    await broker.restart();
  }
  const alice = await broker.connect("alice");
  const last = numbers(5_000 + 3 * 700 - 1, 5_000 + 3 * 700)[0];
  while (got.at(-1) !== last) got.push(`${(await alice.receive()).payload}`);
  // What was acknowledged just before a kill may come again; what came for the first time is complete and in order.
  assert.deepEqual([...new Set(got)], numbers(0, 7_100));
  await committed(alice);
});

everyEnding(
  "several sessions with the same long queue, and one that is cleared of it by clean start",
  async (broker) => {
    for (const name of ["alice", "bob", "carol"]) await offline(broker, name);
    const dave = await broker.visitor();
    await publishNumbers(dave, "a", { from: 0, to: 3_000 });
    await broker.restart();
    const alice = await broker.connect("alice", { clean: true });
    assert.equal(alice.connack?.sessionPresent, false);
    assert.deepEqual(await texts(await broker.connect("bob"), 3_000), numbers(0, 3_000));
    await broker.restart();
    assert.deepEqual(await texts(await broker.connect("carol"), 3_000), numbers(0, 3_000));
    await (await broker.connect("alice")).expectNothing();
  },
);

everyEnding(
  "a session with a long queue that is resumed with clean start gets what is published from then on",
  async (broker) => {
    await offline(broker, "alice");
    const bob = await broker.visitor();
    await publishNumbers(bob, "a", { from: 0, to: 5_000 });
    await broker.restart();
    for (let i = 0; i < 3; i++) {
      const draining = await broker.connect("alice");
      if (i === 0) { for (let n = 0; n < 700; n++) await draining.receive(); // while the store is asked for more
       }
      const anew = await broker.connect("alice", { clean: true });
      assert.equal(anew.connack?.sessionPresent, false);
      await anew.subscribe("a", { qos: 1 });
      const carol = await broker.visitor();
      await publishNumbers(carol, "a", { from: 9_000, to: 9_010 });
      assert.deepEqual(await texts(anew, 10), numbers(9_000, 9_010));
      await anew.disconnect();
      await publishNumbers(carol, "a", { from: 5_000, to: 7_500 });
      if (i === 1) await broker.restart();
    }
    assert.deepEqual(await texts(await broker.connect("alice"), 2_500), numbers(5_000, 7_500));
  },
);

everyEnding("the oldest give way in a queue that is full, also to messages after a restart", async (broker) => {
  await offline(broker, "alice");
  const bob = await broker.visitor();
  await publishNumbers(bob, "a", { from: 0, to: 3_000 });
  await broker.restart();
  const carol = await broker.visitor();
  await publishNumbers(carol, "a", { from: 3_000, to: 4_500 });
  await broker.restart();
  assert.deepEqual(await texts(await broker.connect("alice"), 2_000), numbers(2_500, 4_500));
}, { WEIR_SESSION_MAX_OFFLINE_QUEUE_SIZE: "2000" });

everyEnding(
  "retained messages on their way to a new subscription do not count against the queue after a restart either",
  async (broker) => {
    const bob = await broker.visitor();
    for (let from = 0; from < 2_500; from += 500) {
      for (let n = 0; n < 500; n++) {
        const topic = `retained/${from + n}`;
        await bob.send({ cmd: "publish", topic, payload: "x", qos: 1, dup: false, retain: true, messageId: n + 1 });
      }
      for (let n = 0; n < 500; n++) await bob.expect("puback");
    }
    const alice = await broker.connect("alice");
    await alice.subscribe("#", { qos: 1 });
    await broker.restart();
    const carol = await broker.visitor();
    await publishNumbers(carol, "a", { from: 0, to: 10 });
    const back = await broker.connect("alice");
    const retained = new Set<string>();
    const live: string[] = [];
    for (let count = 0; retained.size < 2_500 || live.length < 10; count++) {
      assert.ok(count < 2_510 + 400, "those that were under way when the broker went may come twice, and no others");
      const packet = await back.expect("publish");
      if (packet.retain) retained.add(packet.topic);
      else live.push(textOf(packet));
      await back.send({ cmd: "puback", messageId: packet.messageId });
    }
    assert.deepEqual(live, numbers(0, 10));
  },
  { WEIR_SESSION_MAX_OFFLINE_QUEUE_SIZE: "100" },
);
