import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { connect, packet, properties, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

Deno.test("a peer that says nothing is closed when its time for CONNECT is over, without a word", async () => {
  await using broker = await TestBroker.start({ connection: { connectTimeoutMs: 200 } });
  const witness = await Witness.on(broker);
  const peers = await Promise.all(Array.from({ length: 50 }, () => RawPeer.open(broker.port)));
  for (const said of await Promise.all(peers.map((peer) => peer.untilClosed()))) assert.deepEqual(said, []);
  for (const peer of peers) peer.close();
  await witness.check();
});

Deno.test("a CONNECT that trickles in does not stretch the time for it", async () => {
  await using broker = await TestBroker.start({ connection: { connectTimeoutMs: 300 } });
  const witness = await Witness.on(broker);
  using peer = await RawPeer.open(broker.port);
  let isClosed = false;
  const said = peer.untilClosed().finally(() => isClosed = true);
  const bytes = connect({ clientId: "x".repeat(5_000) });
  for (let at = 0; at < bytes.length && !isClosed; at++) { // would take five times the patience that a read has
    await peer.send(bytes.subarray(at, at + 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(await said, []);
  await witness.check();
});

Deno.test("a peer that leaves in the middle of CONNECT leaves nothing behind", async () => {
  await using broker = await TestBroker.start({ connection: { connectionsPerAddressMax: 20 } });
  const witness = await Witness.on(broker);
  for (let round = 0; round < 100; round++) { // a place that is not given back would be missed
    using peer = await RawPeer.open(broker.port);
    await peer.send(connect().subarray(0, 9));
    await peer.closeWrite();
    assert.deepEqual(await peer.untilClosed(), []);
  }
  await witness.check();
});

for (const version of [4, 5] as const) {
  Deno.test(`v${version}: a whole dialogue one byte at a time is understood`, async () => {
    await using broker = await TestBroker.start();
    using peer = await RawPeer.open(broker.port);
    const dribble = async (bytes: Uint8Array) => {
      for (const byte of bytes) {
        await peer.send(Uint8Array.of(byte));
        await Promise.resolve();
      }
    };
    await dribble(connect({ version }));
    assert.equal((await peer.packet())?.[0], 0x20);
    await dribble(subscribe("slow/#", { version, qos: 2 }));
    assert.equal((await peer.packet())?.at(-1), 2);
    await dribble(publish("slow/é", { version, qos: 2, packetId: 258, payload: uint16(4711) }));
    const [pubrec, message] = [await peer.packet(), await peer.packet()].sort((a, b) => b![0] - a![0]);
    assert.equal(pubrec?.[0], 0x50);
    const { topic, payload, packetId } = readPublish(message!, version);
    assert.equal(topic, "slow/é");
    assert.deepEqual(payload, uint16(4711));
    await dribble(packet(0x62, uint16(258)));
    assert.equal((await peer.packet())?.toHex(), "70020102");
    await dribble(packet(0x50, uint16(packetId)));
    assert.equal((await peer.packet())?.[0], 0x62);
    await dribble(packet(0x70, uint16(packetId)));
    await dribble(packet(0xc0));
    assert.equal((await peer.packet())?.[0], 0xd0);
  });
}

Deno.test("a hundred packets in one chunk are answered one by one, in order", async () => {
  await using broker = await TestBroker.start();
  const all = Array.from({ length: 100 }, (_, i) => publish("many", { qos: 1, packetId: i + 1 }));
  using peer = await RawPeer.open(broker.port);
  await peer.send(Uint8Array.from([connect(), ...all].flatMap((bytes) => [...bytes])));
  assert.equal((await peer.packet())?.[0], 0x20);
  for (let id = 1; id <= 100; id++) {
    const puback = await peer.packet();
    assert.equal(puback?.[0], 0x40);
    assert.equal(puback![2] << 8 | puback![3], id);
  }
});

Deno.test("half-open: a peer that ends its side is let go, and its will is published", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const heir = await broker.connect();
  await heir.subscribe("wills/#");
  using peer = await RawPeer.connect(
    broker.port,
    connect({ flags: 0x06, rest: [properties(), "wills/half", uint16(1), 0x21] }),
  );
  await peer.closeWrite();
  assert.equal((await heir.receive()).topic, "wills/half");
  assert.deepEqual(await peer.untilClosed(), []);
  await witness.check();
});

Deno.test("half-open: keep-alive ends a client that went without a word, with 0x8D and its will", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const heir = await broker.connect();
  await heir.subscribe("wills/#");
  const startedAt = performance.now();
  using peer = await RawPeer.connect(
    broker.port,
    connect({ keepAlive: 1, flags: 0x06, rest: [properties(), "wills/silent", uint16(0)] }),
  );
  const said = await peer.untilClosed();
  const keepAlives = (performance.now() - startedAt) / 1000;
  assert.equal(said.length, 1);
  assert.equal(said[0][0], 0xe0);
  assert.equal(said[0][2], 0x8d);
  assert.ok(keepAlives >= 1, `cut after ${keepAlives} keep-alives`);
  assert.ok(keepAlives < 4, `[MQTT-3.1.2-22] cut only after ${keepAlives} keep-alives, 1.5 is the rule`);
  assert.equal((await heir.receive()).topic, "wills/silent");
  await witness.check();
});

Deno.test("bytes behind the broker's last word are neither handled nor kept", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const watcher = await broker.connect();
  await watcher.subscribe("after");
  using peer = await RawPeer.connect(broker.port, connect());
  await peer.send(packet(0xf0)); // a protocol error
  assert.equal((await peer.packet())?.[0], 0xe0);
  const more = publish("after", { payload: new Uint8Array(60_000) });
  for (let i = 0; i < 200; i++) await peer.send(more); // 12 MB
  assert.deepEqual(await peer.untilClosed(), []);
  await watcher.expectNothing();
  await witness.check();
});
