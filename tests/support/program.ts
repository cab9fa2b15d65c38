/** How long a program may take to end. */
const PATIENCE_MS = 30_000;

/** What every program is told: no colours, and English whatever the machine speaks, or lacks. */
const ENVIRONMENT = { NO_COLOR: "1", LC_ALL: "C" };

/** A program of the tests as a process of its own, read line by line. `await using` kills it when it still runs. */
export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #errors: Promise<string>;
  /** The lines of standard output read so far. */
  readonly said: string[] = [];

  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#child = new Deno.Command(command, { args: [...args], env: { ...env, ...ENVIRONMENT }, ...pipes }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** A module of this repository, with every permission. */
  static module(path: string, ...args: readonly string[]): Program {
    const file = new URL(`../../${path}`, import.meta.url).pathname;
    return new Program(Deno.execPath(), ["run", "--quiet", "--no-check", "-A", file, ...args]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The next line of standard output that matches; fails when the program ends without it. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) {
        throw new Error(`The program ended before it said ${pattern}: ${this.said.join("\n")} ${await this.#errors}`);
      }
      this.said.push(value);
      if (pattern.test(value)) return value;
    }
  }

  signal(name: "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    this.#child.kill(name);
  }

  /** Waits until the program has ended, for a while, and ends it otherwise: the rest of its words is in `said`. */
  async end(): Promise<{ code: number; errors: string }> {
    const patience = setTimeout(() => this.#cut(), PATIENCE_MS);
    for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next()) this.said.push(next.value);
    const { code } = await this.#child.status;
    clearTimeout(patience);
    await this.#child.stdin.close().catch(() => {}); // the reader is gone
    return { code, errors: await this.#errors };
  }

  /** Kills the program, if it still runs, and waits for its end; answers what it complained about. */
  async kill(): Promise<string> {
    this.#cut();
    return (await this.end()).errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #cut(): void {
    try {
      this.signal("SIGKILL");
    } catch {
      // ended before
    }
  }
}

/** What a process says, line by line. */
export async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
  return undefined;
}
