/** Mosquitto's command-line programs as the tests drive them. */

import assert from "node:assert/strict";
import { findCommand } from "../support/skip.ts";
import type { TestBroker } from "../support/broker.ts";
import { happening, Inbox, within } from "./patience.ts";

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** A running program; its output comes line by line. */
export class Program implements AsyncDisposable {
  readonly lines: Inbox<string>;
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<Ended>;

  constructor(name: string, args: readonly string[], options: { input?: string } = {}) {
    const path = findCommand(name);
    assert.ok(path !== undefined, `${name} is not installed`);
    this.#name = `${name} ${args.join(" ")}`;
    this.lines = new Inbox(`a line of ${this.#name}`);
    this.#child = new Deno.Command(path, {
      args: [...args],
      stdin: options.input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#ended = this.#run(options.input);
  }

  /** The end, soon. */
  ended(): Promise<Ended> {
    return within(this.#ended, `the end of ${this.#name}`);
  }

  /** Rejects when it ends before it should. */
  async failed(): Promise<never> {
    const { code, errors } = await this.#ended;
    throw new Error(`Cannot go on: ${this.#name} ended with ${code}: ${errors}`);
  }

  /** Ends it without a word. SIGTERM would make mosquitto_sub say DISCONNECT, and hang when it comes at a bad moment. */
  kill(): Promise<Ended> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // a TypeError says that it has ended before
    }
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #run(input: string | undefined): Promise<Ended> {
    const [out, errors, { code }] = await Promise.all([
      this.#readLines(),
      new Response(this.#child.stderr).text(),
      this.#child.status,
      input === undefined ? undefined : this.#write(input),
    ]);
    return { code, out, errors };
  }

  async #write(input: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }

  async #readLines(): Promise<string> {
    let out = "";
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      out += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.lines.push(line);
    }
    return out;
  }
}

export type MosquittoVersion = "mqttv31" | "mqttv311" | "mqttv5";

/** The three client programs, speaking one version to one broker. */
export class Mosquitto implements AsyncDisposable {
  readonly #broker: TestBroker;
  readonly #common: readonly string[];
  readonly #subscribers: Program[] = [];
  #count = 0;

  constructor(broker: TestBroker, version: MosquittoVersion) {
    this.#broker = broker;
    this.#common = ["-V", version, "-h", "127.0.0.1", "-p", `${broker.port}`];
  }

  /** Runs mosquitto_pub to its end. */
  async publish(args: readonly string[], options: { input?: string } = {}): Promise<Ended> {
    return await this.#runToEnd("mosquitto_pub", args, options);
  }

  /** As {@link publish}, for what must succeed without a complaint. */
  async mustPublish(args: readonly string[], options: { input?: string } = {}): Promise<void> {
    assert.deepEqual(await this.publish(args, options), { code: 0, out: "", errors: "" });
  }

  /** Runs mosquitto_sub to its end. */
  async collect(args: readonly string[]): Promise<Ended> {
    return await this.#runToEnd("mosquitto_sub", args);
  }

  /** Runs mosquitto_rr to its end. */
  async request(args: readonly string[]): Promise<Ended> {
    return await this.#runToEnd("mosquitto_rr", args);
  }

  /** Starts mosquitto_sub and waits until the broker has its subscription. It has an id of its own unless `args` name one. */
  async subscribe(args: readonly string[]): Promise<Program> {
    const named = args.indexOf("-i");
    const clientId = named >= 0 ? args[named + 1] : `mosquitto-sub-${++this.#count}`;
    const subscribed = happening(this.#broker.broker, (it) => it.kind === "subscribed" && it.clientId === clientId);
    const program = new Program("mosquitto_sub", [...this.#common, "-i", clientId, ...args]);
    this.#subscribers.push(program);
    await Promise.race([subscribed, program.failed()]);
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#subscribers) await program[Symbol.asyncDispose]();
  }

  async #runToEnd(name: string, args: readonly string[], options: { input?: string } = {}): Promise<Ended> {
    await using program = new Program(name, [...this.#common, ...args], options);
    return await program.ended();
  }
}
