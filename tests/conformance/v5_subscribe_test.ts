import assert from "node:assert/strict";
import type { Policy } from "../../src/core/ports.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable } from "../support/departure.ts";
import { lastFrame, packet, type Part, properties, rawSubscribe, text, uint16 } from "../support/raw_packet.ts";

const QOS = [0, 1, 2] as const;
const SUBACK = 9;

/** Everything is allowed but filters that begin with `denied`. */
const picky: Policy = { mayPublish: () => true, maySubscribe: (_, filter) => !filter.startsWith("denied") };
const pickyAuthenticator = { authenticate: () => ({ username: undefined, policy: picky }) };

/** A SUBSCRIBE with id 1, no properties and this payload. */
function subscribeOf(first: number, ...payload: Part[]): Uint8Array {
  return packet(first, uint16(1), properties(), ...payload);
}

/** The reason code of the DISCONNECT that answers these bytes. */
async function answerTo(bytes: Uint8Array): Promise<number | undefined> {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(bytes);
  return await client.expectClosed();
}

/** Subscribes to several filters in one packet; answers the reason codes. */
async function subscribeAll(client: TestClient, filters: readonly [string, 0 | 1 | 2][]): Promise<unknown> {
  const messageId = client.nextPacketId();
  const subscriptions = filters.map(([topic, qos]) => ({ topic, qos, nl: false, rap: false, rh: 0 }));
  await client.send({ cmd: "subscribe", messageId, subscriptions });
  const suback = await client.expect("suback");
  assert.equal(suback.messageId, messageId);
  return suback.granted;
}

for (const flags of [0, 1, 3, 6, 10, 15]) {
  Deno.test(`[MQTT-3.8.1-1] a SUBSCRIBE with the flags ${flags} is malformed`, async () => {
    assert.equal(await answerTo(subscribeOf(0x80 | flags, text("a"), 0)), 0x81);
  });
}

for (const [what, bytes] of [["a broken sequence", [0xc3, 0x28]], ["a surrogate", [0xed, 0xa0, 0x80]]] as const) {
  Deno.test(`[MQTT-3.8.3-1] a topic filter that is not UTF-8 is malformed: ${what}`, async () => {
    assert.equal(await answerTo(rawSubscribe(1, Uint8Array.from(bytes))), 0x81);
  });
}

Deno.test("[MQTT-3.8.3-2] a SUBSCRIBE without a filter is a protocol error", async () => {
  assert.equal(await answerTo(subscribeOf(0x82)), 0x82);
});

Deno.test("[MQTT-3.8.3-2] a filter without its options is malformed", async () => {
  assert.equal(await answerTo(subscribeOf(0x82, text("a"))), 0x81);
});

Deno.test("[MQTT-3.8.3-3] a no-local subscriber does not receive its own publish", async () => {
  await using broker = await TestBroker.start();
  const [own, other] = [await broker.connect(), await broker.connect()];
  await own.subscribe("a/#", { qos: 2, noLocal: true });
  await other.subscribe("a/#", { qos: 2 });
  for (const qos of QOS) {
    await own.publish("a/x", `own ${qos}`, { qos });
    assert.equal((await other.receive()).payload.toString(), `own ${qos}`);
  }
  await own.expectNothing();
  const third = await broker.connect();
  await third.publish("a/x", "foreign", { qos: 1 });
  assert.equal((await own.receive()).payload.toString(), "foreign");
});

Deno.test("[MQTT-3.8.3-3] another subscription of the publisher that is not no-local still delivers", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a/#", { qos: 2, noLocal: true, identifier: 1 });
  await client.subscribe("a/+", { qos: 1, identifier: 2 });
  await client.publish("a/x", "mine");
  const message = await client.receive();
  assert.deepEqual([message.properties?.subscriptionIdentifier].flat(), [2]);
  await client.expectNothing();
});

Deno.test("[MQTT-3.8.3-3] no-local goes by client id: it outlives the connection with the session", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(durable("nl"));
  await first.subscribe("a", { qos: 1, noLocal: true });
  await drop(broker, first);
  const second = await broker.connect(durable("nl"));
  assert.equal(second.connack?.sessionPresent, true);
  await second.publish("a", "mine", { qos: 1 });
  await second.expectNothing();
});

Deno.test("[MQTT-3.8.3-4] no-local on a shared subscription is a protocol error", async () => {
  assert.equal(await answerTo(rawSubscribe(1, "$share/g/a", 0x04)), 0x82);
});

for (const options of [0x40, 0x80, 0xc1]) {
  Deno.test(`[MQTT-3.8.3-5] reserved subscription options ${options.toString(16)} are malformed`, async () => {
    assert.equal(await answerTo(rawSubscribe(1, "a", options)), 0x81);
  });
}

Deno.test("[MQTT-3.8.3-5] the reserved bits of every filter count, not those of the first alone", async () => {
  assert.equal(await answerTo(subscribeOf(0x82, text("a"), 1, text("b"), 0x41)), 0x81);
});

