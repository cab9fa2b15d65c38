/** A server that is measured: a process of its own, on the first core. */
import { linesOf } from "../support/program.ts";
import { HEAP } from "./contender.ts";
import { pinned } from "./machine.ts";

const TICKS_PER_SECOND = 100;

/** Memory as `deno task start` has it, and a word that collects garbage. */
const FLAGS = `${HEAP},--expose-gc`;

/** A module that prints a line of JSON when it listens, and then goes by `untilEnd`. */
export class ServerProcess<T> implements AsyncDisposable {
  /** What it has printed. */
  readonly said: T;
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(child: Deno.ChildProcess, lines: AsyncIterator<string>, said: T) {
    this.said = said;
    this.#child = child;
    this.#lines = lines;
    this.#input = child.stdin.getWriter();
  }

  /** @param name the module, beside this one */
  static async start<T>(name: string, args: readonly string[]): Promise<ServerProcess<T>> {
    const module = new URL(name, import.meta.url).pathname;
    const [program, ...words] = pinned(0, [Deno.execPath(), "run", "-A", "--quiet", FLAGS, module, ...args]);
    const child = new Deno.Command(program, { args: words, stdin: "piped", stdout: "piped" }).spawn();
    const lines = linesOf(child.stdout);
    return new ServerProcess(child, lines, JSON.parse((await lines.next()).value ?? ""));
  }

  /** Memory in use, when garbage has been collected. */
  async #residentKb(): Promise<number> {
    await this.#input.write(Uint8Array.of(0));
    await this.#lines.next();
    return this.residentKb;
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
    const before = await this.#residentKb();
    await act();
    return rounded((await this.#residentKb() - before) / count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    while ((await this.#lines.next()).done !== true);
    await this.#child.status;
  }
}

/** To what can be told apart. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
