import assert from "node:assert/strict";
import type { Authenticator, Happening, Policy } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import { happening, inTime, turns, until } from "./waiting.ts";

/** Collects in short what comes to pass. */
function record(broker: TestBroker, options: { messages?: boolean } = {}): string[] {
  const seen: string[] = [];
  broker.broker.watch((happening) => seen.push(short(happening)), options);
  return seen;
}

function short(happening: Happening): string {
  switch (happening.kind) {
    case "client-connected":
      return `connected ${happening.clientId} as ${happening.username} present=${happening.sessionPresent}`;
    case "connection-refused":
    case "client-disconnected":
    case "session-ended":
      return `${happening.kind} ${happening.clientId} ${happening.cause}`;
    case "subscribed":
      return `subscribed ${happening.clientId} ${happening.filter} ${happening.qos}`;
    case "subscription-refused":
      return `${happening.kind} ${happening.clientId} ${happening.filter} ${happening.cause}`;
    case "unsubscribed":
      return `unsubscribed ${happening.clientId} ${happening.filter}`;
    case "message-dropped":
      return `dropped ${happening.clientId} ${happening.topic} ${happening.cause}`;
    case "message-published":
    case "message-delivered":
    case "will-published":
      return `${happening.kind} ${happening.clientId} ${happening.message.topic.name}`;
    case "message-retained":
      return `retained ${happening.message.topic.name}`;
    case "retained-cleared":
      return `cleared ${happening.topic}`;
    case "address-banned":
      return `banned ${happening.remoteAddress}`;
    case "store-full":
    case "store-has-room":
      return happening.kind;
    case "session-created":
    case "session-taken-over":
      return `${happening.kind} ${happening.clientId}`;
    case "queue-message-dropped":
    case "message-dead-lettered":
    case "dead-letters-full":
      return `${happening.kind} ${happening.messageId} ${happening.cause}`;
    case "queue-group-created":
    case "queue-group-deleted":
      return `${happening.kind} ${happening.queue} ${happening.group}`;
    case "queue-created":
    case "queue-changed":
    case "queue-deleted":
    case "queue-purged":
      return `${happening.kind} ${happening.queue}`;
    default:
      return happening satisfies never;
  }
}

Deno.test("watch tells of a client's life in order", async () => {
  await using broker = await TestBroker.start();
  const seen = record(broker);
  const alice = await broker.connect({ clientId: "alice", username: "al", properties: { sessionExpiryInterval: 60 } });
  await alice.subscribe("a/+", { qos: 1 });
  await alice.unsubscribe("a/+");
  await alice.publish("r", "x", { retain: true, qos: 1 });
  await alice.publish("r", "", { retain: true, qos: 1 });
  await alice.disconnect();
  const again = await broker.connect({ clientId: "alice", username: "al", clean: false });
  await again.disconnect();
  await until(() => seen.includes("session-ended alice disconnected"), "the end of the session");
  assert.deepEqual(seen, [
    "session-created alice",
    "connected alice as al present=false",
    "subscribed alice a/+ 1",
    "unsubscribed alice a/+",
    "retained r",
    "cleared r",
    "client-disconnected alice normal",
    "connected alice as al present=true",
    "client-disconnected alice normal",
    "session-ended alice disconnected",
  ]);
});

Deno.test("watch tells of subscriptions that are refused, each with its cause", async () => {
  const policy: Policy = { mayPublish: () => true, maySubscribe: (_, filter) => filter !== "secret/#" };
  const authenticator: Authenticator = { authenticate: () => ({ username: undefined, policy }) };
  await using broker = await TestBroker.start({ authenticator, limits: { subscriptionsPerSessionMax: 1 } });
  for (const version of [4, 5] as const) {
    const client = await broker.connect({ version, clientId: "bob" });
    const seen = record(broker);
    for (const filter of ["secret/#", "a", "b", "#/a"]) await client.subscribe(filter);
    assert.deepEqual(seen, [
      "subscription-refused bob secret/# not-authorized",
      "subscribed bob a 0",
      "subscription-refused bob b quota-exceeded",
      "subscription-refused bob #/a topic-filter-invalid",
    ]);
    await client.disconnect();
  }
});

Deno.test("watch tells of a takeover, before the new client is connected", async () => {
  await using broker = await TestBroker.start();
  const old = await broker.connect({ clientId: "twin", properties: { sessionExpiryInterval: 60 } });
  const seen = record(broker);
  await broker.connect({ clientId: "twin", clean: false });
  assert.equal(await old.expectClosed(), 0x8e);
  assert.deepEqual(seen, ["session-taken-over twin", "connected twin as undefined present=true"]);
});

