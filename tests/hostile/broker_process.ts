/** A broker in a process of its own. Prints a line with its port, then one with its figures for each line that it reads; ends with
 * its input. Options come as JSON in the first argument. */
import { readdirSync, readlinkSync } from "node:fs";
import { cpuUsage } from "node:process";
import { WeirBroker } from "../../src/server/weir_broker.ts";

let errors = 0;
globalThis.addEventListener("unhandledrejection", (event) => {
  errors++;
  event.preventDefault();
});

const broker = await WeirBroker.start({ sysIntervalMs: 100, ...JSON.parse(Deno.args[0] ?? "{}") });
console.log(broker.listen({ port: 0 }).port);
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const _ of lines) {
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, external } = Deno.memoryUsage();
  const { user, system } = cpuUsage();
  console.log(
    JSON.stringify({ rss, heap: heapUsed + external, cpuMs: (user + system) / 1000, sockets: sockets(), errors }),
  );
}
await broker.stop();

function sockets(): number {
  let count = 0;
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`).startsWith("socket:")) count++;
    } catch {
      // the descriptor that lists the folder
    }
  }
  return count;
}
