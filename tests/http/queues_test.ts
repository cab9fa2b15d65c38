/** Durable queues over HTTP: administered, pulled from, settled. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import type { Authenticator } from "../../mod.ts";
import { until } from "../embedding/waiting.ts";
import { KEYS, nested } from "../config/queue_keys.ts";
import { EventReader, HttpDoor } from "./door.ts";

const RETRY_NOW = { initial_backoff: "0s", max_backoff: "0s", jitter: 0 };

/** A door with the queue `tasks` and these messages. */
async function filled(payloads: readonly string[], definition: Record<string, unknown> = {}): Promise<HttpDoor> {
  const door = await HttpDoor.open();
  const json = { partitions: 1, retry: RETRY_NOW, ...definition };
  await door.call("/queues/tasks", { method: "PUT", json, status: 201 });
  for (const payload of payloads) await put(door, payload);
  return door;
}

const put = (door: HttpDoor, payload: string) =>
  door.call("/publish", { json: { topic: "$queue/tasks", payload, encoding: "text", qos: 1 } });

/** Pulls for the group `g`, as the client `c`. */
async function pulled(door: HttpDoor, query = "wait=0", client = "c") {
  const headers = { "x-client-id": client };
  const target = `/queues/tasks/pull?group=g&encoding=text&${query}`;
  const { messages } = await door.call(target, { method: "POST", headers });
  return messages as { message_id: string; payload: string; delivery_count: number; held_until: number }[];
}

const payloadsOf = (messages: readonly { payload: string }[]) => messages.map(({ payload }) => payload).join("");

function settled(door: HttpDoor, verb: string, messages: readonly string[], more: Record<string, unknown> = {}) {
  const { status, client = "c", ...json } = more;
  return door.call(`/queues/tasks/${verb}`, {
    json: { group: "g", messages, ...json },
    headers: { "x-client-id": client as string },
    status: status as number | undefined,
  });
}

Deno.test("a queue is made, shown, changed, purged and deleted", async () => {
  await using door = await filled(["a", "b"], { limits: { max_depth: 7 }, group_expiry: "never" });
  const { definition, waiting } = await door.call("/queues/tasks");
  assert.deepEqual([definition.partitions, definition.limits.max_depth, definition.group_expiry], [1, 7, "never"]);
  assert.equal(waiting.count, 2);
  await door.call("/queues/tasks", { method: "PUT", json: {}, status: 409 });
  const changed = await door.call("/queues/tasks", {
    method: "PATCH",
    json: { partitions: 4, visibility_timeout: "90s", retention: { retention_bytes: "1GiB" } },
  });
  assert.deepEqual([changed.definition.partitions, changed.definition.visibility_timeout], [4, "90s"]);
  assert.deepEqual([changed.definition.retention.retention_bytes, changed.definition.limits.max_depth], [1024 ** 3, 7]);
  const [line] = (await door.call("/queues")).queues;
  assert.deepEqual([line.name, line.waiting.count, line.dead_letters], ["tasks", 2, 0]);
  assert.deepEqual(await door.call("/queues/tasks/purge", { method: "POST" }), { purged: 2 });
  await door.call("/queues/tasks", { method: "DELETE", status: 204 });
  await door.call("/queues/tasks", { method: "DELETE", status: 404 });
  await door.call("/queues/tasks", { method: "PATCH", json: {}, status: 404 });
  assert.deepEqual(await door.call("/queues"), { queues: [] });
});

/** Those that a queue keeps for its life. */
const FIXED = new Set(["type", "ordering"]);

Deno.test("every key of a queue can be said when it is made, and all but type and ordering changed", async () => {
  await using door = await HttpDoor.open();
  for (const [key, [text, read, expected]] of Object.entries(KEYS)) {
    const json = parse(nested(key, text));
    const name = key.replaceAll(".", "-");
    const path = `/queues/${name}`;
    const type = key === "retention.compaction_enabled" ? { type: "stream" } : {};
    await door.call(path, { method: "PUT", json: { ...type, ...json }, status: 201 });
    assert.deepEqual(read(door.broker.queues.get(name)!.definition), expected, `made with ${key}`);
    await door.call(path, { method: "DELETE", status: 204 });
    await door.call(path, { method: "PUT", json: type, status: 201 });
    await door.call(path, { method: "PATCH", json, status: FIXED.has(key) ? 400 : 200 });
    if (!FIXED.has(key)) assert.deepEqual(read(door.broker.queues.get(name)!.definition), expected, `changed ${key}`);
  }
});

