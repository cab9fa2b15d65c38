import { Buffer } from "node:buffer";

/** What a handshake says that a browser would be let in with. */
export const HANDSHAKE: Readonly<Record<string, string>> = {
  Host: "127.0.0.1",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Protocol": "mqtt",
};

/** A WebSocket client that is only bytes: it says what a test wants, right or wrong. */
export class RawWebSocket implements Disposable {
  readonly #connection: Deno.TcpConn;
  #received = new Uint8Array(0);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(port: number): Promise<RawWebSocket> {
    return new RawWebSocket(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** A client whose handshake was accepted. */
  static async open(port: number, headers: Readonly<Record<string, string | undefined>> = {}): Promise<RawWebSocket> {
    const client = await RawWebSocket.connect(port);
    await client.handshake({ ...HANDSHAKE, ...headers });
    const head = await client.head();
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`Cannot open a WebSocket: ${head}`);
    return client;
  }

  /** Asks for `path`; a header that is undefined is left out. */
  async handshake(
    headers: Readonly<Record<string, string | undefined>>,
    { path = "/mqtt", method = "GET", version = "HTTP/1.1" } = {},
  ): Promise<void> {
    const lines = Object.entries(headers).flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}`]);
    await this.send(new TextEncoder().encode([`${method} ${path} ${version}`, ...lines, "", ""].join("\r\n")));
  }

  async send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** The answer up to its empty line. */
  async head(): Promise<string> {
    for (;;) {
      const end = Buffer.from(this.#received).indexOf("\r\n\r\n");
      if (end >= 0) return new TextDecoder().decode(this.#take(end + 4));
      if (!await this.#more()) return new TextDecoder().decode(this.#take(this.#received.length));
    }
  }

  /** The next frame, which is short; undefined when the connection has ended. */
  async frame(): Promise<{ first: number; payload: Uint8Array } | undefined> {
    while (this.#received.length < 2 || this.#received.length < 2 + (this.#received[1] & 0x7f)) {
      if (!await this.#more()) return undefined;
    }
    const [first, length] = this.#received;
    if (length > 125) throw new Error(`Cannot read a frame of length code ${length}: tests expect short ones`);
    return { first, payload: this.#take(2 + length).slice(2) };
  }

  /** The code of the close frame that must come next, and that the connection ends behind it. */
  async closeCode(): Promise<number> {
    const frame = await this.frame();
    if (frame?.first !== 0x88) throw new Error(`Cannot find a close frame: ${JSON.stringify(frame)}`);
    if (await this.frame() !== undefined) throw new Error("Cannot find the end behind the close frame");
    return (frame.payload[0] << 8) | frame.payload[1];
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // closed before
    }
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(4096);
    const count = await this.#connection.read(buffer).catch(() => null); // reset is an end as well
    if (count === null) return false;
    this.#received = Uint8Array.from([...this.#received, ...buffer.subarray(0, count)]);
    return true;
  }

  #take(count: number): Uint8Array {
    const taken = this.#received.slice(0, count);
    this.#received = this.#received.slice(count);
    return taken;
  }
}

/** A frame as a client sends it: masked. `first` holds FIN and the opcode. */
export function frame(first: number, payload: Uint8Array, { mask = true } = {}): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 0xff] : [
    127,
    ...[0, 0, 0, 0],
    ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 0xff),
  ];
  if (!mask) return Uint8Array.from([first, ...size, ...payload]);
  const key = [0x37, 0xfa, 0x21, 0x3d];
  return Uint8Array.from([
    first,
    size[0] | 0x80,
    ...size.slice(1),
    ...key,
    ...payload.map((byte, i) => byte ^ key[i % 4]),
  ]);
}
