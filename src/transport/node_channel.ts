import type { Socket } from "node:net";
import type { ByteChannel, ByteSink } from "./byte_channel.ts";

/** A connection of `node:net` or `node:tls` as a byte channel. Chunks are the sink's own. */
export class NodeChannel implements ByteChannel {
  readonly #socket: Socket;
  #sink!: ByteSink;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(sink: ByteSink): void {
    this.#sink = sink;
    const socket = this.#socket;
    socket.on("data", (chunk: Uint8Array) => {
      const pending = sink.onChunk(chunk);
      if (pending === undefined) return;
      socket.pause();
      pending.then(() => socket.resume());
    });
    const onEnd = () => sink.onEnd();
    for (const event of ["end", "error", "close"]) socket.on(event, onEnd);
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes, this.#onWritten);
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) this.#sink.onEnd();
    else this.#sink.onWritten();
  };

  shutdown(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }
}
