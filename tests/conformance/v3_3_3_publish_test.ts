/** MQTT 3.1.1, section 3.3: PUBLISH, but for what is retained. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import {
  assertViolation,
  field,
  framesOf,
  headersOf,
  join,
  packet,
  publishBytes,
  receiveMessages,
  uint16,
} from "./v3_packets.ts";

for (const qos of [1, 2] as const) {
  Deno.test(`v3.1.1 [MQTT-3.3.1-1] a QoS ${qos} message that is sent again has DUP 1, one that is sent first has not`, async () => {
    await using broker = await TestBroker.start();
    const before = await join(broker, { clientId: "c", clean: false });
    await before.subscribe("a", { qos });
    const publisher = await join(broker);
    await publisher.publish("a", "1", { qos });
    const first = await before.receive({ acknowledge: false });
    assert.equal(first.dup, false);
    await before.disconnect();
    await publisher.publish("a", "2", { qos });
    const after = await join(broker, { clientId: "c", clean: false });
    const messages = await receiveMessages(after, 2);
    assert.deepEqual(messages.map(({ payload, dup }) => [payload.toString(), dup]), [["1", true], ["2", false]]);
  });
}

Deno.test("v3.1.1 [MQTT-3.3.1-2] DUP on a QoS 0 PUBLISH closes the connection", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("#");
  await assertViolation(broker, publishBytes(0x38, "a"));
  await assertViolation(broker, publishBytes(0x39, "a"));
  await watcher.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.3.1-2] a QoS 0 PUBLISH from the broker has DUP 0, also for what was published with DUP 1", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await join(broker);
  await subscriber.subscribe("a", { qos: 0 });
  const publisher = await join(broker);
  await publisher.publish("a", "", { qos: 1, dup: true });
  await publisher.publish("a", "", { qos: 2, dup: true });
  await subscriber.receive();
  await subscriber.receive();
  assert.deepEqual(headersOf(subscriber).slice(-2), [0x30, 0x30]);
});

Deno.test("v3.1.1 [MQTT-3.3.1-3] DUP of an incoming PUBLISH is not passed on", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await join(broker);
  await subscriber.subscribe("a", { qos: 2 });
  const publisher = await join(broker);
  for (const qos of [1, 2] as const) {
    for (const dup of [true, false]) {
      await publisher.publish("a", "", { qos, dup });
      const message = await subscriber.receive();
      assert.deepEqual([message.qos, message.dup], [qos, false]);
    }
  }
});

Deno.test("v3.1.1 [MQTT-3.3.1-4] a PUBLISH with both QoS bits set closes the connection", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("#");
  for (const first of [0x36, 0x37, 0x3e, 0x3f]) {
    await assertViolation(broker, publishBytes(first, "a", { packetId: 1, payload: "x" }));
  }
  await watcher.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.3.2-1] a PUBLISH whose topic name is missing, cut off or not UTF-8 closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, packet(0x30));
  await assertViolation(broker, packet(0x30, [0]));
  await assertViolation(broker, packet(0x30, [0, 3], [0x61, 0x62]));
  await assertViolation(broker, publishBytes(0x30, [0x61, 0xff]));
});

Deno.test("v3.1.1 [MQTT-3.3.2-1] the topic name comes first in the broker's PUBLISH, then the identifier, then the payload", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await join(broker);
  await subscriber.subscribe("Zähler/+", { qos: 1 });
  const publisher = await join(broker);
  await publisher.publish("Zähler/😀", "x", { qos: 1 });
  const { messageId } = await subscriber.receive();
  assert.deepEqual(framesOf(subscriber).at(-1), [
    ...packet(0x32, field("Zähler/😀"), uint16(messageId!), [0x78]),
  ]);
});

Deno.test("v3.1.1 [MQTT-3.3.2-2] a topic name with a wildcard closes the connection, nobody gets the message", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  for (const filter of ["#", "a/+", "a/#", "+/a"]) await watcher.subscribe(filter);
  for (const topic of ["#", "+", "a/#", "a/+", "+/a", "a/b+", "a#"]) {
    for (const first of [0x30, 0x31]) await assertViolation(broker, publishBytes(first, topic));
    for (const first of [0x32, 0x34]) await assertViolation(broker, publishBytes(first, topic, { packetId: 1 }));
  }
  await watcher.expectNothing();
});

/** Filters with the topics that match and those that do not, by section 4.7 and its examples. */
const MATCHES: Readonly<Record<string, { matching: readonly string[]; other: readonly string[] }>> = {
  "sport/tennis/player1/#": {
    matching: ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"],
    other: ["sport/tennis/player2", "sport/tennis/player10", "sport/tennis"],
  },
  "sport/tennis/+": {
    matching: ["sport/tennis/player1", "sport/tennis/player2", "sport/tennis/"],
    other: ["sport/tennis/player1/ranking", "sport/tennis", "/sport/tennis/player1"],
  },
  "sport/+": { matching: ["sport/"], other: ["sport", "sport/a/b"] },
  "+/+": { matching: ["/finance", "a/b", "/"], other: ["finance", "a/b/c", "/a/b"] },
  "/+": { matching: ["/finance", "/"], other: ["finance", "a/finance", "/a/b"] },
  "+": { matching: ["finance"], other: ["/finance", "finance/"] },
  "#": { matching: ["a", "/", "a/b/c", "/finance"], other: [] },
  "+/tennis/#": { matching: ["sport/tennis", "/tennis", "a/tennis/b/c"], other: ["tennis", "a/b/tennis"] },
  "a//b": { matching: ["a//b"], other: ["a/b", "a/x/b"] },
  "a/+/b": { matching: ["a//b", "a/x/b"], other: ["a/b", "a/x/y/b"] },
  "Accounts payable": { matching: ["Accounts payable"], other: ["accounts payable", "Accountspayable"] },
};

