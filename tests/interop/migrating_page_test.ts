/** docs/migrating.md keeps its word: its two configurations answer alike, its bridge carries, its keys exist. */
import assert from "node:assert/strict";
import type { IPublishPacket } from "mqtt-packet";
import { LISTS, SETTINGS } from "../../src/config/schema.ts";
import { until } from "../embedding/waiting.ts";
import { Program } from "../support/program.ts";
import { TestBroker } from "../support/broker.ts";
import { TestClient } from "../support/client.ts";
import { findCommand, requires } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/migrating.md`);
const PASSWORD = "correct horse";

/** Who does what, and whether both brokers let them. What is published is retained, and read when it comes. */
const QUESTIONS: readonly [username: string, does: "publish" | "read", topic: string, may: boolean][] = [
  ["alice", "publish", "home/kitchen/lamp", true],
  ["alice", "publish", "other", true],
  ["alice", "read", "home/kitchen/lamp", true],
  ["alice", "read", "other", true],
  ["bob", "read", "home/kitchen/lamp", true],
  ["bob", "read", "other", false],
  ["bob", "publish", "home/kitchen/lamp", false],
  ["bob", "publish", "home/bob/mood", true],
  ["bob", "publish", "home/bob/mood/today", false],
  ["bob", "publish", "devices/of-bob/state", true],
  ["bob", "read", "devices/of-bob/state", true],
  ["bob", "publish", "devices/of-alice/state", false],
];

/** The page's files in a folder of their own, for ports that are free. */
class Move implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "weir-move-" });
  readonly mosquitto = freePort();
  readonly weir = freePort();
  readonly #websocket = freePort();

  async users(): Promise<void> {
    Deno.mkdirSync(`${this.folder}/mosquitto`);
    for (const [index, name] of ["alice", "bob"].entries()) {
      const args = [...(index === 0 ? ["-c"] : []), "-b", `${this.folder}/mosquitto/passwd`, name, PASSWORD];
      await this.#run(new Program(findCommand("mosquitto_passwd")!, args));
      const weir = `${Deno.execPath()} run --quiet -A ${ROOT}main.ts user add ${name} --file ${this.folder}/users`;
      await this.#run(new Program("sh", ["-c", `echo '${PASSWORD}' | ${weir}`]));
    }
    Deno.writeTextFileSync(`${this.folder}/mosquitto/acl`, block("conf", "mosquitto/acl"));
  }

  async startMosquitto(more = ""): Promise<Program> {
    const text = block("conf", "mosquitto.conf").replaceAll(/^listener .*$/gm, (line) => {
      return `listener ${line.endsWith("1883") ? this.mosquitto : this.#websocket} 127.0.0.1`;
    });
    const path = `${this.folder}/mosquitto.conf`;
    // a Mosquitto of root becomes another user, who cannot read the folder
    const here = "user root\n";
    Deno.writeTextFileSync(path, here + text.replaceAll("mosquitto/", `${this.folder}/mosquitto/`) + more);
    const program = new Program(findCommand("mosquitto")!, ["-c", path]);
    await until(() => isListening(this.mosquitto), "Mosquitto listens");
    return program;
  }

  async startWeir(): Promise<Program> {
    const path = `${this.folder}/weir.yaml`;
    const text = block("yaml", "data/weir.yaml")
      .replace('":8083"', '"127.0.0.1:0"')
      .replace("data/users", `${this.folder}/users`);
    Deno.writeTextFileSync(path, `${text}storage: { type: memory }\n`);
    const program = Program.module("main.ts", "--config", path, "--addr", `127.0.0.1:${this.weir}`);
    await program.line(/Ctrl-C stops it/);
    return program;
  }

  /** What the page writes behind mosquitto.conf, towards this Weir. */
  bridge(): string {
    return block("conf", "mosquitto.conf, at its end").replace("127.0.0.1:1884", `127.0.0.1:${this.weir}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }

  async #run(program: Program): Promise<void> {
    await using running = program;
    const { code, errors } = await running.end();
    assert.equal(code, 0, errors);
  }
}

/** The block of the page that begins with the comment `title`. */
function block(language: string, title: string): string {
  const [, text] = PAGE.split(`\`\`\`${language}\n# ${title}\n`);
  assert.ok(text !== undefined, `the page has a block of ${title}`);
  return text.split("```")[0];
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

async function enter(port: number, username: string, password = PASSWORD): Promise<TestClient> {
  const client = await TestClient.open(port, 5);
  await client.connect({ clientId: `of-${username}`, username, password });
  return client;
}

/** The message with this payload; those before it are skipped, such as what is retained and comes again. */
async function arrival(client: TestClient, payload: string): Promise<IPublishPacket> {
  for (;;) {
    const message = await client.receive();
    if (String(message.payload) === payload) return message;
  }
}

async function ask(port: number, [username, does, topic]: (typeof QUESTIONS)[number]): Promise<boolean> {
  const client = await enter(port, username);
  try {
    if (does === "publish") return await client.publish(topic, "x", { qos: 1, retain: true }) < 0x80;
    await client.subscribe(topic);
    await client.send({ cmd: "pingreq" });
    return (await client.next())?.cmd === "publish";
  } finally {
    client.close();
  }
}

Deno.test(requires(["mosquitto", "mosquitto_passwd"], {
  name: "the page on moving: Mosquitto and Weir answer alike",
  async fn() {
    using move = new Move();
    await move.users();
    await using _mosquitto = await move.startMosquitto();
    await using _weir = await move.startWeir();
    for (const port of [move.mosquitto, move.weir]) {
      for (const question of QUESTIONS) {
        assert.equal(await ask(port, question), question[3], `port ${port}: ${question.slice(0, 3).join(" ")}`);
      }
      await assert.rejects(enter(port, "alice", "wrong"));
    }
  },
}));

Deno.test(requires(["mosquitto", "mosquitto_passwd"], {
  name: "the page on moving: a bridge of Mosquitto's carries what is retained and what comes, both ways",
  async fn() {
    using move = new Move();
    await move.users();
    {
      await using before = await move.startMosquitto();
      const old = await enter(move.mosquitto, "alice");
      await old.publish("home/kept", "from before", { qos: 1, retain: true });
      await old.disconnect();
      before.signal("SIGTERM"); // a clean stop saves what is retained
      await before.end();
    }
    await using _weir = await move.startWeir();
    const there = await enter(move.weir, "alice");
    await there.subscribe("#", { qos: 1 });
    await using _mosquitto = await move.startMosquitto(move.bridge());
    assert.equal((await arrival(there, "from before")).topic, "home/kept");

    const here = await enter(move.mosquitto, "bob");
    await here.subscribe("home/#", { qos: 1 });
    await here.publish("home/bob/mood", "good");
    assert.equal((await arrival(there, "good")).topic, "home/bob/mood");
    await there.publish("home/lamp", "on");
    assert.equal((await arrival(here, "on")).topic, "home/lamp");
  },
}));

/** The topics of Mosquitto that the page promises to dashboards. */
function dashboardTopics(): string[] {
  const [, named] = /\| `\$SYS\/broker\/\.\.\.`: (.*?);/.exec(PAGE) ?? assert.fail("the page names no topics");
  return named.split(", ").map((name) => `$SYS/broker/${name.replaceAll("`", "")}`);
}

Deno.test(requires(["mosquitto"], {
  name: "the page on moving: Mosquitto and Weir tell dashboards the same topics",
  async fn() {
    const port = freePort();
    using move = new Move();
    const path = `${move.folder}/mosquitto.conf`;
    Deno.writeTextFileSync(path, `user root\nlistener ${port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n`);
    await using _mosquitto = new Program(findCommand("mosquitto")!, ["-c", path]);
    await until(() => isListening(port), "Mosquitto listens");
    await using weir = await TestBroker.start({ sysIntervalMs: 50 });
    for (const each of [port, weir.port]) {
      const client = await TestClient.open(each, 5);
      await client.connect({ clientId: "dashboard" });
      const missing = new Set(dashboardTopics());
      assert.ok(missing.size > 10);
      await client.subscribe("$SYS/#");
      const told = async () => {
        while (missing.size > 0) missing.delete((await client.receive()).topic);
      };
      await told().catch(() => assert.fail(`port ${each} does not tell ${[...missing]}`));
      client.close();
    }
  },
}));

Deno.test("the page on moving: every key that it names exists", () => {
  const known = [...Object.keys(SETTINGS), ...Object.keys(LISTS)];
  const named = [...PAGE.matchAll(/`((?:server|broker|session|queue|auth|ratelimit|log|storage)\.[a-z0-9_.]+)/g)];
  assert.ok(named.length > 40);
  for (const [, key] of named) assert.ok(known.some((path) => `${path}.`.startsWith(`${key}.`)), key);
});
