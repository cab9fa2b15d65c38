/** Durable queues for the program itself: `broker.queues`. */
import assert from "node:assert/strict";
import { type QueueMessage, Refusal, WeirBroker } from "../../mod.ts";
import { inTime } from "../embedding/waiting.ts";
import { AT_ONCE } from "./queue_client.ts";

async function filled(payloads: readonly string[], definition: Record<string, unknown> = {}): Promise<WeirBroker> {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  await broker.queues.create({ name: "tasks", partitions: 1, backoff: AT_ONCE, ...definition });
  for (const payload of payloads) await broker.publish({ topic: "$queue/tasks", payload, qos: 1 });
  return broker;
}

const textOf = ({ payload }: { payload: Uint8Array }) => new TextDecoder().decode(payload);

Deno.test("for await gives the messages of a queue; each is settled by its own methods", async () => {
  await using broker = await filled(["a", "b", "c"]);
  const got: string[] = [];
  for await (const message of broker.queues.consume("tasks", { group: "g" })) {
    got.push(`${textOf(message)} ${message.messageId} ${message.deliveryCount}`);
    if (got.length === 1) await message.nack();
    else await message.ack();
    if (got.length === 4) break;
  }
  assert.deepEqual(got.toSorted(), ["a tasks:0:0 1", "a tasks:0:0 2", "b tasks:0:1 1", "c tasks:0:2 1"]);
  assert.equal(broker.queues.get("tasks")!.groups[0].unsettled, 0);
});

Deno.test("leaving the loop gives back what was not settled, uncounted", async () => {
  await using broker = await filled(["a"]);
  for await (const _ of broker.queues.consume("tasks", { group: "g" })) break;
  for await (const message of broker.queues.consume("tasks", { group: "g" })) {
    assert.equal(message.deliveryCount, 1);
    await message.ack();
    await assert.rejects(message.ack(), /Cannot ack tasks:0:0: it is not held any more/);
    break;
  }
});

Deno.test("prefetch bounds what is handed out; poll answers undefined when nothing comes", async () => {
  await using broker = await filled(["a", "b"]);
  using reader = broker.queues.consume("tasks", { group: "g", prefetch: 1 });
  const first = await reader.poll(1_000);
  assert.equal(textOf(first!), "a");
  assert.equal(await reader.poll(0), undefined, "one is held");
  await first!.ack();
  assert.equal(textOf((await reader.poll(1_000))!), "b");
});

Deno.test("calls of one reader that wait side by side are answered in their order, and all at its end", async () => {
  await using broker = await filled([]);
  const reader = broker.queues.consume("tasks", { group: "g" });
  const calls = [reader.next(), reader.poll(1), reader.next(), reader.next(), reader.poll(60_000)] as const;
  assert.equal(await calls[1], undefined, "its time is over");
  for (const payload of ["a", "b"]) await broker.publish({ topic: "$queue/tasks", payload, qos: 1 });
  const [first, , second] = await inTime(Promise.all(calls.slice(0, 3)), "the first two messages");
  assert.deepEqual([first, second].map((result) => textOf((result as { value: QueueMessage }).value)), ["a", "b"]);
  reader.close();
  assert.equal((await inTime(calls[3], "the end")).done, true);
  assert.equal(await inTime(calls[4], "the end"), undefined);
});

Deno.test("a reader without a group has one of its own, which ends with it", async () => {
  await using broker = await filled(["a"]);
  const reader = broker.queues.consume("tasks");
  assert.equal(textOf((await reader.next()).value!), "a");
  assert.equal(broker.queues.get("tasks")!.groups.length, 1);
  reader.close();
  assert.deepEqual(broker.queues.get("tasks")!.groups, []);
});

Deno.test("dead letters can be looked at page by page without being consumed", async () => {
  await using broker = await filled(["a", "b", "c"]);
  const reader = broker.queues.consume("tasks", { group: "g" });
  for (let i = 0; i < 3; i++) await (await reader.next()).value!.reject(`no ${i}`);
  reader.close();
  const [first, second] = await broker.queues.deadLetters("tasks", { limit: 2 });
  assert.deepEqual([textOf(first), first.reason, first.cause, first.group], ["a", "no 0", "rejected", "g"]);
  assert.deepEqual([first.queue, first.partition, first.offset], ["tasks", 0, 0]);
  const rest = await broker.queues.deadLetters("tasks", { after: second.messageId });
  assert.deepEqual(rest.map(textOf), ["c"]);
  assert.deepEqual(await broker.queues.deadLetters("another"), []);
});

