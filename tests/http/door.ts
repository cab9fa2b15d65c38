import assert from "node:assert/strict";
import type { BrokerOptions, ListenHttpOptions, WeirBroker } from "../../mod.ts";
import { inTime } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";

/** What a call is made with. */
export interface CallOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: BodyInit;
  readonly signal?: AbortSignal;
}

/** A broker with an HTTP listener on a port of its own, beside the one for MQTT; `await using` ends it with the streams that are open. */
export class HttpDoor implements AsyncDisposable {
  readonly mqtt: TestBroker;
  readonly url: string;
  readonly port: number;
  readonly #gone = new AbortController();

  private constructor(mqtt: TestBroker, port: number) {
    this.mqtt = mqtt;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async open(options: BrokerOptions & { http?: ListenHttpOptions } = {}): Promise<HttpDoor> {
    const mqtt = await TestBroker.start(options);
    const { port } = await mqtt.broker.listenHttp({ port: 0, ...options.http });
    return new HttpDoor(mqtt, port);
  }

  get broker(): WeirBroker {
    return this.mqtt.broker;
  }

  /** The answer, with its body still to be read. */
  fetch(path: string, options: CallOptions = {}): Promise<Response> {
    const { method, json, body = json === undefined ? undefined : JSON.stringify(json), signal } = options;
    const headers = { ...json === undefined ? {} : { "content-type": "application/json" }, ...options.headers };
    const signals = [this.#gone.signal, ...signal === undefined ? [] : [signal]];
    const call = fetch(`${this.url}${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body,
      signal: AbortSignal.any(signals),
    });
    return inTime(call, `an answer to ${path}`, 20_000);
  }

  /** The document that is answered, of this status. */
  // deno-lint-ignore no-explicit-any -- documents of every shape, asserted by the tests
  async call(path: string, options: CallOptions & { status?: number } = {}): Promise<any> {
    const response = await this.fetch(path, options);
    const text = await response.text();
    assert.equal(response.status, options.status ?? 200, text);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Opens an event stream. */
  async subscribe(query: string, options: CallOptions = {}): Promise<EventReader> {
    const response = await this.fetch(`/subscribe?${query}`, options);
    if (response.status !== 200) assert.fail(`${response.status} ${await response.text()}`);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const reader = new EventReader(response);
    await reader.begun();
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gone.abort();
    await this.mqtt[Symbol.asyncDispose]();
  }
}

/** One event, or a comment. */
export interface ServerEvent {
  readonly event?: string;
  readonly id?: string;
  // deno-lint-ignore no-explicit-any -- documents of every shape, asserted by the tests
  readonly data?: any;
  readonly retry?: string;
  readonly comment?: string;
}

/** Reads an event stream as the specification has it. */
export class EventReader {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** What every stream begins with. */
  async begun(): Promise<void> {
    assert.deepEqual(await this.next(), { retry: "1000" });
  }

  /** The next event or comment; undefined at the end. */
  async next(): Promise<ServerEvent | undefined> {
    while (!this.#text.includes("\n\n")) {
      const { value, done } = await inTime(this.#reader.read(), "an event", 20_000);
      if (done) return undefined;
      this.#text += value;
    }
    const end = this.#text.indexOf("\n\n");
    const lines = this.#text.slice(0, end).split("\n").map((line) => {
      const [, name, value] = /^([^:]*): ?(.*)$/s.exec(line)!;
      return [name === "" ? "comment" : name, name === "data" ? JSON.parse(value) : value];
    });
    this.#text = this.#text.slice(end + 2);
    return Object.fromEntries(lines);
  }

  /** The payload of the next message, which is text. */
  async payload(): Promise<string> {
    const event = await this.next();
    assert.ok(event?.data?.payload !== undefined, `a message, not ${JSON.stringify(event)}`);
    return event.data.encoding === "text" ? event.data.payload : atob(event.data.payload);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}
