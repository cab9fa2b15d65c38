/** A broker whose disk fills up: it goes on with what it has promised, takes nothing more, and recovers by itself. */
import assert from "node:assert/strict";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { TestBroker } from "../support/broker.ts";
import { DURABLE, durable } from "../support/departure.ts";
import { connectRefusal } from "../support/endings.ts";
import { body, delivery, retained, session } from "../contract/mutations.ts";
import { assertWhole } from "./folder.ts";
import { mounted, requiresMount, type SmallDisk } from "./small_disk.ts";

const QUOTA_EXCEEDED = 0x97;
const DISK_MIB = 40;
const PATIENCE_MS = 20_000;

async function startOn(disk: SmallDisk): Promise<TestBroker> {
  return await TestBroker.start({ store: await openDataFolder(`${disk.path}/data`, { sync: "off" }) });
}

const payload = (n: number) => new Uint8Array(100_000).fill(n % 256);

/** Publishes until the broker refuses; answers how many it took. */
async function publishUntilFull(broker: TestBroker, topic: string): Promise<number> {
  const publisher = await broker.connect();
  for (let n = 0; n < 1_000; n++) {
    const code = await publisher.publish(topic, payload(n), { qos: 1 });
    if (code === QUOTA_EXCEEDED) {
      publisher.close();
      return n;
    }
    assert.equal(code, 0);
  }
  throw new Error("The disk did not fill up");
}

/** Resolves when `isTrue` answers so; asks again and again. */
async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("What was waited for did not come to pass");
}

/** Takes and acknowledges `count` messages, which must be the first ones published. */
async function drain(broker: TestBroker, count: number): Promise<void> {
  const alice = await broker.connect(durable("alice"));
  for (let n = 0; n < count; n++) {
    const publish = await alice.receive();
    assert.equal((publish.payload as Uint8Array)[0], n % 256, `message ${n}`);
  }
  await alice.expectNothing();
  await alice.disconnect();
}

async function leaveSubscription(broker: TestBroker): Promise<void> {
  const alice = await broker.connect(durable("alice"));
  await alice.subscribe("q/#", { qos: 2 });
  await alice.disconnect(0);
}

Deno.test(requiresMount({
  name:
    "disk full: publishers are refused, subscribers drain, space that comes back is used, nothing is lost or half there",
  async fn() {
    using disk = mounted(DISK_MIB);
    let taken: number;
    {
      await using broker = await startOn(disk);
      await leaveSubscription(broker);
      taken = await publishUntilFull(broker, "q/a");
      assert.ok(taken > 50, `it took ${taken}`);
      const v5 = await broker.connect();
      assert.equal(await v5.publish("q/a", "x", { qos: 1 }), QUOTA_EXCEEDED);
      assert.equal(await v5.publish("q/a", "x", { qos: 2 }), QUOTA_EXCEEDED);
      assert.equal(await v5.publish("q/r", "x", { qos: 1, retain: true }), QUOTA_EXCEEDED);
      assert.equal(await v5.publish("live", "x"), 0, "QoS 0 needs no disk");
      const live = await broker.connect();
      await live.subscribe("live", { qos: 2 });
      for (const qos of [1, 2] as const) {
        assert.equal(await v5.publish("live", "x", { qos }), 0, "nor do messages between those who are there");
        assert.equal((await live.receive()).qos, qos);
      }
      assert.equal(await v5.publish("q/r", "", { qos: 1, retain: true }), QUOTA_EXCEEDED, "the sleeper would get it");
      assert.equal(await v5.publish("nobody", "", { qos: 1, retain: true }), 0x10, "to clear gives room");
      await v5.expectNothing();
      await drain(broker, taken);
      await eventually(async () => await v5.publish("q/a", payload(0), { qos: 1 }) === 0);
      await drain(broker, 1);
      taken = await publishUntilFull(broker, "q/b");
    }
    assertWhole(`${disk.path}/data/weir.db`);
    await using broker = await startOn(disk);
    await drain(broker, taken);
  },
}));

Deno.test(requiresMount({
  name:
    "disk full: a 3.1.1 publisher is cut, with QoS 1, QoS 2 or a retained message; retained messages with QoS 0 are dropped",
  async fn() {
    using disk = mounted(DISK_MIB);
    await using broker = await startOn(disk);
    await leaveSubscription(broker);
    await publishUntilFull(broker, "q/a");
    for (const options of [{ qos: 1 }, { qos: 2 }, { qos: 1, retain: true }] as const) { // "q/#" is the sleeper's
      const v3 = await broker.connect({ version: 4 });
      await v3.send({
        cmd: "publish",
        topic: "q/r",
        payload: "x",
        dup: false,
        retain: false,
        messageId: 7,
        ...options,
      });
      assert.equal(await v3.expectClosed(), undefined);
    }
    for (const version of [4, 5] as const) {
      const client = await broker.connect({ version });
      await client.publish("q/r", "x", { retain: true });
      await client.subscribe("q/r");
      await client.expectNothing(); // QoS 0 has no answer: dropped, neither retained nor passed on
    }
  },
}));

