/** docs/security.md does what it says: its recipes run, on other ports and in another folder. */
import assert from "node:assert/strict";
import { until } from "../embedding/waiting.ts";
import { Program } from "../support/program.ts";
import { requires } from "../support/skip.ts";

const PAGE = Deno.readTextFileSync(new URL("../../docs/security.md", import.meta.url));
const ROOT = new URL("../../", import.meta.url).pathname;

/** What a message is answered with that is taken, though nobody has subscribed, and one that is not allowed. */
const NOBODY = 0x10;
const FORBIDDEN = 0x87;

/** A section of the page, and what it takes to run its blocks elsewhere. */
class Recipe implements Disposable {
  readonly #text: string;
  readonly folder = Deno.makeTempDirSync();
  readonly ports = [freePort(), freePort()];

  constructor(heading: string) {
    const [, text] = PAGE.split(`### ${heading}\n`);
    assert.ok(text !== undefined, `the page has a section "${heading}"`);
    this.#text = text.split("\n### ")[0];
  }

  /** The blocks in `language`, for another folder and other ports; those that say so are written to their file. */
  blocks(language: string): string[] {
    return [...this.#text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(([, block]) => {
      const text = block.replaceAll("data/", `${this.folder}/`).replaceAll("8090", `${this.ports[1]}`);
      const path = /^(?:#|\/\/) (\S+\/[\w.]+)/.exec(text)?.[1];
      if (path !== undefined) Deno.writeTextFileSync(path, text);
      return text;
    });
  }

  /** The command lines that begin with `start`. */
  commands(start: string): string[] {
    return this.blocks("sh").flatMap((block) => block.split("\n")).filter((line) => line.startsWith(start));
  }

  /** A shell that runs a line of the page as it stands, but for where things are. */
  program(line: string): Program {
    const deno = `${Deno.execPath()} run --quiet --no-prompt --config ${ROOT}deno.json`;
    const granted = `-P --allow-read=${this.folder} --allow-write=${this.folder}`;
    const here = line
      .replaceAll(/(?<![\w/])deno run (-P )?/g, (_, isProgram) => `exec ${deno} ${isProgram ? `${granted} ` : ""}`)
      .replaceAll("=data", `=${this.folder}`)
      .replace(/^mosquitto_(pub|sub) /, `exec mosquitto_$1 -h 127.0.0.1 -p ${this.ports[0]} -V 5 `);
    return new Program("sh", ["-c", `cd ${ROOT} && ${here}`], { WEIR_STORAGE_TYPE: "memory" });
  }

  async run(line: string): Promise<number> {
    await using program = this.program(line);
    return (await program.end()).code;
  }

  /** The reason code that answers a message of a mosquitto_pub at QoS 1; undefined when the client does not come in. */
  async published(line: string): Promise<number | undefined> {
    await using program = this.program(`${line} -q 1 -d`);
    await program.end();
    const code = /PUBACK .*RC:(\d+)/.exec(program.said.join("\n"))?.[1];
    return code === undefined ? undefined : Number(code);
  }

  /** The broker of the page's configuration. */
  async broker(): Promise<Program> {
    this.blocks("yaml");
    const broker = this.program(
      `deno run -P main.ts --config ${this.folder}/weir.yaml --addr 127.0.0.1:${this.ports[0]}`,
    );
    await broker.line(/Ctrl-C stops it/);
    return broker;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test(requires(["mosquitto_pub", "mosquitto_sub"], {
  name: "the page on security: users are added, come in, and are disconnected when they are disabled",
  async fn() {
    using recipe = new Recipe("Users");
    const [alice, bob] = recipe.commands("deno run -P main.ts user add");
    assert.equal(await recipe.run(`echo 'correct horse' | ( ${alice} )`), 0);
    assert.equal(await recipe.run(`echo 'battery staple' | ( ${bob} )`), 0);
    await using broker = await recipe.broker();
    assert.equal(recipe.commands("deno run -P main.ts --config").length, 1);
    const [publish] = recipe.commands("mosquitto_pub");
    assert.equal(await recipe.published(`${publish} -r`), NOBODY);
    assert.equal(await recipe.published(publish.replace("hello/world", "other")), FORBIDDEN);
    assert.equal(await recipe.published(publish.replace("correct", "wrong")), undefined);
    assert.equal(await recipe.published(publish.replace("-u alice -P 'correct horse'", "")), undefined);
    await using subscriber = recipe.program("mosquitto_sub -u alice -P 'correct horse' -t 'hello/#' -v");
    await subscriber.line(/^hello\/world hi$/);
    const [disable] = recipe.commands("deno run -P main.ts user disable");
    assert.equal(await recipe.run(disable), 0);
    broker.signal("SIGHUP");
    assert.equal((await subscriber.end()).code, 0, "it is told, and ends by itself");
    assert.equal(await recipe.published(publish), undefined);
    assert.equal(await recipe.published("mosquitto_pub -u bob -P 'battery staple' -t other -m hi"), NOBODY);
  },
}));

Deno.test(requires(["openssl", "mosquitto_pub"], {
  name: "the page on security: a token lets in and says what may be done",
  async fn() {
    using recipe = new Recipe("Signed tokens");
    recipe.blocks("ts");
    assert.equal(await recipe.run(recipe.commands("(umask")[0]), 0);
    await using _broker = await recipe.broker();
    const [publish] = recipe.commands("mosquitto_pub");
    assert.equal(await recipe.published(publish), NOBODY);
    assert.equal(await recipe.published(publish.replace("-u thing-1", "-u thing-2")), undefined);
    assert.equal(await recipe.published(publish.replace("things/thing-1", "things/thing-2")), FORBIDDEN);
  },
}));

Deno.test(requires(["mosquitto_pub"], {
  name: "the page on security: another program says who comes in",
  async fn() {
    using recipe = new Recipe("Another program");
    recipe.blocks("ts");
    await using callout = recipe.program(recipe.commands("deno run --allow-net")[0]);
    await until(() => isListening(recipe.ports[1]), "the callout is there");
    await using _broker = await recipe.broker();
    const publish = `${recipe.commands("mosquitto_pub")[0]} -i one`; // answers are kept by client id, too
    assert.equal(await recipe.published(publish), NOBODY);
    assert.equal(await recipe.published(publish.replace("hello/world", "other")), FORBIDDEN);
    assert.equal(await recipe.published(publish.replace("open sesame", "open barley")), undefined);
    await callout.kill();
    assert.equal(await recipe.published(publish), NOBODY, "the answer is kept");
    assert.equal(await recipe.published(publish.replace("-u ali", "-u baba")), undefined, "nobody is asked");
  },
}));
