/** Durable queues over CoAP, with libcoap's client: what is handed over is stored before it is acknowledged, with all that can be said. */
import assert from "node:assert/strict";
import { MemoryStore, type Mutation, type Store, WeirBroker } from "../../mod.ts";
import { requires } from "../support/skip.ts";
import { coap, COAP_CLIENT, coapClient } from "./libcoap.ts";

/** A test with the queue `q` of one partition. */
function test(name: string, play: (broker: WeirBroker, uri: string) => Promise<void>): void {
  Deno.test(requires([COAP_CLIENT], {
    name: `libcoap: ${name}`,
    async fn() {
      await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
      const { port } = broker.listenCoap({ port: 0 });
      await broker.queues.create({ name: "q", partitions: 1 });
      await play(broker, `coap://127.0.0.1:${port}`);
    },
  }));
}

const DONE = { output: "", errors: "" };
const textOf = ({ payload }: { payload: Uint8Array }) => new TextDecoder().decode(payload);
const waiting = (broker: WeirBroker) => broker.queues.get("q")!.waiting.count;

test("what is posted to a queue is a message with routing key, partition key and content type", async (broker, uri) => {
  const query = "partition-key=line-7&message-key=1&content-type=a/b&expiry=60";
  assert.deepEqual(await coap("-m", "post", "-e", "21.5", `${uri}/ps/$queue/q/meter/7?${query}`), DONE);
  const message = (await broker.queues.consume("q", { group: "g" }).next()).value!;
  assert.deepEqual([textOf(message), message.topic, message.key], ["21.5", "$queue/q/meter/7", "line-7"]);
  assert.equal(message.contentType, "a/b");
  assert.deepEqual(message.userProperties, [["partition-key", "line-7"], ["message-key", "1"]]);
});

test("a message-key makes a second publish a repetition, which is acknowledged and not stored", async (broker, uri) => {
  for (const payload of ["a", "b"]) {
    assert.deepEqual(await coap("-m", "post", "-e", payload, `${uri}/ps/$queue/q?message-key=k`), DONE);
  }
  assert.equal(waiting(broker), 1);
});

test("a delayed message waits; of those that wait the highest priority comes first", async (broker, uri) => {
  await coap("-m", "post", "-e", "late", `${uri}/ps/$queue/q?delay=1h`);
  await coap("-m", "post", "-e", "low", `${uri}/mqtt/publish/$queue/q`);
  await coap("-m", "put", "-e", "high", `${uri}/ps/$queue/q?priority=9`);
  assert.deepEqual([waiting(broker), broker.queues.get("q")!.delayed.count], [3, 1]); // what is delayed counts against the depth
  using reader = broker.queues.consume("q", { group: "g" });
  assert.equal(textOf((await reader.next()).value!) + textOf((await reader.next()).value!), "highlow");
});

test("what a queue does not take is refused, and nothing is stored", async (broker, uri) => {
  const payload = "x".repeat(100); // the answer, with its reason, is no more than three times that
  const post = async (path: string) => (await coap("-m", "post", "-e", payload, `${uri}/ps/${path}`)).errors;
  assert.match(await post("$queue/q?delay=soon"), /^4\.00 Cannot use the property delay/);
  assert.match(await post("$queue/q?priority=10"), /^4\.00 Cannot use the property priority/);
  assert.match(await post("$queue/$x"), /^4\.00 /);
  assert.match(
    await post("$queue/q/$ack"),
    /^4\.00 Cannot ack by publishing here: use POST \/queues\/q\/ack over HTTP/,
  );
  await broker.queues.change({ name: "q", limits: { messages: 1 } });
  assert.equal(await post("$queue/q"), "");
  assert.match(await post("$queue/q"), /^5\.03 /);
  assert.equal(waiting(broker), 1);
});

test("a queue is neither observed, read nor cleared", async (broker, uri) => {
  await coap("-m", "post", "-e", "x", `${uri}/ps/$queue/q`);
  for (const method of [["get"], ["get", "-s", "5"], ["delete"]]) {
    assert.match((await coap("-m", ...method, `${uri}/ps/$queue/q`)).errors, /^4\.00/);
  }
  assert.equal(waiting(broker), 1);
});

/** Holds commits back until the test lets them go. */
class GateStore extends MemoryStore {
  readonly #asked = Promise.withResolvers<void>();
  readonly #open = Promise.withResolvers<void>();
  isHolding = false;

  override commit(mutations: readonly Mutation[]): void {
    if (!this.isHolding || mutations.length === 0) return super.commit(mutations);
    const kept = structuredClone(mutations);
    this.#asked.resolve();
    return this.#open.promise.then(() => super.commit(kept)) as never; // a Store may answer a promise
  }

  /** When there is something to commit. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  open(): void {
    this.#open.resolve();
  }
}

Deno.test(requires([COAP_CLIENT], {
  name: "libcoap: a message for a queue is acknowledged when it is stored, and not before",
  async fn() {
    const store = new GateStore();
    await using broker = await WeirBroker.start({ sysIntervalMs: 0, store: store as Store });
    const uri = `coap://127.0.0.1:${broker.listenCoap({ port: 0 }).port}`;
    await broker.queues.create({ name: "q" });
    store.isHolding = true;
    let isAnswered = false;
    await using client = coapClient(["-m", "post", "-e", "x", `${uri}/ps/$queue/q`]);
    const end = client.end().finally(() => isAnswered = true);
    await store.asked;
    await coap("-m", "get", `${uri}/health`); // is answered, so another answer could have been
    assert.equal(isAnswered, false);
    store.open();
    assert.deepEqual(await end, { code: 0, errors: "" });
    assert.equal(waiting(broker), 1);
  },
}));
