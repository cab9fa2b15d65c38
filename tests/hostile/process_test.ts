import assert from "node:assert/strict";
import { connect, join, packet, properties, publish, subscribe, uint16, varint } from "./bytes.ts";
import { provoke, RawPeer } from "./raw_peer.ts";
import { type Figures, SpawnedBroker } from "./spawned.ts";

const MIB = 1024 * 1024;
/** Sockets that the runtime opens for itself now and then. */
const FEW = 10;

/** The lowest figures of some: array buffers are given back a little after a collection. */
async function calm(broker: SpawnedBroker): Promise<Figures> {
  let lowest = await broker.figures();
  for (let i = 0; i < 6; i++) {
    const next = await broker.figures();
    lowest = { ...next, heap: Math.min(next.heap, lowest.heap), rss: Math.min(next.rss, lowest.rss) };
  }
  return lowest;
}

/** A publisher and a subscriber that are served. */
async function assertServes(port: number): Promise<void> {
  using peer = await RawPeer.connect(port, connect());
  await peer.send(join(subscribe("self"), publish("self", { qos: 1, packetId: 5, payload: uint16(77) })));
  const kinds = [await peer.packet(), await peer.packet(), await peer.packet()].map((bytes) => bytes![0] >> 4);
  assert.deepEqual(kinds.sort((a, b) => a - b), [3, 4, 9]);
}

const malformedConnects: Uint8Array[] = [
  connect({ properties: [0x21, uint16(0)] }),
  connect({ flags: 0x06, rest: [properties(0x03, "x".repeat(5_000), 0x03, "y"), "w", uint16(0)] }),
  connect({ flags: 0x06, rest: [properties(), "a/#", uint16(0)] }),
  connect({ flags: 0x06, rest: [properties(0x26, "k", "v"), "w", uint16(999)] }),
  connect({ clientId: Uint8Array.of(0, 2, 0xc0, 0xaf) }),
  connect({ flags: 0xff }),
  packet(0x10, "MQTT", 9, 2, uint16(0), 0, "c"),
  join(0x10, varint(268_435_455)),
  packet(0x10, new Uint8Array(20_000)),
  connect({ clientId: "x".repeat(60_000) }).subarray(0, 40_000),
];

Deno.test("CVE-2017-7654: thousands of malformed CONNECTs leave memory flat and no socket behind", async () => {
  await using broker = await SpawnedBroker.start();
  const round = async (count: number) => {
    for (let i = 0; i < count; i += 50) {
      await Promise.all(Array.from({ length: 50 }, async (_, n) => {
        const bytes = malformedConnects[n % malformedConnects.length];
        using peer = await RawPeer.open(broker.port);
        await peer.send(bytes);
        await peer.closeWrite();
        await peer.untilClosed();
      }));
    }
  };
  await assertServes(broker.port);
  await round(1_000); // warm: code, pools, tables
  await broker.figuresWhen(({ sockets }) => sockets < FEW);
  const before = await calm(broker);
  await round(3_000);
  await broker.figuresWhen(({ sockets }) => sockets < FEW);
  const after = await calm(broker);
  assert.ok(after.sockets < before.sockets + FEW, `sockets grew from ${before.sockets} to ${after.sockets}`);
  assert.ok(after.heap < before.heap * 1.25 + 2 * MIB, `heap grew from ${before.heap} to ${after.heap}`);
  assert.ok(after.rss < before.rss * 1.5, `RSS grew from ${before.rss} to ${after.rss}`);
  assert.equal(after.errors, 0);
  await assertServes(broker.port);
});

/** Ways in which a connection ends. */
const endings: [string, (port: number) => Promise<unknown>][] = [
  ["DISCONNECT", (port) => provoke(port, packet(0xe0), connect())],
  ["a refused CONNECT", (port) => provoke(port, connect({ flags: 0xff }))],
  ["a protocol error", (port) => provoke(port, packet(0xf0), connect())],
  ["the peer's close", async (port) => (await RawPeer.connect(port, connect())).close()],
  ["the end of the peer's side", async (port) => {
    using peer = await RawPeer.connect(port, connect());
    await peer.closeWrite();
    await peer.untilClosed();
  }],
  ["the end of the peer's side after DISCONNECT", async (port) => {
    using peer = await RawPeer.connect(port, connect());
    await peer.send(packet(0xe0));
    await peer.closeWrite();
    await peer.untilClosed();
  }],
];