Deno.test("what a definition says is what the next one can be made of", async () => {
  await using door = await filled([]);
  const { definition } = await door.call("/queues/tasks");
  await door.call("/queues/copy", { method: "PUT", json: definition, status: 201 });
  assert.deepEqual((await door.call("/queues/copy")).definition, definition);
});

Deno.test("a definition that cannot be is refused by its key", async () => {
  await using door = await filled([]);
  const wrong: [unknown, RegExp][] = [
    [{ partition: 1 }, /"partition": it is unknown/],
    [{ retention: { retention_time: 5 } }, /retention\.retention_time: it is a duration .*, or never/],
    [{ retention: 5 }, /Cannot read retention.*not an object/],
    [{ limits: { max_bytes: "5 MB" } }, /limits\.max_bytes: it is a size/],
    [{ type: "ephemeral" }, /type: it is classic or stream/],
    [{ partitions: 0 }, /Cannot use partitions: it is a whole number from 1 to 1000/],
    [{ retry: { max_retry: 1 } }, /"retry\.max_retry": it is unknown here; did you mean "retry\.max_retries"\?/],
    [{ replication: { enabled: true } }, /"replication": .*does not support replication of queues/],
    [{ retry: { initial_backoff: "2m", max_backoff: "1m" } }, /backoff\.maxMs of "new" to 60000/],
    [{ constructor: 1 }, /"constructor": it is unknown/],
    [[], /not an object/],
  ];
  for (const [json, detail] of wrong) {
    assert.match((await door.call("/queues/new", { method: "PUT", json, status: 400 })).detail, detail);
  }
  await door.call("/queues/%24x", { method: "PUT", json: {}, status: 400 });
  await door.call("/queues/tasks", { method: "PATCH", json: { type: "stream" }, status: 400 });
});

Deno.test("pull and ack: what is acknowledged is done, what is held is not given out again", async () => {
  await using door = await filled(["a", "b", "c"]);
  const [a, b] = await pulled(door, "max=2&wait=0");
  assert.equal(payloadsOf([a, b]), "ab");
  assert.deepEqual([a.message_id, a.delivery_count], ["tasks:0:0", 1]);
  assert.ok(a.held_until > Date.now());
  assert.deepEqual(await settled(door, "ack", [a.message_id, b.message_id]), { settled: 2, not_held: [] });
  assert.equal(payloadsOf(await pulled(door, "max=9&wait=0")), "c");
  assert.deepEqual(await pulled(door), []);
  assert.equal((await door.call("/queues/tasks")).groups[0].unsettled, 1);
});

Deno.test("only who holds a message may settle it: another client, another group and a second time are 409", async () => {
  await using door = await filled(["a"]);
  const [{ message_id: id }] = await pulled(door);
  for (const more of [{ client: "d" }, { group: "h" }]) {
    const problem = await settled(door, "ack", [id], { status: 409, ...more });
    assert.deepEqual([problem.type, problem.not_held], ["urn:weir:problem:not-held", [id]]);
  }
  assert.deepEqual(await settled(door, "ack", [id, "tasks:0:9"]), { settled: 1, not_held: ["tasks:0:9"] });
  await settled(door, "ack", [id], { status: 409 });
  await settled(door, "ack", ["other:0:0"], { status: 400 });
});

Deno.test("a pull waits for what comes, and no longer than it was told to", async () => {
  await using door = await filled([]);
  const waiting = pulled(door, "wait=20");
  await until(() => door.broker.queues.get("tasks")!.groups.length === 1, "a member");
  await put(door, "late");
  assert.equal(payloadsOf(await waiting), "late");
  assert.deepEqual(await pulled(door, "wait=0"), []);
});

