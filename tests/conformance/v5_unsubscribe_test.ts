import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable } from "../support/departure.ts";
import { lastFrame, packet, type Part, properties, text, uint16 } from "../support/raw_packet.ts";

const UNSUBACK = 11;
const NOT_THERE = 0x11;

/** An UNSUBSCRIBE with id 1, no properties and this payload. */
function unsubscribeOf(first: number, ...payload: Part[]): Uint8Array {
  return packet(first, uint16(1), properties(), ...payload);
}

/** The reason code of the DISCONNECT that answers these bytes. */
async function answerTo(bytes: Uint8Array): Promise<number | undefined> {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(bytes);
  return await client.expectClosed();
}

/** Unsubscribes from several filters in one packet; answers the reason codes. */
async function unsubscribeAll(client: TestClient, unsubscriptions: string[]): Promise<unknown> {
  const messageId = client.nextPacketId();
  await client.send({ cmd: "unsubscribe", messageId, unsubscriptions });
  const unsuback = await client.expect("unsuback");
  assert.equal(unsuback.messageId, messageId);
  return unsuback.granted;
}

for (const flags of [0, 1, 3, 6, 10, 15]) {
  Deno.test(`[MQTT-3.10.1-1] an UNSUBSCRIBE with the flags ${flags} is malformed`, async () => {
    assert.equal(await answerTo(unsubscribeOf(0xa0 | flags, text("a"))), 0x81);
  });
}

for (const [what, bytes] of [["a broken sequence", [0xc3, 0x28]], ["a surrogate", [0xed, 0xb0, 0x80]]] as const) {
  Deno.test(`[MQTT-3.10.3-1] a topic filter that is not UTF-8 is malformed: ${what}`, async () => {
    assert.equal(await answerTo(unsubscribeOf(0xa2, text(Uint8Array.from(bytes)))), 0x81);
  });
}

Deno.test("[MQTT-3.10.3-2] an UNSUBSCRIBE without a filter is a protocol error", async () => {
  assert.equal(await answerTo(unsubscribeOf(0xa2)), 0x82);
});

Deno.test("[MQTT-3.10.4-1] only the filter that is the same character by character is deleted", async () => {
  const held = ["a/b", "a/+", "a/#", "A/b", "a/b/", "/a/b"];
  for (const filter of held) {
    await using broker = await TestBroker.start();
    const [client, publisher] = [await broker.connect(), await broker.connect()];
    for (const [i, each] of held.entries()) await client.subscribe(each, { identifier: i + 1 });
    assert.equal(await client.unsubscribe(filter), 0);
    for (const topic of ["a/b", "A/b", "a/b/", "/a/b"]) await publisher.publish(topic, "", { qos: 1 });
    const reached = new Set<number>();
    for (let i = 0; i < 4; i++) {
      await client.send({ cmd: "pingreq" });
      for (let next = await client.next(); next?.cmd === "publish"; next = await client.next()) {
        [next.properties?.subscriptionIdentifier].flat().forEach((id) => reached.add(id as number));
      }
    }
    const expected = held.map((each, i) => each === filter ? 0 : i + 1).filter((id) => id > 0);
    assert.deepEqual([...reached].toSorted(), expected, `after UNSUBSCRIBE ${filter}`);
  }
});

Deno.test("[MQTT-3.10.4-1] a filter that merely matches the same topics is not deleted", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a/+");
  for (const other of ["a/b", "a/#", "#", "+/+", "A/+", "a/+/", "$share/g/a/+"]) {
    assert.equal(await client.unsubscribe(other), NOT_THERE, other);
  }
  await client.publish("a/b", "still");
  assert.equal((await client.receive()).payload.toString(), "still");
});

Deno.test("[MQTT-3.10.4-1] shared subscriptions are told apart by group and filter", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("$share/g/a");
  for (const other of ["a", "$share/h/a", "$share/g/+"]) {
    assert.equal(await client.unsubscribe(other), NOT_THERE, other);
  }
  await client.publish("a", "still");
  assert.equal((await client.receive()).payload.toString(), "still");
  assert.equal(await client.unsubscribe("$share/g/a"), 0);
  await client.publish("a", "gone");
  await client.expectNothing();
});

Deno.test("[MQTT-3.10.4-1] the subscription of another client stays", async () => {
  await using broker = await TestBroker.start();
  const [leaving, staying] = [await broker.connect(), await broker.connect()];
  await leaving.subscribe("a");
  await staying.subscribe("a");
  await leaving.unsubscribe("a");
  await leaving.publish("a", "m");
  assert.equal((await staying.receive()).payload.toString(), "m");
});

