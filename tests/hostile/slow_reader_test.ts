import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { connect, join, packet, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";
import { sysValue, Witness } from "./witness.ts";

/** 99th percentile of some round trips between two clients, in milliseconds. `meanwhile` is done before each. */
async function p99(pair: { from: TestClient; to: TestClient }, meanwhile: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    await meanwhile();
    const startedAt = performance.now();
    await Promise.all([pair.from.publish("pair", "x", { qos: 1 }), pair.to.receive()]);
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)];
}

Deno.test("one reader that stops reading: others go on, its QoS 0 is dropped and counted, its QoS 1 waits", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  const pair = { from: await broker.connect(), to: await broker.connect() };
  await pair.to.subscribe("pair");
  using stuck = await RawPeer.connect(broker.port, connect());
  await stuck.send(join(subscribe("stuck/0"), subscribe("stuck/1", { qos: 1 })));
  assert.equal((await stuck.packet())?.[0], 0x90);
  assert.equal((await stuck.packet())?.[0], 0x90);
  using flooder = await RawPeer.connect(broker.port, connect());
  const chunk = publish("stuck/0", { payload: new Uint8Array(16 * 1024) });
  const floodOne = () => flooder.send(chunk);
  const other = publish("nobody/0", { payload: new Uint8Array(16 * 1024) });
  await p99(pair, () => flooder.send(other)); // warm
  const before = await p99(pair, () => flooder.send(other));

  const isStuck = sysValue(broker, "messages/publish/dropped", (value) => value > 100);
  let isDone = false;
  isStuck.finally(() => isDone = true).catch(() => {});
  while (!isDone) await floodOne(); // beyond what the system buffers
  const dropped = await isStuck;
  const after = await p99(pair, floodOne);
  assert.ok(after < before * 25, `p99 ${after.toFixed(2)} ms with a stuck reader, ${before.toFixed(2)} ms without`);
  await sysValue(broker, "messages/publish/dropped", (value) => value >= dropped + 300);

  for (let n = 0; n < 500; n++) await pair.from.publish("stuck/1", uint16(n), { qos: 1 });
  let expected = 0;
  while (expected < 500) { // it reads again
    const message = readPublish((await stuck.packet())!);
    if (message.topic === "stuck/0") continue;
    assert.equal(message.qos, 1);
    assert.equal(message.payload[0] << 8 | message.payload[1], expected++);
    await stuck.send(packet(0x40, uint16(message.packetId)));
  }
  await pair.from.publish("stuck/0", "again", { qos: 1 });
  const last = readPublish((await stuck.packet())!);
  assert.equal(new TextDecoder().decode(last.payload), "again", "QoS 0 flows again");
  await witness.check();
});

Deno.test("a reader that takes nothing is cut after the write timeout, whoever is slow but reads is not", async () => {
  const connection = { writeTimeoutMs: 500, outboxBytesMax: 64 * 1024 };
  await using broker = await TestBroker.start({ connection });
  const witness = await Witness.on(broker);
  const cut: string[] = [];
  const happenings = broker.broker.happenings();
  using stuck = await RawPeer.connect(broker.port, connect({ clientId: "stuck" }));
  await stuck.send(subscribe("flood"));
  await stuck.packet();
  using slow = await RawPeer.connect(broker.port, connect({ clientId: "slow" }));
  await slow.send(subscribe("flood"));
  await slow.packet();
  using flooder = await RawPeer.connect(broker.port, connect());
  const chunk = publish("flood", { payload: new Uint8Array(60 * 1024) });
  const flooding = (async () => {
    while (cut.length === 0) await flooder.send(chunk);
  })();
  const reading = (async () => {
    while (cut.length === 0) await slow.packets();
  })();
  const late = setTimeout(() => cut.push("nobody in time"), 8_000);
  for await (const happening of happenings) {
    if (happening.kind !== "client-disconnected") continue;
    cut.push(happening.clientId);
    break;
  }
  clearTimeout(late);
  await Promise.all([flooding, reading]);
  assert.deepEqual(cut, ["stuck"]);
  await witness.check();
});
