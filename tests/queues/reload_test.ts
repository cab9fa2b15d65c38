/** Durable queues of the configuration, as it is at a start and as SIGHUP finds it. */
import assert from "node:assert/strict";
import { Served } from "../auth/served.ts";
import { put } from "./queue_client.ts";

Deno.test("SIGHUP makes and changes the queues that the configuration lists; one that cannot change stays", async () => {
  const yaml = (first: string, more = "") => `queues: [{ name: first, ${first} }${more}]`;
  await using served = await Served.start(yaml("partitions: 2, limits: { max_depth: 1 }"));
  const client = await served.connect({ clientId: "c" });
  assert.equal(await put(client, "$queue/first", "a"), 0);
  assert.equal(await put(client, "$queue/first", "b"), 0x97);
  served.yaml = yaml("partitions: 4, limits: { max_depth: 2 }", ", { name: second, limits: { max_depth: 1 } }");
  await served.reload();
  assert.equal(await put(client, "$queue/first", "b"), 0);
  assert.equal(await put(client, "$queue/first", "c"), 0x97);
  assert.equal(await put(client, "$queue/second", "a"), 0);
  assert.equal(await put(client, "$queue/second", "b"), 0x97);
  served.yaml = yaml("partitions: 1, limits: { max_depth: 9 }", ", { name: third, limits: { max_depth: 1 } }");
  await served.reload();
  assert.equal(await put(client, "$queue/first", "c"), 0x97, "fewer partitions cannot be, so nothing of it is");
  assert.equal(await put(client, "$queue/third", "a"), 0);
  assert.equal(await put(client, "$queue/third", "b"), 0x97);
  assert.equal(await put(client, "$queue/second", "b"), 0x97, "and what is not listed any more is there");
});

Deno.test("SIGHUP changes what holds for queues that nobody has defined, and whether they come into being", async () => {
  await using served = await Served.start("queue: { limits: { max_depth: 1 } }");
  const client = await served.connect({ clientId: "c" });
  const twice = async (topic: string) => [await put(client, topic, "a"), await put(client, topic, "b")];
  assert.deepEqual(await twice("$queue/a"), [0, 0x97]);
  served.yaml = "queue: { limits: { max_depth: 2 } }";
  await served.reload();
  assert.equal(await put(client, "$queue/a", "b"), 0x97, "what is there stays as it is");
  assert.deepEqual(await twice("$queue/b"), [0, 0]);
  served.yaml = "queue: { max_queues: 2 }";
  await served.reload();
  assert.equal(await put(client, "$queue/c", "a"), 0x97);
  served.yaml = "queue: { auto_create: false }";
  await served.reload();
  assert.equal(await put(client, "$queue/c", "a"), 0x90);
});