Deno.test("queues are made, changed, purged and deleted while the broker runs", async () => {
  await using broker = await filled(["a", "b"]);
  await assert.rejects(broker.queues.create({ name: "tasks" }), RangeError);
  await broker.queues.change({ name: "tasks", partitions: 4, limits: { messages: 7 } });
  const { definition } = broker.queues.get("tasks")!;
  assert.deepEqual([definition.partitions, definition.limits.messages], [4, 7]);
  await assert.rejects(broker.queues.change({ name: "tasks", partitions: 2 }), RangeError);
  await assert.rejects(broker.queues.change({ name: "tasks", type: "stream" }), RangeError);
  await assert.rejects(broker.queues.change({ name: "none" }), RangeError);
  assert.equal(await broker.queues.purge("tasks"), 2);
  assert.equal(broker.queues.get("tasks")!.stored.count, 0);
  assert.equal(await broker.queues.delete("tasks"), true);
  assert.equal(await broker.queues.delete("tasks"), false);
  assert.deepEqual(broker.queues.list(), []);
});

Deno.test("nothing is made by its first use where that is switched off", async () => {
  await using broker = await WeirBroker.start({ sysIntervalMs: 0, queues: { autoCreate: false } });
  await assert.rejects(broker.publish({ topic: "$queue/tasks", payload: "x", qos: 1 }), Refusal);
  assert.throws(() => broker.queues.consume("tasks"), Refusal);
});

Deno.test("a stream is read from any place, and a group is moved", async () => {
  await using broker = await filled(["a", "b", "c"], { type: "stream" });
  const read = async (count: number) => {
    using reader = broker.queues.consume("tasks", { group: "g", start: { kind: "first" } });
    const got: string[] = [];
    for (let i = 0; i < count; i++) {
      const { value } = await reader.next();
      got.push(textOf(value!));
      await value!.ack();
    }
    return got.join("");
  };
  assert.equal(await read(3), "abc");
  await broker.queues.seek("tasks", "g", { to: { kind: "offset", offset: 1 } });
  assert.equal(await read(2), "bc");
  await broker.queues.deleteGroup("tasks", "g");
  assert.equal(await read(3), "abc");
});

/** A queue whose messages are all dead letters of the group `g`. */
async function buried(payloads: readonly string[], definition: Record<string, unknown> = {}): Promise<WeirBroker> {
  const broker = await filled(payloads, definition);
  using reader = broker.queues.consume("tasks", { group: "g" });
  for (const _ of payloads) await (await reader.next()).value!.reject();
  return broker;
}

const lettersOf = async (broker: WeirBroker) => (await broker.queues.deadLetters("tasks")).map(textOf).join("");

Deno.test("dead letters are sent back: one, some, all; each only to the group that it failed in", async () => {
  await using broker = await buried(["a", "b", "c", "d"]);
  using other = broker.queues.consume("tasks", { group: "other" });
  using reader = broker.queues.consume("tasks", { group: "g" });
  const letters = await broker.queues.deadLetters("tasks");
  assert.equal((await broker.queues.replay("tasks", [letters[1].messageId])).replayed, 1);
  assert.equal(await lettersOf(broker), "acd");
  assert.equal(textOf((await reader.next()).value!), "b");
  assert.equal(
    (await broker.queues.replay("tasks", letters.slice(0, 3).map(({ messageId }) => messageId))).replayed,
    2,
  );
  assert.equal((await broker.queues.replay("tasks", "all")).replayed, 1);
  const rest = [];
  for (let i = 0; i < 3; i++) rest.push(textOf((await reader.next()).value!));
  assert.equal(rest.join(""), "acd");
  assert.equal(await lettersOf(broker), "");
  assert.equal(await other.poll(0), undefined);
  assert.equal((await broker.queues.replay("tasks", "all")).replayed, 0);
});

