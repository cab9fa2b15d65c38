/** A host without a process: keeps what is printed, has the files and variables that it is given. */
import { Interruption } from "../../src/cli/failure.ts";
import type { Host, SignalName } from "../../src/cli/host.ts";
import type { Serve } from "../../src/cli/serve.ts";
import type { RunningServer } from "../../src/server/serve.ts";
import type { Config } from "../../src/config/config.ts";

export interface FakeHostOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Record<string, string>;
  /** Answers to the questions; after them there is no more input, and a person types Ctrl-C. */
  readonly secrets?: string[];
  readonly isInteractive?: boolean;
  readonly serve?: Serve;
}

export class FakeHost implements Host {
  readonly printed: string[] = [];
  readonly complaints: string[] = [];
  /** What happened in which order: signals listened to, listeners opened, exits. */
  readonly events: string[] = [];
  readonly isInteractive: boolean;
  readonly #options: FakeHostOptions;
  readonly #listeners = new Map<SignalName, () => void>();

  constructor(options: FakeHostOptions = {}) {
    this.#options = options;
    this.isInteractive = options.isInteractive ?? false;
  }

  print(line: string): void {
    this.printed.push(...line.split("\n"));
  }

  complain(line: string): void {
    this.complaints.push(...line.split("\n"));
  }

  environment(): Record<string, string> {
    return this.#options.env ?? {};
  }

  readFile(path: string): Uint8Array {
    const text = this.#options.files?.[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return new TextEncoder().encode(text);
  }

  readSecret(question: string): string | undefined {
    if (this.isInteractive) this.events.push(`ask ${question}`);
    const secret = this.#options.secrets?.shift();
    if (secret === undefined && this.isInteractive) throw new Interruption();
    return secret;
  }

  onSignal(name: SignalName, listener: () => void): void {
    this.events.push(`listen to ${name}`);
    this.#listeners.set(name, listener);
  }

  signal(name: SignalName): void {
    this.#listeners.get(name)!();
  }

  exit(code: number): void {
    this.events.push(`exit ${code}`);
  }

  onServing(): void {
    this.events.push("serving");
  }

  permissions(): string {
    return "use the network";
  }

  loadServe(): Promise<Serve> {
    return Promise.resolve(this.#options.serve!);
  }
}

/** A server that does nothing but remember; `fail` ends it as a lost disk would. */
export class FakeServer implements RunningServer {
  readonly dataDescription = "in memory only, lost at stop";
  readonly listeners: RunningServer["listeners"];
  reloads = 0;
  /** What the last reload was handed. */
  reloaded: Config | undefined;
  readonly #finished = Promise.withResolvers<void>();

  constructor(config: Config) {
    this.listeners = config.listeners.map(({ name, hostname, port }) => ({ name, hostname, port: port || 40_000 }));
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  stop(): Promise<void> {
    this.#finished.resolve();
    return this.#finished.promise;
  }

  reload(after?: Config): Promise<void> {
    this.reloads++;
    this.reloaded = after;
    return Promise.resolve();
  }

  fail(error: Error): void {
    this.#finished.reject(error);
  }
}
