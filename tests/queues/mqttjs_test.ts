/** Durable queues with MQTT.js, a client that we did not write: groups, reason codes, connections that are lost and come back. */
import assert from "node:assert/strict";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { WeirBroker } from "../../mod.ts";
import { inTime, until } from "../embedding/waiting.ts";
import { AT_ONCE } from "./queue_client.ts";

interface Scene {
  readonly broker: WeirBroker;
  client(options?: IClientOptions): Promise<MqttClient>;
}

/** A test with the queue `tasks`; clients end with it. */
function test(name: string, play: (scene: Scene) => Promise<void>): void {
  Deno.test(`MQTT.js: ${name}`, async () => {
    await using broker = await WeirBroker.start({ sysIntervalMs: 0, shutdownTimeoutMs: 500 });
    await broker.queues.create({ name: "tasks", partitions: 4, backoff: AT_ONCE, deliveryLimit: 3 });
    const { port } = broker.listen({ port: 0 });
    const clients: MqttClient[] = [];
    const client = async (options: IClientOptions = {}) => {
      const each = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, ...options });
      clients.push(each);
      return each;
    };
    try {
      await play({ broker, client });
    } finally {
      for (const each of clients) await each.endAsync(true);
    }
  });
}

const WORKERS = { qos: 1, properties: { userProperties: { "consumer-group": "workers" } } } as const;
const waiting = ({ broker }: Scene) => broker.queues.get("tasks")!.waiting.count;

for (const protocolVersion of [4, 5] as const) {
  test(`version ${protocolVersion}: members of a group share what a publisher hands over, each message once`, async (scene) => {
    const got: string[] = [];
    for (let i = 0; i < 3; i++) {
      const member = await scene.client({ protocolVersion });
      member.on("message", (_topic, payload) => got.push(payload.toString()));
      if (protocolVersion === 5) await member.subscribeAsync("$queue/tasks", WORKERS);
      else await member.subscribeAsync("$share/workers/$queue/tasks", { qos: 1 });
    }
    const publisher = await scene.client({ protocolVersion });
    const expected = Array.from({ length: 40 }, (_, i) => `${i}`);
    await Promise.all(
      expected.map((payload) => publisher.publishAsync(`$queue/tasks/${payload}`, payload, { qos: 1 })),
    );
    await until(() => waiting(scene) === 0, "all is done");
    assert.deepEqual(got.toSorted((a, b) => Number(a) - Number(b)), expected);
  });
}

test("a reason code nacks or rejects: the message comes again, or is a dead letter", async (scene) => {
  const seen: string[] = [];
  const worker = await scene.client({
    customHandleAcks: (_topic, payload, packet, done) => {
      const count = packet.properties.userProperties["delivery-count"];
      seen.push(`${payload} ${count}`);
      done(`${payload}` === "poison" ? 0x99 : count === "1" ? 0x80 : 0);
    },
  });
  await worker.subscribeAsync("$queue/tasks", WORKERS);
  for (const payload of ["work", "poison"]) await worker.publishAsync("$queue/tasks", payload, { qos: 1 });
  await until(() => waiting(scene) === 0, "all is done");
  assert.deepEqual(seen.toSorted(), ["poison 1", "work 1", "work 2"]);
  const letters = await scene.broker.queues.deadLetters("tasks");
  assert.deepEqual(letters.map(({ payload, cause }) => [`${new TextDecoder().decode(payload)}`, cause]), [
    ["poison", "rejected"],
  ]);
});

test("a client whose connection is lost comes back by itself and goes on, nothing twice", async (scene) => {
  const got: string[] = [];
  const worker = await scene.client({
    clientId: "worker",
    clean: false,
    reconnectPeriod: 10,
    properties: { sessionExpiryInterval: 60 },
  });
  worker.on("message", (_topic, payload) => got.push(`${payload}`));
  await worker.subscribeAsync("$queue/tasks", WORKERS);
  const publisher = await scene.client();
  for (let round = 0; round < 5; round++) {
    const back = new Promise((resolve) => worker.once("connect", resolve));
    await until(() => waiting(scene) === 0, "all is done");
    worker.stream.destroy();
    for (let i = 0; i < 4; i++) await publisher.publishAsync("$queue/tasks", `${round}${i}`, { qos: 1 });
    await inTime(back, "the worker is back");
  }
  await until(() => waiting(scene) === 0, "all is done");
  assert.equal(got.length, 20);
  assert.equal(new Set(got).size, 20);
});
