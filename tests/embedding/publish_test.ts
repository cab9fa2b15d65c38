import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type MessageProperties, type OutgoingMessage, Refusal } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import { inTime, nextText } from "./waiting.ts";

const PROPERTIES: MessageProperties = {
  payloadIsUtf8: true,
  contentType: "text/plain",
  responseTopic: "answers/1",
  correlationData: Uint8Array.of(0, 1, 255),
  userProperties: [["b", "1"], ["a", "2"], ["b", "1"], ["", ""], ["ä", "€ 𝄞"]],
};

Deno.test("every property reaches the clients, user properties in order and with duplicates", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("p", { qos: 1 });
  await broker.broker.publish({ topic: "p", payload: "x", qos: 1, ...PROPERTIES });
  const before = client.bytes.length;
  const { properties } = await client.receive();
  assert.equal(properties?.payloadFormatIndicator, true);
  assert.equal(properties?.contentType, "text/plain");
  assert.equal(properties?.responseTopic, "answers/1");
  assert.deepEqual([...properties!.correlationData!], [0, 1, 255]);
  // mqtt-packet keys user properties by name; the order between names shows in the bytes only
  const bytes = client.bytes.slice(before === client.bytes.length ? 0 : before);
  const pairs = PROPERTIES.userProperties!.map(([name, value]) => userProperty(name, value)).join("");
  assert.ok(hex(bytes).includes(pairs), "the user properties are not there in their order");
});

Deno.test("a payload is text or bytes, and nothing else", async () => {
  await using broker = await TestBroker.start();
  for (const payload of [5, null, [1]]) {
    const message = { topic: "p", payload } as unknown as OutgoingMessage;
    await assert.rejects(broker.broker.publish(message), {
      name: "TypeError",
      message: "Cannot publish the payload: it is text or a Uint8Array",
    });
  }
});

Deno.test("every property reaches the program's own subscriptions", async () => {
  await using broker = await TestBroker.start();
  const messages = broker.broker.subscribe("p").getReader();
  await broker.broker.publish({ topic: "p", payload: "x", expirySeconds: 60, ...PROPERTIES });
  const { value } = await inTime(messages.read(), "a message");
  assert.deepEqual(value, {
    ...PROPERTIES,
    topic: "p",
    payload: new TextEncoder().encode("x"),
    qos: 0,
    retain: false,
    expirySeconds: 60,
  });
});

Deno.test("properties of a client reach the program", async () => {
  await using broker = await TestBroker.start();
  const messages = broker.broker.subscribe("p", { qos: 2 }).getReader();
  const client = await broker.connect();
  await client.publish("p", "x", {
    qos: 2,
    properties: {
      contentType: "a/b",
      messageExpiryInterval: 30,
      userProperties: { k: ["1", "2"] },
      correlationData: Buffer.from([9]),
    },
  });
  const { value } = await inTime(messages.read(), "a message");
  assert.equal(value!.contentType, "a/b");
  assert.deepEqual(value!.userProperties, [["k", "1"], ["k", "2"]]);
  assert.deepEqual([...value!.correlationData!], [9]);
  assert.equal(value!.expirySeconds, 30);
  assert.equal(value!.qos, 2);
  assert.equal(value!.payloadIsUtf8, undefined);
});

Deno.test("text is sent as UTF-8, bytes as they are, and neither is empty when it is not", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ version: 4 });
  await client.subscribe("t");
  const bytes = Uint8Array.of(0xff, 0x00, 0xfe);
  const payloads = ["", "a", "ä€𝄞", bytes, new Uint8Array(), bytes.subarray(1)];
  for (const payload of payloads) await broker.broker.publish({ topic: "t", payload });
  for (const payload of payloads) {
    const expected = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    assert.deepEqual([...(await client.receive()).payload], [...expected]);
  }
});

Deno.test("the program may use its buffer again as soon as publish has resolved", async () => {
  await using broker = await TestBroker.start();
  const sleeper = await broker.connect({ clientId: "sleeper", properties: { sessionExpiryInterval: 60 } });
  await sleeper.subscribe("b", { qos: 1 });
  await sleeper.disconnect();
  const payload = new TextEncoder().encode("first");
  await broker.broker.publish({ topic: "b", payload, qos: 1, retain: true });
  payload.fill(0x78);
  const again = await broker.connect({ clientId: "sleeper", clean: false });
  assert.equal((await again.receive()).payload.toString(), "first");
  const kept = broker.broker.subscribe("b").getReader();
  assert.equal(await nextText(kept), "first");
});

Deno.test("a received payload is the reader's own", async () => {
  await using broker = await TestBroker.start();
  const [one, two] = [broker.broker.subscribe("b").getReader(), broker.broker.subscribe("b").getReader()];
  await broker.broker.publish({ topic: "b", payload: "shared" });
  (await inTime(one.read(), "a message")).value!.payload.fill(0);
  assert.equal(await nextText(two), "shared");
});

Deno.test("a retained message waits for those who subscribe later; an empty one clears it", async () => {
  await using broker = await TestBroker.start();
  await broker.broker.publish({ topic: "r", payload: "kept", retain: true, qos: 1 });
  const client = await broker.connect();
  await client.subscribe("r", { qos: 1 });
  const kept = await client.receive();
  assert.equal(kept.payload.toString(), "kept");
  assert.equal(kept.retain, true);
  await broker.broker.publish({ topic: "r", payload: "", retain: true });
  assert.equal((await client.receive()).payload.length, 0); // the clearing is a message, too
  await client.subscribe("r", { qos: 1 });
  await client.expectNothing();
});

