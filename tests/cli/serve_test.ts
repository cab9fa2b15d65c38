import assert from "node:assert/strict";
import { runProgram } from "../../src/cli/program.ts";
import type { Serve } from "../../src/cli/serve.ts";
import { VERSION } from "../../src/server/version.ts";
import { FakeHost, type FakeHostOptions, FakeServer } from "./support.ts";

/** Starts `weir ARGS`; `started` resolves once the server listens. */
function start(args: readonly string[], options: FakeHostOptions = {}) {
  const started = Promise.withResolvers<FakeServer>();
  const serve: Serve = (config) => {
    host.events.push("open");
    const server = new FakeServer(config);
    started.resolve(server);
    return Promise.resolve(server);
  };
  const host = new FakeHost({ serve, ...options });
  return { host, code: runProgram(args, host), started: started.promise };
}

function failing(error: Error): Serve {
  return () => Promise.reject(error);
}

Deno.test("the start says where, what is kept, and how to try it; a signal stops it with code 0", async () => {
  const { host, code, started } = start([]);
  await started;
  await Promise.resolve();
  host.signal("SIGTERM");
  assert.equal(await code, 0);
  assert.deepEqual(host.printed, [
    `Weir ${VERSION} is ready for MQTT clients.`,
    "  tcp  127.0.0.1:1883",
    "Data: in memory only, lost at stop.",
    "It may use the network.",
    "Try it:",
    "  mosquitto_sub -t 'hello/#' -v",
    "  mosquitto_pub -t hello/world -m hi",
    "Ctrl-C stops it.",
    "Stopping: clients are told. Ctrl-C again stops at once.",
    "Stopped.",
  ]);
});

/** What a log in JSON has, without what differs from run to run. */
function logged(host: FakeHost): Record<string, unknown>[] {
  return host.complaints.map((line) => {
    const { "@timestamp": _, logger: __, ...facts } = JSON.parse(line);
    return facts;
  });
}

Deno.test("log.format json: the start and the stop are lines of the log, and nothing is printed beside it", async () => {
  const files = { "weir.yaml": "log: { format: json }\nserver: { ws_enabled: true }" };
  const { host, code, started } = start(["--config", "weir.yaml"], { files });
  const server = await started;
  await Promise.resolve();
  host.signal("SIGTERM");
  server.fail(new Error("Cannot commit", { cause: new Error("disk full") }));
  assert.equal(await code, 1);
  assert.deepEqual(host.printed, []);
  assert.deepEqual(logged(host), [
    { level: "INFO", message: "listener tcp is open on 127.0.0.1:1883", listener: "tcp", address: "127.0.0.1:1883" },
    {
      level: "INFO",
      message: "listener ws is open on 127.0.0.1:8083",
      ...{ listener: "ws", address: "127.0.0.1:8083", note: "WebSocket at /mqtt" },
    },
    {
      level: "INFO",
      message: `weir ${VERSION} is ready`,
      ...{
        version: VERSION,
        config: "weir.yaml",
        data: "in memory only, lost at stop",
        permissions: "use the network",
      },
    },
    { level: "INFO", message: "stopping: clients are told" },
    {
      level: "ERROR",
      message: 'the broker had to stop: "Cannot commit: disk full"',
      error: "Cannot commit: disk full",
    },
  ]);
});

Deno.test("signals are listened to before the first listener opens, permissions given up after", async () => {
  const { host, code, started } = start([]);
  await started;
  host.signal("SIGINT");
  await code;
  assert.deepEqual(host.events, ["listen to SIGINT", "listen to SIGTERM", "listen to SIGHUP", "open", "serving"]);
});

Deno.test("SIGHUP reads again what may change, and during the start does no harm", async () => {
  const { promise, resolve } = Promise.withResolvers<FakeServer>();
  const opening = Promise.withResolvers<void>();
  const serve: Serve = async (config) => {
    await opening.promise;
    const server = new FakeServer(config);
    resolve(server);
    return server;
  };
  const host = new FakeHost({ serve });
  const code = runProgram([], host);
  host.signal("SIGHUP");
  opening.resolve();
  const server = await promise;
  assert.equal(server.reloads, 0);
  while (!host.events.includes("serving")) await new Promise((resolve) => setTimeout(resolve, 0));
  host.signal("SIGHUP");
  assert.equal(server.reloads, 1);
  host.signal("SIGTERM");
  assert.equal(await code, 0);
});