for (const [filter, { matching, other }] of Object.entries(MATCHES)) {
  Deno.test(`v3.1.1 [MQTT-3.3.2-3] subscribers to ${filter} get what matches it, under its own topic name`, async () => {
    await using broker = await TestBroker.start();
    const subscriber = await join(broker);
    await subscriber.subscribe(filter, { qos: 1 });
    const publisher = await join(broker);
    for (const topic of other) await publisher.publish(topic, "", { qos: 1 });
    await subscriber.expectNothing();
    for (const topic of matching) await publisher.publish(topic, "", { qos: 1 });
    const messages = await receiveMessages(subscriber, matching.length);
    assert.deepEqual(messages.map(({ topic }) => topic), matching);
    await subscriber.expectNothing();
  });
}

Deno.test("v3.1.1 [MQTT-3.3.4-1] PUBLISH is answered by nothing at QoS 0, by PUBACK at QoS 1, by PUBREC at QoS 2", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  await client.sendBytes(publishBytes(0x30, "a"));
  await client.expectNothing();
  await client.sendBytes(publishBytes(0x32, "a", { packetId: 5 }));
  assert.equal((await client.expect("puback")).messageId, 5);
  await client.sendBytes(publishBytes(0x34, "a", { packetId: 6 }));
  assert.equal((await client.expect("pubrec")).messageId, 6);
  await client.expectNothing();
  assert.deepEqual(framesOf(client).slice(2, 4), [[0x40, 2, 0, 5], [0x50, 2, 0, 6]]);
});

for (const [first, second] of [[0, 2], [2, 0], [1, 2], [1, 0]] as const) {
  Deno.test(`v3.1.1 [MQTT-3.3.5-1] overlapping subscriptions of QoS ${first} and ${second} deliver with the higher one`, async () => {
    await using broker = await TestBroker.start();
    const subscriber = await join(broker);
    await subscriber.subscribe("a/#", { qos: first });
    await subscriber.subscribe("a/+", { qos: second });
    const publisher = await join(broker);
    for (const qos of [2, 1, 0] as const) {
      await publisher.publish("a/b", "", { qos });
      assert.equal((await subscriber.receive()).qos, Math.min(qos, Math.max(first, second)));
      await subscriber.expectNothing();
    }
  });
}

Deno.test("v3.1.1 [MQTT-3.3.5-2] a PUBLISH that is not authorized is acknowledged and dropped", async () => {
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: ({ username }) => ({
        username,
        policy: { mayPublish: (_, topic) => topic !== "forbidden", maySubscribe: () => true },
      }),
    },
  });
  const watcher = await join(broker);
  await watcher.subscribe("#", { qos: 2 });
  const client = await join(broker);
  for (const qos of [0, 1, 2] as const) {
    await client.publish("forbidden", "no", { qos, retain: true });
    await client.publish("allowed", "yes", { qos });
    assert.equal((await watcher.receive()).topic, "allowed");
  }
  const late = await join(broker);
  await late.subscribe("#");
  await late.expectNothing();
});
