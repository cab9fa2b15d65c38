/** MQTT 5.0 sections 3.1.2.4, 3.1.2.11.2 and 3.1.3.1: sessions begin, are resumed and end; client identifiers name them. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { connectRefusal } from "../support/endings.ts";
import { packet, properties, rawConnect, rawPublish, text, uint16, uint32 } from "../support/raw_packet.ts";

const LASTING = { sessionExpiryInterval: 300 };

Deno.test("[MQTT-3.1.2-4] [MQTT-3.2.2-2] [MQTT-3.1.4-4] clean start discards the session: subscriptions, queue, what was in flight", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const before = await broker.connect({ clientId, properties: LASTING });
  await before.subscribe("a", { qos: 2 });
  const publisher = await broker.connect();
  await publisher.publish("a", "in flight", { qos: 1 });
  await before.receive({ acknowledge: false });
  await before.disconnect();
  await publisher.publish("a", "queued", { qos: 1 });
  const after = await broker.connect({ clientId, clean: true, properties: LASTING });
  assert.equal(after.connack?.sessionPresent, false);
  await after.expectNothing();
  assert.equal(await publisher.publish("a", "nobody", { qos: 1 }), 0x10);
  await after.expectNothing();
});

Deno.test("[MQTT-3.1.2-4] clean start discards the identifiers of QoS 2 messages that were not released", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("a", { qos: 2 });
  for (let round = 0; round < 2; round++) {
    const client = await broker.connect({ clientId: "one", clean: true, properties: LASTING });
    await client.sendBytes(rawPublish({ first: 0x34, packetId: 1, payload: `${round}` }));
    assert.equal((await client.expect("pubrec")).reasonCode, 0);
    assert.equal((await witness.receive()).payload.toString(), `${round}`);
  }
});

Deno.test("[MQTT-3.1.2-4] [MQTT-3.1.4-3] clean start discards the session of a client that is connected still", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect({ clientId: "one", properties: LASTING });
  await first.subscribe("a", { qos: 1 });
  const second = await broker.connect({ clientId: "one", clean: true });
  assert.equal(second.connack?.sessionPresent, false);
  assert.equal(await first.expectClosed(), 0x8e);
  assert.equal(await second.publish("a", "x", { qos: 1 }), 0x10);
  await second.expectNothing();
});

Deno.test("[MQTT-3.1.2-5] [MQTT-3.2.2-3] without clean start the session is resumed: subscriptions with their options", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const before = await broker.connect({ clientId, properties: LASTING });
  await before.subscribe("a", { qos: 1, identifier: 7, noLocal: true });
  await before.subscribe("b", { qos: 2, retainAsPublished: true });
  await before.disconnect();
  const after = await broker.connect({ clientId, clean: false, properties: LASTING });
  assert.equal(after.connack?.sessionPresent, true);
  assert.equal(await after.publish("a", "own", { qos: 1 }), 0x10);
  await after.expectNothing();
  const publisher = await broker.connect();
  await publisher.publish("a", "x", { qos: 2 });
  const first = await after.receive();
  assert.deepEqual([first.qos, first.properties?.subscriptionIdentifier], [1, 7]);
  await publisher.publish("b", "x", { qos: 2, retain: true });
  const second = await after.receive();
  assert.deepEqual([second.qos, second.retain, second.properties], [2, true, undefined]);
});

Deno.test("[MQTT-3.1.2-5] [MQTT-3.1.2-23] the session keeps QoS 1 and 2 messages that came meanwhile, in their order", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const before = await broker.connect({ clientId, properties: LASTING });
  await before.subscribe("a/#", { qos: 2 });
  await before.disconnect();
  const publisher = await broker.connect();
  for (let index = 0; index < 20; index++) {
    await publisher.publish(`a/${index}`, `${index}`, { qos: index % 2 === 0 ? 1 : 2 });
  }
  const after = await broker.connect({ clientId, clean: false });
  for (let index = 0; index < 20; index++) {
    const message = await after.expect("publish");
    assert.deepEqual([message.topic, message.dup], [`a/${index}`, false]);
  }
  await after.expectNothing();
});

Deno.test("[MQTT-3.1.2-5] [MQTT-3.3.1-1] the session keeps what was sent and not acknowledged, each message in its state", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const before = await broker.connect({ clientId, properties: LASTING });
  await before.subscribe("a", { qos: 2 });
  const publisher = await broker.connect();
  const ids: number[] = [];
  for (const qos of [1, 2, 2] as const) {
    await publisher.publish("a", `qos ${qos}`, { qos });
    ids.push((await before.receive({ acknowledge: false })).messageId!);
  }
  await before.send({ cmd: "pubrec", messageId: ids[2] });
  assert.equal((await before.expect("pubrel")).messageId, ids[2]);
  await before.disconnect();
  const after = await broker.connect({ clientId, clean: false });
  for (const [index, qos] of [1, 2].entries()) {
    const again = await after.expect("publish");
    assert.deepEqual([again.messageId, again.qos, again.dup], [ids[index], qos, true]);
  }
  assert.equal((await after.expect("pubrel")).messageId, ids[2]);
  await after.expectNothing();
});

Deno.test("[MQTT-3.1.2-5] the session keeps the identifiers of QoS 2 messages that it received and were not released", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("a", { qos: 2 });
  const before = await broker.connect({ clientId: "one", properties: LASTING });
  await before.sendBytes(rawPublish({ first: 0x34, packetId: 77, payload: "once" }));
  await before.expect("pubrec");
  before.close();
  const after = await broker.connect({ clientId: "one", clean: false });
  await after.sendBytes(rawPublish({ first: 0x3c, packetId: 77, payload: "once" }));
  assert.equal((await after.expect("pubrec")).messageId, 77);
  await after.send({ cmd: "pubrel", messageId: 77 });
  assert.equal((await after.expect("pubcomp")).reasonCode, 0);
  assert.equal((await witness.receive()).payload.toString(), "once");
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.4-3] [MQTT-3.1.2-5] taking a live session over keeps it whole", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect({ clientId: "one", properties: LASTING });
  await first.subscribe("a", { qos: 1 });
  const publisher = await broker.connect();
  await publisher.publish("a", "y", { qos: 1 });
  const sent = await first.receive({ acknowledge: false });
  const second = await broker.open();
  await second.sendBytes(rawConnect({ flags: 0, payload: [text("one")] }));
  assert.equal((await second.expect("connack")).sessionPresent, true);
  const again = await second.expect("publish");
  assert.deepEqual([again.messageId, again.dup, again.payload.toString()], [sent.messageId, true, "y"]);
  assert.equal(await first.expectClosed(), 0x8e);
  await second.sendBytes(packet(0x40, uint16(again.messageId!)));
  await second.expectNothing();
});

Deno.test("[MQTT-3.1.2-6] [MQTT-3.2.2-3] without clean start and without a session a new one begins", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "new", clean: false, properties: LASTING });
  assert.equal(client.connack?.sessionPresent, false);
  await client.subscribe("a");
  await client.publish("a", "works");
  await client.receive();
});

Deno.test("[MQTT-3.1.2-23] a session without expiry, or with 0, ends with its connection", async () => {
  await using broker = await TestBroker.start();
  for (const expiry of [undefined, { sessionExpiryInterval: 0 }]) {
    const before = await broker.connect({ clientId: "one", properties: expiry });
    await before.subscribe("a", { qos: 1 });
    await before.disconnect();
    const publisher = await broker.connect();
    assert.equal(await publisher.publish("a", "x", { qos: 1 }), 0x10);
    const after = await broker.connect({ clientId: "one", clean: false });
    assert.equal(after.connack?.sessionPresent, false);
    await after.expectNothing();
    await after.disconnect();
  }
});

Deno.test("[MQTT-3.1.2-23] a session is kept until its expiry interval has passed, and not longer", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("ended");
  const client = await broker.open();
  const will = [properties(0x18, uint32(600)), text("ended"), text("")]; // due when the session ends
  const lasting = properties(0x11, uint32(1));
  await client.sendBytes(rawConnect({ flags: 0x06, properties: lasting, payload: [text("one"), ...will] }));
  await client.expect("connack");
  await client.subscribe("a", { qos: 1 });
  const closedAt = Date.now();
  client.close();
  await witness.receive();
  assert.ok(Date.now() - closedAt >= 990, `after ${Date.now() - closedAt} ms`);
  assert.equal(await witness.publish("a", "x", { qos: 1 }), 0x10);
  const again = await broker.connect({ clientId: "one", clean: false });
  assert.equal(again.connack?.sessionPresent, false);
});

Deno.test("[MQTT-3.1.2-23] an expiry interval of 0xFFFFFFFF is kept, and each CONNECT sets it anew", async () => {
  await using broker = await TestBroker.start();
  const present: (boolean | undefined)[] = [];
  for (const sessionExpiryInterval of [0xffff_ffff, 300, 0, 0]) {
    const client = await broker.connect({ clientId: "one", clean: false, properties: { sessionExpiryInterval } });
    present.push(client.connack?.sessionPresent);
    await client.disconnect();
  }
  assert.deepEqual(present, [false, true, true, false]);
});

Deno.test("MQTT5 3.1.2.4: a retained message does not belong to the session", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect({ clientId: "one" });
  await first.publish("kept", "x", { retain: true, qos: 1 });
  await first.disconnect();
  const second = await broker.connect({ clientId: "one", clean: true });
  await second.subscribe("kept");
  assert.equal((await second.receive()).payload.toString(), "x");
});

Deno.test("[MQTT-3.1.3-2] sessions are told apart by the client id and by nothing else", async () => {
  await using broker = await TestBroker.start();
  const ids = ["Client", "client", "client ", "Client/1", "a+#$share", "ü", "u\u0308"];
  for (const [index, clientId] of ids.entries()) {
    const client = await broker.connect({ clientId, properties: LASTING });
    await client.subscribe(`of/${index}`, { qos: 1 });
  }
  const publisher = await broker.connect();
  for (const [index, clientId] of ids.entries()) {
    const client = await broker.connect({ clientId, clean: false, username: "another", properties: LASTING });
    assert.equal(client.connack?.sessionPresent, true, clientId);
    await publisher.publish(`of/${index}`, clientId, { qos: 1 });
    assert.equal((await client.receive()).payload.toString(), clientId);
    await client.expectNothing();
  }
});

Deno.test("[MQTT-3.1.3-2] a session is the same over protocol versions", async () => {
  await using broker = await TestBroker.start();
  const old = await broker.connect({ version: 4, clientId: "one", clean: false });
  await old.subscribe("a", { qos: 1 });
  await old.disconnect();
  const client = await broker.connect({ clientId: "one", clean: false });
  assert.equal(client.connack?.sessionPresent, true);
  await client.publish("a", "x");
  await client.receive();
});

Deno.test("[MQTT-3.1.3-5] client ids of 1 to 23 letters and digits are allowed, and longer ones too", async () => {
  await using broker = await TestBroker.start();
  const all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const pieces = [all.slice(0, 23), all.slice(23, 46), all.slice(46), "0", "Z", all, "x".repeat(60_000)];
  for (const clientId of pieces) {
    const client = await broker.connect({ clientId });
    assert.equal(client.connack?.properties?.assignedClientIdentifier, undefined);
  }
});

Deno.test("[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] a client without an id gets one that nobody else has, and it names the session", async () => {
  await using broker = await TestBroker.start();
  const assigned = new Set<string>();
  for (const flags of [0x02, 0x00, 0x02, 0x00]) {
    const client = await broker.open();
    await client.sendBytes(rawConnect({ flags, properties: properties(0x11, uint32(300)), payload: [text("")] }));
    const connack = await client.expect("connack");
    assert.deepEqual([connack.reasonCode, connack.sessionPresent], [0, false]);
    const clientId = connack.properties?.assignedClientIdentifier ?? "";
    assert.notEqual(clientId, "");
    assigned.add(clientId);
    await client.subscribe("a", { qos: 1 });
    const again = await broker.connect({ clientId, clean: false, properties: LASTING });
    assert.equal(await client.expectClosed(), 0x8e);
    assert.equal(again.connack?.sessionPresent, true);
    assert.equal(again.connack?.properties?.assignedClientIdentifier, undefined);
  }
  assert.equal(assigned.size, 4);
});

Deno.test("[MQTT-3.1.3-8] a broker that wants client ids refuses a client without one with 0x85", async () => {
  await using broker = await TestBroker.start({ protocol: { allowZeroLengthClientId: false } });
  assert.equal(await connectRefusal(broker, { clientId: "" }), 0x85);
  await broker.connect({ clientId: "c" });
});