for (const [what, options] of [["maximum QoS", 0x03], ["retain handling", 0x30]] as const) {
  Deno.test(`[MQTT-3.8.4-7] a ${what} of 3 is a protocol error (MQTT 5 3.8.3.1)`, async () => {
    assert.equal(await answerTo(rawSubscribe(1, "a", options)), 0x82);
  });
}

for (const packetId of [1, 0x100, 0xffff]) {
  Deno.test(`[MQTT-3.8.4-1][MQTT-3.8.4-2] SUBSCRIBE ${packetId} is answered by a SUBACK with its id`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    await client.sendBytes(rawSubscribe(packetId, "a", 1));
    const suback = await client.expect("suback");
    assert.equal(suback.messageId, packetId);
    assert.deepEqual(suback.granted, [1]);
    await client.expectNothing();
  });
}

Deno.test("[MQTT-3.8.4-3] an identical filter replaces the subscription: one copy, by the new options", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("a/+", { qos: 2, identifier: 7 });
  await client.subscribe("a/+", { qos: 1, retainAsPublished: true, identifier: 8 });
  await publisher.publish("a/x", "m", { qos: 2, retain: true });
  const message = await client.receive();
  assert.equal(message.qos, 1);
  assert.equal(message.retain, true);
  assert.deepEqual([message.properties?.subscriptionIdentifier].flat(), [8]);
  await client.expectNothing();
});

Deno.test("[MQTT-3.8.4-3] replacing takes away what the new options leave out", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("a", { qos: 1, noLocal: true, retainAsPublished: true, identifier: 7 });
  await client.subscribe("a", { qos: 1 });
  await publisher.publish("a", "m", { qos: 1, retain: true });
  const message = await client.receive();
  assert.equal(message.retain, false);
  assert.equal(message.properties?.subscriptionIdentifier, undefined);
});

Deno.test("[MQTT-3.8.4-3] replacing a subscription of a session that was resumed leaves one", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(durable("again"));
  await first.subscribe("a", { qos: 2 });
  await drop(broker, first);
  const second = await broker.connect(durable("again"));
  await second.subscribe("a", { qos: 0 });
  const publisher = await broker.connect();
  await publisher.publish("a", "m", { qos: 1 });
  assert.equal((await second.receive()).qos, 0);
  await second.expectNothing();
});

for (const [handling, sentNew, sentAgain] of [[0, true, true], [1, true, false], [2, false, false]] as const) {
  Deno.test(`[MQTT-3.8.4-4] retained messages with retain handling ${handling}`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    await client.publish("r/x", "kept", { qos: 1, retain: true });
    for (const isSent of [sentNew, sentAgain]) {
      await client.subscribe("r/+", { qos: 1, retainHandling: handling });
      if (isSent) assert.equal((await client.receive()).retain, true);
      await client.expectNothing();
    }
  });
}

Deno.test("[MQTT-3.8.4-4] replacing a subscription loses no message", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await broker.connect({ properties: { receiveMaximum: 1 } });
  const publisher = await broker.connect();
  await subscriber.subscribe("a", { qos: 1 });
  for (let i = 0; i < 3; i++) await publisher.publish("a", `before ${i}`, { qos: 1 });
  const first = await subscriber.receive({ acknowledge: false });
  await subscriber.subscribe("a", { qos: 1, identifier: 5 });
  await publisher.publish("a", "after", { qos: 1 });
  await subscriber.send({ cmd: "puback", messageId: first.messageId });
  for (const expected of ["before 1", "before 2", "after"]) {
    assert.equal((await subscriber.receive()).payload.toString(), expected);
  }
  await subscriber.expectNothing();
});

Deno.test("[MQTT-3.8.4-4] a stream of messages goes on while the subscription is replaced again and again", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = [await broker.connect(), await broker.connect()];
  await subscriber.subscribe("s", { qos: 1 });
  const publishing = (async () => {
    for (let i = 0; i < 200; i++) await publisher.publish("s", `${i}`, { qos: 1 });
  })();
  const received: string[] = [];
  for (let i = 0; received.length < 200; i++) {
    if (i % 10 === 0) await subscriber.sendBytes(rawSubscribe(1, "s", 1));
    const next = await subscriber.next();
    if (next?.cmd !== "publish") continue;
    received.push(next.payload.toString());
    await subscriber.send({ cmd: "puback", messageId: next.messageId });
  }
  await publishing;
  assert.deepEqual(received, Array.from({ length: 200 }, (_, i) => `${i}`));
});

Deno.test("[MQTT-3.8.4-5] several filters in one SUBSCRIBE are as many subscriptions and one SUBACK", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await publisher.publish("a", "kept a", { qos: 1, retain: true });
  await publisher.publish("b", "kept b", { qos: 1, retain: true });
  assert.deepEqual(await subscribeAll(client, [["a", 0], ["b", 1], ["c/#", 2]]), [0, 1, 2]);
  const kept = [await client.receive(), await client.receive()];
  assert.deepEqual(kept.map(({ payload, qos }) => [payload.toString(), qos]).toSorted(), [["kept a", 0], [
    "kept b",
    1,
  ]]);
  for (const topic of ["a", "b", "c/d"]) {
    await publisher.publish(topic, topic, { qos: 2 });
    assert.equal((await client.receive()).payload.toString(), topic);
  }
  await client.expectNothing();
});

