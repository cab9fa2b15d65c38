import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable, happened, sessionEnded } from "../support/departure.ts";

const SHARED = "$share/g/a";

/** Members of one group, in the order in which they joined. */
async function members(broker: TestBroker, qos: readonly (0 | 1 | 2)[], filter = SHARED): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  for (const each of qos) {
    const client = await broker.connect();
    assert.equal(await client.subscribe(filter, { qos: each }), each);
    clients.push(client);
  }
  return clients;
}

/** The payloads that a client has received so far, and their packet ids; nothing is acknowledged. */
async function received(client: TestClient): Promise<{ payloads: string[]; ids: number[]; qos: number[] }> {
  await client.send({ cmd: "pingreq" });
  const got = { payloads: [] as string[], ids: [] as number[], qos: [] as number[] };
  for (let next = await client.next(); next?.cmd !== "pingresp"; next = await client.next()) {
    assert.ok(next?.cmd === "publish", `got ${JSON.stringify(next)}`);
    got.payloads.push(next.payload.toString());
    got.ids.push(next.messageId ?? 0);
    got.qos.push(next.qos);
  }
  return got;
}

/** Publishes "0" to `count - 1` to "a", through a client of its own. */
async function publish(broker: TestBroker, count: number, qos: 0 | 1 | 2): Promise<void> {
  const publisher = await broker.connect();
  for (let i = 0; i < count; i++) await publisher.publish("a", `${i}`, { qos });
}

for (
  const filter of ["$share/g/a", "$share/a b/#", "$share/$x/a/+", "$share/g//", "$share/g/$data/x", "$share/\u20ac/+"]
) {
  Deno.test(`[MQTT-4.8.2-1][MQTT-4.8.2-2] "${filter}" is a shared subscription`, async () => {
    await using broker = await TestBroker.start();
    await members(broker, [1, 1], filter);
  });
}

const MALFORMED = [
  "$share//a",
  "$share/g",
  "$share/g/",
  "$share/",
  "$share/+/a",
  "$share/#/a",
  "$share/g+/a",
  "$share/g#/a",
];
for (const filter of [...MALFORMED, "$share/g/a#", "$share/g/#/a", "$share/+", "$share/#"]) {
  Deno.test(`[MQTT-4.8.2-1][MQTT-4.8.2-2] "${filter}" is refused with 0x8F`, async () => {
    await using broker = await TestBroker.start();
    const client = await broker.connect();
    assert.equal(await client.subscribe(filter, { qos: 1 }), 0x8f);
    await publish(broker, 1, 1);
    await client.expectNothing();
  });
}

Deno.test("[MQTT-4.8.2-1] only $share/ makes a subscription shared, in this very spelling", async () => {
  await using broker = await TestBroker.start();
  for (const filter of ["$SHARE/g/a", "$shared/g/a", "share/g/a"]) {
    const [one, two] = await members(broker, [0, 0], filter);
    await publish(broker, 1, 0);
    await one.expectNothing();
    await two.publish(filter, "to all");
    assert.equal((await one.receive()).payload.toString(), "to all");
    assert.equal((await two.receive()).payload.toString(), "to all");
  }
});

Deno.test("[MQTT-4.8.2-1] each message goes to one member, and every member has its turn", async () => {
  await using broker = await TestBroker.start();
  const group = await members(broker, [1, 1, 1]);
  await publish(broker, 9, 1);
  const all = await Promise.all(group.map(received));
  assert.deepEqual(all.flatMap(({ payloads }) => payloads).toSorted(), [..."012345678"]);
  for (const { payloads } of all) assert.ok(payloads.length > 0, "a member got nothing");
});

Deno.test("[MQTT-4.8.2-1] groups, filters and ordinary subscriptions are served beside one another", async () => {
  await using broker = await TestBroker.start();
  const [first] = await members(broker, [1], "$share/g/a");
  const [other] = await members(broker, [1], "$share/h/a");
  const [wider] = await members(broker, [1], "$share/g/+");
  const [plain] = await members(broker, [1], "a");
  await publish(broker, 2, 1);
  for (const client of [first, other, wider, plain]) assert.deepEqual((await received(client)).payloads, ["0", "1"]);
});