Deno.test("a pull answers with what there is, however many partitions it lies in", async () => {
  await using door = await filled([], { partitions: 8 });
  for (const key of "abcdefgh") {
    const json = { topic: `$queue/tasks/${key}`, payload: key, encoding: "text", qos: 1 };
    await door.call("/publish", { json });
  }
  assert.equal(payloadsOf(await pulled(door, "wait=5&max=20")).length, 8);
});

Deno.test("an answer ends when it weighs a lot: the rest is in the next one", async () => {
  await using door = await filled([], { partitions: 4 }); // a group has 4 MiB of each at hand
  const payload = "x".repeat(1_000_000);
  for (let i = 0; i < 12; i++) await door.broker.publish({ topic: "$queue/tasks", payload, qos: 1 });
  const first = await pulled(door, "wait=5&max=20");
  assert.equal(first.length, 9, "8 MiB, and the message by which they are full");
  const rest = await pulled(door, "wait=5&max=20");
  assert.equal(rest.length, 3);
  await settled(door, "reject", [...first, ...rest].map(({ message_id: id }) => id));
  const page = await door.call("/queues/tasks/dead-letters?limit=20");
  assert.equal(page.messages.length, 9);
  const { messages, next } = await door.call(`/queues/tasks/dead-letters?limit=20&after=${page.next}`);
  assert.deepEqual([messages.length, next], [3, undefined]);
});

Deno.test("several calls of one client share what comes; each message is in one answer", async () => {
  await using door = await filled([]);
  const calls = [1, 2, 3].map(() => pulled(door, "wait=20&max=1"));
  await until(() => door.broker.queues.get("tasks")!.groups.length === 1, "a member");
  for (const payload of ["a", "b", "c"]) await put(door, payload);
  assert.equal((await Promise.all(calls)).map(payloadsOf).toSorted().join(""), "abc");
});

Deno.test("who goes while waiting takes nothing along", async () => {
  await using door = await filled([]);
  const leaving = new AbortController();
  const call = door.fetch("/queues/tasks/pull?group=g&wait=20", { method: "POST", signal: leaving.signal });
  await until(() => door.broker.queues.get("tasks")!.groups[0]?.members.length === 1, "a member");
  leaving.abort();
  await assert.rejects(call);
  await until(() => door.broker.queues.get("tasks")!.groups[0].members.length === 0, "nobody");
  await put(door, "a");
  const [message] = await pulled(door, "wait=5");
  assert.deepEqual([message.payload, message.delivery_count], ["a", 1]);
});

Deno.test("nack brings a message again, counted; with a delay it comes later", async () => {
  await using door = await filled(["a"]);
  const [first] = await pulled(door);
  await settled(door, "nack", [first.message_id]);
  const [second] = await pulled(door, "wait=5");
  assert.deepEqual([second.message_id, second.delivery_count], [first.message_id, 2]);
  await settled(door, "nack", [first.message_id], { delay: "1h" });
  assert.deepEqual(await pulled(door), []);
  await settled(door, "nack", [first.message_id], { delay: "soon", status: 400 });
});

Deno.test("extend holds longer; a message whose time is over is given to another, and the late one is refused", async () => {
  await using door = await filled(["a", "b"], { ordering: "none", visibility_timeout: "200ms" });
  const [a, b] = await pulled(door, "max=2");
  await settled(door, "extend", [a.message_id], { delay: "1h" });
  const [again] = await pulled(door, "wait=20", "d");
  assert.deepEqual([again.message_id, again.delivery_count], [b.message_id, 2]);
  await settled(door, "ack", [b.message_id], { status: 409 });
  assert.deepEqual(await settled(door, "ack", [a.message_id]), { settled: 1, not_held: [] });
});