Deno.test("[MQTT-3.8.4-5] the same filter twice in one SUBSCRIBE: the later replaces the former", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  assert.deepEqual(await subscribeAll(client, [["a", 2], ["a", 0]]), [2, 0]);
  await publisher.publish("a", "m", { qos: 1 });
  assert.equal((await client.receive()).qos, 0);
  await client.expectNothing();
});

Deno.test("[MQTT-3.8.4-6][MQTT-3.9.3-1][MQTT-3.9.3-2] a reason code for each filter, in their order", async () => {
  await using broker = await TestBroker.start({ authenticator: pickyAuthenticator });
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  const filters: [string, 0 | 1 | 2][] = [["a", 0], ["a/#/b", 1], ["b/+", 2], ["denied/x", 1], ["c", 1], ["a+", 2]];
  assert.deepEqual(await subscribeAll(client, filters), [0, 0x8f, 2, 0x87, 1, 0x8f]);
  await publisher.publish("denied/x", "", { qos: 1 });
  await publisher.publish("c", "c", { qos: 1 });
  assert.equal((await client.receive()).topic, "c", "the refused filters are not subscribed to, the others are");
  await client.expectNothing();
});

Deno.test("[MQTT-3.8.4-7] the SUBACK grants what was asked for, or the broker's maximum", async () => {
  for (const qosMax of [2, 1, 0] as const) {
    await using broker = await TestBroker.start({ limits: { qosMax } });
    const client = await broker.connect();
    for (const qos of QOS) assert.equal(await client.subscribe(`q/${qos}`, { qos }), Math.min(qos, qosMax));
  }
});

Deno.test("[MQTT-3.8.4-7] a refused subscription leaves the one with the same filter alone", async () => {
  let mayNow = true;
  const policy: Policy = { mayPublish: () => true, maySubscribe: () => mayNow };
  const authenticator = { authenticate: () => ({ username: undefined, policy }) };
  await using broker = await TestBroker.start({ authenticator });
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  assert.equal(await client.subscribe("a", { qos: 1 }), 1);
  mayNow = false;
  assert.equal(await client.subscribe("a", { qos: 0 }), 0x87);
  await publisher.publish("a", "m", { qos: 1 });
  assert.equal((await client.receive()).qos, 1);
});

for (const granted of QOS) {
  Deno.test(`[MQTT-3.8.4-8] a QoS ${granted} subscription gets the smaller of that and the publisher's QoS`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = [await broker.connect(), await broker.connect()];
    await subscriber.subscribe("a", { qos: granted });
    for (const qos of QOS) {
      await publisher.publish("a", "m", { qos });
      assert.equal((await subscriber.receive()).qos, Math.min(qos, granted));
    }
  });
}

Deno.test("[MQTT-3.8.4-8] a retained message is sent with the smaller QoS, too", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const qos of QOS) await client.publish(`r/${qos}`, "m", { qos, retain: true });
  await client.subscribe("r/+", { qos: 1 });
  const got = [await client.receive(), await client.receive(), await client.receive()];
  assert.deepEqual(got.map(({ topic, qos }) => [topic, qos]).toSorted(), [["r/0", 0], ["r/1", 1], ["r/2", 1]]);
});

Deno.test("[MQTT-3.8.4-8] overlapping subscriptions give one copy with the highest QoS and all identifiers", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("a/#", { qos: 0, identifier: 1 });
  await client.subscribe("a/+", { qos: 2, identifier: 2 });
  await client.subscribe("a/x", { qos: 1 });
  await publisher.publish("a/x", "m", { qos: 2 });
  const message = await client.receive();
  assert.equal(message.qos, 2);
  assert.deepEqual([message.properties?.subscriptionIdentifier].flat().toSorted(), [1, 2]);
  await client.expectNothing();
});

Deno.test("[MQTT-3.9.2-1][MQTT-3.9.2-2] a SUBACK keeps to the client's Maximum Packet Size", async () => {
  await using broker = await TestBroker.start({ authenticator: pickyAuthenticator });
  const client = await broker.connect({ properties: { maximumPacketSize: 30 } });
  assert.equal(await client.subscribe(`denied/${"x".repeat(100)}`, { qos: 1 }), 0x87);
  assert.equal(await client.subscribe(`a/#/${"x".repeat(100)}`, { qos: 1 }), 0x8f);
  assert.ok(lastFrame(client.bytes, SUBACK).length <= 30);
});

Deno.test("[MQTT-3.9.2-1][MQTT-3.9.2-2] without Request Problem Information a SUBACK has no reason string", async () => {
  await using broker = await TestBroker.start({ authenticator: pickyAuthenticator });
  const client = await broker.connect({ properties: { requestProblemInformation: false } });
  await client.sendBytes(rawSubscribe(9, "denied/x", 1));
  const suback = await client.expect("suback");
  assert.deepEqual(suback.granted, [0x87]);
  assert.equal(suback.properties?.reasonString, undefined);
  assert.equal(suback.properties?.userProperties, undefined);
});
