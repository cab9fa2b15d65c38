import assert from "node:assert/strict";
import { type ReceivedMessage, Refusal, type WeirBroker } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import { happening, inTime, nextText, textOf, until } from "./waiting.ts";

type Reader = ReadableStreamDefaultReader<ReceivedMessage>;

Deno.test("for await gives the messages in order; leaving the loop unsubscribes", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const messages = broker.broker.subscribe("a/#", { qos: 1 });
  const received: string[] = [];
  for (const payload of ["1", "2", "3"]) await client.publish("a/b", payload, { qos: 1 });
  for await (const message of messages) {
    received.push(`${message.topic} ${textOf(message)}`);
    if (received.length === 3) break;
  }
  assert.deepEqual(received, ["a/b 1", "a/b 2", "a/b 3"]);
  assert.equal(await client.publish("a/b", "nobody", { qos: 1 }), 0x10); // no matching subscribers
});

Deno.test("a QoS that MQTT does not have is refused", async () => {
  await using broker = await TestBroker.start();
  assert.throws(() => broker.broker.subscribe("a", { qos: 3 as never }), {
    name: "RangeError",
    message: "Cannot subscribe with QoS 3: it is 0, 1 or 2",
  });
});

Deno.test("an error in the loop unsubscribes, too", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const messages = broker.broker.subscribe("a");
  await client.publish("a", "x", { qos: 1 });
  await assert.rejects(async () => {
    for await (const message of messages) throw new Error(`cannot use ${message.topic}`);
  }, /cannot use a/);
  assert.equal(await client.publish("a", "nobody", { qos: 1 }), 0x10);
});

Deno.test("cancel unsubscribes, also while a read waits", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const idle = broker.broker.subscribe("a");
  const reader = broker.broker.subscribe("a").getReader();
  const waiting = reader.read();
  assert.equal(await client.publish("a", "x", { qos: 1 }), 0);
  assert.equal((await inTime(waiting, "a message")).done, false);
  const last = reader.read();
  await reader.cancel();
  assert.equal((await inTime(last, "the end")).done, true);
  await idle.cancel("enough");
  assert.equal(await client.publish("a", "nobody", { qos: 1 }), 0x10);
});

Deno.test("a subscription is in place when subscribe has returned", async () => {
  await using broker = await TestBroker.start();
  const reader = broker.broker.subscribe("now").getReader();
  void broker.broker.publish({ topic: "now", payload: "caught" });
  assert.equal(await nextText(reader), "caught");
});

Deno.test("the QoS of a message is the lower of the two", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  for (const wanted of [0, 1, 2] as const) {
    const reader = broker.broker.subscribe("q", { qos: wanted }).getReader();
    for (const qos of [0, 1, 2] as const) {
      await client.publish("q", `${qos}`, { qos });
      const { value } = await inTime(reader.read(), "a message");
      assert.equal(value!.qos, Math.min(qos, wanted));
      assert.equal(textOf(value!), `${qos}`);
    }
    await reader.cancel();
  }
});

Deno.test("retained messages come first, or not at all", async () => {
  await using broker = await TestBroker.start();
  for (const name of ["a", "b"]) {
    await broker.broker.publish({ topic: `r/${name}`, payload: name, retain: true, qos: 1 });
  }
  const [with_, without] = [
    broker.broker.subscribe("r/+", { qos: 1 }),
    broker.broker.subscribe("r/+", { retained: false }),
  ];
  await broker.broker.publish({ topic: "r/c", payload: "live" });
  const reader = with_.getReader();
  const kept = [(await reader.read()).value!, (await reader.read()).value!];
  assert.deepEqual(kept.map(textOf).sort(), ["a", "b"]);
  assert.deepEqual(kept.map(({ retain, qos }) => [retain, qos]), [[true, 1], [true, 1]]);
  assert.equal(await nextText(reader), "live");
  assert.equal(await nextText(without.getReader()), "live");
});

Deno.test("more retained messages than the mark arrive all the same, once each", async () => {
  await using broker = await TestBroker.start();
  const topics = Array.from({ length: 700 }, (_, index) => `r/${index}`);
  for (const [index, topic] of topics.entries()) {
    await broker.broker.publish({ topic, payload: "x", retain: true, qos: (index % 2) as 0 | 1 });
  }
  const reader = broker.broker.subscribe("r/#", { qos: 1, highWaterMark: 10 }).getReader();
  const seen = new Set<string>();
  while (seen.size < topics.length) {
    const { value } = await inTime(reader.read(), `retained message ${seen.size}`);
    assert.ok(!seen.has(value!.topic), `${value!.topic} twice`);
    seen.add(value!.topic);
  }
});

