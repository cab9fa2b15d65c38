import assert from "node:assert/strict";
import type { Happening, ReceivedMessage, WeirBroker } from "../../mod.ts";

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

/** The next message of a reader, as text. */
export async function nextText(reader: ReadableStreamDefaultReader<ReceivedMessage>): Promise<string> {
  const { value, done } = await inTime(reader.read(), "a message");
  assert.equal(done, false, "the stream ended");
  return textOf(value!);
}

export function textOf(message: { payload: Uint8Array }): string {
  return new TextDecoder().decode(message.payload);
}
