import assert from "node:assert/strict";
import fc from "fast-check";
import { Delivery } from "../../src/core/delivery.ts";
import { Inflight } from "../../src/core/inflight.ts";
import { messageOf } from "./building.ts";

const message = messageOf("a");

function delivery(): Delivery {
  return new Delivery(message, { qos: 1, retain: false, subscriptionIds: null, group: null });
}

Deno.test("[MQTT-2.2.1-3] packet ids go from 1 to 65,535 and round again, past those in use", () => {
  const inflight = new Inflight();
  const held = delivery();
  assert.equal(inflight.add(held), 1);
  for (let id = 2; id <= 65_535; id++) {
    assert.equal(inflight.add(delivery()), id);
    inflight.delete(id);
  }
  assert.equal(inflight.add(delivery()), 2, "1 is still in use");
  assert.equal(inflight.get(1), held);
});

Deno.test("the last free id is found", () => {
  const inflight = new Inflight();
  for (let id = 1; id <= 65_535; id++) inflight.add(delivery());
  inflight.delete(40_000);
  assert.equal(inflight.add(delivery()), 40_000);
  assert.equal(inflight.size, 65_535);
});

Deno.test("deliveries are listed in the order of sending, ids are unique", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat()), { maxLength: 200 }), (steps) => {
      const inflight = new Inflight();
      const model: Delivery[] = [];
      for (const step of steps) {
        if (step === null || model.length === 0) {
          const added = delivery();
          assert.equal(inflight.add(added), added.packetId);
          assert.ok(model.every(({ packetId }) => packetId !== added.packetId));
          model.push(added);
        } else {
          const [gone] = model.splice(step % model.length, 1);
          assert.ok(inflight.delete(gone.packetId));
          assert.ok(!inflight.delete(gone.packetId));
        }
        assert.equal(inflight.size, model.length);
      }
      assert.deepEqual([...inflight.values()], model);
    }),
  );
});

Deno.test("restored ids are in use, and new ones come after them", () => {
  const inflight = new Inflight();
  for (const packetId of [65_534, 65_535]) {
    const restored = delivery();
    restored.packetId = packetId;
    inflight.restore(restored);
  }
  assert.equal(inflight.add(delivery()), 1);
  assert.deepEqual([...inflight.values()].map(({ packetId }) => packetId), [65_534, 65_535, 1]);
});
