/** MQTT 3.1.1, section 7: what makes a conformant server, shown by a client library that knows nothing of ours. */

import assert from "node:assert/strict";
import mqtt, { type MqttClient } from "mqtt";
import { TestBroker } from "../support/broker.ts";

function connect(broker: TestBroker, clientId: string, clean = true): Promise<MqttClient> {
  return mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
    protocolVersion: 4,
    clientId,
    clean,
    reconnectPeriod: 0,
  });
}

Deno.test("v3.1.1 [MQTT-7.0.0-2] a stock client uses everything of 3.1.1 without any extension", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await connect(broker, "subscriber", false);
  const received: string[] = [];
  const complete = Promise.withResolvers<void>();
  const note = (topic: string, payload: Uint8Array) => {
    received.push(`${topic}=${new TextDecoder().decode(payload)}`);
    if (received.length === 4) complete.resolve();
  };
  subscriber.on("message", note);
  const granted = await subscriber.subscribeAsync({ "a/+": { qos: 2 }, "b/#": { qos: 1 } });
  assert.deepEqual(granted.map(({ qos }) => qos), [2, 1]);
  const publisher = await connect(broker, "publisher");
  for (const qos of [0, 1, 2] as const) await publisher.publishAsync(`a/${qos}`, "live", { qos, retain: qos === 1 });
  await subscriber.unsubscribeAsync("a/+");
  await publisher.publishAsync("a/3", "unsubscribed", { qos: 1 });
  await subscriber.endAsync();
  await publisher.publishAsync("b/c", "stored", { qos: 1 });
  const again = mqtt.connect(`mqtt://127.0.0.1:${broker.port}`, {
    protocolVersion: 4,
    clientId: "subscriber",
    clean: false,
  });
  again.on("message", note);
  await complete.promise;
  assert.deepEqual(received, ["a/0=live", "a/1=live", "a/2=live", "b/c=stored"]);
  await Promise.all([again.endAsync(), publisher.endAsync()]);
});

Deno.test("v3.1.1 [MQTT-7.1.1-1] the broker serves TCP, and half a megabyte arrives whole in both directions", async () => {
  await using broker = await TestBroker.start();
  const client = await connect(broker, "c");
  await client.subscribeAsync("a", { qos: 1 });
  const payload = crypto.getRandomValues(new Uint8Array(65_536));
  const sent = Uint8Array.from({ length: 8 * payload.length }, (_, i) => payload[i % payload.length]!);
  const received = new Promise<Uint8Array>((resolve) => client.once("message", (_, bytes) => resolve(bytes)));
  await client.publishAsync("a", sent as unknown as string, { qos: 1 });
  assert.deepEqual(new Uint8Array(await received), sent);
  await client.endAsync();
});
