/** MQTT 3.1.1, sections 4.7 and 4.8: topic names, topic filters, and what becomes of a client that breaks the rules. */

import assert from "node:assert/strict";
import type { Store } from "../../src/core/ports.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { TestBroker } from "../support/broker.ts";
import {
  assertConnectRefused,
  assertViolation,
  connectBytes,
  field,
  Flag,
  join,
  packet,
  publishBytes,
  receivePayloads,
  retainedOf,
  uint16,
} from "./v3_packets.ts";

Deno.test("v3.1.1 [MQTT-4.7.1-1] wildcards are for filters: in a topic name they end the connection, in a will topic too", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const filter of ["+", "#", "a/+/b/#"]) assert.equal(await client.subscribe(filter), 0);
  for (const topic of ["+", "#", "a/+/b", "a/#"]) {
    await assertViolation(broker, publishBytes(0x30, topic));
    const connect = await broker.open(4);
    await connect.sendBytes(connectBytes({ flags: Flag.clean | Flag.will }, field("c"), field(topic), field("m")));
    const answer = await connect.next();
    assert.ok(answer === undefined || (answer.cmd === "connack" && answer.returnCode !== 0), `a will to ${topic}`);
    await connect.expectClosed();
  }
  await client.expectNothing();
});

/** Filters that section 4.7.1 allows and forbids, by the statement. */
const HASH_FILTERS = {
  valid: ["#", "/#", "sport/#", "sport/tennis/#", "+/#", "a//#"],
  invalid: ["sport/tennis#", "sport/tennis/#/ranking", "#/a", "##", "#/", "a/#b", "a/##", "#a", "+#"],
};
const PLUS_FILTERS = {
  valid: ["+", "+/tennis/#", "sport/+/player1", "+/+", "/+", "+/", "a/+"],
  invalid: ["sport+", "+sport", "a/b+", "a/+b", "++", "a/++/b", "+a/b", "a+b"],
};

Deno.test("v3.1.1 [MQTT-4.7.1-2] # stands alone in the last level of a filter, others are refused", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const filter of HASH_FILTERS.valid) assert.equal(await client.subscribe(filter), 0, filter);
  for (const filter of HASH_FILTERS.invalid) assert.equal(await client.subscribe(filter), 0x80, filter);
});

Deno.test("v3.1.1 [MQTT-4.7.1-3] + stands alone in any level of a filter, others are refused", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const filter of PLUS_FILTERS.valid) assert.equal(await client.subscribe(filter), 0, filter);
  for (const filter of PLUS_FILTERS.invalid) assert.equal(await client.subscribe(filter), 0x80, filter);
});

Deno.test("v3.1.1 [MQTT-4.7.2-1] topics that begin with $ do not match a leading wildcard, live or retained", async () => {
  await using broker = await TestBroker.start();
  const client = await join(broker);
  for (const filter of ["#", "+/x", "+/#", "+"]) await client.subscribe(filter);
  const publisher = await join(broker);
  for (const topic of ["$test", "$test/x"]) await publisher.publish(topic, "", { qos: 1 });
  await client.expectNothing();
  await publisher.publish("$test/x", "kept", { qos: 1, retain: true });
  for (const filter of ["#", "+/x", "+/#"]) assert.deepEqual(await retainedOf(broker, filter), []);
  for (const filter of ["$test/#", "$test/+", "$test/x"]) {
    assert.deepEqual(await retainedOf(broker, filter), ["$test/x=kept"]);
  }
  await client.subscribe("$test/#");
  await client.receive();
  await publisher.publish("$test", "live");
  assert.equal((await client.receive()).payload.toString(), "live");
  await publisher.publish("a/$test", "a $ elsewhere is like any character", { qos: 1 });
  assert.equal((await client.receive()).topic, "a/$test");
});

Deno.test("v3.1.1 [MQTT-4.7.2-1] $SYS reaches who asks for it and nobody who does not", async () => {
  await using broker = await TestBroker.start({ sysIntervalMs: 20 });
  const asking = await join(broker);
  await asking.subscribe("$SYS/#");
  const other = await join(broker);
  for (const filter of ["#", "+/#", "+/broker/#", "+/broker/+"]) await other.subscribe(filter);
  for (let i = 0; i < 5; i++) assert.match((await asking.receive()).topic, /^\$SYS\//);
  await other.expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.7.3-1] an empty topic name ends the connection, an empty filter is refused", async () => {
  await using broker = await TestBroker.start();
  await assertViolation(broker, publishBytes(0x30, ""));
  await assertViolation(broker, publishBytes(0x32, "", { packetId: 1 }));
  const client = await join(broker);
  assert.equal(await client.subscribe(""), 0x80);
  for (const shortest of ["a", "/"]) {
    assert.equal(await client.subscribe(shortest), 0);
    await client.publish(shortest);
    assert.equal((await client.receive()).topic, shortest);
  }
});

