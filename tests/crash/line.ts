import { Buffer } from "node:buffer";
import mqttPacket, { type Packet } from "mqtt-packet";

export type Version = 4 | 5;

/** One connection to the broker: a bare socket and a codec that is not the broker's. */
export class Line {
  readonly #connection: Deno.TcpConn;
  readonly #version: Version;
  #pending: Uint8Array[] = [];
  #isWriting = false;
  /** Resolves when nothing can come any more. */
  readonly ended: Promise<void>;

  private constructor(connection: Deno.TcpConn, version: Version, onPacket: (packet: Packet) => void) {
    this.#connection = connection;
    this.#version = version;
    this.ended = this.#read(onPacket);
  }

  /** @throws when nobody listens */
  static async open(port: number, version: Version, onPacket: (packet: Packet) => void): Promise<Line> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new Line(connection, version, onPacket);
  }

  /** Sends the packet after those before it; on a connection that is gone it is lost, as on any network. */
  send(packet: Packet): void {
    this.#pending.push(mqttPacket.generate(packet, { protocolVersion: this.#version }));
    if (!this.#isWriting) void this.#write();
  }

  /** Drops the connection without a word. */
  close(): void {
    try {
      this.#connection.close();
    } catch {
      // closed before
    }
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    await Promise.resolve(); // what is sent in one breath goes out together
    try {
      while (this.#pending.length > 0) {
        const bytes = Buffer.concat(this.#pending);
        this.#pending = [];
        for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
      }
      this.#isWriting = false;
    } catch {
      // gone: the reading side tells
    }
  }

  async #read(onPacket: (packet: Packet) => void): Promise<void> {
    const parser = mqttPacket.parser({ protocolVersion: this.#version });
    parser.on("packet", onPacket);
    parser.on("error", (error: Error) => {
      throw error;
    });
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        parser.parse(Buffer.from(buffer.slice(0, count)));
      }
    } catch (error) {
      if (!isOfNetwork(error)) throw error;
    }
    this.close();
  }
}

/** The broker was killed, or we have closed the connection ourselves. */
function isOfNetwork(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BrokenPipe;
}
