import assert from "node:assert/strict";
import type { BrokerOptions } from "../../src/server/options.ts";
import { TestBroker } from "../support/broker.ts";
import { bodyOf, connect, packet, properties, publish, readPublish, sized, subscribe, uint16 } from "./bytes.ts";
import { lastWord, provoke, RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

const longest = sized(new Uint8Array(65_535).fill(0x61)); // one level
const deepest = sized(new Uint8Array(65_534).fill(0x2f)); // 65,535 empty levels
const deepWild = sized(Uint8Array.from({ length: 65_535 }, (_, i) => i % 2 === 0 ? 0x2b : 0x2f)); // +/+/+...
const roomy: BrokerOptions = { connection: { connectBytesMax: 256 * 1024 } };
const unlimited: BrokerOptions = { ...roomy, limits: { topicLevelsMax: 65_535 } };

Deno.test("CVE-2019-11779: topics of 65,535 levels are refused, each packet in its own way", async () => {
  await using broker = await TestBroker.start(roomy);
  const witness = await Witness.on(broker);
  const port = broker.port;
  assert.equal(lastWord(await provoke(port, publish(deepest), connect())), 0x90);
  assert.deepEqual(await provoke(port, publish(deepest, { version: 4 }), connect({ version: 4 })), []);
  assert.equal(lastWord(await provoke(port, publish(deepest, { properties: [0x23, uint16(1)] }), connect())), 0x90);
  const will = (version: 4 | 5) =>
    connect({ version, flags: 0x06, rest: [...(version === 5 ? [properties()] : []), deepest, uint16(0)] });
  assert.equal(lastWord(await provoke(port, will(5))), 0x90);
  assert.notEqual(lastWord(await provoke(port, will(4))), 0);

  using peer = await RawPeer.connect(port, connect());
  await peer.send(publish(deepest, { qos: 1, packetId: 11 }));
  assert.equal((await peer.packet())?.subarray(0, 1).toHex(), "40");
  await peer.send(publish(deepest, { qos: 2, packetId: 12 }));
  const pubrec = await peer.packet();
  assert.equal(pubrec?.[0], 0x50);
  assert.equal(bodyOf(pubrec!)[2], 0x90);
  for (const filter of [deepest, deepWild]) {
    await peer.send(subscribe(filter));
    const suback = await peer.packet();
    assert.equal(suback?.[0], 0x90);
    assert.equal(suback?.at(-1), 0x8f);
    await peer.send(packet(0xa2, uint16(3), 0, filter));
    assert.equal((await peer.packet())?.[0], 0xb0);
  }
  await witness.check();
});

Deno.test("a topic of 65,535 bytes is a topic: published, retained, subscribed to, by alias, as a will", async () => {
  await using broker = await TestBroker.start(roomy);
  const witness = await Witness.on(broker);
  using subscriber = await RawPeer.connect(broker.port, connect());
  await subscriber.send(subscribe(longest));
  assert.equal((await subscriber.packet())?.at(-1), 0);
  using publisher = await RawPeer.connect(broker.port, connect());
  await publisher.send(publish(longest, { retain: true, payload: Uint8Array.of(1) }));
  await publisher.send(publish(longest, { properties: [0x23, uint16(1)], payload: Uint8Array.of(2) }));
  await publisher.send(publish("", { properties: [0x23, uint16(1)], payload: Uint8Array.of(3) }));
  const will = connect({ flags: 0x06, rest: [properties(), longest, uint16(1), 4] });
  const dying = await RawPeer.connect(broker.port, will);
  for (const expected of [1, 2, 3]) await expectPayload(subscriber, expected);
  dying.close();
  await expectPayload(subscriber, 4);
  using late = await RawPeer.connect(broker.port, connect({ version: 4 }));
  await late.send(subscribe("#", { version: 4 }));
  assert.equal((await late.packet())?.[0], 0x90);
  assert.equal(readPublish((await late.packet())!, 4).topic.length, 65_535);
  await witness.check();
});

Deno.test("with the limit lifted, 65,535 levels neither overflow a stack nor hang", async () => {
  await using broker = await TestBroker.start(unlimited);
  const witness = await Witness.on(broker);
  using peer = await RawPeer.connect(broker.port, connect());
  for (const filter of [deepest, deepWild]) {
    await peer.send(subscribe(filter));
    assert.equal((await peer.packet())?.at(-1), 0);
  }
  using publisher = await RawPeer.connect(broker.port, connect());
  await publisher.send(publish(deepest, { retain: true, payload: Uint8Array.of(7) }));
  await expectPayload(peer, 7);
  using late = await RawPeer.connect(broker.port, connect());
  await late.send(subscribe("#"));
  assert.equal((await late.packet())?.[0], 0x90);
  await expectPayload(late, 7);
  for (const filter of [deepest, deepWild]) {
    await peer.send(packet(0xa2, uint16(3), 0, filter));
    assert.equal((await peer.packet())?.at(-1), 0);
  }
  await publisher.send(publish(deepest, { retain: true }));
  await witness.check();
});

async function expectPayload(peer: RawPeer, byte: number): Promise<void> {
  const received = await peer.packet();
  assert.equal(received === undefined ? "the end" : received[0] >> 4, 3);
  assert.deepEqual([...readPublish(received!).payload], [byte]);
}

Deno.test("CVE-2021-34432, CVE-2018-12543: empty topics and topics that start with $", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  for (const empty of [publish(""), publish("", { qos: 1 }), publish("", { qos: 2, retain: true })]) {
    const word = lastWord(await provoke(broker.port, empty, connect()));
    assert.ok(word === 0x82 || word === 0x81 || word === 0x90, `${word}`);
  }
  assert.deepEqual(await provoke(broker.port, publish("", { version: 4 }), connect({ version: 4 })), []);
  const emptyWill = connect({ flags: 0x06, rest: [properties(), "", uint16(0)] });
  assert.notEqual(lastWord(await provoke(broker.port, emptyWill)) ?? 1, 0);
  const client = await broker.connect();
  await client.subscribe("#");
  await client.subscribe("$odd/#");
  for (const topic of ["$", "$/", "$x", "$odd", "$odd/deep", "$sys/broker", "$share/g/t", "$SYSTEM"]) {
    using dying = await RawPeer.connect(
      broker.port,
      connect({ flags: 0x0e, rest: [properties(), topic, uint16(0)] }),
    );
    await dying.send(publish(topic, { qos: 1 }));
    const answer = await dying.packet();
    assert.ok(answer?.[0] === 0x40 || answer?.[0] === 0xe0, topic);
  }
  const got = [await client.receive(), await client.receive(), await client.receive(), await client.receive()];
  assert.deepEqual(got.map(({ topic }) => topic), ["$odd", "$odd", "$odd/deep", "$odd/deep"]); // each with its will
  await witness.check();
});

Deno.test("wildcards in topics and misplaced ones in filters are refused", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  for (const topic of ["+", "#", "a/+", "a/#", "a#b", "a+"]) {
    const word = lastWord(await provoke(broker.port, publish(topic), connect()));
    assert.ok(word === 0x90 || word === 0x81, `${topic}: ${word}`);
    const will = connect({ flags: 0x06, rest: [properties(), topic, uint16(0)] });
    assert.equal(lastWord(await provoke(broker.port, will)), 0x90, topic);
    assert.deepEqual(await provoke(broker.port, publish(topic, { version: 4 }), connect({ version: 4 })), []);
  }
  const client = await broker.connect();
  for (
    const filter of ["", "a#", "#/a", "a+", "+a/b", "a/#/b", "$share", "$share/", "$share/g", "$share//t", "$share/+/t"]
  ) {
    const code = await client.subscribe(filter);
    if (filter !== "$share") assert.equal(code, 0x8f, `"${filter}"`);
  }
  await witness.check();
});
