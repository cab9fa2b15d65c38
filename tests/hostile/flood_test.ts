import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { processorMs } from "../support/processor_time.ts";
import { connect, join, packet, type Part, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { lastWord, RawPeer } from "./raw_peer.ts";
import { sysValue, Witness } from "./witness.ts";

Deno.test("CVE-2023-28366: a flood of QoS 2 publishes with one id is one message, each answered by PUBREC", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const subscriber = await broker.connect();
  await subscriber.subscribe("flood", { qos: 0 });
  using peer = await RawPeer.connect(broker.port, connect());
  const again = publish("flood", { qos: 2, packetId: 7 });
  await peer.send(join(...Array.from({ length: 5_000 }, () => again)));
  for (let i = 0; i < 5_000; i++) assert.equal((await peer.packet())?.toHex(), "50020007");
  await subscriber.receive();
  await subscriber.expectNothing();
  await peer.send(packet(0x62, uint16(7)));
  assert.equal((await peer.packet())?.toHex(), "70020007");
  await witness.check();
});

Deno.test("CVE-2023-28366: more unreleased QoS 2 ids than the Receive Maximum end the connection with 0x93", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  using peer = await RawPeer.open(broker.port);
  await peer.send(connect());
  const connack = await peer.packet();
  const announced = receiveMaximumOf(connack!);
  const ids = Array.from({ length: announced + 10 }, (_, i) => publish("flood", { qos: 2, packetId: i + 1 }));
  await peer.send(join(...ids));
  const said = await peer.untilClosed();
  assert.equal(said.filter((bytes) => bytes[0] === 0x50).length, announced, "as many as announced are taken");
  assert.equal(lastWord(said), 0x93);
  await witness.check();
});

/** The Receive Maximum (0x21) of a CONNACK whose properties are numbers up to there. */
function receiveMaximumOf(connack: Uint8Array): number {
  const at = connack.indexOf(0x21, 5);
  assert.ok(at > 0, "announced");
  return connack[at + 1] << 8 | connack[at + 2];
}

/** That `runs` of `many` and ten times as many of `few`, which are as many bytes, cost about the same, ours and the broker's processor
 * time together: ten times as much where a cost grows with the square. */
async function assertLinear(few: () => Promise<void>, many: () => Promise<void>, runs = 10): Promise<void> {
  const msOf = (run: () => Promise<void>, times: number) =>
    processorMs(async () => {
      for (let i = 0; i < times; i++) await run();
    });
  await msOf(few, 5); // warm
  const [small, large] = [await msOf(few, 10 * runs), await msOf(many, runs)];
  assert.ok(large < (small + 20) * 5, `${large} ms against ${small} ms`); // the clock goes by 10 ms
}

const userProperties = (count: number): Part => join(...Array.from({ length: count }, () => [0x26, "k", "v"]));

const carriers: [string, (count: number) => Uint8Array][] = [
  ["PUBLISH", (count) => publish("t", { qos: 1, properties: [userProperties(count)] })],
  ["SUBSCRIBE", (count) => subscribe("other", { properties: [userProperties(count)] })],
  ["UNSUBSCRIBE", (count) => packet(0xa2, uint16(1), connectSection(count), "other")],
];

function connectSection(count: number): Uint8Array {
  const whole = publish("", { properties: [userProperties(count)] }); // the section, cut out of a packet
  let start = 1;
  while (whole[start] > 127) start++;
  return whole.subarray(start + 3);
}

for (const [name, build] of carriers) {
  Deno.test(`CVE-2021-41039: 100,000 user properties in ${name} cost about ten times what 10,000 cost`, async () => {
    await using broker = await TestBroker.start();
    const witness = await Witness.on(broker);
    using peer = await RawPeer.connect(broker.port, connect());
    const roundTrip = (bytes: Uint8Array) => async () => {
      await peer.send(bytes);
      assert.ok([0x40, 0x90, 0xb0].includes((await peer.packet())![0]));
    };
    await assertLinear(roundTrip(build(10_000)), roundTrip(build(100_000)));
    await witness.check();
  });
}

Deno.test("CVE-2021-41039: 100,000 user properties in CONNECT, and passed on in a PUBLISH, none missing", async () => {
  await using broker = await TestBroker.start({ connection: { connectBytesMax: 1024 * 1024 } });
  const witness = await Witness.on(broker);
  const connectWith = (count: number) => async () => {
    using peer = await RawPeer.connect(broker.port, connect({ properties: [userProperties(count)] }));
    peer.close();
  };
  await assertLinear(connectWith(10_000), connectWith(100_000), 1);

  using subscriber = await RawPeer.connect(broker.port, connect());
  await subscriber.send(subscribe("t"));
  await subscriber.packet();
  using publisher = await RawPeer.connect(broker.port, connect());
  const sent = publish("t", { properties: [userProperties(100_000)], payload: uint16(1) });
  await publisher.send(sent);
  assert.deepEqual(await subscriber.packet(), sent);
  await witness.check();
});

