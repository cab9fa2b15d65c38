/** What the runs come to: one row for each scenario, medians over the rounds. */

import type { LoadResult } from "./load_generator.ts";

/** One run of one scenario against one broker. */
export interface Run {
  readonly broker: string;
  readonly scenario: string;
  readonly round: number;
  readonly result: LoadResult;
}

/** The figures of one run; undefined where the scenario has none. */
interface Figures {
  /** Messages, connections or takeovers a second. */
  readonly rate: number | undefined;
  /** The broker's processor seconds for a million of them. */
  readonly cpu: number | undefined;
  /** Microseconds. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Milliseconds until everything had arrived. */
  readonly allMs: number | undefined;
  readonly bytesPerConnection: number | undefined;
  /** Only told of queues long enough that it says something. */
  readonly bytesPerQueued: number | undefined;
  /** Lost, doubled or out of order. */
  readonly wrong: number;
}

function figuresOf(scenario: string, result: LoadResult): Figures {
  const latency = scenario === "durable_ack_5k" ? result.ack_us : result.lat_us ?? result.connack_us;
  const allSeconds = result.receive_all_s ?? result.drain_all_s;
  const isPublishing = scenario.startsWith("durable_") && result.publish_cpu_s !== undefined;
  return {
    rate: isPublishing
      ? result.publish_per_s
      : result.recv_per_s ?? result.conn_per_s ?? result.takeovers_per_s ?? undefined,
    cpu: isPublishing
      ? result.publish_cpu_s! / result.count! * 1e6
      : result.cpu_us_per_connect ?? result.broker_cpu_s_per_M,
    p50: latency?.p50,
    p99: latency?.p99,
    allMs: allSeconds === undefined ? undefined : allSeconds * 1000,
    bytesPerConnection: result.bytes_per_conn,
    bytesPerQueued: scenario.startsWith("drain_") && result.count! >= 100_000 ? result.bytes_per_queued : undefined,
    wrong: (result.lost ?? 0) + (result.dups ?? 0) + (result.reordered ?? 0) + (result.ok ? 0 : 1),
  };
}

const COLUMNS = [
  ["scenario", ""],
  ["rate/s", "weir"],
  ["rate/s", "mosquitto"],
  ["cpu s/M", "weir"],
  ["cpu s/M", "mosquitto"],
  ["cpu ratio", "weir/mosq"],
  ["p50/p99 us", "weir"],
  ["p50/p99 us", "mosquitto"],
  ["p50/p99 ratio", "weir/mosq"],
  ["also", "weir; mosq"],
  ["wrong", "weir/mosq"],
] as const;

/** The broker's processor time in microseconds for one of what the scenario counts; undefined where it has no figure. */
export function cpuOf(scenario: string, result: LoadResult): number | undefined {
  return figuresOf(scenario, result).cpu;
}

/** The table for people; scenarios in the order in which they first ran. */
export function table(runs: readonly Run[]): string {
  const names = [...new Set(runs.map(({ scenario }) => scenario))];
  const rows = [
    COLUMNS.map(([head]) => head),
    COLUMNS.map(([, head]) => head),
    ...names.map((name) => row(name, runs)),
  ];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join("  ")
  );
  lines.splice(2, 0, "-".repeat(lines[0].length));
  return lines.join("\n");
}

/** A table of Markdown; the first row is its head, the first column is text and the others are figures. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join(" | ")
  );
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(
    " | ",
  );
  return [lines[0], rule, ...lines.slice(1)].map((line) => `| ${line} |`).join("\n");
}

function row(scenario: string, runs: readonly Run[]): string[] {
  const [weir, mosquitto] = ["weir", "mosquitto"].map((broker) =>
    runs.filter((run) => run.scenario === scenario && run.broker === broker)
      .map((run) => figuresOf(scenario, run.result))
  );
  return [
    scenario,
    rate(weir),
    rate(mosquitto),
    cpu(weir),
    cpu(mosquitto),
    ratio(runs, scenario, "cpu"),
    latency(weir),
    latency(mosquitto),
    hasLatency(mosquitto) ? `${ratio(runs, scenario, "p50")}/${ratio(runs, scenario, "p99")}` : "-",
    [also(weir), also(mosquitto)].filter((text) => text !== "").join("; "),
    [weir, mosquitto].filter((figures) => figures.length > 0)
      .map((figures) => figures.reduce((sum, { wrong }) => sum + wrong, 0)).join("/"),
  ];
}

/** The median of the ratios round by round: what disturbs the machine disturbs both brokers of a round. */
function ratio(runs: readonly Run[], scenario: string, figure: "cpu" | "p50" | "p99"): string {
  const ofScenario = runs.filter((run) => run.scenario === scenario);
  const ratios = ofScenario.filter(({ broker }) => broker === "weir").flatMap(({ round, result }) => {
    const peer = ofScenario.find((run) => run.broker === "mosquitto" && run.round === round);
    const [own, other] = [result, peer?.result].map((each) => each && figuresOf(scenario, each)[figure]);
    return own && other ? [own / other] : [];
  });
  const middle = median(ratios);
  return middle === undefined ? "-" : middle.toFixed(middle < 0.1 ? 3 : 2);
}

function hasLatency(figures: readonly Figures[]): boolean {
  return figures.some(({ p50 }) => p50 !== undefined);
}

function rate(figures: readonly Figures[]): string {
  return whole(median(figures.map(({ rate }) => rate)));
}

function cpu(figures: readonly Figures[]): string {
  return median(figures.map(({ cpu }) => cpu))?.toFixed(2) ?? "-";
}

function latency(figures: readonly Figures[]): string {
  const [p50, p99] = [median(figures.map(({ p50 }) => p50)), median(figures.map(({ p99 }) => p99))];
  return p50 === undefined ? "-" : `${whole(p50)}/${whole(p99)}`;
}

function also(figures: readonly Figures[]): string {
  const allMs = median(figures.map(({ allMs }) => allMs));
  const bytes = median(figures.map(({ bytesPerConnection }) => bytesPerConnection));
  const queued = median(figures.map(({ bytesPerQueued }) => bytesPerQueued));
  if (queued !== undefined) return `${queued.toFixed(0)} B queued each`;
  if (allMs !== undefined) return `all in ${allMs.toFixed(0)} ms`;
  return bytes === undefined ? "" : `${(bytes / 1024).toFixed(1)} KiB each`;
}

function whole(value: number | undefined): string {
  return value === undefined ? "-" : Math.round(value).toLocaleString("en");
}

/** Undefined when none of them is defined. */
export function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
