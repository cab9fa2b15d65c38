/** Durable queues on this machine: `deno task bench:queues [OPTIONS]`. docs/performance.md says how to read it. */

import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import type { RunningBroker } from "./contender.ts";
import { type LoadResult, prepareGenerator, runLoad } from "./load_generator.ts";
import { describeMachine, quiet } from "./machine.ts";
import { natsJetStream, type QueueContender, rabbitMq, STREAM_RUN_ID, weirQueues } from "./queue_contenders.ts";
import { median } from "./report.ts";

const HELP = `Durable queues of 256-byte messages: taken, delivered, settled

Usage:  deno task bench:queues [OPTIONS]

Options:
      --rounds N      everything so many times, brokers in turn; medians are shown (3)
      --backlog N     messages that lie in a stream of Weir's when it is measured again; 0 for none (1000000)
      --quiet S       wait at most so long before a run for other load to go away (2)
      --alone         Weir without the others
      --out FILE      where the results go, a line of JSON each (a file in the temporary folder)
  -h, --help

NATS and RabbitMQ take part where they are installed. They are started in a folder of their own and ended.`;

const OPTIONS = {
  rounds: { type: "string", default: "3" },
  backlog: { type: "string", default: "1000000" },
  quiet: { type: "string", default: "2" },
  alone: { type: "boolean", default: false },
  out: { type: "string", default: `${tmpdir()}/weir-bench-queues-${Date.now()}.jsonl` },
  help: { type: "boolean", short: "h", default: false },
} as const;

const SECONDS_MAX = 600;

/** One measurement; what it comes to is a rate or a latency. */
interface Scenario {
  readonly name: string;
  readonly args: string;
  /** Works in the stream that has a backlog: Weir alone. */
  readonly isBehindBacklog?: boolean;
}

const LATENCY = "pubsub -q 1 -P 16 -S 8 -i 100 -r 5000 -d 8 --warmup 3";

/** The consumers are known and away while the messages are taken, and then come for them all: a broker that has nobody to keep a
 * message for might drop it. */
const SCENARIOS: readonly Scenario[] = [
  { name: "warm_up", args: "offline -P 64 -S 8 -i 20 -n 50000" },
  { name: "enqueue_1", args: "offline -S 8 -P 1 -i 1 -n 5000" },
  { name: "enqueue_16", args: "offline -S 8 -P 16 -i 20 -n 100000" },
  { name: "enqueue_64", args: "offline -S 8 -P 64 -i 20 -n 200000" },
  { name: "latency_5k", args: LATENCY },
];

const BEHIND_BACKLOG: readonly Scenario[] = [
  { name: "enqueue_64_backlog", args: "enqueue -S 8 -P 64 -i 20 -n 200000", isBehindBacklog: true },
  { name: "latency_5k_backlog", args: LATENCY, isBehindBacklog: true },
];

interface Run {
  readonly broker: string;
  readonly scenario: string;
  readonly round: number;
  readonly result: LoadResult;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const complaint = await prepareGenerator();
  if (complaint !== undefined) {
    console.error(complaint);
    return 1;
  }
  console.log(describeMachine());
  const peers = values.alone ? [] : [natsJetStream(), rabbitMq()];
  const contenders = [weirQueues(), ...peers.filter((peer) => peer !== undefined)];
  const runs: Run[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const contender of contenders) {
      await using broker = await contender.start();
      for await (const { scenario, result } of measure(contender, broker, values)) {
        const run = { broker: contender.name, scenario, round, result };
        runs.push(run);
        await Deno.writeTextFile(values.out, `${JSON.stringify(run)}\n`, { append: true });
        console.log(`round ${round} ${run.broker} ${scenario}${result.ok ? "" : `  NOT CLEAN: ${result.first_error}`}`);
      }
    }
  }
  console.log(`\n${table(runs)}\n\nEvery result: ${values.out}`);
  return runs.every(({ result }) => result.ok) ? 0 : 1;
}

/** All scenarios against one broker that has just started. */
async function* measure(
  { name, flag }: QueueContender,
  broker: RunningBroker,
  options: { readonly backlog: string; readonly quiet: string },
): AsyncIterable<{ scenario: string; result: LoadResult }> {
  const load = async (scenario: Scenario) => {
    await quiet(Number(options.quiet));
    const args = `${scenario.args} -s 256 --drain 10 ${flag}`;
    const env: Record<string, string> = scenario.isBehindBacklog ? { MQTTLOAD_RUN_ID: STREAM_RUN_ID } : {};
    return {
      scenario: scenario.name,
      result: await runLoad(broker, args.split(" "), { env, secondsMax: SECONDS_MAX }),
    };
  };
  for (const scenario of SCENARIOS) yield await load(scenario);
  if (name !== "weir" || options.backlog === "0") return;
  const fill = { name: "backlog", args: `enqueue -S 8 -P 64 -i 20 -n ${options.backlog}`, isBehindBacklog: true };
  for (const scenario of [fill, ...BEHIND_BACKLOG]) yield await load(scenario);
}

/** One row for each scenario and broker, medians over the rounds. */
function table(runs: readonly Run[]): string {
  const rows = new Map<string, LoadResult[]>();
  const add = (scenario: string, broker: string, result: LoadResult) => {
    const name = `${scenario.padEnd(20)} ${broker.padEnd(9)}`;
    rows.set(name, [...rows.get(name) ?? [], result]);
  };
  for (const { broker, scenario, result } of runs) {
    if (scenario === "warm_up") continue;
    add(scenario, broker, result);
    if (scenario === "enqueue_64") add("consume_8", broker, result);
  }
  const names = [...rows.keys()].sort();
  const head = `${"scenario".padEnd(20)} ${"broker".padEnd(9)} ${"rate/s".padStart(9)} ${
    "cpu s/M".padStart(9)
  }  p50/p99 us`;
  return [head, ...names.map((name) => `${name} ${row(name, rows.get(name)!)}`)].join("\n");
}

function row(name: string, results: readonly LoadResult[]): string {
  const isEnqueue = !/^(consume|latency)/.test(name);
  const rate = median(results.map((each) => isEnqueue ? each.publish_per_s : each.recv_per_s));
  const cpu = median(
    results.map((each) => isEnqueue ? each.publish_cpu_s! / each.count! * 1e6 : each.broker_cpu_s_per_M),
  );
  const latencies = results.map((each) => isEnqueue ? each.ack_us : each.lat_us);
  const [p50, p99] = [median(latencies.map((each) => each?.p50)), median(latencies.map((each) => each?.p99))];
  const latency = name.startsWith("consume") ? "" : `${p50?.toFixed(0)}/${p99?.toFixed(0)}`;
  return `${(rate ?? NaN).toFixed(0).padStart(9)} ${(cpu ?? NaN).toFixed(1).padStart(9)}  ${latency}`;
}

if (import.meta.main) Deno.exit(await main());
