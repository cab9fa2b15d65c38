import { Program } from "./program.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How to run the broker. */
export interface BrokerProgramOptions {
  /** Its data folder. */
  readonly folder: string;
  /** Another main.ts than ours: a copy with a defect, say. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A configuration file. */
  readonly config?: string;
}

/** The broker as people run it: a process of its own with its data in a folder, which a test may kill at any instant. */
export class BrokerProgram implements AsyncDisposable {
  readonly #program: Program;
  readonly #port: Promise<number>;

  /** Starts the process and does not wait for it. */
  constructor({ folder, main = MAIN, env = {}, config }: BrokerProgramOptions) {
    const args = ["run", "-A", "--quiet", main, "--addr", "127.0.0.1:0", "--log-level", "warn"];
    if (config !== undefined) args.push("--config", config);
    this.#program = new Program(Deno.execPath(), args, { ...env, WEIR_STORAGE_PATH: folder });
    this.#port = portOf(this.#program);
    this.#port.catch(() => {}); // told to who asks for it
  }

  /** Starts the process and waits until it listens. */
  static async start(options: BrokerProgramOptions): Promise<BrokerProgram> {
    const broker = new BrokerProgram(options);
    await broker.port();
    return broker;
  }

  /** Where it listens, once it does.
   * @throws {Error} when it has ended before */
  port(): Promise<number> {
    return this.#port;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** SIGKILL: not a word more. Resolves when the process is gone; answers what it had to complain about. */
  async kill(): Promise<string> {
    return await this.#program.kill();
  }

  /** SIGTERM, and waits for the orderly end; answers the exit code. */
  async stop(): Promise<number> {
    this.#program.signal("SIGTERM");
    return (await this.#program.end()).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

async function portOf(program: Program): Promise<number> {
  const address = await program.line(/^ {2}tcp {2}127\.0\.0\.1:\d+$/);
  await program.line(/^Ctrl-C stops it\.$/);
  return Number(address.split(":")[1]);
}
