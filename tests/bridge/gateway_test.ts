/** The seam for doors that are not MQTT: who comes by one goes through the same checks and reaches the same subscribers. */
import assert from "node:assert/strict";
import {
  type Authenticator,
  type BrokerOptions,
  type Guest,
  type GuestCredentials,
  type GuestDelivery,
  type GuestSubscription,
  type Policy,
  type RefusalCause,
  WeirBroker,
} from "../../mod.ts";
import { happening, inTime, textOf, until } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";

const HERE = { remoteAddress: "127.0.0.1", listener: "door" };

function admit(broker: WeirBroker, more: Partial<GuestCredentials> = {}): Promise<Guest> {
  return broker.gateway.admit({ ...HERE, ...more });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function next(subscription: GuestSubscription): Promise<GuestDelivery> {
  const delivery = await inTime(subscription.next(), "a delivery");
  assert.ok(delivery !== undefined, "the subscription has ended");
  return delivery;
}

function refuses(promise: Promise<unknown>, cause: RefusalCause): Promise<void> {
  return assert.rejects(promise, { name: "Refusal", refusal: cause });
}

/** Lets everybody in, with a policy. */
function under(policy: Policy): Authenticator {
  return { authenticate: ({ username }) => ({ username, policy }) };
}

Deno.test("a guest's message reaches MQTT clients with its properties, and theirs reach the guest", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a/#", { qos: 1 });
  const guest = await admit(broker.broker);
  const userProperties = [["k", "1"], ["k", "2"]] as const;
  const outcome = await guest.publish({
    topic: "a/b",
    payload: bytes("hi"),
    qos: 1,
    expirySeconds: 60,
    contentType: "text/plain",
    responseTopic: "r",
    correlationData: Uint8Array.of(7),
    userProperties,
  });
  assert.equal(outcome, "success");
  assert.equal(await guest.publish({ topic: "nobody", payload: bytes("x") }), "no-matching-subscribers");
  const packet = await client.expect("publish");
  assert.equal(packet.topic, "a/b");
  assert.equal(packet.properties?.contentType, "text/plain");
  assert.equal(packet.properties?.messageExpiryInterval, 60);
  const stream = await guest.subscribe([{ filter: "c/+", qos: 1 }, { filter: "d" }]);
  assert.deepEqual(stream.granted, [1, 0]);
  await client.publish("c/d", "back", { qos: 1, properties: { userProperties: { k: "v" }, contentType: "x" } });
  const delivery = await next(stream);
  assert.equal(textOf(delivery), "back");
  assert.deepEqual([delivery.topic, delivery.qos, delivery.id], ["c/d", 1, 0]);
  assert.deepEqual(delivery.userProperties, [["k", "v"]]);
  await stream.end();
  assert.equal(await client.publish("c/d", "gone", { qos: 1 }), 0x10);
});

Deno.test("what a PUBLISH is refused for, a guest is refused for", async () => {
  const options: BrokerOptions = {
    protocol: { validatePayloadFormat: true, packetBytesMax: 200 },
    limits: { qosMax: 1, retainAvailable: false },
    authenticator: under({ mayPublish: (_, topic) => topic !== "forbidden", maySubscribe: () => true }),
  };
  await using broker = await WeirBroker.start(options);
  const guest = await admit(broker);
  const payload = bytes("x");
  await refuses(guest.publish({ topic: "a/+", payload }), "topic-name-invalid");
  await refuses(guest.publish({ topic: "", payload }), "topic-name-invalid");
  await refuses(guest.publish({ topic: "$SYS/x", payload }), "not-authorized");
  await refuses(guest.publish({ topic: "forbidden", payload }), "not-authorized");
  await refuses(guest.publish({ topic: "a", payload, qos: 2 }), "qos-not-supported");
  await refuses(guest.publish({ topic: "a", payload, retain: true }), "retain-not-supported");
  await refuses(guest.publish({ topic: "a", payload: new Uint8Array(200) }), "packet-too-large");
  await refuses(
    guest.publish({ topic: "a", payload: Uint8Array.of(0xff), payloadIsUtf8: true }),
    "payload-format-invalid",
  );
  await assert.rejects(guest.publish({ topic: "a", payload, responseTopic: "#" }), TypeError);
  await assert.rejects(guest.publish({ topic: "a", payload, expirySeconds: 1.5 }), RangeError);
});

