import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { drop, durable, secondsPassed } from "../support/departure.ts";
import { frames, join, lastFrame, packet, rawPublish, rawSubscribe, uint16 } from "../support/raw_packet.ts";

const PUBLISH = 3;

/** A subscriber to "a" with this QoS, and a publisher. */
async function pair(broker: TestBroker, qos: 0 | 1 | 2, clientId?: string): Promise<[TestClient, TestClient]> {
  const subscriber = await broker.connect(clientId === undefined ? {} : durable(clientId));
  await subscriber.subscribe("a", { qos });
  return [subscriber, await broker.connect()];
}

/** Sends a PUBLISH to "a" without completing its handshake. */
async function put(
  client: TestClient,
  qos: 0 | 1 | 2,
  messageId: number,
  options: { dup?: boolean; to?: string } = {},
) {
  const { dup = false, to = "a" } = options;
  await client.send({ cmd: "publish", topic: to, payload: `${messageId}`, qos, messageId, dup, retain: false });
}

Deno.test("[MQTT-4.2.0-1] packets may come byte by byte", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  for (const byte of rawPublish({ topic: "a", payload: "in pieces" })) await client.sendBytes(Uint8Array.of(byte));
  assert.equal((await client.receive()).payload.toString(), "in pieces");
});

Deno.test("[MQTT-4.2.0-1] many packets may come in one piece, cut anywhere", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 0);
  const all = join(...Array.from({ length: 100 }, (_, i) => rawPublish({ payload: `${i}` })));
  for (let at = 0; at < all.length; at += 37) await publisher.sendBytes(all.subarray(at, at + 37));
  for (let i = 0; i < 100; i++) assert.equal((await subscriber.receive()).payload.toString(), `${i}`);
});

Deno.test("[MQTT-4.2.0-1] a large message arrives whole, byte for byte", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 1);
  const payload = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  await publisher.publish("a", payload, { qos: 1 });
  const received = (await subscriber.receive()).payload as Uint8Array;
  assert.equal(received.length, payload.length);
  assert.ok(payload.every((byte, i) => received[i] === byte));
});

Deno.test("[MQTT-4.3.1-1] QoS 0 is sent with QoS 0 and DUP 0, whatever the publisher's packet said", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 0);
  await publisher.publish("a", "0");
  await subscriber.receive();
  assert.equal(lastFrame(subscriber.bytes, PUBLISH)[0], 0x30);
  for (const qos of [1, 2] as const) {
    await put(publisher, qos, 10 + qos, { dup: true });
    await publisher.next();
    await subscriber.receive();
    assert.equal(lastFrame(subscriber.bytes, PUBLISH)[0], 0x30);
  }
});

for (const [id, qos] of [["MQTT-4.3.2-1", 1], ["MQTT-4.3.3-1", 2]] as const) {
  Deno.test(`[${id}] each QoS ${qos} message under way has a packet id of its own`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, qos);
    const ids = new Set<number>();
    for (let i = 0; i < 50; i++) {
      await publisher.publish("a", "m", { qos });
      const { messageId } = await subscriber.receive({ acknowledge: false });
      assert.ok(messageId! > 0);
      ids.add(messageId!);
    }
    assert.equal(ids.size, 50);
  });
}

Deno.test("[MQTT-4.3.2-1] a packet id that is in use is skipped when the ids have gone round", async () => {
  await using broker = await TestBroker.start();
  const [subscriber] = await pair(broker, 1);
  const publish = () => broker.broker.publish({ topic: "a", payload: "", qos: 1 });
  await publish();
  const { messageId: held } = await subscriber.receive({ acknowledge: false });
  const seen = new Set<number>();
  for (let round = 0; round < 664; round++) { // 66,400 messages, and there are 65,535 ids
    await Promise.all(Array.from({ length: 99 }, publish));
    const ids: number[] = [];
    while (ids.length < 99) ids.push((await subscriber.receive({ acknowledge: false })).messageId!);
    assert.ok(!ids.includes(held!), `id ${held} was given away while it was in use`);
    ids.forEach((id) => seen.add(id));
    await subscriber.sendBytes(join(...ids.map((id) => packet(0x40, uint16(id)))));
  }
  assert.ok(!seen.has(0));
});

for (const [id, qos] of [["MQTT-4.3.2-2", 1], ["MQTT-4.3.3-2", 2]] as const) {
  Deno.test(`[${id}] a QoS ${qos} message goes out with QoS ${qos} and DUP 0, even when it came with DUP 1`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, qos);
    for (const dup of [false, true]) {
      await put(publisher, qos, dup ? 2 : 1, { dup });
      const message = await subscriber.receive({ acknowledge: false });
      assert.deepEqual([message.qos, message.dup], [qos, false]);
    }
  });
}

