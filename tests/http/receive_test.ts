/** Subscribing over HTTP: event streams, polls, and what is promised to a session that is kept. */
import assert from "node:assert/strict";
import { ALLOW_ALL, type Authenticator } from "../../mod.ts";
import { SqliteStore } from "../../src/store/sqlite/sqlite_store.ts";
import { happening, inTime, until } from "../embedding/waiting.ts";
import { HttpDoor } from "./door.ts";
import { RawHttp } from "./raw.ts";

const KEPT = "session_expiry_seconds=600&encoding=text";
const AS_KEEPER = { headers: { "x-client-id": "keeper" } };

async function publish(door: HttpDoor, topic: string, payloads: readonly string[]): Promise<void> {
  const json = payloads.map((payload) => ({ topic, payload, encoding: "text", qos: 1 }));
  await door.call("/publish/batch", { json });
}

Deno.test("several filters in one stream, a plus among them as it is, retained messages first", async () => {
  await using door = await HttpDoor.open();
  await door.broker.publish({ topic: "a/old/c", payload: "old", retain: true });
  const events = await door.subscribe("filter=a/+/c&filter=b/%23&encoding=text");
  const [first, second, third] = [await events.next(), null, null];
  assert.deepEqual([first?.data.topic, first?.data.retain], ["a/old/c", true]);
  await door.broker.publish({ topic: "a/x/c", payload: "1" });
  await door.broker.publish({ topic: "a/x/d", payload: "nobody's" });
  await door.broker.publish({ topic: "b", payload: "2" });
  assert.deepEqual([await events.payload(), await events.payload(), second, third], ["1", "2", null, null]);
});

Deno.test("retained messages are left out on request, and a text that is none is in base64", async () => {
  await using door = await HttpDoor.open();
  await door.broker.publish({ topic: "r", payload: "old", retain: true });
  const events = await door.subscribe("filter=r&retained=never&encoding=text");
  await door.broker.publish({ topic: "r", payload: Uint8Array.of(0xff) });
  const event = await events.next();
  assert.deepEqual([event?.data.payload, event?.data.encoding, event?.id], ["/w==", "base64", undefined]);
});

Deno.test("streams that share a message get it each in its own encoding, and with its own id", async () => {
  await using door = await HttpDoor.open();
  const streams = await Promise.all([
    door.subscribe("filter=m&encoding=text"),
    door.subscribe("filter=m"),
    door.subscribe(`filter=m&qos=1&${KEPT}`, AS_KEEPER),
    door.subscribe("filter=m&encoding=text"),
  ]);
  await publish(door, "m", ["1", "2"]);
  for (const payload of ["1", "2"]) {
    const events = await Promise.all(streams.map((stream) => stream.next()));
    const facts = events.map((event) => [event?.data.payload, event?.data.encoding, event?.data.qos, event?.id]);
    const text = [payload, "text", 0, undefined];
    const id = events[2]?.id;
    assert.ok(Number(id) > 0);
    assert.deepEqual(facts, [text, [btoa(payload), "base64", 0, undefined], [payload, "text", 1, id], text]);
  }
});

Deno.test("a stream without events gets comments", async () => {
  await using door = await HttpDoor.open({ http: { heartbeatMs: 300 } });
  const events = await door.subscribe("filter=a");
  assert.deepEqual(await events.next(), { comment: "" });
  assert.deepEqual(await events.next(), { comment: "" });
});

Deno.test("a reader that goes takes its subscription along", async () => {
  await using door = await HttpDoor.open();
  const client = await door.mqtt.connect();
  const events = await door.subscribe("filter=a");
  assert.equal(await client.publish("a", "x", { qos: 1 }), 0);
  await events.cancel();
  await until(async () => await client.publish("a", "x", { qos: 1 }) === 0x10, "the subscription is gone");
});

Deno.test("what Last-Event-ID names has arrived, the rest comes again", async () => {
  await using door = await HttpDoor.open();
  const first = await door.subscribe(`filter=k&qos=1&${KEPT}`, AS_KEEPER);
  assert.equal(first.response.headers.get("x-session-present"), "false");
  await publish(door, "k", ["1", "2", "3"]);
  const seen = [await first.next(), await first.next(), await first.next()];
  assert.deepEqual(seen.map((event) => event?.data.payload), ["1", "2", "3"]);
  assert.ok(seen.every((event) => event?.id === `${event?.data.id}`));
  const gone = happening(door.broker, "client-disconnected");
  await first.cancel();
  await gone;
  await publish(door, "k", ["4"]);
  const headers = { ...AS_KEEPER.headers, "last-event-id": seen[1]!.id! };
  const second = await door.subscribe(`filter=k&qos=1&${KEPT}`, { headers });
  assert.equal(second.response.headers.get("x-session-present"), "true");
  const again = [await second.next(), await second.next()];
  assert.deepEqual(again.map((event) => [event?.data.payload, event?.data.again]), [["3", true], ["4", undefined]]);
  assert.equal(again[0]?.id, seen[2]?.id);
});

