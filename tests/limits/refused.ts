import assert from "node:assert/strict";
import type { Happening } from "../../src/core/happening.ts";
import type { TestBroker } from "../support/broker.ts";
import type { ConnectOptions, TestClient } from "../support/client.ts";

/** The code with which CONNACK refuses a client; undefined when the connection is closed without one. */
export async function connectRefusal(broker: TestBroker, options: ConnectOptions): Promise<number | undefined> {
  const client = await broker.open(options.version ?? 5);
  await client.send(client.connectPacket(options));
  const packet = await client.next();
  if (packet === undefined) return undefined;
  assert.equal(packet.cmd, "connack");
  assert.equal(await client.next(), undefined, "closed behind a CONNACK that refuses");
  const { reasonCode, returnCode } = packet as { reasonCode?: number; returnCode?: number };
  return reasonCode ?? returnCode;
}

/** Messages until one says `last`, acknowledged one by one. */
export async function receivedUntil(client: TestClient, last: string): Promise<string[]> {
  const payloads: string[] = [];
  while (payloads.at(-1) !== last) payloads.push((await client.receive()).payload.toString());
  return payloads;
}

/** The next `count` happenings of this kind, or those that came in time. Call before what leads to them. */
export function happening(broker: TestBroker, kind: Happening["kind"], count = 1): Promise<Record<string, unknown>[]> {
  const reader = broker.broker.happenings().getReader();
  const late = setTimeout(() => void reader.cancel(), 5_000);
  return (async () => {
    const found: Record<string, unknown>[] = [];
    while (found.length < count) {
      const { value, done } = await reader.read();
      if (done) break;
      if (value.kind === kind) found.push({ ...value });
    }
    clearTimeout(late);
    await reader.cancel();
    return found;
  })();
}
