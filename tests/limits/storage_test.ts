import assert from "node:assert/strict";
import type { Limits } from "../../src/core/limits.ts";
import { connect, publish, subscribe } from "../hostile/bytes.ts";
import { RawPeer } from "../hostile/raw_peer.ts";
import { sysValue, Witness } from "../hostile/witness.ts";
import { TestBroker } from "../support/broker.ts";
import { happening, receivedUntil } from "./refused.ts";

const kept = { clientId: "kept", properties: { sessionExpiryInterval: 600 } };

/** What an offline session gets when ten messages, numbered from 0 and of 100 bytes each, came for it. */
async function queuedOf(limits: Partial<Limits>, sizes: (n: number) => number = () => 100): Promise<string[]> {
  await using broker = await TestBroker.start({ limits, sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  const first = await broker.connect(kept);
  await first.subscribe("t", { qos: 1 });
  await first.disconnect();
  const other = await broker.connect();
  await other.subscribe("t", { qos: 1 });
  for (let n = 0; n < 10; n++) {
    const payload = `${n}`.padEnd(sizes(n) - 1); // the topic has one byte
    assert.ok(await witnessed(other, payload) < 0x80, "the publisher is not told: it is one session's matter");
  }
  const back = await broker.connect({ ...kept, clean: false });
  await broker.broker.publish({ topic: "t", payload: "end", qos: 1 });
  const payloads = (await receivedUntil(back, "end")).map((payload) => payload.trim());
  await sysValue(broker, "messages/publish/dropped", (value) => value === 11 - payloads.length);
  await witness.check();
  return payloads;
}

/** Publishes and takes back, so that this client's own queue stays empty. */
async function witnessed(client: Awaited<ReturnType<TestBroker["connect"]>>, payload: string): Promise<number> {
  await client.send({ cmd: "publish", topic: "t", payload, qos: 1, messageId: 77, retain: false, dup: false });
  let code = 0;
  for (let i = 0; i < 2; i++) {
    const packet = await client.next();
    if (packet?.cmd === "puback") code = packet.reasonCode ?? 0;
    else if (packet?.cmd === "publish") await client.send({ cmd: "puback", messageId: packet.messageId });
    else assert.fail(`${packet?.cmd}`);
  }
  return code;
}

Deno.test("queuedMessagesMax, drop-oldest: the newest stay, in order, and the others are counted", async () => {
  const payloads = await queuedOf({ queuedMessagesMax: 4 });
  assert.deepEqual(payloads, ["6", "7", "8", "9", "end"]);
});

Deno.test("queuedMessagesMax, drop-newest: the oldest stay, in order, and the others are counted", async () => {
  const payloads = await queuedOf({ queuedMessagesMax: 4, queueOverflow: "drop-newest" });
  assert.deepEqual(payloads, ["0", "1", "2", "3", "end"]);
});

Deno.test("queuedBytesMax, drop-oldest: as many of the newest as fit", async () => {
  const payloads = await queuedOf({ queuedBytesMax: 399 });
  assert.deepEqual(payloads, ["7", "8", "9", "end"]);
});

Deno.test("queuedBytesMax, drop-newest: as many of the oldest as fit", async () => {
  const payloads = await queuedOf({ queuedBytesMax: 300, queueOverflow: "drop-newest" });
  assert.deepEqual(payloads, ["0", "1", "2", "end"]);
});

Deno.test("queuedBytesMax: a message that would never fit is dropped alone and does not empty the queue", async () => {
  const sizes = (n: number) => n === 5 ? 2_000 : 50;
  assert.deepEqual(await queuedOf({ queuedBytesMax: 1_000 }, sizes), [
    "0",
    "1",
    "2",
    "3",
    "4",
    "6",
    "7",
    "8",
    "9",
    "end",
  ]);
});

Deno.test("queuedMessagesMax 0: nothing waits, all of it is counted", async () => {
  assert.deepEqual(await queuedOf({ queuedMessagesMax: 0 }), ["end"]);
});

Deno.test("a full queue is told with its cause, its session and its topic", async () => {
  await using broker = await TestBroker.start({ limits: { queuedMessagesMax: 1, inflightMax: 1 } });
  const dropped = happening(broker, "message-dropped");
  const client = await broker.connect({ clientId: "slow" });
  await client.subscribe("t", { qos: 1 });
  for (const payload of ["sent", "waits", "pushes"]) await broker.broker.publish({ topic: "t", payload, qos: 1 });
  const [{ clientId, topic, cause }] = await dropped;
  assert.deepEqual({ clientId, topic, cause }, { clientId: "slow", topic: "t", cause: "queue-full" });
  assert.deepEqual(await receivedUntil(client, "pushes"), ["sent", "pushes"]);
});

Deno.test("queueQos0: off, QoS 0 does not wait for a session that is away; on, it does", async () => {
  for (const queueQos0 of [false, true]) {
    await using broker = await TestBroker.start({ limits: { queueQos0 } });
    const first = await broker.connect(kept);
    await first.subscribe("t", { qos: 1 });
    await first.disconnect();
    await broker.broker.publish({ topic: "t", payload: "qos 0" });
    await broker.broker.publish({ topic: "t", payload: "end", qos: 1 });
    const back = await broker.connect({ ...kept, clean: false });
    assert.deepEqual(await receivedUntil(back, "end"), queueQos0 ? ["qos 0", "end"] : ["end"]);
  }
});

Deno.test("retainedBytesMax counts what deep topics take in memory, beyond their bytes", async () => {
  await using broker = await TestBroker.start({ limits: { retainedBytesMax: 50_000 } });
  const dropped = happening(broker, "message-dropped");
  const client = await broker.connect();
  for (let index = 0; index < 5; index++) {
    await client.publish(`${index}${"/".repeat(127)}`, "x", { retain: true, qos: 1 });
  }
  const [{ topic }] = await dropped;
  assert.equal(topic, `4${"/".repeat(127)}`); // each has 129 bytes, and 128 levels of 96
});

for (const limits of [{ retainedMessagesMax: 2 }, { retainedBytesMax: 308 }]) { // r/a and seven bytes are ten, and each level 96
  Deno.test(`${Object.keys(limits)[0]}: what is too much is not kept, but delivered; counted; replacing and clearing work`, async () => {
    await using broker = await TestBroker.start({ limits });
    const witness = await broker.connect();
    await witness.subscribe("r/#");
    const dropped = happening(broker, "message-dropped");
    const client = await broker.connect({ version: 4 });
    for (const name of ["a", "b", "c"]) {
      await client.publish(`r/${name}`, `first ${name}`, { retain: true, qos: 1 });
      assert.equal((await witness.receive()).payload.toString(), `first ${name}`);
    }
    const [{ topic, cause }] = await dropped;
    assert.deepEqual({ topic, cause }, { topic: "r/c", cause: "retained-limit" });
    const keptNow = async () => {
      const reader = await broker.connect();
      await reader.subscribe("r/#");
      await broker.broker.publish({ topic: "r/end", payload: "end" });
      await witness.receive();
      const payloads = await receivedUntil(reader, "end");
      await reader.disconnect();
      return payloads.slice(0, -1).sort();
    };
    assert.deepEqual(await keptNow(), ["first a", "first b"]);
    await client.publish("r/a", "other a", { retain: true, qos: 1 });
    await witness.receive();
    assert.deepEqual(await keptNow(), ["first b", "other a"]);
    await client.publish("r/b", "", { retain: true, qos: 1 });
    await witness.receive();
    await client.publish("r/c", "later c", { retain: true, qos: 1 });
    await witness.receive();
    assert.deepEqual(await keptNow(), ["later c", "other a"]);
  });
}

Deno.test("outboxBytesMax: QoS 0 above it is dropped and told, QoS 1 is not, and all flows again once it is read", async () => {
  await using broker = await TestBroker.start({ connection: { outboxBytesMax: 10_000 } });
  const witness = await Witness.on(broker);
  const dropped = happening(broker, "message-dropped");
  using stuck = await RawPeer.connect(broker.port, connect({ clientId: "stuck" }));
  await stuck.send(subscribe("t", { qos: 1 }));
  await stuck.packet();
  let isDropped = false;
  void dropped.then(() => isDropped = true);
  for (let n = 0; !isDropped; n++) {
    await broker.broker.publish({ topic: "t", payload: new Uint8Array(50_000) });
    if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1)); // others get their turn
  }
  const [{ clientId, topic, cause }] = await dropped;
  assert.deepEqual({ clientId, topic, cause }, { clientId: "stuck", topic: "t", cause: "client-congested" });
  await broker.broker.publish({ topic: "t", payload: "waits", qos: 1 });
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(-5));
  for (let bytes = await stuck.packet(); text(bytes!) !== "waits"; bytes = await stuck.packet()) {
    assert.ok(bytes !== undefined);
  }
  using flooder = await RawPeer.connect(broker.port, connect());
  await flooder.send(publish("t", { payload: new TextEncoder().encode("again") }));
  assert.equal(text((await stuck.packet())!), "again");
  await witness.check();
});

Deno.test("messages that wait in a session that ends are counted as dropped", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const first = await broker.connect(kept);
  await first.subscribe("t", { qos: 1 });
  await first.disconnect();
  for (const payload of ["1", "2", "3"]) await broker.broker.publish({ topic: "t", payload, qos: 1 });
  const dropped = happening(broker, "message-dropped", 3);
  await broker.connect({ ...kept, clean: true });
  assert.deepEqual((await dropped).map(({ cause }) => cause), ["session-ended", "session-ended", "session-ended"]);
  await sysValue(broker, "messages/publish/dropped", (value) => value === 3);
});
