/** Loads of uncommon shapes: `deno task bench:shapes [PATTERN] [--main PATH]`. Each runs on a broker of its own; what is told is how long
 * it took, what it cost, how long a PINGREQ beside it had to wait, and what became of the memory. `--main` measures another tree. */

import { parseArgs } from "node:util";
import { type Part, publish, subscribe as subscribeTo } from "../hostile/bytes.ts";
import { connect, join, packet, properties, uint16 } from "../hostile/bytes.ts";
import { RawPeer } from "../hostile/raw_peer.ts";
import { freePort, HEAP, launch, listening, MAIN, type RunningBroker } from "./contender.ts";
import { describeMachine } from "./machine.ts";

const PINGREQ = Uint8Array.of(0xc0, 0);
const TICKS_PER_SECOND = 100;

/** A session expiry of ten minutes. */
const DURABLE: readonly Part[] = [0x11, uint16(0), uint16(600)];

/** Ports of a broker. */
interface Doors {
  readonly mqtt: number;
  readonly http: number;
}

/** What a shape has to work with: it makes ready, and answers what is measured. */
type Shape = (port: number, doors: Doors) => Promise<() => Promise<string>>;

const SHAPES: Readonly<Record<string, Shape>> = {
  /** 200,000 retained messages to one subscriber of everything. */
  async retained(port) {
    await retain(port, 200_000);
    const client = await open(port);
    return async () => {
      await client.send(subscribeTo("#"));
      return `${await received(client, 200_000)} received`;
    };
  },

  /** The same to sixty that read nothing of it. */
  async retained_unread(port) {
    await retain(port, 200_000);
    const clients = await times(60, () => open(port));
    return async () => {
      for (const client of clients) await client.send(subscribeTo("#"));
      await seconds(3);
      return "60 subscribers";
    };
  },

  /** A flood of PINGREQ by a client that reads no answer. */
  async unread_answers(port) {
    const client = await open(port);
    const block = join(...Array.from({ length: 16_384 }, () => PINGREQ));
    return async () => {
      let sent = 0;
      const flood = async () => {
        for (; sent < 1e8; sent += block.length) await client.send(block);
      };
      await Promise.race([flood(), seconds(5)]);
      return `${(sent / 1e6).toFixed(0)} MB taken`;
    };
  },

  /** 60,000 topics to 300 subscribers of everything that do not read. */
  async topics(port) {
    await subscribers(port, 300, "#");
    const publisher = await open(port);
    return async () => {
      await blocks(60_000, (i) => publish(`topic/${i}`, { payload: Uint8Array.of(1) }), publisher);
      return "60,000 messages";
    };
  },

  /** 400 messages in one write to 5,000 subscribers. */
  async fanout(port) {
    const readers = await subscribers(port, 5_000, "t");
    const publisher = await open(port);
    const message = publish("t", { payload: new Uint8Array(64) });
    return async () => {
      const reading = Promise.all(readers.map((reader) => received(reader, 400)));
      await publisher.send(join(...Array.from({ length: 400 }, () => message)));
      return `${(await reading).reduce((sum, count) => sum + count, 0)} received`;
    };
  },

  /** One message of 16 MB to a hundred subscribers. */
  async large(port) {
    const readers = await times(100, () => opened(port));
    const publisher = await open(port);
    const message = publish("t", { payload: new Uint8Array(16_000_000) });
    return async () => {
      const reading = Promise.all(readers.map((reader) => readBytes(reader, message.length)));
      await publisher.send(message);
      return `${(await reading).length} received`;
    };
  },

  /** 15,000 connections that are cut at once, and their sessions a second later. */
  async ends(port) {
    const expiry = [0x11, uint16(0), uint16(1)];
    const clients = await times(15_000, () => open(port, expiry));
    return async () => {
      for (const client of clients) client.close();
      await seconds(5);
      return "15,000 sessions";
    };
  },

  /** 60,000 messages in flight, resumed with a Receive Maximum of 10. */
  async resumed(port) {
    const session = { clientId: "resumed", properties: DURABLE };
    const before = await RawPeer.connect(port, connect({ ...session, flags: 0 }));
    await before.send(subscribeTo("t", { qos: 1 }));
    const publisher = await open(port);
    await blocks(60_000, (i) => publish("t", { qos: 1, packetId: 1 + i % 60_000 }), publisher);
    await received(before, 60_000, { acknowledged: false });
    before.close();
    return async () => {
      const window = [...session.properties, 0x21, uint16(10)];
      const after = await RawPeer.connect(port, connect({ ...session, properties: window, flags: 0 }));
      return `${await received(after, 60_000)} received`;
    };
  },

  /** 200,000 new retained messages, as fast as one client can. */
  retaining(port) {
    return Promise.resolve(async () => {
      await retain(port, 200_000);
      return "200,000 retained";
    });
  },

  /** 200,000 messages, as fast as one client can, to sixty subscribers of everything that do not read. */
  async unread(port) {
    await subscribers(port, 60, "#");
    const publisher = await open(port);
    const message = publish("a/topic", { payload: new Uint8Array(64) });
    return async () => {
      await blocks(200_000, () => message, publisher);
      return "200,000 messages";
    };
  },

  /** Three clients that fill memory storage of 64 MiB for a minute with small messages, whatever they are told: for queues, to be retained,
   * and for a hundred sessions that are away. */
  async filling(port) {
    for (let i = 0; i < 100; i++) {
      const away = await open(port, DURABLE, `away-${i}`);
      await away.send(subscribeTo(`away/${i}/#`, { qos: 1 }));
      await away.packet();
      away.close();
    }
    const payload = new Uint8Array(64);
    const message = (topic: string, n: number, retain = false) =>
      publish(topic, { qos: 1, packetId: 1 + n % 60_000, payload, retain });
    const ways = [
      (n: number) => message(`$queue/q${n % 10}`, n),
      (n: number) => message(`kept/${n}`, n, true),
      (n: number) => message(`away/${n % 100}/x`, n),
    ];
    const publishers = await times(ways.length, () => open(port));
    return async () => {
      const end = performance.now() + 60_000;
      let sent = 0;
      await Promise.all(ways.map(async (make, i) => {
        while (performance.now() < end) await blocks(1_000, () => make(sent++), publishers[i]);
      }));
      return `${(sent / 1e6).toFixed(1)} million messages`;
    };
  },

  /** Ten thousand filters in one packet, twice, out of it and with the session. */
  async filters(port) {
    const client = await open(port);
    const filters = Array.from({ length: 10_000 }, (_, i) => `site/${i % 100}/+/${i}`);
    const asking = subscription(filters);
    return async () => {
      for (const asked of [asking, asking, packet(0xa2, uint16(1), properties(), ...filters), asking]) {
        await client.send(asked);
        await client.packet();
        await seconds(0.2);
      }
      client.close();
      await seconds(0.2);
      return "subscribed, again, unsubscribed, subscribed, gone";
    };
  },

  /** Thirty sessions of ten thousand filters that end at once. */
  async laden_ends(port) {
    const clients = await times(30, () => open(port));
    for (const client of clients) {
      await client.send(subscription(Array.from({ length: 10_000 }, (_, i) => `site/${i}/+`)));
      await client.packet();
    }
    return async () => {
      for (const client of clients) client.close();
      await seconds(1);
      return "300,000 filters";
    };
  },

  /** 8,192 filters of 123 levels, which differ in the first thirteen: one client subscribes to them, publishes what they all match, and goes. */
  async deep(port) {
    const client = await open(port);
    const levels = (i: number) => Array.from({ length: 123 }, (_, depth) => i >> depth & 1 ? "+" : "a").join("/");
    const filters = Array.from({ length: 8_192 }, (_, i) => levels(i));
    return async () => {
      await client.send(subscription(filters));
      await client.packet();
      await client.send(publish(levels(0)));
      await received(client, 1);
      client.close();
      await seconds(0.5);
      return "subscribed, published, gone";
    };
  },

  /** 900 KB each of three hundred messages of 1 MB, of which no more comes. */
  async half_sent(port) {
    const clients = await times(300, () => open(port));
    const part = publish("t", { payload: new Uint8Array(1_000_000) }).subarray(0, 900_000);
    return async () => {
      await Promise.all(clients.map((client) => client.send(part)));
      await seconds(1);
      for (const client of clients) client.close();
      await seconds(0.5);
      return "270 MB";
    };
  },

  /** The first hundred of a million retained messages, and those of a filter that few match, over HTTP. */
  async listing(port, { http }) {
    await retain(port, 1_000_000);
    return async () => {
      let listed = 0;
      for (const filter of ["#", "retained/#", "+/+/7"]) {
        const answer = await fetch(`http://127.0.0.1:${http}/retained?filter=${encodeURIComponent(filter)}&limit=100`);
        listed += (await answer.json()).messages.length;
      }
      return `${listed} listed`;
    };
  },

  /** 2,000 messages, a thousand a second, to a thousand event streams, of which one is not read. */
  async streams(port, { http }) {
    const streams = await times(1_000, () => openStream(http));
    const publisher = await open(port);
    const message = publish("t", { payload: new Uint8Array(200) });
    return async () => {
      const reading = streams.slice(1).map((stream) => readBytes(stream, 2_000 * 200));
      for (let i = 0; i < 100; i++) {
        await publisher.send(join(...Array.from({ length: 20 }, () => message)));
        await seconds(0.02);
      }
      await Promise.race([Promise.all(reading), seconds(10)]);
      return "2,000 messages";
    };
  },
};

