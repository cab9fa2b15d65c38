import assert from "node:assert/strict";
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

/** The first happening of this kind that comes from now on. Call before what leads to it. */
export function happening<K extends string>(
  broker: TestBroker,
  kind: K,
  count = 1,
): Promise<Record<string, unknown>[]> {
  const stream = broker.broker.happenings();
  return (async () => {
    const found: Record<string, unknown>[] = [];
    const late = setTimeout(() => void stream.cancel().catch(() => {}), 5_000);
    for await (const each of stream) {
      if (each.kind === kind && found.push({ ...each }) === count) break;
    }
    clearTimeout(late);
    return found;
  })();
}
