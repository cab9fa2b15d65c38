/** MQTT 3.1.1, section 3.1.2.5: the will message; and section 3.14.4, what DISCONNECT does to it. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { join, publishBytes, retainedOf, will } from "./v3_packets.ts";

/** The ways in which a connection ends without DISCONNECT. */
const ENDINGS: Readonly<Record<string, (client: TestClient, broker: TestBroker) => void | Promise<unknown>>> = {
  "the client closes the connection": (client) => client.close(),
  "the client breaks the protocol": (client) => client.sendBytes(publishBytes(0x36, "a", { packetId: 1 })),
  "the client sends half a packet and closes": async (client) => {
    await client.sendBytes("30 7f 00 01");
    client.close();
  },
  "another connection takes over": (client, broker) => join(broker, { clientId: client.clientId }),
  "the keep alive runs out": () => {},
};

for (const [ending, end] of Object.entries(ENDINGS)) {
  Deno.test(`v3.1.1 [MQTT-3.1.2-8] the will is published when ${ending}`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await join(broker);
    await watcher.subscribe("will/#", { qos: 2 });
    const keepAlive = ending.includes("keep alive") ? 1 : 0;
    const client = await join(broker, { will: will("will/of", "gone", { qos: 1 }), keepAlive });
    await watcher.expectNothing();
    await end(client, broker);
    const message = await watcher.receive();
    assert.deepEqual([message.topic, message.payload.toString(), message.qos], ["will/of", "gone", 1]);
    await watcher.expectNothing();
  });
}

Deno.test("v3.1.1 [MQTT-3.1.2-8] the will waits for the session's connection to end, whatever else it publishes", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("#", { qos: 1 });
  const client = await join(broker, { clean: false, will: will("will", "gone") });
  await client.publish("will", "still here", { qos: 1 });
  assert.equal((await watcher.receive()).payload.toString(), "still here");
  client.close();
  assert.equal((await watcher.receive()).payload.toString(), "gone");
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.1.2-9] a will is published with its QoS ${qos} and its retain flag`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await join(broker);
    await watcher.subscribe("will", { qos: 2 });
    for (const retain of [false, true]) {
      const client = await join(broker, { will: will("will", "", { qos, retain }) });
      client.close();
      assert.equal((await watcher.receive()).qos, qos);
      const other = await join(broker, { will: will("will", `${retain}`, { qos, retain }) });
      other.close();
      assert.equal((await watcher.receive()).payload.toString(), `${retain}`);
      assert.deepEqual(await retainedOf(broker, "will"), retain ? ["will=true"] : []);
    }
  });
}

Deno.test("v3.1.1 [MQTT-3.1.2-10] a will that was published is not published again", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will", { qos: 1 });
  const first = await join(broker, { clientId: "c", clean: false, will: will("will", "gone") });
  first.close();
  assert.equal((await watcher.receive()).payload.toString(), "gone");
  const second = await join(broker, { clientId: "c", clean: false });
  assert.equal(second.connack!.sessionPresent, true);
  await second.sendBytes("f0 00"); // ends the connection without DISCONNECT
  await second.expectClosed();
  await watcher.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-10] [MQTT-3.14.4-3] DISCONNECT removes the will, for later connections too", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will", { qos: 1 });
  for (const clean of [true, false]) {
    const first = await join(broker, { clientId: "c", clean, will: will("will", "gone") });
    await first.disconnect();
    await watcher.expectNothing();
    const second = await join(broker, { clientId: "c", clean });
    await second.sendBytes("f0 00");
    await second.expectClosed();
    await watcher.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-3.14.4-3] packets behind DISCONNECT do not bring the will back", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("#", { qos: 1 });
  const client = await join(broker, { will: will("will", "gone") });
  await client.sendBytes(Uint8Array.from([0xe0, 0, ...publishBytes(0x30, "a"), 0xf0, 0]));
  await client.expectClosed();
  await watcher.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-12] without a will nothing is published when the connection ends", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("#", { qos: 1 });
  for (const clean of [true, false]) {
    const client = await join(broker, { clean });
    await client.sendBytes("f0 00");
    await client.expectClosed();
    await watcher.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-3.1.2-12] a will is not inherited by the connection that takes over without one", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will", { qos: 1 });
  const first = await join(broker, { clientId: "c", clean: false, will: will("will", "of the first") });
  const second = await join(broker, { clientId: "c", clean: false });
  await first.expectClosed();
  assert.equal((await watcher.receive()).payload.toString(), "of the first");
  await second.sendBytes("f0 00");
  await second.expectClosed();
  await watcher.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.2-16] a will without will retain is not retained and leaves what is", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.publish("will", "kept before", { retain: true, qos: 1 });
  await watcher.subscribe("will");
  assert.equal((await watcher.receive()).retain, true);
  const client = await join(broker, { will: will("will", "gone", { retain: false }) });
  client.close();
  assert.equal((await watcher.receive()).retain, false);
  assert.deepEqual(await retainedOf(broker, "will"), ["will=kept before"]);
});

Deno.test("v3.1.1 [MQTT-3.1.2-17] a will with will retain is retained, and sent to subscribers as any message", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will");
  const client = await join(broker, { will: will("will", "gone", { retain: true }) });
  assert.deepEqual(await retainedOf(broker, "will"), []);
  client.close();
  assert.equal((await watcher.receive()).retain, false);
  assert.deepEqual(await retainedOf(broker, "will"), ["will=gone"]);
});
