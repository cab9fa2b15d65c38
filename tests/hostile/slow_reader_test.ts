import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { BrokerProgram } from "../support/broker_program.ts";
import { connect, join, packet, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";
import { sysValue, Witness } from "./witness.ts";

/** 16 MB a second, in steps of 8 messages. */
const PAYLOAD = new Uint8Array(16 * 1024);
const MESSAGES_A_STEP = 8;
const STEP_MS = 8;

/** Publishes to `topic` at its pace until `signal` says stop. */
async function flood(flooder: RawPeer, topic: string, signal: AbortSignal): Promise<void> {
  const step = join(...Array.from({ length: MESSAGES_A_STEP }, () => publish(topic, { payload: PAYLOAD })));
  for (let due = performance.now(); !signal.aborted; due += STEP_MS) {
    await flooder.send(step);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due + STEP_MS - performance.now())));
  }
}

/** The prober beside this process; each call answers the 99th percentile of round trips, in milliseconds. */
async function startProbe(port: number): Promise<{ p99(): Promise<number> } & AsyncDisposable> {
  const script = new URL("./latency_probe.ts", import.meta.url).pathname;
  const args = ["run", "-A", "--quiet", "--no-check", script, `${port}`];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const input = child.stdin.getWriter();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await output.read()).value, "ready\n");
  return {
    async p99() {
      await input.write(new TextEncoder().encode("go\n"));
      return Number((await output.read()).value);
    },
    async [Symbol.asyncDispose]() {
      await input.close();
      await output.cancel();
      await child.status;
    },
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

Deno.test("one reader that stops reading does not double the p99 of the others", async () => {
  const env = { WEIR_STORAGE_TYPE: "memory", WEIR_BROKER_SYS_INTERVAL: "1s" };
  await using program = await BrokerProgram.start({ folder: "unused", env });
  const port = await program.port();
  using flooder = await RawPeer.connect(port, connect());
  using reader = await RawPeer.connect(port, connect());
  using stuck = await RawPeer.connect(port, connect());
  for (const [peer, filter] of [[reader, "read"], [stuck, "stuck"]] as const) {
    await peer.send(subscribe(filter));
    await peer.packet();
  }
  const reading = (async () => {
    while ((await reader.packets()).length > 0);
  })();
  await using probe = await startProbe(port);
  const during = async (topic: string, act: () => Promise<void>) => {
    const end = new AbortController();
    const flooding = flood(flooder, topic, end.signal);
    await act();
    end.abort();
    await flooding;
  };
  using observer = await RawPeer.connect(port, connect());
  await observer.send(subscribe("$SYS/broker/messages/publish/dropped"));
  await observer.packet();
  await during("stuck", async () => { // until the system keeps no more for it, and the broker drops
    while (Number(new TextDecoder().decode(readPublish((await observer.packet())!).payload)) === 0);
  });
  const withReader: number[] = [];
  const withStuck: number[] = [];
  await during("read", async () => void await probe.p99()); // warm
  for (let round = 0; round < 5; round++) {
    await during("read", async () => void withReader.push(await probe.p99()));
    await during("stuck", async () => void withStuck.push(await probe.p99()));
  }
  // Half a millisecond is what the clock of the system gives and takes on a busy machine.
  const [before, after] = [median(withReader), median(withStuck)];
  assert.ok(after < before * 2 + 0.5, `p99 in ms with a stuck reader ${withStuck}, with one that reads ${withReader}`);
  reader.close();
  await reading.catch(() => {});
});

Deno.test("one reader that stops reading: its QoS 0 is dropped and counted, its QoS 1 waits", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const witness = await Witness.on(broker);
  const publisher = await broker.connect();
  using stuck = await RawPeer.connect(broker.port, connect());
  await stuck.send(join(subscribe("stuck/0"), subscribe("stuck/1", { qos: 1 })));
  assert.equal((await stuck.packet())?.[0], 0x90);
  assert.equal((await stuck.packet())?.[0], 0x90);
  using flooder = await RawPeer.connect(broker.port, connect());
  const chunk = publish("stuck/0", { payload: PAYLOAD });
  const isStuck = sysValue(broker, "messages/publish/dropped", (value) => value > 100);
  let isDone = false;
  isStuck.finally(() => isDone = true).catch(() => {});
  while (!isDone) await flooder.send(chunk); // beyond what the system buffers
  const dropped = await isStuck;
  for (let i = 0; i < 300; i++) await flooder.send(chunk);
  await sysValue(broker, "messages/publish/dropped", (value) => value >= dropped + 300);

  for (let n = 0; n < 500; n++) await publisher.publish("stuck/1", uint16(n), { qos: 1 });
  let expected = 0;
  while (expected < 500) { // it reads again
    const message = readPublish((await stuck.packet())!);
    if (message.topic === "stuck/0") continue;
    assert.equal(message.qos, 1);
    assert.equal(message.payload[0] << 8 | message.payload[1], expected++);
    await stuck.send(packet(0x40, uint16(message.packetId)));
  }
  await publisher.publish("stuck/0", "again", { qos: 1 });
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
