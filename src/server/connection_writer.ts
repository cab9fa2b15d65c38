import type { Endpoint } from "../protocol/endpoint.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { Clock } from "./clock.ts";
import type { Traffic } from "./traffic.ts";

/** Written at a time, so that a peer that reads slowly is seen to read. */
const WRITE_BYTES_MAX = 256 * 1024;

/** Answers to what a client has sent that wait for it to read. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** Writers that are kept for whoever writes next. */
const KEPT_MAX = 256;

const NONE = new Uint8Array(0);

/** What writers share. */
interface WriterParts {
  readonly clock: Clock;
  readonly traffic: Traffic;
}

/** The writers of a broker's connections. Most connections write nothing: they have none, and 112 bytes of each less. */
export class ConnectionWriters {
  readonly #parts: WriterParts;
  readonly #free: ConnectionWriter[] = [];

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Takes what the outbox holds, and writes it. */
  begin(endpoint: Endpoint, channel: ByteChannel): ConnectionWriter {
    const writer = this.#free.pop() ?? new ConnectionWriter(this.#parts);
    writer.begin(endpoint, channel);
    return writer;
  }

  /** Takes a writer back that has written all. */
  give(writer: ConnectionWriter): void {
    writer.release();
    if (this.#free.length < KEPT_MAX) this.#free.push(writer);
  }
}

/** What is on its way to a client, one write at a time; and what has come behind it, for as long as the client does not take it. */
export class ConnectionWriter {
  readonly #parts: WriterParts;
  /** Null while it writes for nobody. */
  #channel: ByteChannel | null = null;
  #endpoint: Endpoint | null = null;
  #bytes: Uint8Array = NONE;
  /** Of these, what was handed to the channel. */
  #handed = 0;
  #since = 0;
  /** What the backlog has of it. */
  #counted = 0;
  /** While the client is not read because it does not read. */
  #taken: PromiseWithResolvers<void> | null = null;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Since when the peer has taken nothing of it. */
  get since(): number {
    return this.#since;
  }

  /** Takes what the outbox holds, and writes it. */
  begin(endpoint: Endpoint, channel: ByteChannel): void {
    const bytes = endpoint.outbox.take();
    this.#channel = channel;
    this.#endpoint = endpoint;
    this.#bytes = bytes;
    this.#handed = 0;
    endpoint.unwrittenBytes = bytes.length;
    endpoint.answerBytes = 0;
    this.#write();
  }

  /** The channel has written what it was handed. Answers whether that was all; else goes on. */
  onWritten(): boolean {
    if (this.#handed < this.#bytes.length) {
      this.#write();
      return false;
    }
    const endpoint = this.#endpoint!;
    this.#parts.traffic.bytesSent += endpoint.unwrittenBytes;
    endpoint.outbox.recycle(this.#bytes);
    endpoint.returnOutbox();
    endpoint.unwrittenBytes = 0;
    this.end();
    return true;
  }

  /** More waits for a peer that is behind: all of it counts until the peer has taken what is on its way. */
  noteBacklog(): void {
    const endpoint = this.#endpoint!;
    const waiting = endpoint.waitingBytes + endpoint.unwrittenBytes;
    if (this.#parts.traffic.backlog.isTooMuch(waiting, this.#counted)) endpoint.congested = true;
    this.#counted = waiting;
  }

  /** Resolves when the peer takes the answers that wait for it; undefined while they are few. A client that does not take the answers to
   * what it sends is not to be read on: they would gather without end, and messages alone are held back for who reads slowly. */
  untilTaken(): Promise<void> | undefined {
    if (this.#endpoint!.answerBytes <= ANSWER_BYTES_MAX) return undefined;
    this.#taken ??= Promise.withResolvers<void>();
    return this.#taken.promise;
  }

  /** All is written, or nothing more is going to be: nobody waits for it. */
  end(): void {
    if (this.#counted > 0) this.#parts.traffic.backlog.isTooMuch(0, this.#counted);
    this.#counted = 0;
    this.#taken?.resolve();
    this.#taken = null;
  }

  /** Keeps nothing of whom it has written for: neither a session nor a message. */
  release(): void {
    this.#channel = null;
    this.#endpoint = null;
    this.#bytes = NONE;
  }

  #write(): void {
    const bytes = this.#bytes;
    const start = this.#handed;
    this.#handed = Math.min(start + WRITE_BYTES_MAX, bytes.length);
    this.#since = this.#parts.clock.recent;
    this.#channel!.write(start === 0 && this.#handed === bytes.length ? bytes : bytes.subarray(start, this.#handed));
  }
}