Deno.test("commit settles what a client holds of a partition, up to and with an offset", async () => {
  await using door = await filled(["a", "b", "c"], { type: "stream" });
  await pulled(door, "wait=5&max=9&start_at=first");
  const commit = (more: Record<string, unknown>, status = 200, client = "c") =>
    door.call("/queues/tasks/commit", {
      json: { group: "g", partition: 0, ...more },
      headers: { "x-client-id": client },
      status,
    });
  assert.deepEqual(await commit({ offset: 1 }), { settled: 2 });
  assert.deepEqual(await commit({ offset: 1 }), { settled: 0 });
  assert.deepEqual(await commit({ offset: 9, partition: 7 }), { settled: 0 });
  assert.equal((await commit({ offset: 2 }, 409, "d")).type, "urn:weir:problem:not-held");
  for (const wrong of [{}, { offset: -1 }, { offset: 0.5 }, { offset: "2" }, { offset: 2, ofset: 2 }]) {
    await commit(wrong, 400);
  }
  await settled(door, "ack", ["tasks:0:1"], { status: 409 });
  assert.deepEqual(await settled(door, "ack", ["tasks:0:2"]), { settled: 1, not_held: [] });
});

Deno.test("what a queue cannot do is 400 and says what to do: a property, a verb as a topic", async () => {
  await using door = await filled([]);
  const publish = async (more: Record<string, unknown>) =>
    (await door.call("/publish", { json: { topic: "$queue/tasks", payload: "", qos: 1, ...more }, status: 400 }))
      .detail;
  assert.match(await publish({ user_properties: [["delay", "soon"]] }), /the property delay "soon"/);
  assert.match(await publish({ topic: "$queue/tasks/$nack" }), /use POST \/queues\/tasks\/nack over HTTP/);
  assert.match(await publish({ topic: "$queue/tasks/$dlq/$ack" }), /use POST \/queues\/tasks\/ack over HTTP/);
  assert.equal((await door.call("/queues/tasks")).waiting.count, 0);
});

Deno.test("prefetch bounds what a client holds over its calls; it changes when nothing is held", async () => {
  await using door = await filled(["a", "b", "c"]);
  const [a] = await pulled(door, "wait=0&max=3&prefetch=1");
  assert.deepEqual(await pulled(door, "wait=0&max=3&prefetch=1"), []);
  await door.call("/queues/tasks/pull?group=g&prefetch=2&wait=0", {
    method: "POST",
    headers: { "x-client-id": "c" },
    status: 400,
  });
  await settled(door, "ack", [a.message_id]);
  assert.equal(payloadsOf(await pulled(door, "wait=0&max=3&prefetch=2")), "bc");
});

Deno.test("a filter takes what has that routing key", async () => {
  await using door = await filled([]);
  for (const key of ["a", "b"]) {
    await door.call("/publish", { json: { topic: `$queue/tasks/${key}`, payload: key, encoding: "text", qos: 1 } });
  }
  const target = "/queues/tasks/pull?group=g&encoding=text&wait=0&max=9&filter=b";
  const { messages: [message] } = await door.call(target, { method: "POST" });
  const { topic, payload, queue, group, routing_key: key, partition, offset, delivery_count: count } = message;
  assert.deepEqual([topic, payload, queue, group, key], ["$queue/tasks/b", "b", "tasks", "g", "b"]);
  assert.deepEqual([partition, offset, count], [0, 1, 1]);
});

Deno.test("dead letters: rejected, listed page by page, sent back, deleted, pulled", async () => {
  await using door = await filled(["a", "b", "c", "d"]);
  const messages = await pulled(door, "max=4");
  await settled(door, "reject", messages.map(({ message_id: id }) => id), { reason: "no good" });
  const path = "/queues/tasks/dead-letters";
  const page = await door.call(`${path}?limit=3&encoding=text`);
  assert.equal(payloadsOf(page.messages), "abc");
  const { cause, reason, message_id: origin, group, delivery_count: count } = page.messages[0].dead_letter;
  assert.deepEqual([cause, reason, origin, group, count], ["rejected", "no good", "tasks:0:0", "g", 1]);
  assert.equal(payloadsOf((await door.call(`${path}?after=${page.next}&encoding=text`)).messages), "d");
  assert.equal((await door.call("/queues")).queues[0].dead_letters, 4);

  const [a, b] = page.messages;
  const replay = (json: unknown) => door.call("/queues/tasks/replay", { json });
  const one = { replayed: 1, refused: 0, refusals: [] };
  assert.deepEqual(await replay({ messages: [a.message_id] }), one);
  assert.equal(payloadsOf(await pulled(door, "wait=5")), "a");
  assert.deepEqual(await door.call(`${path}?message_id=${b.message_id}`, { method: "DELETE" }), { deleted: 1 });
  const taken = await door.call("/queues/tasks/pull?group=g&dead_letters&encoding=text&wait=5", {
    method: "POST",
    headers: { "x-client-id": "c" },
  });
  assert.equal(payloadsOf(taken.messages), "c");
  assert.equal(taken.messages[0].dead_letter.reason, "no good");
  assert.deepEqual(await settled(door, "ack", ["tasks/$dlq:0:2"]), { settled: 1, not_held: [] });
  assert.deepEqual(await replay({ all: true }), one);
  assert.deepEqual(await door.call(`${path}?all=true`, { method: "DELETE" }), { deleted: 0 });
  await door.call(path, { method: "DELETE", status: 400 });
  await door.call("/queues/tasks/replay", { json: {}, status: 400 });
  await door.call("/queues/tasks/replay", { json: { messages: ["tasks:0:0"] }, status: 400 });
});