Deno.test("[MQTT-4.8.2-1] one client's shared and ordinary subscription are two: it gets two copies", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("$share/g/a", { qos: 1, identifier: 1 });
  await client.subscribe("a", { qos: 0, identifier: 2 });
  await publish(broker, 1, 1);
  const copies = [await client.receive(), await client.receive()];
  const found = copies.map(({ qos, properties }) => [properties?.subscriptionIdentifier, qos].flat());
  assert.deepEqual(found.toSorted(), [[1, 1], [2, 0]]);
  await client.expectNothing();
});

Deno.test("[MQTT-4.8.2-1] retained messages are not sent to a new shared subscription", async () => {
  await using broker = await TestBroker.start();
  await (await broker.connect()).publish("a", "kept", { qos: 1, retain: true });
  const [client] = await members(broker, [1]);
  await client.expectNothing();
});

Deno.test("[MQTT-4.8.2-1] who unsubscribes is passed over", async () => {
  await using broker = await TestBroker.start();
  const [staying, leaving] = await members(broker, [1, 1]);
  assert.equal(await leaving.unsubscribe(SHARED), 0);
  await publish(broker, 4, 1);
  assert.deepEqual((await received(staying)).payloads, ["0", "1", "2", "3"]);
  await leaving.expectNothing();
});

Deno.test("[MQTT-4.8.2-3] each member gets messages with the QoS that it was granted", async () => {
  await using broker = await TestBroker.start();
  const group = await members(broker, [0, 1, 2]);
  await publish(broker, 9, 2);
  for (const [granted, client] of group.entries()) {
    const { qos } = await received(client);
    assert.ok(qos.length > 0 && qos.every((each) => each === granted), `granted ${granted}, got ${qos}`);
  }
});

Deno.test("[MQTT-4.8.2-3] subscribing again changes the granted QoS, and makes no second member", async () => {
  await using broker = await TestBroker.start();
  const [client] = await members(broker, [2]);
  await client.subscribe(SHARED, { qos: 1 });
  await publish(broker, 2, 2);
  assert.deepEqual((await received(client)).qos, [1, 1]);
});

/** A durable member that has one QoS 2 message of the group under way, and another member that was not given it. */
async function withQos2UnderWay(broker: TestBroker): Promise<{ member: TestClient; other: TestClient; id: number }> {
  const member = await broker.connect(durable("member"));
  await member.subscribe(SHARED, { qos: 2 });
  await publish(broker, 1, 2);
  const { messageId } = await member.receive({ acknowledge: false });
  const [other] = await members(broker, [2]);
  return { member, other, id: messageId! };
}

Deno.test("[MQTT-4.8.2-4] a QoS 2 message that was sent is completed with the member when it comes back", async () => {
  await using broker = await TestBroker.start();
  const { member, other, id } = await withQos2UnderWay(broker);
  await drop(broker, member);
  await other.expectNothing();
  const back = await broker.connect(durable("member"));
  const again = await back.receive();
  assert.deepEqual([again.messageId, again.dup, again.qos], [id, true, 2]);
  await other.expectNothing();
});

Deno.test("[MQTT-4.8.2-4] a QoS 2 message that was received is released with the member when it comes back", async () => {
  await using broker = await TestBroker.start();
  const { member, other, id } = await withQos2UnderWay(broker);
  await member.send({ cmd: "pubrec", messageId: id });
  await member.expect("pubrel");
  await drop(broker, member);
  const back = await broker.connect(durable("member"));
  assert.equal((await back.expect("pubrel")).messageId, id);
  await back.send({ cmd: "pubcomp", messageId: id });
  await back.expectNothing();
  await other.expectNothing();
});

