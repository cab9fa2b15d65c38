/** Where the broker's microseconds go, scenario by scenario: `deno task bench:profile [REGEX]`. */

import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { leaveSession } from "./absent_session.ts";
import { weir } from "./contender.ts";
import { type CpuProfile, readProfile, secondsByPart, type Span } from "./cpu_profile.ts";
import { loadBeside, type LoadResult, prepareGenerator, runLoad, type Target } from "./load_generator.ts";
import { describeMachine, quiet } from "./machine.ts";
import { between, type ProcessorTime, processorTime, uptime } from "./processor_time.ts";
import { cpuOf, markdown } from "./report.ts";
import { type Scenario, scenariosOf } from "./scenarios.ts";

const HELP = `Where the broker's microseconds go

Usage:  deno task bench:profile [REGEX] [OPTIONS]

REGEX picks scenarios by name; all without it. Each runs once against a broker of its own with V8's sampling profiler, which
costs some percent. Prints microseconds of processor time for one delivery (for one connection in connect_*, one message in
durable_* that is published); docs/performance.md says what the columns mean.

Options:
      --seconds S        seconds of traffic (5), of which the first is a warm-up that counts too
      --functions N      also the N functions that most time is in, of each scenario (0)
  -h, --help`;

const OPTIONS = {
  seconds: { type: "string", default: "5" },
  functions: { type: "string", default: "0" },
  help: { type: "boolean", short: "h", default: false },
} as const;

const SAMPLE_MICROSECONDS = 1000;
const QUIET_SECONDS = 5;
const WARMUP = "pubsub -l p2p -P 20 -S 20 -q 1 -s 64 -w 5 -i 5 -d 1.5 --drain 3".split(" ");

async function main(): Promise<number> {
  const { values, positionals: [pattern = "."] } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const complaint = values.help ? HELP : await prepareGenerator();
  if (complaint !== undefined) {
    console.log(complaint);
    return values.help ? 0 : 1;
  }
  console.log(describeMachine());
  const rows: Row[] = [];
  for (const scenario of scenariosOf(new RegExp(pattern), { seconds: Number(values.seconds), warmupSeconds: 1 })) {
    const taken = await take(scenario);
    rows.push(rowOf(scenario, taken));
    console.log(`${scenario.name}${taken.result.ok ? "" : `  NOT CLEAN: ${taken.result.first_error ?? "?"}`}`);
    for (const line of topFunctions(taken, Number(values.functions))) console.log(`  ${line}`);
  }
  console.log(`\n${table(rows)}`);
  return 0;
}

/** What is known of one run. */
interface Taken {
  readonly result: LoadResult;
  /** Of the process, while the load ran. */
  readonly time: ProcessorTime;
  readonly profile: CpuProfile;
  readonly span: Span;
}

async function take(scenario: Scenario): Promise<Taken> {
  const folder = await Deno.makeTempDir({ dir: tmpdir(), prefix: "weir-profile-" });
  try {
    const flags = ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLE_MICROSECONDS}`];
    const load = await loaded(scenario, flags);
    return { ...load, profile: await readProfile(folder) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs the load on a broker with these flags of the runtime, and ends it, which is when the profile is written. */
async function loaded(scenario: Scenario, flags: readonly string[]): Promise<Omit<Taken, "profile">> {
  await using broker = await weir(scenario.isDurable ? "sqlite" : "memory", flags).start();
  if (!scenario.needsFresh) await runLoad(broker, WARMUP);
  if (scenario.hasAbsentSession) await leaveSession(broker.port);
  await quiet(QUIET_SECONDS);
  return await timed(broker, scenario);
}

async function timed(broker: Target, { args, beside }: Scenario): Promise<Omit<Taken, "profile">> {
  await using _ = beside && loadBeside(broker, beside);
  const [before, start] = [await processorTime(broker.pid), await uptime()];
  const result = await runLoad(broker, args);
  const [after, end] = [await processorTime(broker.pid), await uptime()];
  return { result, time: between(before, after), span: { start, end } };
}

interface Row {
  readonly name: string;
  /** Microseconds for each of what is counted. */
  readonly cpu: number;
  /** Of 1. */
  readonly kernel: number;
  /** Microseconds. */
  readonly parts: Readonly<Record<string, number>>;
}

/** Processor time of the main thread in which the profiler saw no function is the event loop's own, and what the kernel does for it. */
function rowOf({ name }: Scenario, { result, time, profile, span }: Taken): Row {
  const { main, workers, helpers, profiler, kernel } = time;
  const seconds = secondsByPart(profile, span);
  const seen = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  const all = { ...seconds, loop: Math.max(0, main - seen), workers, helpers };
  const sum = Object.values(all).reduce((sum, each) => sum + each, 0);
  const used = main + workers + helpers;
  const cpu = (cpuOf(name, result) ?? Number.NaN) * used / (used + profiler);
  const parts = Object.fromEntries(Object.entries(all).map(([part, each]) => [part, each / sum * cpu]));
  return { name, cpu, kernel: kernel / used, parts };
}

const PARTS: readonly (readonly [part: string, head: string])[] = [
  ["loop", "event loop"],
  ["read", "read"],
  ["write", "write"],
  ["runtime", "runtime"],
  ["turns", "turns"],
  ["parse", "parse"],
  ["match", "match"],
  ["session", "session"],
  ["encode", "encode"],
  ["collection", "GC"],
  ["helpers", "V8's threads"],
  ["workers", "store"],
];

function table(rows: readonly Row[]): string {
  const heads = ["scenario", "µs", "kernel %", ...PARTS.map(([, head]) => head)];
  const cells = rows.map(({ name, cpu, kernel, parts }) => [
    name,
    short(cpu),
    (kernel * 100).toFixed(0),
    ...PARTS.map(([part]) => short(parts[part])),
  ]);
  return markdown([heads, ...cells]);
}

/** Two digits that count, or more. */
function short(value: number): string {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2);
}

function topFunctions({ profile, span }: Taken, count: number): string[] {
  const functions = [...profile.secondsByFunction(span)].sort(([, a], [, b]) => b - a);
  const sum = functions.reduce((sum, [, seconds]) => sum + seconds, 0);
  return functions.slice(0, count).map(([name, seconds]) => `${(seconds / sum * 100).toFixed(1).padStart(5)} ${name}`);
}

if (import.meta.main) Deno.exit(await main());
