/** Weir against mosquitto on this machine: `deno task bench [REGEX] [OPTIONS]`. docs/performance.md says how to read it. */

import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { leaveSession } from "./absent_session.ts";
import { type Contender, mosquitto, mosquittoVersion, type RunningBroker, type StoreKind, weir } from "./contender.ts";
import { loadBeside, type LoadResult, prepareGenerator, runLoad } from "./load_generator.ts";
import { canPin, describeMachine, quiet } from "./machine.ts";
import { type Run, table } from "./report.ts";
import { type Scenario, scenariosOf } from "./scenarios.ts";

const HELP = `Weir against mosquitto, the same load in turn

Usage:  deno task bench [REGEX] [OPTIONS]

REGEX picks scenarios by name; all without it.

Options:
      --rounds N         each scenario so many times, brokers alternating; medians are shown (3)
      --store KIND       memory or sqlite, for Weir; durable_* and drain_* always take sqlite (memory)
      --seconds S        seconds of traffic of each run (2.5), of which --warmup S are left out (0.5);
                         at a fixed rate 8 and 4 more
      --quiet S          wait at most so long before a run for other load to go away (2)
      --no-mosquitto     Weir alone
      --out FILE         where the results go, a line of JSON each (a file in the temporary folder)
      --list             the names of the scenarios
  -h, --help

The broker gets the first core and the generator the second, where taskset is installed.`;

const OPTIONS = {
  rounds: { type: "string", default: "3" },
  store: { type: "string", default: "memory" },
  seconds: { type: "string", default: "2.5" },
  warmup: { type: "string", default: "0.5" },
  quiet: { type: "string", default: "2" },
  "no-mosquitto": { type: "boolean", default: false },
  out: { type: "string", default: `${tmpdir()}/weir-bench-${Date.now()}.jsonl` },
  list: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** A first taste of traffic, so that no scenario pays for a program that has just started. */
const WARMUP = "pubsub -l p2p -P 20 -S 20 -q 1 -s 64 -w 5 -i 5 -d 1.5 --drain 3".split(" ");

async function main(): Promise<number> {
  const { values, positionals: [pattern = "."] } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (values.help) return say(HELP);
  const pace = { seconds: Number(values.seconds), warmupSeconds: Number(values.warmup) };
  const scenarios = scenariosOf(new RegExp(pattern), pace);
  if (values.list) return say(scenarios.map(({ name }) => name).join("\n"));
  const complaint = await prepareGenerator();
  if (complaint !== undefined) {
    console.error(complaint);
    return 1;
  }
  const peer = values["no-mosquitto"] ? undefined : mosquitto();
  say(describeMachine());
  say(await describePeer(peer, values["no-mosquitto"]));
  if (!canPin) {
    say("Not pinned to cores: taskset or a second core is missing, so broker and generator disturb each other.");
  }
  const recorder = new Recorder(values.out, Number(values.quiet));
  const plan: Plan = {
    rounds: Number(values.rounds),
    scenarios: scenarios.filter(({ isDurable }) => !isDurable),
    contenders: [weir(storeOf(values.store)), ...peer ? [peer] : []],
  };
  await runAll(plan, recorder);
  const durable = scenarios.filter(({ isDurable }) => isDurable);
  await runAll({ ...plan, scenarios: durable, contenders: [weir("sqlite")] }, recorder);
  say(`\n${table(recorder.runs)}\n\nEvery result: ${values.out}`);
  return recorder.runs.every(({ result }) => result.ok) ? 0 : 1;
}

function say(text: string): 0 {
  console.log(text);
  return 0;
}

function storeOf(word: string): StoreKind {
  if (word === "memory" || word === "sqlite") return word;
  throw new RangeError(`Cannot measure with --store ${word}: it is memory or sqlite`);
}

async function describePeer(peer: Contender | undefined, isUnwanted: boolean): Promise<string> {
  if (peer !== undefined) return await mosquittoVersion();
  return isUnwanted
    ? "Weir alone"
    : "mosquitto is not installed (apt-get install mosquitto): Weir alone, and no ratios";
}

interface Plan {
  readonly rounds: number;
  readonly scenarios: readonly Scenario[];
  readonly contenders: readonly Contender[];
}

/** Keeps the results and writes each to the file as it comes. */
class Recorder {
  readonly runs: Run[] = [];
  readonly #path: string;
  readonly #quietSeconds: number;

  constructor(path: string, quietSeconds: number) {
    this.#path = path;
    this.#quietSeconds = quietSeconds;
  }

  async measure(broker: RunningBroker, of: Omit<Run, "result">, scenario: Scenario): Promise<void> {
    await quiet(this.#quietSeconds);
    await using _ = scenario.beside && loadBeside(broker, scenario.beside);
    const result: LoadResult = await runLoad(broker, scenario.args);
    const run = { ...of, result };
    this.runs.push(run);
    await Deno.writeTextFile(this.#path, `${JSON.stringify(run)}\n`, { append: true });
    const trouble = result.ok ? "" : `  NOT CLEAN: ${result.first_error ?? "see the file"}`;
    console.log(`${of.scenario} round ${of.round} ${of.broker}${trouble}`);
  }
}

async function runAll(plan: Plan, recorder: Recorder): Promise<void> {
  if (plan.scenarios.length === 0) return;
  for (let round = 1; round <= plan.rounds; round++) await runRound(plan, round, recorder);
}

/** All scenarios once against each broker, in turn; every other round begins with the other one. */
async function runRound(plan: Plan, round: number, recorder: Recorder): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const running = new Map<Contender, RunningBroker>();
  const contenders = round % 2 === 1 ? plan.contenders : plan.contenders.toReversed();
  if (plan.scenarios.some(({ needsFresh }) => !needsFresh)) {
    for (const contender of contenders) {
      const broker = stack.use(await contender.start());
      await runLoad(broker, WARMUP);
      running.set(contender, broker);
    }
  }
  for (const scenario of plan.scenarios) {
    for (const contender of contenders) {
      const run = { broker: contender.name, scenario: scenario.name, round };
      await runOne(contender, running.get(contender), (broker) => recorder.measure(broker, run, scenario), scenario);
    }
  }
}

async function runOne(
  contender: Contender,
  running: RunningBroker | undefined,
  measure: (broker: RunningBroker) => Promise<void>,
  scenario: Scenario,
): Promise<void> {
  await using fresh = scenario.needsFresh || scenario.hasAbsentSession ? await contender.start() : undefined;
  const broker = fresh ?? running!;
  if (scenario.hasAbsentSession) await leaveSession(broker.port);
  await measure(broker);
}

if (import.meta.main) Deno.exit(await main());
