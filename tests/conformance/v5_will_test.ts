/** MQTT 5.0 sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2 to 3.1.3.4: wills. */

import assert from "node:assert/strict";
import type { IConnectPacket } from "mqtt-packet";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { connectRefusal } from "../support/endings.ts";
import {
  join,
  lastFrame,
  properties,
  rawConnect,
  rawPublish,
  text,
  uint32,
  userProperty,
} from "../support/raw_packet.ts";

type Will = NonNullable<IConnectPacket["will"]>;

Deno.test("[MQTT-3.1.2-7] [MQTT-3.1.2-8] the will is published when the connection breaks", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const client = await broker.connect({ will: will() });
  client.close();
  assert.equal((await witness.receive()).payload.toString(), "gone");
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] the will is published when the client breaks the protocol", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const client = await broker.connect({ will: will() });
  await client.sendBytes("36 00"); // QoS 3
  assert.equal(await client.expectClosed(), 0x81);
  await witness.receive();
});

Deno.test("[MQTT-3.1.2-8] the will is published when the client says DISCONNECT with another code than 0x00", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  for (const code of [0x04, 0x80, 0x82]) {
    const client = await broker.connect({ will: will({ payload: `${code}` }) });
    await client.disconnect(code);
    assert.equal((await witness.receive()).payload.toString(), `${code}`);
  }
});

Deno.test("[MQTT-3.1.2-8] [MQTT-3.1.2-10] DISCONNECT with 0x00 deletes the will, delayed or not", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  for (const willDelayInterval of [0, 1]) {
    const session = { sessionExpiryInterval: willDelayInterval };
    const client = await broker.connect({ will: will({ properties: { willDelayInterval } }), properties: session });
    await client.disconnect();
  }
  const marker = await broker.connect({
    will: will({ payload: "marker", properties: { willDelayInterval: 1 } }),
    properties: { sessionExpiryInterval: 1 },
  });
  marker.close();
  assert.equal((await witness.receive()).payload.toString(), "marker");
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.2-10] a will is published once: the session that goes on without one has none", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const lasting = { sessionExpiryInterval: 300 };
  (await broker.connect({ clientId: "one", will: will(), properties: lasting })).close();
  await witness.receive();
  const again = await broker.connect({ clientId: "one", clean: false, properties: lasting });
  assert.equal(again.connack?.sessionPresent, true);
  await again.disconnect(0x04);
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] a new CONNECT replaces the will that the session had", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const lasting = { sessionExpiryInterval: 300 };
  const later = { willDelayInterval: 300 };
  const first = await broker.connect({ clientId: "one", will: will({ properties: later }), properties: lasting });
  first.close();
  const second = await broker.connect({ clientId: "one", clean: false, will: will({ payload: "second" }) });
  second.close();
  assert.equal((await witness.receive()).payload.toString(), "second");
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] a delayed will waits for its delay, then is published though the session goes on", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const client = await broker.connect({
    clientId: "one",
    will: will({ properties: { willDelayInterval: 1 } }),
    properties: { sessionExpiryInterval: 300 },
  });
  const closedAt = Date.now();
  client.close();
  await witness.expectNothing();
  await witness.receive();
  assert.ok(Date.now() - closedAt >= 990, `after ${Date.now() - closedAt} ms`);
  assert.equal((await broker.connect({ clientId: "one", clean: false })).connack?.sessionPresent, true);
});

Deno.test("[MQTT-3.1.2-8] a delayed will is published at once when the session ends with the connection", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  (await broker.connect({ will: will({ properties: { willDelayInterval: 600 } }) })).close();
  await witness.receive();
});

Deno.test("[MQTT-3.1.3-9] a client that comes back within the delay keeps its will from being published", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const lasting = { sessionExpiryInterval: 300 };
  const delayed = will({ properties: { willDelayInterval: 1 } });
  const first = await broker.connect({ clientId: "one", will: delayed, properties: lasting });
  first.close();
  const second = await broker.connect({ clientId: "one", clean: false, properties: lasting });
  assert.equal(second.connack?.sessionPresent, true);
  const marker = await broker.connect({
    will: will({ payload: "marker", properties: delayed.properties }),
    properties: lasting,
  });
  marker.close();
  assert.equal((await witness.receive()).payload.toString(), "marker");
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.3-9] [MQTT-3.1.4-3] taking a session over publishes a will without delay, and no delayed one", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const lasting = { sessionExpiryInterval: 300 };
  await broker.connect({ clientId: "one", will: will({ payload: "undelayed" }), properties: lasting });
  const delayed = will({ payload: "delayed", properties: { willDelayInterval: 300 } });
  await broker.connect({ clientId: "one", clean: false, will: delayed, properties: lasting });
  assert.equal((await witness.receive()).payload.toString(), "undelayed");
  await broker.connect({ clientId: "one", clean: false, properties: lasting });
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.2-8] [MQTT-3.1.2-4] clean start ends the session, and so publishes its delayed will", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const delayed = will({ properties: { willDelayInterval: 300 } });
  const first = await broker.connect({ clientId: "one", will: delayed, properties: { sessionExpiryInterval: 300 } });
  first.close();
  await broker.connect({ clientId: "one", clean: true });
  await witness.receive();
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.2-9] the will is published with its QoS, lowered to the subscription's", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const humble = await broker.connect();
  await humble.subscribe("will", { qos: 1 });
  for (const qos of [0, 1, 2] as const) {
    (await broker.connect({ will: will({ qos }) })).close();
    assert.equal((await witness.receive()).qos, qos);
    assert.equal((await humble.receive()).qos, Math.min(qos, 1));
  }
});

