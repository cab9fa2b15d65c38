import assert from "node:assert/strict";
import fc from "fast-check";
import { Delivery } from "../../src/core/delivery.ts";
import {
  DeliveryQueue,
  QUEUE_WINDOW_MESSAGES,
  QUEUE_WINDOWS_BYTES,
  WindowTotal,
} from "../../src/core/delivery_queue.ts";
import type { QoS } from "../../src/core/message.ts";
import { messageOf } from "./building.ts";

function deliveryOf(options: { qos: QoS; isReplay: boolean; payload: string }): Delivery {
  const message = messageOf("t", { qos: options.qos, payload: options.payload });
  const delivery = new Delivery(message, { qos: options.qos, retain: false, subscriptionIds: null, group: null });
  delivery.isReplay = options.isReplay;
  return delivery;
}

const anyDelivery = fc.record({
  qos: fc.constantFrom<QoS>(0, 1, 2),
  isReplay: fc.boolean(),
  payload: fc.constantFrom("", "a", "bb", "cccc"),
});

const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("push" as const), delivery: anyDelivery }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("shift" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("evict" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("take" as const), qos: fc.constantFrom<QoS>(0, 1, 2) }) },
);

type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

function run(step: Step, queue: DeliveryQueue, model: Delivery[]): void {
  switch (step.kind) {
    case "push": {
      const delivery = deliveryOf(step.delivery);
      queue.push(delivery);
      model.push(delivery);
      return;
    }
    case "shift":
      assert.equal(queue.peek(), model[0]);
      assert.equal(queue.shift(), model.shift());
      return;
    case "evict": {
      const index = model.findIndex(({ isReplay }) => !isReplay);
      assert.equal(queue.evictOldest(), index < 0 ? undefined : model.splice(index, 1)[0]);
      return;
    }
    case "take": {
      const taken = model.filter(({ qos }) => qos === step.qos);
      model.splice(0, model.length, ...model.filter(({ qos }) => qos !== step.qos));
      assert.deepEqual(queue.take(({ qos }) => qos === step.qos), taken);
    }
  }
}

function holds(queue: DeliveryQueue, model: readonly Delivery[]): void {
  const counted = model.filter(({ isReplay }) => !isReplay);
  assert.equal(queue.length, model.length);
  assert.equal(queue.count, counted.length);
  assert.equal(queue.bytes, counted.reduce((sum, { message }) => sum + message.size, 0));
  assert.equal(queue.holdsQos0, model.some(({ qos }) => qos === 0));
  assert.equal(queue.peek(), model[0]);
  assert.deepEqual([...queue], model);
}

Deno.test("a queue is an array, first in, first out, and counts what is not a replay", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 300, size: "max" }), (steps) => {
      const queue = new DeliveryQueue(new WindowTotal());
      const model: Delivery[] = [];
      for (const step of steps) {
        run(step, queue, model);
        holds(queue, model);
      }
      while (model.length > 0) run({ kind: "shift" }, queue, model);
      holds(queue, []);
    }),
    { numRuns: 100 },
  );
});

Deno.test("a long queue is emptied at constant cost, and gives back what has passed", () => {
  const queue = new DeliveryQueue(new WindowTotal());
  const delivery = deliveryOf({ qos: 1, isReplay: false, payload: "x" });
  for (let i = 0; i < 300_000; i++) queue.push(delivery);
  for (let i = 0; i < 300_000; i++) assert.ok(queue.shift());
  assert.equal(queue.shift(), undefined);
  assert.equal(queue.length, 0);
});

/** A stored delivery. */
function storedOf(sequence: number, payload = "x"): Delivery {
  const delivery = deliveryOf({ qos: 1, isReplay: false, payload });
  delivery.sequence = sequence;
  return delivery;
}

Deno.test("what does not fit into memory is counted and comes back in its place", () => {
  const queue = new DeliveryQueue(new WindowTotal());
  const total = QUEUE_WINDOW_MESSAGES + 700;
  for (let sequence = 1; sequence <= total; sequence++) {
    if (queue.isWindowFull) queue.spill(storedOf(sequence));
    else queue.push(storedOf(sequence));
  }
  assert.deepEqual([queue.length, queue.count, queue.inMemory], [total, total, QUEUE_WINDOW_MESSAGES]);
  assert.equal(queue.bytes, total * storedOf(1).message.size);
  const taken: number[] = [];
  while (queue.length > 0) {
    if (queue.wantsRefill) {
      assert.equal(queue.lastSequence, taken.length + queue.inMemory);
      const from = queue.lastSequence + 1;
      const count = Math.min(500, total - queue.lastSequence);
      queue.refill(Array.from({ length: count }, (_, i) => storedOf(from + i)));
    }
    taken.push(queue.shift()!.sequence);
  }
  assert.deepEqual(taken, Array.from({ length: total }, (_, i) => i + 1));
  assert.deepEqual([queue.count, queue.bytes, queue.spilledCount], [0, 0, 0]);
});

Deno.test("once something is spilled, everything stored is, until it has come back: nothing overtakes", () => {
  const queue = new DeliveryQueue(new WindowTotal());
  const large = "x".repeat(5 * 1024 * 1024);
  queue.push(storedOf(1, large));
  assert.ok(queue.isWindowFull, "bytes fill the window, too");
  queue.spill(storedOf(2));
  queue.shift();
  assert.ok(queue.isWindowFull);
  queue.refill([storedOf(2)]);
  assert.ok(!queue.isWindowFull);
});

Deno.test("when the windows of all queues are full together, a queue spills from its first delivery on and asks when it has none", () => {
  const windows = new WindowTotal();
  const [others, queue] = [new DeliveryQueue(windows), new DeliveryQueue(windows)];
  queue.push(storedOf(1));
  assert.ok(!queue.isWindowFull);
  for (let sequence = 2; !windows.isFull; sequence++) others.push(storedOf(sequence, "x".repeat(1024 * 1024)));
  assert.ok(others.inMemory <= QUEUE_WINDOWS_BYTES / (1024 * 1024), `${others.inMemory} of a MiB`);
  assert.ok(queue.isWindowFull);
  const large = queue.pageSize.bytesMax;
  queue.spill(storedOf(1000));
  assert.ok(!queue.wantsRefill, "it has one yet");
  queue.shift();
  assert.ok(queue.wantsRefill, "or it would never get on");
  others.shift();
  assert.ok(queue.pageSize.bytesMax > large, "with room, the pages are larger");
  others.discard();
  assert.ok(!windows.isFull);
  queue.refill([storedOf(1000)]);
  assert.ok(!queue.isWindowFull);
});

Deno.test("what is not stored counts for no other queue", () => {
  const windows = new WindowTotal();
  const queue = new DeliveryQueue(windows);
  for (let i = 0; i < 70; i++) queue.push(deliveryOf({ qos: 1, isReplay: false, payload: "x".repeat(1024 * 1024) }));
  assert.ok(!windows.isFull);
});

Deno.test("a short page is no end, an empty one is", () => {
  const queue = new DeliveryQueue(new WindowTotal());
  for (let sequence = 1; sequence <= 3; sequence++) queue.spill(storedOf(sequence));
  queue.refill([storedOf(1)]);
  assert.deepEqual([queue.inMemory, queue.spilledCount, queue.wantsRefill], [1, 2, true]);
  queue.refill([]);
  assert.deepEqual([queue.inMemory, queue.spilledCount, queue.wantsRefill], [1, 0, false]);
});
