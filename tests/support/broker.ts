import { type BrokerOptions } from "../../src/server/options.ts";
import type { ListenOptions } from "../../src/server/listeners.ts";
import { WeirBroker } from "../../src/server/weir_broker.ts";
import { type ConnectOptions, TestClient } from "./client.ts";

/** A broker on a port of its own with the clients that a test opens; `await using` ends them all. */
export class TestBroker implements AsyncDisposable {
  readonly broker: WeirBroker;
  readonly port: number;
  readonly #clients: TestClient[] = [];

  private constructor(broker: WeirBroker, port: number) {
    this.broker = broker;
    this.port = port;
  }

  /** Starts a broker in memory that listens on loopback, on a port that the system chooses. `$SYS` is off unless asked for. */
  static async start(options: BrokerOptions & { listen?: ListenOptions } = {}): Promise<TestBroker> {
    const broker = await WeirBroker.start({ sysIntervalMs: 0, shutdownTimeoutMs: 1_000, ...options });
    const { port } = broker.listen({ port: 0, ...options.listen });
    return new TestBroker(broker, port);
  }

  /** A TCP connection on which nothing has been said. */
  async open(version: 3 | 4 | 5 = 5): Promise<TestClient> {
    const client = await TestClient.open(this.port, version);
    this.#clients.push(client);
    return client;
  }

  /** A client that has been accepted (CONNACK 0). */
  async connect(options: ConnectOptions = {}): Promise<TestClient> {
    const client = await this.open(options.version ?? 5);
    await client.connect(options);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.broker.stop();
  }
}