for (const [name, end] of endings) {
  Deno.test(`a connection that ends by ${name} gives its socket back`, async () => {
    await using broker = await SpawnedBroker.start();
    for (let i = 0; i < 50; i++) await end(broker.port);
    const { sockets } = await broker.figuresWhen((figures) => figures.sockets < FEW);
    assert.ok(sockets < FEW, `${sockets} sockets are left of 50 connections`);
    await assertServes(broker.port);
  });
}

Deno.test("CVE-2017-7651: a hundred promises of 256 MiB before CONNECT cost nothing", async () => {
  await using broker = await SpawnedBroker.start();
  await assertServes(broker.port);
  const before = await broker.figures();
  const promise = join(0x10, varint(268_435_455), new Uint8Array(1_000));
  await Promise.all(Array.from({ length: 100 }, () => provoke(broker.port, promise)));
  const largest = await Promise.all(Array.from({ length: 100 }, async () => {
    const peer = await RawPeer.open(broker.port); // the largest CONNECT allowed, of which little comes
    await peer.send(join(0x10, varint(65_000), new Uint8Array(10)));
    return peer;
  }));
  const after = await broker.figures();
  assert.ok(after.rss < before.rss + 50 * MIB, `RSS grew from ${before.rss} to ${after.rss}`);
  for (const peer of largest) peer.close();
  await assertServes(broker.port);
});

Deno.test("CVE-2023-5632: a thousand idle sockets, silent or connected, cost no processor time", async () => {
  await using broker = await SpawnedBroker.start({ connection: { connectTimeoutMs: 60_000 } });
  const peers = await Promise.all(Array.from({ length: 1_000 }, (_, i) => {
    return i % 2 === 0 ? RawPeer.open(broker.port) : RawPeer.connect(broker.port, connect({ keepAlive: 600 }));
  }));
  await broker.figuresWhen(({ sockets }) => sockets > 1_000);
  const [before, startedAt] = [await broker.figures(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // what is measured is a time in which nothing happens
  const after = await broker.figures();
  const share = (after.cpuMs - before.cpuMs) / (performance.now() - startedAt); // holds two collections too
  assert.ok(share < 0.25, `${(share * 100).toFixed(1)}% of a processor`);
  for (const peer of peers) peer.close();
  const left = await broker.figuresWhen(({ sockets }) => sockets < FEW);
  assert.ok(left.sockets < FEW, `${left.sockets} sockets are left`);
  await assertServes(broker.port);
});

Deno.test("readers that stop reading bound what the broker keeps for them", async () => {
  await using broker = await SpawnedBroker.start();
  const stuck = await Promise.all(Array.from({ length: 10 }, async () => {
    const peer = await RawPeer.connect(broker.port, connect());
    await peer.send(subscribe("flood"));
    await peer.packet();
    return peer;
  }));
  using flooder = await RawPeer.connect(broker.port, connect());
  const chunk = publish("flood", { payload: new Uint8Array(64 * 1024) });
  const flood = async (count: number) => {
    for (let i = 0; i < count; i++) await flooder.send(chunk);
    await flooder.send(packet(0xc0));
    await flooder.packet();
  };
  await flood(400); // 26 MB to each: beyond what the system keeps for a socket
  const before = await calm(broker);
  await flood(2400); // 157 MB more to each
  const after = await calm(broker);
  assert.ok(before.heap < 10 * 8 * MIB, `${before.heap} bytes for ten stuck readers`);
  assert.ok(after.heap < before.heap * 1.5 + 10 * MIB, `heap grew from ${before.heap} to ${after.heap}`);
  // The chunks of the flood itself are collected in the runtime's own time: less than one reader's share of it may stay.
  assert.ok(after.rss < before.rss + 150 * MIB, `RSS grew from ${before.rss} to ${after.rss}`);
  assert.equal(after.errors, 0);
  for (const peer of stuck) peer.close();
  await assertServes(broker.port);
});
