import type { ByteStreams, TransportConnection } from "./transport.ts";

/** The two ends of a connection as the shell works with them: one read and one write under way at a time. */
export interface ByteChannel {
  /** The next chunk, valid until the next call; undefined at the end. Rejects when the connection breaks. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when the buffer may be filled again. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the sending side; what was written still arrives. */
  shutdown(): Promise<void>;
  /** Ends the connection both ways; never throws, twice does no harm. */
  close(): void;
}

/** A channel over any pair of Web Streams; a transport's own has a `close` besides. */
export function channelOf(streams: ByteStreams & Partial<Pick<TransportConnection, "close">>): ByteChannel {
  // A transport's own write has passed the bytes to the system when it resolves; any other stream may still hold them, and the
  // caller is going to fill the buffer again.
  const mayKeepBytes = streams.close === undefined;
  const reader = streams.readable.getReader();
  const writer = streams.writable.getWriter();
  writer.closed.catch(ignore); // a broken connection shows itself at the write
  reader.closed.catch(ignore); // and at the read
  return {
    async read() {
      const { value } = await reader.read();
      return value;
    },
    write: (bytes) => writer.write(mayKeepBytes ? bytes.slice() : bytes),
    shutdown: () => writer.close(),
    close() {
      reader.cancel().catch(ignore);
      writer.abort().catch(ignore);
      streams.close?.();
    },
  };
}

/** The stream has failed before, and whoever reads or writes has been told. */
function ignore(): void {}
