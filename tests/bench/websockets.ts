// deno run -A tests/bench/websockets.ts [ROUNDS]: WebSocket frames of our own beside the package ws, each sending back what it gets.
import { ByteClient, framed, repeated } from "./byte_client.ts";
import { ServerProcess } from "./server_process.ts";

const SERVERS = ["own", "ws"];

const MESSAGE = new Uint8Array(64).fill(1);
const BATCH = 1_000;
const BATCHES = 300;
const CLIENTS = 50;
const ONE_BY_ONE = 1_000;
const IDLE = 5_000;
const WARM = 100;
/** Of a message of twice as many. */
const LARGE_BYTES = 64 * 1024 ** 2;

type Server = ServerProcess<{ port: number }>;

function open({ said: { port } }: Server): Promise<ByteClient> {
  return ByteClient.open({ port, isFramed: true });
}

/** A thousand frames in one write, the next when they are back. */
async function inBatches(server: Server) {
  const client = await open(server);
  const batch = repeated(framed(MESSAGE), BATCH);
  const run = async () => {
    for (let i = 0; i < BATCHES; i++) await Promise.all([client.write(batch), client.receive(BATCH * MESSAGE.length)]);
  };
  await run(); // warm
  const { perSecond, cpuPerMillion } = await server.measure(BATCH * BATCHES, run);
  client.close();
  return { "messages/s, in batches": perSecond, "cpu s/M, in batches": cpuPerMillion };
}

/** A frame in a write, on each of fifty connections. */
async function oneByOne(server: Server) {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => open(server)));
  const run = async () => {
    await Promise.all(clients.map(async (client) => {
      for (let i = 0; i < ONE_BY_ONE; i++) {
        await client.send(MESSAGE);
        await client.receive(MESSAGE.length);
      }
    }));
  };
  await run(); // warm
  const { perSecond, cpuPerMillion } = await server.measure(CLIENTS * ONE_BY_ONE, run);
  for (const client of clients) client.close();
  return { "messages/s, one by one": perSecond, "cpu s/M, one by one": cpuPerMillion };
}

/** What the server keeps of a message whose end does not come, in KB. */
async function unfinished(server: Server): Promise<number> {
  const client = await open(server);
  const header = new Uint8Array(14);
  header.set([0x82, 0x80 | 127]);
  new DataView(header.buffer).setBigUint64(2, BigInt(2 * LARGE_BYTES));
  const piece = new Uint8Array(64 * 1024);
  const back = client.receive(LARGE_BYTES).catch(() => {}); // ours sends back what has come
  const kb = await server.growth(1, async () => {
    await client.write(header);
    for (let sent = 0; sent < LARGE_BYTES; sent += piece.length) await client.write(piece);
  });
  client.close();
  await back;
  return kb;
}

/** What an open connection costs, in a server that has only just begun to serve. */
async function memory(name: string): Promise<number> {
  await using server: Server = await ServerProcess.start("echo_server.ts", [name]);
  for (let i = 0; i < WARM; i++) (await open(server)).close();
  const idle: ByteClient[] = [];
  const kb = await server.growth(IDLE, async () => {
    while (idle.length < IDLE) idle.push(await open(server));
  });
  for (const client of idle) client.close();
  return kb;
}

async function measure(name: string): Promise<Record<string, string | number>> {
  await using server: Server = await ServerProcess.start("echo_server.ts", [name]);
  const batches = await inBatches(server);
  const singles = await oneByOne(server);
  const kb = await memory(name);
  const large = await unfinished(server);
  return { server: name, ...batches, ...singles, "KB a connection": kb, "KB of half a message of 128 MiB": large };
}

for (let round = 0; round < Number(Deno.args[0] ?? 3); round++) {
  for (const name of SERVERS) console.log(JSON.stringify(await measure(name)));
}