Deno.test("wildcards match as for clients: one level, the rest, and not $SYS", async () => {
  await using broker = await TestBroker.start();
  const cases: [string, string[]][] = [
    ["a/+", ["a/b", "a/"]],
    ["a/#", ["a", "a/b", "a/", "a/b/c"]],
    ["#", ["a", "a/b", "a/", "a/b/c", "b"]],
    ["+/+", ["a/b", "a/"]],
  ];
  const readers = cases.map(([filter]) => broker.broker.subscribe(filter).getReader());
  for (const topic of ["a", "a/b", "$SYS/a/b", "a/", "a/b/c", "b"]) {
    await broker.broker.publish({ topic, payload: topic });
  }
  await broker.broker.publish({ topic: "a/end", payload: "end" }); // matches all but nothing comes after it
  for (const [index, [filter, topics]] of cases.entries()) {
    for (const topic of topics) assert.equal(await nextText(readers[index]), topic, filter);
    assert.equal(await nextText(readers[index]), "end", filter);
  }
});

Deno.test("a filter that is not well formed is refused with its reason", async () => {
  await using broker = await TestBroker.start({ limits: { topicLevelsMax: 3 } });
  const filters = ["", "a#", "#/a", "a+/b", "a/b/c/d", "a\u0000", "$share/g", "$share/g/", "$share//a", "$share/+/a"];
  for (const filter of filters) {
    assert.throws(() => broker.broker.subscribe(filter), (error) => {
      assert.ok(error instanceof Refusal, `${filter}: ${error}`);
      assert.equal(error.refusal, "topic-filter-invalid", filter);
      return true;
    }, filter);
  }
});

Deno.test("what the limits have switched off is refused to the program, too", async () => {
  await using broker = await TestBroker.start({ limits: { sharedAvailable: false, wildcardAvailable: false } });
  for (const filter of ["$share/g/a", "a/+", "#"]) {
    assert.throws(() => broker.broker.subscribe(filter), Refusal, filter);
  }
});

Deno.test("a shared group divides the messages between the program and a client", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("$share/g/work", { qos: 1 });
  const reader = broker.broker.subscribe("$share/g/work", { qos: 1 }).getReader();
  const publisher = await broker.connect();
  const sent = ["1", "2", "3", "4", "5", "6"];
  for (const payload of sent) await publisher.publish("work", payload, { qos: 1 });
  const received: string[] = [];
  for (let i = 0; i < 3; i++) {
    received.push((await client.receive()).payload.toString(), await nextText(reader));
  }
  assert.deepEqual(received.sort(), sent);
  await client.expectNothing();
});

Deno.test("what a member of the program has not read goes to another member when it leaves", async () => {
  await using broker = await TestBroker.start();
  const leaving = broker.broker.subscribe("$share/g/work", { qos: 1 });
  for (const payload of ["1", "2", "3"]) await broker.broker.publish({ topic: "work", payload, qos: 1 });
  const client = await broker.connect();
  await client.subscribe("$share/g/work", { qos: 1 });
  await leaving.cancel();
  for (const payload of ["1", "2", "3"]) assert.equal((await client.receive()).payload.toString(), payload);
});

Deno.test("an AbortSignal ends the subscription; what was received is still read", async () => {
  await using broker = await TestBroker.start();
  const abort = new AbortController();
  const reader = broker.broker.subscribe("a", { qos: 1, signal: abort.signal }).getReader();
  const client = await broker.connect();
  await client.publish("a", "received", { qos: 1 });
  abort.abort();
  assert.equal(await client.publish("a", "nobody", { qos: 1 }), 0x10);
  assert.equal(await nextText(reader), "received");
  assert.equal((await inTime(reader.read(), "the end")).done, true);
});

Deno.test("an AbortSignal ends a loop that waits", async () => {
  await using broker = await TestBroker.start();
  const abort = new AbortController();
  const received: string[] = [];
  const loop = (async () => {
    for await (const message of broker.broker.subscribe("a", { signal: abort.signal })) received.push(textOf(message));
  })();
  await broker.broker.publish({ topic: "a", payload: "one" });
  await until(() => received.length === 1, "the message");
  abort.abort();
  await inTime(loop, "the end of the loop");
});