Deno.test("watch tells of a lost connection and its will", async () => {
  await using broker = await TestBroker.start();
  const seen = record(broker);
  const client = await broker.connect({
    clientId: "dies",
    will: { topic: "w", payload: "x", qos: 0, retain: false } as never,
  });
  client.close();
  await until(() => seen.includes("will-published dies w"), "the will");
  assert.ok(seen.includes("client-disconnected dies connection-lost"));
});

Deno.test("published and delivered are told when asked for, and only then", async () => {
  await using broker = await TestBroker.start();
  const quiet = record(broker);
  const seen = record(broker, { messages: true });
  const client = await broker.connect({ clientId: "c" });
  await client.subscribe("a");
  const publisher = await broker.connect({ clientId: "p" });
  seen.length = quiet.length = 0;
  await publisher.publish("a", "x", { qos: 1 });
  await client.receive();
  await broker.broker.publish({ topic: "a", payload: "y" });
  await client.receive();
  assert.deepEqual(seen, [
    "message-published p a",
    "message-delivered c a",
    "message-published undefined a",
    "message-delivered c a",
  ]);
  assert.deepEqual(quiet.filter((line) => line.includes("published") || line.includes("delivered")), []);
});

Deno.test("what a happening tells of a message may be kept", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const told = happening(broker.broker, "message-published", { messages: true });
  await client.publish("k", "the first message", { qos: 1 });
  const { message } = await told;
  for (let i = 0; i < 20; i++) await client.publish("k", "another, of other bytes", { qos: 1 });
  assert.equal(new TextDecoder().decode(message.payload), "the first message");
  assert.equal(message.qos, 1);
});

Deno.test("watch tells of dropped messages", async () => {
  await using broker = await TestBroker.start({ limits: { queuedMessagesMax: 1 } });
  const client = await broker.connect({ clientId: "off", properties: { sessionExpiryInterval: 60 } });
  await client.subscribe("q", { qos: 1 });
  await client.disconnect();
  const seen = record(broker);
  for (let i = 0; i < 2; i++) await broker.broker.publish({ topic: "q", payload: `${i}`, qos: 1 });
  assert.deepEqual(seen, ["dropped off q queue-full"]);
});

Deno.test("the program's own subscriptions are told of when they come and when they go", async () => {
  await using broker = await TestBroker.start();
  const seen = record(broker);
  const messages = broker.broker.subscribe("own/#", { qos: 1 });
  await messages.cancel();
  await turns();
  assert.equal(seen.length, 2, `${seen}`);
  assert.match(seen[0], /^subscribed .* own\/# 1$/);
  assert.match(seen[1], /^unsubscribed .* own\/#$/);
});

Deno.test("the answer of watch ends it", async () => {
  await using broker = await TestBroker.start();
  const seen: string[] = [];
  const end = broker.broker.watch((happening) => seen.push(happening.kind));
  await broker.connect();
  assert.deepEqual(seen, ["session-created", "client-connected"]);
  end();
  end();
  await broker.connect();
  assert.equal(seen.length, 2);
});

Deno.test("a watcher that throws disturbs neither the clients nor the other watchers", async () => {
  await using broker = await TestBroker.start();
  broker.broker.watch(() => {
    throw new Error("a fault of the watcher");
  }, { messages: true });
  const seen = record(broker, { messages: true });
  const client = await broker.connect({ clientId: "c" });
  await client.subscribe("a", { qos: 1 });
  assert.equal(await client.publish("b", "x", { qos: 1 }), 0x10);
  await broker.broker.publish({ topic: "a", payload: "y", qos: 1 });
  assert.equal((await client.receive()).payload.toString(), "y");
  assert.ok(seen.includes("message-delivered c a"), `${seen}`);
});

Deno.test("a watcher may publish what it saw", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "watches" });
  await client.subscribe("log/+", { qos: 1 });
  broker.broker.watch((happening) => {
    if (happening.kind !== "client-connected") return;
    void broker.broker.publish({ topic: `log/${happening.clientId}`, payload: "came", qos: 1 });
  });
  await broker.connect({ clientId: "newcomer" });
  const message = await client.receive();
  assert.equal(message.topic, "log/newcomer");
});

Deno.test("happenings as a stream: read, leave, and it ends with the broker", async () => {
  const broker = await TestBroker.start();
  const stream = broker.broker.happenings();
  const other = broker.broker.happenings({ messages: true });
  const client = await broker.connect();
  for await (const happening of stream) {
    if (happening.kind === "client-connected") break;
  }
  await client.disconnect();
  await broker.broker.stop();
  const kinds: string[] = [];
  await inTime(
    (async () => {
      for await (const { kind } of other) kinds.push(kind);
    })(),
    "the end of the stream",
  );
  assert.deepEqual(kinds, ["session-created", "client-connected", "client-disconnected", "session-ended"]);
});