for (const [id, qos, answer] of [["MQTT-4.3.2-3", 1, "PUBACK"], ["MQTT-4.3.3-3", 2, "PUBREC"]] as const) {
  Deno.test(`[${id}] a QoS ${qos} PUBLISH is unacknowledged until ${answer}`, async () => {
    await using broker = await TestBroker.start();
    const [first, publisher] = await pair(broker, qos, "waits");
    await publisher.publish("a", "m", { qos });
    const { messageId } = await first.receive({ acknowledge: false });
    await drop(broker, first);
    const second = await broker.connect(durable("waits"));
    const again = await second.receive();
    assert.deepEqual([again.messageId, again.dup, again.qos], [messageId, true, qos]);
    await second.expectNothing();
    await drop(broker, second);
    await (await broker.connect(durable("waits"))).expectNothing();
  });
}

for (const messageId of [1, 0x1234, 0xffff]) {
  Deno.test(`[MQTT-4.3.2-4] QoS 1 PUBLISH ${messageId} is answered by PUBACK ${messageId}`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, 1);
    await put(publisher, 1, messageId);
    const puback = await publisher.expect("puback");
    assert.deepEqual([puback.messageId, puback.reasonCode ?? 0], [messageId, 0]);
    assert.equal((await subscriber.receive()).payload.toString(), `${messageId}`, "PUBACK takes ownership");
  });

  Deno.test(`[MQTT-4.3.3-8][MQTT-4.3.3-11] QoS 2 PUBLISH ${messageId}: PUBREC and PUBCOMP with that id`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, 2);
    await put(publisher, 2, messageId);
    const pubrec = await publisher.expect("pubrec");
    assert.deepEqual([pubrec.messageId, pubrec.reasonCode ?? 0], [messageId, 0]);
    await publisher.send({ cmd: "pubrel", messageId });
    const pubcomp = await publisher.expect("pubcomp");
    assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode ?? 0], [messageId, 0]);
    assert.equal((await subscriber.receive()).payload.toString(), `${messageId}`);
    await subscriber.expectNothing();
  });
}

for (const dup of [false, true]) {
  Deno.test(`[MQTT-4.3.2-5] after PUBACK the same id is a new message, with DUP ${Number(dup)}`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, 1);
    for (let i = 0; i < 3; i++) {
      await put(publisher, 1, 5, { dup });
      await publisher.expect("puback");
      await subscriber.receive();
    }
    await subscriber.expectNothing();
  });
}

for (const reasonCode of [0x00, 0x10]) {
  Deno.test(`[MQTT-4.3.3-4] PUBREC 0x${reasonCode.toString(16)} is answered by PUBREL with the same id`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, 2);
    await publisher.publish("a", "m", { qos: 2 });
    const { messageId } = await subscriber.receive({ acknowledge: false });
    await subscriber.send({ cmd: "pubrec", messageId, reasonCode });
    const pubrel = await subscriber.expect("pubrel");
    assert.deepEqual([pubrel.messageId, pubrel.reasonCode ?? 0], [messageId, 0]);
    assert.equal(lastFrame(subscriber.bytes, 6)[0], 0x62);
  });
}

Deno.test("[MQTT-4.3.3-5][MQTT-4.3.3-6] PUBREL comes again until PUBCOMP; the PUBLISH does not", async () => {
  await using broker = await TestBroker.start();
  const [first, publisher] = await pair(broker, 2, "rel");
  await publisher.publish("a", "m", { qos: 2 });
  const { messageId } = await first.receive({ acknowledge: false });
  await first.send({ cmd: "pubrec", messageId });
  await first.expect("pubrel");
  await drop(broker, first);
  for (let i = 0; i < 2; i++) {
    const next = await broker.connect(durable("rel"));
    assert.equal((await next.expect("pubrel")).messageId, messageId);
    await next.expectNothing();
    if (i === 1) {
      await next.send({ cmd: "pubcomp", messageId });
      await next.expectNothing();
    }
    await drop(broker, next);
  }
  await (await broker.connect(durable("rel"))).expectNothing();
});

Deno.test("[MQTT-4.3.3-6] a second PUBREC is answered by PUBREL, not by the PUBLISH", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 2);
  await publisher.publish("a", "m", { qos: 2 });
  const { messageId } = await subscriber.receive({ acknowledge: false });
  for (let i = 0; i < 2; i++) {
    await subscriber.send({ cmd: "pubrec", messageId });
    assert.equal((await subscriber.expect("pubrel")).messageId, messageId);
  }
  await subscriber.send({ cmd: "pubcomp", messageId });
  await subscriber.expectNothing();
});