Deno.test("a dead letter whose group is gone goes to every group, or stays", async () => {
  await using broker = await buried(["a"]);
  await broker.queues.deleteGroup("tasks", "g");
  const { replayed, refused, refusals: [{ messageId, reason }] } = await broker.queues.replay("tasks", "all");
  assert.deepEqual([replayed, refused, messageId], [0, 1, "tasks/$dlq:0:0"]);
  assert.match(reason, /Cannot find the group "g"/);
  assert.equal(await lettersOf(broker), "a");
  assert.equal((await broker.queues.replay("tasks", "all", { toEveryGroup: true })).replayed, 1);
  using reader = broker.queues.consume("tasks", { group: "new" });
  assert.equal(textOf((await reader.next()).value!), "a");
});

Deno.test("dead letters that a queue has no room for stay, counted; those that it has room for are back", async () => {
  await using broker = await buried(["a", "b", "c", "d"]);
  await broker.queues.change({ name: "tasks", limits: { messages: 2 } });
  const { replayed, refused, refusals } = await broker.queues.replay("tasks", "all");
  assert.deepEqual([replayed, refused], [2, 2]);
  assert.deepEqual(refusals.map(({ messageId }) => messageId), ["tasks/$dlq:0:2", "tasks/$dlq:0:3"]);
  assert.equal(await lettersOf(broker), "cd");
  assert.equal(broker.queues.get("tasks")!.waiting.count, 2);
});

Deno.test("dead letters are deleted: one, some, all", async () => {
  await using broker = await buried(["a", "b", "c", "d"]);
  const [a, b] = await broker.queues.deadLetters("tasks");
  assert.equal(await broker.queues.deleteDeadLetters("tasks", [b.messageId]), 1);
  assert.equal(await broker.queues.deleteDeadLetters("tasks", [a.messageId, b.messageId]), 1);
  assert.equal(await lettersOf(broker), "cd");
  await assert.rejects(broker.queues.deleteDeadLetters("tasks", ["tasks:0:0"]), RangeError);
  assert.equal(await broker.queues.deleteDeadLetters("tasks", "all"), 2);
  assert.equal(await lettersOf(broker), "");
  assert.equal(broker.queues.get("tasks/$dlq")!.stored.count, 0);
  assert.equal(await broker.queues.deleteDeadLetters("none", "all"), 0);
});

Deno.test("a dead letter that a consumer has settled is not there any more, and is not sent back", async () => {
  await using broker = await buried(["a", "b"]);
  using reader = broker.queues.consume("tasks/$dlq", { group: "people" });
  await (await reader.next()).value!.ack();
  assert.equal(await lettersOf(broker), "b");
  assert.equal((await broker.queues.replay("tasks", "all")).replayed, 1);
});

Deno.test("one dead letter that cannot go back does not hold up the others: of two groups one is gone", async () => {
  await using broker = await filled(["a", "b"]);
  const readers = ["g", "h"].map((group) => broker.queues.consume("tasks", { group }));
  for (const reader of readers) {
    for (let i = 0; i < 2; i++) await (await reader.next()).value!.reject();
    reader.close();
  }
  await broker.queues.deleteGroup("tasks", "g");
  const { replayed, refused } = await broker.queues.replay("tasks", "all");
  assert.deepEqual([replayed, refused], [2, 2]);
  assert.equal(await lettersOf(broker), "ab");
  using reader = broker.queues.consume("tasks", { group: "h" });
  assert.equal(textOf((await reader.next()).value!) + textOf((await reader.next()).value!), "ab");
});

Deno.test("a reader acknowledges what it holds of a partition up to an offset at once", async () => {
  await using broker = await filled(["a", "b", "c"], { type: "stream" });
  using reader = broker.queues.consume("tasks", { group: "g", start: { kind: "first" } });
  const first = (await reader.next()).value!;
  assert.equal(await reader.commit({ partition: 1, offset: 9 }), 0, "another partition");
  assert.equal(await reader.commit({ partition: 0, offset: 1 }), 2);
  await assert.rejects(first.ack(), RangeError);
  assert.equal(textOf((await reader.next()).value!), "c", "the second one was committed before it was read");
  assert.equal(broker.queues.get("tasks")!.groups[0].unsettled, 1);
  reader.close();
  assert.equal(await reader.commit({ partition: 0, offset: 9 }), 0);
});
