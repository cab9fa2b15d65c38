import assert from "node:assert/strict";
import type { Packet } from "mqtt-packet";
import type { Happening, ReceivedMessage, WeirBroker } from "../../mod.ts";
import type { TestClient } from "../support/client.ts";

/** Fails when `promise` has not settled in time: for what would otherwise hang for ever. */
export async function inTime<T>(promise: Promise<T>, what: string, patienceMs = 5_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${patienceMs} ms`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets everything run that needs no more than the event loop. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
}

/** Tries again until `attempt` answers true, with a turn of the event loop in between. */
export async function until(attempt: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const patience = performance.now() + 5_000;
  while (!await attempt()) {
    if (performance.now() > patience) throw new Error(`${what}: not within 5,000 ms`);
    await turns(1);
  }
}

/** Resolves with the first happening from now on that `wanted` picks. */
export function happening<K extends Happening["kind"]>(
  broker: WeirBroker,
  kind: K,
  options: { messages?: boolean } = {},
): Promise<Extract<Happening, { kind: K }>> {
  const found = Promise.withResolvers<Extract<Happening, { kind: K }>>();
  const end = broker.watch((happening) => {
    if (happening.kind !== kind) return;
    end();
    found.resolve(happening as Extract<Happening, { kind: K }>);
  }, options);
  return inTime(found.promise, `a happening "${kind}"`);
}

/** What a client hears next. */
export interface Awaited {
  /** The packet, when it comes; it must be of this kind. */
  expect<C extends Packet["cmd"]>(cmd: C): Promise<Extract<Packet, { cmd: C }>>;
}

/** Shows that the broker has read all that a client sent and has not answered yet: a QoS 0 message, which does not wait for a commit,
 * has gone through to the program. (PINGRESP would wait.) Made before the commit that is waited for. */
export class Marker {
  readonly #reader: ReadableStreamDefaultReader<ReceivedMessage>;

  constructor(broker: WeirBroker) {
    this.#reader = broker.subscribe("marker").getReader();
  }

  async unanswered(client: TestClient): Promise<Awaited> {
    let hasCome = false;
    const next = client.next().finally(() => hasCome = true);
    next.catch(() => {});
    await this.passed(client);
    await turns();
    if (hasCome) assert.fail(`answered too early: ${JSON.stringify(await next)}`);
    return {
      async expect<C extends Packet["cmd"]>(cmd: C) {
        const packet = await next;
        assert.equal(packet?.cmd, cmd, `expected ${cmd}, got ${JSON.stringify(packet)}`);
        return packet as Extract<Packet, { cmd: C }>;
      },
    };
  }

  /** Resolves when the broker has read all that the client sent. */
  async passed(client: TestClient): Promise<void> {
    await client.publish("marker", "x");
    await nextText(this.#reader);
  }
}

/** The next message of a reader, as text. */
export async function nextText(reader: ReadableStreamDefaultReader<ReceivedMessage>): Promise<string> {
  const { value, done } = await inTime(reader.read(), "a message");
  assert.equal(done, false, "the stream ended");
  return textOf(value!);
}

export function textOf(message: { payload: Uint8Array }): string {
  return new TextDecoder().decode(message.payload);
}
