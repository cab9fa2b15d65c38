import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { packet, properties, rawPublish, rawSubscribe, text, uint16 } from "../support/raw_packet.ts";

/** Filters, with topics that they match and topics that they do not (MQTT 5 4.7.1, 4.7.2, 4.7.3). */
const MATCHES: readonly [string, readonly string[], readonly string[]][] = [
  [
    "sport/tennis/player1/#",
    ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"],
    ["sport/tennis/player10", "sport/tennis", "/sport/tennis/player1"],
  ],
  ["sport/#", ["sport", "sport/", "sport/a/b"], ["sports", "/sport"]],
  ["#", ["a", "/", "/a", "a/b/c", "//", " "], ["$a", "$SYS/x"]],
  ["/#", ["/", "/a", "//"], ["a", "a/"]],
  ["+", ["a", " "], ["a/b", "/a", "a/", "/"]],
  ["+/+", ["/finance", "a/b", "/", "a/"], ["finance", "/a/b"]],
  ["/+", ["/finance", "/"], ["finance", "//", "/a/b"]],
  ["sport/+", ["sport/", "sport/a"], ["sport", "sport/a/b", "sport/a/"]],
  ["sport/tennis/+", ["sport/tennis/player1", "sport/tennis/"], ["sport/tennis/player1/ranking", "sport/tennis"]],
  ["+/tennis/#", ["sport/tennis", "sport/tennis/a/b", "/tennis"], ["tennis", "a/b/tennis"]],
  ["sport/+/player1", ["sport/tennis/player1", "sport//player1"], ["sport/player1", "sport/a/b/player1"]],
  ["+/+/#", ["a/b", "a/b/c", "/"], ["a"]],
  ["a//b", ["a//b"], ["a/b", "a/x/b", "a///b"]],
  ["$data/#", ["$data", "$data/a"], ["data/a", "$DATA/a"]],
  ["$data/+/x", ["$data/a/x"], ["$data/a/b/x"]],
  ["+/monitor/Clients", ["sys/monitor/Clients"], ["$sys/monitor/Clients"]],
];

const INVALID: readonly [string, readonly string[]][] = [
  ["MQTT-4.7.1-1", ["sport/tennis#", "sport/tennis/#/ranking", "#/", "##", "a#", "#a", "/#/", "a/#b", "+#", "#/+"]],
  ["MQTT-4.7.1-2", ["sport+", "+sport", "++", "a/+b", "a/b+/c", "+/a+", "a/++/b"]],
];

const VALID: readonly [string, readonly string[]][] = [
  ["MQTT-4.7.1-1", ["#", "/#", "a/#", "a//#", "+/#", "$data/#"]],
  ["MQTT-4.7.1-2", ["+", "/+", "+/", "+/+", "a/+/b", "+/tennis/#", "//+//", "a/+"]],
];

/** The topics of the messages that the client has received so far. */
async function received(client: TestClient): Promise<string[]> {
  await client.send({ cmd: "pingreq" });
  const topics: string[] = [];
  for (let next = await client.next(); next?.cmd !== "pingresp"; next = await client.next()) {
    assert.equal(next?.cmd, "publish");
    topics.push((next as { topic: string }).topic);
  }
  return topics;
}

for (const [filter, yes, no] of MATCHES) {
  const id = /^[+#]/.test(filter) ? "MQTT-4.7.2-1" : filter.includes("#") ? "MQTT-4.7.1-1" : "MQTT-4.7.1-2";
  Deno.test(`[${id}] "${filter}" matches what it should and nothing else`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = [await broker.connect(), await broker.connect()];
    assert.equal(await subscriber.subscribe(filter, { qos: 1 }), 1);
    for (const topic of [...yes, ...no]) if (!topic.startsWith("$SYS")) await publisher.publish(topic, "", { qos: 1 });
    assert.deepEqual(await received(subscriber), yes);
  });

  Deno.test(`[${id}] "${filter}" finds the same topics among retained messages`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = [await broker.connect(), await broker.connect()];
    for (const topic of [...yes, ...no]) {
      if (!topic.startsWith("$SYS")) await publisher.publish(topic, "kept", { qos: 1, retain: true });
    }
    await subscriber.subscribe(filter, { qos: 0 });
    assert.deepEqual((await received(subscriber)).toSorted(), [...yes].toSorted());
  });
}

