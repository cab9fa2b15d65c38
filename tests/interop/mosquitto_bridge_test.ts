/** A Mosquitto broker that is configured to bridge to ours, as sites do that move from the one to the other. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { requires } from "../support/skip.ts";
import { Program } from "./mosquitto_programs.ts";
import { type MqttJsClient, MqttJsClients } from "./mqttjs_client.ts";
import { happening, within } from "./patience.ts";

/** With `try_private`, the default, Mosquitto first says protocol level 0x83 or 0x84 ("I am a bridge") unless it speaks v5. A broker
 * that refuses gets the plain level some seconds later. */
interface Setup {
  readonly version: "mqttv31" | "mqttv311" | "mqttv50";
  readonly tryPrivate: boolean;
  /** Whether the bridge announces itself. By default it does so below `$SYS/broker/connection`, which is the broker's own here. */
  readonly notifications: boolean;
}

const NUMBERS = Array.from({ length: 1_000 }, (_, number) => `${number}`);

for (const version of ["mqttv31", "mqttv311", "mqttv50"] as const) {
  for (const tryPrivate of [false, true]) {
    const name = `a Mosquitto bridge (${version}${tryPrivate ? ", try_private" : ""}) carries messages both ways`;
    test(name, { version, tryPrivate, notifications: false }, async ({ here, there }) => {
      await here.subscribe("weir/out/#");
      await there.subscribe("in/#");
      for (const qos of [0, 1, 2] as const) {
        await there.publish("out/x", `out at ${qos}`, { qos });
        const arrived = await here.received.next();
        assert.deepEqual([arrived.topic, arrived.payload, arrived.packet.qos], ["weir/out/x", `out at ${qos}`, qos]);
        await here.publish("weir/in/y", `in at ${qos}`, { qos });
        const returned = await there.received.next();
        assert.deepEqual([returned.topic, returned.payload, returned.packet.qos], ["in/y", `in at ${qos}`, qos]);
      }
      await Promise.all([
        ...NUMBERS.map((number) => there.publish("out/many", number, { qos: 1 })),
        ...NUMBERS.map((number) => here.publish("weir/in/many", number, { qos: 1 })),
      ]);
      for (const client of [here, there]) {
        assert.deepEqual((await client.received.take(1_000)).map(({ payload }) => payload), NUMBERS);
      }
    });
  }

  const name = `a Mosquitto bridge (${version}) tells by a retained message that it is up, by its will that it is gone`;
  test(name, { version, tryPrivate: true, notifications: true }, async ({ here, bridge }) => {
    await here.subscribe("bridges/weir", { qos: 1 });
    await here.received.until(({ payload }) => payload === "1"); // "0" comes before it when the subscription was early
    await bridge.kill();
    assert.equal((await here.received.next()).payload, "0");
  });
}

test(
  "a Mosquitto bridge (mqttv50) carries properties, retained messages and no echo",
  { version: "mqttv50", tryPrivate: true, notifications: false },
  async ({ here, there }) => {
    const properties = {
      contentType: "text/plain",
      responseTopic: "answers",
      userProperties: { a: ["1", "2"] },
    };
    await there.subscribe("both/#");
    await there.publish("both/x", "once", { qos: 1, properties });
    await here.subscribe("both/#");
    await here.publish("both/y", "kept", { qos: 1, retain: true, properties });
    for (const expected of ["both/x once", "both/y kept"]) {
      const { topic, payload, packet } = await there.received.next();
      assert.equal(`${topic} ${payload}`, expected);
      const { contentType, userProperties, responseTopic } = packet.properties ?? {};
      assert.deepEqual({ contentType, responseTopic, userProperties: { ...userProperties } }, properties);
    }
    await here.publish("both/z", "end", { qos: 1 });
    assert.deepEqual(await there.take(1), ["both/z end"]);
    await there.expectNothing();
    const late = await here.received.until(({ payload }) => payload === "end");
    assert.equal(late.topic, "both/z");
    await here.expectNothing();
  },
);

/** Declares a test with our broker, a Mosquitto that has bridged to it, and a client at each. */
function test(
  name: string,
  setup: Setup,
  fn: (stage: { here: MqttJsClient; there: MqttJsClient; bridge: Program }) => Promise<void>,
): void {
  const run = async () => {
    await using broker = await TestBroker.start();
    const folder = await Deno.makeTempDir({ prefix: "weir-bridge-" });
    try {
      await bridged(broker, { setup, folder }, fn);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  };
  Deno.test(requires(["mosquitto"], { name, fn: run }));
}

async function bridged(
  broker: TestBroker,
  { setup, folder }: { setup: Setup; folder: string },
  fn: Parameters<typeof test>[2],
): Promise<void> {
  const port = freePort();
  await Deno.writeTextFile(`${folder}/mosquitto.conf`, configuration(setup, { port, remote: broker.port }));
  const subscribed = happening(broker.broker, (it) => it.kind === "subscribed" && it.filter === "both/#");
  await using bridge = new Program("mosquitto", ["-c", `${folder}/mosquitto.conf`]);
  await within(Promise.race([subscribed, bridge.failed()]), "the bridge");
  await using clients = new MqttJsClients(broker);
  await using remote = new MqttJsClients({ port });
  await fn({ here: await clients.connect(), there: await remote.connect(), bridge });
}

/** `out` of the bridge's broker is `weir/out` here; `weir/in` here is `in` there; `both` is the same on both sides. */
function configuration(
  { version, tryPrivate, notifications }: Setup,
  { port, remote }: { port: number; remote: number },
): string {
  return `
listener ${port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
connection weir
address 127.0.0.1:${remote}
bridge_protocol_version ${version}
try_private ${tryPrivate}
notifications ${notifications}
notification_topic bridges/weir
restart_timeout 1
keepalive_interval 5
topic out/# out 2 "" weir/
topic in/# in 2 "" weir/
topic both/# both 2
`;
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}
