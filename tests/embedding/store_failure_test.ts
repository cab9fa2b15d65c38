import assert from "node:assert/strict";
import { MemoryStore, type Mutation, type Store, WeirBroker } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import { HandStore } from "./hand_store.ts";
import { inTime, Marker, turns } from "./waiting.ts";

const DISK_FULL = new Error("no space left on device");

/** Works until `isBroken`; then every commit fails, at once or a while later. */
class BreakableStore extends MemoryStore {
  isBroken = false;
  closed = 0;
  readonly #how: "throws" | "rejects";

  constructor(how: "throws" | "rejects") {
    super();
    this.#how = how;
  }

  override commit(mutations: readonly Mutation[]): void {
    if (!this.isBroken) return super.commit(mutations);
    if (this.#how === "throws") throw DISK_FULL;
    return Promise.reject(DISK_FULL) as never; // `commit` of a Store may answer a promise
  }

  override close(): Promise<void> {
    this.closed++;
    return super.close();
  }
}

async function start(
  how: "throws" | "rejects",
): Promise<{ broker: TestBroker; store: BreakableStore } & AsyncDisposable> {
  const store = new BreakableStore(how);
  const broker = await TestBroker.start({ store: store as Store });
  const sleeper = await broker.connect({ clientId: "sleeper", properties: { sessionExpiryInterval: 3600 } });
  await sleeper.subscribe("d/#", { qos: 2 });
  await sleeper.disconnect();
  return { broker, store, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
}

for (const how of ["throws", "rejects"] as const) {
  Deno.test(`a commit that ${how} stops the broker: nothing is acknowledged, finished rejects`, async () => {
    await using scene = await start(how);
    const { broker, store } = scene;
    const bystander = await broker.connect({ version: 4 });
    const publisher = await broker.connect();
    store.isBroken = true;
    await publisher.send({
      cmd: "publish",
      topic: "d/1",
      payload: "x",
      qos: 1,
      messageId: 1,
      dup: false,
      retain: false,
    });
    await assert.rejects(inTime(broker.broker.finished, "finished"), (error: Error) => {
      assert.match(error.message, /store failed/i);
      assert.equal(error.cause, DISK_FULL);
      return true;
    });
    const last = await publisher.next();
    assert.ok(last === undefined || last.cmd === "disconnect", `got ${last?.cmd}`);
    assert.equal(await bystander.expectClosed(), undefined);
    await assert.rejects(async () => {
      const late = await broker.open();
      await late.connect();
    });
  });

  Deno.test(`after a commit that ${how}, the program's publish rejects`, async () => {
    await using scene = await start(how);
    const { broker, store } = scene;
    store.isBroken = true;
    const published = broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 });
    await assert.rejects(inTime(published, "publish"), /store failed/i);
    await assert.rejects(
      inTime(broker.broker.publish({ topic: "d/2", payload: "x", qos: 1 }), "publish"),
      /store failed/i,
    );
  });

  Deno.test(`after a commit that ${how}, the store is closed and stop has nothing left to do`, async () => {
    await using scene = await start(how);
    const { broker, store } = scene;
    store.isBroken = true;
    await broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 }).catch(() => {});
    await assert.rejects(inTime(broker.broker.finished, "finished"));
    await inTime(broker.broker.stop(), "stop");
    assert.equal(store.closed, 1);
  });
}

Deno.test("a failed commit ends the program's streams", async () => {
  await using scene = await start("rejects");
  const { broker, store } = scene;
  const messages = broker.broker.subscribe("a").getReader();
  const happenings = broker.broker.happenings().getReader();
  store.isBroken = true;
  await broker.broker.publish({ topic: "d/1", payload: "x", qos: 1 }).catch(() => {});
  assert.equal((await inTime(messages.read(), "the end")).done, true);
  assert.equal((await inTime(happenings.read(), "the end")).done, true);
});

Deno.test("what waits behind a commit that fails is not acknowledged, either", async () => {
  const store = new HandStore();
  store.isFast = true;
  await using broker = await TestBroker.start({ store });
  using _released = store;
  const sleeper = await broker.connect({ clientId: "sleeper", properties: { sessionExpiryInterval: 3600 } });
  await sleeper.subscribe("d/#", { qos: 1 });
  await sleeper.disconnect();
  const marker = new Marker(broker.broker);
  store.isFast = false;
  const [first, second] = [await broker.connect(), await broker.connect()];
  await first.send({ cmd: "publish", topic: "d/1", payload: "x", qos: 1, messageId: 1, dup: false, retain: false });
  const commit = await store.nextCommit();
  await second.send({ cmd: "publish", topic: "d/2", payload: "x", qos: 1, messageId: 1, dup: false, retain: false });
  await marker.passed(second);
  commit.fail(DISK_FULL);
  await assert.rejects(inTime(broker.broker.finished, "finished"));
  for (const client of [first, second]) {
    const last = await client.next();
    assert.ok(last === undefined || last.cmd === "disconnect", `got ${last?.cmd}`);
  }
  await turns();
  assert.equal(store.pendingCount, 0, "nothing is committed after a failure");
});

Deno.test("a commit that fails while the broker stops: stop ends, finished rejects, the store is closed", async () => {
  const store = new HandStore();
  await using broker = await TestBroker.start({ store });
  using _released = store;
  const published = broker.broker.publish({ topic: "r", payload: "x", retain: true });
  published.catch(() => {});
  const commit = await store.nextCommit();
  const stopped = broker.broker.stop();
  await turns();
  commit.fail(DISK_FULL);
  await inTime(Promise.allSettled([stopped]), "stop");
  await assert.rejects(inTime(published, "publish"), /store failed/i);
  await assert.rejects(inTime(broker.broker.finished, "finished"), /store failed/i);
  assert.equal(store.isClosed, true);
});

Deno.test("a store that cannot be loaded stops the start, with its own error", async () => {
  const store = new MemoryStore();
  store.load = () => Promise.reject(new Error("the file is not a database"));
  await assert.rejects(WeirBroker.start({ store }), /not a database/);
});
