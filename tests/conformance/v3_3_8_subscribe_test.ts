/** MQTT 3.1.1, sections 3.8 and 3.9: SUBSCRIBE and SUBACK. */

import assert from "node:assert/strict";
import type { ISubackPacket } from "mqtt-packet";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { assertViolation, field, framesOf, headersOf, join, packet, receiveMessages, uint16 } from "./v3_packets.ts";

type Wish = readonly [filter: string, qos: 0 | 1 | 2];

/** Subscribes to several filters in one packet; answers the SUBACK. */
async function subscribeAll(client: TestClient, wishes: readonly Wish[]): Promise<ISubackPacket> {
  const messageId = client.nextPacketId();
  await client.send({ cmd: "subscribe", messageId, subscriptions: wishes.map(([topic, qos]) => ({ topic, qos })) });
  const suback = await client.expect("suback");
  assert.equal(suback.messageId, messageId);
  return suback;
}

Deno.test("v3.1.1 [MQTT-3.8.3-1] a filter that is cut off or not UTF-8 closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, packet(0x82, uint16(1), field([0xff]), [0]));
  await assertViolation(broker, packet(0x82, uint16(1), field("a"), [0], field([0xc3]), [0]));
  await assertViolation(broker, packet(0x82, uint16(1), [0, 2, 0x61]));
});

Deno.test("v3.1.1 [MQTT-3.8.3-2] without support for wildcards a filter that holds one is refused", async () => {
  await using broker = await TestBroker.start({ limits: { wildcardAvailable: false } });
  const client = await join(broker);
  const { granted } = await subscribeAll(client, [["#", 0], ["a/+", 1], ["a/#", 2], ["a/b", 2]]);
  assert.deepEqual(granted, [0x80, 0x80, 0x80, 2]);
  await client.publish("a/b", "once");
  assert.equal((await client.receive()).payload.toString(), "once");
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.8.3-3] a SUBSCRIBE without a filter closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, packet(0x82, uint16(1)));
  await assertViolation(broker, packet(0x82, uint16(1), field("a"))); // a filter, no QoS
});

Deno.test("v3.1.1 [MQTT-3.8.3-4] a QoS of 3 or reserved bits in SUBSCRIBE close the connection, nothing is subscribed to", async () => {
  await using broker = await TestBroker.start();
  for (const wrong of [3, 4, 8, 16, 32, 64, 128, 0xfd]) {
    await assertViolation(broker, packet(0x82, uint16(1), field("a"), [wrong]));
    await assertViolation(broker, packet(0x82, uint16(1), field("a"), [1], field("b"), [wrong]));
  }
  const client = await join(broker, { clientId: "c", clean: false });
  await client.sendBytes(packet(0x82, uint16(1), field("a"), [1], field("b"), [3]));
  await client.expectClosed();
  const after = await join(broker, { clientId: "c", clean: false });
  await after.publish("a", "", { qos: 1 });
  await after.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.8.4-1] [MQTT-3.8.4-2] SUBSCRIBE is answered by one SUBACK with its identifier", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const id of [1, 2, 0x8000, 0xffff]) {
    await client.sendBytes(packet(0x82, uint16(id), field("a"), [2]));
    await client.expect("suback");
    assert.deepEqual(framesOf(client).at(-1), [0x90, 3, ...uint16(id), 2]);
  }
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.8.4-3] subscribing again to the same filter replaces the QoS", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  const publisher = await join(broker);
  for (const qos of [2, 0, 1] as const) {
    assert.equal(await client.subscribe("a/+", { qos }), qos);
    await publisher.publish("a/b", "", { qos: 2 });
    assert.equal((await client.receive()).qos, qos);
    await client.expectNothing(); // one subscription, one copy
  }
  await client.unsubscribe("a/+");
  await publisher.publish("a/b", "", { qos: 2 });
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.8.4-3] subscribing again to the same filter sends retained messages again", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.publish("a/b", "kept", { qos: 1, retain: true });
  for (const qos of [1, 0, 1] as const) {
    await client.subscribe("a/+", { qos });
    const message = await client.receive();
    assert.deepEqual([message.payload.toString(), message.retain, message.qos], ["kept", true, qos]);
    await client.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-3.8.4-3] subscribing again does not interrupt the flow of messages", async () => {
  const COUNT = 500;
  await using broker = await TestBroker.start({ limits: { inflightMax: 10 } });
  const client = await join(broker);
  await client.subscribe("a", { qos: 1 });
  const publisher = await join(broker);
  const publishing = (async () => {
    for (let i = 0; i < COUNT; i++) await publisher.publish("a", `${i}`, { qos: 1 });
  })();
  const received: string[] = [];
  let subacks = 0;
  while (received.length < COUNT) {
    const next = await client.next();
    if (next?.cmd === "suback") subacks++;
    if (next?.cmd !== "publish") continue;
    received.push(next.payload.toString());
    await client.send({ cmd: "puback", messageId: next.messageId });
    if (received.length % 50 !== 10) continue;
    const qos = received.length % 100 === 10 ? 2 : 1;
    await client.send({ cmd: "subscribe", messageId: client.nextPacketId(), subscriptions: [{ topic: "a", qos }] });
  }
  await publishing;
  assert.ok(subacks > 1);
  assert.deepEqual(received, Array.from({ length: COUNT }, (_, i) => `${i}`));
});

