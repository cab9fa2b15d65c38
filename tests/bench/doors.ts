// deno run -A tests/bench/doors.ts [ROUNDS [DOOR...]]: what connections and messages cost behind each door, beside plain TCP.
import mqttPacket from "mqtt-packet";
import { findCommand } from "../support/skip.ts";
import { ByteClient, repeated } from "./byte_client.ts";
import type { DoorAddress } from "./door_server.ts";
import { pinned } from "./machine.ts";
import { rounded, ServerProcess } from "./server_process.ts";

const MQTT_DOORS = ["tcp", "ws", "tls", "wss"];
const HTTP_DOORS = ["http", "https"];

const IDLE = 5_000;
const WARM = 100;
const BATCH = 1_000;
const BATCHES = 1_000;
/** Publishers with a message under way each, in one write. */
const PAIRS = 50;
const ONE_BY_ONE = 1_000;
/** Events of one write; a stream keeps 256 waiting, and drops QoS 0 beyond. */
const EVENTS = 100;
const EVENT_BATCHES = 1_000;
const OPENS = 500;
const HANDSHAKE_SECONDS = 3;

type Server = ServerProcess<DoorAddress>;

const PUBLISH = mqttPacket.generate({
  cmd: "publish",
  topic: "a/b",
  payload: "x".repeat(64),
  qos: 0,
  dup: false,
  retain: false,
});

/** An MQTT client that has been let in. */
async function connect(door: string, { said: { port, mqttPort, ca } }: Server): Promise<ByteClient> {
  const isPlain = door === "mqtt";
  const client = await ByteClient.open({
    port: isPlain ? mqttPort : port,
    ca: isPlain ? undefined : ca,
    isFramed: door.startsWith("ws"),
  });
  const clientId = crypto.randomUUID();
  await client.send(mqttPacket.generate({ cmd: "connect", protocolVersion: 4, clientId, clean: true, keepalive: 0 }));
  await client.receive(4);
  return client;
}

async function subscribe(client: ByteClient, topic: string): Promise<void> {
  await client.send(mqttPacket.generate({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 0 }] }));
  await client.receive(5);
}

/** One publisher, one subscriber, QoS 0, 64 bytes; a thousand in one write, the next when these have arrived. */
async function inBatches(door: string, server: Server) {
  const [subscriber, publisher] = [await connect(door, server), await connect(door, server)];
  await subscribe(subscriber, "a/b");
  const batch = repeated(PUBLISH, BATCH);
  const run = async () => {
    for (let i = 0; i < BATCHES; i++) await Promise.all([publisher.send(batch), subscriber.receive(batch.length)]);
  };
  await run(); // warm
  const { perSecond, cpuPerMillion } = await server.measure(BATCH * BATCHES, run);
  for (const client of [subscriber, publisher]) client.close();
  return { "messages/s, in batches": perSecond, "cpu s/M, in batches": cpuPerMillion };
}

/** Fifty publishers with a subscriber each; every message is a write of its own, the next when it has arrived. */
async function oneByOne(door: string, server: Server) {
  const pairs = await Promise.all(Array.from({ length: PAIRS }, async (_, index) => {
    const topic = `p/${String(index).padStart(2, "0")}`;
    const [subscriber, publisher] = [await connect(door, server), await connect(door, server)];
    await subscribe(subscriber, topic);
    const message = { topic, payload: "x".repeat(64), qos: 0 as const, dup: false, retain: false };
    return { subscriber, publisher, packet: mqttPacket.generate({ cmd: "publish", ...message }) };
  }));
  const run = async () => {
    await Promise.all(pairs.map(async ({ subscriber, publisher, packet }) => {
      for (let i = 0; i < ONE_BY_ONE; i++) {
        await publisher.send(packet);
        await subscriber.receive(packet.length);
      }
    }));
  };
  await run(); // warm
  const { perSecond, cpuPerMillion } = await server.measure(PAIRS * ONE_BY_ONE, run);
  for (const { subscriber, publisher } of pairs) for (const client of [subscriber, publisher]) client.close();
  return { "messages/s, one by one": perSecond, "cpu s/M, one by one": cpuPerMillion };
}

/** Connections until they are let in, one after the other. */
async function opening(door: string, server: Server) {
  const { perSecond, cpuPerMillion } = await server.measure(OPENS, async () => {
    for (let i = 0; i < OPENS; i++) (await connect(door, server)).close();
  });
  return { "opens/s": perSecond, "cpu ms an open": rounded(cpuPerMillion / 1000) };
}