for (const [id, filters] of INVALID) {
  for (const filter of filters) {
    Deno.test(`[${id}] "${filter}" is not a topic filter: SUBACK 0x8F, and nothing is subscribed to`, async () => {
      await using broker = await TestBroker.start();
      const client = await broker.connect();
      assert.equal(await client.subscribe(filter, { qos: 1 }), 0x8f);
      for (const topic of ["sport/tennis", "a/b", "sport"]) await client.publish(topic, "", { qos: 1 });
      await client.expectNothing();
    });
  }
}

for (const [id, filters] of VALID) {
  Deno.test(`[${id}] the wildcard may stand where it should: ${filters.join(" ")}`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    for (const filter of filters) assert.equal(await client.subscribe(filter, { qos: 1 }), 1, filter);
  });
}

for (const topic of ["a/+", "#", "a/#", "+", "a+b", "a/b#"]) {
  for (const qos of [0, 1, 2]) {
    Deno.test(`[MQTT-4.7.0-1] a QoS ${qos} PUBLISH to "${topic}" is refused`, async () => {
      await using broker = await TestBroker.start();
      const [client, watcher] = [await broker.connect(), await broker.connect()];
      await watcher.subscribe("#");
      await client.sendBytes(rawPublish({ first: 0x30 | qos << 1, topic, ...qos > 0 && { packetId: 3 } }));
      const answer = await client.next() as { cmd: string; reasonCode?: number };
      const kinds = ["disconnect", ...qos === 1 ? ["puback"] : qos === 2 ? ["pubrec"] : []];
      assert.ok(kinds.includes(answer.cmd), answer.cmd);
      assert.ok([0x81, 0x82, 0x90].includes(answer.reasonCode!), `0x${answer.reasonCode?.toString(16)}`);
      await watcher.expectNothing();
    });
  }
}

Deno.test("[MQTT-4.7.2-1] a filter that begins with a wildcard gets no $SYS, one that begins with $SYS does", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 50 });
  const [all, system] = [await broker.connect(), await broker.connect()];
  for (const filter of ["#", "+/#", "+/+/+", "+/broker/#"]) await all.subscribe(filter);
  await system.subscribe("$SYS/#");
  for (let i = 0; i < 20; i++) assert.match((await system.expect("publish")).topic, /^\$SYS\//);
  await all.expectNothing();
});

Deno.test("[MQTT-4.7.2-1] a subscriber of both # and $data/# gets both kinds once", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("#");
  await client.subscribe("$data/#");
  for (const topic of ["$data/x", "data/x", "$other/x"]) await publisher.publish(topic, "", { qos: 1 });
  assert.deepEqual(await received(client), ["$data/x", "data/x"]);
});

Deno.test("[MQTT-4.7.2-1] a shared filter that begins with a wildcard gets no $ topic either", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  await client.subscribe("$share/g/#");
  for (const topic of ["$data/x", "data/x"]) await publisher.publish(topic, "", { qos: 1 });
  assert.deepEqual(await received(client), ["data/x"]);
});

for (const qos of [1, 2] as const) {
  Deno.test(`[MQTT-4.7.2-1] a client may not publish below $SYS at QoS ${qos}: 0x87`, async () => {
    await using broker = await TestBroker.start();
    const [client, watcher] = [await broker.connect(), await broker.connect()];
    await watcher.subscribe("$SYS/#");
    for (const topic of ["$SYS", "$SYS/broker/uptime"]) {
      assert.equal(await client.publish(topic, "mine", { qos, retain: true }), 0x87);
    }
    await watcher.expectNothing();
    assert.equal(await client.publish("$SYSTEM/x", "mine", { qos }), 0x10, "that is another topic");
  });
}

