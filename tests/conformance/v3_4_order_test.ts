/** MQTT 3.1.1, section 4.6: message ordering. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { join, publishBytes, receiveMessages, receivePayloads } from "./v3_packets.ts";

const COUNT = 300;

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `${from + i}`);
}

/** Publishes to "a" without waiting for acknowledgements: everything lies in one write. */
async function publishAll(client: TestClient, qos: 0 | 1 | 2, payloads: readonly string[]): Promise<void> {
  const packets = payloads.map((payload, i) =>
    publishBytes(0x30 | (qos << 1), "a", qos === 0 ? { payload } : { payload, packetId: i + 1 })
  );
  await client.sendBytes(Uint8Array.from(packets.flatMap((bytes) => [...bytes])));
}

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-4.6.0-1] QoS ${qos} messages are sent again in the order of the first time, before any new one`, async () => {
    await using broker = await TestBroker.start({ limits: { inflightMax: 20 } });
    const before = await join(broker, { clientId: "c", clean: false });
    await before.subscribe("a", { qos });
    const publisher = await join(broker);
    await publishAll(publisher, qos, numbers(0, 40));
    const sent: number[] = [];
    while (sent.length < 20) sent.push((await before.receive({ acknowledge: false })).messageId!);
    before.close();
    const after = await join(broker, { clientId: "c", clean: false });
    const messages = await receiveMessages(after, 40);
    assert.deepEqual(messages.map(({ payload }) => payload.toString()), numbers(0, 40));
    assert.deepEqual(messages.slice(0, 20).map(({ messageId }) => messageId), sent);
    assert.deepEqual(messages.map(({ dup }) => dup), messages.map((_, i) => i < 20));
  });
}

Deno.test("v3.1.1 [MQTT-4.6.0-1] messages acknowledged out of order leave the order of the others", async () => {
  await using broker = await TestBroker.start();
  const before = await join(broker, { clientId: "c", clean: false });
  await before.subscribe("a", { qos: 1 });
  const publisher = await join(broker);
  await publishAll(publisher, 1, numbers(0, 6));
  const ids: number[] = [];
  while (ids.length < 6) ids.push((await before.receive({ acknowledge: false })).messageId!);
  for (const index of [4, 1, 0]) await before.send({ cmd: "puback", messageId: ids[index]! });
  await before.disconnect();
  const after = await join(broker, { clientId: "c", clean: false });
  assert.deepEqual(await receivePayloads(after, 3), ["2", "3", "5"]);
});

Deno.test("v3.1.1 [MQTT-4.6.0-4] PUBREL packets are sent in the order in which PUBREC came", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.subscribe("a", { qos: 2 });
  const publisher = await join(broker);
  await publishAll(publisher, 2, numbers(0, 5));
  const ids: number[] = [];
  while (ids.length < 5) ids.push((await client.receive({ acknowledge: false })).messageId!);
  const order = [3, 0, 4, 2, 1].map((index) => ids[index]!);
  for (const messageId of order) await client.send({ cmd: "pubrec", messageId });
  for (const messageId of order) assert.equal((await client.expect("pubrel")).messageId, messageId);
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-4.6.0-5] [MQTT-4.6.0-6] QoS ${qos} messages of one client to one topic arrive in their order at each subscriber`, async () => {
    await using broker = await TestBroker.start({ limits: { inflightMax: 7 } });
    const subscribers: TestClient[] = [];
    for (const filter of ["a", "#", "+"]) {
      const client = await join(broker);
      await client.subscribe(filter, { qos });
      subscribers.push(client);
    }
    const publisher = await join(broker);
    const receiving = subscribers.map((client) => receivePayloads(client, COUNT));
    await publishAll(publisher, qos, numbers(0, COUNT));
    for (const received of await Promise.all(receiving)) assert.deepEqual(received, numbers(0, COUNT));
  });
}

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-4.6.0-6] QoS ${qos} messages keep their order over the client's absence, each comes once`, async () => {
    await using broker = await TestBroker.start({ limits: { inflightMax: 7 } });
    const before = await join(broker, { clientId: "c", clean: false });
    await before.subscribe("a", { qos });
    const publisher = await join(broker);
    const publish = async (payloads: readonly string[]) => {
      for (const payload of payloads) await publisher.publish("a", payload, { qos });
    };
    await publish(numbers(0, 30));
    const received = await receivePayloads(before, 10);
    await before.disconnect();
    await publish(numbers(30, 60));
    const after = await join(broker, { clientId: "c", clean: false });
    const publishing = publish(numbers(60, 80));
    received.push(...await receivePayloads(after, 80 - received.length));
    await publishing;
    assert.deepEqual(received, numbers(0, 80));
    await after.expectNothing();
  });
}