for (const stage of ["PUBLISH", "PUBREL"] as const) {
  Deno.test(`[MQTT-4.3.3-7] a message that was sent does not expire: ${stage} comes again`, async () => {
    await using broker = await TestBroker.start();
    const [first, publisher] = await pair(broker, 2, "old");
    await publisher.publish("a", "m", { qos: 2, properties: { messageExpiryInterval: 1 } });
    const { messageId } = await first.receive({ acknowledge: false });
    if (stage === "PUBREL") {
      await first.send({ cmd: "pubrec", messageId });
      await first.expect("pubrel");
    }
    await drop(broker, first);
    await secondsPassed(broker);
    const second = await broker.connect(durable("old"));
    if (stage === "PUBLISH") assert.equal((await second.receive()).messageId, messageId);
    else assert.equal((await second.expect("pubrel")).messageId, messageId);
  });
}

Deno.test("[MQTT-4.3.3-7] a message that was not sent does expire, and holds up nothing", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await broker.connect({ properties: { receiveMaximum: 1 } });
  const publisher = await broker.connect();
  await subscriber.subscribe("a", { qos: 2 });
  await publisher.publish("a", "sent", { qos: 2 });
  await publisher.publish("a", "expires", { qos: 2, properties: { messageExpiryInterval: 1 } });
  await publisher.publish("a", "stays", { qos: 2 });
  const { messageId } = await subscriber.receive({ acknowledge: false });
  await secondsPassed(broker);
  await subscriber.send({ cmd: "pubrec", messageId });
  await subscriber.expect("pubrel");
  await subscriber.send({ cmd: "pubcomp", messageId });
  assert.equal((await subscriber.receive()).payload.toString(), "stays");
});

Deno.test("[MQTT-4.3.3-9] after a PUBREC that refuses, the id is a new message's", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 2);
  await put(publisher, 2, 9, { to: "$SYS/mine" });
  assert.equal((await publisher.expect("pubrec")).reasonCode, 0x87);
  await put(publisher, 2, 9, { dup: true });
  assert.equal((await publisher.expect("pubrec")).reasonCode ?? 0, 0);
  assert.equal((await subscriber.receive()).payload.toString(), "9");
  await publisher.send({ cmd: "pubrel", messageId: 9 });
  assert.equal((await publisher.expect("pubcomp")).reasonCode ?? 0, 0);
});

for (const dup of [false, true]) {
  Deno.test(`[MQTT-4.3.3-10] a QoS 2 PUBLISH that comes again before PUBREL (DUP ${Number(dup)}) is delivered once`, async () => {
    await using broker = await TestBroker.start();
    const [subscriber, publisher] = await pair(broker, 2);
    for (let i = 0; i < 3; i++) {
      await put(publisher, 2, 7, { dup: dup && i > 0 });
      const pubrec = await publisher.expect("pubrec");
      assert.ok(pubrec.messageId === 7 && (pubrec.reasonCode ?? 0) < 0x80);
    }
    await subscriber.receive();
    await subscriber.expectNothing();
    await publisher.send({ cmd: "pubrel", messageId: 7 });
    assert.equal((await publisher.expect("pubcomp")).reasonCode ?? 0, 0);
  });
}

Deno.test("[MQTT-4.3.3-10] the id of a QoS 2 message is remembered over a reconnect", async () => {
  await using broker = await TestBroker.start();
  const [subscriber] = await pair(broker, 2);
  const first = await broker.connect(durable("sender"));
  await put(first, 2, 7);
  await first.expect("pubrec");
  await drop(broker, first);
  const second = await broker.connect(durable("sender"));
  await put(second, 2, 7, { dup: true });
  assert.ok(((await second.expect("pubrec")).reasonCode ?? 0) < 0x80);
  await subscriber.receive();
  await subscriber.expectNothing();
  await second.send({ cmd: "pubrel", messageId: 7 });
  assert.equal((await second.expect("pubcomp")).reasonCode ?? 0, 0);
});

Deno.test("[MQTT-4.3.3-11] PUBREL for an id that nobody knows is answered by PUBCOMP 0x92", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.send({ cmd: "pubrel", messageId: 4711 });
  const pubcomp = await client.expect("pubcomp");
  assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode], [4711, 0x92]);
});

Deno.test("[MQTT-4.3.3-12] after PUBCOMP the same id is a new message", async () => {
  await using broker = await TestBroker.start();
  const [subscriber, publisher] = await pair(broker, 2);
  for (let i = 0; i < 3; i++) {
    assert.equal(await publisher.publish("a", `${i}`, { qos: 2, messageId: 3, dup: i > 0 }), 0);
    assert.equal((await subscriber.receive()).payload.toString(), `${i}`);
  }
  await subscriber.expectNothing();
});