Deno.test("POST /ack settles while a stream goes on, and without one", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe(`filter=k&qos=1&${KEPT}`, AS_KEEPER);
  await publish(door, "k", ["1", "2", "3"]);
  const ids = [(await events.next())!.id, (await events.next())!.id, (await events.next())!.id].map(Number);
  assert.deepEqual(await door.call("/ack", { ...AS_KEEPER, json: { through: ids[0] } }), { settled: 1 });
  await events.cancel();
  assert.deepEqual(await door.call("/ack", { ...AS_KEEPER, json: { through: ids[1] } }), { settled: 1 });
  const again = await door.subscribe(KEPT, AS_KEEPER); // no filter: as it was
  assert.equal(await again.payload(), "3");
  assert.deepEqual(await door.call("/ack", { ...AS_KEEPER, json: { through: 0 } }), { settled: 0 });
  for (const json of [{}, { through: -1 }, { through: 0.5 }, { through: "1" }]) {
    await door.call("/ack", { ...AS_KEEPER, json, status: 400 });
  }
  await door.call("/ack", { json: { through: 1 }, status: 400 });
});

Deno.test("a stream whose window is full ends, so that a browser comes back with what it has", async () => {
  await using door = await HttpDoor.open({ limits: { inflightMax: 3 } });
  const first = await door.subscribe(`filter=k&qos=1&${KEPT}`, AS_KEEPER);
  await publish(door, "k", ["1", "2", "3", "4"]);
  const seen = [await first.next(), await first.next(), await first.next()];
  assert.deepEqual(await first.next(), { event: "end", data: { cause: "window-full" } });
  assert.equal(await first.next(), undefined);
  const headers = { ...AS_KEEPER.headers, "last-event-id": seen[2]!.id! };
  const second = await door.subscribe(`filter=k&qos=1&${KEPT}`, { headers });
  assert.equal(await second.payload(), "4");
});

Deno.test("without a session a stream needs no acknowledgements", async () => {
  await using door = await HttpDoor.open({ limits: { inflightMax: 3 } });
  const events = await door.subscribe("filter=k&qos=1&encoding=text");
  const payloads = Array.from({ length: 50 }, (_, i) => `${i}`);
  await publish(door, "k", payloads);
  for (const payload of payloads) assert.equal(await events.payload(), payload);
});

Deno.test("the newer stream of a session ends the older, which says so", async () => {
  await using door = await HttpDoor.open();
  const first = await door.subscribe(`filter=k&${KEPT}`, AS_KEEPER);
  const second = await door.subscribe(`filter=k&${KEPT}`, AS_KEEPER);
  assert.deepEqual(await first.next(), { event: "end", data: { cause: "session-taken-over" } });
  await publish(door, "k", ["x"]);
  assert.equal(await second.payload(), "x");
});

Deno.test("DELETE /session ends it, and the stream with it", async () => {
  await using door = await HttpDoor.open();
  const events = await door.subscribe(`filter=k&${KEPT}`, AS_KEEPER);
  await door.call("/session", { ...AS_KEEPER, method: "DELETE", status: 204 });
  assert.deepEqual((await events.next())?.data, { cause: "administrative-action" });
  await door.call("/session", { ...AS_KEEPER, method: "DELETE", status: 404 });
  await door.call("/session", { method: "DELETE", status: 400 });
});

Deno.test("a poll answers with what comes, at once or when it does", async () => {
  await using door = await HttpDoor.open();
  const waiting = door.call("/poll?filter=p/%23&encoding=text&qos=1&wait=20");
  const client = await door.mqtt.connect();
  await until(async () => await client.publish("p/1", "hello", { qos: 1 }) === 0, "the poll has subscribed");
  const { messages, session_present } = await waiting;
  assert.deepEqual([messages[0].topic, messages[0].payload, session_present], ["p/1", "hello", false]);
  assert.equal(await client.publish("p/1", "nobody", { qos: 1 }), 0x10);
  assert.deepEqual((await door.call("/poll?filter=p/1&wait=0")).messages, []);
  const started = performance.now();
  assert.deepEqual((await door.call("/poll?filter=p/1&wait=1")).messages, []);
  assert.ok(performance.now() - started >= 990);
});

Deno.test("polls with a session miss nothing in between, and acknowledge with the next", async () => {
  await using door = await HttpDoor.open();
  const poll = (query: string) => door.call(`/poll?${KEPT}&qos=1&wait=0&${query}`, AS_KEEPER);
  assert.deepEqual((await poll("filter=k")).messages, []);
  await publish(door, "k", ["1", "2", "3", "4", "5"]);
  const first = await poll("max=2");
  assert.equal(first.session_present, true);
  const payloads = (answer: { messages: { payload: string }[] }) => answer.messages.map(({ payload }) => payload);
  assert.deepEqual(payloads(first), ["1", "2"]);
  assert.deepEqual(payloads(await poll("max=2")), ["1", "2"], "nothing was acknowledged");
  const second = await poll(`max=2&ack=${first.messages[1].id}`);
  assert.deepEqual(payloads(second), ["3", "4"]);
  assert.deepEqual(payloads(await poll(`ack=${second.messages[0].id}`)), ["4", "5"]);
});

