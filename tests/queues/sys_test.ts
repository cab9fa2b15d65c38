/** What `$SYS/broker/queues/...` tells of durable queues. */
import assert from "node:assert/strict";
import { SysQueues } from "../../src/server/sys_queues.ts";
import { BrokerOfQueues } from "../core/queue/broker_of_queues.ts";
import { TestBroker } from "../support/broker.ts";
import { AT_ONCE, put } from "./queue_client.ts";

const PREFIX = "$SYS/broker/queues/";

/** Values as they are told to a subscriber of all of them. */
class Reader {
  readonly values = new Map<string, string>();
  readonly #client;

  private constructor(client: Awaited<ReturnType<TestBroker["connect"]>>) {
    this.#client = client;
  }

  static async open(broker: TestBroker): Promise<Reader> {
    const client = await broker.connect();
    await client.subscribe(`${PREFIX}#`);
    return new Reader(client);
  }

  /** Reads on until the values are these. */
  async until(expected: Readonly<Record<string, string>>): Promise<void> {
    while (Object.entries(expected).some(([name, value]) => this.values.get(name) !== value)) {
      const { topic, payload } = await this.#client.expect("publish");
      this.values.set(topic.slice(PREFIX.length), `${payload}`);
    }
  }
}

Deno.test("$SYS tells how many queues there are, what waits in them and is with consumers, and what became of the rest", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 20 });
  await broker.broker.queues.create({ name: "jobs", partitions: 1, backoff: AT_ONCE });
  await broker.broker.queues.create({ name: "idle" });
  const reader = await Reader.open(broker);
  await reader.until({ count: "2", "messages/waiting": "0", "name/idle/waiting": "0", "messages/appended": "0" });
  const publisher = await broker.connect();
  for (const text of ["1", "2", "3", "4"]) await put(publisher, "$queue/jobs", text);
  await put(publisher, "$queue/jobs", "later", { delay: "1h" });
  await reader.until({ "messages/waiting": "5", "messages/ready": "4", "messages/delayed": "1", groups: "0" });
  const consumer = await broker.connect();
  await consumer.subscribe("$share/workers/$queue/jobs", { qos: 1 });
  const [one, two] = [await consumer.receive({ acknowledge: false }), await consumer.receive({ acknowledge: false })];
  await reader.until({ "messages/unacked": "4", "messages/ready": "0", groups: "1", consumers: "1" });
  await consumer.send({ cmd: "puback", messageId: one.messageId, reasonCode: 0 });
  await consumer.send({ cmd: "puback", messageId: two.messageId, reasonCode: 0x99 });
  await reader.until({
    ...{ "messages/waiting": "3", "messages/unacked": "2", "messages/dead": "1", "messages/dead-lettered": "1" },
    ...{ "messages/appended": "4", "messages/delivered": "4", "messages/acknowledged": "1", "messages/failed": "1" },
    ...{ "name/jobs/unacked": "2", "name/jobs/dead": "1", "name/jobs/acknowledged": "1", "name/idle/waiting": "0" },
    count: "2",
  });
});

Deno.test("what $SYS told of a queue that is deleted is cleared", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 20 });
  await broker.broker.queues.create({ name: "jobs" });
  const reader = await Reader.open(broker);
  await reader.until({ "name/jobs/waiting": "0" });
  await broker.broker.queues.delete("jobs");
  await reader.until({ "name/jobs/waiting": "", "name/jobs/dropped": "", count: "0" });
  const later = await Reader.open(broker);
  await later.until({ count: "0" });
  assert.deepEqual([...later.values.keys()].filter((name) => name.startsWith("name/")), []);
});

Deno.test("$SYS names a hundred queues, and its sums and rates are those of all", () => {
  const broker = new BrokerOfQueues({ queuesMax: 1_000 });
  const sys = new SysQueues(broker.queues);
  const name = (i: number) => `q${`${i}`.padStart(3, "0")}`;
  for (let i = 0; i < 150; i++) broker.create({ name: name(i) });
  assert.equal(sys.values(0)["queues/rate/appended"], 0);
  for (let i = 0; i < 150; i++) broker.publish(name(i), "x");
  const alice = broker.join("alice", { queue: name(149) });
  broker.ack(alice, "x");
  const values = sys.values(60_000);
  assert.equal(values["queues/count"], 150);
  assert.equal(values["queues/messages/waiting"], 149);
  assert.equal(values["queues/rate/appended"], 2.5);
  assert.equal(values["queues/name/q099/waiting"], 1);
  assert.equal(values["queues/name/q100/waiting"], undefined);
  assert.equal(sys.values(120_000)["queues/rate/appended"], 0);
});