Deno.test("v3.1.1 [MQTT-3.8.4-4] several filters in one SUBSCRIBE are handled one after the other, with one SUBACK", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.publish("r/1", "kept 1", { qos: 1, retain: true });
  await client.publish("r/2", "kept 2", { qos: 1, retain: true });
  const { granted } = await subscribeAll(client, [["r/1", 0], ["same", 0], ["r/2", 1], ["same", 2]]);
  assert.deepEqual(granted, [0, 0, 1, 2]);
  const kept = await receiveMessages(client, 2);
  assert.deepEqual(kept.map(({ topic, qos }) => [topic, qos]), [["r/1", 0], ["r/2", 1]]);
  assert.equal(headersOf(client).filter((first) => first === 0x90).length, 1);
  const publisher = await join(broker);
  await publisher.publish("same", "", { qos: 2 });
  assert.equal((await client.receive()).qos, 2, "the last of two equal filters counts");
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.8.4-5] SUBACK holds a code for each filter: the QoS granted, or 0x80 for a failure", async () => {
  await using broker = await TestBroker.start({
    limits: { subscriptionsPerSessionMax: 3 },
    authenticator: {
      authenticate: ({ username }) => ({
        username,
        policy: { ...ALLOW_ALL, maySubscribe: (_, filter) => filter !== "forbidden" },
      }),
    },
  });
  const client = await join(broker);
  const wishes: Wish[] = [["a", 0], ["forbidden", 1], ["b", 1], ["a/#/b", 1], ["c", 2], ["one too many", 0]];
  assert.deepEqual((await subscribeAll(client, wishes)).granted, [0, 0x80, 1, 0x80, 2, 0x80]);
  const publisher = await join(broker);
  for (const topic of ["forbidden", "a/x/b", "one too many"]) await publisher.publish(topic, "", { qos: 1 });
  await client.expectNothing();
  for (const topic of ["a", "b", "c"]) await publisher.publish(topic, "", { qos: 1 });
  assert.deepEqual((await receiveMessages(client, 3)).map(({ topic }) => topic), ["a", "b", "c"]);
});

Deno.test("v3.1.1 [MQTT-3.8.4-6] a message is sent with the smaller of its QoS and the QoS granted", async () => {
  await using broker = await TestBroker.start();
  const publisher = await join(broker);
  for (const granted of [0, 1, 2] as const) {
    const client = await join(broker);
    assert.equal(await client.subscribe("a", { qos: granted }), granted);
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish("a", "", { qos });
      assert.equal((await client.receive()).qos, Math.min(qos, granted));
    }
    await client.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-3.8.4-6] a broker that grants less than asked for says so and keeps to it", async () => {
  await using broker = await TestBroker.start({ limits: { qosMax: 1 } });
  const client = await join(broker);
  assert.equal(await client.subscribe("a", { qos: 2 }), 1);
  await broker.broker.publish({ topic: "a", payload: "", qos: 2 });
  assert.equal((await client.receive()).qos, 1);
});

Deno.test("v3.1.1 [MQTT-3.9.3-1] the codes in SUBACK are in the order of the filters", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  const { granted } = await subscribeAll(client, [["z", 2], ["#/a", 2], ["a", 0], ["m", 1], ["b+", 0], ["c", 2]]);
  assert.deepEqual(granted, [2, 0x80, 0, 1, 0x80, 2]);
  const again = await subscribeAll(client, [["c", 1], ["a", 2], ["z", 0]]);
  assert.deepEqual(again.granted, [1, 2, 0]);
});

Deno.test("v3.1.1 [MQTT-3.9.3-2] SUBACK holds no other code than 0, 1, 2 and 0x80, whatever the refusal is called in 5.0", async () => {
  await using broker = await TestBroker.start({
    limits: { wildcardAvailable: false, sharedAvailable: false, topicLevelsMax: 3, subscriptionsPerSessionMax: 2 },
    authenticator: {
      authenticate: ({ username }) => ({
        username,
        policy: { ...ALLOW_ALL, maySubscribe: (_, filter) => filter !== "forbidden" },
      }),
    },
  });
  const client = await join(broker);
  const refused = ["#", "$share/g/a", "$share//a", "forbidden", "a/b/c/d", "", "a/#/b"];
  await subscribeAll(client, [["a", 1], ["b", 2]]);
  await subscribeAll(client, [...refused, "above the limit"].map((filter) => [filter, 1]));
  const codes = framesOf(client).filter(([first]) => first === 0x90).map((suback) => suback.slice(4));
  assert.deepEqual(codes, [[1, 2], Array.from({ length: refused.length + 1 }, () => 0x80)]);
});

Deno.test("v3.1.1: $share works as it does in 5.0, each message reaches one member of the group", async () => {
  await using broker = await TestBroker.start();
  const members = [await join(broker), await join(broker)];
  for (const member of members) assert.equal(await member.subscribe("$share/group/a/+", { qos: 1 }), 1);
  const publisher = await join(broker);
  for (let i = 0; i < 10; i++) await publisher.publish("a/b", `${i}`, { qos: 1 });
  const received: string[] = [];
  for (const member of members) {
    await member.send({ cmd: "pingreq" });
    for (let next = await member.next(); next?.cmd === "publish"; next = await member.next()) {
      assert.equal(next.topic, "a/b");
      received.push(next.payload.toString());
    }
  }
  assert.deepEqual(received.sort(), Array.from({ length: 10 }, (_, i) => `${i}`));
});