async function main(): Promise<void> {
  const { values, positionals: [pattern = "."] } = parseArgs({
    options: { main: { type: "string", default: MAIN } },
    allowPositionals: true,
  });
  console.log(describeMachine());
  for (const [name, shape] of Object.entries(SHAPES)) {
    if (!new RegExp(pattern).test(name)) continue;
    const http = freePort();
    await using broker = await start(values.main, http, name === "filling" ? "64MiB" : "auto");
    await listening(http, "weir");
    console.log(`${name}: ${await measured(broker, shape, http)}`);
  }
  Deno.exit(0); // clients that nobody reads any more
}

function start(main: string, http: number, memoryLimit: string): Promise<RunningBroker> {
  return launch("weir", async (folder, port) => {
    const config = `server:
  tcp_addr: "127.0.0.1:${port}"
  tcp_max_connections: 30000
  http_enabled: true
  http_addr: "127.0.0.1:${http}"
log: { level: error }
broker: { max_message_size: 256MiB }
session: { max_inflight_messages: 65535 }
storage: { type: memory, memory_limit: ${memoryLimit} }
`;
    await Deno.writeTextFile(`${folder}/weir.yaml`, config);
    return [Deno.execPath(), "run", "-A", HEAP, main, "--config", `${folder}/weir.yaml`];
  });
}

