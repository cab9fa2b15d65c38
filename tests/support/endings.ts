import assert from "node:assert/strict";
import type { ConnectOptions, TestClient } from "./client.ts";
import type { TestBroker } from "./broker.ts";

/** Sends bytes that a connected client must not send; answers the reason code of the DISCONNECT that ends the connection, undefined
 * when it ended without one. */
export async function ending(client: TestClient, bytes: Uint8Array | string): Promise<number | undefined> {
  await client.sendBytes(bytes);
  return await client.expectClosed();
}

/** Sends the bytes as a connection's first and waits for its end; answers the reason code of the CONNACK before it, undefined when
 * there was none. An accepting CONNACK fails, and so does one that says a session is present ([MQTT-3.2.2-6]). */
export async function refusal(broker: TestBroker, bytes: Uint8Array | string): Promise<number | undefined> {
  const client = await broker.open();
  await client.sendBytes(bytes);
  return await refused(client);
}

/** As {@link refusal}, for a CONNECT that mqtt-packet can write. */
export async function connectRefusal(broker: TestBroker, options: ConnectOptions): Promise<number | undefined> {
  const client = await broker.open();
  await client.send(client.connectPacket(options));
  return await refused(client);
}

async function refused(client: TestClient): Promise<number | undefined> {
  const connack = await client.next();
  if (connack === undefined) return undefined;
  assert.equal(connack.cmd, "connack", `expected a refusal, got ${JSON.stringify(connack)}`);
  assert.equal(await client.next(), undefined, "the connection goes on after the refusal"); // [MQTT-3.2.2-7]
  const { reasonCode, sessionPresent } = connack as { reasonCode: number; sessionPresent: boolean };
  assert.ok(reasonCode >= 0x80, `CONNACK accepts with ${reasonCode}`);
  assert.equal(sessionPresent, false);
  return reasonCode;
}
