/** What a restart on SQLite finds of durable queues. */
import assert from "node:assert/strict";
import { WeirBroker } from "../../mod.ts";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { Folder, OPTIONS } from "../store/folder.ts";
import { TestBroker } from "../support/broker.ts";
import { AT_ONCE, put, queueBroker } from "./queue_client.ts";

const textOf = ({ payload }: { payload: Uint8Array }) => new TextDecoder().decode(payload);

async function start(folder: Folder): Promise<WeirBroker> {
  return await WeirBroker.start({ sysIntervalMs: 0, store: await openDataFolder(folder.path, OPTIONS) });
}

Deno.test("a restart finds queues, messages, places of groups, failures and dead letters", async () => {
  using folder = new Folder();
  {
    await using broker = await start(folder);
    await broker.queues.create({ name: "tasks", partitions: 1, deliveryLimit: 3, backoff: AT_ONCE });
    for (let i = 0; i < 2_000; i++) void broker.publish({ topic: "$queue/tasks", payload: `${i}`, qos: 1 });
    await broker.publish({ topic: "$queue/tasks", payload: "last", qos: 1 });
    const reader = broker.queues.consume("tasks", { group: "g", prefetch: 10 });
    for (let i = 0; i < 1_000; i++) await (await reader.next()).value!.ack();
    await (await reader.next()).value!.reject("no");
    const failing = (await reader.next()).value!;
    assert.equal(textOf(failing), "1001");
    await failing.nack();
    reader.close();
  }
  await using broker = await start(folder);
  const { definition, groups } = broker.queues.get("tasks")!;
  assert.deepEqual([definition.deliveryLimit, groups[0].unsettled], [3, 1_000]);
  const [letter] = await broker.queues.deadLetters("tasks");
  assert.deepEqual([textOf(letter), letter.reason], ["1000", "no"]);
  const got: string[] = [];
  let deliveries = 0;
  for await (const message of broker.queues.consume("tasks", { group: "g" })) {
    if (textOf(message) === "1001") deliveries = message.deliveryCount;
    got.push(textOf(message));
    await message.ack();
    if (got.length === 1_000) break;
  }
  const expected = [...Array.from({ length: 999 }, (_, i) => `${1_001 + i}`), "last"];
  assert.deepEqual(new Set(got), new Set(expected));
  assert.equal(deliveries, 2, "a failure is remembered");
  assert.equal(broker.queues.get("tasks")!.groups[0].unsettled, 0);
});

Deno.test("what was taken and not settled when the broker went down comes again, with the same id", async () => {
  using folder = new Folder();
  let id = "";
  {
    await using broker = await start(folder);
    await broker.queues.create({ name: "tasks", partitions: 1, type: "stream" });
    await broker.publish({ topic: "$queue/tasks/eu", payload: "a", qos: 1 });
    using reader = broker.queues.consume("tasks", { group: "g", start: { kind: "first" } });
    const { value } = await reader.next();
    id = value!.messageId;
    await broker.stop();
  }
  await using broker = await start(folder);
  using reader = broker.queues.consume("tasks", { group: "g" });
  const { value } = await reader.next();
  assert.deepEqual([value!.messageId, textOf(value!), value!.topic], [id, "a", "$queue/tasks/eu"]);
});

Deno.test("QoS 2: a packet id that the client may know from before a restart is released, not used again", async () => {
  using folder = new Folder();
  const durable = { clientId: "c", clean: false, properties: { sessionExpiryInterval: 60 } };
  let known: number | undefined;
  {
    await using broker = await queueBroker({ name: "tasks" }, { store: await openDataFolder(folder.path, OPTIONS) });
    const client = await broker.connect(durable);
    await client.subscribe("$queue/tasks", { qos: 2 });
    await put(await broker.connect(), "$queue/tasks", "one");
    known = (await client.receive({ acknowledge: false })).messageId;
  }
  await using broker = await TestBroker.start({ store: await openDataFolder(folder.path, OPTIONS) });
  const client = await broker.connect(durable);
  assert.equal((await client.expect("pubrel")).messageId, known);
  const again = await client.receive({ acknowledge: false });
  assert.equal(`${again.payload}`, "one");
  assert.notEqual(again.messageId, known);
});
