/** Rate limits and quotas hold for what is published to durable queues as for everything else. */
import assert from "node:assert/strict";
import { HttpDoor } from "../http/door.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { put } from "./queue_client.ts";

/** Slow enough that nothing comes back while a test runs. */
const THREE = { perSecond: 0.001, burst: 3 };

function stored(broker: TestBroker["broker"]): number {
  return broker.queues.get("jobs")?.stored.count ?? 0;
}

async function putMany(client: TestClient, count: number): Promise<number[]> {
  const codes: number[] = [];
  for (let i = 0; i < count; i++) codes.push(await put(client, "$queue/jobs", `${i}`));
  return codes;
}

Deno.test("a publish to a queue counts in the message rate: 0x97 over it, and nothing is stored of it", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { client: THREE }, action: "refuse" } });
  const client = await broker.connect();
  assert.deepEqual(await putMany(client, 5), [0, 0, 0, 0x97, 0x97]);
  assert.equal(stored(broker.broker), 3);
  const keyed = { "message-key": "k" };
  assert.equal(await put(client, "$queue/jobs", "keyed", keyed), 0x97);
  assert.equal(await put(client, "$queue/new", "x"), 0x97);
  assert.equal(broker.broker.queues.get("new"), undefined, "no queue is made by what is refused");
  const other = await broker.connect();
  assert.equal(await put(other, "$queue/jobs", "keyed", keyed), 0);
  assert.equal(stored(broker.broker), 4, "the key of what was refused was not noted");
});

Deno.test("a publish to a queue counts in the rate of bytes", async () => {
  const bytes = { client: { perSecond: 1, burst: 2_000 } };
  await using broker = await TestBroker.start({ rateLimits: { bytes, action: "refuse" } });
  const client = await broker.connect();
  const large = "x".repeat(900);
  const codes = [1, 2, 3].map(() => put(client, "$queue/jobs", large));
  assert.deepEqual(await Promise.all(codes), [0, 0, 0x97]);
  assert.equal(stored(broker.broker), 2);
});

Deno.test("3.1.1: who publishes to a queue over the rate is disconnected, and nothing is stored of that", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { client: THREE }, action: "refuse" } });
  const client = await broker.connect({ version: 4 });
  assert.deepEqual(await putMany(client, 3), [0, 0, 0]);
  await client.send({
    ...{ cmd: "publish", topic: "$queue/jobs", payload: "4", qos: 1, messageId: 9, dup: false, retain: false },
  });
  assert.equal(await client.next(), undefined);
  assert.equal(stored(broker.broker), 3);
});

Deno.test("what settles is not held up by what was published before: an acknowledgement costs no message", async () => {
  await using broker = await TestBroker.start({ rateLimits: { message: { client: THREE }, action: "refuse" } });
  const client = await broker.connect();
  await putMany(client, 4);
  await client.subscribe("$queue/jobs", { qos: 1 });
  for (let i = 0; i < 3; i++) await client.receive();
  await client.unsubscribe("nothing"); // the acknowledgements are stored
  assert.equal(broker.broker.queues.get("jobs")!.groups[0].unsettled, 0);
});

Deno.test("over HTTP: 429 over the rate, and nothing is stored of it", async () => {
  await using door = await HttpDoor.open({ rateLimits: { message: { client: THREE }, action: "refuse" } });
  const publish = (status?: number) => {
    const json = { topic: "$queue/jobs", payload: "x", encoding: "text", qos: 1 };
    return door.call("/publish", { json, status, headers: { "x-client-id": "c" } });
  };
  for (let i = 0; i < 3; i++) await publish();
  await publish(429);
  assert.equal(stored(door.broker), 3);
});

Deno.test("a batch of which a queue takes only the first tells which", async () => {
  await using door = await HttpDoor.open();
  await door.call("/queues/jobs", { method: "PUT", json: { limits: { max_depth: 2 } }, status: 201 });
  const messages = ["1", "2", "3"].map((payload) => ({ topic: "$queue/jobs", payload, encoding: "text", qos: 1 }));
  const { results } = await door.call("/publish/batch", { json: messages });
  const outcomes = results.map(({ status, outcome }: { status: string; outcome: string }) => [status, outcome]);
  assert.deepEqual(outcomes, [["ok", "success"], ["ok", "success"], ["refused", "quota-exceeded"]]);
  assert.equal(stored(door.broker), 2);
});
