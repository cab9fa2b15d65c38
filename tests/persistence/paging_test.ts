/** How the store is asked for what waits: not in vain, and not for sessions that have ended. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { PageRequest, Store } from "../../src/core/ports.ts";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { Folder } from "../store/folder.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { durable } from "../support/departure.ts";
import { committed, publishNumbers, untilTime } from "./durable_broker.ts";

/** A store that counts how often it was asked for a page. */
async function countingStore(folder: string): Promise<Store & { pages: number }> {
  const store = await openDataFolder(folder, { sync: "off" });
  const counting: Store & { pages: number } = {
    pages: 0,
    load: () => store.load(),
    commit: (mutations) => store.commit(mutations),
    page(request: PageRequest) {
      counting.pages++;
      return store.page(request);
    },
    maintain: () => store.maintain(),
    close: () => store.close(),
  };
  return counting;
}

Deno.test("a session that ends in the same breath in which its queue wants more is not paged through for ever", async () => {
  using folder = new Folder();
  const store = await countingStore(folder.path);
  await using broker = await TestBroker.start({ store });
  const alice = await broker.connect(durable("alice"));
  await alice.subscribe("a", { qos: 1 });
  await alice.disconnect();
  await publishNumbers(await broker.connect(), "a", { from: 0, to: 5_000 });

  const draining = await broker.connect(durable("alice"));
  await acknowledgeAll(draining, 390); // nearly as many as make it ask for more
  const last: Packet[] = [];
  for (let i = 0; i < 100; i++) {
    const { messageId } = await draining.expect("publish");
    last.push({ cmd: "puback", messageId });
  }
  last.push({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 0 } } as Packet);
  await draining.sendBytes(Buffer.concat(last.map((packet) => mqttPacket.generate(packet, { protocolVersion: 5 }))));
  while (await draining.next() !== undefined);
  await committed(await broker.connect());
  const pages = store.pages;
  await untilTime(Date.now() + 300); // nothing shall come to pass
  assert.ok(store.pages - pages <= 1, `the store was asked for ${store.pages - pages} pages for nobody`);
});

Deno.test("a long queue is read from the store once", async () => {
  using folder = new Folder();
  const store = await countingStore(folder.path);
  await using broker = await TestBroker.start({ store });
  const alice = await broker.connect(durable("alice"));
  await alice.subscribe("a", { qos: 1 });
  await alice.disconnect();
  await publishNumbers(await broker.connect(), "a", { from: 0, to: 20_000 });
  assert.equal(store.pages, 0);
  await acknowledgeAll(await broker.connect(durable("alice")), 20_000);
  assert.ok(store.pages >= 38 && store.pages <= 45, `${store.pages} pages of 500 for 19,000 messages`);
});

async function acknowledgeAll(client: TestClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { messageId } = await client.expect("publish");
    await client.send({ cmd: "puback", messageId });
  }
}
