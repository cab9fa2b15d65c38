import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { frames, hex, rawPublish } from "../support/raw_packet.ts";

Deno.test("[MQTT-3.12.4-1] a PINGREQ is answered by a PINGRESP, which is two bytes", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes("c000");
  await client.expect("pingresp");
  assert.equal(hex(frames(client.bytes).at(-1)!), "d0 00");
});

Deno.test("[MQTT-3.12.4-1] each of many PINGREQs in one write has its answer", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes("c000".repeat(50));
  for (let i = 0; i < 50; i++) await client.expect("pingresp");
  await client.expectNothing();
});

Deno.test("[MQTT-3.12.4-1] PINGREQ is answered before and after other packets in the same write", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const publish = rawPublish({ first: 0x32, packetId: 5, topic: "nobody" });
  await client.sendBytes(`c000 ${hex(publish)} c000`);
  const kinds = [await client.next(), await client.next(), await client.next()].map((packet) => packet?.cmd);
  assert.deepEqual(kinds, ["pingresp", "puback", "pingresp"]);
});

Deno.test("[MQTT-3.12.4-1] PINGRESP comes after the answers to what a client with a stored session sent before", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "stored", properties: { sessionExpiryInterval: 60 } });
  await client.sendBytes("820a 0001 00 0004 6e6f7465 01 c000");
  assert.deepEqual([await client.next(), await client.next()].map((packet) => packet?.cmd), ["suback", "pingresp"]);
  await client.sendBytes(`${hex(rawPublish({ first: 0x34, packetId: 5, topic: "note" }))} c000`);
  const kinds = [await client.next(), await client.next(), await client.next()].map((packet) => packet?.cmd);
  assert.deepEqual(kinds.slice(0, 2).toSorted(), ["publish", "pubrec"]);
  assert.equal(kinds[2], "pingresp");
  await client.sendBytes("6202 0005 c000");
  assert.deepEqual([await client.next(), await client.next()].map((packet) => packet?.cmd), ["pubcomp", "pingresp"]);
  await client.sendBytes("a209 0002 00 0004 6e6f7465 c000");
  assert.deepEqual([await client.next(), await client.next()].map((packet) => packet?.cmd), ["unsuback", "pingresp"]);
});

for (const [what, bytes] of [["flags", "c100"], ["a body", "c00100"]]) {
  Deno.test(`[MQTT-3.12.4-1] a PINGREQ with ${what} is malformed (MQTT 5 3.12)`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    await client.sendBytes(bytes);
    assert.equal(await client.expectClosed(), 0x81);
  });
}

Deno.test("[MQTT-3.12.4-1] a PINGREQ before CONNECT has no answer: the connection ends", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.open();
  await client.sendBytes("c000");
  assert.equal(await client.next(), undefined);
});

Deno.test("[MQTT-3.12.4-1] PINGRESP is not what a client may send", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes("d000");
  assert.equal(await client.expectClosed(), 0x82);
});
