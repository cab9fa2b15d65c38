import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";

for (const version of [3, 4, 5] as const) {
  Deno.test(`v${version}: publish at each QoS, retained, will`, async () => {
    await using broker = await TestBroker.start();
    const subscriber = await broker.connect({ version });
    assert.equal(await subscriber.subscribe("a/#", { qos: 2 }), 2);
    const publisher = await broker.connect({ version });
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish("a/b", `qos${qos}`, { qos });
      const message = await subscriber.receive();
      assert.equal(message.payload.toString(), `qos${qos}`);
      assert.equal(message.qos, qos);
    }
    await publisher.publish("r/x", "kept", { retain: true, qos: 1 });
    await subscriber.subscribe("r/+", { qos: 1 });
    const kept = await subscriber.receive();
    assert.equal(kept.retain, true);
    const dying = await broker.connect({
      version,
      will: { topic: "a/will", payload: "gone", qos: 1, retain: false } as never,
    });
    dying.close();
    assert.equal((await subscriber.receive()).payload.toString(), "gone");
    await subscriber.expectNothing();
    await publisher.disconnect();
  });
}
