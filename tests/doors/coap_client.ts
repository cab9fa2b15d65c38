import assert from "node:assert/strict";
import { encode } from "../../src/bridge/coap/codec.ts";
import {
  type CoapMessage,
  type CoapOption,
  Code,
  MessageType,
  OptionNumber,
  uintOf,
  uintOption,
} from "../../src/bridge/coap/message.ts";
import { optionsOf } from "../coap/options.ts";
import { UdpPeer } from "../coap/udp_peer.ts";
import type { OpenDoor, Shown } from "./door.ts";

/** The number of `application/json` among the Content-Formats. */
const JSON_FORMAT = 50;

/** Somebody who publishes and observes over CoAP, for the matrix of doors. */
export class CoapClient implements OpenDoor {
  readonly #peer: UdpPeer;
  readonly #seen = new Set<CoapMessage>();
  #lastId = 0;

  constructor(port: number) {
    this.#peer = new UdpPeer(port, { answersPings: true }); // it is asked whether its address is its own
  }

  async publish({ topic, payload, qos = 0, retain = false, contentType }: Shown): Promise<void> {
    const format = contentType === "application/json" ? [uintOption(OptionNumber.contentFormat, JSON_FORMAT)] : [];
    const path = `/ps/${topic}?qos=${qos}&retain=${retain}`;
    const answer = await this.#ask({
      code: Code.post,
      path,
      options: format,
      payload: new TextEncoder().encode(payload),
    });
    assert.equal(answer.code >> 5, 2, `the answer is ${answer.code >> 5}.${answer.code & 31}`);
  }

  async subscribe(topic: string): Promise<() => Promise<Shown>> {
    const first = await this.#ask({
      code: Code.get,
      path: `/ps/${topic}?qos=1`,
      options: [uintOption(OptionNumber.observe, 0)],
    });
    assert.equal(first.code, Code.content);
    if (first.payload.length > 0) this.#seen.delete(first); // a retained message, which is the first one to be shown
    const token = first.token.toHex();
    return async () => {
      const message = await this.#next((message) => message.token.toHex() === token && message.payload.length > 0);
      return { topic, payload: new TextDecoder().decode(message.payload), contentType: contentTypeOf(message) };
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#peer[Symbol.asyncDispose]();
  }

  async #ask(wish: { code: number; path: string; options: CoapOption[]; payload?: Uint8Array }): Promise<CoapMessage> {
    const messageId = ++this.#lastId;
    const token = Uint8Array.of(messageId >> 8, messageId);
    const { code, path, options, payload = new Uint8Array(0) } = wish;
    const request = {
      type: MessageType.confirmable,
      code,
      messageId,
      token,
      options: [...optionsOf(path), ...options],
      payload,
    };
    await this.#peer.send(encode(request));
    return await this.#next((message) => message.token.toHex() === token.toHex() && message.code !== Code.empty);
  }

  /** The next message that `wanted` picks and nobody has seen, acknowledged where that is wanted. */
  async #next(wanted: (message: CoapMessage) => boolean): Promise<CoapMessage> {
    const message = await this.#peer.next((message) => !this.#seen.has(message) && wanted(message));
    assert.ok(message !== undefined, "nothing has come");
    this.#seen.add(message);
    const { type, messageId } = message;
    if (type === MessageType.confirmable) await this.#peer.send(Uint8Array.of(0x60, 0, messageId >> 8, messageId));
    return message;
  }
}

function contentTypeOf({ options }: CoapMessage): string | undefined {
  const format = options.find(({ number }) => number === OptionNumber.contentFormat);
  return format !== undefined && uintOf(format.value) === JSON_FORMAT ? "application/json" : undefined;
}
