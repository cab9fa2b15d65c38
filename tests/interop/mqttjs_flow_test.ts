/** MQTT.js against the broker: much, large, slow and interrupted. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import mqttPacket from "mqtt-packet";
import { MemoryStore } from "../../src/store/memory.ts";
import { TestBroker } from "../support/broker.ts";
import { type MqttJsClient, MqttJsClients } from "./mqttjs_client.ts";
import { departure, Inbox, within } from "./patience.ts";

const COUNT = 5_000;
const NUMBERS = Array.from({ length: COUNT }, (_, number) => `${number}`);

for (const protocolVersion of [4, 5] as const) {
  const version = `MQTT.js v${protocolVersion}`;

  for (const qos of [1, 2] as const) {
    Deno.test(`${version}: ${COUNT} messages of QoS ${qos} at once, both ways and in order`, async () => {
      // MQTT.js sends as much as it is given, whatever Receive Maximum the broker announces; a strict v5 listener ends that (0x93)
      await using broker = await TestBroker.start({ listen: { strictReceiveMaximum: false } });
      await using clients = new MqttJsClients(broker);
      const [left, right] = [await clients.connect({ protocolVersion }), await clients.connect({ protocolVersion })];
      await left.subscribe("to/left");
      await right.subscribe("to/right");
      await Promise.all([
        ...NUMBERS.map((number) => left.publish("to/right", number, { qos })),
        ...NUMBERS.map((number) => right.publish("to/left", number, { qos })),
      ]);
      for (const client of [left, right]) {
        const received = await client.received.take(COUNT);
        assert.deepEqual(received.map(({ payload }) => payload), NUMBERS);
        await client.expectNothing();
        assert.deepEqual(client.errors, []);
      }
    });

    Deno.test(`${version}: ${COUNT} messages of QoS ${qos} wait for a session and come in order`, async () => {
      await using broker = await TestBroker.start({ listen: { strictReceiveMaximum: false } });
      await using clients = new MqttJsClients(broker);
      const session = { protocolVersion, clientId: "s", clean: false, properties: { sessionExpiryInterval: 300 } };
      const sleeper = await clients.connect(session);
      await sleeper.subscribe("queue");
      await sleeper.mqtt.endAsync();
      const publisher = await clients.connect({ protocolVersion });
      await Promise.all(NUMBERS.map((number) => publisher.publish("queue", number, { qos })));
      const awake = await clients.connect(session);
      const received = await awake.received.take(COUNT);
      assert.deepEqual(received.map(({ payload }) => payload), NUMBERS);
      assert.ok(received.every(({ packet }) => packet.qos === qos && !packet.dup));
      await awake.expectNothing();
    });
  }

  Deno.test(`${version}: payloads of 900 KB at each QoS, retained, and in a will`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const client = await clients.connect({ protocolVersion });
    await client.subscribe("large/+");
    const payload = Buffer.alloc(900 * 1024, "Weir measures the flow. ");
    for (const qos of [0, 1, 2] as const) {
      await within(client.mqtt.publishAsync(`large/${qos}`, payload, { qos, retain: true }), "the acknowledgement");
      const { packet } = await client.received.next();
      assert.ok(payload.equals(packet.payload as Buffer), `QoS ${qos}: another payload came back`);
    }
    const late = await clients.connect({ protocolVersion });
    await late.subscribe("large/+");
    for (const { packet } of await late.received.take(3)) assert.ok(payload.equals(packet.payload as Buffer));
    const will = { topic: "wills", payload: payload.subarray(0, 60 * 1024), qos: 1 } as const; // CONNECT has a limit of its own
    await client.subscribe("wills");
    const dying = await clients.connect({ protocolVersion, will });
    dying.drop();
    assert.ok(will.payload.equals((await client.received.next()).packet.payload as Buffer));
  });

  Deno.test(`${version}: a packet above the broker's maximum ends the connection, with 0x95 where there is a way`, async () => {
    await using broker = await TestBroker.start({ protocol: { packetBytesMax: 10_000 } });
    await using clients = new MqttJsClients(broker);
    const client = await clients.connect({ protocolVersion });
    const closed = new Promise((resolve) => client.mqtt.once("close", () => resolve("closed")));
    const gone = departure(broker.broker, client.clientId);
    client.mqtt.publish("large", "x".repeat(10_001), { qos: 1 }, () => {});
    assert.equal(await within(closed, "the end of the connection"), "closed");
    const end = await gone;
    assert.ok(end.kind === "client-disconnected" && end.cause === "packet-too-large", JSON.stringify(end));
    if (protocolVersion === 5) {
      const last = await client.packetsIn.until(({ cmd }) => cmd === "disconnect");
      assert.ok(last.cmd === "disconnect" && last.reasonCode === 0x95, JSON.stringify(last));
    }
  });

  Deno.test(`${version}: pings keep a silent client, and who does not ping is cut`, async () => {
    await using broker = await TestBroker.start();
    await using clients = new MqttJsClients(broker);
    const client = await clients.connect({ protocolVersion, keepalive: 1 });
    for (let count = 0; count < 3; count++) await client.packetsIn.until(({ cmd }) => cmd === "pingresp");
    assert.ok(client.mqtt.connected);
    const gone = departure(broker.broker, client.clientId);
    client.mqtt.keepaliveManager.destroy();
    const end = await gone;
    assert.ok(end.kind === "client-disconnected" && end.cause === "keep-alive-timeout", JSON.stringify(end));
    if (protocolVersion === 5) {
      const last = await client.packetsIn.until(({ cmd }) => cmd === "disconnect");
      assert.ok(last.cmd === "disconnect" && last.reasonCode === 0x8d, JSON.stringify(last));
    }
  });

  Deno.test(`${version}: a client finds the broker again after a restart on the same port, and its session too`, async () => {
    const store = new MemoryStore(); // survives the first broker
    const { port, client, clients } = await beforeRestart(store, protocolVersion);
    await using _ended = clients;
    const offline = client.publish("back/1", "published meanwhile", { qos: 2 });
    await using broker = await TestBroker.start({ store, listen: { port } });
    const connack = await client.connacks.next();
    assert.equal(connack.sessionPresent, true);
    await offline;
    await client.publish("back/2", "published after", { qos: 1 });
    assert.deepEqual(await client.take(2), ["back/1 published meanwhile", "back/2 published after"]);
    const late = await new MqttJsClients(broker).connect({ protocolVersion });
    await late.subscribe("kept");
    assert.deepEqual(await late.take(1), ["kept before the restart"]);
    await late.mqtt.endAsync();
  });

  Deno.test(`${version}: a client with a clean session subscribes again after a restart by itself`, async () => {
    const before = await TestBroker.start();
    await using clients = new MqttJsClients(before);
    const client = await clients.connect({ protocolVersion, reconnectPeriod: 50 });
    await client.subscribe("again/+");
    await before[Symbol.asyncDispose]();
    await using _after = await TestBroker.start({ listen: { port: before.port } });
    await client.connacks.next();
    await client.packetsIn.until(({ cmd }) => cmd === "suback");
    await client.packetsIn.until(({ cmd }) => cmd === "suback");
    await client.publish("again/x", "here", { qos: 1 });
    assert.deepEqual(await client.take(1), ["again/x here"]);
  });
}

Deno.test("MQTT.js v5: the broker announces its Receive Maximum and ends who exceeds it", async () => {
  await using broker = await TestBroker.start({ limits: { receiveMaximum: 10 } });
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect();
  assert.equal(client.connack.properties?.receiveMaximum, 10);
  const closed = new Promise((resolve) => client.mqtt.once("close", () => resolve("closed")));
  for (let count = 0; count < 100; count++) client.mqtt.publish("flood", `${count}`, { qos: 2 }, () => {});
  assert.equal(await within(closed, "the end of the connection"), "closed");
  const last = await client.packetsIn.until(({ cmd }) => cmd === "disconnect");
  assert.ok(last.cmd === "disconnect" && last.reasonCode === 0x93, JSON.stringify(last));
});

Deno.test("MQTT.js v5: the broker keeps to the client's Receive Maximum while the client does not acknowledge", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const slow = await clients.connect({ properties: { receiveMaximum: 3 } });
  await slow.subscribe("slow", { qos: 1 });
  const held: (() => void)[] = [];
  slow.mqtt.handleMessage = (_packet, acknowledge) => void held.push(acknowledge); // MQTT.js reads nothing more meanwhile,
  const wire = packetsOnTheWire(slow); // so its socket is listened to
  const publisher = await clients.connect();
  for (let number = 0; number < 20; number++) await publisher.publish("slow", `${number}`, { qos: 1 });
  slow.mqtt.unsubscribe("no/such/filter"); // its UNSUBACK shows how much was sent before
  assert.deepEqual(await wire.before("unsuback"), ["publish", "publish", "publish"]);
  slow.mqtt.handleMessage = (_packet, acknowledge) => acknowledge();
  for (const acknowledge of held) acknowledge();
  const received = await slow.received.take(20);
  assert.deepEqual(received.map(({ payload }) => payload), NUMBERS.slice(0, 20));
});

Deno.test("MQTT.js v5: QoS 2 within a Receive Maximum of 1, which MQTT.js checks", async () => {
  await using broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const narrow = await clients.connect({ properties: { receiveMaximum: 1 } });
  await narrow.subscribe("narrow");
  const publisher = await clients.connect();
  await Promise.all(NUMBERS.slice(0, 200).map((number) => publisher.publish("narrow", number, { qos: 2 })));
  const received = await narrow.received.take(200);
  assert.deepEqual(received.map(({ payload }) => payload), NUMBERS.slice(0, 200));
  assert.deepEqual(narrow.errors, []);
});

Deno.test("MQTT.js v5: the broker shortens the keep-alive and the client pings accordingly", async () => {
  await using broker = await TestBroker.start({ protocol: { keepAliveSecondsMax: 1 } });
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect({ keepalive: 60 });
  assert.equal(client.connack.properties?.serverKeepAlive, 1);
  for (let count = 0; count < 3; count++) await client.packetsIn.until(({ cmd }) => cmd === "pingresp");
  assert.ok(client.mqtt.connected);
});

Deno.test("MQTT.js v5: a broker that shuts down says so", async () => {
  const broker = await TestBroker.start();
  await using clients = new MqttJsClients(broker);
  const client = await clients.connect();
  await broker.broker.stop();
  const last = await client.packetsIn.until(({ cmd }) => cmd === "disconnect");
  assert.ok(last.cmd === "disconnect" && last.reasonCode === 0x8b, JSON.stringify(last));
});

/** A client with a lasting session whose broker has just stopped; it tries every 50 ms to connect again. */
async function beforeRestart(store: MemoryStore, protocolVersion: 4 | 5) {
  await using broker = await TestBroker.start({ store });
  const clients = new MqttJsClients(broker);
  const client = await clients.connect({
    protocolVersion,
    clientId: "faithful",
    clean: false,
    reconnectPeriod: 50,
    properties: { sessionExpiryInterval: 300 },
  });
  await client.subscribe("back/+");
  await client.publish("kept", "before the restart", { qos: 1, retain: true });
  const closed = new Promise((resolve) => client.mqtt.once("close", () => resolve("closed")));
  await broker.broker.stop();
  await within(closed, "the end of the connection");
  return { port: broker.port, client, clients };
}

/** The kinds of the packets that the client's socket receives from now on, whether MQTT.js handles them or not. */
function packetsOnTheWire(client: MqttJsClient): Inbox<string> {
  const inbox = new Inbox<string>(`a packet on the wire of ${client.clientId}`);
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  parser.on("packet", ({ cmd }) => inbox.push(cmd));
  client.mqtt.stream.on("data", (chunk: Uint8Array) => parser.parse(Buffer.from(chunk)));
  return inbox;
}
