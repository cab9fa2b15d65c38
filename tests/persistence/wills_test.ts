/** Wills of clients that were there, or had just gone, when the broker went. */
import assert from "node:assert/strict";
import type { IConnectPacket } from "mqtt-packet";
import type { TestClient } from "../support/client.ts";
import { committed, DurableBroker, everyEnding, take, textOf, texts, untilTime } from "./durable_broker.ts";

function will(
  text: string,
  delay = 0,
  more: Partial<NonNullable<IConnectPacket["will"]>> = {},
): IConnectPacket["will"] {
  return {
    topic: `will/${text}`,
    payload: text as unknown as Buffer,
    qos: 1,
    retain: false,
    properties: { willDelayInterval: delay },
    ...more,
  } as IConnectPacket["will"];
}

async function watcher(broker: DurableBroker): Promise<TestClient> {
  const client = await broker.connect("watcher");
  await client.subscribe("will/#", { qos: 2, retainAsPublished: true });
  return client;
}

/** Waits for a message, longer than for what comes at once. */
async function late(client: TestClient, patienceMs: number): Promise<string> {
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      const [message] = await take(client, 1);
      return textOf(message);
    } catch (error) {
      if (Date.now() > until || !String(error).includes("Nothing was received")) throw error;
    }
  }
}

Deno.test("the will of a session that ends with its connection is published after kill -9, with its properties", async () => {
  await using broker = await DurableBroker.start("kill");
  const watch = await watcher(broker);
  const properties = { contentType: "text/plain", willDelayInterval: 60, userProperties: { a: ["1", "2"] } };
  await broker.visitor({ will: will("v5", 60, { qos: 2, retain: true, properties }) });
  await broker.visitor({ version: 4, will: will("v3") });
  const gone = await broker.visitor({ will: will("gone in peace") });
  await gone.disconnect();
  await committed(watch); // that a connection has been closed does not yet mean that its end is written down
  await broker.restart();
  const back = await broker.connect("watcher");
  const messages = await take(back, 2);
  messages.sort((a, b) => a.topic < b.topic ? -1 : 1);
  assert.deepEqual(messages.map(({ topic, qos, retain }) => [topic, qos, retain]), [
    ["will/v3", 1, false],
    ["will/v5", 2, true],
  ]);
  assert.equal(messages[1].properties?.contentType, "text/plain");
  assert.deepEqual({ ...messages[1].properties?.userProperties }, properties.userProperties);
  await broker.restart();
  await committed(await broker.connect("watcher")); // once only
});

everyEnding("a will without delay of a client that was connected is published once", async (broker) => {
  await watcher(broker);
  await broker.connect("alice", { will: will("alice") });
  await broker.connect("bob", { version: 4, will: will("bob") });
  await broker.restart();
  const back = await broker.connect("watcher");
  assert.deepEqual((await texts(back, 2)).sort(), ["alice", "bob"]);
  await broker.restart();
  await committed(await broker.connect("watcher"));
});

everyEnding("a delayed will fires after the restart when the client does not return", async (broker) => {
  await watcher(broker);
  const alice = await broker.connect("alice", { will: will("alice", 1) }); // gone before the restart
  const bob = await broker.connect("bob", { will: will("bob", 4) }); // goes with the broker
  alice.close();
  await committed(bob);
  await broker.restart();
  const startedAt = Date.now();
  const back = await broker.connect("watcher");
  assert.deepEqual([await late(back, 5_000), await late(back, 5_000)], ["alice", "bob"]);
  assert.ok(Date.now() - startedAt > 1_000, "bob's not at once");
});

everyEnding(
  "a delayed will does not fire when the client returns after the restart, nor when it had said goodbye",
  async (broker) => {
    await watcher(broker);
    const [alice, bob] = await Promise.all(["alice", "bob", "carol"].map((name) => {
      return broker.connect(name, { will: will(name, 3) }); // time enough to be back in
    }));
    await bob.disconnect();
    await committed(alice);
    await broker.restart();
    assert.equal((await broker.connect("alice")).connack?.sessionPresent, true);
    const back = await broker.connect("watcher");
    assert.equal(await late(back, 6_000), "carol", "who does not return");
    await committed(back);
  },
);

everyEnding("a delayed will whose time came while the broker was down fires at the start", async (broker) => {
  const alice = await broker.connect("alice", { will: will("alice", 1) });
  const watch = await watcher(broker);
  alice.close();
  await committed(watch);
  await broker.end();
  await untilTime(Date.now() + 1_200);
  await broker.start();
  assert.equal(textOf((await take(await broker.connect("watcher"), 1))[0]), "alice");
});

everyEnding("the end of a session comes before a longer will delay, also after a restart", async (broker) => {
  await watcher(broker);
  const properties = { sessionExpiryInterval: 1 };
  await broker.connect("alice", { properties, will: will("alice", 3_600) });
  await broker.restart();
  const back = await broker.connect("watcher");
  assert.equal(await late(back, 5_000), "alice");
  const alice = await broker.connect("alice");
  assert.equal(alice.connack?.sessionPresent, false);
});
