import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { connect, join, packet, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";

/** More than the system keeps for who does not read. */
const MESSAGES = 8_000;
const STEP = 50;
const PAYLOAD_BYTES = 1_000;

/** A message whose every byte says which one it is. */
function numbered(topic: string, number: number, qos: 0 | 1 = 0): Uint8Array {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(number % 251);
  payload.set(uint16(number));
  return publish(topic, { qos, payload });
}

/** The number of a message that came whole. */
function numberOf(bytes: Uint8Array): number {
  const { payload } = readPublish(bytes);
  const number = payload[0] << 8 | payload[1];
  assert.equal(payload.length, PAYLOAD_BYTES);
  assert.ok(payload.subarray(2).every((byte) => byte === number % 251), `${number} is not what was sent`);
  return number;
}

async function subscriber(port: number, qos: 0 | 1 = 0): Promise<RawPeer> {
  const peer = await RawPeer.connect(port, connect());
  await peer.send(subscribe("crowd", { qos }));
  await peer.packet();
  return peer;
}

/** Reads until the last message, answers their numbers. What else comes is counted in `others`. */
async function readAll(peer: RawPeer, others: { count: number }): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.at(-1) !== MESSAGES - 1) {
    for (const bytes of await peer.packets()) {
      if (bytes[0] >> 4 === 3) numbers.push(numberOf(bytes));
      else others.count++;
    }
  }
  return numbers;
}

Deno.test("a crowd gets every message whole and in order, whatever else is said to each and whoever leaves", async () => {
  await using broker = await TestBroker.start({ connection: { outboxBytesMax: 64 * 1024 * 1024 } });
  using publisher = await RawPeer.connect(broker.port, connect());
  const readers = await Promise.all(Array.from({ length: 12 }, () => subscriber(broker.port)));
  const talkers = await Promise.all(Array.from({ length: 4 }, () => subscriber(broker.port)));
  const leavers = await Promise.all(Array.from({ length: 6 }, () => subscriber(broker.port)));
  const stuck = await subscriber(broker.port);
  const answers = { count: 0 };
  const reading = [...readers, ...talkers].map((peer) => readAll(peer, answers));
  const expected = Array.from({ length: MESSAGES }, (_, number) => number);

  for (let number = 0; number < MESSAGES; number += STEP) {
    const step = Array.from({ length: STEP }, (_, i) => numbered("crowd", number + i));
    await Promise.all([
      publisher.send(join(...step)),
      ...talkers.map((talker) => talker.send(packet(0xc0))),
    ]);
    await publisher.send(publish("nobody", { qos: 1 }));
    assert.equal((await publisher.packet())![0], 0x40);
    if (number % 500 === 0) leavers.pop()?.close();
  }

  for (const numbers of await Promise.all(reading)) assert.deepEqual(numbers, expected);
  assert.deepEqual(await readAll(stuck, answers), expected);
  for (const peer of [...readers, ...talkers, ...leavers, stuck]) peer.close();
});

Deno.test("QoS 1 and QoS 0 to the same crowd: each with what was granted, none with another's packet id", async () => {
  await using broker = await TestBroker.start();
  using publisher = await RawPeer.connect(broker.port, connect());
  const peers = await Promise.all(Array.from({ length: 10 }, (_, i) => subscriber(broker.port, i % 2 === 0 ? 0 : 1)));
  await publisher.send(join(...Array.from({ length: 20 }, (_, number) => numbered("crowd", number, 1))));
  for (const [i, peer] of peers.entries()) {
    for (let number = 0; number < 20; number++) {
      const bytes = (await peer.packet())!;
      assert.equal(numberOf(bytes), number);
      const { qos, packetId } = readPublish(bytes);
      assert.deepEqual([qos, packetId], i % 2 === 0 ? [0, 0] : [1, number + 1]);
    }
    peer.close();
  }
});
