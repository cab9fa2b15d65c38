/** A store that takes its time with a page of a long queue, answers a short one, or fails. */
import assert from "node:assert/strict";
import { MemoryStore, type PageRequest, type Store, type StoredPage } from "../../mod.ts";
import type { Limits } from "../../src/core/limits.ts";
import { TestBroker } from "../support/broker.ts";
import { durable } from "../support/departure.ts";
import { inTime, turns, until } from "./waiting.ts";

/** What fills the window of a queue in two messages. */
const LARGE = new Uint8Array(2.1 * 1024 * 1024);

/** A store whose pages come when the test says so. */
class PageStore extends MemoryStore {
  /** Requests that wait, oldest first; each answers what it is told to. */
  readonly pending: { readonly request: PageRequest; readonly answer: PromiseWithResolvers<StoredPage> }[] = [];
  /** Pages come at once while this is true, and are of one delivery each. */
  isFast = false;

  override page(request: PageRequest): StoredPage {
    if (this.isFast) return super.page({ ...request, limit: 1 });
    const answer = Promise.withResolvers<StoredPage>();
    this.pending.push({ request, answer });
    return answer.promise as never; // `page` of a Store may answer a promise
  }

  /** Answers the oldest request, when it comes; what it asked for is looked up now. */
  async answer(): Promise<void> {
    await until(() => this.pending.length > 0, "a page is asked for");
    const { request, answer } = this.pending.shift()!;
    answer.resolve(super.page(request));
  }
}

interface Scene extends AsyncDisposable {
  readonly broker: TestBroker;
  readonly store: PageStore;
  publish(payload: string | Uint8Array): Promise<void>;
}

