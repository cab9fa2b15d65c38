import { plainAddress } from "../address/ip_address.ts";
import type { ByteChannel, ByteSink } from "./byte_channel.ts";
import type { TransportConnection, TransportListener } from "./transport.ts";
import { ReadBuffers } from "./read_buffers.ts";
import type { ReadRounds } from "./read_rounds.ts";

/** What a connection reads its CONNECT into, and most packets of a client that has little to say; and what one that says nothing but
 * PINGREQ and PUBACK waits with. */
const SLOTS = new ReadBuffers(256);
const SMALL_SLOTS = new ReadBuffers(64);
const NONE = new Uint8Array(0);
const READ_BYTES_MAX = 32 * 1024;
/** In the place of a count. */
const ENDED = -1;
/** Small reads in a row after which the buffer is halved. */
const SMALL_READS = 16;

/** Where and how to listen for TCP connections. */
export interface TcpListenOptions {
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Sends small packets at once (no Nagle). */
  readonly noDelay: boolean;
  /** Told of connections that could not be accepted; the listener goes on. */
  readonly onAcceptError?: (error: unknown) => void;
  /** Says when a connection reads on; one for all listeners of a process. */
  readonly rounds: ReadRounds;
}

/** Opens a TCP listener.
 * @throws {Deno.errors.AddrInUse | Deno.errors.PermissionDenied | Deno.errors.NotCapable} as the system says */
export function listenTcp(options: TcpListenOptions): TransportListener {
  const listener = Deno.listen({ transport: "tcp", hostname: options.hostname, port: options.port });
  const { hostname, port } = listener.addr as Deno.NetAddr;
  return {
    hostname,
    port,
    connections: accepted(listener, options),
    close: () => close(listener),
  };
}

async function* accepted(listener: Deno.TcpListener, options: TcpListenOptions): AsyncGenerator<TransportConnection> {
  for (;;) {
    let connection: Deno.TcpConn;
    try {
      connection = await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return; // closed
      if (hasHungUp(error)) continue;
      // The process is out of file descriptors: the door stays open.
      options.onAcceptError?.(error);
      await new Promise((resolve) => setTimeout(resolve, 10));
      continue;
    }
    if (options.noDelay) sendAtOnce(connection);
    yield overTcp(connection, options.rounds);
  }
}

/** Whether a peer has reset its connection before it was accepted, as health checks of proxies do: nobody is there, and nothing is wrong. */
function hasHungUp(error: unknown): boolean {
  const { NotConnected, ConnectionAborted, ConnectionReset } = Deno.errors;
  return error instanceof NotConnected || error instanceof ConnectionAborted || error instanceof ConnectionReset;
}

/** A peer may have reset the connection by now, which some systems tell here (macOS: EINVAL), and all at the first read. */
function sendAtOnce(connection: Deno.TcpConn): void {
  try {
    connection.setNoDelay(true);
  } catch {
    // whoever reads finds the end
  }
}

/** A TCP connection, read and written without streams in between. */
function overTcp(connection: Deno.TcpConn, rounds: ReadRounds): TransportConnection {
  const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
  const remoteAddress = plainAddress(hostname);
  return { remoteAddress, remotePort: port, channel: new TcpChannel(connection, rounds) };
}

class TcpChannel implements ByteChannel {
  readonly #connection: Deno.TcpConn;
  readonly #rounds: ReadRounds;
  #sink!: ByteSink;
  #buffer = SLOTS.take();
  /** Of the last read. */
  #count = 0;
  /** So many in a row; as if there were enough before the first, so that who has only connected waits with a small slot. */
  #smallReads = SMALL_READS;
  #isClosed = false;
  /** One function for both ends of a read, the count, null at the end of the stream, or whatever broke it; bound, since an arrow function
   * takes twice the memory. */
  readonly #onRead: (count: unknown) => void = this.#onReadSettled.bind(this);

  constructor(connection: Deno.TcpConn, rounds: ReadRounds) {
    this.#connection = connection;
    this.#rounds = rounds;
  }

  start(sink: ByteSink): void {
    this.#sink = sink;
    this.#connection.read(this.#buffer).then(this.#onRead, this.#onRead);
  }

  /** What waits for a write is made for that write: as fields it would take 170 bytes of each idle connection. */
  write(bytes: Uint8Array): void {
    this.#connection.write(bytes).then((count) => this.#onWritten(bytes, count), () => this.#sink.onEnd());
  }

  /** The last chunk has been dealt with by now: its bytes may go. */
  read(): void {
    if (this.#isClosed || this.#count === ENDED) return this.#onReadEnd();
    this.#fit();
    this.#connection.read(this.#buffer).then(this.#onRead, this.#onRead);
  }

  #onReadSettled(count: unknown): void {
    if (typeof count !== "number") {
      this.#count = ENDED;
      return this.#rounds.last(this);
    }
    this.#count = count;
    const pending = this.#sink.onChunk(this.#buffer.subarray(0, count));
    if (pending === undefined) this.#rounds.again(this, count);
    else pending.then(() => this.#rounds.again(this, count));
  }

  #onReadEnd(): void {
    this.#swap(NONE);
    this.#sink.onEnd();
  }

  #onWritten(bytes: Uint8Array, count: number): void {
    if (count < bytes.length) return this.write(bytes.subarray(count));
    this.#sink.onWritten();
  }

  shutdown(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(): void {
    this.#isClosed = true;
    close(this.#connection);
  }

  /** Grows and shrinks the buffer with the traffic. */
  #fit(): void {
    const count = this.#count;
    const size = this.#buffer.length;
    if (count === size && count < READ_BYTES_MAX) {
      this.#swap(bufferOf(count * 4));
    } else if (this.#smallReads === SMALL_READS) {
      this.#swap(SMALL_SLOTS.take());
    } else if (count * 4 >= size || size === SMALL_SLOTS.slotBytes) {
      this.#smallReads = 0;
    } else if (++this.#smallReads === SMALL_READS) {
      this.#swap(bufferOf(size === SLOTS.slotBytes ? SMALL_SLOTS.slotBytes : size / 2));
    }
  }

  #swap(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#buffer.length === SLOTS.slotBytes) SLOTS.give(this.#buffer);
    else if (this.#buffer.length === SMALL_SLOTS.slotBytes) SMALL_SLOTS.give(this.#buffer);
    this.#buffer = buffer;
    this.#smallReads = 0;
  }
}

/** A slot where it is one's size. */
function bufferOf(size: number): Uint8Array<ArrayBuffer> {
  if (size === SLOTS.slotBytes) return SLOTS.take();
  return size === SMALL_SLOTS.slotBytes ? SMALL_SLOTS.take() : new Uint8Array(size);
}

function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before: that is what was wanted
  }
}
