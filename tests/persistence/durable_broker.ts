import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IPublishPacket } from "mqtt-packet";
import { Folder } from "../store/folder.ts";
import { BrokerProgram } from "../support/broker_program.ts";
import { type ConnectOptions, TestClient } from "../support/client.ts";

/** How a broker goes: it is asked to (SIGTERM), or it is not (SIGKILL). */
export type Ending = "stop" | "kill";

/** The program on a data folder of its own, which may end and start again on it. */
export class DurableBroker implements AsyncDisposable {
  readonly #ending: Ending;
  readonly #env: Readonly<Record<string, string>>;
  readonly #folder = new Folder();
  readonly #clients: TestClient[] = [];
  #program: BrokerProgram | undefined;
  #port = 0;

  constructor(ending: Ending, env: Readonly<Record<string, string>> = {}) {
    this.#ending = ending;
    this.#env = env;
  }

  static async start(ending: Ending, env?: Readonly<Record<string, string>>): Promise<DurableBroker> {
    const broker = new DurableBroker(ending, env);
    await broker.start();
    return broker;
  }

  /** With other variables besides, if there are. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#program = await BrokerProgram.start({ folder: this.#folder.path, env: { ...this.#env, ...env } });
    this.#port = await this.#program.port();
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#program!.pid;
  }

  async end(): Promise<void> {
    const ended = this.#ending === "kill" ? this.#program!.kill() : this.#program!.stop();
    await Promise.all(this.#clients.splice(0).map(hangUp));
    await ended;
  }

  async restart(): Promise<void> {
    await this.end();
    await this.start();
  }

  /** A client that has been accepted; unless told otherwise it goes on with the session of its id. */
  async connect(clientId: string, options: ConnectOptions = {}): Promise<TestClient> {
    const client = await TestClient.open(this.#port, options.version ?? 5);
    this.#clients.push(client);
    const properties = client.version === 5
      ? { properties: { sessionExpiryInterval: 300, ...options.properties } }
      : {};
    await client.connect({ clientId, clean: false, ...options, ...properties });
    return client;
  }

  /** A client whose session ends with its connection. */
  visitor(options: ConnectOptions = {}): Promise<TestClient> {
    return this.connect(`visitor-${crypto.randomUUID().slice(0, 8)}`, {
      clean: true,
      ...options,
      properties: { sessionExpiryInterval: 0 },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#program?.kill();
    this.#folder[Symbol.dispose]();
  }
}

/** Closes our side when the broker has closed its own, and does not let it wait. */
async function hangUp(client: TestClient): Promise<void> {
  while (await client.next() !== undefined);
  client.close();
}

/** The test for each way in which a broker may end. */
export function everyEnding(
  name: string,
  test: (broker: DurableBroker) => Promise<void>,
  env?: Readonly<Record<string, string>>,
): void {
  for (const ending of ["stop", "kill"] as const) {
    Deno.test(`${name} (${ending === "stop" ? "orderly restart" : "kill -9"})`, async () => {
      await using broker = await DurableBroker.start(ending, env);
      await test(broker);
    });
  }
}

export function textOf({ payload }: IPublishPacket): string {
  return Buffer.from(payload).toString();
}

/** The next messages, each taken and settled; those of QoS 2 may be under way side by side. */
export async function take(client: TestClient, count: number): Promise<IPublishPacket[]> {
  const taken: IPublishPacket[] = [];
  for (let unsettled = 0; taken.length < count || unsettled > 0;) {
    const packet = await client.next();
    if (packet?.cmd === "publish") {
      taken.push(packet);
      if (packet.qos > 0) {
        await client.send({ cmd: packet.qos === 1 ? "puback" : "pubrec", messageId: packet.messageId });
      }
      if (packet.qos === 2) unsettled++;
    } else {
      assert.equal(packet?.cmd, "pubrel", `expected message ${taken.length}, got ${JSON.stringify(packet)}`);
      await client.send({ cmd: "pubcomp", messageId: packet!.messageId });
      unsettled--;
    }
  }
  await committed(client);
  return taken;
}

/** Resolves when what the client said has been written down, and shows that nothing else is sent: UNSUBACK waits for the commit of
 * what came before it, which PINGRESP does not. */
export async function committed(client: TestClient): Promise<void> {
  await client.unsubscribe("nothing");
}

/** The texts of the next messages, each taken and settled. */
export async function texts(client: TestClient, count: number): Promise<string[]> {
  return (await take(client, count)).map(textOf);
}

/** Publishes the numbers from `from` up to `to` with QoS 1, many at a time. */
export async function publishNumbers(
  client: TestClient,
  topic: string,
  range: { from: number; to: number },
): Promise<void> {
  for (let n = range.from; n < range.to;) {
    const end = Math.min(n + 500, range.to);
    const count = end - n;
    for (; n < end; n++) {
      await client.send({
        cmd: "publish",
        topic,
        payload: `${n}`,
        qos: 1,
        dup: false,
        retain: false,
        messageId: n % 500 + 1,
      });
    }
    for (let i = 0; i < count; i++) await client.expect("puback");
  }
}

/** Time that has to pass while nobody is there to tell of it. */
export function untilTime(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));
}
