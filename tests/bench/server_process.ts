/** A server that is measured: a process of its own, on the first core. */
import { pinned } from "./machine.ts";

const TICKS_PER_SECOND = 100;

/** A module that prints one line of JSON when it listens, and ends with its input. */
export class ServerProcess<T> implements AsyncDisposable {
  /** What it has printed. */
  readonly said: T;
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess, said: T) {
    this.#child = child;
    this.said = said;
  }

  /** @param name the module, beside this one */
  static async start<T>(name: string, args: readonly string[]): Promise<ServerProcess<T>> {
    const module = new URL(name, import.meta.url).pathname;
    const [program, ...words] = pinned(0, [Deno.execPath(), "run", "-A", "--quiet", module, ...args]);
    const child = new Deno.Command(program, { args: words, stdin: "piped", stdout: "piped" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let line = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      line += part.value;
      if (line.endsWith("\n")) return new ServerProcess(child, JSON.parse(line));
    }
    throw new Error(`${name} has ended: ${line}`);
  }

  get residentKb(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${this.#child.pid}/status`))![1]);
  }

  /** Processor time so far. */
  get cpuSeconds(): number {
    const fields = Deno.readTextFileSync(`/proc/${this.#child.pid}/stat`).split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Runs `act`; how many of its `count` there were in a second, and their processor time for a million of them. */
  async measure(count: number, act: () => Promise<void>): Promise<{ perSecond: number; cpuPerMillion: number }> {
    const [cpu, startedAt] = [this.cpuSeconds, performance.now()];
    await act();
    const seconds = (performance.now() - startedAt) / 1000;
    const cpuPerMillion = rounded((this.cpuSeconds - cpu) / count * 1e6);
    return { perSecond: Math.round(count / seconds), cpuPerMillion };
  }

  /** What memory grows by with each of `count` things that `act` makes, in KB. */
  async growth(count: number, act: () => Promise<void>): Promise<number> {
    const before = this.residentKb;
    await act();
    return rounded((this.residentKb - before) / count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.stdout.cancel().catch(() => {}); // it is being read
    await this.#child.status;
  }
}

/** To what can be told apart. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
