/** The program itself, with its data in memory, as a process with the permissions that deno.json gives it and a standard output that is no terminal. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { openSqliteStore } from "../../mod.ts";
import { VERSION } from "../../src/server/version.ts";
import { Program } from "../support/program.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface RunOptions {
  /** Instead of `-P`. */
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
}

function weir(args: readonly string[], { flags = ["-P"], env = {} }: RunOptions = {}): Program {
  const command = ["run", "--quiet", "--no-prompt", ...flags, MAIN, ...args];
  return new Program(Deno.execPath(), command, { WEIR_STORAGE_TYPE: "memory", ...env });
}

async function resultOf(program: Program): Promise<{ code: number; out: string; err: string }> {
  const { code, errors } = await program.end();
  return { code, out: program.said.join("\n"), err: errors };
}

Deno.test("weir check needs no broker: good and bad files by exit code", async () => {
  const good = await resultOf(weir(["check", "config/default.yaml"]));
  assert.deepEqual([good.code, good.err], [0, ""]);
  assert.match(good.out, /^config\/default\.yaml: no problems\./);
  const bad = await resultOf(weir(["check", "config/default.yaml"], { env: { WEIR_LOG_LEVEL: "loud" } }));
  assert.deepEqual([bad.code, bad.out], [1, ""]);
  assert.match(bad.err, /^WEIR_LOG_LEVEL: log\.level: expected debug, info, warn or error, found the text "loud"\n/);
});

Deno.test("a file beyond the granted folders is told with the flag that grants it", async () => {
  const { code, err } = await resultOf(weir(["check", "/etc/hosts"]));
  assert.equal(code, 1);
  assert.match(
    err,
    /^\/etc\/hosts: cannot read it: Deno was not allowed to; grant it beside .*: --allow-read=config,data,src,\/etc\/hosts\n/,
  );
});

Deno.test("a backup beyond the granted folders is told with the flags that make it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "weir-cli-" });
  const data = `${folder}/data`;
  await (await openSqliteStore(data)).close();
  const target = `${folder}/backup/a.db`;
  const backup = (...flags: string[]) => resultOf(weir(["backup", "--data", data, target], { flags }));
  await Deno.mkdir(`${folder}/backup`);
  const { code, err } = await backup(`-P`, `--allow-read=${data}`);
  const [, read, written] = /--allow-read=config,data,src,(\S+) --allow-write=(\S+)\n/.exec(err) ?? [];
  assert.deepEqual([code, read, written], [1, `${folder}/backup`, `${folder}/backup`], err);
  assert.equal((await backup("-P", `--allow-read=${data},src,${read}`, `--allow-write=${written}`)).code, 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a users file beyond the granted folders is told with all flags that edit it, before the password is asked for", async () => {
  const folder = await Deno.makeTempDir({ prefix: "weir-cli-" });
  const add = (...flags: string[]) => {
    const command = [
      "run",
      "--quiet",
      "--no-prompt",
      ...flags,
      MAIN,
      "user",
      "add",
      "ann",
      "--file",
      `${folder}/users`,
    ];
    return resultOf(new Program("sh", ["-c", 'echo pencil | "$0" "$@"', Deno.execPath(), ...command]));
  };
  const { code, err } = await add("-P");
  const [, read, written] = /--allow-read=config,data,src,(\S+) --allow-write=data,(\S+)\n/.exec(err) ?? [];
  assert.deepEqual([code, read, written], [1, folder, folder], err);
  const granted = await add("-P", `--allow-read=src,${read}`, `--allow-write=${written}`);
  assert.deepEqual([granted.code, granted.err], [0, ""]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an unknown option is exit code 2", async () => {
  const { code, err } = await resultOf(weir(["--prot", "1883"]));
  assert.deepEqual([code, err.split("\n")[0]], [2, "weir: unknown option --prot"]);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`the broker starts, says where it is, and stops at ${signal} with code 0`, async () => {
    await using program = weir(["--addr", "127.0.0.1:0"]);
    await program.line(/^Ctrl-C stops it\.$/);
    const { said } = program;
    assert.equal(said[0], `Weir ${VERSION} is ready for MQTT clients.`);
    const port = Number(/^ {2}tcp {2}127\.0\.0\.1:(\d+)$/.exec(said[1])?.[1]);
    assert.ok(said.includes(`  mosquitto_pub -p ${port} -t hello/world -m hi`));
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.close();
    program.signal(signal);
    assert.equal((await program.end()).code, 0);
  });
}

for (const flag of ["-P", "-A"]) {
  Deno.test(`SIGHUP reads the configuration again in a program that was started with ${flag}`, async () => {
    const line =
      `exec ${Deno.execPath()} run --quiet --no-prompt ${flag} ${MAIN} --addr 127.0.0.1:0 --config config/default.yaml`;
    await using program = new Program("sh", ["-c", `${line} 2>&1`], { WEIR_STORAGE_TYPE: "memory" });
    await program.line(/^Ctrl-C stops it\.$/);
    program.signal("SIGHUP");
    await program.line(/the configuration has been read again/);
    program.signal("SIGTERM");
    assert.equal((await program.end()).code, 0);
  });
}

Deno.test("an address in use is one line with the address and exit code 1", async () => {
  const { server, port } = await occupy();
  const { code, err } = await resultOf(weir(["--addr", `127.0.0.1:${port}`]));
  server.close();
  assert.equal(code, 1);
  assert.match(err, new RegExp(`weir: Cannot listen on 127\\.0\\.0\\.1:${port}: the address is in use`));
});

Deno.test("an address in use leaves nothing on the disk", async () => {
  const { server, port } = await occupy();
  const folder = await Deno.makeTempDir({ prefix: "weir-cli-" });
  const env = { WEIR_STORAGE_PATH: `${folder}/data` };
  const { code } = await resultOf(weir(["--addr", `127.0.0.1:${port}`], { env, flags: ["-A"] }));
  server.close();
  assert.equal(code, 1);
  assert.deepEqual([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("without the permission to listen, the message says what to add", async () => {
  const { code, err } = await resultOf(weir(["--addr", "127.0.0.1:0"], { flags: ["--allow-env"] }));
  assert.equal(code, 1);
  assert.match(
    err,
    /^weir: Deno did not allow it: Requires net access to .*\nweir: Run it with .*"deno run -P main\.ts", or add --allow-net\n/,
  );
});

async function occupy(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as { port: number }).port };
}