Deno.test("the size of a message is that of its PUBLISH packet, to the byte", async () => {
  await using broker = await TestBroker.start({ protocol: { packetBytesMax: 200 } });
  const client = await broker.connect();
  const guest = await admit(broker.broker);
  const shapes = [{ qos: 0 }, { qos: 1 }, { qos: 1, expirySeconds: 60 }, {
    qos: 0,
    contentType: "c".repeat(120),
  }] as const;
  for (const shape of shapes) {
    const { qos } = shape;
    const properties = {
      messageExpiryInterval: "expirySeconds" in shape ? shape.expirySeconds : undefined,
      contentType: "contentType" in shape ? shape.contentType : undefined,
    };
    let largest = 0;
    for (let length = 40; length < 200; length++) {
      const payload = new Uint8Array(length);
      const isTaken = await guest.publish({ topic: "a", payload, ...shape }).then(() => true, () => false);
      if (isTaken) largest = length;
    }
    await client.publish("a", "x".repeat(largest), { qos, properties });
    assert.equal(await client.publish("a", "", { qos: 1 }), 0x10, "the connection lives on");
    const other = await broker.connect();
    void other.publish("a", "x".repeat(largest + 1), { qos, properties }).catch(() => {});
    assert.equal((await other.expect("disconnect")).reasonCode, 0x95);
  }
});

Deno.test("a guest is known by the broker's authenticator, as one who speaks no MQTT", async () => {
  const seen: unknown[] = [];
  await using broker = await WeirBroker.start({
    authenticator: {
      authenticate: (credentials) => {
        seen.push(credentials);
        if (credentials.username !== "ann") return { refusal: "bad-user-name-or-password", reason: "no" };
        return Promise.resolve({ username: "ann", policy: { mayPublish: () => true, maySubscribe: () => false } });
      },
    },
  });
  const refusal = happening(broker, "connection-refused");
  await refuses(admit(broker, { clientId: "c" }), "bad-user-name-or-password");
  assert.deepEqual(await refusal, {
    kind: "connection-refused",
    listener: HERE.listener,
    remoteAddress: "127.0.0.1",
    clientId: "c",
    cause: "bad-user-name-or-password",
    reason: "no",
  });
  const guest = await admit(broker, { username: "ann", password: bytes("p"), clientId: "c" });
  assert.deepEqual(seen[1], {
    ...HERE,
    clientId: "c",
    username: "ann",
    password: bytes("p"),
    certificate: undefined,
    protocolVersion: 0,
  });
  await refuses(guest.subscribe([{ filter: "a" }]), "not-authorized");
  await refuses(guest.listRetained("#"), "not-authorized");
  assert.throws(() => guest.retained("a"), { refusal: "not-authorized" });
  await refuses(admit(broker, { clientId: "a\0" }), "client-identifier-not-valid");
});

Deno.test("a session is kept: what was not settled comes again, with the same id, and what was settled does not", async () => {
  await using broker = await WeirBroker.start();
  const guest = await admit(broker, { clientId: "keeper" });
  const options = { sessionExpirySeconds: 60 };
  const first = await guest.subscribe([{ filter: "a", qos: 1 }], options);
  assert.equal(first.sessionPresent, false);
  for (const payload of ["1", "2", "3"]) await guest.publish({ topic: "a", payload: bytes(payload), qos: 1 });
  const one = await next(first);
  const two = await next(first);
  first.settle(one);
  await first.end();
  await guest.publish({ topic: "a", payload: bytes("4"), qos: 1 });
  const second = await guest.subscribe([], options);
  assert.equal(second.sessionPresent, true);
  const again = [await next(second), await next(second), await next(second)];
  assert.deepEqual(again.map(textOf), ["2", "3", "4"]);
  assert.deepEqual(again.map(({ isAgain }) => isAgain), [true, true, false]);
  assert.equal(again[0].id, two.id);
  await second.end();
  const third = await guest.subscribe([], { ...options, settledThrough: again[1].id });
  assert.deepEqual(textOf(await next(third)), "4");
  assert.equal(third.take(), undefined);
  assert.equal(await guest.endSession(), true);
  assert.equal(third.endCause, "administrative-action");
  assert.equal(await guest.endSession(), false);
});