Deno.test("[MQTT-4.3.3-13] the receiver goes on with QoS 2 when the message has expired", async () => {
  await using broker = await TestBroker.start();
  const offline = await broker.connect(durable("late"));
  await offline.subscribe("a", { qos: 2 });
  await drop(broker, offline);
  const publisher = await broker.connect();
  const properties = { messageExpiryInterval: 1 };
  const publish = {
    cmd: "publish",
    topic: "a",
    payload: "m",
    qos: 2,
    messageId: 6,
    retain: false,
    properties,
  } as const;
  await publisher.send({ ...publish, dup: false });
  await publisher.expect("pubrec");
  await secondsPassed(broker);
  await publisher.send({ ...publish, dup: true });
  assert.equal((await publisher.expect("pubrec")).messageId, 6);
  await publisher.send({ cmd: "pubrel", messageId: 6 });
  const pubcomp = await publisher.expect("pubcomp");
  assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode ?? 0], [6, 0]);
  await (await broker.connect(durable("late"))).expectNothing();
});

for (const qos of [0, 1, 2] as const) {
  Deno.test(`[MQTT-4.6.0-5][MQTT-4.6.0-6] QoS ${qos} messages of one publisher keep their order`, async () => {
    await using broker = await TestBroker.start();
    const narrow = await broker.connect({ properties: { receiveMaximum: 3 } });
    const wide = await broker.connect();
    const publisher = await broker.connect();
    await narrow.subscribe("a", { qos });
    await wide.subscribe("#", { qos });
    const expected = Array.from({ length: 60 }, (_, i) => `${i}`);
    const sending = (async () => {
      for (const payload of expected) await publisher.publish("a", payload, { qos });
    })();
    const order = async (client: TestClient) => {
      const received: string[] = [];
      while (received.length < 60) {
        const next = await client.next();
        if (next?.cmd === "publish") received.push(next.payload.toString());
        const { messageId } = next as { messageId?: number };
        if (next?.cmd === "publish" && qos > 0) await client.send({ cmd: qos === 1 ? "puback" : "pubrec", messageId });
        if (next?.cmd === "pubrel") await client.send({ cmd: "pubcomp", messageId });
      }
      return received;
    };
    assert.deepEqual(await Promise.all([order(narrow), order(wide), sending]), [expected, expected, undefined]);
  });
}

Deno.test("[MQTT-4.6.0-5] acknowledging out of order does not change the order of what follows", async () => {
  await using broker = await TestBroker.start();
  const subscriber = await broker.connect({ properties: { receiveMaximum: 2 } });
  const publisher = await broker.connect();
  await subscriber.subscribe("a", { qos: 1 });
  for (let i = 0; i < 6; i++) await publisher.publish("a", `${i}`, { qos: 1 });
  const received: string[] = [];
  for (let i = 0; i < 3; i++) {
    const [former, later] = [
      await subscriber.receive({ acknowledge: false }),
      await subscriber.receive({ acknowledge: false }),
    ];
    received.push(former.payload.toString(), later.payload.toString());
    await subscriber.sendBytes(join(packet(0x40, uint16(later.messageId!)), packet(0x40, uint16(former.messageId!))));
  }
  assert.deepEqual(received, ["0", "1", "2", "3", "4", "5"]);
});

Deno.test("[MQTT-4.6.0-5][MQTT-4.6.0-6] what was sent, what waited offline and what is new come in the order of publishing", async () => {
  await using broker = await TestBroker.start();
  const [first, publisher] = await pair(broker, 1, "order");
  for (const i of [0, 1]) await publisher.publish("a", `${i}`, { qos: 1 });
  for (const _ of [0, 1]) await first.receive({ acknowledge: false });
  await drop(broker, first);
  for (const i of [2, 3]) await publisher.publish("a", `${i}`, { qos: 1 });
  const second = await broker.connect(durable("order"));
  for (const i of [4, 5]) await publisher.publish("a", `${i}`, { qos: 1 });
  for (let i = 0; i < 6; i++) assert.equal((await second.receive()).payload.toString(), `${i}`);
});

Deno.test("[MQTT-4.6.0-6] PUBACKs come in the order of the PUBLISHes", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const ids = [40, 7, 300, 1, 22];
  await client.sendBytes(join(...ids.map((packetId) => rawPublish({ first: 0x32, packetId })), rawSubscribe(9, "b")));
  for (const id of ids) assert.equal((await client.expect("puback")).messageId, id);
  await client.expect("suback");
  assert.equal(frames(client.bytes).length, ids.length + 2);
});
