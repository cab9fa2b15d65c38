import type { ByteStreams } from "./transport.ts";

/** Who is told what happens on a channel. */
export interface ByteSink {
  /** A chunk, valid until the next one. The next is read when the answer has resolved, or at once when there is none. Neither throws
   * nor rejects. */
  onChunk(chunk: Uint8Array): Promise<void> | undefined;
  /** Nothing more will come: the peer has ended its side, or the connection broke, which a write may be the first to see. May come
   * more than once. */
  onEnd(): void;
  /** The buffer handed to `write` may be filled again. */
  onWritten(): void;
}

/** The two ends of a connection as the shell works with them: one read and one write under way at a time. */
export interface ByteChannel {
  /** Begins to read. To be called once, before anything is written. */
  start(sink: ByteSink): void;
  /** Writes; the sink is told when that is done, never from within. */
  write(bytes: Uint8Array): void;
  /** Ends the sending side; what was written still arrives. */
  shutdown(): Promise<void>;
  /** Ends the connection both ways; never throws, twice does no harm. */
  close(): void;
}

/** Read from one stream until the event loop looks around: one that always has more goes on in microtasks, and everybody else would
 * wait for it. */
const TURN_BYTES_MAX = 2 * 1024 * 1024;

/** A channel over any pair of Web Streams. */
export function channelOf(streams: ByteStreams): ByteChannel {
  const reader = streams.readable.getReader();
  const writer = streams.writable.getWriter();
  writer.closed.catch(ignore); // a broken connection shows itself at the write
  reader.closed.catch(ignore); // and at the read
  let sink: ByteSink;
  return {
    start(to) {
      sink = to;
      pump(reader, sink);
    },
    write(bytes) { // the stream may still hold them when the caller fills the buffer again
      writer.write(bytes.slice()).then(() => sink.onWritten(), () => sink.onEnd());
    },
    shutdown: () => writer.close(),
    close() {
      reader.cancel().catch(ignore);
      writer.abort().catch(ignore);
    },
  };
}

async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, sink: ByteSink): Promise<void> {
  let bytes = 0;
  for (;;) {
    const { value } = await reader.read().catch(broken);
    if (value === undefined) break;
    await sink.onChunk(value);
    if ((bytes += value.length) < TURN_BYTES_MAX) continue;
    bytes = 0;
    await new Promise((resolve) => setTimeout(resolve, 0)); // `setImmediate` comes before sockets are looked at
  }
  sink.onEnd();
}

/** For the sink a connection that broke is one that ended. */
function broken(): { value: undefined } {
  return { value: undefined };
}

/** The stream has failed before, and whoever reads or writes has been told. */
function ignore(): void {}