Deno.test("v3.1.1 [MQTT-4.7.3-2] U+0000 in a topic name or filter ends the connection", async () => {
  await using broker = await TestBroker.start();
  for (const text of ["\u0000", "a\u0000", "a/\u0000/b"]) {
    await assertViolation(broker, publishBytes(0x30, text));
    await assertViolation(broker, packet(0x82, uint16(1), field(text), [0]));
    await assertViolation(broker, packet(0xa2, uint16(1), field(text)));
  }
});

Deno.test("v3.1.1 [MQTT-4.7.3-3] topic names and filters may have 65,535 bytes", async () => {
  await using broker = await TestBroker.start();
  const longest = "ä".repeat(32_767) + "b";
  const client = await join(broker);
  assert.equal(await client.subscribe(longest, { qos: 1 }), 1);
  const publisher = await join(broker);
  await publisher.publish(longest.replace("b", "c"), "", { qos: 1 });
  await publisher.publish(longest, "", { qos: 1 });
  assert.equal((await client.receive()).topic, longest);
  await client.expectNothing();
});

Deno.test("v3.1.1 [MQTT-4.7.3-4] topic names and filters are compared as they are, with no normalization", async () => {
  await using broker = await TestBroker.start();
  const names = [
    ...["é", "e\u0301", "É"], // composed, decomposed, upper case
    ...["a b", "a  b", "a%20b", "a/b", "a//b", "/a/b", "a/b/", "a\\b", "A/b", "a/./b", "a/../b"],
    ...["ﬁ", "fi", "\u212b", "å", "ß", "ss", "\u200b", "\ufffd", "\u0001", "\u{10ffff}"],
  ];
  const client = await join(broker);
  const publisher = await join(broker);
  for (const name of names) {
    assert.equal(await client.subscribe(name), 0);
    for (const other of names) await publisher.publish(other);
    await publisher.expectNothing();
    assert.equal((await client.receive()).topic, name);
    await client.expectNothing();
    await client.unsubscribe(name);
  }
});

/** What nobody may send, beside what other tests show. */
const VIOLATIONS: Readonly<Record<string, Uint8Array>> = {
  "the reserved packet type 0": packet(0x00),
  "the reserved packet type 15": packet(0xf0),
  "CONNACK": packet(0x20, [0, 0]),
  "SUBACK": packet(0x90, uint16(1), [0]),
  "UNSUBACK": packet(0xb0, uint16(1)),
  "PINGRESP": packet(0xd0),
  "a remaining length of five bytes": Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01),
  "a PUBACK without an identifier": packet(0x40),
  "a PUBACK that is too long": packet(0x40, uint16(1), [0]),
  "a PINGREQ with a body": packet(0xc0, [0]),
  "a DISCONNECT with a body": packet(0xe0, [0]),
};

for (const [what, bytes] of Object.entries(VIOLATIONS)) {
  Deno.test(`v3.1.1 [MQTT-4.8.0-1] ${what} closes this connection and no other`, async () => {
    await using broker = await TestBroker.start();
    const bystander = await join(broker);
    await assertViolation(broker, bytes);
    await bystander.expectNothing();
  });
}

Deno.test("v3.1.1 [MQTT-4.8.0-1] what came before a violation is carried out, what comes behind it is not", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("#", { qos: 1 });
  const before = publishBytes(0x30, "a", { payload: "before" });
  const behind = publishBytes(0x30, "a", { payload: "behind" });
  await assertViolation(broker, Uint8Array.from([...before, 0xf0, 0, ...behind]));
  assert.deepEqual(await receivePayloads(watcher, 1), ["before"]);
  await watcher.expectNothing();
  await assertConnectRefused(broker, Uint8Array.of(0xf0, 0));
});

Deno.test("v3.1.1 [MQTT-4.8.0-2] a store that fails while a PUBLISH is processed closes the connection, without PUBACK", async () => {
  const store = new FailingStore();
  await using broker = await TestBroker.start({ store });
  const finished = assert.rejects(broker.broker.finished, /The store failed/);
  const client = await join(broker);
  const subscriber = await join(broker, { clean: false });
  await subscriber.subscribe("a", { qos: 1 });
  store.isBroken = true;
  await client.sendBytes(publishBytes(0x32, "a", { packetId: 1 }));
  assert.equal(await client.expectClosed(), undefined);
  await finished;
});

/** Loses its disk when told to. */
class FailingStore extends MemoryStore implements Store {
  isBroken = false;

  override commit(...args: Parameters<MemoryStore["commit"]>): ReturnType<MemoryStore["commit"]> {
    if (this.isBroken) throw new Error("the disk is gone");
    return super.commit(...args);
  }
}