Deno.test("[MQTT-4.7.3-1] a topic name of no characters is refused", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(rawPublish({ topic: "" }));
  assert.ok([0x81, 0x82, 0x90].includes(await client.expectClosed() as number));
});

Deno.test("[MQTT-4.7.3-1] a topic filter of no characters is refused with 0x8F", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(rawSubscribe(1, "", 1));
  assert.deepEqual((await client.expect("suback")).granted, [0x8f]);
});

Deno.test("[MQTT-4.7.3-1] one character is enough, and it may be a space or a slash", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const topic of ["a", " ", "/", "\u{1F600}"]) {
    assert.equal(await client.subscribe(topic), 0);
    await client.publish(topic);
    assert.equal((await client.receive()).topic, topic);
  }
});

const WITH_NULL: readonly [string, Uint8Array][] = [
  ["PUBLISH", rawPublish({ topic: "a\0b" })],
  ["SUBSCRIBE", rawSubscribe(1, "a\0b")],
  ["UNSUBSCRIBE", packet(0xa2, uint16(1), properties(), text("a\0"))],
];

for (const [what, bytes] of WITH_NULL) {
  Deno.test(`[MQTT-4.7.3-2] U+0000 in the topic of a ${what} is malformed`, async () => {
    await using broker = await TestBroker.start();
    const [client, watcher] = [await broker.connect(), await broker.connect()];
    await watcher.subscribe("#");
    await client.sendBytes(bytes);
    assert.equal(await client.expectClosed(), 0x81);
    await watcher.expectNothing();
  });
}

for (const [what, topic] of [["one byte each", "x".repeat(65_535)], ["three bytes each", "\u20ac".repeat(21_845)]]) {
  Deno.test(`[MQTT-4.7.3-3] topics of 65,535 bytes, characters of ${what}, are taken and matched`, async () => {
    await using broker = await TestBroker.start();
    const [client, publisher] = [await broker.connect(), await broker.connect()];
    assert.equal(await client.subscribe(topic, { qos: 1 }), 1);
    assert.equal(await publisher.publish(topic, "long", { qos: 1 }), 0);
    const message = await client.receive();
    assert.ok(message.topic === topic && message.payload.toString() === "long");
    assert.equal(await client.unsubscribe(topic), 0);
  });
}

const ALIKE: readonly [string, readonly string[]][] = [
  ["case", ["topic", "Topic", "TOPIC"]],
  ["composed and decomposed characters", ["\u00c5", "A\u030a", "\u212b"]],
  ["slashes", ["a/b", "/a/b", "a/b/", "a//b", "//a/b"]],
  ["spaces", ["a", " a", "a ", "a\u00a0", "a\t"]],
  ["dots", ["x/a", "x/./a", "x/../x/a"]],
  ["escapes", ["a%2Fb", "a/b", "a\\/b"]],
  ["invisible characters", ["z", "\ufeffz", "z\u200b", "z\ufeff"]],
  ["digits", ["1", "\u0661", "\uff11"]],
];

for (const [what, topics] of ALIKE) {
  Deno.test(`[MQTT-4.7.3-4] nothing is normalized: ${what}`, async () => {
    await using broker = await TestBroker.start();
    const publisher = await broker.connect();
    const subscribers = [];
    for (const topic of topics) {
      const subscriber = await broker.connect();
      await subscriber.subscribe(topic);
      subscribers.push(subscriber);
    }
    for (const topic of topics) await publisher.publish(topic, "", { qos: 1 });
    for (const [i, topic] of topics.entries()) assert.deepEqual(await received(subscribers[i]), [topic]);
  });
}

Deno.test("[MQTT-4.7.3-4] characters that nobody has assigned pass unchanged", async () => {
  await using broker = await TestBroker.start();
  const [client, publisher] = [await broker.connect(), await broker.connect()];
  const topics = ["u/\u0378", "u/\u{e0fff}", "u/\ufffd", "u/\ue000"];
  await client.subscribe("u/+");
  for (const topic of topics) await publisher.publish(topic, "", { qos: 1 });
  assert.deepEqual(await received(client), topics);
});
