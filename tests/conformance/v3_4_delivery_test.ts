/** MQTT 3.1.1, sections 4.3 and 4.4: the delivery protocols of the three QoS, and what is sent again. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { framesOf, join, publishBytes, receivePayloads, uint16 } from "./v3_packets.ts";

/** A publisher and a subscriber to "a" with a session that lasts. */
async function pair(broker: TestBroker, qos: 0 | 1 | 2): Promise<{ publisher: TestClient; subscriber: TestClient }> {
  const subscriber = await join(broker, { clientId: "subscriber", clean: false });
  await subscriber.subscribe("a", { qos });
  return { subscriber, publisher: await join(broker, { clientId: "publisher", clean: false }) };
}

/** The subscriber on a new connection. */
function comeBack(broker: TestBroker): Promise<TestClient> {
  return join(broker, { clientId: "subscriber", clean: false });
}

Deno.test("v3.1.1 [MQTT-4.3.1-1] a QoS 0 message is sent once, with QoS 0 and DUP 0, and not again", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 0);
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish("a", `${qos}`, { qos });
    await subscriber.expect("publish");
    assert.deepEqual(framesOf(subscriber).at(-1), [...publishBytes(0x30, "a", { payload: `${qos}` })]);
  }
  await subscriber.disconnect();
  await (await comeBack(broker)).expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.3.2-1] a QoS 1 message has an identifier, QoS 1 and DUP 0, and is unacknowledged until PUBACK", async () => {
  await using broker = await TestBroker.start({ limits: { inflightMax: 1 } });
  const { publisher, subscriber } = await pair(broker, 1);
  for (const payload of ["1", "2"]) await publisher.publish("a", payload, { qos: 1 });
  const { messageId } = await subscriber.receive({ acknowledge: false });
  assert.deepEqual(framesOf(subscriber).at(-1), [0x32, 6, 0, 1, 0x61, ...uint16(messageId!), 0x31]);
  await subscriber.send({ cmd: "puback", messageId: messageId! + 1 }); // of nothing that was sent
  await subscriber.expectNothing(); // the window of one message is taken
  await subscriber.disconnect();
  const after = await comeBack(broker);
  assert.deepEqual(await receivePayloads(after, 2), ["1", "2"]);
  await after.disconnect();
  await (await comeBack(broker)).expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.3.2-2] PUBACK follows a QoS 1 message, and the same identifier is then a new publication, DUP or not", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 1);
  for (const [payload, dup] of [["1", false], ["2", true], ["3", false]] as const) {
    await publisher.publish("a", payload, { qos: 1, messageId: 8, dup });
    assert.deepEqual(await receivePayloads(subscriber, 1), [payload]);
  }
  await subscriber.expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.3.2-2] a QoS 1 message that was acknowledged reaches subscribers though its publisher is gone", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 1);
  await subscriber.disconnect();
  await publisher.publish("a", "owned", { qos: 1 });
  publisher.close();
  assert.deepEqual(await receivePayloads(await comeBack(broker), 1), ["owned"]);
});

Deno.test("v3.1.1 [MQTT-4.3.3-1] a QoS 2 message goes PUBLISH, PUBREC, PUBREL, PUBCOMP with one identifier", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 2);
  await publisher.publish("a", "1", { qos: 2 });
  const { messageId } = await subscriber.receive({ acknowledge: false });
  assert.deepEqual(framesOf(subscriber).at(-1), [0x34, 6, 0, 1, 0x61, ...uint16(messageId!), 0x31]);
  await subscriber.expectNothing(); // no PUBREL before PUBREC
  await subscriber.send({ cmd: "pubrec", messageId });
  await subscriber.expect("pubrel");
  assert.deepEqual(framesOf(subscriber).at(-1), [0x62, 2, ...uint16(messageId!)]);
  await subscriber.send({ cmd: "pubcomp", messageId });
  await subscriber.disconnect();
  await (await comeBack(broker)).expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.3.3-1] PUBREC that comes again is answered by PUBREL again, never by PUBLISH", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 2);
  await publisher.publish("a", "1", { qos: 2 });
  const { messageId } = await subscriber.receive({ acknowledge: false });
  for (let i = 0; i < 3; i++) {
    await subscriber.send({ cmd: "pubrec", messageId });
    assert.equal((await subscriber.expect("pubrel")).messageId, messageId);
  }
  await subscriber.expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.3.3-1] a QoS 2 message is unacknowledged until PUBREC, its PUBREL until PUBCOMP", async () => {
  await using broker = await TestBroker.start({ limits: { inflightMax: 1 } });
  const { publisher, subscriber } = await pair(broker, 2);
  for (const payload of ["1", "2"]) await publisher.publish("a", payload, { qos: 2 });
  const { messageId } = await subscriber.receive({ acknowledge: false });
  await subscriber.expectNothing();
  await subscriber.send({ cmd: "pubrec", messageId });
  await subscriber.expect("pubrel");
  await subscriber.expectNothing(); // the identifier and the window are still taken
  await subscriber.send({ cmd: "pubcomp", messageId });
  assert.deepEqual(await receivePayloads(subscriber, 1), ["2"]);
});

