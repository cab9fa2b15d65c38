/** A CoAP door in simulated time, onto a real broker in memory. */
import { CoapDoor, type CoapLimits } from "../../src/bridge/coap/coap_door.ts";
import { type CoapMessage, type CoapOption, OptionNumber, uintOption } from "../../src/bridge/coap/message.ts";
import { type BrokerOptions, WeirBroker } from "../../mod.ts";
import { optionsOf } from "./options.ts";
import { carry, Client, type Pending, World } from "./simulation.ts";

const FINE = { lost: 0, doubled: 0, delayMsMax: 2 };

const LIMITS: CoapLimits = {
  endpointsMax: 100,
  observationsMax: 20,
  requestsPerSecondMax: Infinity,
  bodyBytesMax: 8_192,
};

/** What differs from scene to scene. */
export interface DoorSceneOptions {
  readonly broker?: BrokerOptions;
  readonly limits?: Partial<CoapLimits>;
  readonly uriCredentials?: boolean;
}

/** One door; its clients prove their addresses. */
export class DoorScene implements AsyncDisposable {
  readonly world = new World(1);
  readonly broker: WeirBroker;
  readonly door: CoapDoor;
  readonly errors: unknown[] = [];
  readonly #wires = new Map<number, (bytes: Uint8Array) => void>();
  #ticking: number | undefined;

  private constructor(broker: WeirBroker, { limits, uriCredentials = false }: DoorSceneOptions) {
    this.broker = broker;
    const { world } = this;
    this.door = new CoapDoor({
      gateway: broker.gateway,
      limits: { ...LIMITS, ...limits },
      listener: "coap",
      uriCredentials,
      now: () => world.now,
      timeOfDay: () => Date.now(),
      random: world.random,
      transmit: (bytes, { port }) => this.#wires.get(port)?.(bytes),
      onEarlier: () => this.#arm(),
      onError: (error) => this.errors.push(error),
    });
  }

  static async start(options: DoorSceneOptions = {}): Promise<DoorScene> {
    return new DoorScene(await WeirBroker.start({ sysIntervalMs: 0, ...options.broker }), options);
  }

  client(port: number): Client {
    const client = new Client(this.world, port);
    this.#wires.set(port, carry(this.world, FINE, (bytes) => client.receive(bytes)));
    client.send = carry(this.world, FINE, (bytes) => this.door.receive(bytes, client.address));
    return client;
  }

  /** Lets so many milliseconds pass, and what the broker has to wait for. */
  async pass(ms: number): Promise<void> {
    const end = this.world.now + ms;
    for (let step = 1; step <= 20; step++) {
      this.world.runUntil(end - ms + ms * step / 20);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Sends a request and waits for its answer. */
  async ask(client: Client, request: Request): Promise<CoapMessage> {
    const pending = this.send(client, request);
    for (let count = 0; count < 50 && pending.responses.length === 0; count++) await this.pass(100);
    if (pending.responses.length === 0) throw new Error("The server has not answered");
    return pending.responses[0];
  }

  send(client: Client, { code, path, options = [], payload }: Request): Pending {
    return client.request({ code, options: [...optionsOf(path), ...options], payload });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.door.close();
    await this.broker.stop();
  }

  #arm(): void {
    const at = this.door.nextDeadline;
    if (this.#ticking !== undefined && this.#ticking <= at) return;
    this.#ticking = at;
    this.world.timers.set(at, (now) => {
      if (this.#ticking === at) this.#ticking = undefined;
      this.door.tick(now);
      if (this.door.nextDeadline !== Infinity) this.#arm();
    });
  }
}

/** A request as a test writes it. */
export interface Request {
  readonly code: number;
  /** `/ps/a?qos=1` */
  readonly path: string;
  readonly options?: readonly CoapOption[];
  readonly payload?: Uint8Array;
}

export const text = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = ({ payload }: CoapMessage): string => new TextDecoder().decode(payload);
export const OBSERVE: CoapOption = uintOption(OptionNumber.observe, 0);
export const NO_MORE: CoapOption = uintOption(OptionNumber.observe, 1);

/** The first value of an option; undefined when it is not there. */
export function valueOf(message: CoapMessage, number: number): Uint8Array | undefined {
  return message.options.find((option) => option.number === number)?.value;
}
