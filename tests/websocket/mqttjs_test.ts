/** MQTT.js over WebSocket, from a program and from a page in a real browser. */
import assert from "node:assert/strict";
import { connectAsync } from "mqtt";
import { TestBroker } from "../support/broker.ts";
import { findCommand, requires } from "../support/skip.ts";

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
  async function run(port, protocolVersion) {
    const client = await mqtt.connectAsync("ws://127.0.0.1:" + port + "/mqtt", { protocolVersion });
    const got = new Promise((resolve) => client.on("message", (topic, payload) => resolve(topic + " " + payload)));
    await client.subscribeAsync("page/#", { qos: 1 });
    await client.publishAsync("page/hello", "from the browser", { qos: 1 });
    const text = await got;
    document.getElementById("log").textContent += text + "\\n";
    await client.endAsync();
    return text;
  }
</script>`;

const KNOCK = `new Promise((resolve) => {
  const socket = new WebSocket("ws://127.0.0.1:PORT/mqtt", "mqtt");
  socket.onopen = () => resolve("open");
  socket.onclose = ({ code }) => resolve(code);
})`;

Deno.test(requires(["chromium"], {
  name: "MQTT.js in a page of a real browser, both versions; a page of elsewhere is kept out",
  async fn() {
    await using broker = await TestBroker.start({ listen: { webSocket: {} } });
    const script = Deno.readTextFileSync(new URL("dist/mqtt.min.js", import.meta.resolve("mqtt/package.json")));
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const isScript = new URL(request.url).pathname === "/mqtt.js";
      const type = isScript ? "text/javascript" : "text/html";
      return new Response(isScript ? script : PAGE, { headers: { "content-type": type, connection: "close" } });
    });
    const page = (host: string) => `http://${host}:${server.addr.port}/`;
    const steps = [4, 5].flatMap((version) => [page("127.0.0.1"), `run(${broker.port}, ${version})`]);
    const knock = KNOCK.replace("PORT", `${broker.port}`);
    const program = new URL("browser.ts", import.meta.url).pathname;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", program, findCommand("chromium")!, ...steps, page("localhost"), knock],
      stderr: "inherit",
    }).output();
    const hello = "page/hello from the browser";
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), [hello, hello, 1006]);
  },
}));