Deno.test("SIGHUP reads the configuration again; one with a problem is told with its place, and is not handed on", async () => {
  const files: Record<string, string> = { "weir.yaml": "log: { level: info }" };
  const { host, code, started } = start(["--config", "weir.yaml"], { files });
  const server = await started;
  while (!host.events.includes("serving")) await new Promise((resolve) => setTimeout(resolve, 0));
  files["weir.yaml"] = "log: { level: error }\nauth: { acl: [{ permission: deny, filter: a }] }";
  host.signal("SIGHUP");
  assert.equal(server.reloaded?.log.level, "error");
  assert.equal(server.reloaded?.auth.acl.rules.length, 1);
  files["weir.yaml"] = "auth: { acl: [{ permission: deny }] }";
  host.signal("SIGHUP");
  assert.equal(server.reloads, 2, "files are read again all the same");
  assert.equal(server.reloaded, undefined);
  assert.match(
    host.complaints.join(),
    /the configuration stays as it was: .*weir\.yaml:1:15: auth\.acl\[0\]: expected the key/,
  );
  host.signal("SIGTERM");
  assert.equal(await code, 0);
});

Deno.test("a reload that fails in a way that nobody foresaw is told, and the broker goes on", async () => {
  const { host, code, started } = start([]);
  const server = await started;
  while (!host.events.includes("serving")) await new Promise((resolve) => setTimeout(resolve, 0));
  server.reload = () => Promise.reject(new TypeError("no such thing"));
  host.signal("SIGHUP");
  await Promise.resolve();
  await Promise.resolve();
  assert.match(host.complaints.join(), /what should have been read again stays as it was: .*no such thing/);
  host.signal("SIGTERM");
  assert.equal(await code, 0);
});

Deno.test("a signal during the start is not lost", async () => {
  const gate = Promise.withResolvers<void>();
  const serve: Serve = async (config) => {
    await gate.promise;
    return new FakeServer(config);
  };
  const { host, code } = start([], { serve });
  host.signal("SIGINT");
  gate.resolve();
  assert.equal(await code, 0);
});

