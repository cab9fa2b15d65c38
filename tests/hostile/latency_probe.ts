/** Measures round trips through a broker, in a process of its own so that nothing but the broker delays it: for each line on standard
 * input it prints the 99th percentile of 400 of them, in milliseconds. Argument: the port. */
import { connect, packet, publish, readPublish, subscribe, uint16 } from "./bytes.ts";
import { RawPeer } from "./raw_peer.ts";

const ROUND_TRIPS = 400;

const port = Number(Deno.args[0]);
const from = await RawPeer.connect(port, connect({ clientId: "probe-from" }));
const to = await RawPeer.connect(port, connect({ clientId: "probe-to" }));
await to.send(subscribe("probe", { qos: 1 }));
await to.packet();
console.log("ready");

for await (const _ of Deno.stdin.readable) console.log(await p99()); // who asks waits for the answer
Deno.exit(0);

async function p99(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1)); // a device that has something to say now and then
    const startedAt = performance.now();
    await Promise.all([roundTrip(i), from.packet()]);
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)];
}

async function roundTrip(i: number): Promise<void> {
  await from.send(publish("probe", { qos: 1, packetId: i + 1, payload: uint16(i) }));
  const { packetId } = readPublish((await to.packet())!);
  await to.send(packet(0x40, uint16(packetId)));
}
