import type { OnRefusedPeer, PeerFault, TransportConnection, TransportListener } from "../transport.ts";
import { WaitingRoom } from "../waiting_room.ts";
import { ProxiedChannel } from "./proxied_channel.ts";
import { badHeader, type TrustedProxies, UNTRUSTED } from "./trusted_proxies.ts";

/** Headers that are waited for at a time; above it the oldest of the proxy that has most makes room. */
export const HEADERS_MAX = 1_000;

/** What {@link behindProxy} needs. */
export interface BehindProxyOptions {
  readonly proxies: TrustedProxies;
  /** How long a proxy may take for its header. */
  readonly headerTimeoutMs: number;
  /** Told of connections that are cut off, with the address of who came and why. */
  readonly onRefusedPeer?: OnRefusedPeer;
}

/** A listener whose connections begin with a PROXY header, and come from where that says. One without a header, or with one that is
 * malformed, is cut off: what a client says of itself must not pass for what a proxy says. */
export function behindProxy(listener: TransportListener, options: BehindProxyOptions): TransportListener {
  const headers = new Headers(options);
  headers.take(listener);
  return {
    hostname: listener.hostname,
    port: listener.port,
    connections: headers.connections,
    close: () => {
      listener.close();
      headers.close();
    },
  };
}

class Headers {
  readonly connections: ReadableStream<TransportConnection>;
  readonly #options: BehindProxyOptions;
  readonly #waiting = new Map<TransportConnection, ReturnType<typeof setTimeout>>();
  readonly #room = new WaitingRoom<TransportConnection>(HEADERS_MAX);
  #accepted!: ReadableStreamDefaultController<TransportConnection>;
  #isClosed = false;

  constructor(options: BehindProxyOptions) {
    this.#options = options;
    this.connections = new ReadableStream({ start: (controller) => void (this.#accepted = controller) });
  }

  take(listener: TransportListener): void {
    const take = async () => {
      for await (const connection of listener.connections) void this.#read(connection);
    };
    take().catch((error) => this.#isClosed || this.#accepted.error(error));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const connection of this.#waiting.keys()) connection.channel.close();
    this.#accepted.close();
  }

  async #read(connection: TransportConnection): Promise<void> {
    const channel = new ProxiedChannel(connection.channel);
    if (!this.#options.proxies.trusts(connection.remoteAddress)) {
      channel.close();
      return this.#refuse(connection, UNTRUSTED);
    }
    try {
      this.#wait(connection);
      const { address: remoteAddress, port: remotePort } = await channel.open() ??
        { address: connection.remoteAddress, port: connection.remotePort };
      if (this.#isClosed) return channel.close();
      this.#accepted.enqueue({ remoteAddress, remotePort, channel });
    } catch (error) {
      channel.close();
      if (!this.#isClosed) this.#refuse(connection, badHeader(error));
    } finally {
      clearTimeout(this.#waiting.get(connection));
      this.#waiting.delete(connection);
      this.#room.delete(connection.remoteAddress, connection);
    }
  }

  #wait(connection: TransportConnection): void {
    this.#room.add(connection.remoteAddress, connection)?.channel.close();
    this.#waiting.set(connection, setTimeout(() => connection.channel.close(), this.#options.headerTimeoutMs));
  }

  #refuse({ remoteAddress }: TransportConnection, fault: PeerFault): void {
    this.#options.onRefusedPeer?.(remoteAddress, fault);
  }
}
