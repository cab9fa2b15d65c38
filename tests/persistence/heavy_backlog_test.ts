/** Queues of heavy messages: what they weigh lies on the disk, not in memory, also at a restart and while they drain. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DurableBroker } from "./durable_broker.ts";
import type { TestClient } from "../support/client.ts";

const MIB = 1024 * 1024;
const BODY_BYTES = 1_000_000;

/** For one session, and for each of {@link OTHERS}. */
const COUNT = 150;
const OTHERS = 30;
const COUNT_OF_OTHERS = 5;

/** Windows and copies of them on the way from the store: 270 MiB when this was written. Without bounds in bytes it was 1,340. */
const GROWTH_MAX_BYTES = 500 * MIB;

/** Most that the process ever had in memory; 0 where the system does not tell. */
function peakRss(pid: number): number {
  if (Deno.build.os !== "linux") return 0;
  const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/status`] }).outputSync(); // to read it ourselves takes -A
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(new TextDecoder().decode(stdout))![1]) * 1024;
}

async function publishBodies(client: TestClient, topic: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const payload = new Uint8Array(BODY_BYTES).fill(n % 256);
    assert.equal(await client.publish(topic, payload, { qos: 1 }), 0);
  }
}

async function drain(client: TestClient, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { payload } = await client.receive();
    assert.equal(payload.length, BODY_BYTES);
    assert.equal((payload as Buffer)[BODY_BYTES - 1], n % 256, `message ${n}`);
  }
}

Deno.test("300 MB that wait for one session and for thirty do not come into memory, at a restart or while they drain", async () => {
  const env = { WEIR_SESSION_MAX_OFFLINE_QUEUE_BYTES: "4GiB", WEIR_STORAGE_SYNC: "off" };
  await using broker = await DurableBroker.start("stop", env);
  const idle = peakRss(broker.pid);
  for (const clientId of ["heavy", ...Array.from({ length: OTHERS }, (_, i) => `other-${i}`)]) {
    const client = await broker.connect(clientId);
    await client.subscribe(clientId, { qos: 1 });
    await client.disconnect();
  }
  const publisher = await broker.visitor();
  await publishBodies(publisher, "heavy", COUNT);
  for (let i = 0; i < OTHERS; i++) await publishBodies(publisher, `other-${i}`, COUNT_OF_OTHERS);
  const growth = [peakRss(broker.pid) - idle];
  await broker.restart();
  growth.push(peakRss(broker.pid) - idle);
  await drain(await broker.connect("heavy"), COUNT);
  for (let i = 0; i < OTHERS; i += 10) await drain(await broker.connect(`other-${i}`), COUNT_OF_OTHERS);
  growth.push(peakRss(broker.pid) - idle);
  for (const bytes of growth) {
    assert.ok(bytes < GROWTH_MAX_BYTES, `grew by ${growth.map((each) => Math.round(each / MIB))} MiB`);
  }
});
