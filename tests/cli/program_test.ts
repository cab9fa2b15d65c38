import assert from "node:assert/strict";
import { COMMANDS } from "../../src/cli/command.ts";
import { runProgram } from "../../src/cli/program.ts";
import { VERSION } from "../../src/server/version.ts";
import { FakeHost, type FakeHostOptions } from "./support.ts";

async function run(line: string, options: FakeHostOptions = {}): Promise<[number, FakeHost]> {
  const host = new FakeHost(options);
  return [await runProgram(line.split(" ").filter((word) => word !== ""), host), host];
}

/** Command line -> what it is told; the exit code is 2. */
const MISUSES: Readonly<Record<string, string>> = {
  "chek weir.yaml": 'unknown command "chek"; did you mean "check"?',
  "frobnicate": 'unknown command "frobnicate"',
  "user": "user needs a command: add, passwd, groups, disable, enable, remove, list, scram",
  "acl": "acl needs a command: test",
  "user add": "user add needs NAME: weir user add NAME",
  "user scrm alice": 'unknown command "user scrm"; did you mean "user scram"?',
  "pub -t x": 'unknown command "pub"',
  "--confg weir.yaml": 'unknown option --confg; did you mean "--config"?',
  "serve -x": "unknown option -x",
  "check --addr :1 weir.yaml": "unknown option --addr",
  "--config": "--config needs a value: --config FILE",
  "--config --addr :1": "--config needs a value: --config FILE",
  "--help=yes": "--help takes no value",
  "check": "check needs FILE: weir check FILE",
  "check a.yaml b.yaml": 'unexpected "b.yaml" after weir check a.yaml',
  "serve weir.yaml": 'unexpected "weir.yaml" after weir serve',
  "help chek": 'unknown command "chek"; did you mean "check"?',
  "acl test subscribe a --address banana": '--address needs an IP address, found "banana"',
  "acl test subscribe a --listener htp": 'the configuration opens no listener "htp"; did you mean "http"?',
  "acl test subscribe a --qos 3": '--qos is 0, 1 or 2, found "3"',
  "acl test subscribe a --qos=": '--qos is 0, 1 or 2, found ""',
  "user scram alice --iterations 100": '--iterations needs a whole number from 4096 to 10000000, found "100"',
  "user scram alice --iterations many": '--iterations needs a whole number from 4096 to 10000000, found "many"',
};

for (const [line, message] of Object.entries(MISUSES)) {
  Deno.test(`weir ${line}: exit code 2 with a hint`, async () => {
    const [code, { complaints, printed }] = await run(line, { env: { WEIR_SERVER_HTTP_ENABLED: "true" } });
    assert.deepEqual(complaints, [`weir: ${message}`, 'weir: "weir --help" lists commands and options']);
    assert.deepEqual([code, printed], [2, []]);
  });
}

for (const line of ["--help", "-h", "help"]) {
  Deno.test(`weir ${line} names every command and something to try`, async () => {
    const [code, { printed }] = await run(line);
    const text = printed.join("\n");
    assert.equal(code, 0);
    for (const { name } of COMMANDS) assert.match(text, new RegExp(`^  ${name}\\b`, "m"));
    assert.match(text, /mosquitto_pub -t hello\/world -m hi/);
    for (const printedLine of printed) assert.ok(printedLine.length <= 120, printedLine);
  });
}

for (const { name, examples, options } of COMMANDS) {
  Deno.test(`weir help ${name} explains options and shows examples`, async () => {
    const [code, { printed }] = await run(`help ${name}`);
    const text = printed.join("\n");
    assert.equal(code, 0);
    assert.match(text, new RegExp(`^Usage:  weir ${name}`, "m"));
    for (const option of Object.keys(options)) assert.ok(text.includes(`--${option}`), option);
    for (const [example] of examples) assert.ok(text.includes(example), example);
    assert.deepEqual((await run(`${name} --help`))[1].printed, printed);
  });
}

for (
  const [line, others] of [["user add", ["user passwd NAME", "user list"]], ["queue", [
    "queue replay NAME [ID,...]",
  ]]] as const
) {
  Deno.test(`weir help ${line} names the commands beside it`, async () => {
    const [, { printed }] = await run(`help ${line}`);
    const beside = printed.slice(printed.indexOf(`Others of weir ${line.split(" ")[0]}:`));
    for (const other of others) assert.ok(beside.some((text) => text.startsWith(`  ${other} `)), other);
  });
}

for (const line of ["--version", "-V", "check --version"]) {
  Deno.test(`weir ${line} prints the version`, async () => {
    const [code, { printed }] = await run(line);
    assert.deepEqual([code, printed], [0, [`weir ${VERSION} (Deno ${Deno.version.deno})`]]);
  });
}

Deno.test("weir check says what a good file would do", async () => {
  const yaml = 'server: { listeners: [{ name: b, addr: "[::1]:1884" }], http_enabled: true, coap_enabled: true }';
  const [code, { printed }] = await run("check weir.yaml", { files: { "weir.yaml": yaml } });
  const expected =
    "weir.yaml: no problems. It would open tcp on 127.0.0.1:1883, b on [::1]:1884, http on 127.0.0.1:8080, " +
    "coap on 127.0.0.1:5683; anybody on this machine may connect.";
  assert.deepEqual([code, printed], [0, [expected]]);
});

Deno.test("weir check tells every problem with its place and fails", async () => {
  const files = { "weir.yaml": "log:\n  level: loud\nbrokr: {}\n" };
  const [code, { printed, complaints }] = await run("check weir.yaml", { files, env: { WEIR_LOG_FORMAT: "xml" } });
  assert.deepEqual([code, printed], [1, []]);
  assert.deepEqual(complaints, [
    'weir.yaml:2:10: log.level: expected debug, info, warn or error, found the text "loud"',
    'weir.yaml:3:1: brokr: unknown key; did you mean "broker"?',
    'WEIR_LOG_FORMAT: log.format: expected text or json, found the text "xml"',
    "weir: There are 3 problems with the configuration; docs/configuration.md has every key",
  ]);
});

Deno.test("a configuration that is not there stops the start", async () => {
  const [code, { complaints }] = await run("--config none.yaml");
  assert.equal(code, 1);
  assert.equal(complaints[0], "none.yaml: cannot read it: there is no such file");
});

Deno.test("an option that is wrong is named", async () => {
  const [code, { complaints }] = await run("--log-level loud");
  assert.deepEqual([code, complaints[0]], [
    1,
    '--log-level: log.level: expected debug, info, warn or error, found the text "loud"',
  ]);
});

for (
  const line of [
    "X",
    "--X",
    "inspect X",
    "check a X",
    "--data X --config y inspect",
    "--addr X",
    "--config X",
    "--data X inspect",
  ]
) {
  Deno.test(`weir ${line}: what was typed comes back with every control and direction shown`, async () => {
    const [code, { complaints }] = await run(line.replace("X", "\u001b[2J\u202e\u2028\nweir:forged"));
    assert.notEqual(code, 0);
    for (const complaint of complaints) assert.doesNotMatch(complaint, /^weir:forged|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });
}
