/** The load generator: `mqttload.c` beside this file, compiled when it is missing or older than its source. */

import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { findCommand } from "../support/skip.ts";
import { pinned } from "./machine.ts";

const SOURCE = fileURLToPath(new URL("mqttload.c", import.meta.url));
const PROGRAM = `${tmpdir()}/weir-bench-mqttload`;
/** A run that has given up and still does not end is cut after this. */
const GRACE_SECONDS = 30;

/** Percentiles in microseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** What the generator prints, as far as it is looked at; which fields there are depends on the mode. */
export interface LoadResult {
  readonly ok: boolean;
  readonly first_error?: string;
  readonly lost?: number;
  readonly dups?: number;
  readonly reordered?: number;
  readonly received?: number;
  readonly recv_per_s?: number;
  readonly publish_per_s?: number;
  readonly publish_cpu_s?: number;
  readonly takeovers_per_s?: number;
  readonly conn_per_s?: number;
  readonly cpu_us_per_connect?: number;
  readonly bytes_per_conn?: number;
  readonly bytes_per_queued?: number;
  readonly broker_cpu_s_per_M?: number;
  readonly receive_all_s?: number;
  readonly drain_all_s?: number;
  readonly lat_us?: Latency;
  readonly ack_us?: Latency;
  readonly connack_us?: Latency;
  readonly count?: number;
  readonly other_cpu_s?: number;
}

/** Where a broker listens, and its process. */
export interface Target {
  readonly port: number;
  readonly pid: number;
}

/** Compiles the generator unless that has been done. Answers why it cannot be, or undefined. */
export async function prepareGenerator(): Promise<string | undefined> {
  if (await isFresh()) return undefined;
  const compiler = findCommand("gcc", "cc");
  if (compiler === undefined) {
    return "Cannot measure: the load generator is written in C and neither gcc nor cc is installed (apt-get install gcc)";
  }
  const compilation = new Deno.Command(compiler, { args: ["-O2", "-o", PROGRAM, SOURCE], stderr: "piped" });
  const { success, stderr } = await compilation.output();
  return success ? undefined : `Cannot compile ${SOURCE}:\n${new TextDecoder().decode(stderr)}`;
}

async function isFresh(): Promise<boolean> {
  try {
    const [program, source] = await Promise.all([Deno.stat(PROGRAM), Deno.stat(SOURCE)]);
    return program.mtime! > source.mtime!;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs the generator against a broker, on the second core, until the answer is disposed of. Its result is nobody's business. */
export function loadBeside({ port }: Target, args: readonly string[]): AsyncDisposable {
  const [program, ...words] = pinned(1, [PROGRAM, ...args, "-h", "127.0.0.1", "-p", `${port}`, "--max-time", "60"]);
  const child = new Deno.Command(program, { args: words, stdout: "null", stderr: "null" }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGTERM");
      } catch {
        // it has come to its end
      }
      await child.status;
    },
  };
}

/** How the generator runs. */
export interface LoadOptions {
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>>;
  /** When it gives up. */
  readonly secondsMax?: number;
}

/** Runs the generator against a broker, on the second core.
 * @throws {Error} when it printed no result */
export async function runLoad(
  target: Target,
  args: readonly string[],
  { env = {}, secondsMax = 60 }: LoadOptions = {},
): Promise<LoadResult> {
  const { port, pid } = target;
  const common = ["-h", "127.0.0.1", "-p", `${port}`, "--pid", `${pid}`, "--max-time", `${secondsMax}`];
  const [program, ...words] = pinned(1, [PROGRAM, ...args, ...common]);
  const signal = AbortSignal.timeout((secondsMax + GRACE_SECONDS) * 1000);
  const { stdout, stderr } = await new Deno.Command(program, { args: words, env, stderr: "piped", signal }).output();
  const text = new TextDecoder().decode(stdout);
  if (text.trim() === "") throw new Error(`mqttload ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return JSON.parse(text);
}