Deno.test("a second Ctrl-C exits at once with 130, a second SIGTERM with 143", async () => {
  for (const [second, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const { host, code, started } = start([]);
    await started;
    host.signal("SIGINT");
    host.signal(second);
    await code;
    assert.ok(host.events.includes(`exit ${expected}`), host.events.join());
  }
});

Deno.test("the lines to try fit the address and ask for a name where one is needed", async () => {
  const yaml = `
server: { tcp_addr: "10.1.2.3:1999" }
auth:
  acl_default: allow
  scram:
    users: [{ username: a, salt: W22ZaJ0SNY7soEsUEjb6gQ==, iterations: 4096,
      stored_key: WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=, server_key: wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= }]`;
  const { host, code, started } = start(["--config", "weir.yaml"], { files: { "weir.yaml": yaml } });
  await started;
  host.signal("SIGINT");
  await code;
  assert.equal(host.printed[2], "Configuration: weir.yaml.");
  assert.equal(host.printed[6], "  mosquitto_sub -h 10.1.2.3 -p 1999 -u NAME -P PASSWORD -t 'hello/#' -v");
});

Deno.test("options win over file and environment", async () => {
  const files = { "weir.yaml": 'server: { tcp_addr: "127.0.0.1:1001" }' };
  const env = { WEIR_SERVER_TCP_ADDR: "127.0.0.1:1002" };
  const { host, code, started } = start(["serve", "-c", "weir.yaml", "--addr=127.0.0.1:0"], { files, env });
  await started;
  host.signal("SIGINT");
  await code;
  assert.equal(host.printed[1], "  tcp  127.0.0.1:40000", "0 is told as what the system chose");
});

Deno.test("--data is where the data is", async () => {
  const paths: string[] = [];
  const serve: Serve = ({ storage }) => {
    paths.push(storage.path);
    return Promise.reject(new Error("enough"));
  };
  await start(["--data", "elsewhere"], { serve, env: { WEIR_STORAGE_PATH: "somewhere" } }).code;
  assert.deepEqual(paths, ["elsewhere"]);
});

/** What the system says to `listen` -> what a person is told. */
const LISTEN_FAILURES: readonly (readonly [Error, string])[] = [
  [
    new Deno.errors.AddrInUse("Address already in use (os error 98)"),
    "the address is in use. Is another broker running? --addr HOST:PORT takes another one",
  ],
  [
    new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
    "permission denied. Ports below 1024 are reserved: take another one, such as 1883",
  ],
  [new Deno.errors.AddrNotAvailable("x"), "this machine has no such address"],
];

function named(name: string, message: string, cause: Error): Error {
  return Object.assign(new Error(message, { cause }), { name });
}

for (const [cause, words] of LISTEN_FAILURES) {
  Deno.test(`${cause.name} (${cause.message}) is told in one line with the address`, async () => {
    const error = named("ListenError", `Cannot listen on 127.0.0.1:1883: ${cause.message}`, cause);
    const { host, code } = start([], { serve: failing(error) });
    assert.equal(await code, 1);
    assert.deepEqual(host.complaints, [`weir: Cannot listen on 127.0.0.1:1883: ${words}`]);
  });
}

/** What was not about the address, though the system says the same. */
const OTHER_FAILURES: readonly Error[] = [
  named("DataFolderError", "Cannot use the data folder data: Permission denied", new Deno.errors.PermissionDenied("x")),
  named(
    "ListenError",
    "Cannot listen on 127.0.0.1:8883: Cannot read cert_file a.crt: this user may not read it",
    new Error("Cannot read cert_file a.crt", { cause: new Deno.errors.PermissionDenied("x") }),
  ),
];

for (const error of OTHER_FAILURES) {
  Deno.test(`not taken for a port that is reserved: ${error.message}`, async () => {
    const { host, code } = start([], { serve: failing(error) });
    assert.equal(await code, 1);
    assert.deepEqual(host.complaints, [`weir: ${error.message}`]);
  });
}

Deno.test("a permission that Deno did not get is told with the flag", async () => {
  const error = new Deno.errors.NotCapable(
    'Requires net access to "127.0.0.1:1883", run again with the --allow-net flag',
  );
  const { host, code } = start([], { serve: failing(error) });
  assert.equal(await code, 1);
  assert.deepEqual(host.complaints, [
    'weir: Deno did not allow it: Requires net access to "127.0.0.1:1883".',
    'weir: Run it with the permissions that deno.json lists, "deno run -P main.ts", or add --allow-net',
  ]);
});

/** The flag takes the place of the list in deno.json, which therefore has to be in it. */
const DENIED: readonly (readonly [what: string, flag: string, hint: string])[] = [
  ['read access to "/etc/weir/ca.crt"', "--allow-read", "--allow-read=config,data,src,/etc/weir/ca.crt"],
  [
    'write access to "/var/lib/weir"',
    "--allow-write",
    "--allow-read=config,data,src,/var/lib/weir --allow-write=data,/var/lib/weir",
  ],
];

for (const [what, flag, hint] of DENIED) {
  Deno.test(`what Deno did not allow is told with what was allowed: ${hint}`, async () => {
    const error = new Deno.errors.NotCapable(`Requires ${what}, run again with the ${flag} flag`);
    const { host, code } = start([], { serve: failing(error) });
    assert.equal(await code, 1);
    assert.ok(host.complaints[1].endsWith(`"deno run -P main.ts", or add ${hint}`), host.complaints[1]);
  });
}

Deno.test("a broker that had to stop ends the program with code 1 and the reason", async () => {
  const { host, code, started } = start([]);
  (await started).fail(new Error("Cannot commit: disk full"));
  assert.equal(await code, 1);
  assert.match(host.complaints[0], /Cannot commit: disk full/);
});
