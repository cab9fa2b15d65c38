/** Rate limits over real sockets: slowed, refused or disconnected, and nobody else is. */
import assert from "node:assert/strict";
import { RawHttp, statusOf } from "../http/raw.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";

/** Slow enough that nothing comes back while a test runs. */
const FIVE = { perSecond: 0.01, burst: 5 };

async function outcomes(client: TestClient, count: number): Promise<number[]> {
  const codes: number[] = [];
  for (let i = 0; i < count; i++) codes.push(await client.publish("a", "x", { qos: (i % 2 + 1) as 1 | 2 }));
  return codes;
}

Deno.test("refuse: PUBACK and PUBREC 0x97, QoS 0 is dropped and counted, and the connection lives on", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { client: FIVE }, action: "refuse" } });
  const drops: string[] = [];
  broker.broker.watch((happening) => {
    if (happening.kind === "message-dropped") drops.push(happening.cause);
  });
  const client = await broker.connect();
  assert.deepEqual(await outcomes(client, 8), [16, 16, 16, 16, 16, 0x97, 0x97, 0x97]);
  await client.publish("a", "x");
  await client.expectNothing();
  assert.deepEqual(drops, Array(4).fill("rate-exceeded"));
  const other = await broker.connect();
  assert.deepEqual(await outcomes(other, 2), [16, 16]);
});

Deno.test("refuse: a 3.1.1 publisher that could not be told is disconnected, QoS 0 is dropped", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { client: FIVE }, action: "refuse" } });
  const client = await broker.connect({ version: 4 });
  for (let i = 0; i < 7; i++) await client.publish("a", "x");
  await client.expectNothing();
  await client.send({ cmd: "publish", topic: "a", payload: "x", qos: 1, messageId: 1, dup: false, retain: false });
  assert.equal(await client.next(), undefined);
});

Deno.test("disconnect: DISCONNECT 0x96", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { client: FIVE }, action: "disconnect" } });
  const client = await broker.connect();
  assert.equal((await outcomes(client, 5)).length, 5);
  await client.publish("a", "x");
  assert.equal(await client.expectClosed(), 0x96);
});

Deno.test("slow: everything is taken, at the rate, and the client's keep-alive bears it", async () => {
  const rate = { perSecond: 20, burst: 5 };
  await using broker = await TestBroker.start({ rateLimits: { message: { client: rate } } });
  const client = await broker.connect({ keepAlive: 1 });
  const started = performance.now();
  await Promise.all(
    Array.from(
      { length: 25 },
      (_, i) =>
        client.send({ cmd: "publish", topic: "a", payload: "x", qos: 1, messageId: i + 1, dup: false, retain: false }),
    ),
  );
  for (let i = 0; i < 25; i++) assert.equal((await client.expect("puback")).messageId, i + 1);
  const elapsed = performance.now() - started;
  assert.ok(elapsed >= 950, `20 more than the burst take a second, not ${elapsed} ms`);
  await client.expectNothing();
});

Deno.test("slow: a pause that is longer than the keep-alive does not end the connection, and a stop does not wait for it", async () => {
  const rate = { perSecond: 0.4, burst: 1 };
  await using broker = await TestBroker.start({ rateLimits: { message: { client: rate } } });
  const client = await broker.connect({ keepAlive: 1 });
  for (let id = 1; id <= 3; id++) {
    await client.send({ cmd: "publish", topic: "a", payload: "x", qos: 1, messageId: id, dup: false, retain: false });
  }
  assert.equal((await client.expect("puback")).messageId, 1);
  assert.equal((await client.expect("puback")).messageId, 2, "this one is owed: 2.5 s, more than 1.5 keep-alives");
  assert.equal((await client.expect("puback")).messageId, 3);
});

Deno.test("bytes: a client that sends much is refused, and many small messages are not", async () => {
  const rate = { perSecond: 1, burst: 2048 };
  await using broker = await TestBroker.start({ rateLimits: { bytes: { client: rate }, action: "refuse" } });
  const client = await broker.connect();
  for (let i = 0; i < 20; i++) assert.equal(await client.publish("a", "x", { qos: 1 }), 16);
  assert.equal(await client.publish("a", new Uint8Array(1500), { qos: 1 }), 16);
  assert.equal(await client.publish("a", new Uint8Array(1500), { qos: 1 }), 0x97);
});

Deno.test("subscribe: each filter counts, what is too much is 0x97 for the packet, and unsubscribing is free", async () => {
  await using broker = await TestBroker.start({ rateLimits: { subscribe: { client: FIVE }, action: "refuse" } });
  const client = await broker.connect();
  for (let i = 0; i < 5; i++) assert.equal(await client.subscribe(`a/${i}`), 0);
  assert.equal(await client.subscribe("a/5"), 0x97);
  assert.equal(await client.unsubscribe("a/0"), 0);
  const old = await broker.connect({ version: 4 });
  for (let i = 0; i < 5; i++) await old.subscribe(`a/${i}`);
  assert.equal(await old.subscribe("a/5"), 0x80);
});

Deno.test("connections from one address: CONNACK 0x9F, in 3.1.1 0x03, before the login", async () => {
  let asked = 0;
  const authenticator = {
    authenticate: () => (asked++, { refusal: "not-authorized" as const, reason: "no" }),
  };
  await using broker = await TestBroker.start({ authenticator, rateLimits: { connection: { address: FIVE } } });
  const codes: (number | undefined)[] = [];
  for (const version of [5, 5, 5, 5, 5, 5, 4] as const) {
    const client = await broker.open(version);
    await client.send(client.connectPacket());
    const connack = await client.expect("connack");
    codes.push(version === 5 ? connack.reasonCode : connack.returnCode);
  }
  assert.deepEqual(codes, [0x87, 0x87, 0x87, 0x87, 0x87, 0x9f, 3]);
  assert.equal(asked, 5);
});