Deno.test("a session goes on after a restart of the broker: at least once, in order, with the ids it had", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/weir.db`;
  try {
    let lastId: string;
    {
      await using door = await HttpDoor.open({ store: SqliteStore.open(path, { sync: "off" }) });
      const events = await door.subscribe(`filter=k&qos=1&${KEPT}`, AS_KEEPER);
      await publish(door, "k", ["1", "2", "3"]);
      await events.next();
      lastId = (await events.next())!.id!;
      await events.next();
    }
    await using door = await HttpDoor.open({ store: SqliteStore.open(path, { sync: "off" }) });
    await publish(door, "k", ["4"]); // before anybody has come back
    const headers = { ...AS_KEEPER.headers, "last-event-id": lastId };
    const events = await door.subscribe(`filter=k&qos=1&${KEPT}`, { headers });
    assert.equal(events.response.headers.get("x-session-present"), "true");
    const three = (await events.next())!;
    assert.deepEqual([three.data.payload, three.data.again], ["3", true]);
    assert.ok(Number(three.id) > Number(lastId));
    const four = (await events.next())!;
    assert.equal(four.data.payload, "4");
    assert.ok(Number(four.id) > Number(three.id));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what a subscription may not be is refused with the reason", async () => {
  await using door = await HttpDoor.open();
  const queries = ["", "filter=", "filter=a/%23/b", "filter=a&qos=3", "filter=a&retained=x", "filter=a&x=1"];
  for (const query of [...queries, `filter=a&${KEPT}`, "filter=$share/g/a&no_local=true"]) {
    const problem = await door.call(`/subscribe?${query}`, { status: 400 });
    assert.match(problem.detail, /^Cannot /, query);
  }
  const many = Array.from({ length: 65 }, (_, i) => `filter=f${i}`).join("&");
  assert.match((await door.call(`/subscribe?${many}`, { status: 400 })).detail, /maximum is 64/);
  const headers = { "last-event-id": "x" };
  await door.call("/subscribe?filter=a", { headers, status: 400 });
  for (const query of ["filter=a&wait=121", "filter=a&max=0", "filter=a&ack=-1", "wait=1"]) {
    await door.call(`/poll?${query}`, { status: 400 });
  }
});

Deno.test("one subscription too many is told to come back, and a place that is left is free", async () => {
  await using door = await HttpDoor.open({ http: { subscriptionsMax: 1 } });
  const first = await door.subscribe("filter=a");
  for (const path of ["/subscribe?filter=a", "/poll?filter=a&wait=0"]) {
    const refused = await door.fetch(path);
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    await refused.body?.cancel();
  }
  await first.cancel();
  await until(
    async () => (await door.fetch("/poll?filter=a&wait=0").then((r) => (r.body?.cancel(), r.status))) === 200,
    "a place",
  );
  await door.call("/poll?filter=a/%23/b&wait=0", { status: 400 }); // one that fails leaves as well
  await door.call("/poll?filter=a&wait=0");
});

for (const path of ["/subscribe?filter=a", "/queues/tasks/subscribe?group=g"]) {
  Deno.test(`who goes before ${path} is answered leaves no place taken`, async () => {
    const [asked, known] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const authenticator: Authenticator = {
      async authenticate({ username }) {
        if (username === "slow") await (asked.resolve(), known.promise);
        return { username, policy: ALLOW_ALL };
      },
    };
    await using door = await HttpDoor.open({ authenticator, http: { subscriptionsMax: 1, connectionsMax: 1 } });
    await door.broker.queues.create({ name: "tasks" });
    using raw = await RawHttp.open(door.port);
    await raw.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ${btoa("slow:x")}\r\n\r\n`);
    await inTime(asked.promise, "a login");
    raw[Symbol.dispose]();
    await until(() => door.call("/health").then(() => true, () => false), "its connection is gone");
    known.resolve();
    await until(() => door.call("/poll?filter=a&wait=0").then(() => true, () => false), "its place is free");
  });
}

Deno.test("when the broker stops, streams end with the reason", async () => {
  const door = await HttpDoor.open();
  const events = await door.subscribe("filter=a");
  const poll = door.call("/poll?filter=a&wait=60");
  await until(async () => (await door.call("/retained")).messages.length === 0, "both are there");
  const stopped = door.broker.stop();
  assert.deepEqual(await events.next(), { event: "end", data: { cause: "server-shutting-down" } });
  assert.deepEqual((await poll).messages, []);
  await inTime(stopped, "the stop");
  await door[Symbol.asyncDispose]();
});
