/** docs/doors/proxy.md, config/proxy.yaml and config/haproxy.cfg do what they say: their commands run, on other ports. */
import assert from "node:assert/strict";
import { connectAsync } from "mqtt";
import { load } from "../config/support.ts";
import { until } from "../embedding/waiting.ts";
import { Program } from "../support/program.ts";
import { requires } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/doors/proxy.md`);

/** The page's blocks of a language. */
function blocks(language: string): string[] {
  return [...PAGE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text]) => text);
}

/** The lines of the page's shell blocks. */
function commands(): string[] {
  return blocks("sh").join("").split("\n").filter((line) => line !== "");
}

/** The broker of config/proxy.yaml, and what stands before it, on ports that are free now. */
class Scene implements AsyncDisposable {
  readonly ports = new Map(["1883", "1884", "8080", "8081"].map((port) => [port, freePort()]));
  readonly folder = Deno.makeTempDirSync({ prefix: "weir-proxy-" });
  readonly #broker: Program;

  constructor() {
    const config = this.write("proxy.yaml");
    const args = ["run", "-P", `--allow-read=${this.folder}`, "--quiet", "--no-prompt", `${ROOT}main.ts`];
    this.#broker = new Program(Deno.execPath(), [...args, "--config", config], { WEIR_STORAGE_TYPE: "memory" });
  }

  async ready(): Promise<readonly string[]> {
    await this.#broker.line(/Ctrl-C stops it/);
    return this.#broker.said;
  }

  /** A file of config/, with our ports. */
  write(name: string): string {
    Deno.writeTextFileSync(`${this.folder}/${name}`, this.here(Deno.readTextFileSync(`${ROOT}config/${name}`)));
    return `${this.folder}/${name}`;
  }

  here(text: string): string {
    return text.replaceAll(/\b(1883|1884|8080|8081)\b/g, (port) => `${this.ports.get(port)}`);
  }

  /** A command of the page; how it ended, and what it has written. */
  async run(command: string): Promise<{ code: number; text: string }> {
    await using program = new Program("sh", ["-c", this.here(command)]);
    const { code } = await program.end();
    return { code, text: program.said.join("\n") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test("the page on proxies: its configuration is taken as it stands, and shows what the files have", () => {
  const [keys] = blocks("yaml");
  const { listeners, http } = load(keys);
  const trusted = { trustedAddresses: ["10.0.0.7", "fd00::/8"] };
  assert.deepEqual([listeners.at(-1)?.proxyProtocol, http?.proxyProtocol], [trusted, trusted]);
  const [excerpt] = /^```\n([\s\S]*?)```/m.exec(PAGE.slice(PAGE.indexOf("With HAProxy")))!.slice(1);
  assert.ok(Deno.readTextFileSync(`${ROOT}config/haproxy.cfg`).includes(excerpt), excerpt);
});

Deno.test(requires(["curl", "socat"], {
  name: "the page on proxies: its commands do what it says",
  async fn() {
    const [start, elsewhere, forbidden, curl, without] = commands();
    assert.equal(start, "deno task start --config config/proxy.yaml");
    await using scene = new Scene();
    const said = await scene.ready();
    const line = (name: string, port: string, what: string) => `  ${name}  127.0.0.1:${scene.ports.get(port)}  ${what}`;
    assert.ok(said.includes(line("balanced", "1884", "behind a proxy")), said.join("\n"));
    assert.ok(said.includes(line("http    ", "8081", "HTTP  behind a proxy")), said.join("\n"));
    assert.match((await scene.run(elsewhere)).text, /^HTTP\/1\.1 200 /);
    assert.match((await scene.run(forbidden)).text, /^HTTP\/1\.1 403 /);
    assert.deepEqual(await scene.run(curl), { code: 0, text: '{"status":"healthy"}' });
    const { code, text } = await scene.run(without);
    assert.ok(code === 52 || code === 56, `${code}`); // nothing came, or the connection was reset
    assert.equal(text, "");
  },
}));

Deno.test(requires(["haproxy", "curl", "mosquitto_pub", "mosquitto_sub"], {
  name: "the page on proxies: HAProxy before the broker",
  async fn() {
    const [start, subscribe, publish, curl, ...rest] = commands().slice(5);
    assert.deepEqual(rest, []);
    assert.equal(start, "haproxy -f config/haproxy.cfg");
    await using scene = new Scene();
    await scene.ready();
    await using _haproxy = new Program("haproxy", ["-f", scene.write("haproxy.cfg")]);
    const mqtt = scene.ports.get("1883")!;
    const url = `mqtt://127.0.0.1:${mqtt}`;
    await until(async () => {
      const client = await connectAsync(url, { reconnectPeriod: 0 }, false).catch(() => undefined);
      await client?.endAsync();
      return client !== undefined;
    }, "HAProxy is there");
    const here = (command: string) => `exec ${command} -p ${mqtt}`;
    await using subscriber = new Program("sh", ["-c", here(subscribe)]);
    await using publisher = new Program("sh", ["-c", `${here(publish)} -r`]); // whichever of the two is there first
    assert.deepEqual(await publisher.end(), { code: 0, errors: "" });
    await subscriber.line(/^hello\/world hi$/);
    assert.deepEqual(await scene.run(curl), { code: 0, text: '{"status":"healthy"}' });
  },
}));
