/** docs/doors/http.md and config/http.yaml do what they say: their commands run, on other ports. */
import assert from "node:assert/strict";
import { Program } from "../support/program.ts";
import { TestClient } from "../support/client.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/doors/http.md`);
const CONFIG = Deno.readTextFileSync(`${ROOT}config/http.yaml`);
const IN_MEMORY = { WEIR_STORAGE_TYPE: "memory" };

/** The lines of the page's blocks of this language. */
function lines(language: string): string[] {
  const blocks = [...PAGE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text]) => text);
  return blocks.join("").split("\n").filter((line) => line !== "");
}

/** A broker with the page's configuration, on ports that are free now. */
class PageBroker implements AsyncDisposable {
  readonly mqtt = freePort();
  readonly http = freePort();
  readonly #program: Program;

  constructor(env: Record<string, string> = {}, read: readonly string[] = []) {
    const addresses = {
      WEIR_SERVER_TCP_ADDR: `127.0.0.1:${this.mqtt}`,
      WEIR_SERVER_HTTP_ADDR: `127.0.0.1:${this.http}`,
    };
    const flags = read.map((path) => `--allow-read=${path}`);
    const args = [
      "run",
      "-P",
      ...flags,
      "--quiet",
      "--no-prompt",
      `${ROOT}main.ts`,
      "--config",
      `${ROOT}config/http.yaml`,
    ];
    this.#program = new Program(Deno.execPath(), args, { ...IN_MEMORY, ...addresses, ...env });
  }

  async ready(): Promise<readonly string[]> {
    await this.#program.line(/Ctrl-C stops it/);
    return this.#program.said;
  }

  /** A command of the page; it runs in the folder of the repository. */
  run(command: string): Program {
    return new Program("sh", ["-c", `cd ${ROOT} && exec ${command.replaceAll("8080", `${this.http}`)}`]);
  }

  /** What a command of the page writes. */
  async output(command: string): Promise<string> {
    await using program = this.run(command);
    assert.deepEqual(await program.end(), { code: 0, errors: "" }, command);
    return program.said.join("\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test(requires(["curl"], {
  name: "the page on HTTP: its commands do what it says",
  async fn() {
    assert.deepEqual(lines("sh").filter((line) => line.startsWith("deno")), [
      "deno task start --config config/http.yaml",
    ]);
    assert.equal(CONFIG.split("\n").slice(1).join("\n"), `${lines("yaml").join("\n")}\n`);
    await using broker = new PageBroker();
    const said = await broker.ready();
    assert.ok(said.includes(`  http  127.0.0.1:${broker.http}  HTTP`), said.join("\n"));
    const curls = lines("sh").filter((line) => line.startsWith("curl"));
    const [one, text, file, batch, stream, poll, kept, again, ack, end, ...rest] = curls;
    assert.equal(await broker.output(one), '{"status":"ok"}');
    assert.equal(await broker.output(text), '{"status":"ok"}');
    assert.equal(await broker.output(file), '{"status":"ok"}');
    assert.deepEqual(JSON.parse(await broker.output(batch)).results.map(({ status }: { status: string }) => status), [
      "ok",
      "ok",
    ]);
    {
      await using events = broker.run(stream);
      await events.line(/^data: .*"topic":"hello\/world","payload":"hello","encoding":"text"/);
      await broker.output(batch);
      await events.line(/^data: .*"topic":"a","payload":"1"/);
    }
    assert.equal(JSON.parse(await broker.output(poll)).messages[0].payload, "hello");
    const first = JSON.parse(await broker.output(kept));
    assert.deepEqual([first.session_present, first.messages.length], [false, 1]);
    assert.equal(JSON.parse(await broker.output(again)).session_present, true);
    assert.match(await broker.output(ack), /^\{"settled":\d\}$/);
    assert.equal(await broker.output(end), "");
    const [retained, list, clear, request, basic, bearer] = rest;
    assert.equal(JSON.parse(await broker.output(retained)).payload, "hello");
    assert.equal(
      JSON.parse(await broker.output(list)).messages[0].payload,
      new TextEncoder().encode(CONFIG).toBase64(),
    );
    assert.equal(await broker.output(clear), "");
    assert.deepEqual(JSON.parse(await broker.output(list)).messages, []);
    await replying(broker, async () => assert.equal(JSON.parse(await broker.output(request)).payload, "2"));
    for (const command of [basic, bearer]) assert.ok("messages" in JSON.parse(await broker.output(command)), command);
    assert.equal(rest.length, 7, "the last one is run by the test below");
  },
}));

/** With somebody at `math/add` who knows one answer. */
async function replying(broker: PageBroker, ask: () => Promise<void>): Promise<void> {
  const service = await TestClient.open(broker.mqtt, 5);
  try {
    await service.connect();
    await service.subscribe("math/add");
    const asked = ask();
    const { properties } = await service.expect("publish");
    await service.publish(properties!.responseTopic!, "2", {
      properties: { correlationData: properties!.correlationData },
    });
    await asked;
  } finally {
    service.close();
  }
}

Deno.test(requires(["curl", "openssl"], {
  name: "the page on HTTP: TLS",
  async fn() {
    using certificates = new Certificates();
    await using broker = new PageBroker({
      WEIR_SERVER_HTTP_CERT_FILE: certificates.file("server.crt"),
      WEIR_SERVER_HTTP_KEY_FILE: certificates.file("server.key"),
    }, [certificates.path, `${ROOT}config`, `${ROOT}src`]);
    const said = await broker.ready();
    assert.ok(said.includes(`  http  127.0.0.1:${broker.http}  HTTP over TLS`), said.join("\n"));
    const command = lines("sh").find((line) => line.includes("--cacert"))!;
    assert.equal(await broker.output(command.replace("config/certs", certificates.path)), '{"status":"healthy"}');
  },
}));
