// deno run -A tests/bench/doors.ts: what a connection and a message cost behind TLS and WebSocket, beside plain TCP. The broker is a process of its own.
import mqttPacket from "mqtt-packet";
import { WeirBroker } from "../../mod.ts";
import { Certificates } from "../tls/certificates.ts";
import { HANDSHAKE } from "../websocket/raw_websocket.ts";

const DOORS = ["tcp", "tls", "ws", "wss"] as const;
type DoorName = typeof DOORS[number];

const IDLE = 1_000;
const BATCH = 1_000;
const BATCHES = 1_000;
const ROUNDS = 3;

/** One client, by hand: what it costs itself is little. */
class Client {
  readonly #connection: Deno.Conn;
  readonly #isFramed: boolean;
  readonly #buffer = new Uint8Array(256 * 1024);
  /** Of the frame that is being read. */
  #payloadLeft = 0;
  #header: number[] = [];

  private constructor(connection: Deno.Conn, isFramed: boolean) {
    this.#connection = connection;
    this.#isFramed = isFramed;
  }

  static async open(door: DoorName, { port, ca }: { port: number; ca: string }): Promise<Client> {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
    tcp.setNoDelay(true);
    const isSecure = door === "tls" || door === "wss";
    const connection = isSecure ? await Deno.startTls(tcp, { hostname: "localhost", caCerts: [ca] }) : tcp;
    const client = new Client(connection, door.startsWith("ws"));
    if (client.#isFramed) await client.#upgrade();
    const clientId = crypto.randomUUID();
    await client.send(mqttPacket.generate({ cmd: "connect", protocolVersion: 4, clientId, clean: true, keepalive: 0 }));
    await client.receive(4);
    return client;
  }

  async #upgrade(): Promise<void> {
    const lines = Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}`);
    await this.#write(new TextEncoder().encode(["GET /mqtt HTTP/1.1", ...lines, "", ""].join("\r\n")));
    for (let head = ""; !head.endsWith("\r\n\r\n");) {
      head += new TextDecoder().decode(this.#buffer.subarray(0, await this.#connection.read(this.#buffer) ?? 0));
    }
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#write(this.#isFramed ? framed(bytes) : bytes);
  }

  /** Waits for so many bytes of MQTT. */
  async receive(bytes: number): Promise<void> {
    while (bytes > 0) {
      const count = await this.#connection.read(this.#buffer);
      if (count === null) throw new Error("the broker has ended the connection");
      bytes -= this.#isFramed ? this.#payloadOf(this.#buffer.subarray(0, count)) : count;
    }
  }

  close(): void {
    this.#connection.close();
  }

  /** How many bytes of a chunk are not of frame headers. */
  #payloadOf(chunk: Uint8Array): number {
    let payload = 0;
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(this.#payloadLeft, chunk.length - at);
      [payload, at, this.#payloadLeft] = [payload + taken, at + taken, this.#payloadLeft - taken];
      if (at < chunk.length) this.#onHeaderByte(chunk[at++]);
    }
    return payload;
  }

  #onHeaderByte(byte: number): void {
    const header = this.#header;
    header.push(byte);
    const lengthBytes = header[1] === 126 ? 2 : header[1] === 127 ? 8 : 0;
    if (header.length < 2 + lengthBytes) return;
    const length = header.slice(2).reduce((sum, next) => sum * 256 + next, 0);
    this.#payloadLeft = lengthBytes === 0 ? header[1] : length;
    this.#header = [];
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }
}

/** One binary frame; its mask is zero, which the broker applies as any other. */
function framed(bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(14 + bytes.length);
  frame.set([0x82, 0x80 | 127]);
  new DataView(frame.buffer).setBigUint64(2, BigInt(bytes.length));
  frame.set(bytes, 14);
  return frame;
}

/** The broker, until its input ends. */
async function serve(door: DoorName): Promise<void> {
  const broker = await WeirBroker.start({ sysIntervalMs: 0 });
  using certificates = new Certificates();
  const tls = { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
  const webSocket = door.startsWith("ws") ? {} : undefined;
  const isSecure = door === "tls" || door === "wss";
  const { port } = isSecure
    ? await broker.listenTls({ port: 0, tls, webSocket })
    : broker.listen({ port: 0, webSocket });
  console.log(JSON.stringify({ port, ca: certificates.read("ca.crt") }));
  await Deno.stdin.read(new Uint8Array(1));
  await broker.stop();
}

function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]);
}

/** Processor time so far, in seconds; the system counts hundredths. */
function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(door: DoorName) {
  const args = ["run", "-A", "--quiet", import.meta.filename!, door];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const said = await child.stdout.getReader().read();
  const address = JSON.parse(new TextDecoder().decode(said.value));
  const flow = await measureFlow(door, { address, pid: child.pid });
  const before = residentKb(child.pid);
  const idle: Client[] = [];
  for (let i = 0; i < IDLE; i++) idle.push(await Client.open(door, address));
  const kb = (residentKb(child.pid) - before) / IDLE;
  for (const client of idle) client.close();
  await child.stdin.close();
  await child.status;
  return { door, ...flow, "KB a connection": Number(kb.toFixed(1)) };
}

/** One publisher, one subscriber, QoS 0, 64 bytes; a batch is sent when the last has arrived. */
async function measureFlow(door: DoorName, { address, pid }: { address: { port: number; ca: string }; pid: number }) {
  const [subscriber, publisher] = [await Client.open(door, address), await Client.open(door, address)];
  await subscriber.send(
    mqttPacket.generate({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a/b", qos: 0 }] }),
  );
  await subscriber.receive(5);
  const payload = "x".repeat(64);
  const packet = mqttPacket.generate({ cmd: "publish", topic: "a/b", payload, qos: 0, dup: false, retain: false });
  const batch = new Uint8Array(BATCH * packet.length);
  for (let i = 0; i < BATCH; i++) batch.set(packet, i * packet.length);
  const run = async (batches: number) => {
    for (let i = 0; i < batches; i++) await Promise.all([publisher.send(batch), subscriber.receive(batch.length)]);
  };
  await run(BATCHES); // warm
  const [cpu, startedAt] = [cpuSeconds(pid), performance.now()];
  await run(BATCHES);
  const seconds = (performance.now() - startedAt) / 1000;
  publisher.close();
  subscriber.close();
  const perMillion = 1e6 / (BATCH * BATCHES);
  return {
    "messages/s": Math.round(BATCH * BATCHES / seconds),
    "cpu s/M": Number(((cpuSeconds(pid) - cpu) * perMillion).toFixed(2)),
  };
}

const [asked] = Deno.args;
if (asked !== undefined) await serve(asked as DoorName);
else {
  for (let round = 0; round < ROUNDS; round++) {
    for (const door of DOORS) console.log(JSON.stringify(await measure(door)));
  }
}
