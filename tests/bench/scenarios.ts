/** What is measured: the scenarios of the benchmark, as arguments of the load generator. */

/** One measurement. */
export interface Scenario {
  readonly name: string;
  /** Arguments of mqttload, without address and process. */
  readonly args: readonly string[];
  /** Arguments of another generator that runs all the while, and is not measured. */
  readonly beside?: readonly string[];
  /** Needs a process that has served nobody: memory per connection is right on such a one only. */
  readonly needsFresh?: boolean;
  /** Runs on a store that syncs each commit to disk, which mosquitto has not: Weir alone. */
  readonly isDurable?: boolean;
  /** A session that is away is subscribed to everything, so that each acknowledgement waits for the disk. */
  readonly hasAbsentSession?: boolean;
}

/** Seconds of traffic, and how many of them are left out of the figures. */
export interface Pace {
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** All scenarios whose name matches `wanted`. `pubsub` scenarios get the pace. */
export function scenariosOf(wanted: RegExp, pace: Pace): readonly Scenario[] {
  return ALL.filter(({ name }) => wanted.test(name)).map((scenario) => ({
    ...scenario,
    args: scenario.args[0] === "pubsub" ? [...scenario.args, ...paceArgs(scenario, pace)] : scenario.args,
    beside: scenario.beside && [...scenario.beside, `${pace.seconds + 10}`], // longer than the other: it is ended
  }));
}

function paceArgs({ args }: Scenario, { seconds, warmupSeconds }: Pace): string[] {
  // At a fixed rate few messages come in a second: optimised code, and a 99th percentile that means something, take longer.
  const isOpenLoop = args.includes("-r");
  const [duration, warmup] = isOpenLoop ? [seconds + 8, warmupSeconds + 4] : [seconds, warmupSeconds];
  return ["-d", `${duration}`, "--warmup", `${warmup}`, "--drain", "3"];
}

function scenario(name: string, args: string, more: Partial<Scenario> = {}): Scenario {
  return { name, args: args.split(/ +/), ...more };
}

const CALM = "pubsub -l p2p -P 1 -S 1 -q 1 -s 64 -i 20 -r 100";
const FLOOD = "pubsub -l p2p -P 1 -S 1 -q 0 -s 64 -w 2000 --warmup 0 --drain 1 -d";

const ALL: readonly Scenario[] = [
  scenario("fanout_1x100_q0_64", "pubsub -l fanout -P 1 -S 100 -q 0 -s 64 -w 50"),
  scenario("fanout_1x1000_q0_64", "pubsub -l fanout -P 1 -S 1000 -q 0 -s 64 -w 10"),
  scenario("fanout_1x100_q0_1k", "pubsub -l fanout -P 1 -S 100 -q 0 -s 1024 -w 50"),
  scenario("fanin_100x1_q0_64", "pubsub -l fanin -P 100 -S 1 -q 0 -s 64 -w 20"),
  scenario("p2p_100x100_q0_64", "pubsub -l p2p -P 100 -S 100 -q 0 -s 64 -w 20"),
  scenario("p2p_100x100_q0_1k", "pubsub -l p2p -P 100 -S 100 -q 0 -s 1024 -w 20"),
  scenario("p2p_100x100_q1_64", "pubsub -l p2p -P 100 -S 100 -q 1 -s 64 -w 20 -i 20"),
  scenario("p2p_100x100_q1_1k", "pubsub -l p2p -P 100 -S 100 -q 1 -s 1024 -w 20 -i 20"),
  scenario("p2p_50x50_q2_64", "pubsub -l p2p -P 50 -S 50 -q 2 -s 64 -w 20 -i 20"),
  scenario("shared_10x10_q1_64", "pubsub -l shared -P 10 -S 10 -q 1 -s 64 -w 50 -i 50"),
  // One message of each publisher under way at a time: nothing can be batched.
  scenario("single_100x100_q0_64", "pubsub -l p2p -P 100 -S 100 -q 0 -s 64 -w 1"),
  scenario("single_1000x1000_q0_64", "pubsub -l p2p -P 1000 -S 1000 -q 0 -s 64 -w 1"),
  scenario("single_100x100_q1_64", "pubsub -l p2p -P 100 -S 100 -q 1 -s 64 -w 1 -i 1"),
  // A fixed rate, latency counted from when a message should have been sent.
  scenario("lat_1k_q0_64", "pubsub -l p2p -P 10 -S 10 -q 0 -s 64 -r 1000"),
  scenario("lat_1k_q1_64", "pubsub -l p2p -P 10 -S 10 -q 1 -s 64 -i 20 -r 1000"),
  scenario("lat_10k_q0_64", "pubsub -l p2p -P 100 -S 100 -q 0 -s 64 -r 10000"),
  // A hundred messages a second of one client, alone and beside one that floods as fast as its subscriber takes it.
  scenario("calm_100", CALM),
  scenario("calm_100_beside_flood", CALM, { beside: FLOOD.split(" ") }),
  scenario("retained_10k", "retained --count 10000 -s 64"),
  scenario("offline_10k", "offline --count 10000 -s 64"),
  scenario("takeover_200", "takeover --count 200"),
  scenario("connect_2k", "connect --count 2000 --conc 50 --hold 2 --keepalive 60", { needsFresh: true }),
  scenario("connect_10k", "connect --count 10000 --conc 50 --hold 2 --keepalive 60", { needsFresh: true }),
  scenario("connect_15k", "connect --count 15000 --conc 50 --hold 10 --keepalive 60", { needsFresh: true }),
  // Acknowledged means on disk: QoS 1 to a persistent session that is away.
  scenario("durable_100_publishers", "offline --count 100000 -P 100 -i 20 -s 64", { isDurable: true }),
  scenario("durable_1_publisher", "offline --count 10000 -P 1 -i 1 -s 64", { isDurable: true }),
  // A session comes back to what waits on disk: the cost of a message is to be the same however many there are.
  scenario("drain_10k", "offline --count 10000 -P 50 -i 20 -s 100", { isDurable: true }),
  scenario("drain_1m", "offline --count 1000000 -P 50 -i 20 -s 100", { isDurable: true, needsFresh: true }),
  scenario("durable_ack_5k", "pubsub -l p2p -P 100 -S 100 --pub-qos 1 --sub-qos 0 -s 64 -i 20 -r 5000", {
    isDurable: true,
    hasAbsentSession: true,
  }),
];
