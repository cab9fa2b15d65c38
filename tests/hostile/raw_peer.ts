/** How long a peer waits for what should come at once. */
const PATIENCE_MS = 5_000;

/** A peer that knows no manners: a bare socket that sends any bytes, reads when it is told to, and cuts what it gets into packets
 * with a few lines of its own. Light enough for hundreds of thousands of packets. */
export class RawPeer implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #waiting: Uint8Array[] = [];
  #next = 0;
  #rest: Uint8Array = new Uint8Array(0);
  readonly #buffer = new Uint8Array(256 * 1024);
  #hasEnded = false;

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<RawPeer> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new RawPeer(connection);
  }

  /** A peer that has been accepted with these CONNECT bytes. */
  static async connect(port: number, connect: Uint8Array): Promise<RawPeer> {
    const peer = await RawPeer.open(port);
    await peer.send(connect);
    const connack = await peer.packet();
    if (connack?.[0] !== 0x20 || connack[3] !== 0) throw new Error(`Not accepted: ${connack?.toHex() ?? "closed"}`);
    return peer;
  }

  /** Sends all of it. A peer that is cut off meanwhile may not get that far: that is no error here. */
  async send(bytes: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
    } catch {
      // closed by the broker while we were talking; what it said is still read
    }
  }

  /** The next packet whole, fixed header included; undefined at the end. Fails when neither comes in time. */
  async packet(): Promise<Uint8Array | undefined> {
    while (this.#next === this.#waiting.length && !this.#hasEnded) await this.#read();
    if (this.#next === this.#waiting.length) return undefined;
    const packet = this.#waiting[this.#next++];
    if (this.#next === this.#waiting.length) this.#waiting.length = this.#next = 0;
    return packet;
  }

  /** All packets that lie ready, at least one; empty at the end. */
  async packets(): Promise<Uint8Array[]> {
    const first = await this.packet();
    if (first === undefined) return [];
    const rest = this.#waiting.slice(this.#next);
    this.#waiting.length = this.#next = 0;
    return [first, ...rest];
  }

  /** Everything until the broker closes. */
  async untilClosed(): Promise<Uint8Array[]> {
    const all: Uint8Array[] = [];
    for (let packet = await this.packet(); packet !== undefined; packet = await this.packet()) all.push(packet);
    return all;
  }

  /** Ends our side; the broker may still talk. */
  async closeWrite(): Promise<void> {
    await this.#connection.closeWrite();
  }

  /** Drops the connection without a word. */
  close(): void {
    try {
      this.#connection.close();
    } catch {
      // closed before
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #read(): Promise<void> {
    const late = setTimeout(() => this.close(), PATIENCE_MS);
    const startedAt = performance.now();
    let count: number | null = null;
    try {
      count = await this.#connection.read(this.#buffer);
    } catch (error) {
      if (performance.now() - startedAt >= PATIENCE_MS) {
        throw new Error(`Neither a packet nor the end came within ${PATIENCE_MS} ms`, { cause: error });
      }
    }
    clearTimeout(late);
    if (count === null) this.#hasEnded = true;
    else this.#cut(this.#buffer.subarray(0, count));
  }

  #cut(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    let at = 0;
    for (let end = packetEnd(bytes, at); end !== undefined; end = packetEnd(bytes, at)) {
      this.#waiting.push(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.slice(at);
  }
}

/** Where the packet at `at` ends; undefined while it is not whole. */
function packetEnd(bytes: Uint8Array, at: number): number | undefined {
  let length = 0;
  for (let i = 1; at + i < bytes.length; i++) {
    const byte = bytes[at + i];
    length += (byte & 0x7f) * 128 ** (i - 1);
    if (byte > 127) continue;
    const end = at + 1 + i + length;
    return end <= bytes.length ? end : undefined;
  }
  return undefined;
}

/** Sends `bytes` on a connection of its own and answers everything that the broker says until it closes. With `connect`, a client is
 * connected by these bytes first and what follows CONNACK is answered. */
export async function provoke(port: number, bytes: Uint8Array, connect?: Uint8Array): Promise<Uint8Array[]> {
  using peer = connect === undefined ? await RawPeer.open(port) : await RawPeer.connect(port, connect);
  await peer.send(bytes);
  return await peer.untilClosed();
}

/** The last word of the broker: the code of a refusing CONNACK or of a DISCONNECT; undefined when it closed in silence. */
export function lastWord(packets: readonly Uint8Array[]): number | undefined {
  const last = packets.at(-1);
  if (last === undefined) return undefined;
  let body = 2;
  while (last[body - 1] > 127) body++;
  if (last[0] === 0x20) return last[body + 1];
  if (last[0] === 0xe0) return last[body] ?? 0;
  throw new Error(`Neither CONNACK nor DISCONNECT: ${last.toHex()}`);
}
