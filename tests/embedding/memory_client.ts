import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { ByteStreams } from "../../mod.ts";

/** The two ends of a connection that never leaves the process. */
export interface MemoryPipe {
  /** To be handed to `broker.accept`. */
  readonly brokerEnd: ByteStreams;
  readonly clientEnd: ByteStreams;
}

/** Two streams, one each way. With `bufferedChunks`, that many chunks to the client may wait in the stream, by reference. */
export function memoryPipe(bufferedChunks = 0): MemoryPipe {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>({}, undefined, { highWaterMark: bufferedChunks });
  return {
    brokerEnd: { readable: up.readable, writable: down.writable },
    clientEnd: { readable: down.readable, writable: up.writable },
  };
}

/** An MQTT client over any pair of Web Streams, with a codec that is not the broker's. */
export class MemoryClient {
  readonly #version: 4 | 5;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #parser;
  readonly #packets: Packet[] = [];

  constructor(streams: ByteStreams, version: 4 | 5 = 5) {
    this.#version = version;
    this.#reader = streams.readable.getReader();
    this.#writer = streams.writable.getWriter();
    this.#reader.closed.catch(() => {});
    this.#writer.closed.catch(() => {});
    this.#parser = mqttPacket.parser({ protocolVersion: version });
    this.#parser.on("packet", (packet: Packet) => this.#packets.push(packet));
  }

  async connect(clientId = "memory"): Promise<void> {
    const protocolVersion = this.#version;
    await this.send({ cmd: "connect", protocolId: "MQTT", protocolVersion, clientId, clean: true, keepalive: 0 });
    await this.expect("connack");
  }

  async subscribe(filter: string, qos: 0 | 1 | 2 = 0): Promise<void> {
    const options = this.#version === 5 ? { nl: false, rap: false, rh: 0 as const } : {};
    await this.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: filter, qos, ...options }] } as Packet);
    await this.expect("suback");
  }

  send(packet: Packet): Promise<void> {
    return this.sendBytes(mqttPacket.generate(packet, { protocolVersion: this.#version }));
  }

  sendBytes(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  /** The next packet; undefined when the broker has ended its side. */
  async next(): Promise<Packet | undefined> {
    while (this.#packets.length === 0) {
      const { value, done } = await this.#reader.read();
      if (done) return undefined;
      this.#parser.parse(Buffer.from(value));
    }
    return this.#packets.shift();
  }

  /** The next packet, which must be of this kind. */
  async expect<C extends Packet["cmd"]>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    const packet = await this.next();
    assert.equal(packet?.cmd, cmd, `expected ${cmd}, got ${JSON.stringify(packet)}`);
    return packet as Extract<Packet, { cmd: C }>;
  }

  /** Ends the client's sending side, as closing a socket does. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  /** Breaks the connection both ways. */
  async break(): Promise<void> {
    await Promise.allSettled([this.#writer.abort(new Error("broken")), this.#reader.cancel(new Error("broken"))]);
  }
}
