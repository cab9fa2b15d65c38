/** MQTT 5.0 section 3.3.2.3.4: topic aliases, from clients and towards them. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { ending } from "../support/endings.ts";
import { frames, hex, join, lastFrame, rawPublish, uint16 } from "../support/raw_packet.ts";

const PROTOCOL_ERROR = 0x82;
const ALIAS_INVALID = 0x94;
const LASTING = { sessionExpiryInterval: 300 };

Deno.test("[MQTT-3.3.2-12] every alias from 1 to the maximum may be set and used, and set anew", async () => {
  await using broker = await TestBroker.start({ protocol: { topicAliasMaximum: 20 } });
  const witness = await broker.connect();
  await witness.subscribe("#");
  const client = await broker.connect();
  const maximum = client.connack?.properties?.topicAliasMaximum;
  assert.equal(maximum, 20);
  for (const round of ["first", "second"]) {
    for (let alias = 1; alias <= 20; alias++) await client.sendBytes(aliased(alias, `${round}/${alias}`));
    for (let alias = 20; alias >= 1; alias--) await client.sendBytes(aliased(alias, ""));
    for (let alias = 1; alias <= 20; alias++) assert.equal((await witness.receive()).topic, `${round}/${alias}`);
    for (let alias = 20; alias >= 1; alias--) assert.equal((await witness.receive()).topic, `${round}/${alias}`);
  }
});

Deno.test("[MQTT-3.3.2-12] aliases work at every QoS, and the topic that they stand for may be sent as well", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("some/topic", { qos: 2 });
  const client = await broker.connect();
  await client.sendBytes(aliased(64, "some/topic"));
  await witness.receive();
  for (const topic of ["", "some/topic", ""]) {
    for (const qos of [0, 1, 2] as const) {
      await client.publish(topic, topic, { qos, properties: { topicAlias: 64 } });
      const message = await witness.receive();
      assert.deepEqual([message.topic, message.qos], ["some/topic", qos]);
    }
  }
  await client.publish("some/topic", "without an alias");
  await client.sendBytes(aliased(64, ""));
  for (let count = 0; count < 2; count++) assert.equal((await witness.receive()).topic, "some/topic");
});

Deno.test("[MQTT-3.3.2-12] each client has its own aliases", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("of/#");
  const clients = [await broker.connect(), await broker.connect()];
  for (const [index, client] of clients.entries()) await client.sendBytes(aliased(1, `of/${index}`));
  const topics = [(await witness.receive()).topic, (await witness.receive()).topic];
  assert.deepEqual(topics.sort(), ["of/0", "of/1"]);
  for (const [index, client] of clients.entries()) {
    await client.sendBytes(aliased(1, ""));
    assert.equal((await witness.receive()).topic, `of/${index}`);
  }
});

Deno.test("MQTT5 3.3.2.3.4: an alias that has not been set is a protocol error", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(aliased(1, "a"));
  assert.equal(await ending(client, aliased(2, "")), PROTOCOL_ERROR);
});

Deno.test("[MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.2.2-17] alias 0, and those above the maximum, end the connection with 0x94", async () => {
  await using broker = await TestBroker.start({ protocol: { topicAliasMaximum: 20 } });
  const witness = await broker.connect();
  await witness.subscribe("a");
  for (const alias of [0, 21, 0xffff]) {
    for (const topic of ["a", ""]) {
      assert.equal(await ending(await broker.connect(), aliased(alias, topic)), ALIAS_INVALID, `${alias} "${topic}"`);
    }
  }
  await witness.expectNothing();
});

Deno.test("[MQTT-3.2.2-18] a broker that takes no aliases says so by silence, and refuses each with 0x94", async () => {
  await using broker = await TestBroker.start({ protocol: { topicAliasMaximum: 0 } });
  const client = await broker.connect();
  assert.ok((client.connack?.properties?.topicAliasMaximum ?? 0) === 0);
  assert.equal(await ending(client, aliased(1, "a")), ALIAS_INVALID);
});

Deno.test("[MQTT-3.3.2-7] aliases of a client end with its connection, though the session goes on", async () => {
  await using broker = await TestBroker.start();
  const before = await broker.connect({ clientId: "one", properties: LASTING });
  await before.sendBytes(aliased(1, "a"));
  await before.disconnect();
  const after = await broker.connect({ clientId: "one", clean: false });
  assert.equal(after.connack?.sessionPresent, true);
  assert.equal(await ending(after, aliased(1, "")), PROTOCOL_ERROR);
});

Deno.test("MQTT5 3.3.2.3.4: an alias is what it stands for when a client is asked whether it may publish", async () => {
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({
      username,
      policy: { mayPublish: (_, topic) => topic === "open", maySubscribe: () => true },
    }),
  };
  await using broker = await TestBroker.start({ authenticator });
  const client = await broker.connect();
  const publish = (topic: string, topicAlias: number) =>
    client.publish(topic, "", { qos: 1, properties: { topicAlias } });
  assert.equal(await publish("open", 1), 0x10);
  assert.equal(await publish("shut", 2), 0x87);
  assert.equal(await publish("", 1), 0x10);
  assert.equal(await publish("", 2), 0x87); // the alias was set though the message was refused
});

Deno.test("[MQTT-3.1.2-27] a client that says no maximum, or 0, is sent no alias", async () => {
  await using broker = await TestBroker.start();
  for (const properties of [{}, { topicAliasMaximum: 0 }]) {
    const client = await broker.connect({ properties });
    await client.subscribe("some/longer/topic");
    for (let count = 0; count < 3; count++) {
      await client.publish("some/longer/topic", "x");
      await client.receive();
      assert.deepEqual(lastFrame(client.bytes, 3), rawPublish({ topic: "some/longer/topic", payload: "x" }));
    }
  }
});

Deno.test("[MQTT-3.1.2-26] [MQTT-3.3.2-11] a client is sent aliases from 1 to its maximum, each set before it is used", async () => {
  await using broker = await TestBroker.start();
  for (const topicAliasMaximum of [1, 3, 0xffff]) {
    const client = await broker.connect({ properties: { topicAliasMaximum } });
    await client.subscribe("t/#", { qos: 1 });
    const publisher = await broker.connect();
    const known = new Map<number, string>();
    for (let count = 0; count < 300; count++) {
      const topic = `t/number/${(count * count) % 101}`;
      await publisher.publish(topic, "x", { qos: (count % 2) as 0 | 1 });
      assert.equal(await receiveTopic(client, known), topic);
    }
    for (const alias of known.keys()) assert.ok(alias >= 1 && alias <= topicAliasMaximum, `alias ${alias}`);
    assert.ok(known.size > 0, "aliases are our choice: a client that allows them gets them");
  }
});

Deno.test("[MQTT-3.3.2-11] the broker's own limit of outgoing aliases may be lower, or 0", async () => {
  for (const topicAliasMaximumOutbound of [0, 2]) {
    await using broker = await TestBroker.start({ protocol: { topicAliasMaximumOutbound } });
    const client = await broker.connect({ properties: { topicAliasMaximum: 100 } });
    await client.subscribe("t/#");
    const known = new Map<number, string>();
    for (let count = 0; count < 20; count++) {
      await client.publish(`t/number/${count % 5}`, "x");
      assert.equal(await receiveTopic(client, known), `t/number/${count % 5}`);
    }
    assert.equal(known.size, topicAliasMaximumOutbound);
  }
});

Deno.test("[MQTT-3.3.2-7] aliases towards a client end with its connection: what is sent again has its topic", async () => {
  await using broker = await TestBroker.start();
  const properties = { ...LASTING, topicAliasMaximum: 10 };
  const before = await broker.connect({ clientId: "one", properties });
  await before.subscribe("some/topic", { qos: 1 });
  const publisher = await broker.connect();
  const known = new Map<number, string>();
  for (let count = 0; count < 3; count++) {
    await publisher.publish("some/topic", "x", { qos: 1 });
    assert.equal(await receiveTopic(before, known, false), "some/topic");
  }
  assert.equal(known.size, 1);
  const again = await broker.connect({ clientId: "one", clean: false, properties });
  const fresh = new Map<number, string>();
  for (let count = 0; count < 3; count++) assert.equal(await receiveTopic(again, fresh), "some/topic");
  const last = await broker.connect({ clientId: "one", clean: false });
  await publisher.publish("some/topic", "x", { qos: 1 });
  const message = await last.receive();
  assert.deepEqual([message.topic, message.properties], ["some/topic", undefined]);
});

Deno.test("[MQTT-3.1.2-25] an alias that was to be set by a message too large to be sent is not used", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ properties: { topicAliasMaximum: 10, maximumPacketSize: 60 } });
  await client.subscribe("some/#");
  const known = new Map<number, string>();
  await client.publish("some/topic", "x".repeat(100));
  for (const topic of ["some/topic", "some/other", "some/topic", "some/other"]) {
    await client.publish(topic, "small");
    assert.equal(await receiveTopic(client, known), topic);
  }
});

Deno.test("[MQTT-3.3.2-11] subscribers with and without aliases get the same message, each in its own form", async () => {
  await using broker = await TestBroker.start();
  const plain = [await broker.connect(), await broker.connect({ version: 4 })];
  const aliasing = [1, 10].map((topicAliasMaximum) => broker.connect({ properties: { topicAliasMaximum } }));
  const clients = [plain[0], await aliasing[0], plain[1], await aliasing[1]];
  for (const client of clients) await client.subscribe("some/#", { qos: 1 });
  const known = clients.map(() => new Map<number, string>());
  const publisher = await broker.connect();
  for (const topic of ["some/a", "some/b", "some/a", "some/b"]) {
    await publisher.publish(topic, "x", { qos: 1 });
    for (const [index, client] of clients.entries()) assert.equal(await receiveTopic(client, known[index]), topic);
  }
  assert.deepEqual(known.map(({ size }) => size), [0, 1, 0, 2]);
  assert.ok(frames(clients[0].bytes).every((frame) => !hex(frame).includes("23 00")));
});

/** A QoS 0 PUBLISH with an alias. */
function aliased(alias: number, topic: string): Uint8Array {
  return rawPublish({ topic, properties: join(0x23, uint16(alias)), payload: topic });
}

/** The topic of the next message, by its alias when it has no name; `known` are the aliases of this connection. */
async function receiveTopic(client: TestClient, known: Map<number, string>, acknowledge = true): Promise<string> {
  const { topic, properties } = await client.receive({ acknowledge });
  const alias = properties?.topicAlias;
  if (topic === "") return known.get(alias ?? 0) ?? `alias ${alias}, which was not set`;
  if (alias !== undefined) known.set(alias, topic);
  return topic;
}
