/** The brokers that are measured: Weir as it stands in this tree, and mosquitto where it is installed. */

import { fileURLToPath } from "node:url";
import { findCommand } from "../support/skip.ts";
import type { Target } from "./load_generator.ts";
import { pinned } from "./machine.ts";

/** The program of this tree. */
export const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
/** As `deno task start` has it: what V8 keeps for young objects otherwise grows to 48 MB under a storm of connects, and stays; and old ones are
 * gone through from 64 MB on, not from some 16, which a broker holds that has just started. */
export const HEAP = "--v8-flags=--max-semi-space-size=8,--initial-old-space-size=64";
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;

/** Where Weir keeps its data in a run. */
export type StoreKind = "memory" | "sqlite";

/** A broker that can be started. */
export interface Contender {
  readonly name: string;
  start(): Promise<RunningBroker>;
}

/** A broker that listens; disposing it ends the process and removes its folder. */
export interface RunningBroker extends Target, AsyncDisposable {}

/** Weir, from its sources, with a configuration made for the run. `flags` are the runtime's. */
export function weir(store: StoreKind, flags: readonly string[] = []): Contender {
  return {
    name: "weir",
    start: () =>
      launch("weir", async (folder, port) => {
        await Deno.writeTextFile(`${folder}/weir.yaml`, weirConfig(folder, { port, store }));
        return [Deno.execPath(), "run", "-A", HEAP, ...flags, MAIN, "--config", `${folder}/weir.yaml`];
      }),
  };
}

/** The mosquitto that is installed, in memory; undefined when there is none. */
export function mosquitto(): Contender | undefined {
  const path = findCommand("mosquitto");
  if (path === undefined) return undefined;
  return {
    name: "mosquitto",
    start: () =>
      launch("mosquitto", async (folder, port) => {
        await Deno.writeTextFile(`${folder}/mosquitto.conf`, mosquittoConfig(port));
        return [path, "-c", `${folder}/mosquitto.conf`];
      }),
  };
}

/** The version that mosquitto tells of itself. */
export async function mosquittoVersion(): Promise<string> {
  const { stdout } = await new Deno.Command(findCommand("mosquitto")!, { args: ["-h"] }).output();
  return new TextDecoder().decode(stdout).split("\n", 1)[0];
}

function weirConfig(folder: string, { port, store }: { port: number; store: StoreKind }): string {
  const storage = store === "memory" ? "  type: memory" : `  type: sqlite\n  path: ${folder}/data\n  sync: full`;
  return `server:
  tcp_addr: "127.0.0.1:${port}"
  tcp_max_connections: 30000
log:
  level: error
session:
  max_offline_queue_size: unlimited
  max_offline_queue_bytes: unlimited
storage:
${storage}
`;
}

function mosquittoConfig(port: number): string {
  return `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
max_queued_bytes 0
set_tcp_nodelay true
log_type none
`;
}

/** Writes what a broker needs into the folder, and says how it is started. */
export type CommandOf = (folder: string, port: number) => Promise<readonly string[]>;

/** What is around a broker's process. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  /** Ends what it leaves running. */
  readonly afterwards?: () => Promise<unknown>;
}

/** Starts the process on the first core, in a folder of its own, and waits until it listens. */
export async function launch(
  name: string,
  commandOf: CommandOf,
  { env, afterwards }: Surroundings = {},
): Promise<RunningBroker> {
  const folder = await Deno.makeTempDir({ prefix: `weir-bench-${name}-` });
  const port = freePort();
  const [program, ...args] = pinned(0, await commandOf(folder, port));
  const home = { ...env, HOME: folder };
  const child = new Deno.Command(program, {
    args,
    env: env === undefined ? undefined : home,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const broker: RunningBroker = {
    port,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      await stop(child);
      await afterwards?.();
      await Deno.remove(folder, { recursive: true });
    },
  };
  try {
    await listening(port, name);
  } catch (error) {
    await broker[Symbol.asyncDispose]();
    throw error;
  }
  return broker;
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  const timer = setTimeout(() => kill(child, "SIGKILL"), STOP_MS_MAX);
  kill(child, "SIGTERM");
  await child.status;
  clearTimeout(timer);
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended before
  }
}

/** Resolves when a server listens there.
 * @throws {Error} when it does not in time */
export async function listening(port: number, name: string): Promise<void> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      return connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      if (Date.now() > deadline) throw new Error(`Cannot measure ${name}: it does not listen after ${START_MS_MAX} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A port of 127.0.0.1 that nobody has at this moment. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
