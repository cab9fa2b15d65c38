/** MQTT 5.0 sections 3.1.2.10, 3.1.4 and 3.2.2.3.14: keep-alive, and the time that a CONNECT may take. */

import assert from "node:assert/strict";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { rawPublish } from "../support/raw_packet.ts";

const KEEP_ALIVE_TIMEOUT = 0x8d;

Deno.test("[MQTT-3.1.2-22] [MQTT-3.2.2-22] a client that is silent for one and a half keep-alives is cut, and its will is due", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect({ keepAlive: 0 });
  await witness.subscribe("will");
  const will = { topic: "will", payload: "silent" as never, qos: 0, retain: false } as const;
  const began = Date.now();
  const client = await broker.connect({ keepAlive: 1, will });
  assert.equal(client.connack?.properties?.serverKeepAlive, undefined);
  assert.equal(await client.expectClosed(), KEEP_ALIVE_TIMEOUT);
  assertAbout(Date.now() - began, 1500);
  assert.equal((await witness.receive()).payload.toString(), "silent");
  await witness.expectNothing(); // a keep-alive of 0 never runs out
});

Deno.test("[MQTT-3.1.2-22] any packet counts, and a silent client beside it is cut", async () => {
  await using broker = await TestBroker.start();
  const busy = await broker.connect({ keepAlive: 1 });
  const teasing = await broker.connect({ keepAlive: 1 });
  const began = Date.now();
  const packets = [
    () => busy.send({ cmd: "pingreq" }),
    () => busy.sendBytes(rawPublish()),
    () => busy.sendBytes("40 02 0001"),
  ];
  for (const send of packets) {
    await elapsed(700);
    await send();
  }
  assert.ok(Date.now() - began >= 2000, "the test was too fast to show anything");
  await busy.expect("pingresp");
  await busy.expectNothing();
  assert.equal(await teasing.expectClosed(), KEEP_ALIVE_TIMEOUT);
});

Deno.test("[MQTT-3.1.2-22] a packet that never ends does not keep the connection alive", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ keepAlive: 1 });
  const began = Date.now();
  const closed = client.expectClosed();
  const drip = async (): Promise<void> => {
    for (const byte of rawPublish({ payload: "0123456789" })) {
      await client.sendBytes(Uint8Array.of(byte));
      await elapsed(400);
      if (Date.now() - began > 4_000) return;
    }
  };
  const dripping = drip().catch(() => {}); // ends with the connection
  assert.equal(await closed, KEEP_ALIVE_TIMEOUT);
  client.close();
  await dripping;
  assert.ok(Date.now() - began < 3_500, `cut after ${Date.now() - began} ms`);
});

Deno.test("[MQTT-3.1.2-22] what the broker sends does not count", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ keepAlive: 1 });
  const publisher = await broker.connect();
  const began = Date.now();
  await client.subscribe("a");
  const flow = setInterval(() => void publisher.publish("a", "x"), 100);
  try {
    let packet = await client.next();
    while (packet?.cmd === "publish") packet = await client.next();
    assert.equal((packet as { reasonCode?: number } | undefined)?.reasonCode, KEEP_ALIVE_TIMEOUT);
    assertAbout(Date.now() - began, 1500);
  } finally {
    clearInterval(flow);
  }
});

Deno.test("MQTT5 3.2.2.3.14: a longer keep-alive than the broker allows, and none, is replaced and announced", async () => {
  await using broker = await TestBroker.start({ protocol: { keepAliveSecondsMax: 1 } });
  for (const keepAlive of [0, 60]) {
    const began = Date.now();
    const client = await broker.connect({ keepAlive });
    assert.equal(client.connack?.properties?.serverKeepAlive, 1);
    assert.equal(await client.expectClosed(), KEEP_ALIVE_TIMEOUT);
    assertAbout(Date.now() - began, 1500);
  }
});

Deno.test("[MQTT-3.2.2-22] a keep-alive that the broker allows is used as it is", async () => {
  await using broker = await TestBroker.start({ protocol: { keepAliveSecondsMax: 60 } });
  const client = await broker.connect({ keepAlive: 1 });
  assert.equal(client.connack?.properties?.serverKeepAlive, undefined);
  assert.equal(await client.expectClosed(), KEEP_ALIVE_TIMEOUT);
});

Deno.test("MQTT5 3.1.4: a connection without a CONNECT is closed after a while, without a word", async () => {
  await using broker = await TestBroker.start({ connection: { connectTimeoutMs: 200 } });
  const silent = await broker.open();
  const slow = await broker.open();
  await slow.sendBytes("10 10 0004");
  for (const client of [silent, slow]) {
    assert.equal(await client.next(), undefined);
    assert.deepEqual(client.bytes, []);
  }
});

Deno.test("MQTT5 3.1.4: a CONNECT that authentication does not answer in time is refused", async () => {
  let release = (): void => {};
  const never = new Promise<void>((resolve) => release = resolve);
  const authenticator = {
    authenticate: () => never.then(() => ({ username: undefined, policy: ALLOW_ALL })),
  };
  await using broker = await TestBroker.start({ authenticator, connection: { connectTimeoutMs: 200 } });
  const client = await broker.open();
  await client.send(client.connectPacket());
  await assertRefused(client);
  release();
});

Deno.test("MQTT5 3.1.4: the time for CONNECT is over once it has come", async () => {
  await using broker = await TestBroker.start({ connection: { connectTimeoutMs: 100 } });
  const client = await broker.connect();
  const late = await broker.open();
  assert.equal(await late.next(), undefined);
  await client.expectNothing();
});

async function assertRefused(client: TestClient): Promise<void> {
  const packet = await client.next();
  if (packet === undefined) return;
  assert.equal(packet.cmd, "connack");
  assert.ok((packet as { reasonCode: number }).reasonCode >= 0x80);
  assert.equal(await client.next(), undefined);
}

/** Not before the time, and not much after it. */
function assertAbout(actualMs: number, expectedMs: number): void {
  assert.ok(
    actualMs >= expectedMs - 20 && actualMs < expectedMs + 1500,
    `after ${actualMs} ms, expected ${expectedMs} ms`,
  );
}

/** Silence is what keep-alives are about, so here time itself is the condition. */
function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