Deno.test("v3.1.1 [MQTT-4.3.3-2] a QoS 2 message that comes again before PUBREL is answered by PUBREC and published once", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 2);
  const send = async (dup: boolean, payload: string) => {
    await publisher.sendBytes(publishBytes(dup ? 0x3c : 0x34, "a", { packetId: 3, payload }));
    assert.equal((await publisher.expect("pubrec")).messageId, 3);
  };
  await send(false, "1");
  await send(true, "1");
  await send(false, "1");
  await publisher.send({ cmd: "pubrel", messageId: 3 });
  assert.equal((await publisher.expect("pubcomp")).messageId, 3);
  assert.deepEqual(await receivePayloads(subscriber, 1), ["1"]);
  await subscriber.expectNothing();
  await send(true, "2"); // after PUBCOMP the identifier is free
  assert.deepEqual(await receivePayloads(subscriber, 1), ["2"]);
});

Deno.test("v3.1.1 [MQTT-4.3.3-2] a QoS 2 message that comes again on another connection is published once", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 2);
  await publisher.sendBytes(publishBytes(0x34, "a", { packetId: 3, payload: "1" }));
  await publisher.expect("pubrec");
  publisher.close();
  const again = await join(broker, { clientId: "publisher", clean: false });
  await again.sendBytes(publishBytes(0x3c, "a", { packetId: 3, payload: "1" }));
  assert.equal((await again.expect("pubrec")).messageId, 3);
  await again.send({ cmd: "pubrel", messageId: 3 });
  await again.expect("pubcomp");
  assert.deepEqual(await receivePayloads(subscriber, 1), ["1"]);
  await subscriber.expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.3.3-2] PUBREL is answered by PUBCOMP, also when it comes again", async () => {
  await using broker = await TestBroker.start();
  const { publisher } = await pair(broker, 2);
  await publisher.publish("a", "1", { qos: 2, messageId: 3 });
  for (const messageId of [3, 3, 9]) {
    await publisher.send({ cmd: "pubrel", messageId });
    assert.equal((await publisher.expect("pubcomp")).messageId, messageId);
  }
});

Deno.test("v3.1.1 [MQTT-4.4.0-1] unacknowledged PUBLISH and PUBREL are sent again with their identifiers, what is acknowledged is not", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 2);
  const qosOf = {
    "puback missing": 1,
    "acknowledged": 1,
    "pubrec missing": 2,
    "pubcomp missing": 2,
    "complete": 2,
  } as const;
  const idOf = new Map<string, number>();
  for (const [payload, qos] of Object.entries(qosOf)) {
    await publisher.publish("a", payload, { qos });
    const acknowledge = payload === "acknowledged" || payload === "complete";
    idOf.set(payload, (await subscriber.receive({ acknowledge })).messageId!);
  }
  await subscriber.send({ cmd: "pubrec", messageId: idOf.get("pubcomp missing") });
  await subscriber.expect("pubrel");
  subscriber.close();
  for (let i = 0; i < 2; i++) { // on each connection until the acknowledgement comes
    const after = await comeBack(broker);
    const frames = [];
    for (let next = 0; next < 3; next++) frames.push(await after.next());
    const seen = frames.map((each) => [
      each?.cmd,
      each?.messageId,
      each?.cmd === "publish" ? each.payload.toString() : "",
      each?.cmd === "publish" && each.dup,
    ]);
    assert.deepEqual(seen, [
      ["publish", idOf.get("puback missing"), "puback missing", true],
      ["publish", idOf.get("pubrec missing"), "pubrec missing", true],
      ["pubrel", idOf.get("pubcomp missing"), "", false],
    ]);
    await after.expectNothing();
    after.close();
  }
});

Deno.test("v3.1.1 [MQTT-4.4.0-1] nothing is sent again while the connection stands", async () => {
  await using broker = await TestBroker.start();
  const { publisher, subscriber } = await pair(broker, 2);
  await publisher.publish("a", "1", { qos: 1 });
  await subscriber.receive({ acknowledge: false });
  await publisher.publish("a", "2", { qos: 1 });
  assert.equal((await subscriber.receive({ acknowledge: false })).payload.toString(), "2");
  await subscriber.expectNothing();
});

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-4.5.0-1] a QoS ${qos} message is added to every session that matches, connected or not, and to no other`, async () => {
    await using broker = await TestBroker.start();
    const filters = ["a/b", "a/+", "#", "a/#"];
    for (const [index, filter] of [...filters, "b", "a"].entries()) {
      const client = await join(broker, { clientId: `away ${index}`, clean: false });
      await client.subscribe(filter, { qos: 2 });
      await client.disconnect();
    }
    const present = await join(broker);
    await present.subscribe("+/b", { qos: 2 });
    const publisher = await join(broker);
    await publisher.publish("a/b", "for each", { qos });
    assert.deepEqual(await receivePayloads(present, 1), ["for each"]);
    for (let index = 0; index < 6; index++) {
      const client = await join(broker, { clientId: `away ${index}`, clean: false });
      if (index < filters.length) assert.deepEqual(await receivePayloads(client, 1), ["for each"]);
      await client.expectNothing();
    }
  });
}
