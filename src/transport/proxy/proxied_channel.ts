import type { ByteChannel, ByteSink } from "../byte_channel.ts";
import { HEADER_BYTES_MAX, type ProxySource, readProxyHeader } from "./proxy_header.ts";

/** A channel whose first bytes are a PROXY header. `open` reads that; then it is the channel of the client. */
export class ProxiedChannel implements ByteChannel, ByteSink {
  readonly #inner: ByteChannel;
  readonly #header = Promise.withResolvers<ProxySource | undefined>();
  #head = new Uint8Array(0);
  #sink: ByteSink | undefined;
  /** What came behind the header, until somebody reads. */
  #rest: Uint8Array | undefined;
  #onStarted: (() => void) | undefined;
  #hasEnded = false;
  #isClosed = false;

  constructor(inner: ByteChannel) {
    this.#inner = inner;
  }

  /** Reads the header, and nothing behind it. Undefined when the connection's own addresses count.
   * @throws {RangeError} when there is no such header, or the connection ended before it had come */
  open(): Promise<ProxySource | undefined> {
    this.#inner.start(this);
    return this.#header.promise;
  }

  start(sink: ByteSink): void {
    this.#sink = sink;
    if (this.#hasEnded) return sink.onEnd();
    const rest = this.#rest!;
    this.#rest = undefined;
    const pending = rest.length > 0 ? sink.onChunk(rest) : undefined;
    if (pending === undefined) this.#onStarted!();
    else pending.then(this.#onStarted!);
  }

  onChunk(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#sink !== undefined) return this.#sink.onChunk(chunk);
    if (this.#isClosed) return undefined;
    const before = this.#head.length;
    const head = new Uint8Array(before + Math.min(chunk.length, HEADER_BYTES_MAX - before));
    head.set(this.#head);
    head.set(chunk.subarray(0, head.length - before), before);
    this.#head = head;
    try {
      const header = readProxyHeader(head);
      if (header === undefined) return undefined;
      this.#head = new Uint8Array(0);
      this.#rest = chunk.subarray(header.bytes - before);
      const started = new Promise<void>((resolve) => this.#onStarted = resolve); // nothing is read until then
      this.#header.resolve(header.source);
      return started;
    } catch (error) {
      this.#header.reject(error);
      this.close();
      return undefined;
    }
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#header.reject(new RangeError("it ended before its PROXY header had come"));
    this.#sink?.onEnd();
  }

  onWritten(): void {
    this.#sink!.onWritten();
  }

  write(bytes: Uint8Array): void {
    this.#inner.write(bytes);
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }

  close(): void {
    this.#isClosed = true;
    this.#onStarted?.(); // whoever holds the chunk lets it go
    this.#inner.close();
  }
}
