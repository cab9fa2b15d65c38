import type { BrokerOptions } from "../../src/server/options.ts";
import { linesOf } from "../support/program.ts";

/** What the process of a broker is like. */
export interface Figures {
  readonly rss: number;
  /** JavaScript heap and array buffers, after a collection. */
  readonly heap: number;
  readonly cpuMs: number;
  /** Sockets held, the listener's included. */
  readonly sockets: number;
  /** Promises that were rejected and nobody looked. */
  readonly errors: number;
}

/** A broker in a process of its own, so that its memory and its processor time can be told from ours. */
export class SpawnedBroker implements AsyncDisposable {
  readonly port: number;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: AsyncIterator<string>;

  private constructor(process: Deno.ChildProcess, output: AsyncIterator<string>, port: number) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#output = output;
    this.port = port;
  }

  static async start(options: Pick<BrokerOptions, "limits" | "protocol" | "connection"> = {}): Promise<SpawnedBroker> {
    const script = new URL("./broker_process.ts", import.meta.url).pathname;
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--v8-flags=--expose-gc", script, JSON.stringify(options)],
      stdin: "piped",
      stdout: "piped",
    });
    const process = command.spawn();
    const output = linesOf(process.stdout);
    const { value } = await output.next();
    return new SpawnedBroker(process, output, Number(value));
  }

  async figures(): Promise<Figures> {
    await this.#input.write(new TextEncoder().encode("figures\n"));
    const { value } = await this.#output.next();
    return JSON.parse(value ?? "null");
  }

  /** Asks until the figures are as wanted; answers the last ones either way. */
  async figuresWhen(isWanted: (figures: Figures) => boolean): Promise<Figures> {
    let figures = await this.figures();
    for (let i = 0; i < 100 && !isWanted(figures); i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      figures = await this.figures();
    }
    return figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    while (!(await this.#output.next()).done);
    await this.#process.status;
  }
}
