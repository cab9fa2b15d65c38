import type { TransportConnection, TransportListener } from "./transport.ts";

const READ_BYTES_MIN = 1024;
const READ_BYTES_MAX = 64 * 1024;
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
      // The client has gone already, or the process is out of file descriptors: the door stays open.
      options.onAcceptError?.(error);
      await new Promise((resolve) => setTimeout(resolve, 10));
      continue;
    }
    if (options.noDelay) connection.setNoDelay(true);
    yield overTcp(connection);
  }
}

/** A TCP connection as Web Streams of our own: `connection.readable` would take 64 KiB for each read. */
export function overTcp(connection: Deno.TcpConn): TransportConnection {
  const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
  return {
    remoteAddress: hostname.replace(/^::ffff:(?=\d+\.)/, ""), // IPv4 through a socket for both
    remotePort: port,
    readable: readableOf(connection),
    writable: writableOf(connection),
    close: () => close(connection),
  };
}

/** Reads when it is asked to, into a buffer that grows with the traffic and shrinks when the traffic does. */
function readableOf(connection: Deno.TcpConn): ReadableStream<Uint8Array> {
  let buffer = new Uint8Array(READ_BYTES_MIN);
  let smallReads = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const count = await connection.read(buffer);
      if (count === null) return controller.close();
      const chunk = buffer.subarray(0, count);
      if (count === buffer.length && count < READ_BYTES_MAX) {
        buffer = new Uint8Array(count * 4); // the chunk keeps the old one until it has been read
        smallReads = 0;
      } else if (count * 4 >= buffer.length || buffer.length === READ_BYTES_MIN) {
        smallReads = 0;
      } else if (++smallReads === SMALL_READS) {
        buffer = new Uint8Array(buffer.length / 2);
        smallReads = 0;
      }
      controller.enqueue(chunk);
    },
    cancel() {
      close(connection);
    },
  }, { highWaterMark: 0 });
}

function writableOf(connection: Deno.TcpConn): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    async write(bytes) {
      let written = await connection.write(bytes);
      while (written < bytes.length) written += await connection.write(bytes.subarray(written));
    },
    async close() {
      await connection.closeWrite();
    },
    abort() {
      close(connection);
    },
  });
}

function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before: that is what was wanted
  }
}