Deno.test("a reconnect storm of 500 connections on one client id leaves one, the others are told 0x8E", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  const bytes = connect({ clientId: "storm", flags: 0, properties: [0x11, Uint8Array.of(0, 0, 0, 60)] });
  const peers = await Promise.all(Array.from({ length: 500 }, () => RawPeer.open(broker.port)));
  await Promise.all(peers.map((peer) => peer.send(bytes)));
  for (const peer of peers) assert.equal((await peer.packet())?.[0], 0x20);
  const last = await RawPeer.connect(broker.port, bytes); // comes after all of them
  const words = await Promise.all(peers.map((peer) => peer.untilClosed()));
  for (const said of words) {
    assert.equal(said.length, 1);
    assert.equal(lastWord(said), 0x8e);
  }
  for (const peer of peers) peer.close();
  await last.send(join(subscribe("still/here"), publish("still/here", { qos: 1 })));
  const answers = [await last.packet(), await last.packet(), await last.packet()];
  assert.deepEqual(answers.map((answer) => answer![0] >> 4).sort((a, b) => a - b), [3, 4, 9]);
  await sysValue(broker, "clients/connected", (value) => value === 3); // the two of the witness
  last.close();
  await sysValue(broker, "clients/connected", (value) => value === 2);
  await witness.check();
});

Deno.test("CVE-2025-59946: publish flood, same-id reconnects and subscription churn at once harm nobody else", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  let isOver = false;
  const work = async (act: (peer: RawPeer, round: number) => Promise<unknown>, clientId?: string) => {
    for (let round = 0; !isOver; round++) {
      using peer = await RawPeer.open(broker.port);
      await peer.send(connect({ flags: round & 2, properties: [0x11, Uint8Array.of(0, 0, 0, 9)], clientId }));
      await peer.packet();
      for (let i = 0; i < 5 && !isOver; i++) await act(peer, round);
    }
  };
  const flood = join(
    ...Array.from({ length: 50 }, (_, i) => publish(`churn/${i % 7}`, { payload: new Uint8Array(200) })),
  );
  const reliable = join(
    ...Array.from(
      { length: 20 },
      (_, i) => publish(`churn/${i % 7}`, { qos: i % 2 ? 1 : 2, packetId: i + 1, retain: i > 15 }),
    ),
  );
  const churn = join(
    ...Array.from({ length: 7 }, (_, i) => [subscribe(`churn/${i}`, { qos: 1 }), subscribe("churn/+", { qos: 2 })]),
    packet(0xa2, uint16(1), 0, "churn/+", "churn/3", "$share/g/churn/#"),
    subscribe("$share/g/churn/#", { qos: 1 }),
  );
  const workers = [
    work((peer) => peer.send(flood)),
    work((peer) => peer.send(reliable), "same"),
    work((peer) => peer.send(reliable), "same"),
    work((peer) => peer.send(churn).then(() => peer.packet()), "same"),
    work((peer) => peer.send(join(churn, flood))),
  ];
  for (let i = 0; i < 300; i++) await witness.passOne(); // in order, none lost, none twice
  isOver = true;
  await Promise.all(workers);
  await witness.check();
});

Deno.test("a hundred clients that vanish under load: every will comes, everybody else goes on", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  using heir = await RawPeer.connect(broker.port, connect());
  await heir.send(subscribe("wills/#"));
  await heir.packet();
  const dying = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const will: Part[] = [0, `wills/${i}`, uint16(0)];
    const peer = await RawPeer.connect(broker.port, connect({ flags: 0x0e, rest: will }));
    await peer.send(join(subscribe("load/#", { qos: 1 }), publish("load/first", { qos: 1 })));
    return peer;
  }));
  using loader = await RawPeer.connect(broker.port, connect());
  const load = join(...Array.from({ length: 20 }, () => publish("load/x", { payload: new Uint8Array(1_000) })));
  const loading = (async () => {
    for (let i = 0; i < 50; i++) await loader.send(load);
  })();
  await witness.passOne();
  for (const peer of dying) peer.close();
  const wills = new Set<string>();
  while (wills.size < 100) wills.add(readPublish((await heir.packet())!).topic);
  await loading;
  await sysValue(broker, "clients/connected", (value) => value === 4);
  await witness.check();
});
