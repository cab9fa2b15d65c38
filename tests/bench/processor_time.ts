/** What Linux says of the processor time of a process and its threads. */

/** Seconds. */
export interface ProcessorTime {
  /** Of the thread that runs the event loop. */
  readonly main: number;
  /** Of the runtime's Workers, as the store's. */
  readonly workers: number;
  /** Of the threads that collect garbage and compile beside it, and any other. */
  readonly helpers: number;
  /** Of the profiler's own threads, which are in none of the others. */
  readonly profiler: number;
  /** Of all of these but the profiler, in the kernel. */
  readonly kernel: number;
}

/** Linux counts in these, whatever its own tick is (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_SECOND = 100;

/** What the process has used up to now, each thread in steps of 10 ms. A thread that has ended is in none. */
export async function processorTime(pid: number): Promise<ProcessorTime> {
  const time = { main: 0, workers: 0, helpers: 0, profiler: 0, kernel: 0 };
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const { command, user, kernel } = await threadTime(`/proc/${pid}/task/${name}/stat`);
    const kind = Number(name) === pid ? "main" : kindOf(command);
    time[kind] += user + kernel;
    if (kind !== "profiler") time.kernel += kernel;
  }
  return time;
}

function kindOf(command: string): "workers" | "helpers" | "profiler" {
  if (command.startsWith("v8:Prof")) return "profiler";
  return command.startsWith("worker-") ? "workers" : "helpers";
}

/** The fields comm, utime and stime of proc_pid_stat(5); comm is in brackets and may hold brackets and blanks. */
async function threadTime(path: string): Promise<{ command: string; user: number; kernel: number }> {
  const text = await Deno.readTextFile(path);
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  return {
    command: text.slice(text.indexOf("(") + 1, end),
    user: Number(fields[11]) / TICKS_PER_SECOND,
    kernel: Number(fields[12]) / TICKS_PER_SECOND,
  };
}

/** From one reading to a later one. */
export function between(before: ProcessorTime, after: ProcessorTime): ProcessorTime {
  return {
    main: after.main - before.main,
    workers: after.workers - before.workers,
    helpers: after.helpers - before.helpers,
    profiler: after.profiler - before.profiler,
    kernel: after.kernel - before.kernel,
  };
}

/** Seconds since the machine started: the clock by which V8's profiler stamps its samples. */
export async function uptime(): Promise<number> {
  const [seconds] = (await Deno.readTextFile("/proc/uptime")).split(" ", 1);
  return Number(seconds);
}
