/** MQTT.js over WebSocket, from a program and from a page in a real browser. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { connectAsync } from "mqtt";
import { TestBroker } from "../support/broker.ts";
import { findCommand, requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";

for (const protocolVersion of [4, 5] as const) {
  Deno.test(`MQTT.js over WebSocket, version ${protocolVersion}: what is large and what is small comes back whole`, async () => {
    await using broker = await TestBroker.start({ listen: { webSocket: {} } });
    const client = await connectAsync(`ws://127.0.0.1:${broker.port}/mqtt`, { protocolVersion });
    const received: Uint8Array[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    client.on("message", (_topic, payload) => {
      received.push(payload);
      if (received.length === 4) resolve();
    });
    await client.subscribeAsync("a/#", { qos: 2 });
    const payloads = [1, 200, 70_000, 900_000].map((size) => new Uint8Array(size).fill(size % 251));
    for (const [index, payload] of payloads.entries()) {
      await client.publishAsync("a/b", payload as never, { qos: (index % 3) as 0 | 1 | 2 });
    }
    await promise;
    assert.deepEqual(received.map((each) => [each.length, each[0]]), payloads.map((each) => [each.length, each[0]]));
    await client.endAsync();
  });
}

const PAGE = `<!doctype html><title>MQTT</title><script src="/mqtt.js"></script><pre id="log"></pre><script>
  async function run(url, protocolVersion) {
    const client = await mqtt.connectAsync(url, { protocolVersion });
    const got = new Promise((resolve) => client.on("message", (topic, payload) => resolve(topic + " " + payload)));
    await client.subscribeAsync("page/#", { qos: 1 });
    await client.publishAsync("page/hello", "from the browser", { qos: 1 });
    const text = await got;
    document.getElementById("log").textContent += text + "\\n";
    await client.endAsync();
    return text;
  }
  function knock(url) {
    return new Promise((resolve) => {
      const socket = new WebSocket(url, "mqtt");
      socket.onopen = () => resolve("open");
      socket.onclose = ({ code }) => resolve(code);
    });
  }
</script>`;

/** A name that leads here by another's will. */
const ELSEWHERE = "elsewhere.example";
const REBOUND = `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`;

/** A server of the page, and a browser that opens it: under a host, with what it is to run there. */
async function inBrowser(flags: readonly string[], steps: readonly (readonly [string, string])[]): Promise<unknown> {
  const script = Deno.readTextFileSync(new URL("dist/mqtt.min.js", import.meta.resolve("mqtt/package.json")));
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const isScript = new URL(request.url).pathname === "/mqtt.js";
    const type = isScript ? "text/javascript" : "text/html";
    return new Response(isScript ? script : PAGE, { headers: { "content-type": type, connection: "close" } });
  });
  const pages = steps.flatMap(([host, expression]) => [`http://${host}:${server.addr.port}/`, expression]);
  const program = new URL("browser.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", program, findCommand("chromium")!, REBOUND, ...flags, ...pages],
    stderr: "inherit",
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

const HELLO = "page/hello from the browser";

Deno.test(requires(["chromium"], {
  name: "MQTT.js in a page of a real browser, both versions; a page of elsewhere is kept out",
  async fn() {
    await using broker = await TestBroker.start({ listen: { webSocket: {} } });
    const url = `ws://127.0.0.1:${broker.port}/mqtt`;
    const answers = await inBrowser([], [
      ["127.0.0.1", `run("${url}", 4)`],
      ["localhost", `run("${url}", 5)`],
      [ELSEWHERE, `knock("${url}")`],
      [ELSEWHERE, `knock("${url.replace("127.0.0.1", ELSEWHERE)}")`],
    ]);
    assert.deepEqual(answers, [HELLO, HELLO, 1006, 1006]);
  },
}));

Deno.test(requires(["chromium", "openssl"], {
  name:
    "MQTT.js in a page of a real browser over TLS, both versions; a certificate that it does not trust is not taken",
  async fn() {
    using trusted = new Certificates();
    using other = new Certificates();
    await using broker = await TestBroker.start();
    const open = async (certificates: Certificates) => {
      const tls = { certificate: certificates.read("server.crt"), privateKey: certificates.read("server.key") };
      const { port } = await broker.broker.listenTls({ port: 0, webSocket: {}, tls });
      return `wss://127.0.0.1:${port}/mqtt`;
    };
    const [url, strange] = [await open(trusted), await open(other)];
    const flag = `--ignore-certificate-errors-spki-list=${keyHash(trusted.read("server.crt"))}`;
    const answers = await inBrowser([flag], [
      ["127.0.0.1", `run("${url}", 4)`],
      ["127.0.0.1", `run("${url}", 5)`],
      [ELSEWHERE, `knock("${url}")`],
      ["127.0.0.1", `knock("${strange}")`],
    ]);
    assert.deepEqual(answers, [HELLO, HELLO, 1006, 1006]);
  },
}));

/** By which a browser is told to trust a certificate: SHA-256 of its public key. */
function keyHash(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}
