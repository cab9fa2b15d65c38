/** docs/queues.md and config/queues.yaml do what they say: every command of the page runs, in order, on other ports and in memory, and
 * prints what stands below it; every program runs, every configuration loads. */
import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { COAP_CLIENT } from "../coap/libcoap.ts";
import { Program } from "../support/program.ts";
import { findCommand, requires } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/queues.md`);

/** Commands, and what they print, with `...` for what is left out. */
interface Example {
  readonly commands: readonly string[];
  readonly output: string;
}

function examples(): Example[] {
  const found = [...PAGE.matchAll(/```sh\n([\s\S]*?)```\n(?:\n```text\n([\s\S]*?)```\n)?/g)];
  return found.map(([, commands, output = ""]) => ({ commands: commands.trimEnd().split("\n"), output }));
}

function yamlBlocks(): string[] {
  return [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
}

function patternOf(output: string): RegExp {
  const parts = output.trimEnd().split("...").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*?")}$`);
}

function freePort(transport: "tcp" | "udp"): number {
  if (transport === "tcp") {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return listener.addr.port;
  }
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

/** A broker with the configuration of the page. */
class PageBroker implements AsyncDisposable {
  readonly #ports = { mqtt: freePort("tcp"), http: freePort("tcp"), coap: freePort("udp") };
  readonly #program: Program;

  constructor() {
    const { mqtt, http, coap } = this.#ports;
    const env = {
      WEIR_STORAGE_TYPE: "memory",
      WEIR_SERVER_TCP_ADDR: `127.0.0.1:${mqtt}`,
      WEIR_SERVER_HTTP_ADDR: `127.0.0.1:${http}`,
      WEIR_SERVER_COAP_ADDR: `127.0.0.1:${coap}`,
    };
    const args = ["run", "-P", "--quiet", "--no-prompt", `${ROOT}main.ts`, "--config", `${ROOT}config/queues.yaml`];
    this.#program = new Program(Deno.execPath(), args, env);
  }

  async ready(): Promise<void> {
    await this.#program.line(/Ctrl-C stops it/);
  }

  /** Runs what an example says; fails unless it prints what stands there. */
  async play({ commands, output }: Example): Promise<void> {
    const said: string[] = [];
    for (const command of commands) {
      await using program = this.#start(command);
      if (command.includes(" -N ")) { // goes on until nobody reads it
        await program.line(patternOf(output.trimEnd().split("\n").at(-1)!));
      } else {
        assert.deepEqual(await program.end(), { code: 0, errors: "" }, command);
      }
      said.push(...program.said);
    }
    const printed = said.join("\n").trimEnd();
    assert.match(printed, patternOf(output), [...commands, printed].join("\n"));
  }

  #start(command: string): Program {
    const { mqtt, http, coap } = this.#ports;
    const here = command.replaceAll(":8080", `:${http}`).replace("coap://127.0.0.1/", `coap://127.0.0.1:${coap}/`)
      .replace(/^deno run/, `${Deno.execPath()} run --quiet`)
      .replace(/^coap-client/, findCommand(...COAP_CLIENT.split("|"))!);
    const more = command.startsWith("mosquitto")
      ? ` -p ${mqtt}`
      : command.startsWith("deno")
      ? ` --url http://127.0.0.1:${http}`
      : "";
    return new Program("sh", ["-c", `cd ${ROOT} && exec ${here}${more}`]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

Deno.test(requires(["curl", "mosquitto_pub", "mosquitto_sub", COAP_CLIENT], {
  name: "the page on durable queues: its commands print what stands below them",
  async fn() {
    const [start, ...rest] = examples();
    assert.deepEqual(start, { commands: ["deno task start --config config/queues.yaml"], output: "" });
    assert.ok(rest.length > 15);
    await using broker = new PageBroker();
    await broker.ready();
    for (const example of rest) await broker.play(example);
  },
}));

Deno.test("the page on durable queues: its programs run", async () => {
  const args = [
    "test",
    "--doc",
    "--quiet",
    "--no-prompt",
    "-P=test",
    `--config=${ROOT}deno.json`,
    `${ROOT}docs/queues.md`,
  ];
  await using programs = new Program(Deno.execPath(), args);
  const { code, errors } = await programs.end();
  assert.equal(code, 0, errors + programs.said.join("\n"));
  assert.match(programs.said.join("\n"), /ok \| 4 passed/);
});

Deno.test("the page on durable queues: its configurations load", () => {
  const blocks = yamlBlocks();
  assert.ok(blocks.length >= 4);
  for (const text of blocks) {
    loadConfig({ path: "weir.yaml", readFile: () => new TextEncoder().encode(text) });
  }
});

Deno.test("the page on durable queues: what it quotes of config/queues.yaml stands there", () => {
  const file = loadConfig({
    path: "queues.yaml",
    readFile: () => Deno.readFileSync(`${ROOT}config/queues.yaml`),
  }).queues;
  const quoted = (key: string) => {
    const text = yamlBlocks().find((block) => block.includes(key))!;
    return loadConfig({ path: "weir.yaml", readFile: () => new TextEncoder().encode(text) }).queues;
  };
  const [readings] = quoted("name: readings").definitions;
  const { topics, retention } = file.definitions.find(({ name }) => name === "readings")!;
  assert.deepEqual([readings.topics, readings.retention], [topics, retention]);
  const { ordering, partitions, retention: { ageMs } } = quoted("partitions: 64").template;
  const { template } = file;
  assert.deepEqual([ordering, partitions, ageMs], [template.ordering, template.partitions, template.retention.ageMs]);
});