Deno.test("a group of a stream begins where it says, is moved, and deleted", async () => {
  await using door = await filled(["a", "b", "c"], { type: "stream" });
  assert.deepEqual(await pulled(door, "wait=0&max=9"), []);
  const seek = (to: string, status = 204) => door.call("/queues/tasks/seek", { json: { group: "g", to }, status });
  await seek("offset=1");
  assert.equal(payloadsOf(await pulled(door, "wait=5&max=9")), "bc");
  await seek("first");
  assert.equal(payloadsOf(await pulled(door, "wait=5&max=9")), "abc");
  await door.call("/queues/tasks/seek", { json: { group: "g", to: "offset=2", partition: 0 }, status: 204 });
  assert.equal(payloadsOf(await pulled(door, "wait=5&max=9")), "c");
  await seek("last");
  assert.deepEqual(await pulled(door, "wait=0&max=9"), []);
  await seek("2020-01-01T00:00:00Z");
  assert.equal(payloadsOf(await pulled(door, "wait=5&max=9")), "abc");
  await seek("yesterday", 400);
  await door.call("/queues/tasks/groups?group=none", { method: "DELETE", status: 404 });
  await door.call("/queues/tasks/groups?group=g", { method: "DELETE", status: 204 });
  assert.equal(payloadsOf(await pulled(door, "wait=5&max=9&start_at=first")), "abc");
});

/** A stream of events of `tasks`, past its first line. */
async function streamed(door: HttpDoor, query = ""): Promise<EventReader> {
  const target = `/queues/tasks/subscribe?group=g&encoding=text${query}`;
  const response = await door.fetch(target, { headers: { "x-client-id": "c" } });
  assert.equal(response.status, 200);
  const reader = new EventReader(response);
  await reader.begun();
  return reader;
}

Deno.test("an event stream gives messages as they come, up to prefetch; they are settled by calls", async () => {
  await using door = await filled(["a", "b"]);
  const events = await streamed(door, "&prefetch=2");
  const [a, b] = [(await events.next())!, (await events.next())!];
  assert.deepEqual([a.id, a.data.payload, b.data.payload], ["tasks:0:0", "a", "b"]);
  await put(door, "c");
  await settled(door, "ack", [a.data.message_id]);
  assert.equal((await events.next())!.data.payload, "c");
  await settled(door, "nack", [b.data.message_id]);
  assert.deepEqual((await events.next())!.data.delivery_count, 2);
  await events.cancel();
});

Deno.test("a worker that leaves, or whose stream is lost, hands on what it held at once", async () => {
  await using door = await filled(["a"]);
  await pulled(door);
  const leave = { json: { group: "g" }, headers: { "x-client-id": "c" }, status: 204 };
  await door.call("/queues/tasks/leave", leave);
  await door.call("/queues/tasks/leave", leave);
  await settled(door, "ack", ["tasks:0:0"], { status: 409 });
  const events = await streamed(door);
  const { data } = (await events.next())!;
  assert.deepEqual([data.payload, data.delivery_count], ["a", 1], "leaving is no failure");
  await events.cancel();
  const [again] = await pulled(door, "wait=5", "d");
  assert.deepEqual([again.payload, again.delivery_count], ["a", 2], "a stream that is lost is one");
});