Deno.test("[MQTT-3.10.4-2] nothing new is added after UNSUBSCRIBE, for any QoS", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("a/#", { qos: 2 });
  await publisher.publish("a/x", "before");
  assert.equal((await client.receive()).payload.toString(), "before");
  await client.unsubscribe("a/#");
  for (const qos of [0, 1, 2] as const) await publisher.publish("a/x", "after", { qos });
  await client.expectNothing();
});

Deno.test("[MQTT-3.10.4-2] a filter that was unsubscribed stays so in the resumed session", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(durable("un"));
  await first.subscribe("a", { qos: 1 });
  await first.subscribe("b", { qos: 1 });
  await first.unsubscribe("a");
  await drop(broker, first);
  const publisher = await broker.connect();
  await publisher.publish("a", "no", { qos: 1 });
  await publisher.publish("b", "yes", { qos: 1 });
  const second = await broker.connect(durable("un"));
  assert.equal((await second.receive()).payload.toString(), "yes");
  await second.expectNothing();
});

Deno.test("[MQTT-3.10.4-3] a QoS 1 message that was sent is delivered to the end after UNSUBSCRIBE", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(durable("un1"));
  const publisher = await broker.connect();
  await first.subscribe("a", { qos: 1 });
  await publisher.publish("a", "m", { qos: 1 });
  const sent = await first.receive({ acknowledge: false });
  assert.equal(await first.unsubscribe("a"), 0);
  await drop(broker, first);
  const second = await broker.connect(durable("un1"));
  const again = await second.receive();
  assert.equal(again.messageId, sent.messageId);
  assert.equal(again.dup, true);
  await second.expectNothing();
});

Deno.test("[MQTT-3.10.4-3] a QoS 2 message that was sent is delivered to the end after UNSUBSCRIBE", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("a", { qos: 2 });
  await publisher.publish("a", "m", { qos: 2 });
  const { messageId } = await client.receive({ acknowledge: false });
  await client.unsubscribe("a");
  await client.send({ cmd: "pubrec", messageId });
  const pubrel = await client.expect("pubrel");
  assert.equal(pubrel.messageId, messageId);
  assert.equal(pubrel.reasonCode ?? 0, 0);
  await client.send({ cmd: "pubcomp", messageId });
  await client.expectNothing();
});

for (const packetId of [1, 0x100, 0xffff]) {
  Deno.test(`[MQTT-3.10.4-4][MQTT-3.10.4-5] UNSUBSCRIBE ${packetId} is answered by an UNSUBACK with its id`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    await client.subscribe("a");
    for (const expected of [0, NOT_THERE]) {
      await client.sendBytes(packet(0xa2, uint16(packetId), properties(), text("a")));
      const unsuback = await client.expect("unsuback");
      assert.equal(unsuback.messageId, packetId);
      assert.deepEqual(unsuback.granted, [expected]);
    }
    await client.expectNothing();
  });
}

Deno.test("[MQTT-3.10.4-6] several filters in one UNSUBSCRIBE are deleted and answered by one UNSUBACK", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const filter of ["a", "b/+", "c/#", "d"]) await client.subscribe(filter);
  assert.deepEqual(await unsubscribeAll(client, ["a", "b/+", "c/#"]), [0, 0, 0]);
  await client.expectNothing();
  for (const topic of ["a", "b/x", "c", "d"]) await client.publish(topic, topic);
  assert.equal((await client.receive()).topic, "d");
  await client.expectNothing();
});

Deno.test("[MQTT-3.11.3-1][MQTT-3.11.3-2] a reason code for each filter, in their order", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const filter of ["a", "b", "c"]) await client.subscribe(filter);
  const codes = await unsubscribeAll(client, ["x", "a", "y/#", "b", "a", "c"]);
  assert.deepEqual(codes, [NOT_THERE, 0, NOT_THERE, 0, NOT_THERE, 0]);
});

Deno.test("[MQTT-3.11.3-2] a filter that cannot be subscribed to has an answer, too", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const [code] = await unsubscribeAll(client, ["a/#/b"]) as number[];
  assert.ok(code === NOT_THERE || code === 0x8f, `0x${code.toString(16)}`);
});

Deno.test("[MQTT-3.11.2-1][MQTT-3.11.2-2] an UNSUBACK keeps to the client's Maximum Packet Size", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { maximumPacketSize: 30 } });
  assert.equal(await client.unsubscribe("x".repeat(200)), NOT_THERE);
  assert.ok(lastFrame(client.bytes, UNSUBACK).length <= 30);
});

Deno.test("[MQTT-3.11.2-1][MQTT-3.11.2-2] without Request Problem Information an UNSUBACK has no reason string", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { requestProblemInformation: false } });
  await client.send({ cmd: "unsubscribe", messageId: 3, unsubscriptions: ["nowhere"] });
  const unsuback = await client.expect("unsuback");
  assert.equal(unsuback.properties?.reasonString, undefined);
  assert.equal(unsuback.properties?.userProperties, undefined);
});