Deno.test("nobody takes over the session of another user, and a newer subscription takes over the older", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "shared", username: "ann" });
  const ann = await admit(broker.broker, { clientId: "shared", username: "ann" });
  const bob = await admit(broker.broker, { clientId: "shared", username: "bob" });
  const nobody = await admit(broker.broker, { clientId: "shared" });
  const keep = { sessionExpirySeconds: 60 };
  for (const stranger of [bob, nobody]) {
    await refuses(stranger.subscribe([{ filter: "a" }], keep), "not-authorized");
    await refuses(stranger.endSession(), "not-authorized");
  }
  const first = await ann.subscribe([{ filter: "a" }], keep);
  assert.equal((await client.expect("disconnect")).reasonCode, 0x8e);
  await ann.subscribe([{ filter: "a" }], keep);
  assert.equal(await inTime(first.next(), "the end"), undefined);
  assert.equal(first.endCause, "session-taken-over");
  await bob.subscribe([{ filter: "a" }]); // leaves no session, takes none
});

Deno.test("filters that are not named any more go with `replace`, and those that may not be had any more go always", async () => {
  let isAllowed = true;
  const policy: Policy = { mayPublish: () => true, maySubscribe: (_, filter) => filter !== "b" || isAllowed };
  await using broker = await WeirBroker.start({ authenticator: under(policy) });
  const guest = await admit(broker, { clientId: "g" });
  const reaches = async (topic: string) => await guest.publish({ topic, payload: bytes("x") }) === "success";
  const keep = { sessionExpirySeconds: 60 };
  await guest.subscribe([{ filter: "a" }, { filter: "b" }, { filter: "c" }], keep);
  await guest.subscribe([{ filter: "b" }, { filter: "c" }], { ...keep, replace: true });
  assert.deepEqual([await reaches("a"), await reaches("b"), await reaches("c")], [false, true, true]);
  isAllowed = false;
  await guest.subscribe([], keep);
  assert.deepEqual([await reaches("b"), await reaches("c")], [false, true]);
});

Deno.test("a guest that takes nothing gets no more than fits, and QoS 1 waits in the session", async () => {
  await using broker = await WeirBroker.start();
  const guest = await admit(broker);
  const stream = await guest.subscribe([{ filter: "q/#", qos: 1 }], { waitingMax: 5, window: 3 });
  for (let i = 0; i < 20; i++) await guest.publish({ topic: "q/0", payload: bytes(`${i}`), qos: 0 });
  const taken: string[] = [];
  for (let each = stream.take(); each !== undefined; each = stream.take()) taken.push(textOf(each));
  assert.deepEqual(taken, ["0", "1", "2", "3", "4"]);
  for (let i = 0; i < 20; i++) await guest.publish({ topic: "q/1", payload: bytes(`${i}`), qos: 1 });
  const deliveries = [await next(stream), await next(stream), await next(stream)];
  assert.equal(stream.take(), undefined);
  assert.ok(stream.isStalled);
  for (const delivery of deliveries) stream.settle(delivery);
  for (let i = 3; i < 20; i++) {
    const delivery = await next(stream);
    assert.equal(textOf(delivery), `${i}`);
    stream.settle(delivery);
  }
});

Deno.test("the bytes that wait are bounded, too", async () => {
  await using broker = await WeirBroker.start();
  const guest = await admit(broker);
  const stream = await guest.subscribe([{ filter: "q" }], { waitingBytesMax: 250 });
  for (let i = 0; i < 20; i++) await guest.publish({ topic: "q", payload: new Uint8Array(100) });
  let count = 0;
  while (stream.take() !== undefined) count++;
  assert.equal(count, 3);
});

Deno.test("what a guest has shown expires: its subscriptions end, and it does nothing any more", async () => {
  const policy: Policy = { mayPublish: () => true, maySubscribe: () => true };
  await using broker = await WeirBroker.start({
    authenticator: { authenticate: () => ({ username: "u", policy, expiresAt: Date.now() + 100 }) },
  });
  const guest = await admit(broker);
  const stream = await guest.subscribe([{ filter: "a" }]);
  assert.equal(await inTime(stream.next(), "the end"), undefined);
  assert.equal(stream.endCause, "not-authorized");
  await refuses(guest.publish({ topic: "a", payload: bytes("x") }), "not-authorized");
  await refuses(guest.subscribe([{ filter: "a" }]), "not-authorized");
});

