/** MQTT 3.1.1, sections 3.10 to 3.12: UNSUBSCRIBE, UNSUBACK, PINGREQ. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { assertViolation, field, framesOf, headersOf, join, packet, receiveMessages, uint16 } from "./v3_packets.ts";

Deno.test("v3.1.1 [MQTT-3.10.3-1] a filter in UNSUBSCRIBE that is cut off or not UTF-8 closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, packet(0xa2, uint16(1), field([0xff])));
  await assertViolation(broker, packet(0xa2, uint16(1), field("a"), field([0xc3])));
  await assertViolation(broker, packet(0xa2, uint16(1), [0, 2, 0x61]));
  await assertViolation(broker, packet(0xa2, uint16(1), field("a"), [0])); // not contiguous: half a length follows
});

Deno.test("v3.1.1 [MQTT-3.10.3-2] an UNSUBSCRIBE without a filter closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, packet(0xa2, uint16(1)));
});

Deno.test("v3.1.1 [MQTT-3.10.4-1] only the subscription with exactly this filter is deleted", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  const publisher = await join(broker);
  const filters = ["a/b", "a/+", "a/#"];
  for (const filter of filters) await client.subscribe(filter, { qos: 1 });
  for (const other of ["A/b", "a", "a/b/", "/a/b", "+/b", "#", "a/+/#", "a/B", "a//b"]) await client.unsubscribe(other);
  for (const filter of filters) { // each matches, so the message comes until the last one is gone
    await publisher.publish("a/b", filter, { qos: 1 });
    assert.equal((await client.receive()).payload.toString(), filter);
    await client.expectNothing();
    await client.unsubscribe(filter);
  }
  await publisher.publish("a/b", "", { qos: 1 });
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.10.4-1] each of several subscriptions is found by its own filter", async () => {
  await using broker = await TestBroker.start();
  const publisher = await join(broker);
  const filters = ["a/b", "a/+", "a/#", "+/b", "#"];
  for (const removed of filters) {
    const client = await join(broker);
    for (const filter of filters) await client.subscribe(filter);
    for (const filter of filters) if (filter !== removed) await client.unsubscribe(filter);
    await publisher.publish("a/b", "still subscribed");
    assert.equal((await client.receive()).payload.toString(), "still subscribed");
    await client.unsubscribe(removed);
    await publisher.publish("a/b", "", { qos: 1 });
    await client.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-3.10.4-2] nothing new is sent once a subscription is deleted, to no one but this client", async () => {
  await using broker = await TestBroker.start();
  const leaving = await join(broker, { clientId: "c", clean: false });
  const staying = await join(broker);
  for (const client of [leaving, staying]) await client.subscribe("a", { qos: 2 });
  await leaving.unsubscribe("a");
  const publisher = await join(broker);
  for (const qos of [0, 1, 2] as const) await publisher.publish("a", "", { qos });
  await receiveMessages(staying, 3);
  await leaving.expectNothing();
  await leaving.disconnect();
  await publisher.publish("a", "", { qos: 1 });
  const back = await join(broker, { clientId: "c", clean: false });
  await back.expectNothing();
});

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.10.4-3] a QoS ${qos} message that was sent before UNSUBSCRIBE is completed after it`, async () => {
    await using broker = await TestBroker.start();
    const before = await join(broker, { clientId: "c", clean: false });
    await before.subscribe("a", { qos });
    const publisher = await join(broker);
    for (const payload of ["1", "2"]) await publisher.publish("a", payload, { qos });
    const first = await before.receive({ acknowledge: false });
    const second = await before.receive({ acknowledge: false });
    await before.unsubscribe("a");
    if (qos === 1) await before.send({ cmd: "puback", messageId: first.messageId });
    else {
      await before.send({ cmd: "pubrec", messageId: first.messageId });
      assert.equal((await before.expect("pubrel")).messageId, first.messageId);
      await before.send({ cmd: "pubcomp", messageId: first.messageId });
    }
    await before.disconnect();
    const after = await join(broker, { clientId: "c", clean: false });
    const [again] = await receiveMessages(after, 1);
    assert.deepEqual([again!.payload.toString(), again!.messageId, again!.dup], ["2", second.messageId, true]);
    await after.expectNothing();
  });
}

Deno.test("v3.1.1 [MQTT-3.10.4-4] UNSUBSCRIBE is answered by UNSUBACK with its identifier", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const id of [1, 0x8000, 0xffff]) {
    await client.subscribe("a");
    await client.sendBytes(packet(0xa2, uint16(id), field("a")));
    await client.expect("unsuback");
    assert.deepEqual(framesOf(client).at(-1), [0xb0, 2, ...uint16(id)]);
  }
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.10.4-5] UNSUBSCRIBE from what was never subscribed to is answered by UNSUBACK", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const filter of ["a", "#", "$share/g/a", "not/#/valid", "a+"]) await client.unsubscribe(filter);
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.10.4-6] several filters in one UNSUBSCRIBE are all deleted, with one UNSUBACK", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const filter of ["a", "b", "c"]) await client.subscribe(filter);
  await client.send({ cmd: "unsubscribe", messageId: 9, unsubscriptions: ["a", "unknown", "c", "a"] });
  assert.equal((await client.expect("unsuback")).messageId, 9);
  await client.expectNothing();
  assert.equal(headersOf(client).filter((first) => first === 0xb0).length, 1);
  for (const topic of ["a", "c", "b"]) await client.publish(topic);
  assert.equal((await client.receive()).topic, "b");
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.12.4-1] each PINGREQ is answered by a PINGRESP", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.sendBytes("c000 c000 c000");
  for (let i = 0; i < 3; i++) await client.expect("pingresp");
  await client.expectNothing();
  assert.deepEqual(framesOf(client).at(-1), [0xd0, 0]);
});
