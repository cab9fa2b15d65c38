import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Packet } from "mqtt-packet";
import { connect } from "../hostile/bytes.ts";
import { lastWord, provoke } from "../hostile/raw_peer.ts";
import { Witness } from "../hostile/witness.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { connectRefusal } from "./refused.ts";

const will = (options: { qos?: 0 | 1 | 2; retain?: boolean }) => {
  return { topic: "w", payload: Buffer.from("x"), qos: 0, retain: false, ...options } as const;
};

/** What a SUBSCRIBE is told: by SUBACK, or by the DISCONNECT that the specification also allows. */
async function subscribeAnswer(client: TestClient, filter: string, identifier?: number): Promise<number | undefined> {
  const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } };
  const subscription = client.version === 5 ? { nl: false, rap: false, rh: 0 } : {};
  const subscriptions = [{ topic: filter, qos: 1, ...subscription }];
  await client.send({ cmd: "subscribe", messageId: client.nextPacketId(), subscriptions, ...properties } as Packet);
  const packet = await client.next();
  if (packet?.cmd === "suback") return packet.granted[0] as number;
  if (packet?.cmd === "disconnect") return packet.reasonCode;
  return undefined;
}

Deno.test("qosMax 1: announced, granted at most, refused above with 0x9B, in a will too", async () => {
  await using broker = await TestBroker.start({ limits: { qosMax: 1 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.maximumQoS, 1);
  assert.equal(await client.subscribe("q/#", { qos: 2 }), 1);
  assert.equal(await client.publish("other", "x", { qos: 1 }) < 0x80, true);
  const fine = await broker.connect();
  await client.send({ cmd: "publish", topic: "q/x", payload: "no", qos: 2, messageId: 9, retain: false, dup: false });
  assert.equal(await client.expectClosed(), 0x9b); // [MQTT-3.2.2-11]
  assert.equal(await connectRefusal(broker, { will: will({ qos: 2 }) }), 0x9b); // [MQTT-3.2.2-12]
  assert.notEqual(await connectRefusal(broker, { version: 4, will: will({ qos: 2 }) }), 0);
  const old = await broker.connect({ version: 4 });
  assert.equal(await old.subscribe("q/#", { qos: 2 }), 1);
  await old.send({ cmd: "publish", topic: "q/x", payload: "no", qos: 2, messageId: 9, retain: false, dup: false });
  assert.equal(await old.expectClosed(), undefined);
  await fine.expectNothing();
});

Deno.test("qosMax 0: announced, QoS 1 is refused, a message of the program arrives at QoS 0", async () => {
  await using broker = await TestBroker.start({ limits: { qosMax: 0 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.maximumQoS, 0);
  assert.equal(await client.subscribe("q", { qos: 1 }), 0);
  await broker.broker.publish({ topic: "q", payload: "x", qos: 2 });
  assert.equal((await client.receive()).qos, 0);
  await client.send({ cmd: "publish", topic: "q", payload: "no", qos: 1, messageId: 9, retain: false, dup: false });
  assert.equal(await client.expectClosed(), 0x9b);
});

Deno.test("retainAvailable off: announced, refused with 0x9A, in a will too; nothing is kept", async () => {
  await using broker = await TestBroker.start({ limits: { retainAvailable: false } });
  const witness = await Witness.on(broker);
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.retainAvailable, false);
  await client.send({ cmd: "publish", topic: "r", payload: "no", qos: 0, retain: true, dup: false });
  assert.equal(await client.expectClosed(), 0x9a); // [MQTT-3.2.2-14]
  assert.equal(await connectRefusal(broker, { will: will({ retain: true }) }), 0x9a); // [MQTT-3.2.2-13]
  const old = await broker.connect({ version: 4 });
  await old.send({ cmd: "publish", topic: "r", payload: "no", qos: 0, retain: true, dup: false });
  assert.equal(await old.expectClosed(), undefined);
  const reader = await broker.connect();
  await reader.subscribe("#");
  await reader.expectNothing();
  await reader.disconnect();
  await witness.check();
});

Deno.test("wildcardAvailable off: announced, refused with 0xA2 (0x80 in v3), other filters are not", async () => {
  await using broker = await TestBroker.start({ limits: { wildcardAvailable: false } });
  for (const filter of ["#", "a/+", "+/b", "a/b/#", "$share/g/a/+"]) {
    const client = await broker.connect();
    assert.equal(client.connack?.properties?.wildcardSubscriptionAvailable, false);
    assert.equal(await subscribeAnswer(client, filter), 0xa2, filter);
  }
  const old = await broker.connect({ version: 4 });
  assert.equal(await subscribeAnswer(old, "a/#"), 0x80);
  assert.equal(await old.subscribe("a/b"), 0);
  const fine = await broker.connect();
  assert.equal(await fine.subscribe("a/b", { qos: 1 }), 1);
  await fine.publish("a/b", "x", { qos: 0 });
  await fine.receive();
});

Deno.test("sharedAvailable off: announced, refused with 0x9E", async () => {
  await using broker = await TestBroker.start({ limits: { sharedAvailable: false } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.sharedSubscriptionAvailable, false);
  assert.equal(await subscribeAnswer(client, "$share/g/t"), 0x9e);
  const old = await broker.connect({ version: 4 });
  assert.equal(await subscribeAnswer(old, "$share/g/t"), 0x80);
  assert.equal(await old.subscribe("t", { qos: 1 }), 1);
});

Deno.test("subscriptionIdsAvailable off: announced, refused with 0xA1", async () => {
  await using broker = await TestBroker.start({ limits: { subscriptionIdsAvailable: false } });
  const client = await broker.connect();
  const properties = client.connack?.properties as { subscriptionIdentifiersAvailable?: boolean };
  assert.equal(properties.subscriptionIdentifiersAvailable, false);
  const fine = await broker.connect();
  assert.equal(await fine.subscribe("t"), 0);
  assert.equal(await subscribeAnswer(client, "t", 5), 0xa1);
  await fine.publish("t", "x");
  await fine.receive();
});

Deno.test("what is available is not spoken of", async () => {
  await using broker = await TestBroker.start();
  const { connack } = await broker.connect();
  const { maximumQoS, retainAvailable, wildcardSubscriptionAvailable, sharedSubscriptionAvailable } = connack!
    .properties!;
  const said = [maximumQoS, retainAvailable, wildcardSubscriptionAvailable, sharedSubscriptionAvailable];
  for (const value of said) assert.ok(value === undefined || value === true || value === 2);
});

Deno.test("allowZeroLengthClientId off: 0x85 (v5), 2 (v3.1.1); on: an id is assigned and told", async () => {
  await using strict = await TestBroker.start({ protocol: { allowZeroLengthClientId: false } });
  assert.equal(await connectRefusal(strict, { clientId: "" }), 0x85); // [MQTT-3.1.3-8]
  assert.equal(await connectRefusal(strict, { version: 4, clientId: "" }), 2);
  await strict.connect({ clientId: "x" });
  await using lenient = await TestBroker.start();
  const first = await lenient.connect({ clientId: "" });
  const second = await lenient.connect({ clientId: "" });
  const ids = [first, second].map((client) => client.connack?.properties?.assignedClientIdentifier);
  assert.ok(ids[0] && ids[1] && ids[0] !== ids[1]);
  await lenient.connect({ version: 4, clientId: "" });
  const bytes = connect({ version: 4, clientId: "", flags: 0 });
  assert.equal(lastWord(await provoke(lenient.port, bytes)), 2); // 3.1.1: [MQTT-3.1.3-8]
});

Deno.test("topicAliasMaximum: announced, an alias above it is 0x94; 0 allows none", async () => {
  await using broker = await TestBroker.start({ protocol: { topicAliasMaximum: 3 } });
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.topicAliasMaximum, 3);
  await client.publish("t", "x", { qos: 1, properties: { topicAlias: 3 } });
  await client.publish("t", "x", { properties: { topicAlias: 4 } });
  assert.equal(await client.expectClosed(), 0x94);
  await using none = await TestBroker.start({ protocol: { topicAliasMaximum: 0 } });
  const other = await none.connect();
  assert.ok(!other.connack?.properties?.topicAliasMaximum);
  await other.publish("t", "x", { properties: { topicAlias: 1 } });
  assert.equal(await other.expectClosed(), 0x94);
});

Deno.test("limits that contradict each other or lie outside their range stop the start with both numbers", async () => {
  const wrong = [
    { sessionExpirySecondsMax: 10, sessionExpirySecondsV3: 20 },
    { topicBytesMax: 65_536 },
    { topicLevelsMax: 0 },
    { receiveMaximum: 0 },
    { inflightMax: 65_536 },
    { sessionsMax: 0 },
    { queuedMessagesMax: -1 },
    { messageExpirySecondsMax: 0 },
  ];
  for (const limits of wrong) {
    await assert.rejects(TestBroker.start({ limits }), (error: Error) => {
      assert.ok(error instanceof RangeError);
      const [value] = Object.values(limits).slice(-1);
      assert.match(error.message, new RegExp(`${value}\\b`), error.message);
      return true;
    });
  }
});