Deno.test("an expired message reaches nobody, and the others are told what is left", async () => {
  await using broker = await TestBroker.start();
  const sleeper = await broker.connect({ clientId: "sleeper", properties: { sessionExpiryInterval: 60 } });
  await sleeper.subscribe("e", { qos: 1 });
  await sleeper.disconnect();
  await broker.broker.publish({ topic: "e", payload: "gone", qos: 1, expirySeconds: 0 });
  await broker.broker.publish({ topic: "e", payload: "there", qos: 1, expirySeconds: 100 });
  const again = await broker.connect({ clientId: "sleeper", clean: false });
  const message = await again.receive();
  assert.equal(message.payload.toString(), "there");
  const left = message.properties!.messageExpiryInterval!;
  assert.ok(left > 95 && left <= 100, `${left} s are left`);
  await again.expectNothing();
});

Deno.test("messageExpirySecondsMax holds for the program's messages, too", async () => {
  await using broker = await TestBroker.start({ limits: { messageExpirySecondsMax: 10 } });
  const client = await broker.connect();
  await client.subscribe("e");
  await broker.broker.publish({ topic: "e", payload: "no wish" });
  await broker.broker.publish({ topic: "e", payload: "too long", expirySeconds: 1_000 });
  assert.equal((await client.receive()).properties?.messageExpiryInterval, 10);
  assert.equal((await client.receive()).properties?.messageExpiryInterval, 10);
});

Deno.test("a topic that cannot be published to is refused with its reason, and nothing else happens", async () => {
  await using broker = await TestBroker.start({ limits: { topicLevelsMax: 4, topicBytesMax: 100 } });
  const messages = broker.broker.subscribe("#").getReader();
  const topics: [string, RegExp][] = [
    ["", /empty/],
    ["a/+", /"a\/\+"/],
    ["#", /#/],
    ["a\u0000b", /U\+0000/],
    ["a/b/c/d/e", /4/],
    ["x".repeat(101), /101.*100/],
  ];
  for (const [topic, message] of topics) {
    await assert.rejects(broker.broker.publish({ topic, payload: "" }), (error) => {
      assert.ok(error instanceof Refusal, `${error}`);
      assert.equal(error.refusal, "topic-name-invalid");
      assert.match(error.message, message);
      return true;
    });
  }
  await broker.broker.publish({ topic: "fine", payload: "ok" });
  assert.equal(await nextText(messages), "ok");
});

Deno.test("what MQTT cannot carry is refused before anybody gets it", async () => {
  await using broker = await TestBroker.start();
  const messages = broker.broker.subscribe("a").getReader();
  const impossible: Partial<OutgoingMessage>[] = [
    { contentType: "a\u0000b" },
    { contentType: "\ud800" },
    { responseTopic: "a/#" },
    { responseTopic: "" },
    { userProperties: [["k", "x".repeat(65_536)]] },
    { correlationData: new Uint8Array(65_536) },
    { expirySeconds: -1 },
    { expirySeconds: NaN },
    { expirySeconds: 0x1_0000_0000 },
    { qos: 3 as never },
  ];
  for (const part of impossible) {
    const shown = Deno.inspect(part, { strAbbreviateSize: 40, iterableLimit: 3 });
    await assert.rejects(broker.broker.publish({ topic: "a", payload: "", ...part }), shown);
  }
  await broker.broker.publish({ topic: "a", payload: "ok" });
  assert.equal(await nextText(messages), "ok");
});

Deno.test("a lone surrogate in a topic or filter is refused", async () => {
  await using broker = await TestBroker.start();
  await assert.rejects(broker.broker.publish({ topic: "a\ud800", payload: "" }), Refusal);
  assert.throws(() => broker.broker.subscribe("a\ud800"), Refusal);
});

Deno.test("the order of the program's messages is kept, whatever their QoS", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("o", { qos: 1 });
  const sent = Array.from({ length: 60 }, (_, index) => String(index));
  await Promise.all(sent.map((payload) => broker.broker.publish({ topic: "o", payload, qos: 1 })));
  for (const payload of sent) assert.equal((await client.receive()).payload.toString(), payload);
});

function userProperty(name: string, value: string): string {
  const encoder = new TextEncoder();
  const part = (text: string) => {
    const bytes = encoder.encode(text);
    return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
  };
  return hex([0x26, ...part(name), ...part(value)]);
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("the program cannot retain where clients are told that nobody can; its QoS goes down to what was granted", async () => {
  await using broker = await TestBroker.start({ limits: { qosMax: 1, retainAvailable: false } });
  const publish = (options: { qos?: 0 | 1 | 2; retain?: boolean }) => {
    return broker.broker.publish({ topic: "a", payload: "x", ...options });
  };
  await assert.rejects(publish({ retain: true }), { name: "Refusal", refusal: "retain-not-supported" });
  const client = await broker.connect();
  await client.subscribe("a", { qos: 2 });
  await publish({ qos: 2 });
  assert.equal((await client.receive()).qos, 1);
});
