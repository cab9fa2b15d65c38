import assert from "node:assert/strict";
import { connect, packet, publish } from "../hostile/bytes.ts";
import { lastWord, provoke, RawPeer } from "../hostile/raw_peer.ts";
import { sysValue, Witness } from "../hostile/witness.ts";
import { TestBroker } from "../support/broker.ts";
import { connectRefusal, happening } from "./refused.ts";

/** Tries until a client is let in: a place is free a moment after the connection that had it has gone. */
async function connectSoon(broker: TestBroker): Promise<void> {
  for (let i = 0;; i++) {
    using peer = await RawPeer.open(broker.port);
    await peer.send(connect());
    if ((await peer.packet())?.[3] === 0) return;
    assert.ok(i < 200, "the place is never given back");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const what of ["connectionsMax of a listener", "connectionsPerAddressMax"]) {
  Deno.test(`${what}: one too many is closed at once, the others go on, a place that is left is free again`, async () => {
    await using broker = await TestBroker.start(
      what === "connectionsPerAddressMax"
        ? { connection: { connectionsPerAddressMax: 4 } }
        : { listen: { connectionsMax: 4 } },
    );
    const witness = await Witness.on(broker); // two
    const third = await RawPeer.connect(broker.port, connect());
    const fourth = await RawPeer.open(broker.port); // silent ones count too
    for (let i = 0; i < 3; i++) assert.deepEqual(await provoke(broker.port, connect()), []);
    await witness.passOne();
    third.close();
    await connectSoon(broker);
    fourth.close();
    await witness.check();
  });
}

Deno.test("connectTimeoutMs: a client that is connected in time stays however silent it is", async () => {
  await using broker = await TestBroker.start({ connection: { connectTimeoutMs: 150 } });
  const client = await broker.connect();
  assert.deepEqual(await provoke(broker.port, connect().subarray(0, 5)), []); // waits for the time to be over
  assert.deepEqual(await provoke(broker.port, connect().subarray(0, 5)), []);
  await client.expectNothing();
});

Deno.test("connectBytesMax: a CONNECT up to it is taken, a larger one is closed before it has arrived", async () => {
  await using broker = await TestBroker.start({ connection: { connectBytesMax: 1_000 } });
  const witness = await Witness.on(broker);
  const size = (idLength: number) => connect({ clientId: "x".repeat(idLength) });
  const overhead = size(500).length - 500;
  using peer = await RawPeer.connect(broker.port, size(1_000 - overhead));
  const larger = size(1_001 - overhead);
  const word = lastWord(await provoke(broker.port, larger.subarray(0, 50)));
  assert.ok(word === undefined || word === 0x95);
  await peer.send(publish("big", { qos: 1, payload: new Uint8Array(5_000) })); // it is CONNECT's limit alone
  assert.equal((await peer.packet())?.[0], 0x40);
  await witness.check();
});

Deno.test("packetBytesMax: announced, taken up to it, 0x95 above it (v3: closed), counted", async () => {
  await using broker = await TestBroker.start({ protocol: { packetBytesMax: 2_000 }, sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  const client = await broker.connect();
  assert.equal(client.connack?.properties?.maximumPacketSize, 2_000);
  const sized = (version: 4 | 5, bytes: number) => {
    const overhead = publish("t", { version, qos: 1, payload: new Uint8Array(1_900) }).length - 1_900;
    return publish("t", { version, qos: 1, payload: new Uint8Array(bytes - overhead) });
  };
  for (const version of [4, 5] as const) {
    using peer = await RawPeer.connect(broker.port, connect({ version }));
    await peer.send(sized(version, 2_000));
    assert.equal((await peer.packet())?.[0], 0x40);
    await peer.send(sized(version, 2_001));
    assert.equal(lastWord(await peer.untilClosed()), version === 5 ? 0x95 : undefined);
  }
  await sysValue(broker, "errors/packet", (value) => value === 2);
  await witness.check();
});

Deno.test("keepAliveSecondsMax: longer ones and none are cut and announced, shorter ones stay", async () => {
  await using broker = await TestBroker.start({ protocol: { keepAliveSecondsMax: 30 } });
  const announced = async (keepAlive: number) => {
    const { connack } = await broker.connect({ keepAlive });
    return connack?.properties?.serverKeepAlive;
  };
  assert.equal(await announced(60), 30);
  assert.equal(await announced(0), 30);
  assert.equal(await announced(30), undefined);
  assert.equal(await announced(10), undefined);
});

Deno.test("keepAliveSecondsMax: a v3 client, which cannot be told, is refused or served at its own keep-alive", async () => {
  await using broker = await TestBroker.start({ protocol: { keepAliveSecondsMax: 1 } });
  const old = await broker.open(4);
  await old.send(old.connectPacket({ keepAlive: 60 }));
  const connack = await old.next();
  if (connack?.cmd === "connack" && connack.returnCode !== 0) return;
  const told = await broker.connect({ keepAlive: 60 });
  assert.equal(told.connack?.properties?.serverKeepAlive, 1);
  assert.equal(await told.expectClosed(), 0x8d); // it was told, and was silent
  await old.expectNothing(); // it was not told: nothing was wrong with its silence
});

Deno.test("strictKeepAlive: cut after 1.5 intervals; off: still there then, cut later", async () => {
  await using strict = await TestBroker.start();
  await using lenient = await TestBroker.start({ listen: { strictKeepAlive: false } });
  const ended: string[] = [];
  const clients = await Promise.all([lenient.connect({ keepAlive: 1 }), strict.connect({ keepAlive: 1 })]);
  const codes = await Promise.all(clients.map(async (client, i) => {
    const code = await client.expectClosed();
    ended.push(["lenient", "strict"][i]);
    return code;
  }));
  assert.deepEqual(codes, [0x8d, 0x8d]);
  assert.deepEqual(ended, ["strict", "lenient"]);
});

Deno.test("sessionsMax: a new one too many is refused (0x97, v3: 3), known ones are not, room is given back", async () => {
  await using broker = await TestBroker.start({ limits: { sessionsMax: 3 } });
  const kept = await broker.connect({ clientId: "kept", properties: { sessionExpiryInterval: 600 } });
  await kept.disconnect();
  const client = await broker.connect({ clientId: "one" });
  const leaving = await broker.connect({ clientId: "two" });
  assert.equal(await connectRefusal(broker, { clientId: "three" }), 0x97);
  assert.equal(await connectRefusal(broker, { version: 4, clientId: "three" }), 3);
  await broker.connect({ clientId: "kept", clean: false, properties: { sessionExpiryInterval: 600 } });
  await broker.connect({ clientId: "kept", clean: true }); // replaces its own
  await client.expectNothing();
  await leaving.disconnect();
  await broker.connect({ clientId: "three" });
});

Deno.test("sessionExpirySecondsMax: longer wishes are cut and told, at CONNECT and at DISCONNECT", async () => {
  const limits = { sessionExpirySecondsMax: 1, sessionExpirySecondsV3: 1 };
  await using broker = await TestBroker.start({ limits, sysIntervalMs: 50 });
  const ended = happening(broker, "session-ended", 2);
  const wish = async (clientId: string, seconds: number) =>
    await broker.connect({ clientId, properties: { sessionExpiryInterval: seconds } });
  const greedy = await wish("greedy", 600);
  assert.equal(greedy.connack?.properties?.sessionExpiryInterval, 1);
  const modest = await wish("modest", 1);
  assert.equal(modest.connack?.properties?.sessionExpiryInterval, undefined);
  await greedy.disconnect();
  await modest.disconnect(0, { sessionExpiryInterval: 600 });
  const gone = await ended;
  assert.deepEqual(gone.map(({ cause }) => cause), ["expired", "expired"]);
  await sysValue(broker, "clients/expired", (value) => value === 2);
  const back = await broker.connect({ clientId: "greedy", clean: false });
  assert.equal(back.connack?.sessionPresent, false);
});

Deno.test("sessionExpirySecondsV3: a kept session of v3.1.1 ends after it; 0 keeps none", async () => {
  await using broker = await TestBroker.start({ limits: { sessionExpirySecondsV3: 1 } });
  const ended = happening(broker, "session-ended");
  const first = await broker.connect({ version: 4, clientId: "old", clean: false });
  first.close();
  const again = await broker.connect({ version: 4, clientId: "old", clean: false });
  assert.equal(again.connack?.sessionPresent, true);
  await again.disconnect();
  assert.equal((await ended)[0].cause, "expired");
  const back = await broker.connect({ version: 4, clientId: "old", clean: false });
  assert.equal(back.connack?.sessionPresent, false);

  await using none = await TestBroker.start({ limits: { sessionExpirySecondsV3: 0 } });
  const brief = await none.connect({ version: 4, clientId: "old", clean: false });
  await brief.disconnect();
  const later = await none.connect({ version: 4, clientId: "old", clean: false });
  assert.equal(later.connack?.sessionPresent, false);
});

Deno.test("protocol of a listener: the version that it does not speak is refused in its own words", async () => {
  await using only5 = await TestBroker.start({ listen: { protocol: "v5" } });
  assert.equal(await connectRefusal(only5, { version: 4 }), 1);
  await only5.connect();
  await using only3 = await TestBroker.start({ listen: { protocol: "v3" } });
  assert.equal(await connectRefusal(only3, { version: 5 }), 0x84);
  await only3.connect({ version: 4 });
  await only3.connect({ version: 3 });
});

Deno.test("connections that were turned away and packets that were refused are counted", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  await provoke(broker.port, packet(0xf0), connect());
  await provoke(broker.port, packet(0x81), connect());
  await sysValue(broker, "errors/protocol", (value) => value === 1);
  await sysValue(broker, "errors/packet", (value) => value === 1);
});
