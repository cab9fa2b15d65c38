import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";

Deno.test("large messages come whole and in order among small ones, to clients of both versions and of either QoS", async () => {
  await using broker = await TestBroker.start();
  const receivers = await Promise.all(([4, 5] as const).flatMap((version) =>
    ([0, 1] as const).map(async (qos) => {
      const client = await broker.connect({ version });
      await client.subscribe("large/#", { qos });
      return client;
    })
  ));
  const publisher = await broker.connect();
  const sizes = [10, 500_000, 131_072, 3, 131_071, 900_000, 0];
  const payloads = sizes.map((size, i) => new Uint8Array(size).map((_, at) => at * (i + 1)));
  for (const payload of payloads) await publisher.publish("large/x", payload, { qos: 1 });
  for (const receiver of receivers) {
    for (const payload of payloads) {
      const { payload: received, qos, messageId } = await receiver.receive();
      assert.ok(new Uint8Array(received as Uint8Array).every((byte, at) => byte === payload[at]));
      assert.equal(received.length, payload.length);
      if (qos > 0) await receiver.send({ cmd: "puback", messageId });
    }
    await receiver.expectNothing();
  }
});
