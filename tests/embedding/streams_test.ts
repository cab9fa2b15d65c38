import assert from "node:assert/strict";
import mqttPacket from "mqtt-packet";
import { type Credentials, WeirBroker } from "../../mod.ts";
import { MemoryClient, memoryPipe } from "./memory_client.ts";
import { inTime, nextText, turns } from "./waiting.ts";

function startBroker(): Promise<WeirBroker> {
  return WeirBroker.start({ sysIntervalMs: 0, shutdownTimeoutMs: 200 });
}

for (const version of [4, 5] as const) {
  Deno.test(`v${version} over streams in memory: messages go both ways at each QoS`, async () => {
    await using broker = await startBroker();
    const { brokerEnd, clientEnd } = memoryPipe();
    const served = broker.accept(brokerEnd);
    const client = new MemoryClient(clientEnd, version);
    await client.connect();
    await client.subscribe("to/client", 2);
    const messages = broker.subscribe("to/program", { qos: 2 }).getReader();
    for (const qos of [0, 1, 2] as const) {
      await broker.publish({ topic: "to/client", payload: `qos ${qos}`, qos });
      const message = await client.expect("publish");
      assert.equal(message.payload.toString(), `qos ${qos}`);
      assert.equal(message.qos, qos);
      if (qos === 1) await client.send({ cmd: "puback", messageId: message.messageId });
      if (qos === 2) {
        await client.send({ cmd: "pubrec", messageId: message.messageId });
        await client.expect("pubrel");
        await client.send({ cmd: "pubcomp", messageId: message.messageId });
      }
      const messageId = qos === 0 ? undefined : 7;
      await client.send({
        cmd: "publish",
        topic: "to/program",
        payload: `up ${qos}`,
        qos,
        messageId,
        dup: false,
        retain: false,
      });
      if (qos > 0) await client.expect(qos === 1 ? "puback" : "pubrec");
      if (qos === 2) {
        await client.send({ cmd: "pubrel", messageId });
        await client.expect("pubcomp");
      }
      assert.equal(await nextText(messages), `up ${qos}`);
    }
    await client.send({ cmd: "disconnect" });
    assert.equal(await client.next(), undefined);
    await client.close();
    await inTime(served, "the end of the connection");
  });
}

Deno.test("packets that arrive byte by byte, and chunks of no bytes, are one stream", async () => {
  await using broker = await startBroker();
  const { brokerEnd, clientEnd } = memoryPipe();
  const served = broker.accept(brokerEnd);
  const client = new MemoryClient(clientEnd);
  await client.connect();
  const messages = broker.subscribe("a").getReader();
  const bytes = mqttPacket.generate(
    { cmd: "publish", topic: "a", payload: "in pieces", qos: 1, messageId: 9, dup: false, retain: false },
    { protocolVersion: 5 },
  );
  for (const byte of bytes) {
    await client.sendBytes(Uint8Array.of(byte));
    await client.sendBytes(new Uint8Array());
  }
  assert.equal((await client.expect("puback")).messageId, 9);
  assert.equal(await nextText(messages), "in pieces");
  await client.close();
  await inTime(served, "the end of the connection");
});

Deno.test("bytes that wait in the stream towards the client stay as they were written", async () => {
  await using broker = await startBroker();
  const { brokerEnd, clientEnd } = memoryPipe(1_000);
  const served = broker.accept(brokerEnd);
  const client = new MemoryClient(clientEnd);
  await client.connect();
  await client.subscribe("a");
  const sent = Array.from({ length: 50 }, (_, index) => `message ${index}`);
  for (const payload of sent) {
    await broker.publish({ topic: "a", payload });
    await turns(1); // each is written by itself, and the client reads none of them yet
  }
  const received: string[] = [];
  while (received.length < sent.length) received.push((await client.expect("publish")).payload.toString());
  assert.deepEqual(received, sent);
  await client.close();
  await inTime(served, "the end of the connection");
});

Deno.test("accept resolves when the streams break, and the will is published", async () => {
  await using broker = await startBroker();
  const { brokerEnd, clientEnd } = memoryPipe();
  const served = broker.accept(brokerEnd);
  const client = new MemoryClient(clientEnd);
  const will = { topic: "gone", payload: "broken" as never, qos: 1 as const, retain: false };
  await client.send({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 5,
    clientId: "breaks",
    clean: true,
    keepalive: 0,
    will,
  });
  await client.expect("connack");
  const messages = broker.subscribe("gone").getReader();
  await client.break();
  await inTime(served, "the end of the connection");
  assert.equal(await nextText(messages), "broken");
});

Deno.test("a source of bytes that fails ends its connection and no other", async () => {
  await using broker = await startBroker();
  const good = memoryPipe();
  const servedGood = broker.accept(good.brokerEnd);
  const client = new MemoryClient(good.clientEnd);
  await client.connect();
  const readable = new ReadableStream<Uint8Array>({
    pull() {
      throw new Error("the cable was cut");
    },
  });
  const ended = Promise.withResolvers<void>();
  const writable = new WritableStream<Uint8Array>({ abort: () => ended.resolve() });
  await inTime(broker.accept({ readable, writable }), "the end of the connection");
  await inTime(ended.promise, "the abort of the other direction");
  await client.send({ cmd: "pingreq" });
  await client.expect("pingresp");
  await client.close();
  await inTime(servedGood, "the end of the connection");
});

Deno.test("what a connection is said to come from reaches the authenticator", async () => {
  const asked = Promise.withResolvers<Credentials>();
  await using broker = await WeirBroker.start({
    sysIntervalMs: 0,
    shutdownTimeoutMs: 200,
    authenticator: {
      authenticate(credentials) {
        asked.resolve(credentials);
        return { refusal: "banned", reason: "No" };
      },
    },
  });
  const { brokerEnd, clientEnd } = memoryPipe();
  const served = broker.accept(brokerEnd, { remoteAddress: "192.0.2.7" });
  const client = new MemoryClient(clientEnd);
  await client.send({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: 5,
    clientId: "x",
    clean: true,
    keepalive: 0,
  });
  assert.equal((await asked.promise).remoteAddress, "192.0.2.7");
  assert.equal((await client.expect("connack")).reasonCode, 0x8a);
  await client.close();
  await inTime(served, "the end of the connection");
});

Deno.test("stop ends connections over streams: DISCONNECT 0x8B, and accept resolves", async () => {
  const broker = await startBroker();
  const { brokerEnd, clientEnd } = memoryPipe();
  const served = broker.accept(brokerEnd);
  const client = new MemoryClient(clientEnd);
  await client.connect();
  const stopped = broker.stop();
  assert.equal((await client.expect("disconnect")).reasonCode, 0x8b);
  assert.equal(await client.next(), undefined);
  await client.close();
  await inTime(Promise.all([served, stopped]), "stop");
});

Deno.test("a client that takes nothing is cut after the write timeout", async () => {
  await using broker = await WeirBroker.start({
    sysIntervalMs: 0,
    shutdownTimeoutMs: 200,
    connection: { writeTimeoutMs: 50, connectTimeoutMs: 100 },
  });
  const { brokerEnd, clientEnd } = memoryPipe();
  const served = broker.accept(brokerEnd);
  const client = new MemoryClient(clientEnd);
  await client.connect();
  await client.subscribe("a");
  await broker.publish({ topic: "a", payload: "nobody reads this" });
  await inTime(served, "the end of the connection");
});
