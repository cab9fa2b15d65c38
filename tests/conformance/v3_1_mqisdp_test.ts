/** MQTT 3.1 (`MQIsdp`, level 3): what its clients need of a 3.1.1 broker. Its specification has no numbered statements. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import {
  assertConnectAnswered,
  assertConnectRefused,
  connectBytes,
  field,
  Flag,
  framesOf,
  will,
} from "./v3_packets.ts";

const HEADER = { name: "MQIsdp", level: 3 } as const;

Deno.test("MQTT 3.1: CONNACK has no flags, a stored session is resumed in silence", async () => {
  await using broker = await TestBroker.start();
  const before = await broker.connect({ version: 3, clientId: "c", clean: false });
  assert.deepEqual(before.bytes, [0x20, 2, 0, 0]);
  await before.subscribe("a", { qos: 1 });
  await before.disconnect();
  await broker.broker.publish({ topic: "a", payload: "queued", qos: 1 });
  const after = await broker.connect({ version: 3, clientId: "c", clean: false });
  assert.deepEqual(framesOf(after)[0], [0x20, 2, 0, 0]);
  assert.equal((await after.receive()).payload.toString(), "queued");
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`MQTT 3.1: messages go both ways at QoS ${qos}, with clients of 3.1.1 and 5.0 too`, async () => {
    await using broker = await TestBroker.start();
    for (const [from, to] of [[3, 3], [3, 4], [4, 3], [5, 3], [3, 5]] as const) {
      const subscriber = await broker.connect({ version: to });
      assert.equal(await subscriber.subscribe("a", { qos }), qos);
      const publisher = await broker.connect({ version: from });
      await publisher.publish("a", `${from} to ${to}`, { qos });
      const message = await subscriber.receive();
      assert.deepEqual([message.payload.toString(), message.qos], [`${from} to ${to}`, qos]);
      await subscriber.disconnect();
    }
  });
}

Deno.test("MQTT 3.1: an empty client identifier is answered by CONNACK 2 and the end, clean session or not", async () => {
  await using broker = await TestBroker.start();
  for (const flags of [0, Flag.clean]) {
    await assertConnectAnswered(broker, connectBytes({ ...HEADER, flags }, field("")), [0x20, 2, 0, 2]);
  }
});

Deno.test("MQTT 3.1: user name and password, whose strings may be missing though flagged", async () => {
  const seen: (string | undefined)[] = [];
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: ({ username, password }) => {
        seen.push(username, password && new TextDecoder().decode(password));
        return { refusal: "bad-user-name-or-password", reason: "" };
      },
    },
  });
  const flags = Flag.clean | Flag.username | Flag.password;
  const rejected = [0x20, 2, 0, 4];
  await assertConnectAnswered(broker, connectBytes({ ...HEADER, flags }, field("c"), field("u"), field("p")), rejected);
  await assertConnectAnswered(broker, connectBytes({ ...HEADER, flags }, field("c")), rejected);
  assert.deepEqual(seen, ["u", "p", undefined, undefined]);
});

Deno.test("MQTT 3.1: a will is published, retained messages and unsubscribing work", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ version: 3 });
  await client.publish("kept", "retained", { qos: 1, retain: true });
  await client.subscribe("#", { qos: 2 });
  assert.equal((await client.receive()).retain, true);
  const dying = await broker.connect({ version: 3, will: will("will", "gone", { qos: 2 }) });
  dying.close();
  assert.equal((await client.receive()).payload.toString(), "gone");
  await client.unsubscribe("#");
  await client.publish("kept", "again", { qos: 1 });
  await client.expectNothing();
});

Deno.test("MQTT 3.1: MQIsdp with another level than 3 is not accepted, nor MQTT with level 3", async () => {
  await using broker = await TestBroker.start();
  await assertConnectAnswered(broker, connectBytes({ name: "MQIsdp", level: 4 }, field("c")), [0x20, 2, 0, 1]);
  await assertConnectAnswered(broker, connectBytes({ name: "MQTT", level: 3 }, field("c")), [0x20, 2, 0, 1]);
  await assertConnectRefused(broker, connectBytes({ ...HEADER, flags: Flag.clean | Flag.will }, field("c")));
});
