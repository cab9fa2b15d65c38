/** A bare UDP socket on loopback that may send anything, and answers nothing unless it is told to. */
import { decode } from "../../src/bridge/coap/codec.ts";
import { type CoapMessage, Code, MessageType } from "../../src/bridge/coap/message.ts";

/** Where the broker listens; it counts what passes. */
export class UdpPeer implements AsyncDisposable {
  readonly received: CoapMessage[] = [];
  bytesIn = 0;
  bytesOut = 0;
  /** Whether Empty confirmable messages are answered with a reset. */
  answersPings: boolean;
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #to: Deno.NetAddr;
  readonly #reading: Promise<void>;
  #wake = () => {};

  constructor(port: number, options: { answersPings?: boolean } = {}) {
    this.#to = { transport: "udp", hostname: "127.0.0.1", port };
    this.answersPings = options.answersPings ?? false;
    this.#reading = this.#read();
  }

  async send(bytes: Uint8Array): Promise<void> {
    this.bytesOut += bytes.length;
    await this.#socket.send(bytes, this.#to);
  }

  /** Waits for a message that `wanted` picks, for a while; undefined when there is none. */
  async next(wanted: (message: CoapMessage) => boolean, patienceMs = 5_000): Promise<CoapMessage | undefined> {
    const end = performance.now() + patienceMs;
    for (;;) {
      const found = this.received.find(wanted);
      const left = end - performance.now();
      if (found !== undefined || left <= 0) return found;
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    for (;;) {
      let bytes: Uint8Array;
      try {
        [bytes] = await this.#socket.receive();
      } catch {
        return; // closed
      }
      this.bytesIn += bytes.length;
      const decoded = decode(bytes);
      if (decoded.kind !== "message") throw new Error("The broker has sent what is no message");
      const { message } = decoded;
      if (message.type === MessageType.confirmable && message.code === Code.empty && this.answersPings) {
        await this.send(Uint8Array.of(0x70, 0, message.messageId >> 8, message.messageId));
      }
      this.received.push(message);
      this.#wake();
    }
  }
}