Deno.test("a stream that is lost takes nothing from another one of the same client", async () => {
  await using door = await filled(["a"]);
  const first = await streamed(door);
  const { data } = (await first.next())!;
  const second = await streamed(door);
  await put(door, "b");
  const payloads = [await Promise.race([first.next(), second.next()])].map((event) => event!.data.payload);
  assert.deepEqual(payloads, ["b"]);
  await first.cancel();
  await put(door, "c");
  assert.deepEqual(await settled(door, "ack", [data.message_id]), { settled: 1, not_held: [] });
  await second.cancel();
});

Deno.test("a stream that nobody reads any more takes nothing; one whose queue is deleted ends", async () => {
  await using door = await HttpDoor.open({ http: { heartbeatMs: 50 }, queues: { autoCreate: false } });
  const json = { partitions: 1 };
  await door.call("/queues/tasks", { method: "PUT", json, status: 201 });
  const first = await streamed(door);
  await until(() => door.broker.queues.get("tasks")!.groups[0]?.members.length === 1, "a member");
  await first.cancel();
  await until(() => door.broker.queues.get("tasks")!.groups[0].members.length === 0, "nobody");
  const second = await streamed(door);
  assert.deepEqual(await second.next(), { comment: "" });
  await door.call("/queues/tasks", { method: "DELETE", status: 204 });
  let event = await second.next();
  while (event?.comment !== undefined) event = await second.next();
  assert.deepEqual(event, { event: "end", data: { cause: "not-found" } });
  assert.equal(await second.next(), undefined);
  await door.call("/queues/tasks/subscribe?group=g", { status: 404 });
});

Deno.test("a subscription to a queue's topic is refused, and says what to do instead", async () => {
  await using door = await filled(["a"]);
  for (const filter of ["$queue/tasks", "$share/w/$queue/tasks/%23"]) {
    for (const target of [`/subscribe?filter=${filter}&qos=1`, `/poll?filter=${filter}&qos=1&wait=0`]) {
      const { detail } = await door.call(target, { status: 400 });
      assert.match(detail, /by this call: use POST \/queues\/tasks\/pull or GET \/queues\/tasks\/subscribe/);
    }
  }
  await door.call("/retained/$queue/tasks", { status: 400 });
  await door.call("/retained/$queue/tasks", { method: "DELETE", status: 400 });
  assert.equal((await door.call("/queues/tasks")).waiting.count, 1, "and nothing was published");
});

const RIGHTS: Authenticator = {
  authenticate: ({ username }) => ({
    username,
    policy: {
      mayPublish: (_, topic) => username === "admin" ? topic === "$admin/queues/tasks" : topic.startsWith("$queue/"),
      maySubscribe: (_, filter) => username === "worker" && filter.startsWith("$queue/tasks"),
    },
  }),
};

Deno.test("administering needs the right to publish to $admin/queues/<name>, consuming that to subscribe", async () => {
  await using door = await HttpDoor.open({ authenticator: RIGHTS });
  await door.broker.queues.create({ name: "tasks" });
  await door.broker.queues.create({ name: "other" });
  const as = (name: string) => ({ headers: { authorization: `Basic ${btoa(`${name}:x`)}` } });
  const { queues } = await door.call("/queues", as("admin"));
  assert.deepEqual(queues.map(({ name }: { name: string }) => name), ["tasks"]);
  assert.deepEqual(await door.call("/queues", as("worker")), { queues: [] });
  for (const path of ["/queues/other", "/queues/none", "/queues/other/dead-letters"]) {
    await door.call(path, { ...as("admin"), status: 403 });
  }
  for (const [path, method] of [["", "GET"], ["", "DELETE"], ["/purge", "POST"], ["/dead-letters", "GET"]]) {
    await door.call(`/queues/tasks${path}`, { ...as("worker"), method, status: 403 });
  }
  await door.call("/queues/tasks", { ...as("admin") });
  const pull = "/queues/tasks/pull?group=g&wait=0";
  await door.call(pull, { ...as("admin"), method: "POST", status: 403 });
  await door.call(pull, { ...as("worker"), method: "POST" });
  await door.call("/queues/other/pull?group=g&wait=0", { ...as("worker"), method: "POST", status: 403 });
});