/** What one that stays costs, in a server that has only just begun to serve. */
async function memory(door: string, make: (server: Server) => Promise<ByteClient>): Promise<number> {
  await using server: Server = await ServerProcess.start("door_server.ts", [door]);
  for (let i = 0; i < WARM; i++) (await make(server)).close();
  const idle: ByteClient[] = [];
  const kb = await server.growth(IDLE, async () => {
    while (idle.length < IDLE) idle.push(await make(server));
  });
  for (const client of idle) client.close();
  return kb;
}

/** Handshakes and nothing else, with `openssl s_time` on the other core: whole ones, and those that take up a session. */
async function handshakes({ said: { port, ca } }: Server) {
  const openssl = findCommand("openssl");
  if (ca === undefined || openssl === undefined) return {};
  const rates: Record<string, number> = {};
  for (const [name, flags] of Object.entries({ whole: ["-new"], resumed: ["-reuse", "-tls1_2"] })) {
    const to = ["s_time", "-connect", `127.0.0.1:${port}`, "-time", `${HANDSHAKE_SECONDS}`, ...flags];
    const [program, ...args] = pinned(1, [openssl, ...to]);
    const { stdout } = await new Deno.Command(program, { args, stdout: "piped", stderr: "null" }).output();
    const [, count, seconds] = /(\d+) connections in (\d+) real seconds/.exec(new TextDecoder().decode(stdout)) ?? [];
    rates[`handshakes/s, ${name}`] = Math.round(Number(count) / Number(seconds));
  }
  return rates;
}

/** Publishing by HTTP on connections that stay, one request under way on each. */
async function publishing(server: Server) {
  const { port, ca } = server.said;
  const clients = await Promise.all(Array.from({ length: PAIRS }, () => ByteClient.open({ port, ca })));
  const head = "POST /topics/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 64\r\n\r\n";
  const request = new TextEncoder().encode(head + "x".repeat(64));
  const run = async () => {
    await Promise.all(clients.map(async (client) => {
      for (let i = 0; i < ONE_BY_ONE / 10; i++) {
        await client.write(request);
        await client.readUntil('{"status":"ok"}');
      }
    }));
  };
  await run(); // warm
  const { perSecond, cpuPerMillion } = await server.measure(PAIRS * ONE_BY_ONE / 10, run);
  for (const client of clients) client.close();
  return { "publishes/s": perSecond, "cpu s/M, publishing": cpuPerMillion };
}

/** A stream of Server-Sent Events that has begun. */
async function eventStream({ said: { port, ca } }: Server): Promise<ByteClient> {
  const client = await ByteClient.open({ port, ca });
  await client.write(
    new TextEncoder().encode("GET /subscribe?filter=a/b&encoding=text HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  );
  await client.readUntil("retry: 1000\n\n\r\n");
  return client;
}

/** One publisher over MQTT, one reader of events; a hundred in one write, the next when these have arrived. */
async function events(server: Server) {
  const [reader, publisher] = [await eventStream(server), await connect("mqtt", server)];
  const batch = repeated(PUBLISH, EVENTS);
  const brace = "}".charCodeAt(0); // one in each event
  const run = async () => {
    for (let i = 0; i < EVENT_BATCHES; i++) {
      await Promise.all([publisher.send(batch), reader.readMarks(brace, EVENTS)]);
    }
  };
  await run(); // warm
  const { perSecond, cpuPerMillion } = await server.measure(EVENTS * EVENT_BATCHES, run);
  for (const client of [reader, publisher]) client.close();
  return { "events/s": perSecond, "cpu s/M, events": cpuPerMillion };
}

async function measure(door: string): Promise<Record<string, string | number>> {
  await using server: Server = await ServerProcess.start("door_server.ts", [door]);
  if (HTTP_DOORS.includes(door)) {
    const publish = await publishing(server);
    const told = await events(server);
    return { door, ...publish, ...told, "KB a stream": await memory(door, eventStream) };
  }
  const batches = await inBatches(door, server);
  const singles = await oneByOne(door, server);
  const kb = await memory(door, (server) => connect(door, server));
  const opens = await opening(door, server);
  return { door, ...batches, ...singles, "KB a connection": kb, ...opens, ...await handshakes(server) };
}

const [rounds = "3", ...doors] = Deno.args;
for (let round = 0; round < Number(rounds); round++) {
  for (const door of doors.length > 0 ? doors : [...MQTT_DOORS, ...HTTP_DOORS]) {
    console.log(JSON.stringify(await measure(door)));
  }
}
