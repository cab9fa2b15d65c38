import assert from "node:assert/strict";
import { type BrokerOptions, MemoryStore, WeirBroker } from "../../mod.ts";
import { RawHttp } from "../http/raw.ts";
import { TestBroker } from "../support/broker.ts";
import { TestClient } from "../support/client.ts";
import { inTime, nextText, until } from "./waiting.ts";

/** A store that counts how often it is closed. */
class ClosableStore extends MemoryStore {
  closed = 0;
  override close(): Promise<void> {
    this.closed++;
    return super.close();
  }
}

Deno.test("a broker that was never used leaves nothing behind", async () => {
  const broker = await WeirBroker.start();
  await broker.stop();
  await broker.finished;
});

Deno.test("await using stops the broker", async () => {
  const store = new ClosableStore();
  let finished: Promise<void>;
  {
    await using broker = await WeirBroker.start({ store });
    broker.listen({ port: 0 });
    finished = broker.finished;
  }
  await finished;
  assert.equal(store.closed, 1);
});

Deno.test("stop is idempotent: the store is closed once, and every call waits for the same end", async () => {
  const store = new ClosableStore();
  const broker = await WeirBroker.start({ store, sysIntervalMs: 0 });
  await Promise.all([broker.stop(), broker.stop()]);
  await broker.stop();
  assert.equal(store.closed, 1);
});

Deno.test("a store that cannot be closed: stop and finished say so, and settle", async () => {
  const why = new Error("the disk has gone");
  const closes: (() => Promise<void>)[] = [() => Promise.reject(why), () => {
    throw why;
  }];
  for (const close of closes) {
    const store = new MemoryStore();
    store.close = close;
    const broker = await WeirBroker.start({ store, sysIntervalMs: 0 });
    const ends = await inTime(Promise.allSettled([broker.stop(), broker.stop(), broker.finished]), "the end");
    for (const end of ends) {
      assert.ok(end.status === "rejected");
      assert.match(end.reason.message, /could not be closed/);
      assert.equal(end.reason.cause, why);
    }
  }
});

