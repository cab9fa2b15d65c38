/** docs/doors/coap.md and config/coap.yaml do what they say: their commands run, on other ports. */
import assert from "node:assert/strict";
import { WeirBroker } from "../../mod.ts";
import { Program } from "../support/program.ts";
import { findCommand, requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
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

Deno.test(requires(["socat", "openssl", "coap-client-openssl"], {
  name: "the page on CoAP: DTLS ends in front of the broker, for clients with a certificate",
  async fn() {
    using certificates = new Certificates();
    await using broker = await WeirBroker.start({ sysIntervalMs: 0 });
    const door = broker.listenCoap({ port: 0 });
    const { udp: dtls } = freePorts();
    const here = (command: string) => {
      return command.replaceAll("config/certs", certificates.path).replace("SERVER:5684", `SERVER:${dtls}`)
        .replace("127.0.0.1:5683", `127.0.0.1:${door.port}`).replace(
          "coaps://127.0.0.1/",
          `coaps://127.0.0.1:${dtls}/`,
        );
    };
    const start = (command: string) => {
      const [name, ...args] = here(command).split(" ");
      return new Program(findCommand(name)!, args);
    };
    await using front = start(commands("socat")[0]);
    assert.equal(await isListening(dtls), true);
    const [put, get, nobody] = commands("coap-client-openssl");
    const reader = broker.subscribe("greenhouse/#").getReader();
    await using putting = start(put);
    assert.deepEqual(await putting.end(), { code: 0, errors: "" });
    assert.equal(new TextDecoder().decode((await reader.read()).value?.payload), "secret");
    await using getting = start(get);
    await getting.end();
    assert.deepEqual(getting.said, ["secret"]);
    await using refused = start(nobody);
    await refused.end();
    assert.match(refused.said.join("\n"), /handshake failure/);
    assert.ok(!refused.said.includes("secret"));
    await reader.cancel();
    await front.kill();
  },
}));

/** Whether somebody has taken a UDP port, in a while. */
async function isListening(port: number): Promise<boolean> {
  for (let count = 0; count < 100; count++) {
    try {
      Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) return true;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50)); // nothing tells when another program has opened its port
  }
  return false;
}

async function play(ports: Ports): Promise<void> {
  const run = async (command: string): Promise<{ output: string; errors: string }> => {
    await using each = program(command, ports);
    const { errors } = await each.end();
    return { output: each.said.join("\n"), errors };
  };
  const [observe, put, post, get, remove, core, health] = commands("coap-client ");
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
