/** MQTT.js against the broker: what only MQTT 5 has. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IPublishPacket } from "mqtt";
import { TestBroker } from "../support/broker.ts";
import { type MqttJsClient, MqttJsClients } from "./mqttjs_client.ts";
import { departure, happening } from "./patience.ts";

Deno.test("MQTT.js v5: the properties of a message arrive as they were sent", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const subscriber = await clients.connect();
  await subscriber.subscribe("full");
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 600,
    responseTopic: "answers/ü",
    correlationData: Buffer.from([0, 255, 128, 1]),
    contentType: "text/plain; charset=utf-8",
    userProperties: { twice: ["second", "first"], once: "1", "": "empty name", ü: "" },
  };
  const publisher = await clients.connect();
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish("full", "text", { qos, properties });
    const { packet } = await subscriber.received.next();
    assert.deepEqual({ ...packet.properties, userProperties: { ...packet.properties?.userProperties } }, properties);
  }
});

Deno.test("MQTT.js v5: retained and queued messages keep their properties and lose their age from the expiry", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const session = { clientId: "sleeper", clean: false, properties: { sessionExpiryInterval: 300 } };
  const sleeper = await clients.connect(session);
  await sleeper.subscribe("queued/+");
  await sleeper.mqtt.endAsync();
  const publisher = await clients.connect();
  const until = (seconds: number) => ({
    qos: 1 as const,
    properties: { messageExpiryInterval: seconds, contentType: "x/y", userProperties: { a: ["1", "2"] } },
  });
  await publisher.publish("queued/long", "long", until(1000));
  await publisher.publish("queued/short", "short", until(1));
  await publisher.publish("kept/long", "long", { ...until(1000), retain: true });
  await publisher.publish("kept/short", "short", { ...until(1), retain: true });
  await sessionOfSeconds(clients, broker, 2); // the broker's own clock says that more than a second went by
  const awake = await clients.connect(session);
  await awake.subscribe("kept/+");
  for (const topic of ["queued/long", "kept/long"]) {
    const { packet } = await awake.received.next();
    assert.equal(packet.topic, topic);
    const { messageExpiryInterval, contentType, userProperties } = packet.properties ?? {};
    assert.deepEqual([contentType, userProperties?.a], ["x/y", ["1", "2"]]);
    assert.ok(messageExpiryInterval! < 1000 && messageExpiryInterval! > 900, `${messageExpiryInterval} s left of 1000`);
  }
  await awake.expectNothing();
});

Deno.test("MQTT.js v5: a will has its properties, and waits for its delay", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const heir = await clients.connect();
  await heir.subscribe("wills");
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 600,
    contentType: "text/plain",
    responseTopic: "condolences",
    correlationData: Buffer.from("id"),
    userProperties: { kind: ["last", "will"] },
  };
  const will = {
    topic: "wills",
    payload: "delayed",
    qos: 1,
    properties: { willDelayInterval: 1, ...properties },
  } as const;
  const dying = await clients.connect({ clean: false, properties: { sessionExpiryInterval: 300 }, will });
  const gone = departure(broker.broker, dying.clientId);
  dying.drop();
  await gone;
  const droppedAt = performance.now();
  await heir.expectNothing();
  const { packet } = await heir.received.next();
  const waited = performance.now() - droppedAt;
  assert.ok(waited > 900, `the will of 1 s came after ${Math.round(waited)} ms`);
  assert.equal(packet.payload.toString(), "delayed");
  const { messageExpiryInterval, userProperties, ...rest } = packet.properties ?? {};
  const { messageExpiryInterval: published, userProperties: pairs, ...others } = properties;
  assert.ok(messageExpiryInterval! <= published, "the lifetime of the will starts with its publication");
  assert.deepEqual({ ...userProperties }, pairs);
  assert.deepEqual(rest, others);
});

Deno.test("MQTT.js v5: who is back before the will's delay is over takes the will back", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const heir = await clients.connect();
  await heir.subscribe("wills");
  const will = { topic: "wills", payload: "too early", qos: 1, properties: { willDelayInterval: 2 } } as const;
  const session = { clientId: "phoenix", clean: false, properties: { sessionExpiryInterval: 300 } };
  const dying = await clients.connect({ ...session, will });
  const gone = departure(broker.broker, dying.clientId);
  dying.drop();
  await gone;
  await clients.connect(session);
  await sessionOfSeconds(clients, broker, 3);
  await heir.expectNothing();
});

Deno.test("MQTT.js v5: the end of the session does not wait for the will's delay", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const heir = await clients.connect();
  await heir.subscribe("wills");
  const will = { topic: "wills", payload: "now", qos: 1, properties: { willDelayInterval: 3600 } } as const;
  const dying = await clients.connect({ will, properties: { sessionExpiryInterval: 0 } });
  dying.drop();
  assert.deepEqual(await heir.take(1), ["wills now"]);
  const other = await clients.connect({ clientId: "other", will, properties: { sessionExpiryInterval: 300 } });
  const gone = departure(broker.broker, other.clientId);
  other.drop();
  await gone;
  await clients.connect({ clientId: "other", clean: true });
  assert.deepEqual(await heir.take(1), ["wills now"]);
});

Deno.test("MQTT.js v5: DISCONNECT 0x04 asks for the will, and DISCONNECT may shorten the session", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const heir = await clients.connect();
  await heir.subscribe("wills");
  const will = { topic: "wills", payload: "asked for", qos: 1 } as const;
  const leaving = await clients.connect({ will });
  await leaving.mqtt.endAsync(false, { reasonCode: 4 });
  assert.deepEqual(await heir.take(1), ["wills asked for"]);
  const session = { clientId: "brief", clean: false, properties: { sessionExpiryInterval: 300 } };
  const brief = await clients.connect(session);
  const ended = happening(broker.broker, ({ kind }) => kind === "session-ended");
  await brief.mqtt.endAsync(false, { properties: { sessionExpiryInterval: 0 } });
  await ended;
  assert.equal((await clients.connect(session)).connack.sessionPresent, false);
});

Deno.test("MQTT.js v5: no local, retain as published, retain handling", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect();
  await client.subscribe("own", { qos: 1, nl: true });
  await client.publish("own", "to others only", { qos: 1 });
  await client.expectNothing();
  await client.publish("kept", "before", { qos: 1, retain: true });
  await client.subscribe("kept", { qos: 1, rh: 2 });
  await client.expectNothing();
  await client.mqtt.unsubscribeAsync("kept");
  await client.subscribe("kept", { qos: 1, rh: 1, rap: true });
  assert.equal((await client.received.next()).packet.retain, true);
  await client.mqtt.subscribeAsync({ kept: { qos: 1, rh: 1, rap: true }, resubscribe: true } as never);
  assert.equal(
    client.packetsOut.filter(({ cmd }) => cmd === "subscribe").length,
    4,
    "MQTT.js kept a SUBSCRIBE to itself",
  );
  await client.expectNothing(); // the subscription was there
  await client.publish("kept", "live", { qos: 1, retain: true });
  const live = await client.received.next();
  assert.deepEqual([live.payload, live.packet.retain], ["live", true]);
});

Deno.test("MQTT.js v5: a message names the identifiers of every subscription that it matches", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect();
  await client.subscribe("id/a", { qos: 1, properties: { subscriptionIdentifier: 7 } });
  await client.subscribe("id/+", { qos: 2, properties: { subscriptionIdentifier: 268_435_455 } });
  await client.subscribe("id/#", { qos: 0 });
  await client.publish("id/a", "both", { qos: 2 });
  await client.publish("id/b", "one", { qos: 2 });
  const identifiers = new Map<string, number[]>();
  for (const { payload, packet } of [await client.received.next(), await client.received.next()]) {
    const identifier = packet.properties?.subscriptionIdentifier ?? [];
    identifiers.set(payload, Array.isArray(identifier) ? identifier : [identifier]);
  }
  assert.deepEqual(identifiers.get("both")?.toSorted(), [268_435_455, 7]);
  assert.deepEqual(identifiers.get("one"), [268_435_455]);
  await client.expectNothing();
});

Deno.test("MQTT.js v5: topic aliases that the client assigns", async () => {
  await using broker = await TestBroker.start({ protocol: { topicAliasMaximum: 3 } });
  await using clients = new MqttJsClients(broker);
  const subscriber = await clients.connect();
  await subscriber.subscribe("alias/+");
  const publisher = await clients.connect({ autoAssignTopicAlias: true });
  assert.equal(publisher.mqtt.serverProperties?.topicAliasMaximum, 3);
  const topics = [1, 2, 3, 1, 1, 4, 5, 4, 2, 1].map((number) => `alias/${number}`); // more topics than aliases
  for (const topic of topics) {
    await publisher.publish(topic, topic, { qos: 1 });
    const received = await subscriber.received.next();
    assert.deepEqual([received.topic, received.payload], [topic, topic]);
  }
  assert.ok(publishesOf(publisher).some(({ topic }) => topic === ""), "MQTT.js used no alias");
});

Deno.test("MQTT.js v5: topic aliases that the program assigns and the client uses, until the next connection", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const subscriber = await clients.connect();
  await subscriber.subscribe("alias/+");
  for (let connection = 0; connection < 2; connection++) {
    const publisher = await clients.connect({ autoUseTopicAlias: true, clientId: "aliasing" });
    await publisher.publish("alias/a", "set", { qos: 2, properties: { topicAlias: 1 } });
    await publisher.publish("alias/a", "used", { qos: 2 });
    await publisher.publish("alias/b", "moved", { qos: 0, properties: { topicAlias: 1 } });
    await publisher.publish("alias/b", "used", { qos: 1 });
    assert.deepEqual(publishesOf(publisher).map(({ topic }) => topic), ["alias/a", "", "alias/b", ""]);
    const received = await subscriber.take(4);
    assert.deepEqual(received.toSorted(), ["alias/a set", "alias/a used", "alias/b moved", "alias/b used"]);
  }
});

Deno.test("MQTT.js v5: the broker uses as many aliases as the client allows", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const subscriber = await clients.connect({ properties: { topicAliasMaximum: 2 } });
  // MQTT.js hands a QoS 2 message with an alias to the program without its topic: QoS 1 it is
  await subscriber.subscribe("out/+", { qos: 1 });
  const publisher = await clients.connect();
  const topics = [1, 1, 2, 3, 3, 1, 2, 3, 1, 1].map((number) => `out/${number}`);
  for (const topic of topics) await publisher.publish(topic, topic, { qos: 1 });
  assert.deepEqual(await subscriber.take(topics.length), topics.map((topic) => `${topic} ${topic}`));
  const aliases = [];
  for (let count = 0; count < topics.length; count++) {
    const packet = await subscriber.packetsIn.until(({ cmd }) => cmd === "publish");
    if (packet.cmd === "publish") aliases.push(packet.topic === "" ? packet.properties?.topicAlias : 0);
  }
  assert.ok(aliases.some((alias) => alias! > 0), "the broker used no alias");
  assert.deepEqual(subscriber.errors, []);
});

Deno.test("MQTT.js v5: no alias is sent to a client that allows none", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect();
  await client.subscribe("plain");
  for (let count = 0; count < 3; count++) await client.publish("plain", `${count}`, { qos: 1 });
  for (const { packet } of await client.received.take(3)) assert.equal(packet.properties?.topicAlias, undefined);
});

Deno.test("MQTT.js v5: a message larger than the client's maximum is not sent to it, smaller ones are", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const small = await clients.connect({ properties: { maximumPacketSize: 200 } });
  await small.subscribe("sizes", { qos: 1 });
  const publisher = await clients.connect();
  await publisher.publish("sizes", "x".repeat(300), { qos: 1 });
  await publisher.publish("sizes", "fits", { qos: 1 });
  assert.deepEqual(await small.take(1), ["sizes fits"]);
  assert.deepEqual(small.errors, []);
});

Deno.test("MQTT.js v5: request and response, answered by its response topic and correlation data", async () => {
  await using broker = await TestBroker.start({ protocol: { responseInformation: "answers" } });
  await using clients = new MqttJsClients(broker);
  const server = await clients.connect();
  server.mqtt.on("message", (_topic, payload, { properties }) => {
    const { responseTopic, correlationData } = properties!;
    server.mqtt.publish(responseTopic!, payload.toString().toUpperCase(), { qos: 1, properties: { correlationData } });
  });
  await server.subscribe("questions");
  const asking = await clients.connect({ properties: { requestResponseInformation: true } });
  const responseTopic = `${asking.connack.properties?.responseInformation}/${asking.clientId}`;
  assert.match(responseTopic, /^answers\//);
  await asking.subscribe(responseTopic);
  const correlationData = Buffer.from("one");
  await asking.publish("questions", "why?", { qos: 1, properties: { responseTopic, correlationData } });
  const { payload, packet } = await asking.received.next();
  assert.deepEqual([payload, packet.properties?.correlationData], ["WHY?", correlationData]);
});

Deno.test("MQTT.js v5: an acknowledgement tells that nobody listens", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect();
  for (const qos of [1, 2] as const) await client.publish("nobody", "hears", { qos });
  const puback = await client.packetsIn.until(({ cmd }) => cmd === "puback");
  const pubrec = await client.packetsIn.until(({ cmd }) => cmd === "pubrec");
  assert.deepEqual([reasonOf(puback), reasonOf(pubrec)], [0x10, 0x10]);
});

/** Waits until a session that lasts so many seconds after its connection has expired, by the broker's own clock. */
async function sessionOfSeconds(clients: MqttJsClients, { broker }: TestBroker, seconds: number): Promise<void> {
  const timer = await clients.connect({ clientId: "timer", properties: { sessionExpiryInterval: seconds } });
  const rung = happening(broker, (it) => it.kind === "session-ended" && it.clientId === "timer");
  timer.drop();
  await rung;
}

function publishesOf(client: MqttJsClient): IPublishPacket[] {
  return client.packetsOut.filter((packet) => packet.cmd === "publish");
}

function reasonOf(packet: object): unknown {
  return "reasonCode" in packet ? packet.reasonCode : undefined;
}
