import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { connect, packet, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

const COUNT = 100_000;
const hour = Uint8Array.of(0, 0, 14, 16);

/** A message whose payload is its number. */
async function publishNumbered(broker: TestBroker, topicOf: (n: number) => string, retain: boolean): Promise<void> {
  for (let n = 0; n < COUNT;) {
    const batch: Promise<void>[] = [];
    for (; batch.length < 1_000; n++) {
      batch.push(broker.broker.publish({ topic: topicOf(n), payload: numbered(n), qos: 1, retain }));
    }
    await Promise.all(batch);
  }
}

function numbered(n: number): Uint8Array {
  return Uint8Array.of(n >> 24, n >> 16, n >> 8, n);
}

function numberOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

/** Reads `count` messages, acknowledges them, and answers their numbers. */
async function drain(peer: RawPeer, count: number): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.length < count) {
    const acks: number[] = [];
    const packets = await peer.packets();
    assert.notEqual(packets.length, 0, `the end came after ${numbers.length} messages`);
    for (const bytes of packets) {
      if (bytes[0] === 0x90) continue; // messages may come before SUBACK ([MQTT5 3.8.4])
      assert.equal(bytes[0] >> 4, 3, `message ${numbers.length}: ${bytes.subarray(0, 8).toHex()}`);
      const { payload, qos, packetId } = readPublish(bytes);
      numbers.push(numberOf(payload));
      if (qos === 1) acks.push(0x40, 2, packetId >> 8, packetId & 0xff);
    }
    if (acks.length > 0) await peer.send(Uint8Array.from(acks));
  }
  return numbers;
}

/** Nothing but PINGRESP comes any more. */
async function expectNothing(peer: RawPeer): Promise<void> {
  await peer.send(packet(0xc0));
  assert.equal((await peer.packet())?.toHex(), "d000");
}

Deno.test("100,000 retained messages reach one subscription to # at QoS 0 and at QoS 1, each exactly once", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  await publishNumbered(broker, (n) => `retained/${n % 10}/${n}`, true);
  for (const qos of [0, 1] as const) {
    for (const expiry of [Uint8Array.of(0, 0, 0, 0), hour]) {
      using peer = await RawPeer.connect(broker.port, connect({ properties: [0x11, expiry] }));
      await peer.send(subscribe("#", { qos }));
      const [numbers] = await Promise.all([drain(peer, COUNT), witness.passOne()]);
      assert.equal(new Set(numbers).size, COUNT, `QoS ${qos}: each once`);
      await expectNothing(peer);
    }
  }
  await witness.check();
});

Deno.test("100,000 messages in an offline QoS 1 queue come out completely and in order", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  const connectKept = (clean: boolean) =>
    connect({ clientId: "offline", flags: clean ? 2 : 0, properties: [0x11, hour] });
  const absent = await RawPeer.connect(broker.port, connectKept(true));
  await absent.send(subscribe("queue/#", { qos: 1 }));
  assert.equal((await absent.packet())?.at(-1), 1);
  await absent.send(packet(0xe0));
  await absent.untilClosed();
  absent.close();
  await publishNumbered(broker, () => "queue/x", false);

  using back = await RawPeer.open(broker.port);
  await back.send(connectKept(false));
  const connack = await back.packet();
  assert.equal(connack?.[2], 1, "session present");
  const [numbers] = await Promise.all([drain(back, COUNT), witness.passOne()]);
  assert.ok(numbers.every((n, i) => n === i), "in order");
  await expectNothing(back);
  await witness.check();
});

Deno.test("a queue that is left and taken up again many times loses nothing and keeps its order", async () => {
  await using broker = await TestBroker.start();
  const connectKept = connect({ clientId: "restless", flags: 0, properties: [0x11, hour] });
  using first = await RawPeer.connect(broker.port, connectKept);
  await first.send(subscribe("queue/#", { qos: 1 }));
  await first.packet();
  using publisher = await RawPeer.connect(broker.port, connect());
  for (let n = 0; n < 3_000; n++) {
    await publisher.send(publish("queue/x", { qos: 1, packetId: (n % 60_000) + 1, payload: numbered(n) }));
  }
  let next = 0; // the lowest that has not been acknowledged
  for (let round = 0; next < 3_000; round++) {
    assert.ok(round < 200, `after ${round} rounds ${next} are acknowledged`);
    using peer = await RawPeer.connect(broker.port, connectKept);
    for (let i = 0; i < 37 && next < 3_000; i++) {
      const { payload, packetId } = readPublish((await peer.packet())!);
      assert.equal(numberOf(payload), next++);
      await peer.send(packet(0x40, uint16(packetId)));
    }
    await expectPingresp(peer);
  }
});

/** Waits until the broker has taken what was sent before. */
async function expectPingresp(peer: RawPeer): Promise<void> {
  await peer.send(packet(0xc0));
  for (let bytes = await peer.packet(); bytes?.[0] !== 0xd0; bytes = await peer.packet()) {
    assert.notEqual(bytes, undefined);
  }
}