Deno.test("[MQTT-4.8.2-5] a QoS 2 message that was sent goes to nobody else when the session ends by clean start", async () => {
  await using broker = await TestBroker.start();
  const { member, other } = await withQos2UnderWay(broker);
  await drop(broker, member);
  const fresh = await broker.connect({ clientId: "member", clean: true });
  await fresh.expectNothing();
  await other.expectNothing();
});

Deno.test("[MQTT-4.8.2-5] nor when the session ends with the connection, or expires", async () => {
  for (const sessionExpiryInterval of [0, 1]) {
    await using broker = await TestBroker.start();
    const member = await broker.connect({ clientId: "member", properties: { sessionExpiryInterval } });
    await member.subscribe(SHARED, { qos: 2 });
    await publish(broker, 1, 2);
    await member.receive({ acknowledge: false });
    const [other] = await members(broker, [2]);
    const ended = sessionEnded(broker, "member");
    await drop(broker, member);
    await ended;
    await other.expectNothing();
  }
});

for (const [qos, answer] of [[1, "puback"], [2, "pubrec"]] as const) {
  for (const reasonCode of [0x80, 0x97]) {
    Deno.test(`[MQTT-4.8.2-6] ${answer} 0x${reasonCode.toString(16)} discards the message for the whole group`, async () => {
      await using broker = await TestBroker.start();
      const member = await broker.connect(durable("member"));
      await member.subscribe(SHARED, { qos });
      await publish(broker, 1, qos);
      const { messageId } = await member.receive({ acknowledge: false });
      const [other] = await members(broker, [qos]);
      await member.send({ cmd: answer, messageId, reasonCode });
      await member.expectNothing();
      await other.expectNothing();
      await drop(broker, member);
      await other.expectNothing();
      await (await broker.connect(durable("member"))).expectNothing();
    });
  }
}

for (const isDurable of [false, true]) {
  const what = isDurable ? "a durable member" : "a member without expiry";
  Deno.test(`[MQTT-4.8.2-3] QoS 1 that ${what} leaves unacknowledged goes to connected members at once`, async () => {
    await using broker = await TestBroker.start();
    const member = await broker.connect(isDurable ? durable("member") : { clientId: "member" });
    await member.subscribe(SHARED, { qos: 1 });
    await publish(broker, 3, 1);
    const { payloads, ids } = await received(member);
    assert.deepEqual(payloads, ["0", "1", "2"]);
    await member.send({ cmd: "puback", messageId: ids[0] });
    await member.expectNothing();
    const [other] = await members(broker, [1]);
    await drop(broker, member);
    for (const payload of ["1", "2"]) {
      const handed = await other.receive();
      assert.deepEqual([handed.payload.toString(), handed.dup], [payload, false]);
    }
    await other.expectNothing();
    await (await broker.connect(durable("member"))).expectNothing();
  });

  Deno.test(`[MQTT-4.8.2-3] what waits in the queue of ${what} goes to connected members at once, QoS 2 too`, async () => {
    await using broker = await TestBroker.start();
    const options = { clientId: "member", clean: false, properties: { receiveMaximum: 1 } };
    const member = await broker.connect(isDurable ? durable("member", options) : options);
    await member.subscribe(SHARED, { qos: 2 });
    await publish(broker, 3, 2);
    assert.deepEqual((await received(member)).payloads, ["0"]);
    const [other] = await members(broker, [2]);
    await drop(broker, member);
    assert.deepEqual((await received(other)).payloads, ["1", "2"]);
  });
}

Deno.test("[MQTT-4.8.2-3] what is handed on has the QoS of the member that gets it", async () => {
  await using broker = await TestBroker.start();
  const [member] = await members(broker, [1]);
  await publish(broker, 1, 1);
  await member.receive({ acknowledge: false });
  const [other] = await members(broker, [0]);
  await drop(broker, member);
  assert.equal((await other.receive()).qos, 0);
});

