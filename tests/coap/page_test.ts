/** docs/doors/coap.md and config/coap.yaml do what they say: their commands run, on other ports. */
import assert from "node:assert/strict";
import { Program } from "../store/process.ts";
import { findCommand, requires } from "../support/skip.ts";
import { COAP_CLIENT } from "./libcoap.ts";

const PAGE = Deno.readTextFileSync(new URL("../../docs/doors/coap.md", import.meta.url));
const CONFIG = Deno.readTextFileSync(new URL("../../config/coap.yaml", import.meta.url));

/** The lines of the page's shell blocks that begin with `command`. */
function commands(command: string): string[] {
  const blocks = [...PAGE.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  return blocks.join("").split("\n").filter((line) => line.startsWith(command));
}

/** A command of the page, words in single quotes taken together. */
function program(command: string, ports: Ports, more: readonly string[] = []): Program {
  const [name, ...args] = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word);
  const here = args.map((arg) => arg.replace("coap://127.0.0.1/", `coap://127.0.0.1:${ports.udp}/`));
  const path = name === "coap-client" ? findCommand(...COAP_CLIENT.split("|"))! : findCommand(name)!;
  return new Program(path, [...here, ...name === "coap-client" ? [] : ["-p", `${ports.tcp}`], ...more]);
}

interface Ports {
  readonly tcp: number;
  readonly udp: number;
}

function freePorts(): Ports {
  using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const ports = { tcp: tcp.addr.port, udp: (udp.addr as Deno.NetAddr).port };
  udp.close();
  return ports;
}

Deno.test(requires([COAP_CLIENT, "mosquitto_pub", "mosquitto_sub"], {
  name: "the page on CoAP: its commands work, and what goes in by one door comes out of the other",
  async fn() {
    const ports = freePorts();
    const folder = await Deno.makeTempDir({ prefix: "weir-coap-" });
    try {
      const config = `${folder}/coap.yaml`;
      await Deno.writeTextFile(config, CONFIG.replace("1883", `${ports.tcp}`).replace("5683", `${ports.udp}`));
      assert.deepEqual(commands("deno task start"), ["deno task start --config config/coap.yaml"]);
      const main = new URL("../../main.ts", import.meta.url).pathname;
      const args = ["run", "-P", `--allow-read=${folder}`, "--quiet", "--no-prompt", main, "--config", config];
      await using broker = new Program(Deno.execPath(), args, { WEIR_STORAGE_TYPE: "memory" });
      await broker.line(/Ctrl-C stops it/);
      assert.ok(broker.said.includes(`  coap  127.0.0.1:${ports.udp}  CoAP over UDP`), broker.said.join("\n"));
      await play(ports);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
}));

async function play(ports: Ports): Promise<void> {
  const run = async (command: string): Promise<{ output: string; errors: string }> => {
    await using each = program(command, ports);
    const { errors } = await each.end();
    return { output: each.said.join("\n"), errors };
  };
  const [observe, put, post, get, remove, core, health] = commands("coap-client");
  const [subscribe] = commands("mosquitto_sub");
  const [publish] = commands("mosquitto_pub");
  await using first = program("mosquitto_pub -t greenhouse/first -m ready -r", ports); // shows who is there to receive
  assert.deepEqual(await first.end(), { code: 0, errors: "" });
  await using subscriber = program(subscribe, ports);
  await using observer = program(observe, ports, ["-w"]); // a line for each message
  await subscriber.line(/^greenhouse\/first ready$/);
  await observer.line(/^ready$/);

  assert.deepEqual(await run(put), { output: "", errors: "" });
  assert.deepEqual(await run(post), { output: "", errors: "" });
  assert.deepEqual(await run(publish), { output: "", errors: "" });
  for (const [topic, payload] of [["temperature", "21.5"], ["window", "open"], ["door", "closed"]]) {
    await subscriber.line(new RegExp(`^greenhouse/${topic} ${payload}$`));
    await observer.line(new RegExp(`^${payload}$`));
  }
  assert.equal((await run(get)).output, "21.5");
  assert.deepEqual(await run(remove), { output: "", errors: "" });
  assert.match((await run(get)).errors, /^4\.04/);
  assert.match((await run(core)).output, /<\/ps>;rt="core\.ps"/);
  assert.equal((await run(health)).output, '{"status":"healthy"}');
}
