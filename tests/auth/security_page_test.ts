/** docs/security.md is run: its table of decisions against its rules, and its table of permissions against the process. */
import assert from "node:assert/strict";
import { AccessRules } from "../../src/auth/access_rules.ts";
import { loadConfig } from "../../src/config/load.ts";
import { runProgram } from "../../src/cli/program.ts";
import { FakeHost } from "../cli/support.ts";
import { Program } from "../support/program.ts";
import { TestClient } from "../support/client.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/security.md`);

function section(title: string): string {
  const start = PAGE.indexOf(`\n## ${title}\n`);
  assert.ok(start >= 0, title);
  return PAGE.slice(start, PAGE.indexOf("\n## ", start + 4) + 1 || undefined);
}

/** The rows of the first table whose head begins so, without their spaces. */
function rows(text: string, head: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${head} `));
  const table = lines.slice(start + 2);
  return table.slice(0, table.findIndex((line) => !line.startsWith("|"))).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
}

const AUTHORIZATION = section("Authorization");
const RULES_TEXT = /```yaml\n([\s\S]*?)```/.exec(AUTHORIZATION)![1];
const CONFIG = {
  "weir.yaml": 'server: { listeners: [{ name: public, addr: "127.0.0.1:1884" }] }\nauth: { acl_file: rules.yaml }',
  "rules.yaml": RULES_TEXT,
};

/** The options of `weir acl test` for "user eve, group guests" and the like. */
function clientOptions(client: string): string[] {
  if (client === "nobody") return [];
  return client.split(", ").flatMap((fact) => {
    const [key, value] = fact.split(" ");
    return [`--${{ user: "user", client: "client-id", group: "groups" }[key] ?? key}`, value];
  });
}

for (const [client, wish, may, rule] of rows(AUTHORIZATION, "Client")) {
  Deno.test(`the rules of the security page: ${client} wants to ${wish}: ${may}`, async () => {
    const [, action, topic, qos, retain] = /^(\w+) `(.*)`(?: qos (\d))?( retain)?$/.exec(wish)!;
    const host = new FakeHost({ files: CONFIG });
    const more = [...(qos ? ["--qos", qos] : []), ...(retain ? ["--retain"] : [])];
    const args = ["acl", "test", "-c", "weir.yaml", ...clientOptions(client), ...more, action, topic];
    const code = await runProgram(args, host);
    assert.deepEqual(host.complaints, []);
    assert.equal(code, may === "yes" ? 0 : 1);
    const expected = rule === "-" ? /no rule decides/ : new RegExp(`rules\\.yaml:${rule}:3: `);
    assert.match(host.printed[0], expected);
  });
}

Deno.test("every rule of the security page decides something, and every operator is among them", () => {
  const readFile = (path: string) => new TextEncoder().encode(CONFIG[path as keyof typeof CONFIG]);
  const { rules } = loadConfig({ path: "weir.yaml", readFile }).auth.acl;
  new AccessRules(rules);
  const decided = new Set(rows(AUTHORIZATION, "Client").map(([, , , rule]) => rule));
  for (const index of rules.keys()) assert.ok(decided.has(String(index + 1)), `rule ${index + 1}`);
  const used = new Set(rules.flatMap((rule) => Object.keys(rule).filter((key) => rule[key as "user"] !== undefined)));
  for (const key of ["user", "group", "clientId", "address", "listener", "anonymous", "retain", "qosMax"]) {
    assert.ok(used.has(key), key);
  }
});

/** What is tried with `flags`: each deed, and whether it may be done at the start, while it serves, and in the store's Worker. */
async function tried(...flags: string[]): Promise<string[][]> {
  Deno.mkdirSync(`${ROOT}data`, { recursive: true, mode: 0o700 });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-P", "--no-prompt", ...flags, "tests/cli/permission_probe.ts"],
    cwd: ROOT,
    env: { WEIR_LOG_LEVEL: "info" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const answers: Record<string, string>[] = JSON.parse(new TextDecoder().decode(stdout));
  return Object.keys(answers[0]).map((deed) => [deed, ...answers.map((each) => each[deed])]);
}

const PERMISSIONS = rows(section("What the process may do"), "To");

Deno.test("the process may do what the table of permissions says, at the start, while it serves, and in the store's Worker", async () => {
  assert.deepEqual(await tried(), PERMISSIONS);
});

Deno.test("with the network closed but for its own address it serves there, and may do the same but connect and listen", async () => {
  const [, flag] = /`deno run -P (--allow-net=)0\.0\.0\.0:1883 main\.ts`/.exec(PAGE)!;
  const closed = PERMISSIONS.map(([deed, ...answers]) => {
    return deed === "connect" || deed === "listen" ? [deed, "no", "no", "no"] : [deed, ...answers];
  });
  const address = `127.0.0.1:${freePort()}`;
  assert.deepEqual(await tried(`${flag}${address}`), closed);
  const line = `${Deno.execPath()} run --quiet -P --no-prompt ${flag}${address} main.ts --addr ${address}`;
  await using program = new Program("sh", ["-c", `cd ${ROOT} && exec ${line}`], { WEIR_STORAGE_TYPE: "memory" });
  await program.line(/Ctrl-C stops it/);
  const client = await TestClient.open(Number(address.split(":")[1]), 5);
  await client.connect();
  assert.equal(await client.publish("a", "x", { qos: 1 }), 0x10);
  await client.disconnect();
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
