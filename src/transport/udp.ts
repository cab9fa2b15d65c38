import { plainAddress } from "../address/ip_address.ts";

/** No datagram is larger. */
const DATAGRAM_BYTES_MAX = 65_535;
/** Datagrams that wait to be taken by the system; what comes then is dropped, as the network itself would. */
const SENDING_MAX = 1_024;
/** Datagrams taken in a row before others have their turn. */
const ROUND_MAX = 64;

/** Where a datagram comes from or goes to. */
export interface UdpAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Where to listen for datagrams, and what to do with them. */
export interface UdpListenOptions extends UdpAddress {
  /** The bytes are filled again once this has returned. */
  readonly onDatagram: (bytes: Uint8Array, from: UdpAddress) => void;
  /** A datagram was not sent or not received; the listener goes on. */
  readonly onError: (error: unknown) => void;
}

/** An open UDP socket. It has joined no multicast group. */
export interface UdpListener extends UdpAddress {
  send(bytes: Uint8Array, to: UdpAddress): void;
  /** Closes once what was to be sent is sent; the port is free when this has settled. */
  close(): Promise<void>;
}

/** Opens a UDP socket.
 * @throws {Error} when Deno runs without its unstable part for the network
 * @throws {Deno.errors.AddrInUse | Deno.errors.PermissionDenied | Deno.errors.NotCapable} as the system says */
export function listenUdp(options: UdpListenOptions): UdpListener {
  if (Deno.listenDatagram === undefined) {
    throw new Error(`Cannot listen over UDP: Deno wants --unstable-net for that, or "unstable": ["net"] in deno.json`);
  }
  const socket = Deno.listenDatagram({ transport: "udp", hostname: options.hostname, port: options.port });
  const { hostname, port } = socket.addr as Deno.NetAddr;
  const received = receiveAll(socket, options);
  const sending = new Set<Promise<unknown>>();
  return {
    hostname,
    port,
    send(bytes, { hostname, port }) {
      if (sending.size >= SENDING_MAX) return;
      const sent = socket.send(bytes, { transport: "udp", hostname, port })
        .catch((error) => isClosed(error) ? undefined : options.onError(error)).finally(() => sending.delete(sent));
      sending.add(sent);
    },
    async close() {
      await Promise.all(sending);
      socket.close();
      await received;
    },
  };
}

async function receiveAll(socket: Deno.DatagramConn, { onDatagram, onError }: UdpListenOptions): Promise<void> {
  const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
  for (let count = 1;; count++) {
    try {
      const [bytes, from] = await socket.receive(buffer);
      const { hostname, port } = from as Deno.NetAddr;
      if (isSomebody(hostname, port)) onDatagram(bytes, { hostname, port });
    } catch (error) {
      if (isClosed(error)) return;
      onError(error);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (count % ROUND_MAX === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Whether an answer would go to one host: an address that is forged may name a group, or everybody. */
function isSomebody(hostname: string, port: number): boolean {
  const plain = plainAddress(hostname);
  if (port === 0 || plain === "::" || /^ff/i.test(plain)) return false;
  if (plain.includes(":")) return true;
  const first = Number(plain.split(".")[0]);
  return first > 0 && first < 224;
}

function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
}