Deno.test("limits that contradict each other stop the start", async () => {
  const cases: [BrokerOptions["limits"], RegExp][] = [
    [{ inflightMax: 0 }, /inflightMax to 0.*between 1 and 65535/],
    [{ sessionExpirySecondsMax: 10, sessionExpirySecondsV3: 20 }, /20 s.*10 s/],
  ];
  for (const [limits, message] of cases) {
    await assert.rejects(WeirBroker.start({ limits }), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("listen on port 0 answers where it listens, on loopback", async () => {
  await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const address = broker.listen({ port: 0 });
  assert.equal(address.name, "tcp");
  assert.equal(address.hostname, "127.0.0.1");
  assert.ok(address.port > 0);
  const other = broker.listen({ port: 0, name: "second" });
  assert.equal(other.name, "second");
  assert.notEqual(other.port, address.port);
  for (const { port } of [address, other]) {
    const client = await TestClient.open(port, 5);
    await client.connect();
    await client.disconnect();
  }
});

Deno.test("listen on a port in use throws what the system says, and the broker lives on", async () => {
  await using broker = await TestBroker.start();
  assert.throws(() => broker.broker.listen({ port: broker.port }), Deno.errors.AddrInUse);
  await broker.connect();
});

Deno.test("two brokers in one process know nothing of each other", async () => {
  await using one = await TestBroker.start();
  await using two = await TestBroker.start();
  const [first, second] = [await one.connect({ clientId: "same" }), await two.connect({ clientId: "same" })];
  await first.subscribe("a/#", { qos: 1 });
  await second.subscribe("a/#", { qos: 1 });
  await one.broker.publish({ topic: "a/1", payload: "one", qos: 1, retain: true });
  assert.equal((await first.receive()).payload.toString(), "one");
  await second.expectNothing();
  second.close();
  await two.broker.stop();
  await one.broker.publish({ topic: "a/2", payload: "still here" });
  assert.equal((await first.receive()).payload.toString(), "still here");
});

Deno.test("a listener speaks the versions that it is told to", async () => {
  await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const { port } = broker.listen({ port: 0, protocol: "v5" });
  const client = await TestClient.open(port, 4);
  await client.send(client.connectPacket());
  assert.equal((await client.expect("connack")).returnCode, 1);
  await client.expectClosed();
  client.close();
});

Deno.test("one connection too many on a listener is closed, and there is room again when one goes", async () => {
  await using broker = await TestBroker.start({ listen: { connectionsMax: 1 } });
  const first = await broker.connect();
  const second = await broker.open();
  assert.equal(await second.expectClosed(), undefined);
  await first.disconnect();
  // The broker learns that the client has closed its end a moment after the client does.
  await until(async () => {
    const client = await broker.open();
    await client.send(client.connectPacket());
    return (await client.next())?.cmd === "connack";
  }, "room for another connection");
});

Deno.test("stop tells v5 clients 0x8B and closes v3 without a word", async () => {
  for (const version of [5, 4, 3] as const) {
    await using broker = await TestBroker.start();
    const client = await broker.connect({ version });
    const stopped = broker.broker.stop();
    assert.equal(await client.expectClosed(), version === 5 ? 0x8b : undefined, `v${version}`);
    client.close();
    await inTime(stopped, "stop");
  }
});

Deno.test("stop does not wait longer than its timeout for a client that stays", async () => {
  await using broker = await TestBroker.start({ shutdownTimeoutMs: 50 });
  const client = await broker.connect();
  const startedAt = performance.now();
  await inTime(broker.broker.stop(), "stop");
  assert.ok(performance.now() - startedAt < 4_000);
  assert.equal(await client.expectClosed(), 0x8b);
});

Deno.test("stop has one timeout, however its clients are connected", async () => {
  await using broker = await TestBroker.start({ shutdownTimeoutMs: 1_000 });
  const { port } = await broker.broker.listenHttp({ port: 0 });
  using http = await RawHttp.open(port);
  await http.write("PUT /topics/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  assert.match(await http.read((answer) => answer.endsWith("\r\n\r\n")), /^HTTP\/1.1 100 /); // it waits for the body
  await broker.connect();
  const startedAt = performance.now();
  await inTime(broker.broker.stop(), "stop");
  const ms = performance.now() - startedAt;
  assert.ok(ms < 1_800, `${ms} ms`);
});

Deno.test("stop ends while an authenticator keeps a client waiting", async () => {
  const asked = Promise.withResolvers<void>();
  const verdict = Promise.withResolvers<{ refusal: "not-authorized"; reason: string }>();
  const authenticator = {
    authenticate() {
      asked.resolve();
      return verdict.promise;
    },
  };
  await using broker = await TestBroker.start({ authenticator, shutdownTimeoutMs: 50 });
  const client = await broker.open();
  await client.send(client.connectPacket());
  await asked.promise;
  try {
    await inTime(broker.broker.stop(), "stop", 2_000);
  } finally {
    verdict.resolve({ refusal: "not-authorized", reason: "too late" });
  }
});

Deno.test("stop frees the port", async () => {
  const first = await WeirBroker.start({ sysIntervalMs: 0 });
  const { port } = first.listen({ port: 0 });
  await first.stop();
  await using second = await WeirBroker.start({ sysIntervalMs: 0 });
  assert.equal(second.listen({ port }).port, port);
});

Deno.test("stop ends the subscriptions and the streams of happenings", async () => {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const happenings = broker.happenings().getReader();
  const messages = broker.subscribe("#").getReader();
  assert.equal((await inTime(happenings.read(), "a happening")).value?.kind, "subscribed");
  await broker.publish({ topic: "a", payload: "last" });
  await broker.stop();
  assert.equal(await nextText(messages), "last"); // what was received is still read
  assert.equal((await inTime(messages.read(), "the end")).done, true);
  assert.equal((await inTime(happenings.read(), "a happening")).value?.kind, "unsubscribed");
  assert.equal((await inTime(happenings.read(), "the end")).done, true);
});

Deno.test("a stopped broker does nothing more, and says so", async () => {
  const store = new ClosableStore();
  const broker = await WeirBroker.start({ store, sysIntervalMs: 0 });
  await broker.stop();
  const commit = store.commit.bind(store);
  let commits = 0;
  store.commit = (mutations) => {
    commits++;
    commit(mutations);
  };
  await assert.rejects(broker.publish({ topic: "a", payload: "b", qos: 1, retain: true }), /stopped/i);
  assert.equal(commits, 0, "a store was written to after its close");
  assert.throws(() => broker.subscribe("a"), /stopped/i);
  assert.throws(() => broker.queues, /Cannot use durable queues: the broker has stopped/);
});

Deno.test("a stopped broker opens no listener", async () => {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  await broker.stop();
  assert.throws(() => broker.listen({ port: 0 }), /stopped/i);
});

Deno.test("a listener that is being opened when the broker stops does not stay open", async () => {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  const opened = broker.listenHttp({ port: 0 });
  const [listening, stopped] = await inTime(Promise.allSettled([opened, broker.stop()]), "the stop");
  assert.equal(stopped.status, "fulfilled");
  assert.ok(listening.status === "rejected");
  assert.match(listening.reason.message, /Cannot listen: the broker has stopped/);
});

Deno.test("a stopped broker serves no connection", async () => {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  await broker.stop();
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const served = Promise.resolve().then(() => broker.accept({ readable: up.readable, writable: down.writable }));
  await assert.rejects(inTime(served, "the end of the connection", 1_000), /stopped/i);
});