Deno.test("[MQTT-4.8.2-3] messages that a member has of its own stay with it", async () => {
  await using broker = await TestBroker.start();
  const member = await broker.connect(durable("member"));
  await member.subscribe(SHARED, { qos: 1 });
  await member.subscribe("own", { qos: 1 });
  await (await broker.connect()).publish("own", "mine", { qos: 1 });
  await member.receive({ acknowledge: false });
  const [other] = await members(broker, [1]);
  await drop(broker, member);
  await other.expectNothing();
  assert.equal((await (await broker.connect(durable("member"))).receive()).payload.toString(), "mine");
});

Deno.test("[MQTT-4.8.2-1] members with room come first, then connected ones without", async () => {
  await using broker = await TestBroker.start();
  const full = await broker.connect({ properties: { receiveMaximum: 1 } });
  await full.subscribe(SHARED, { qos: 1 });
  const roomy = await broker.connect({ properties: { receiveMaximum: 5 } });
  await roomy.subscribe(SHARED, { qos: 1 });
  await publish(broker, 6, 1);
  const [one, five] = [await received(full), await received(roomy)];
  assert.deepEqual([one.payloads.length, five.payloads.length], [1, 5]);
  await publish(broker, 2, 1);
  await full.expectNothing();
  await roomy.expectNothing();
  for (const messageId of one.ids) await full.send({ cmd: "puback", messageId });
  for (const messageId of five.ids) await roomy.send({ cmd: "puback", messageId });
  const rest = [...(await received(full)).payloads, ...(await received(roomy)).payloads];
  assert.deepEqual(rest.toSorted(), ["0", "1"], "what waited is delivered");
});

Deno.test("[MQTT-4.8.2-1] connected members come before durable ones that are away", async () => {
  await using broker = await TestBroker.start();
  const away = await broker.connect(durable("away"));
  await away.subscribe(SHARED, { qos: 1 });
  await drop(broker, away);
  const [present] = await members(broker, [1]);
  await publish(broker, 6, 1);
  assert.equal((await received(present)).payloads.length, 6);
  await (await broker.connect(durable("away"))).expectNothing();
});

Deno.test("[MQTT-4.8.2-1] with nobody connected a durable member that is away keeps the messages, one copy each", async () => {
  await using broker = await TestBroker.start();
  for (const clientId of ["one", "two"]) {
    const client = await broker.connect(durable(clientId));
    await client.subscribe(SHARED, { qos: 1 });
    await drop(broker, client);
  }
  await publish(broker, 4, 1);
  const back = [await broker.connect(durable("one")), await broker.connect(durable("two"))];
  const all = (await Promise.all(back.map(received))).flatMap(({ payloads }) => payloads);
  assert.deepEqual(all.toSorted(), ["0", "1", "2", "3"]);
});

Deno.test("[MQTT-4.8.2-1] a group whose last member is gone reaches nobody", async () => {
  await using broker = await TestBroker.start();
  const [member] = await members(broker, [1]);
  await drop(broker, member);
  assert.equal(await (await broker.connect()).publish("a", "m", { qos: 1 }), 0x10);
});

Deno.test("[MQTT-4.8.2-1] nothing is lost while members come and go", async () => {
  await using broker = await TestBroker.start();
  const [steady] = await members(broker, [1]);
  const seen = new Set<string>();
  const publisher = await broker.connect();
  for (let i = 0; i < 60; i++) {
    if (i % 10 === 0) {
      const [passing] = await members(broker, [1]);
      await publisher.publish("a", `${i}`, { qos: 1 });
      const { clientId } = passing;
      await happened(broker, (each) => each.kind === "client-disconnected" && each.clientId === clientId, () => {
        passing.close();
      });
    } else await publisher.publish("a", `${i}`, { qos: 1 });
    const { payloads, ids } = await received(steady);
    payloads.forEach((payload) => seen.add(payload));
    for (const messageId of ids) await steady.send({ cmd: "puback", messageId });
  }
  assert.equal(seen.size, 60);
});
