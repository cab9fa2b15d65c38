import { HANDSHAKE } from "../websocket/raw_websocket.ts";

/** Where a client goes, and how it speaks there. */
export interface Destination {
  readonly port: number;
  /** Who has signed the server's certificate; without TLS when absent. */
  readonly ca?: string;
  /** In WebSocket frames. */
  readonly isFramed?: boolean;
}

/** A client by hand, which counts bytes and reads none of them: what it costs itself is little. */
export class ByteClient {
  readonly #connection: Deno.Conn;
  readonly #isFramed: boolean;
  readonly #buffer = new Uint8Array(256 * 1024);
  /** Of the frame that is being read. */
  #payloadLeft = 0;
  #header: number[] = [];

  private constructor(connection: Deno.Conn, isFramed: boolean) {
    this.#connection = connection;
    this.#isFramed = isFramed;
  }

  static async open({ port, ca, isFramed = false }: Destination): Promise<ByteClient> {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
    tcp.setNoDelay(true);
    const connection = ca === undefined ? tcp : await Deno.startTls(tcp, { hostname: "localhost", caCerts: [ca] });
    const client = new ByteClient(connection, isFramed);
    if (isFramed) await client.#upgrade();
    return client;
  }

  async #upgrade(): Promise<void> {
    const lines = Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}`);
    await this.write(new TextEncoder().encode(["GET /mqtt HTTP/1.1", ...lines, "", ""].join("\r\n")));
    await this.readUntil("\r\n\r\n");
  }

  /** Sends bytes, in one frame where there are frames. */
  async send(bytes: Uint8Array): Promise<void> {
    await this.write(this.#isFramed ? framed(bytes) : bytes);
  }

  /** Sends bytes as they are. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** Waits for so many bytes, those of frame headers not counted. */
  async receive(bytes: number): Promise<void> {
    while (bytes > 0) {
      const chunk = await this.#read();
      bytes -= this.#isFramed ? this.#payloadOf(chunk) : chunk.length;
    }
  }

  /** Reads text until it ends so. */
  async readUntil(end: string): Promise<string> {
    let text = "";
    while (!text.endsWith(end)) text += new TextDecoder().decode(await this.#read());
    return text;
  }

  /** Reads until `mark`, one byte, has come so many times. */
  async readMarks(mark: number, count: number): Promise<void> {
    while (count > 0) {
      const chunk = await this.#read();
      for (let at = chunk.indexOf(mark); at !== -1; at = chunk.indexOf(mark, at + 1)) count--;
    }
  }

  close(): void {
    this.#connection.close();
  }

  async #read(): Promise<Uint8Array> {
    const count = await this.#connection.read(this.#buffer);
    if (count === null) throw new Error("the server has ended the connection");
    return this.#buffer.subarray(0, count);
  }

  /** How many bytes of a chunk are not of frame headers. */
  #payloadOf(chunk: Uint8Array): number {
    let payload = 0;
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(this.#payloadLeft, chunk.length - at);
      [payload, at, this.#payloadLeft] = [payload + taken, at + taken, this.#payloadLeft - taken];
      if (at < chunk.length) this.#onHeaderByte(chunk[at++]);
    }
    return payload;
  }

  #onHeaderByte(byte: number): void {
    const header = this.#header;
    header.push(byte);
    const lengthBytes = header[1] === 126 ? 2 : header[1] === 127 ? 8 : 0;
    if (header.length < 2 + lengthBytes) return;
    const length = header.slice(2).reduce((sum, next) => sum * 256 + next, 0);
    this.#payloadLeft = lengthBytes === 0 ? header[1] : length;
    this.#header = [];
  }
}

/** One binary frame, masked. */
export function framed(payload: Uint8Array): Uint8Array {
  const isShort = payload.length < 126;
  const frame = new Uint8Array((isShort ? 6 : 14) + payload.length);
  frame.set([0x82, 0x80 | (isShort ? payload.length : 127)]);
  if (!isShort) new DataView(frame.buffer).setBigUint64(2, BigInt(payload.length));
  const mask = [0x12, 0x34, 0x56, 0x78];
  const at = frame.length - payload.length;
  frame.set(mask, at - 4);
  for (let i = 0; i < payload.length; i++) frame[at + i] = payload[i] ^ mask[i % 4];
  return frame;
}

/** The same bytes, so many times. */
export function repeated(bytes: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(bytes.length * count);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}
