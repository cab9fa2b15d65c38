/** A broker whose memory storage has a bound: whoever fills it, no more is kept, what is there can be had, and then all is as before. */
import assert from "node:assert/strict";
import { MemoryStore } from "../../src/store/memory.ts";
import { sysValue } from "../hostile/witness.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { DURABLE, durable } from "../support/departure.ts";
import { connectRefusal } from "../support/endings.ts";
import { happening } from "./refused.ts";

const QUOTA_EXCEEDED = 0x97;
const LIMIT = 1024 * 1024;

/** So many messages of 20 KB are more than the limit. */
const TOO_MANY = 60;

const payload = (n: number) => new Uint8Array(20_000).fill(n);

/** A way to fill the storage. */
interface Way {
  /** What the nth message is published to. */
  readonly topic: (n: number) => string;
  readonly retain?: boolean;
  readonly keeps: "newest" | "oldest";
  prepare(broker: TestBroker): Promise<void>;
  /** Takes out all that is kept, `count` messages; answers their numbers. */
  drain(broker: TestBroker, count: number): Promise<number[]>;
}

const WAYS: Readonly<Record<string, Way>> = {
  "a session that is away": {
    topic: () => "t",
    keeps: "newest",
    async prepare(broker) {
      const alice = await broker.connect(durable("alice"));
      await alice.subscribe("t", { qos: 1 });
      await alice.disconnect();
    },
    async drain(broker, count) {
      const alice = await broker.connect(durable("alice"));
      const numbers = await take(alice, count);
      await alice.disconnect();
      return numbers;
    },
  },
  "a durable queue": {
    topic: () => "$queue/tasks",
    keeps: "oldest",
    async prepare(broker) {
      await broker.broker.queues.create({ name: "tasks", partitions: 1 });
    },
    async drain(broker, count) {
      const numbers: number[] = [];
      using reader = broker.broker.queues.consume("tasks", { group: "g" });
      for (let n = 0; n < count; n++) {
        const { value } = await reader.next();
        numbers.push(value!.payload[0]);
        await value!.ack();
      }
      return numbers;
    },
  },
  "retained messages": {
    topic: (n) => `r/${n}`,
    retain: true,
    keeps: "oldest",
    prepare: () => Promise.resolve(),
    async drain(broker, count) {
      const reader = await broker.connect();
      await reader.subscribe("r/#", { qos: 1 });
      const numbers = (await take(reader, count)).sort((a, b) => a - b);
      await reader.disconnect();
      const publisher = await broker.connect();
      for (const n of numbers) await publisher.publish(`r/${n}`, "", { qos: 1, retain: true });
      return numbers;
    },
  },
};

/** Takes and acknowledges `count` messages, and no more are there; answers their numbers. */
async function take(client: TestClient, count: number): Promise<number[]> {
  const numbers: number[] = [];
  while (numbers.length < count) numbers.push(((await client.receive()).payload as Uint8Array)[0]);
  await client.expectNothing();
  return numbers;
}

/** Publishes more than there is room for; answers how many are kept: the others, refused or not, are told as dropped. */
async function fill(broker: TestBroker, { topic, retain = false }: Way): Promise<number> {
  let lost = 0;
  const unwatch = broker.broker.watch(({ kind }) => void (kind === "message-dropped" && lost++));
  const publisher = await broker.connect();
  for (let n = 0; n < TOO_MANY; n++) {
    await publisher.publish(topic(n), payload(n), { qos: 1, retain });
  }
  await publisher.disconnect();
  unwatch();
  return TOO_MANY - lost;
}

for (const [name, way] of Object.entries(WAYS)) {
  Deno.test(`memory limit: filled by ${name}, no more is kept, what is there can be had, and then as much is kept again`, async () => {
    const store = new MemoryStore({ bytesMax: LIMIT });
    await using broker = await TestBroker.start({ store, sysIntervalMs: 50 });
    await way.prepare(broker);
    const told = [happening(broker, "store-full"), happening(broker, "store-has-room")];
    const kept = await fill(broker, way);
    assert.ok(kept > 40 && kept < 50, `${kept} times 20 KB of 1 MiB`);
    await assertIsFull(broker, store);
    const numbers = Array.from({ length: TOO_MANY }, (_, n) => n);
    const expected = way.keeps === "oldest" ? numbers.slice(0, kept) : numbers.slice(-kept);
    assert.deepEqual(await way.drain(broker, kept), expected);
    for (const each of told) assert.equal((await each).length, 1);
    await sysValue(broker, "storage/full", (value) => value === 0);
    const again = await fill(broker, way);
    assert.ok(again >= kept - 1, `${again} after ${kept}: all but the group that a queue has now`);
  });
}

/** Whatever is asked for, the store keeps no more than before; who asks for nothing that is kept is served. */
async function assertIsFull(broker: TestBroker, store: MemoryStore): Promise<void> {
  await sysValue(broker, "storage/full", (value) => value === 1);
  const { bytes } = store;
  assert.ok(bytes > LIMIT * 0.9 && bytes < LIMIT, `${bytes}`);
  await sysValue(broker, "storage/bytes", (value) => value === bytes);
  const client = await broker.connect();
  for (const qos of [1, 2] as const) {
    assert.equal(await client.publish("$queue/tasks", "x", { qos }), QUOTA_EXCEEDED);
    assert.equal(await client.publish("r/new", "x", { qos, retain: true }), 0x10);
  }
  assert.equal(await connectRefusal(broker, { clientId: "new", properties: DURABLE }), QUOTA_EXCEEDED);
  for (let n = 0; n < 3; n++) {
    const dying = await broker.connect({
      will: { topic: `w/${n}`, payload: Buffer.from("gone"), qos: 1, retain: true },
    });
    const dropped = happening(broker, "message-dropped");
    dying.close();
    assert.equal((await dropped)[0].cause, "retained-limit");
  }
  const live = await broker.connect();
  await live.subscribe("live", { qos: 1 });
  assert.equal(await client.publish("live", "x", { qos: 1, retain: true }), 0);
  assert.equal((await live.receive()).payload.toString(), "x");
  assert.equal(store.bytes, bytes);
}

Deno.test("memory limit: kept sessions that do not acknowledge fill the reserve and no more; what is for them is refused then", async () => {
  const store = new MemoryStore({ bytesMax: LIMIT });
  await using broker = await TestBroker.start({ store });
  const slow = await broker.connect(durable("slow"));
  await slow.subscribe("t", { qos: 1 });
  const publisher = await broker.connect();
  let taken = 0;
  while (await publisher.publish("t", payload(taken), { qos: 1 }) === 0) taken++;
  assert.ok(store.bytes > LIMIT && store.bytes < LIMIT + 21_000, `${store.bytes}`);
  const v3 = await broker.connect({ version: 4 });
  await v3.send({ cmd: "publish", topic: "t", payload: "x", qos: 1, retain: false, dup: false, messageId: 7 });
  assert.equal(await v3.expectClosed(), undefined, "3.1.1 has no other answer");
  assert.equal((await take(slow, taken)).length, taken);
  assert.equal(await publisher.publish("t", payload(0), { qos: 1 }), 0);
});