Deno.test("retained messages are read by filter, in order, in parts, and cleared", async () => {
  await using broker = await WeirBroker.start();
  const guest = await admit(broker);
  for (const topic of ["r/c", "r/a", "r/b"]) {
    await guest.publish({ topic, payload: bytes(topic), retain: true, contentType: "t" });
  }
  assert.deepEqual((await guest.listRetained("r/+")).map(({ topic }) => topic), ["r/a", "r/b", "r/c"]);
  assert.deepEqual((await guest.listRetained("r/+", { limit: 1, after: "r/a" })).map(textOf), ["r/b"]);
  assert.equal(guest.retained("r/a")!.contentType, "t");
  assert.equal(await guest.clearRetained("r/a"), true);
  assert.equal(await guest.clearRetained("r/a"), false);
  assert.equal(guest.retained("r/a"), undefined);
  await refuses(guest.listRetained("r/#/x"), "topic-filter-invalid");
});

Deno.test("a guest that leaves a shared group leaves what it had not settled to the others", async () => {
  await using broker = await WeirBroker.start();
  const guest = await admit(broker);
  const first = await guest.subscribe([{ filter: "$share/g/s", qos: 1 }]);
  await guest.publish({ topic: "s", payload: bytes("one"), qos: 1 });
  await next(first);
  const second = await guest.subscribe([{ filter: "$share/g/s", qos: 1 }]);
  await first.end();
  assert.equal(textOf(await next(second)), "one");
});

Deno.test("an aborted wait leaves the subscription as it is", async () => {
  await using broker = await WeirBroker.start();
  const guest = await admit(broker);
  const stream = await guest.subscribe([{ filter: "a" }]);
  const abort = new AbortController();
  const waiting = stream.next(abort.signal);
  abort.abort();
  assert.equal(await inTime(waiting, "the abort"), undefined);
  assert.equal(stream.endCause, undefined);
  await guest.publish({ topic: "a", payload: bytes("x") });
  assert.equal(textOf(await next(stream)), "x");
});

Deno.test("a broker that stops admits nobody, and ends what its guests have", async () => {
  const broker = await WeirBroker.start();
  const guest = await admit(broker);
  let isReady = false;
  const stream = await guest.subscribe([{ filter: "a" }], { onReady: () => isReady = true });
  const stopped = broker.stop();
  assert.equal(broker.gateway.isDraining, true);
  assert.equal(stream.endCause, "server-shutting-down");
  await until(() => isReady, "the end is told");
  await refuses(admit(broker), "server-shutting-down");
  await refuses(guest.publish({ topic: "a", payload: bytes("x") }), "server-shutting-down");
  await stopped;
});

Deno.test("who brings no client id has the same one when the same comes again, and nobody else has it", async () => {
  await using broker = await WeirBroker.start();
  const ann = { username: "ann", password: bytes("p") };
  const { clientId } = await admit(broker, ann);
  assert.match(clientId, /^weir-[0-9a-f]{32}$/);
  assert.equal((await admit(broker, ann)).clientId, clientId);
  const others = [{ password: bytes("q") }, { username: "bob" }, { remoteAddress: "::1" }, { listener: "other" }];
  for (const more of others) assert.notEqual((await admit(broker, { ...ann, ...more })).clientId, clientId);
});

Deno.test("a guest goes when what let it in does not hold any more", async () => {
  let isHeld = true;
  const policy: Policy = { mayPublish: () => true, maySubscribe: () => true };
  await using broker = await WeirBroker.start({
    authenticator: { authenticate: () => ({ username: "ann", policy, holds: () => isHeld }) },
  });
  const guest = await admit(broker);
  const stream = await guest.subscribe([{ filter: "a" }]);
  broker.endRevoked();
  assert.equal(stream.endCause, undefined);
  isHeld = false;
  broker.endRevoked();
  assert.equal(stream.endCause, "not-authorized");
  await refuses(guest.publish({ topic: "a", payload: bytes("x") }), "not-authorized");
});