async function measured({ port, pid }: RunningBroker, shape: Shape, http: number): Promise<string> {
  const run = await shape(port, { mqtt: port, http });
  await seconds(0.5);
  const pinger = new Worker(new URL("./pinger.ts", import.meta.url), { type: "module" });
  const longest = () => new Promise<number>((resolve) => pinger.onmessage = ({ data }) => resolve(data));
  pinger.postMessage(port);
  await longest();
  await Deno.writeTextFile(`/proc/${pid}/clear_refs`, "5"); // the peak counts from here
  const before = { cpu: cpuSeconds(pid), resident: mebibytes(pid, "VmRSS"), at: performance.now() };
  const outcome = await run();
  const ms = performance.now() - before.at;
  pinger.postMessage("tell");
  const wait = await longest();
  pinger.terminate();
  return `${outcome}, ${ms.toFixed(0)} ms, cpu ${(cpuSeconds(pid) - before.cpu).toFixed(2)} s, longest ping ${
    wait.toFixed(0)
  } ms, ` + `${before.resident} MiB before, ${mebibytes(pid, "VmHWM")} at most`;
}

function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function mebibytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const [, kilobytes] = new RegExp(`${field}:\\s+(\\d+)`).exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Math.round(Number(kilobytes) / 1024);
}

function open(port: number, properties: readonly Part[] = [], clientId?: string): Promise<RawPeer> {
  return RawPeer.connect(port, connect({ properties, clientId }));
}

/** Filters in one packet. */
function subscription(filters: readonly string[]): Uint8Array {
  return packet(0x82, uint16(1), properties(), ...filters.flatMap((filter) => [filter, 0]));
}

/** A connection that has subscribed to `t`; what comes is for the caller to read. */
async function subscribers(port: number, count: number, filter: string): Promise<RawPeer[]> {
  const clients = await times(count, () => open(port));
  for (const client of clients) await client.send(subscribeTo(filter));
  return clients;
}

async function opened(port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const peer = new RawPeer(connection);
  await peer.send(join(connect(), subscribeTo("t")));
  for (let answers = 0; answers < 2; answers++) await peer.packet();
  return connection;
}

/** A stream of what is published to `t`, of which the head of the answer has been read. */
async function openStream(port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const head = `GET /subscribe?filter=t HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  await connection.read(new Uint8Array(4096));
  return connection;
}

async function readBytes(connection: Deno.TcpConn, count: number): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  for (let read = 0; read < count;) read += await connection.read(buffer) ?? Infinity;
}

/** Some at a time. */
async function times<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count) {
    made.push(...await Promise.all(Array.from({ length: Math.min(50, count - made.length) }, make)));
  }
  return made;
}

async function retain(port: number, count: number): Promise<void> {
  const client = await open(port);
  const payload = new Uint8Array(10);
  await blocks(count, (i) => publish(`retained/${i % 1000}/${i}`, { retain: true, payload }), client);
  client.close();
}

/** Sends so many packets, a thousand in one write; each thousand is answered before the next. */
async function blocks(count: number, make: (i: number) => Uint8Array, client: RawPeer): Promise<void> {
  for (let from = 0; from < count; from += 1_000) {
    const packets = Array.from({ length: 1_000 }, (_, i) => make(from + i));
    await client.send(join(...packets));
    const isAnswered = (packets[0][0] & 0x06) !== 0;
    if (!isAnswered) await client.send(PINGREQ);
    for (let i = isAnswered ? packets.length : 1; i > 0; i--) await client.packet();
  }
}

/** Reads so many messages, and acknowledges those of QoS 1 unless told otherwise. */
async function received(client: RawPeer, count: number, { acknowledged = true } = {}): Promise<number> {
  let messages = 0;
  while (messages < count) {
    const acknowledgements: Uint8Array[] = [];
    const packets = await client.packets();
    if (packets.length === 0) throw new Error(`Cannot read on after ${messages} messages: the broker has closed`);
    for (const packet of packets) {
      if (packet[0] >> 4 !== 3) continue;
      messages++;
      const body = packet.findIndex((byte, at) => at > 0 && byte < 128) + 1;
      const idAt = body + 2 + (packet[body] << 8 | packet[body + 1]);
      if (acknowledged && (packet[0] & 0x02) !== 0) {
        acknowledgements.push(join(0x40, 2, packet.subarray(idAt, idAt + 2)));
      }
    }
    if (acknowledgements.length > 0) await client.send(join(...acknowledgements));
  }
  return messages;
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}

await main();
