/** Durable queues on a disk that fills up. */
import assert from "node:assert/strict";
import { WeirBroker } from "../../mod.ts";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { mounted, requiresMount } from "../store/small_disk.ts";

const PAYLOAD = new Uint8Array(100_000).fill(7);

/** Appends until the broker refuses for want of room; answers how many it took. */
async function fill(broker: WeirBroker): Promise<number> {
  for (let count = 0; count < 1_000; count++) {
    try {
      await broker.publish({ topic: "$queue/tasks", payload: PAYLOAD, qos: 1 });
    } catch (error) {
      assert.match(String(error), /storage is full/);
      return count;
    }
  }
  throw new Error("The disk did not fill up");
}

Deno.test(requiresMount({
  name: "disk full: a queue takes nothing more, is worked off, and takes messages again",
  async fn() {
    using disk = mounted(40);
    const store = await openDataFolder(`${disk.path}/data`, { sync: "off" });
    await using broker = await WeirBroker.start({ sysIntervalMs: 0, store });
    await broker.queues.create({ name: "tasks", partitions: 1 });
    const taken = await fill(broker);
    assert.ok(taken > 50, `it took ${taken}`);
    assert.equal(broker.queues.get("tasks")!.stored.count, taken, "nothing is half there");
    using reader = broker.queues.consume("tasks", { group: "g" });
    for (let n = 0; n < taken; n++) {
      const { value } = await reader.next();
      assert.equal(value!.offset, n);
      assert.equal(value!.payload.length, PAYLOAD.length);
      await value!.ack();
    }
    const isWaiting = () => store.isFull || broker.queues.get("tasks")!.stored.count > 0;
    const patience = Date.now() + 20_000;
    while (isWaiting() && Date.now() < patience) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!isWaiting(), "the space of what is done with comes back");
    let again = 0; // what lies free in the file goes back to the disk bit by bit
    while (again < taken / 2 && Date.now() < patience) {
      again += await fill(broker);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(again >= taken / 2, `it took ${taken}, then ${again}`);
  },
}));
