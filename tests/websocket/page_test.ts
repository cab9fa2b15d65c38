/** docs/doors/websocket.md does what it says: its commands run, on other ports. */
import assert from "node:assert/strict";
import mqtt from "mqtt";
import { load } from "../config/support.ts";
import { Program } from "../support/program.ts";
import { TestBroker } from "../support/broker.ts";
import { requires } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/doors/websocket.md`);

/** The lines of the page's shell blocks. */
function commands(): string[] {
  const blocks = [...PAGE.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  return blocks.join("").split("\n").filter((line) => line !== "");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** What a command writes. */
async function output(command: string): Promise<readonly string[]> {
  await using program = new Program("sh", ["-c", `exec ${command}`]);
  assert.deepEqual(await program.end(), { code: 0, errors: "" }, command);
  return program.said;
}

Deno.test("the page on WebSocket: what it says to write in a page sends and gets a message", async () => {
  await using broker = await TestBroker.start({ listen: { webSocket: {} } });
  const [, snippet] = /```js\n([\s\S]*?)```/.exec(PAGE)!;
  const code = snippet.replaceAll("8083", `${broker.port}`).replaceAll("console.log", "log");
  const { promise: logged, resolve } = Promise.withResolvers<string[]>();
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const run = new AsyncFunction("mqtt", "log", `${code}; return client;`);
  const client: mqtt.MqttClient = await run(mqtt, (...words: string[]) => resolve(words));
  assert.deepEqual(await logged, ["hello/world", "from the browser"]);
  await client.endAsync();
});

Deno.test("the page on WebSocket: each of its configurations is taken as it stands", () => {
  const blocks = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  const doors = blocks.map((text) => load(text).listeners.at(-1)!);
  assert.deepEqual(doors.map(({ name }) => name), ["browsers"]);
  assert.deepEqual(doors[0].webSocket, {
    path: "/mqtt",
    allowedOrigins: ["https://app.example.com", "*.example.org:8443"],
  });
});

Deno.test(requires(["curl"], {
  name: "the page on WebSocket: its commands do what it says",
  async fn() {
    const [start, wrongPath, noUpgrade, ...rest] = commands();
    assert.deepEqual(rest, []);
    assert.equal(start, "WEIR_SERVER_WS_ENABLED=true deno task start");
    const [mqtt, webSocket] = [freePort(), freePort()];
    const args = ["run", "-P", "--quiet", "--no-prompt", `${ROOT}main.ts`];
    await using broker = new Program(Deno.execPath(), args, {
      WEIR_STORAGE_TYPE: "memory",
      WEIR_SERVER_TCP_ADDR: `127.0.0.1:${mqtt}`,
      WEIR_SERVER_WS_ENABLED: "true",
      WEIR_SERVER_WS_ADDR: `127.0.0.1:${webSocket}`,
    });
    await broker.line(/Ctrl-C stops it/);
    const [found, upgrade] = [wrongPath, noUpgrade].map((command) => command.replaceAll("8083", `${webSocket}`));
    assert.match((await output(found))[0], /^HTTP\/1\.1 404 /);
    const said = await output(upgrade);
    assert.match(said[0], /^HTTP\/1\.1 426 /);
    assert.notEqual(said.at(-1)?.trim(), "", "it says what is wrong");
  },
}));
