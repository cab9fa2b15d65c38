/** Sessions themselves: how long they last, whose they are, and how they end. */
import assert from "node:assert/strict";
import { committed, everyEnding, texts, untilTime } from "./durable_broker.ts";

everyEnding("a session that expires while the broker is down is gone, with all that waited in it", async (broker) => {
  for (const [name, sessionExpiryInterval] of [["short", 1], ["long", 100]] as const) {
    const client = await broker.connect(name, { properties: { sessionExpiryInterval } });
    await client.subscribe("a", { qos: 1 });
    await client.disconnect();
  }
  const bob = await broker.visitor();
  const leftAt = Date.now();
  await bob.publish("a", "x", { qos: 1 });
  await broker.end();
  await untilTime(leftAt + 1_100);
  await broker.start();
  const short = await broker.connect("short");
  assert.equal(short.connack?.sessionPresent, false);
  await short.expectNothing();
  const long = await broker.connect("long");
  assert.equal(long.connack?.sessionPresent, true);
  assert.deepEqual(await texts(long, 1), ["x"]);
});

everyEnding("the time of a session that was connected begins with the restart", async (broker) => {
  const properties = { sessionExpiryInterval: 3 }; // time enough to be back in
  const alice = await broker.connect("alice", { properties });
  await alice.subscribe("a", { qos: 1 });
  await broker.restart();
  const startedAt = Date.now();
  const back = await broker.connect("alice", { properties });
  assert.equal(back.connack?.sessionPresent, true);
  await broker.restart();
  await untilTime(Math.max(startedAt, Date.now()) + 3_300);
  assert.equal((await broker.connect("alice", { properties })).connack?.sessionPresent, false);
});

everyEnding("an expiry that was changed at DISCONNECT holds after a restart", async (broker) => {
  const longer = await broker.connect("longer", { properties: { sessionExpiryInterval: 1 } });
  await longer.disconnect(0, { sessionExpiryInterval: 100 });
  const ended = await broker.connect("ended");
  await ended.disconnect(0, { sessionExpiryInterval: 0 });
  await committed(await broker.visitor()); // that a connection has been closed does not yet mean that its end is written down
  await broker.end();
  await untilTime(Date.now() + 1_100);
  await broker.start();
  assert.equal((await broker.connect("longer")).connack?.sessionPresent, true);
  assert.equal((await broker.connect("ended")).connack?.sessionPresent, false);
});

everyEnding("a session whose client came back for this connection only ends with the broker", async (broker) => {
  const alice = await broker.connect("alice");
  await alice.subscribe("a", { qos: 1 });
  await alice.disconnect();
  const again = await broker.connect("alice", { properties: { sessionExpiryInterval: 0 } });
  assert.equal(again.connack?.sessionPresent, true);
  await broker.restart();
  assert.equal((await broker.connect("alice")).connack?.sessionPresent, false);
});

everyEnding("clean start takes everything of the session that was there before the restart", async (broker) => {
  const alice = await broker.connect("alice");
  await alice.subscribe("a", { qos: 2 });
  const bob = await broker.visitor();
  await bob.publish("a", "sent", { qos: 2 });
  await alice.expect("publish");
  await alice.send({ cmd: "publish", topic: "b", payload: "", qos: 2, dup: false, retain: false, messageId: 3 });
  await alice.expect("pubrec");
  await alice.disconnect();
  await bob.publish("a", "waiting", { qos: 2 });
  await broker.restart();
  const anew = await broker.connect("alice", { clean: true });
  assert.equal(anew.connack?.sessionPresent, false);
  await committed(anew);
  await anew.send({ cmd: "pubrel", messageId: 3 });
  assert.equal((await anew.expect("pubcomp")).reasonCode, 0x92); // packet identifier not found
  const carol = await broker.visitor();
  await carol.publish("a", "nobody is subscribed", { qos: 1 });
  await committed(anew);
  await broker.restart();
  const back = await broker.connect("alice");
  assert.equal(back.connack?.sessionPresent, true);
  await back.expectNothing();
});

everyEnding(
  "a session that ended before the restart stays away, a new one of that name has nothing of it",
  async (broker) => {
    const alice = await broker.connect("alice");
    await alice.subscribe("a", { qos: 1 });
    await alice.disconnect(0, { sessionExpiryInterval: 0 });
    const anew = await broker.connect("alice");
    assert.equal(anew.connack?.sessionPresent, false);
    await broker.restart();
    const bob = await broker.visitor();
    await bob.publish("a", "x", { qos: 1 });
    const back = await broker.connect("alice");
    assert.equal(back.connack?.sessionPresent, true);
    await back.expectNothing();
  },
);

everyEnding("a session of 3.1.1 with clean session 0 outlives the broker, one with 1 does not", async (broker) => {
  const kept = await broker.connect("kept", { version: 4 });
  await kept.subscribe("a", { qos: 1 });
  const lost = await broker.connect("lost", { version: 4, clean: true });
  await lost.subscribe("a", { qos: 1 });
  await broker.restart();
  const bob = await broker.visitor({ version: 4 });
  await bob.publish("a", "x", { qos: 1 });
  const back = await broker.connect("kept", { version: 4 });
  assert.equal(back.connack?.sessionPresent, true);
  assert.deepEqual(await texts(back, 1), ["x"]);
  assert.equal((await broker.connect("lost", { version: 4 })).connack?.sessionPresent, false);
});
