/** How much users and addresses may have in all their sessions together. */
import assert from "node:assert/strict";
import type { Limits, RateLimitOptions } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";

function start(limits: Partial<Limits>, rateLimits?: RateLimitOptions): Promise<TestBroker> {
  return TestBroker.start({ limits, rateLimits });
}

const KEPT = { properties: { sessionExpiryInterval: 600 } };
const FROM = { remoteAddress: "127.0.0.1", listener: "http" };

async function connackOf(broker: TestBroker, options: { version?: 4 | 5; username?: string; clientId?: string }) {
  const client = await broker.open(options.version ?? 5);
  await client.send(client.connectPacket(options));
  const { reasonCode, returnCode } = await client.expect("connack");
  return reasonCode ?? returnCode;
}

Deno.test("sessions of one user, connected or not: 0x97, in 3.1.1 0x03, and one that ends gives room", async () => {
  await using broker = await start({ sessionsPerUserMax: 2 });
  const kept = await broker.connect({ ...KEPT, username: "ann", clientId: "kept" });
  await kept.disconnect();
  const other = await broker.connect({ username: "ann" });
  assert.equal(await connackOf(broker, { username: "ann" }), 0x97);
  assert.equal(await connackOf(broker, { username: "ann", version: 4 }), 3);
  assert.equal(await connackOf(broker, { username: "bob" }), 0);
  for (let n = 0; n < 3; n++) assert.equal(await connackOf(broker, {}), 0, "without a name nobody is counted");
  const back = await broker.connect({ ...KEPT, clean: false, username: "ann", clientId: "kept" });
  assert.equal(back.connack!.sessionPresent, true, "her own is no session more");
  await other.disconnect();
  assert.equal(await connackOf(broker, { username: "ann" }), 0);
});

Deno.test("a session that becomes a user's counts as his from then on", async () => {
  await using broker = await start({ sessionsPerUserMax: 1, subscriptionsPerUserMax: 2 });
  const nobody = await broker.connect({ ...KEPT, clientId: "shared" });
  await nobody.subscribe("a");
  await nobody.subscribe("b");
  const ann = await broker.connect({ ...KEPT, clean: false, clientId: "shared", username: "ann" });
  assert.equal(await ann.subscribe("c"), 0x97);
  assert.equal(await connackOf(broker, { username: "ann" }), 0x97);
});

Deno.test("filters of one user over all sessions, those that are away and durable queues included", async () => {
  await using broker = await start({ subscriptionsPerUserMax: 4 });
  const kept = await broker.connect({ ...KEPT, username: "ann", clientId: "kept" });
  assert.equal(await kept.subscribe("a"), 0);
  assert.equal(await kept.subscribe("$share/g/b"), 0);
  assert.equal(await kept.subscribe("$queue/q", { qos: 1 }), 1);
  await kept.disconnect();
  const ann = await broker.connect({ username: "ann" });
  assert.equal(await ann.subscribe("c"), 0);
  assert.equal(await ann.subscribe("d"), 0x97);
  assert.equal(await ann.subscribe("$queue/q/x", { qos: 1 }), 0x97);
  assert.equal(await ann.subscribe("c", { qos: 1 }), 1, "in place of the former one");
  const old = await broker.connect({ username: "ann", version: 4 });
  assert.equal(await old.subscribe("d"), 0x80);
  const bob = await broker.connect({ username: "bob" });
  assert.equal(await bob.subscribe("d"), 0);
  await ann.unsubscribe("c");
  assert.equal(await old.subscribe("d"), 0);
  await broker.connect({ username: "ann", clientId: "kept" }); // clean: it ends with all its filters
  for (const filter of ["e", "f", "g"]) assert.equal(await ann.subscribe(filter), 0, filter);
  assert.equal(await ann.subscribe("h"), 0x97);
});

Deno.test("filters of one session: those of durable queues count, too", async () => {
  await using broker = await start({ subscriptionsPerSessionMax: 2 });
  const client = await broker.connect();
  assert.equal(await client.subscribe("$queue/q", { qos: 1 }), 1);
  assert.equal(await client.subscribe("a"), 0);
  assert.equal(await client.subscribe("$queue/q/x", { qos: 1 }), 0x97);
  assert.equal(await client.subscribe("b"), 0x97);
  await client.unsubscribe("$queue/q");
  assert.equal(await client.subscribe("b"), 0);
});

Deno.test("filters from one address: of those who are connected, and of guests of other doors", async () => {
  await using broker = await start({ subscriptionsPerAddressMax: 3 });
  const { gateway } = broker.broker;
  const kept = await broker.connect({ ...KEPT, clientId: "kept" });
  await kept.subscribe("a");
  await kept.subscribe("b");
  const other = await broker.connect();
  const guest = await gateway.admit(FROM);
  const stream = await guest.subscribe([{ filter: "c" }]);
  assert.equal(await other.subscribe("d"), 0x97);
  await assert.rejects(guest.subscribe([{ filter: "d" }]), { refusal: "quota-exceeded" });
  const elsewhere = await gateway.admit({ ...FROM, remoteAddress: "192.0.2.1" });
  await (await elsewhere.subscribe([{ filter: "d" }, { filter: "e" }, { filter: "f" }])).end();
  await stream.end();
  assert.equal(await other.subscribe("d"), 0);
  await kept.disconnect(); // away, it is at no address
  for (const filter of ["e", "f"]) assert.equal(await other.subscribe(filter), 0);
  assert.equal(await other.subscribe("g"), 0x97);
});

Deno.test("one network of IPv6 is one address, and an address that is exempt is none", async () => {
  const isExempt = (address: string) => address.startsWith("192.0.2.");
  await using broker = await start({ subscriptionsPerAddressMax: 1 }, { isExempt });
  const { gateway } = broker.broker;
  const from = (remoteAddress: string) => gateway.admit({ ...FROM, remoteAddress });
  const one = await (await from("2001:db8::1")).subscribe([{ filter: "a" }]);
  await assert.rejects((await from("2001:db8::2")).subscribe([{ filter: "a" }]), { refusal: "quota-exceeded" });
  const two = await (await from("2001:db8:0:1::1")).subscribe([{ filter: "a" }]);
  const exempt = await (await from("192.0.2.1")).subscribe([{ filter: "a" }, { filter: "b" }]);
  for (const stream of [one, two, exempt]) await stream.end();
});

Deno.test("what a guest may not have is refused before anything of its session is touched", async () => {
  await using broker = await start({ subscriptionsPerUserMax: 2 });
  const client = await broker.connect({ ...KEPT, clientId: "kept", username: "ann" });
  await client.subscribe("a");
  const guest = await broker.broker.gateway.admit({ ...FROM, clientId: "kept", username: "ann" });
  const more = [{ filter: "b" }, { filter: "c" }];
  await assert.rejects(guest.subscribe(more, { sessionExpirySeconds: 60 }), { refusal: "quota-exceeded" });
  await client.expectNothing();
  const stream = await guest.subscribe(more, { sessionExpirySeconds: 60, replace: true });
  assert.equal(await client.expectClosed(), 0x8e);
  await stream.end();
});

Deno.test("a limit that is lowered takes nothing away, and counts for what comes", async () => {
  await using broker = await start({});
  const client = await broker.connect({ username: "ann" });
  for (const filter of ["a", "b", "c"]) await client.subscribe(filter);
  broker.broker.adjustLimits({ subscriptionsPerUserMax: 1 });
  assert.equal(await client.subscribe("d"), 0x97);
  await broker.broker.publish({ topic: "c", payload: "x" });
  assert.equal((await client.receive()).topic, "c");
});