Deno.test(requiresMount({
  name: "disk full: new durable sessions and their subscriptions are refused, others are served",
  async fn() {
    using disk = mounted(DISK_MIB);
    await using broker = await startOn(disk);
    await leaveSubscription(broker);
    await publishUntilFull(broker, "q/a");
    const options = { clientId: "new", clean: true, properties: DURABLE };
    assert.equal(await connectRefusal(broker, options), QUOTA_EXCEEDED);
    const v3 = await broker.open(4);
    await v3.send(v3.connectPacket({ clientId: "new3", clean: false }));
    assert.equal((await v3.expect("connack")).returnCode, 3);
    const passing = await broker.connect({ clientId: "passing" });
    assert.equal(await passing.subscribe("live/#", { qos: 1 }), 1);
    const alice = await broker.connect(durable("alice"));
    await alice.send({ cmd: "subscribe", messageId: 500, subscriptions: [{ topic: "more", qos: 1 }] });
    for (;;) { // between the messages that wait for it
      const packet = await alice.next();
      assert.ok(packet !== undefined, "the connection ended");
      if (packet.cmd !== "suback") continue;
      assert.deepEqual(packet.granted, [QUOTA_EXCEEDED]);
      break;
    }
  },
}));

Deno.test(requiresMount({
  name: "disk full: taken by others, it is noticed, and used again when it is given back",
  async fn() {
    using disk = mounted(DISK_MIB);
    await using broker = await startOn(disk);
    await leaveSubscription(broker);
    disk.fill();
    const taken = await publishUntilFull(broker, "q/a");
    const publisher = await broker.connect();
    assert.equal(await publisher.publish("q/a", payload(taken), { qos: 1 }), QUOTA_EXCEEDED);
    disk.empty();
    await eventually(async () => await publisher.publish("q/a", payload(taken), { qos: 1 }) === 0);
    await drain(broker, taken + 1);
  },
}));

Deno.test(requiresMount({
  name:
    "disk full: a start on a disk that others have filled throws off its ballast, and takes nothing new until there is room",
  async fn() {
    using disk = mounted(DISK_MIB);
    let taken = 0;
    {
      await using broker = await startOn(disk);
      await leaveSubscription(broker);
      const publisher = await broker.connect();
      for (; taken < 10; taken++) assert.equal(await publisher.publish("q/a", payload(taken), { qos: 1 }), 0);
    }
    disk.fill();
    {
      await using broker = await startOn(disk);
      const publisher = await broker.connect();
      await eventually(async () => await publisher.publish("r", "x", { qos: 1, retain: true }) === QUOTA_EXCEEDED);
      await drain(broker, taken);
      disk.empty();
      await eventually(async () => await publisher.publish("q/a", payload(0), { qos: 1 }) === 0);
      await drain(broker, 1);
    }
    assertWhole(`${disk.path}/data/weir.db`);
  },
}));

Deno.test(requiresMount({
  name: "disk full: a start with nothing left at all is refused in words, and the next one with room is whole",
  async fn() {
    using disk = mounted(DISK_MIB);
    const path = `${disk.path}/weir.db`;
    const options = { sync: "off", ballastBytes: 0 } as const;
    const store = SqliteStore.open(path, options);
    store.commit([session("alice")]);
    await store.close();
    disk.fill();
    assert.throws(
      () => SqliteStore.open(path, options),
      /^DataFolderError: Cannot use .*weir\.db: .*Is there space left on its disk\?$/,
    );
    disk.empty();
    const again = SqliteStore.open(path, options);
    assert.equal((await again.load()).sessions.length, 1);
    await again.close();
  },
}));

Deno.test(requiresMount({
  name: "disk full: a commit that does not fit even without ballast leaves the database as it was",
  fn() {
    using disk = mounted(8);
    const path = `${disk.path}/weir.db`;
    const store = SqliteStore.open(path, { sync: "off", ballastBytes: 2 * 1024 * 1024 });
    store.commit([session("alice"), body(1), delivery("alice", 1, 1)]);
    assert.equal(store.isFull, false);
    const large = body(2, { payload: new Uint8Array(20 * 1024 * 1024) });
    assert.throws(() => store.commit([large, delivery("alice", 2, 2), retained("a", 2)]), /database or disk is full/);
    assert.equal(store.isFull, true);
    assert.deepEqual(
      store.page({ clientId: "alice", after: 0, limit: 9, bytesMax: 1e6 }).deliveries.map(({ sequence }) => sequence),
      [
        1,
      ],
    );
    store.commit([body(3), delivery("alice", 3, 3)]);
    store.maintain();
    assert.equal(store.isFull, false, "there is room for the ballast again");
    void store.close();
    assertWhole(path);
  },
}));
