import assert from "node:assert/strict";
import type { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";

/** Well-behaved clients that were there before the hostile peer came. They show that it harmed nobody. */
export class Witness {
  readonly #broker: TestBroker;
  readonly #publisher: TestClient;
  readonly #subscriber: TestClient;
  readonly #topic: string;
  #count = 0;

  private constructor(broker: TestBroker, publisher: TestClient, subscriber: TestClient) {
    this.#broker = broker;
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    this.#topic = `$witness/${subscriber.clientId}`; // no wildcard of the others matches it
  }

  static async on(broker: TestBroker): Promise<Witness> {
    const witness = new Witness(broker, await broker.connect(), await broker.connect({ version: 4 }));
    await witness.#subscriber.subscribe(witness.#topic, { qos: 2 });
    return witness;
  }

  /** A message of QoS 1 goes from one to the other, and nothing else comes. */
  async passOne(): Promise<void> {
    const text = `message ${++this.#count}`;
    const [, received] = await Promise.all([
      this.#publisher.publish(this.#topic, text, { qos: 1 }),
      this.#subscriber.receive(),
    ]);
    assert.equal(received.payload.toString(), text);
  }

  /** The old clients are served at each QoS, and a new one is let in. */
  async check(): Promise<void> {
    await this.passOne();
    const newcomer = await this.#broker.connect();
    await newcomer.subscribe("newcomer/#", { qos: 2 });
    for (const qos of [0, 1, 2] as const) {
      await this.#publisher.publish("newcomer/x", `qos ${qos}`, { qos });
      assert.equal((await newcomer.receive()).payload.toString(), `qos ${qos}`);
    }
    await this.#subscriber.expectNothing();
    await newcomer.disconnect();
  }
}

/** Waits until `$SYS/broker/<name>` has a value that `isWanted`; the broker must publish `$SYS` often. Answers the value. */
export async function sysValue(
  broker: TestBroker,
  name: string,
  isWanted: (value: number) => boolean,
): Promise<number> {
  const late = AbortSignal.timeout(5_000);
  let last = NaN;
  for await (const message of broker.broker.subscribe(`$SYS/broker/${name}`, { signal: late })) {
    last = Number(new TextDecoder().decode(message.payload));
    if (isWanted(last)) return last;
  }
  throw new Error(`$SYS/broker/${name} is ${last}, which is not what was waited for`);
}