/** A broker with an offline session whose queue has two messages in memory and the letters in the store. */
async function start(letters: string, limits: Partial<Limits> = {}): Promise<Scene> {
  const store = new PageStore();
  const broker = await TestBroker.start({
    store: store as Store,
    limits,
    protocol: { packetBytesMax: 4 * 1024 * 1024 },
  });
  const alice = await broker.connect(durable("alice"));
  await alice.subscribe("a", { qos: 1 });
  await alice.disconnect();
  const publish = async (payload: string | Uint8Array) => {
    await broker.broker.publish({ topic: "a", payload, qos: 1 });
  };
  await publish(LARGE);
  await publish(LARGE);
  for (const letter of letters) await publish(letter);
  return { broker, store, publish, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
}

type Client = Awaited<ReturnType<TestBroker["connect"]>>;

/** The next messages, acknowledged; a large one is an `L`. */
async function read(client: Client, count: number): Promise<string> {
  let text = "";
  for (let i = 0; i < count; i++) {
    const { payload } = await client.receive();
    text += payload.length === LARGE.length ? "L" : payload.toString();
  }
  return text;
}

Deno.test("while a page is late, others are served, and what is published comes behind it", async () => {
  await using scene = await start("xy");
  const { broker, store, publish } = scene;
  const alice = await broker.connect(durable("alice"));
  assert.equal(await read(alice, 2), "LL");
  await until(() => store.pending.length === 1, "a page is asked for");
  await publish("z");
  await alice.expectNothing();
  const other = await broker.connect();
  assert.equal(await other.publish("b", "1", { qos: 1 }), 0x10);
  assert.equal(await other.publish("a", "!", { qos: 1 }), 0);
  await store.answer();
  assert.equal(await read(alice, 4), "xyz!");
  await alice.expectNothing();
  await publish("?");
  assert.equal(await read(alice, 1), "?", "from now on without the store");
  assert.equal(store.pending.length, 0);
});

Deno.test("pages of one delivery each are no end of the queue", async () => {
  await using scene = await start("abcdefghij");
  scene.store.isFast = true;
  const alice = await scene.broker.connect(durable("alice"));
  assert.equal(await read(alice, 12), "LLabcdefghij");
  await alice.expectNothing();
});

Deno.test("a queue that others have left no memory gets on, all of it from the store", async () => {
  await using scene = await start("");
  const { broker, store } = scene;
  for (let i = 0; i < 16; i++) {
    const sleeper = await broker.connect(durable(`sleeper-${i}`));
    await sleeper.subscribe(`s/${i}`, { qos: 1 });
    await sleeper.disconnect();
    for (let n = 0; n < 2; n++) await broker.broker.publish({ topic: `s/${i}`, payload: LARGE, qos: 1 });
  }
  const bob = await broker.connect(durable("bob", { properties: { receiveMaximum: 1 } }));
  await bob.subscribe("b", { qos: 1 });
  const publish = (payload: string) => broker.broker.publish({ topic: "b", payload, qos: 1 });
  for (const letter of "abc") await publish(letter);
  const first = await bob.receive({ acknowledge: false });
  await bob.send({ cmd: "puback", messageId: first.messageId });
  await store.answer(); // the second is asked for, since it is not in memory
  assert.equal(await read(bob, 2), "bc");
  await bob.disconnect();
  for (const letter of "def") await publish(letter);
  store.isFast = true;
  const back = await broker.connect(durable("bob"));
  assert.equal(await read(back, 3), "def");
  const sleeper = await broker.connect(durable("sleeper-0"));
  assert.equal(await read(sleeper, 2), "LL");
  for (const client of [back, sleeper]) await client.expectNothing();
});

Deno.test("a client that leaves and comes back while a page is late gets each message once, in order", async () => {
  await using scene = await start("xy");
  const { broker, store } = scene;
  const before = await broker.connect(durable("alice"));
  assert.equal(await read(before, 2), "LL");
  await until(() => store.pending.length === 1, "a page is asked for");
  await before.disconnect();
  const alice = await broker.connect(durable("alice"));
  await alice.expectNothing();
  assert.equal(store.pending.length, 1, "it is asked for once");
  await store.answer();
  assert.equal(await read(alice, 2), "xy");
  await alice.expectNothing();
});

Deno.test("a page that comes when its session has ended goes to nobody", async () => {
  await using scene = await start("xy");
  const { broker, store, publish } = scene;
  const before = await broker.connect(durable("alice"));
  assert.equal(await read(before, 2), "LL");
  await until(() => store.pending.length === 1, "a page is asked for");
  const [{ request, answer }] = store.pending.splice(0);
  const page = MemoryStore.prototype.page.call(store, request);
  assert.equal(page.deliveries.length, 2);
  const alice = await broker.connect({ ...durable("alice"), clean: true });
  await alice.subscribe("a", { qos: 1 });
  answer.resolve(page);
  await turns();
  await publish("new");
  assert.equal(await read(alice, 1), "new");
  await alice.expectNothing();
});

Deno.test("a queue that overflows while its oldest are in the store drops those, not the newest", async () => {
  await using scene = await start("abc", { queuedMessagesMax: 5 });
  const { broker, store, publish } = scene;
  for (const letter of "def") await publish(letter); // LL and one of those that the store has
  await until(() => store.pending.length === 1, "a page is asked for");
  await publish("g");
  await store.answer();
  await turns();
  const alice = await broker.connect(durable("alice"));
  assert.equal(await read(alice, 5), "cdefg");
  await alice.expectNothing();
  assert.equal(store.pending.length, 0);
});

for (const how of ["throws", "rejects"] as const) {
  Deno.test(`a page that ${how} stops the broker: clients are cut, finished rejects with the cause`, async () => {
    await using scene = await start("xy");
    const { broker, store } = scene;
    const cause = new Error("disk I/O error");
    store.page = how === "throws"
      ? () => {
        throw cause;
      }
      : () => Promise.reject(cause) as never;
    const alice = await broker.connect(durable("alice"));
    const [finished] = await Promise.all([
      inTime(
        assert.rejects(broker.broker.finished, (error: Error) => {
          assert.match(error.message, /store failed/i);
          assert.equal(error.cause, cause);
          return true;
        }),
        "finished",
      ),
      read(alice, 2).catch(() => ""),
    ]);
    assert.equal(finished, undefined);
    while (await alice.next() !== undefined);
    await assert.rejects(broker.broker.publish({ topic: "a", payload: "x", qos: 1 }), /store failed/i);
  });
}
