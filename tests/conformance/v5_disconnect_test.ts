import assert from "node:assert/strict";
import { ALLOW_ALL, type Credentials, type Verdict } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { durable, sessionEnded } from "../support/departure.ts";
import { hex, join, lastFrame, packet, properties, rawConnect, rawPublish } from "../support/raw_packet.ts";
import { rawSubscribe, text, uint16 } from "../support/raw_packet.ts";

const DISCONNECT = 14;
const WILL = { topic: "will", payload: "died", qos: 1, retain: false } as const;

/** What a server may say (MQTT 5 table 3-10). */
const SERVER_CODES = new Set([
  ...[0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99],
  ...[0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
]);

/** What makes the broker send DISCONNECT, and the code that the specification gives for it. */
const OFFENCES: readonly [string, number, Uint8Array][] = [
  ["reserved flags", 0x81, packet(0xc1)],
  ["a second CONNECT", 0x82, rawConnect()],
  ["a SUBSCRIBE without a filter", 0x82, packet(0x82, uint16(1), properties())],
  ["a topic alias above the maximum", 0x94, rawPublish({ properties: join(0x23, uint16(65_535)) })],
  ["a packet above the maximum", 0x95, packet(0x30, new Uint8Array(2_000))],
  ["no-local on a shared subscription", 0x82, rawSubscribe(1, "$share/g/a", 4)],
  ["AUTH without a method in CONNECT", 0x82, packet(0xf0, 0x19, properties(0x15, text("m")))],
];

/** A broker that accepts packets up to 1,000 bytes, with a connected client. */
async function brokerAndClient(options: { maximumPacketSize?: number } = {}): Promise<[TestBroker, TestClient]> {
  const broker = await TestBroker.start({ protocol: { packetBytesMax: 1_000 } });
  return [broker, await broker.connect({ properties: { ...options, sessionExpiryInterval: 60 } })];
}

for (
  const [what, bytes] of [["PINGREQ", "c000"], ["DISCONNECT", "e000"], ["rubbish", "ffff ffff ffff"], ["AUTH", "f000"]]
) {
  Deno.test(`[MQTT-3.14.0-1] no DISCONNECT before CONNACK: ${what} as the first packet`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.open();
    await client.sendBytes(bytes);
    assert.equal(await client.next(), undefined);
  });
}

Deno.test("[MQTT-3.14.0-1] no DISCONNECT after a CONNACK that refuses", async () => {
  const refuse = (_: Credentials): Verdict => ({ refusal: "not-authorized", reason: "nobody may" });
  await using broker = await TestBroker.start({ authenticator: { authenticate: refuse } });
  const client = await broker.open();
  await client.send(client.connectPacket());
  assert.equal((await client.expect("connack")).reasonCode, 0x87);
  assert.equal(await client.next(), undefined);
});

Deno.test("[MQTT-3.14.0-1] no DISCONNECT while CONNECT is being authenticated, even when the broker stops", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Verdict>();
  const authenticate = () => (asked.resolve(), answer.promise);
  const broker = await TestBroker.start({ authenticator: { authenticate } });
  const client = await broker.open();
  await client.send(client.connectPacket());
  await asked.promise;
  const stopped = broker.broker.stop();
  answer.resolve({ username: undefined, policy: ALLOW_ALL });
  for (let next = await client.next(); next !== undefined; next = await client.next()) {
    assert.equal(next.cmd, "connack", `got ${JSON.stringify(next)}`);
    if (next.reasonCode === 0) break; // accepted: what follows may be a DISCONNECT
  }
  client.close();
  await stopped;
});

Deno.test("[MQTT-3.14.0-1] no DISCONNECT to a connection that has said nothing, when the broker stops", async () => {
  const broker = await TestBroker.start();
  const client = await broker.open();
  await broker.connect(); // its answer shows that the broker has accepted the other, too
  const stopped = broker.broker.stop();
  assert.equal(await client.next(), undefined);
  await stopped;
  await broker[Symbol.asyncDispose]();
});

for (const flags of [1, 2, 8]) {
  Deno.test(`[MQTT-3.14.1-1] a DISCONNECT with the flags ${flags} is answered with 0x81`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await broker.connect();
    await watcher.subscribe("will", { qos: 1 });
    const client = await broker.connect({ will: WILL as never });
    await client.sendBytes(packet(0xe0 | flags, 0));
    assert.equal(await client.expectClosed(), 0x81);
    assert.equal((await watcher.receive()).payload.toString(), "died", "it was not a normal disconnection");
  });
}

for (const code of [0x01, 0x10, 0x8d, 0x8e, 0xff]) {
  Deno.test(`[MQTT-3.14.2-1] a client may not say DISCONNECT 0x${code.toString(16)}`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    await client.sendBytes(packet(0xe0, code));
    const answer = await client.expectClosed();
    assert.ok(answer === 0x81 || answer === 0x82, `got ${answer}`);
  });
}