Deno.test("connections of one user, under whatever client id", async () => {
  await using broker = await TestBroker.start({ rateLimits: { connection: { user: FIVE } } });
  for (let i = 0; i < 5; i++) await broker.connect({ username: "ann" });
  const client = await broker.open();
  await client.send(client.connectPacket({ username: "ann" }));
  assert.equal((await client.expect("connack")).reasonCode, 0x9f);
  await broker.connect({ username: "bob" });
});

Deno.test("an address that is exempt is not counted, its clients are", async () => {
  const rateLimits = {
    isExempt: (address: string) => address === "127.0.0.1",
    connection: { address: FIVE },
    message: { address: FIVE, client: { ...FIVE, burst: 7 } },
    action: "refuse",
  } as const;
  await using broker = await TestBroker.start({ rateLimits });
  for (let i = 0; i < 7; i++) await broker.connect();
  assert.deepEqual(await outcomes(await broker.connect(), 8), [16, 16, 16, 16, 16, 16, 16, 0x97]);
});

Deno.test("a change holds for who is connected: on, other, off", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  assert.deepEqual(await outcomes(client, 8), Array(8).fill(16));
  broker.broker.adjustRateLimits({ message: { client: FIVE }, action: "refuse" });
  assert.deepEqual(await outcomes(client, 7), [16, 16, 16, 16, 16, 0x97, 0x97]);
  broker.broker.adjustRateLimits({});
  assert.deepEqual(await outcomes(client, 8), Array(8).fill(16));
});

Deno.test("a guest of another door is refused, and shares its address and user with those of MQTT", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { address: FIVE }, action: "slow" } });
  const from = { remoteAddress: "127.0.0.1", listener: "http" };
  const guest = await broker.broker.gateway.admit(from);
  const client = await broker.connect();
  assert.deepEqual(await outcomes(client, 2), [16, 16]);
  for (let i = 0; i < 3; i++) await guest.publish({ topic: "a", payload: new Uint8Array(1) });
  const another = await broker.broker.gateway.admit(from);
  await assert.rejects(another.publish({ topic: "a", payload: new Uint8Array(1) }), { refusal: "quota-exceeded" });
  const elsewhere = await broker.broker.gateway.admit({ ...from, remoteAddress: "192.0.2.1" });
  await elsewhere.publish({ topic: "a", payload: new Uint8Array(1) });
});

const GET = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

Deno.test("connections by HTTP count with those by MQTT: 429 with when to come back, for the connection and not its requests", async () => {
  await using broker = await TestBroker.start({
    rateLimits: { connection: { address: { perSecond: 0.1, burst: 5 } } },
  });
  const { port } = await broker.broker.listenHttp({ port: 0 });
  for (let n = 0; n < 2; n++) await broker.connect();
  using lasting = await RawHttp.open(port);
  for (let n = 0; n < 20; n++) {
    await lasting.write(GET);
    assert.equal(statusOf(await lasting.read((answer) => answer.includes("healthy"))), 200);
  }
  const close = GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
  for (let n = 0; n < 2; n++) assert.equal(statusOf(await RawHttp.exchange(port, close)), 200);
  const refused = await RawHttp.exchange(port, GET + GET); // and it is closed
  assert.equal(statusOf(refused), 429);
  const seconds = Number(/retry-after: (\d+)/i.exec(refused)![1]);
  assert.ok(seconds >= 9 && seconds <= 10, `one comes in ten seconds, not ${seconds}`);
  assert.match(refused, /connection-rate-exceeded.*too many connections come from this address/s);
  assert.equal(refused.match(/HTTP\/1\.1/g)!.length, 1, "the second request is not answered");
  const late = await broker.open();
  await late.send(late.connectPacket());
  assert.equal((await late.expect("connack")).reasonCode, 0x9f);
});

Deno.test("who comes with datagrams is counted by its address, and takes nothing from who connects from there", async () => {
  await using broker = await TestBroker.start({ rateLimits: { connection: { address: FIVE } } });
  const { gateway } = broker.broker;
  for (let n = 0; n < 5; n++) gateway.assertMayVisit("127.0.0.1");
  assert.throws(() => gateway.assertMayVisit("127.0.0.1"), { refusal: "connection-rate-exceeded", retrySeconds: 100 });
  gateway.assertMayVisit("192.0.2.1");
  for (let n = 0; n < 5; n++) await broker.connect();
});

Deno.test("a guest that is refused is told when to come back", async () => {
  const rate = { perSecond: 0.5, burst: 4 };
  await using broker = await TestBroker.start({ rateLimits: { message: { client: rate }, bytes: { user: rate } } });
  const guest = await broker.broker.gateway.admit({ remoteAddress: "192.0.2.1", listener: "http", username: "ann" });
  const publish = (length: number) => guest.publish({ topic: "a", payload: new Uint8Array(length) });
  for (let n = 0; n < 2; n++) await publish(1); // two bytes each
  await assert.rejects(publish(0), { refusal: "quota-exceeded", retrySeconds: 2 });
  await assert.rejects(publish(1), { refusal: "quota-exceeded", retrySeconds: 4 });
});

Deno.test("a guest that reads what is retained by a filter has its filters counted, one that reads a topic has not", async () => {
  await using broker = await TestBroker.start({ rateLimits: { subscribe: { client: FIVE } } });
  const guest = await broker.broker.gateway.admit({ remoteAddress: "192.0.2.1", listener: "http" });
  for (let n = 0; n < 5; n++) await guest.listRetained("a/#");
  await assert.rejects(guest.listRetained("a/#"), { refusal: "quota-exceeded" });
  guest.retained("a/b");
});
