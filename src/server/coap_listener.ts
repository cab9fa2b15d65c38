import { CoapDoor } from "../bridge/coap/coap_door.ts";
import type { Gateway } from "../bridge/gateway.ts";
import { listenUdp, type UdpListener } from "../transport/udp.ts";
import type { AlarmHandle, Clock } from "./clock.ts";

/** Errors of the network come with every datagram or not at all: one a minute is told. */
const ERROR_INTERVAL_MS = 60_000;

/** Where and how to listen for CoAP over UDP. */
export interface ListenCoapOptions {
  /** In messages and logs; `coap` when absent. */
  readonly name?: string;
  /** `127.0.0.1` when absent: nobody but this machine. */
  readonly hostname?: string;
  /** 5683 when absent; 0 lets the system choose. */
  readonly port?: number;
  /** Addresses and ports remembered at a time; 10,000. */
  readonly endpointsMax?: number;
  /** Observations at a time, of all clients; 10,000. */
  readonly observationsMax?: number;
  /** Requests of one address in a second; 1,000. Infinity for any number. */
  readonly requestsPerSecondMax?: number;
  /** Largest body of a request, in one datagram or in blocks; 256 KiB. Never more than the largest message. */
  readonly bodyBytesMax?: number;
  /** Whether name and password are taken from the query of a URI, where everybody on the way can read them; false. */
  readonly uriCredentials?: boolean;
}

/** What the listener needs of the broker. */
export interface CoapListenerParts {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly onError: (error: unknown, context: string) => void;
}

/** The CoAP door on a UDP socket, with the broker's clock. */
export class CoapListener {
  readonly name: string;
  readonly #parts: CoapListenerParts;
  readonly #socket: UdpListener;
  readonly #door: CoapDoor;
  #alarm: AlarmHandle | undefined;
  #isTicking = false;
  #errorAt = -Infinity;

  /** @throws {Deno.errors.AddrInUse} and whatever else the system says */
  constructor(options: ListenCoapOptions, parts: CoapListenerParts) {
    const { name = "coap", hostname = "127.0.0.1", port = 5683, uriCredentials = false } = options;
    const { endpointsMax = 10_000, observationsMax = 10_000 } = options;
    const { requestsPerSecondMax = 1_000, bodyBytesMax = 256 * 1024 } = options;
    this.name = name;
    this.#parts = parts;
    const { gateway, clock } = parts;
    const onError = (error: unknown) => this.#onError(error);
    this.#socket = listenUdp({ hostname, port, onError, onDatagram: (bytes, from) => this.#door.receive(bytes, from) });
    this.#door = new CoapDoor({
      gateway,
      limits: { endpointsMax, observationsMax, requestsPerSecondMax, bodyBytesMax },
      listener: name,
      uriCredentials,
      now: () => clock.now(),
      timeOfDay: () => clock.timeOfDay(),
      random,
      transmit: (bytes, to) => this.#socket.send(bytes, to),
      onEarlier: () => this.#arm(),
      onError,
    });
  }

  get hostname(): string {
    return this.#socket.hostname;
  }

  get port(): number {
    return this.#socket.port;
  }

  /** Ends the observations, answers what is under way for at most `timeoutMs`, and frees the port. */
  async close(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout>;
    const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, timeoutMs));
    await Promise.race([this.#door.close(), patience]).finally(() => clearTimeout(timer));
    if (this.#alarm !== undefined) this.#parts.clock.cancel(this.#alarm);
    await this.#socket.close();
  }

  /** Something falls due earlier than what the clock was set for. */
  #arm(): void {
    if (this.#isTicking) return; // it looks at the end
    const { clock } = this.#parts;
    if (this.#alarm !== undefined) clock.cancel(this.#alarm);
    this.#alarm = clock.set(this.#door.nextDeadline, { ring: (now) => this.#ring(now) });
  }

  #ring(now: number): number {
    this.#isTicking = true;
    this.#door.tick(now);
    this.#isTicking = false;
    const next = this.#door.nextDeadline;
    if (next === Infinity) this.#alarm = undefined;
    return next;
  }

  #onError(error: unknown): void {
    const now = this.#parts.clock.now();
    if (now - this.#errorAt < ERROR_INTERVAL_MS) return;
    this.#errorAt = now;
    this.#parts.onError(error, `listener ${this.name}`);
  }
}

/** From 0 up to 1, of 32 bits that nobody can guess. */
function random(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
}
