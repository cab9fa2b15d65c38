import type { Endpoint } from "../protocol/endpoint.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { Reader } from "../transport/read_rounds.ts";
import type { ConnectionParts } from "./connection_parts.ts";

/** Written at a time, so that a peer that reads slowly is seen to read. */
const WRITE_BYTES_MAX = 256 * 1024;

/** Answers to what a client has sent that wait for it to read. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** The connection that is written for, as its writer sees it. */
export interface WrittenConnection {
  /** The last word is written. May come more than once. */
  onSaid(): void;
}

/** What a {@link ConnectionWriter} is given to work with. */
export interface ConnectionWriterOptions {
  readonly parts: ConnectionParts;
  readonly channel: ByteChannel;
  readonly endpoint: Endpoint;
  readonly connection: WrittenConnection;
}

/** What leaves a connection: what its outbox holds, one write at a time, and what the client does not take. What comes while it writes
 * goes out together after it. */
export class ConnectionWriter implements Reader {
  readonly #parts: ConnectionParts;
  readonly #channel: ByteChannel;
  readonly #endpoint: Endpoint;
  readonly #connection: WrittenConnection;
  /** What is being written, and how much of it is on its way or gone. */
  #written: Uint8Array | null = null;
  #writtenBytes = 0;
  #writingSince = 0;
  /** What the backlog has of it. */
  #counted = 0;
  /** While the client is not read because it does not read. */
  #taken: PromiseWithResolvers<void> | null = null;
  #isOver = false;

  constructor({ parts, channel, endpoint, connection }: ConnectionWriterOptions) {
    this.#parts = parts;
    this.#channel = channel;
    this.#endpoint = endpoint;
    this.#connection = connection;
  }

  /** Since when the peer has taken nothing of what is being written; Infinity while nothing is. */
  get writingSince(): number {
    return this.#written === null ? Infinity : this.#writingSince;
  }

  /** Resolves when the peer takes the answers that wait for it; undefined while they are few. A client that does not take the answers to
   * what it sends is not to be read on: they would gather without end, and messages alone are held back for who reads slowly. */
  untilTaken(): Promise<void> | undefined {
    if (this.#endpoint.answerBytes <= ANSWER_BYTES_MAX || this.#isOver) return undefined;
    this.#taken ??= Promise.withResolvers<void>();
    return this.#taken.promise;
  }

  /** Writes what the outbox holds, now or behind what is being written. */
  transmit(): void {
    const endpoint = this.#endpoint;
    const { outbox } = endpoint;
    if (this.#isOver) return;
    if (this.#written !== null) return this.#noteBacklog();
    if (outbox.size === 0) {
      if (endpoint.isClosing) this.#connection.onSaid();
      return;
    }
    this.#written = outbox.take();
    this.#writtenBytes = 0;
    endpoint.unwrittenBytes = this.#written.length;
    endpoint.answerBytes = 0;
    this.#tellTaken();
    this.#writeOn();
  }

  /** The channel has written what it was handed. */
  onWritten(): void {
    const endpoint = this.#endpoint;
    const { traffic, rounds } = this.#parts;
    if (this.#writtenBytes < this.#written!.length) return this.#writeOn();
    const bytes = endpoint.unwrittenBytes;
    traffic.bytesSent += bytes;
    endpoint.outbox.recycle(this.#written!);
    this.#written = null;
    endpoint.unwrittenBytes = 0;
    this.#forgetBacklog();
    if (endpoint.outbox.size > 0 || endpoint.isClosing) this.transmit();
    if (endpoint.outbox.size > endpoint.settings.outboxBytesMax / 2) return;
    endpoint.congested = false;
    // By turns, as reading: a socket that takes all at once would have its whole queue before others were looked at.
    if (endpoint.session?.canSend) rounds.again(this, bytes);
  }

  /** Its turn has come to send on what waits in the session. */
  read(): void {
    const endpoint = this.#endpoint;
    const { session } = endpoint;
    if (session === null || session.peer !== endpoint || !session.canSend) return;
    const { turn, loop, clock } = this.#parts;
    turn.now = clock.timeOfDay();
    session.pump(turn);
    loop.settle();
  }

  /** The connection has ended: nothing is written any more, and nobody waits for it. */
  end(): void {
    this.#isOver = true;
    this.#tellTaken();
    this.#forgetBacklog();
  }

  #writeOn(): void {
    const bytes = this.#written!;
    const start = this.#writtenBytes;
    this.#writtenBytes = Math.min(start + WRITE_BYTES_MAX, bytes.length);
    this.#writingSince = this.#parts.clock.recent;
    const part = start === 0 && this.#writtenBytes === bytes.length ? bytes : bytes.subarray(start, this.#writtenBytes);
    this.#channel.write(part);
  }

  /** The peer is behind: what waits for it counts until it has taken what is being written. */
  #noteBacklog(): void {
    const endpoint = this.#endpoint;
    const waiting = endpoint.outbox.size + endpoint.unwrittenBytes;
    if (this.#parts.traffic.backlog.isTooMuch(waiting, this.#counted)) endpoint.congested = true;
    this.#counted = waiting;
  }

  #forgetBacklog(): void {
    if (this.#counted > 0) this.#parts.traffic.backlog.isTooMuch(0, this.#counted);
    this.#counted = 0;
  }

  #tellTaken(): void {
    this.#taken?.resolve();
    this.#taken = null;
  }
}