Deno.test("a signal that is aborted already gives a stream that ends at once", async () => {
  await using broker = await TestBroker.start();
  const reader = broker.broker.subscribe("a", { signal: AbortSignal.abort() }).getReader();
  assert.equal((await inTime(reader.read(), "the end")).done, true);
  const client = await broker.connect();
  assert.equal(await client.publish("a", "nobody", { qos: 1 }), 0x10);
});

Deno.test("a signal is let go of when the subscription ends otherwise", async () => {
  await using broker = await TestBroker.start();
  const abort = new AbortController();
  let listeners = 0;
  const { signal } = abort;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  for (let i = 0; i < 5; i++) await broker.broker.subscribe("a", { signal }).cancel();
  assert.equal(listeners, 0, "a long-lived signal keeps every subscription that it was ever given to");
});

Deno.test("two subscriptions of the program both get what both match", async () => {
  await using broker = await TestBroker.start();
  const readers = ["a/+", "a/b", "#"].map((filter) => broker.broker.subscribe(filter).getReader());
  await broker.broker.publish({ topic: "a/b", payload: "x" });
  for (const reader of readers) assert.equal(await nextText(reader), "x");
});

Deno.test("a reader that does not read: QoS 0 is dropped beyond the mark and told, QoS 1 waits", async () => {
  await using broker = await TestBroker.start();
  const zero = broker.broker.subscribe("b", { qos: 0, highWaterMark: 5 }).getReader();
  const one = broker.broker.subscribe("b", { qos: 1, highWaterMark: 5 }).getReader();
  let dropped = 0;
  broker.broker.watch((happening) => {
    if (happening.kind === "message-dropped" && happening.cause === "client-congested") dropped++;
  });
  const sent = Array.from({ length: 50 }, (_, index) => String(index));
  for (const payload of sent) await broker.broker.publish({ topic: "b", payload, qos: 1 });
  assert.equal(dropped, 45);
  assert.deepEqual(await texts(zero, 5), sent.slice(0, 5));
  assert.deepEqual(await texts(one, 50), sent);
  await broker.broker.publish({ topic: "b", payload: "after" });
  assert.equal(await nextText(zero), "after"); // it has caught up
  assert.equal(await nextText(one), "after");
});

Deno.test("a mark of 1 delivers one by one, at every QoS", async () => {
  await using broker = await TestBroker.start();
  for (const qos of [1, 2] as const) {
    const reader = broker.broker.subscribe("m", { qos, highWaterMark: 1 }).getReader();
    const sent = Array.from({ length: 20 }, (_, index) => String(index));
    await publishAll(broker.broker, sent, qos);
    assert.deepEqual(await texts(reader, 20), sent);
    await reader.cancel();
  }
});

Deno.test("a reader far behind is bounded by the queue limit of a session", async () => {
  await using broker = await TestBroker.start({ limits: { queuedMessagesMax: 10, queueOverflow: "drop-newest" } });
  const reader = broker.broker.subscribe("m", { qos: 1, highWaterMark: 5 }).getReader();
  const full = happening(broker.broker, "message-dropped");
  const sent = Array.from({ length: 30 }, (_, index) => String(index));
  await publishAll(broker.broker, sent, 1);
  assert.equal((await full).cause, "queue-full");
  assert.deepEqual(await texts(reader, 15), sent.slice(0, 15));
});

Deno.test("a mark that is not a positive whole number is refused", async () => {
  await using broker = await TestBroker.start();
  for (const highWaterMark of [0, -1, NaN]) {
    assert.throws(() => broker.broker.subscribe("a", { highWaterMark }), RangeError, `${highWaterMark}`);
  }
});

Deno.test("a program that never reads does not hold up the clients", async () => {
  await using broker = await TestBroker.start();
  broker.broker.subscribe("c", { qos: 2, highWaterMark: 1 });
  const subscriber = await broker.connect();
  await subscriber.subscribe("c", { qos: 1 });
  const publisher = await broker.connect({ version: 4 });
  for (let i = 0; i < 20; i++) {
    await publisher.publish("c", `${i}`, { qos: 2 });
    assert.equal((await subscriber.receive()).payload.toString(), `${i}`);
  }
});

async function publishAll(broker: WeirBroker, payloads: readonly string[], qos: 0 | 1 | 2): Promise<void> {
  for (const payload of payloads) await broker.publish({ topic: "m", payload, qos });
}

async function texts(reader: Reader, count: number): Promise<string[]> {
  const received: string[] = [];
  while (received.length < count) received.push(await nextText(reader));
  return received;
}
