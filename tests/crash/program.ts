import { Buffer } from "node:buffer";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How to run the program. */
export interface ProgramOptions {
  /** Its data folder. */
  readonly folder: string;
  /** Another main.ts than ours: a copy with a defect, say. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A configuration file. */
  readonly config?: string;
}

/** The broker as people run it: a process of its own with its data in a folder, which a test may kill at any instant. */
export class Program implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #complaints: Promise<string>;
  /** The port, when it listens; undefined when it ended before. */
  readonly listening: Promise<number | undefined>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#complaints = textOf(process.stderr);
    this.listening = portOf(process.stdout);
  }

  /** Starts the process and answers at once. */
  static spawn({ folder, main = MAIN, env = {}, config }: ProgramOptions): Program {
    const args = ["run", "-A", "--quiet", main, "--addr", "127.0.0.1:0", "--log-level", "warn"];
    if (config !== undefined) args.push("--config", config);
    const command = new Deno.Command(Deno.execPath(), {
      args,
      env: { ...env, WEIR_STORAGE_PATH: folder, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    return new Program(command.spawn());
  }

  /** Starts the process and waits until it listens. */
  static async start(options: ProgramOptions): Promise<Program> {
    const program = Program.spawn(options);
    if (await program.listening === undefined) {
      throw new Error(`The program ended before it listened: ${await program.#complaints}`);
    }
    return program;
  }

  get pid(): number {
    return this.#process.pid;
  }

  async port(): Promise<number> {
    const port = await this.listening;
    if (port === undefined) throw new Error(`The program does not listen: ${await this.#complaints}`);
    return port;
  }

  /** SIGKILL: not a word more. Resolves when the process is gone; answers what it had to complain about. */
  async kill(): Promise<string> {
    this.#signal("SIGKILL");
    await this.#process.status;
    return await this.#complaints;
  }

  /** SIGTERM, and waits for the orderly end; answers the exit code. */
  async stop(): Promise<number> {
    this.#signal("SIGTERM");
    const { code } = await this.#process.status;
    await this.#complaints;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // it has ended already
    }
  }
}

/** A folder for data that goes with the test. */
export class DataFolder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "weir-data-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function portOf(output: ReadableStream<Uint8Array>): Promise<number | undefined> {
  let text = "";
  const found = Promise.withResolvers<number | undefined>();
  void (async () => {
    for await (const chunk of output) { // to the end, or the program could not print any more
      if (text.length > 10_000) continue;
      text += Buffer.from(chunk).toString();
      const port = /^ {2}tcp {2}127\.0\.0\.1:(\d+)$/m.exec(text)?.[1];
      if (port !== undefined && text.includes("Ctrl-C stops it.")) found.resolve(Number(port));
    }
    found.resolve(undefined);
  })();
  return await found.promise;
}

async function textOf(output: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of output) if (text.length < 10_000) text += Buffer.from(chunk).toString();
  return text;
}