Deno.test("[MQTT-3.1.2-14] a will without will retain is not retained, and leaves what is", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker, true);
  await (await broker.connect()).publish("will", "kept", { retain: true, qos: 1 });
  await witness.receive();
  (await broker.connect({ will: will({ retain: false }) })).close();
  assert.equal((await witness.receive()).retain, false);
  const late = await broker.connect();
  await late.subscribe("will");
  assert.equal((await late.receive()).payload.toString(), "kept");
});

Deno.test("[MQTT-3.1.2-15] a will with will retain is retained, and an empty one clears", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker, true);
  (await broker.connect({ will: will({ retain: true }) })).close();
  assert.equal((await witness.receive()).retain, true);
  const late = await broker.connect();
  await late.subscribe("will");
  const kept = await late.receive();
  assert.deepEqual([kept.payload.toString(), kept.retain], ["gone", true]);
  (await broker.connect({ will: will({ retain: true, payload: "" }) })).close();
  await witness.receive();
  const later = await broker.connect();
  await later.subscribe("will");
  await later.expectNothing();
});

Deno.test("[MQTT-3.1.3-10] the properties of a will are published byte for byte, user properties in order with duplicates", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const kept = join(
    userProperty("b", "1"),
    ...[0x01, 1, 0x03, text("text/plain")],
    userProperty("a", "2"),
    ...[0x08, text("reply/to"), 0x09, text(Uint8Array.of(0, 0xff))],
    userProperty("b", "1"),
    userProperty("", ""),
  );
  const client = await broker.open();
  const payload = [text("c"), properties(0x18, uint32(0), kept), text("will"), text("gone")];
  await client.sendBytes(rawConnect({ flags: 0x06, payload }));
  await client.expect("connack");
  client.close();
  await witness.receive();
  assert.deepEqual(lastFrame(witness.bytes, 3), rawPublish({ topic: "will", properties: kept, payload: "gone" }));
});

Deno.test("MQTT5 3.1.3.2.4: a will's expiry begins when it is published", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const timed = { willDelayInterval: 1, messageExpiryInterval: 50 };
  const client = await broker.connect({
    will: will({ properties: timed }),
    properties: { sessionExpiryInterval: 300 },
  });
  client.close();
  const message = await witness.receive();
  assert.equal(message.properties?.messageExpiryInterval, 50);
});

Deno.test("MQTT5 3.1.3.4: a will payload may be empty, or anything, up to 65,535 bytes", async () => {
  await using broker = await TestBroker.start();
  const witness = await watching(broker);
  const payloads = [new Uint8Array(0), Uint8Array.of(0, 0xed, 0xa0, 0x80), new Uint8Array(65_535).fill(7)];
  for (const payload of payloads) {
    const client = await broker.open();
    await client.sendBytes(
      rawConnect({ flags: 0x06, payload: [text("c"), properties(), text("will"), text(payload)] }),
    );
    await client.expect("connack");
    client.close();
    assert.deepEqual(new Uint8Array((await witness.receive()).payload as Uint8Array), payload);
  }
});

Deno.test("[MQTT-3.1.3-11] a will topic with wildcards, or of no characters, is refused with 0x90", async () => {
  await using broker = await TestBroker.start();
  for (const topic of ["a/+", "#", "+"]) {
    assert.equal(await connectRefusal(broker, { will: will({ topic }) }), 0x90, topic);
  }
  const client = await broker.open();
  await client.sendBytes(rawConnect({ flags: 0x06, payload: [text("c"), properties(), text(""), text("")] }));
  const { reasonCode } = await client.expect("connack");
  assert.ok([0x81, 0x82, 0x90].includes(reasonCode!), `${reasonCode}`);
});

function will(changes: Partial<Omit<Will, "payload">> & { payload?: string } = {}): Will {
  return { topic: "will", payload: "gone" as never, qos: 0, retain: false, ...changes } as Will;
}

/** A client that is subscribed to the topic of the wills. */
async function watching(broker: TestBroker, retainAsPublished = false): Promise<TestClient> {
  const client = await broker.connect();
  await client.subscribe("will", { qos: 2, retainAsPublished });
  return client;
}
