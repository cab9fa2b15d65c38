import assert from "node:assert/strict";
import { until } from "../embedding/waiting.ts";
import type { OpenDoor, Shown } from "../doors/door.ts";
import { EventReader } from "./door.ts";

/** Somebody who publishes and receives over HTTP, for the matrix of doors. */
export class HttpClient implements OpenDoor {
  readonly #url: string;
  readonly #kind: "stream" | "poll";
  readonly #client: Deno.HttpClient;
  readonly #leaving = new AbortController();

  /** @param kind how it receives
   * @param ca who has signed the broker's certificate */
  constructor(url: string, kind: "stream" | "poll", ca?: string) {
    this.#url = url;
    this.#kind = kind;
    this.#client = Deno.createHttpClient({ caCerts: ca === undefined ? [] : [ca] });
  }

  async publish(message: Shown): Promise<void> {
    const { topic, payload, qos, retain, contentType, responseTopic, correlationData, userProperties } = message;
    await this.#call("/publish", {
      topic,
      payload: new TextEncoder().encode(payload).toBase64(),
      qos,
      retain,
      content_type: contentType,
      response_topic: responseTopic,
      correlation_data: correlationData && Uint8Array.from(correlationData).toBase64(),
      user_properties: userProperties,
    });
  }

  async subscribe(topic: string): Promise<() => Promise<Shown>> {
    return this.#kind === "stream" ? await this.#stream(topic) : await this.#poll(topic);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    this.#client.close();
    return Promise.resolve();
  }

  async #stream(topic: string): Promise<() => Promise<Shown>> {
    const { signal } = this.#leaving;
    const response = await fetch(`${this.#url}/subscribe?filter=${topic}&qos=2&encoding=text`, {
      signal,
      client: this.#client,
    });
    assert.equal(response.status, 200);
    const reader = new EventReader(response);
    await reader.begun();
    return async () => shown((await reader.next())!.data);
  }

  /** A session keeps what comes between two polls; the first one begins it. */
  async #poll(topic: string): Promise<() => Promise<Shown>> {
    const clientId = crypto.randomUUID();
    const { signal } = this.#leaving;
    const poll = async (query: string) => {
      const url = `${this.#url}/poll?filter=${topic}&qos=2&session_expiry_seconds=60&encoding=text&${query}`;
      const response = await fetch(url, { headers: { "x-client-id": clientId }, signal, client: this.#client });
      assert.equal(response.status, 200);
      return (await response.json()).messages;
    };
    const waiting = await poll("wait=0");
    let last = 0;
    return async () => {
      await until(async () => {
        if (waiting.length === 0) waiting.push(...await poll(`wait=1&ack=${last}`));
        return waiting.length > 0;
      }, "a message");
      const message = waiting.shift();
      last = Math.max(last, message.id ?? 0);
      return shown(message);
    };
  }

  async #call(path: string, document: unknown): Promise<void> {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(document);
    const response = await fetch(`${this.#url}${path}`, { method: "POST", headers, body, client: this.#client });
    const text = await response.text();
    assert.equal(response.status, 200, text);
  }
}

// deno-lint-ignore no-explicit-any -- a document as the bridge describes it
function shown(message: any): Shown {
  return {
    topic: message.topic,
    payload: message.payload,
    qos: message.qos,
    retain: message.retain,
    contentType: message.content_type,
    responseTopic: message.response_topic,
    correlationData: message.correlation_data && [...Uint8Array.fromBase64(message.correlation_data)],
    userProperties: message.user_properties,
  };
}
