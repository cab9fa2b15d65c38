/** The machine: cores to pin to, and whether anybody else uses them. */

import { cpus } from "node:os";
import { findCommand } from "../support/skip.ts";

const taskset = cpus().length > 1 ? findCommand("taskset") : undefined;

/** Whether broker and generator get a core each. */
export const canPin: boolean = taskset !== undefined;

/** The command on one core, or as it is where that cannot be arranged. */
export function pinned(core: number, command: readonly string[]): readonly string[] {
  return taskset === undefined ? command : [taskset, "-c", `${core}`, ...command];
}

/** One line about processor and runtime. */
export function describeMachine(): string {
  const all = cpus();
  const { deno, v8 } = Deno.version;
  return `${all[0]?.model ?? "unknown processor"}, ${all.length} cores, ${Deno.build.target}, Deno ${deno} (V8 ${v8})`;
}

const TICKS_PER_SECOND = 100;
const LOOK_MS = 250;
/** Cores in use above which the machine is not quiet. */
const BUSY_CORES = 0.3;

/** Waits until the machine is nearly idle, at most `secondsMax`. Where there is no /proc it does not wait. */
export async function quiet(secondsMax: number): Promise<void> {
  for (let waited = 0; waited < secondsMax * 1000; waited += LOOK_MS) {
    const before = await busyTicks();
    if (before === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const cores = ((await busyTicks())! - before) / TICKS_PER_SECOND / (LOOK_MS / 1000);
    if (cores <= BUSY_CORES) return;
  }
}

async function busyTicks(): Promise<number | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const [line] = (await Deno.readTextFile("/proc/stat")).split("\n", 1);
  const [, user, nice, system, , , irq, softirq, steal] = line.split(/ +/).map(Number);
  return user + nice + system + irq + softirq + steal;
}