Deno.test("a queue cannot be made to read for somebody who may not: captures need the right to subscribe", async () => {
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({
      username,
      policy: {
        mayPublish: (_, topic) => topic === "$admin/queues/own",
        maySubscribe: (_, filter) => filter.startsWith("$queue/own") || filter.startsWith("open/"),
      },
    }),
  };
  await using door = await HttpDoor.open({ authenticator });
  const secret = { json: { topics: ["open/a", "secret/#"] } };
  await door.call("/queues/own", { ...secret, method: "PUT", status: 403 });
  await door.call("/queues/own", { json: { topics: ["open/#"] }, method: "PUT", status: 201 });
  await door.call("/queues/own", { ...secret, method: "PATCH", status: 403 });
  await door.broker.publish({ topic: "secret/x", payload: "no", qos: 1 });
  await door.broker.publish({ topic: "open/x", payload: "yes", qos: 1 });
  assert.equal(
    payloadsOf(await door.call("/queues/own/pull?group=g&wait=0", { method: "POST" }).then(({ messages }) => messages)),
    btoa("yes"),
  );
});

Deno.test("rights that go take the member along: what it held is given to another", async () => {
  let mayConsume = true;
  const policy = { mayPublish: () => true, maySubscribe: () => mayConsume };
  await using door = await HttpDoor.open({ authenticator: { authenticate: ({ username }) => ({ username, policy }) } });
  await door.broker.queues.create({ name: "tasks", partitions: 1 });
  await put(door, "a");
  assert.equal(payloadsOf(await pulled(door)), "a");
  mayConsume = false;
  door.broker.endForbidden();
  const [group] = door.broker.queues.get("tasks")!.groups;
  assert.deepEqual([group.members.length, group.unsettled], [0, 1]);
  mayConsume = true;
  const [again] = await pulled(door, "wait=5", "d");
  assert.deepEqual([again.payload, again.delivery_count], ["a", 2]);
});

Deno.test("there is no queue where none is made by its use", async () => {
  await using door = await HttpDoor.open({ queues: { autoCreate: false } });
  await door.call("/queues/none/pull?group=g&wait=0", { method: "POST", status: 404 });
  await door.call("/queues/none", { status: 404 });
  await door.call("/queues/none/pull?wait=0", { method: "POST", status: 400 });
});

Deno.test("a full queue is 429 to its publisher, and to who sends dead letters back; nothing is lost", async () => {
  await using door = await filled(["a", "b"]);
  const messages = await pulled(door, "max=2");
  await settled(door, "reject", messages.map(({ message_id: id }) => id));
  await door.call("/queues/tasks", { method: "PATCH", json: { limits: { max_depth: 1 } } });
  await put(door, "c");
  const json = { topic: "$queue/tasks", payload: "d", encoding: "text", qos: 1 };
  await door.call("/publish", { json, status: 429 });
  const none = await door.call("/queues/tasks/replay", { json: { all: true }, status: 409 });
  assert.deepEqual([none.type, none.replayed, none.refused], ["urn:weir:problem:not-replayed", 0, 2]);
  assert.match(none.detail, /^Cannot send "tasks\/\$dlq:0:0" back: .*the maximum is 1/);
  assert.equal((await door.call("/queues/tasks/dead-letters")).messages.length, 2);
  assert.equal((await door.call("/queues/tasks")).waiting.count, 1);
});

Deno.test("what waits ends when the broker stops: a pull with nothing, a stream with its reason", async () => {
  const door = await filled([]);
  const events = await streamed(door);
  const waiting = pulled(door, "wait=60", "d");
  await until(() => door.broker.queues.get("tasks")!.groups[0]?.members.length === 2, "both");
  const stopping = door.broker.stop();
  assert.deepEqual(await waiting, []);
  let event = await events.next();
  while (event?.comment !== undefined) event = await events.next();
  assert.deepEqual(event, { event: "end", data: { cause: "server-shutting-down" } });
  await stopping;
  await door[Symbol.asyncDispose]();
});
