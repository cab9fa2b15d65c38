/** Whether memory grows: `deno task bench:soak [MINUTES] [--store sqlite]`. The same mix of everything, again and again, on one process. */

import { parseArgs } from "node:util";
import { type RunningBroker, type StoreKind, weir } from "./contender.ts";
import { prepareGenerator, runLoad } from "./load_generator.ts";
import { describeMachine } from "./machine.ts";

/** One cycle leaves nothing behind: clients have gone, queues are drained, retained messages are cleared. */
const CYCLE: readonly string[] = [
  "pubsub -l p2p -P 100 -S 100 -q 0 -s 64 -w 20 -d 1",
  "pubsub -l p2p -P 100 -S 100 -q 1 -s 1024 -w 20 -i 20 -d 1",
  "pubsub -l p2p -P 50 -S 50 -q 2 -s 64 -w 20 -i 20 -d 1",
  "pubsub -l fanout -P 1 -S 500 -q 1 -s 256 -w 10 -i 10 -d 1",
  "pubsub -l shared -P 10 -S 10 -q 1 -s 64 -w 50 -i 50 -d 1",
  "retained --count 2000 -s 64",
  "offline --count 20000 -P 20 -i 20 -s 200",
  "takeover --count 200",
  "connect --count 2000 --conc 50 --hold 0.2 --keepalive 60",
];

/** The same clients and topics in each cycle: the broker remembers up to 65,536 topics (docs/decisions/0010), which would look like growth. */
const SAME_NAMES = { MQTTLOAD_RUN_ID: "1" };

/** What the program takes until its code is compiled and its heap has the size it needs is no growth. */
const SETTLING_SHARE = 1 / 3;

interface Sample {
  readonly seconds: number;
  readonly mebibytes: number;
}

async function main(): Promise<number> {
  const { values, positionals: [minutes = "5"] } = parseArgs({
    options: { store: { type: "string", default: "memory" } },
    allowPositionals: true,
  });
  const complaint = await prepareGenerator();
  if (complaint !== undefined) {
    console.error(complaint);
    return 1;
  }
  console.log(describeMachine());
  await using broker = await weir(values.store as StoreKind).start();
  const { samples, deliveries, isClean } = await soak(broker, Number(minutes) * 60);
  const settled = samples.slice(Math.floor(samples.length * SETTLING_SHARE));
  console.log(
    `${samples.length} cycles, ${(deliveries / 1e6).toFixed(1)} million deliveries, store ${values.store}: ` +
      `${samples[0].mebibytes.toFixed(0)} MiB after the first, ${
        medianOf(settled).toFixed(0)
      } in the median of the last ` +
      `${settled.length}, of them at most ${Math.max(...settled.map(({ mebibytes }) => mebibytes)).toFixed(0)}; ` +
      `slope of these ${slopeOf(settled).toFixed(1)} MiB an hour`,
  );
  return isClean ? 0 : 1;
}

async function soak(
  broker: RunningBroker,
  seconds: number,
): Promise<{ samples: Sample[]; deliveries: number; isClean: boolean }> {
  const samples: Sample[] = [];
  let deliveries = 0;
  let isClean = true;
  const start = performance.now();
  for (let elapsed = 0; elapsed < seconds || samples.length < 4;) {
    for (const args of CYCLE) {
      const result = await runLoad(broker, args.split(" "), { env: SAME_NAMES });
      deliveries += result.received ?? 0;
      if (result.ok) continue;
      isClean = false;
      console.log(`NOT CLEAN: ${args}: ${result.first_error ?? "lost, doubled or out of order"}`);
    }
    elapsed = (performance.now() - start) / 1000;
    const sample = { seconds: elapsed, mebibytes: residentMebibytes(broker.pid) };
    samples.push(sample);
    console.log(`${elapsed.toFixed(0)} s  ${sample.mebibytes.toFixed(1)} MiB`);
  }
  return { samples, deliveries, isClean };
}

function residentMebibytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

function medianOf(samples: readonly Sample[]): number {
  const sorted = samples.map(({ mebibytes }) => mebibytes).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** By least squares, in MiB an hour. */
function slopeOf(samples: readonly Sample[]): number {
  const count = samples.length;
  const meanX = samples.reduce((sum, { seconds }) => sum + seconds, 0) / count;
  const meanY = samples.reduce((sum, { mebibytes }) => sum + mebibytes, 0) / count;
  const covariance = samples.reduce((sum, { seconds, mebibytes }) => sum + (seconds - meanX) * (mebibytes - meanY), 0);
  const variance = samples.reduce((sum, { seconds }) => sum + (seconds - meanX) ** 2, 0);
  return covariance / variance * 3600;
}

if (import.meta.main) Deno.exit(await main());