for (const [what, code, bytes] of OFFENCES) {
  Deno.test(`[MQTT-3.14.2-1][MQTT-3.14.4-2] ${what}: DISCONNECT 0x${code.toString(16)}, and the end`, async () => {
    const [broker, client] = await brokerAndClient();
    await using _ = broker;
    await client.sendBytes(bytes);
    assert.equal(await client.expectClosed(), code);
    assert.ok(SERVER_CODES.has(code));
  });

  Deno.test(`[MQTT-3.14.2-2] ${what}: the DISCONNECT has no Session Expiry Interval`, async () => {
    const [broker, client] = await brokerAndClient();
    await using _ = broker;
    await client.sendBytes(bytes);
    assert.equal((await client.expect("disconnect")).properties?.sessionExpiryInterval, undefined);
  });

  Deno.test(`[MQTT-3.14.2-3][MQTT-3.14.2-4] ${what}: the DISCONNECT keeps to the Maximum Packet Size`, async () => {
    const [broker, client] = await brokerAndClient({ maximumPacketSize: 26 });
    await using _ = broker;
    await client.sendBytes(bytes);
    assert.equal(await client.expectClosed(), code);
    const frame = lastFrame(client.bytes, DISCONNECT);
    assert.ok(frame.length <= 26, hex(frame));
  });
}

Deno.test("[MQTT-3.14.2-1][MQTT-3.14.2-2] a client that is taken over is told 0x8E, without an expiry", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(durable("twice"));
  await broker.connect(durable("twice"));
  const disconnect = await first.expect("disconnect");
  assert.equal(disconnect.reasonCode, 0x8e);
  assert.equal(disconnect.properties?.sessionExpiryInterval, undefined);
  assert.equal(await first.next(), undefined);
});

Deno.test("[MQTT-3.14.2-1][MQTT-3.14.2-2] a client is told 0x8B when the broker stops", async () => {
  const broker = await TestBroker.start();
  const client = await broker.connect(durable("stop"));
  const stopped = broker.broker.stop();
  const disconnect = await client.expect("disconnect");
  assert.equal(disconnect.reasonCode, 0x8b);
  assert.equal(disconnect.properties?.sessionExpiryInterval, undefined);
  assert.equal(await client.next(), undefined);
  client.close();
  await stopped;
});

Deno.test("[MQTT-3.14.2-1] a silent client is told 0x8D after one and a half keep-alive intervals", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ keepAlive: 1 });
  assert.equal(await client.expectClosed(), 0x8d);
});

Deno.test("[MQTT-3.14.4-1] after its DISCONNECT the broker says no more, whatever is asked or published", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("a", { qos: 1 });
  await client.sendBytes(join(rawSubscribe(1, "$share/g/a", 4), packet(0xc0), rawSubscribe(2, "b")));
  await publisher.publish("a", "m", { qos: 1 });
  assert.equal(await client.expectClosed(), 0x82);
});

Deno.test("[MQTT-3.14.4-1] what came before the offence in the same write is still answered, before DISCONNECT", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const publish = rawPublish({ first: 0x32, packetId: 9, topic: "nobody" });
  await client.sendBytes(join(rawSubscribe(1, "a", 1), publish, packet(0x82, uint16(1), properties())));
  assert.equal((await client.expect("suback")).messageId, 1);
  assert.equal((await client.expect("puback")).messageId, 9);
  assert.equal(await client.expectClosed(), 0x82);
});

Deno.test("[MQTT-3.14.4-1] a connection that was taken over gets no message of the session any more", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect(durable("over"));
  await first.subscribe("a", { qos: 1 });
  const second = await broker.connect(durable("over"));
  await (await broker.connect()).publish("a", "m", { qos: 1 });
  assert.equal((await second.receive()).payload.toString(), "m");
  assert.equal(await first.expectClosed(), 0x8e);
});

for (const [what, bytes] of [["without a code", "e000"], ["0x00", "e00100"], ["0x00 and properties", "e0020000"]]) {
  Deno.test(`[MQTT-3.14.4-3] DISCONNECT ${what} discards the will and the broker closes`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await broker.connect();
    await watcher.subscribe("will", { qos: 1 });
    const client = await broker.connect({ will: WILL as never });
    await client.sendBytes(bytes);
    assert.equal(await client.next(), undefined, "the broker closes without a word");
    await watcher.expectNothing();
  });
}

Deno.test("[MQTT-3.8.4-1][MQTT-4.3.2-4] what came before DISCONNECT in the same write is answered, what comes behind it is not read", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const publish = rawPublish({ first: 0x32, packetId: 9, topic: "nobody" });
  await client.sendBytes(join(rawSubscribe(1, "a", 1), publish, packet(0xe0), packet(0)));
  assert.equal((await client.expect("suback")).messageId, 1);
  assert.equal((await client.expect("puback")).messageId, 9);
  assert.equal(await client.next(), undefined, "the broker closes without a word");
});

for (const code of [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]) {
  Deno.test(`[MQTT-3.14.4-3] DISCONNECT 0x${code.toString(16)} does not discard the will`, async () => {
    await using broker = await TestBroker.start();
    const watcher = await broker.connect();
    await watcher.subscribe("will", { qos: 1 });
    const client = await broker.connect({ will: WILL as never });
    await client.sendBytes(packet(0xe0, code));
    assert.equal((await watcher.receive()).payload.toString(), "died");
    assert.equal(await client.next(), undefined, "the broker closes without a word");
  });
}

Deno.test("[MQTT-3.14.4-3] a session that outlives the DISCONNECT 0x00 has no will left", async () => {
  await using broker = await TestBroker.start();
  const watcher = await broker.connect();
  await watcher.subscribe("will", { qos: 1 });
  const will = { ...WILL, properties: { willDelayInterval: 1 } } as never;
  const client = await broker.connect(durable("w", { will, properties: { sessionExpiryInterval: 1 } }));
  const ended = sessionEnded(broker, "w");
  await client.disconnect();
  await ended; // later than the will would have been due
  await watcher.expectNothing();
});
