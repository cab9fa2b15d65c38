/** The program itself, with its data in memory, as a process with the permissions that deno.json gives it and a standard output that is no terminal. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface RunOptions {
  /** Instead of `-P`. */
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
}

function weir(args: readonly string[], { flags = ["-P"], env = {} }: RunOptions = {}): Deno.ChildProcess {
  const command = ["run", "--quiet", "--no-prompt", ...flags, MAIN, ...args];
  const options = {
    env: { WEIR_STORAGE_TYPE: "memory", ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  } as const;
  return new Deno.Command(Deno.execPath(), { args: command, ...options }).spawn();
}

async function resultOf(child: Deno.ChildProcess): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
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

Deno.test("an unknown option is exit code 2", async () => {
  const { code, err } = await resultOf(weir(["--prot", "1883"]));
  assert.deepEqual([code, err.split("\n")[0]], [2, "weir: unknown option --prot"]);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`the broker starts, says where it is, and stops at ${signal} with code 0`, async () => {
    const child = weir(["--addr", "127.0.0.1:0"]);
    const lines = await linesUntil(child.stdout, /^Ctrl-C stops it\.$/m);
    assert.equal(lines[0], "Weir is ready for MQTT clients.");
    const port = Number(/^ {2}tcp {2}127\.0\.0\.1:(\d+)$/.exec(lines[1])?.[1]);
    assert.ok(lines.includes(`  mosquitto_pub -p ${port} -t hello/world -m hi`));
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.close();
    child.kill(signal);
    const { code } = await child.status;
    await child.stderr.cancel();
    assert.equal(code, 0);
  });
}

for (const flag of ["-P", "-A"]) {
  Deno.test(`SIGHUP reads the configuration again in a program that was started with ${flag}`, async () => {
    const child = weir(["--addr", "127.0.0.1:0", "--config", "config/default.yaml"], { flags: [flag] });
    await linesUntil(child.stdout, /^Ctrl-C stops it\.$/m);
    child.kill("SIGHUP");
    await linesUntil(child.stderr, /the configuration has been read again/);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
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

/** The lines of an output up to `last`; the rest is thrown away as it comes. */
async function linesUntil(output: ReadableStream<Uint8Array<ArrayBuffer>>, last: RegExp): Promise<string[]> {
  const reader = output.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!last.test(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The program ended before it said ${last}: ${text}`);
    text += value;
  }
  await reader.cancel();
  return text.split("\n");
}

async function occupy(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as { port: number }).port };
}
