/** `weir queue` against a running broker. */
import assert from "node:assert/strict";
import { runProgram } from "../../src/cli/program.ts";
import { HttpDoor } from "../http/door.ts";
import type { Authenticator } from "../../mod.ts";
import { WebServer } from "../auth/web_server.ts";
import { requires } from "../support/skip.ts";
import { Certificates } from "../tls/certificates.ts";
import { FakeHost, type FakeHostOptions } from "./support.ts";

class Commands implements AsyncDisposable {
  readonly door: HttpDoor;

  constructor(door: HttpDoor) {
    this.door = door;
  }

  /** Runs a line; words are separated by spaces. Answers what is printed; fails unless it exits with `code`. */
  async run(line: string, options: FakeHostOptions & { code?: number } = {}): Promise<string[]> {
    const host = new FakeHost(options);
    const code = await runProgram(["queue", ...line.split(" "), "--url", this.door.url], host);
    assert.equal(code, options.code ?? 0, host.complaints.join("\n"));
    return code === 0 ? host.printed : host.complaints;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.door[Symbol.asyncDispose]();
  }
}

Deno.test("weir queue: made, listed, changed, shown, purged, deleted", async () => {
  await using weir = new Commands(await HttpDoor.open());
  assert.deepEqual(await weir.run("list"), ["No queues."]);
  assert.deepEqual(await weir.run("create jobs partitions=2,retry.max_retries=3,dlq.enabled=true"), [
    "Made the queue jobs.",
  ]);
  await weir.door.broker.publish({ topic: "$queue/jobs", payload: "x".repeat(89), qos: 1 });
  assert.deepEqual(await weir.run("list"), [
    "QUEUE  TYPE     PARTITIONS  WAITING  BYTES  DELAYED  DEAD  GROUPS",
    "jobs   classic           2        1  100 B        0     0  -",
  ]);
  assert.deepEqual(await weir.run("change jobs visibility_timeout=2m,topics=a/#"), ["Changed the queue jobs."]);
  const shown = await weir.run("show jobs");
  assert.equal(shown[0], "jobs: 1 message, 100 B waiting; 1 message, 100 B stored; 0 messages, 0 B delayed");
  for (const line of ["  visibility_timeout: 2m", "  topics: a/#", "  retry.max_retries: 3", "No groups."]) {
    assert.ok(shown.includes(line), line);
  }
  const { definition } = JSON.parse((await weir.run("show jobs --json")).join("\n"));
  assert.deepEqual([definition.partitions, definition.topics], [2, ["a/#"]]);
  assert.deepEqual(await weir.run("purge jobs"), ["Took 1 message away."]);
  assert.deepEqual(await weir.run("delete jobs"), ["Deleted the queue jobs."]);
  assert.deepEqual(await weir.run("show jobs", { code: 1 }), ['weir: There is no queue "jobs"']);
});

Deno.test("weir queue: dead letters are shown, sent back and dropped", async () => {
  await using weir = new Commands(await HttpDoor.open());
  const { broker } = weir.door;
  await weir.run("create jobs partitions=1");
  for (const payload of ["a", "b\u001b[2J", "c"]) await broker.publish({ topic: "$queue/jobs", payload, qos: 1 });
  using reader = broker.queues.consume("jobs", { group: "g" });
  for (let i = 0; i < 3; i++) await (await reader.next()).value!.reject("no good");
  const lines = await weir.run("dead-letters jobs");
  assert.match(lines[0], /^ID +CAUSE +REASON +GROUP +DELIVERIES +SINCE +PAYLOAD$/);
  assert.match(lines[1], /^jobs\/\$dlq:0:0 +rejected +no good +g +1 +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +a$/);
  assert.doesNotMatch(lines[2], /\p{Cc}/u);
  assert.equal((await weir.run("dead-letters jobs --limit 1")).at(-1), "... and more: --after 'jobs/$dlq:0:0'");
  assert.match((await weir.run("dead-letters jobs --after jobs/$dlq:0:1"))[1], /^jobs\/\$dlq:0:2 /);
  assert.equal(JSON.parse((await weir.run("dead-letters jobs -j")).join("\n")).messages.length, 3);
  assert.deepEqual(await weir.run("replay jobs jobs/$dlq:0:0"), ["Sent 1 dead letter back."]);
  assert.deepEqual(await weir.run("drop jobs jobs/$dlq:0:0,jobs/$dlq:0:1"), ["Deleted 1 dead letter."]);
  assert.deepEqual(await weir.run("replay jobs --all"), ["Sent 1 dead letter back."]);
  assert.deepEqual(await weir.run("drop jobs --all"), ["Deleted 0 dead letters."]);
  assert.deepEqual(await weir.run("dead-letters jobs"), ["No dead letters."]);
});

Deno.test("weir queue: dead letters that cannot go back are told, and the others go; the exit code is 1", async () => {
  await using weir = new Commands(await HttpDoor.open());
  const { queues } = weir.door.broker;
  await weir.run("create jobs partitions=1");
  for (const payload of ["a", "b"]) await weir.door.broker.publish({ topic: "$queue/jobs", payload, qos: 1 });
  using reader = queues.consume("jobs", { group: "g" });
  for (let i = 0; i < 2; i++) await (await reader.next()).value!.reject();
  await queues.change({ name: "jobs", limits: { messages: 1 } });
  const host = new FakeHost();
  assert.equal(await runProgram(["queue", "replay", "jobs", "--all", "--url", weir.door.url], host), 1);
  assert.deepEqual(host.printed, ["Sent 1 dead letter back."]);
  assert.equal(host.complaints[0], "weir: 1 dead letter could not go back, and stays:");
  assert.match(host.complaints[1], /^weir: {3}jobs\/\$dlq:0:1: Cannot append to "jobs"/);
  assert.match((await weir.run("replay jobs --all", { code: 1 }))[0], /^weir: Cannot send "jobs\/\$dlq:0:1" back: /);
});

Deno.test("weir queue: a group is moved and deleted; dead letters are shown from where the last page ended", async () => {
  await using weir = new Commands(await HttpDoor.open());
  const { broker } = weir.door;
  await weir.run("create events type=stream,partitions=2");
  using reader = broker.queues.consume("events", { group: "a b" });
  reader.close();
  for (const [key, payload] of [["x", "1"], ["x", "2"], ["y", "3"]]) {
    await broker.publish({ topic: "$queue/events", payload, qos: 1, userProperties: [["partition-key", key]] });
  }
  const positions = () => {
    const [{ positions }] = broker.queues.get("events")!.groups;
    return positions.toSorted((a, b) => a.partition - b.partition).map(({ position }) => position);
  };
  const host = new FakeHost();
  const run = (...args: string[]) => runProgram(["queue", ...args, "--url", weir.door.url], host);
  assert.equal(await run("seek", "events", "a b", "last"), 0);
  const ends = positions();
  assert.equal(ends[0] + ends[1], 3);
  assert.equal(await run("seek", "events", "a b", "offset=0", "--partition", "1"), 0);
  assert.deepEqual(positions(), [ends[0], 0]);
  assert.equal(await run("seek", "events", "a b", "first"), 0);
  assert.deepEqual(positions(), [0, 0]);
  assert.equal(await run("delete-group", "events", "a b"), 0);
  assert.deepEqual(broker.queues.get("events")!.groups, []);
  assert.deepEqual(host.printed, [
    "Moved the group a b to last.",
    "Moved the group a b to offset=0 in partition 1.",
    "Moved the group a b to first.",
    "Deleted the group a b.",
  ]);
  assert.match((await weir.run("seek events none first", { code: 1 }))[0], /There is no group "none"/);
  assert.match((await weir.run("seek events g soon", { code: 1 }))[0], /There is no group|it is first, last, offset/);
});

Deno.test("weir queue: what cannot be is told, and nothing is sent", async () => {
  await using weir = new Commands(await HttpDoor.open());
  for (
    const [line, message] of [
      ["replay jobs", /name the dead letters by their ids, or say --all/],
      ["drop jobs x --all", /name the dead letters by their ids, or say --all/],
      ["create jobs partitions", /expected KEY=VALUE .*found "partitions"/],
      ["change jobs", /queue change needs KEY=VALUE/],
      ["seek jobs g first --partition x", /--partition needs a whole number from 0 to 999/],
      ["seek jobs g", /queue seek needs TO/],
      ["delete-group jobs", /queue delete-group needs GROUP/],
      ["list --cert a", /--cert and --key go together/],
      ["list --token-file a --username ann", /--token-file says who you are/],
      ["dead-letters jobs --limit 0", /--limit needs a whole number from 1 to 1000/],
      ["lst", /unknown command "queue lst"\. Did you mean "queue list"|unknown command "queue lst"/],
    ] as const
  ) {
    assert.match((await weir.run(line, { code: 2 }))[0], message, line);
  }
  assert.match((await weir.run("create jobs partition=1", { code: 1 }))[0], /"partition": it is unknown here/);
});

Deno.test("weir queue: who calls is WEIR_USERNAME or --username; the password is asked for or read from a file", async () => {
  const decoder = new TextDecoder();
  const policy = { mayPublish: () => true, maySubscribe: () => true };
  const door = await HttpDoor.open({
    authenticator: {
      authenticate: ({ username, password }) => {
        if (username === "ann" && decoder.decode(password) === "s:cret") return { username, policy };
        return { refusal: "bad-user-name-or-password", reason: "User name or password is wrong" };
      },
    },
  });
  await using weir = new Commands(door);
  const env = { WEIR_USERNAME: "ann" };
  assert.deepEqual(await weir.run("list", { env, secrets: ["s:cret"] }), ["No queues."]);
  const files = { "/pass": "s:cret\n" };
  assert.deepEqual(await weir.run("list --username ann --password-file /pass", { files }), ["No queues."]);
  const [wrong] = await weir.run("list", { env, secrets: ["no"], code: 1 });
  assert.match(
    wrong,
    /User name or password is wrong\. Name who you are with --username, WEIR_USERNAME or --token-file/,
  );
  assert.match((await weir.run("list", { code: 1 }))[0], /WEIR_USERNAME/);
  assert.match((await weir.run("list", { env, code: 1 }))[0], /Cannot call without a password/);
});

Deno.test("weir queue: a token from a file says who calls", async () => {
  const policy = { mayPublish: () => true, maySubscribe: () => true };
  const decoder = new TextDecoder();
  const authenticator: Authenticator = {
    authenticate: ({ username, password }) =>
      username === undefined && decoder.decode(password) === "t.o.k"
        ? { username: "ann", policy }
        : { refusal: "bad-user-name-or-password", reason: "Token is wrong" },
  };
  await using weir = new Commands(await HttpDoor.open({ authenticator }));
  const files = { "/token": "t.o.k\r\n", "/other": "x", "/empty": "\n" };
  const env = { WEIR_USERNAME: "bob" };
  assert.deepEqual(await weir.run("list --token-file /token", { files, env }), ["No queues."]);
  const fails = async (file: string) => (await weir.run(`list --token-file ${file}`, { files, code: 1 }))[0];
  assert.match(
    await fails("/other"),
    /Token is wrong\. Name who you are with --username, WEIR_USERNAME or --token-file/,
  );
  assert.match(await fails("/empty"), /Cannot use --token-file \/empty: its first line is empty/);
  assert.match(await fails("/none"), /Cannot read --token-file \/none: there is no such file/);
});

Deno.test(requires(["openssl"], {
  name: "weir queue: over TLS with an authority of one's own, and a certificate that the broker asks for",
  async fn() {
    using certificates = new Certificates();
    const names = ["ca.crt", "server.crt", "server.key", "client.crt", "client.key"];
    const files = Object.fromEntries(names.map((name) => [`/${name}`, certificates.read(name)]));
    const tls = {
      certificate: files["/server.crt"],
      privateKey: files["/server.key"],
      clientCertificate: "require",
      clientAuthorities: files["/ca.crt"],
    } as const;
    await using door = await HttpDoor.open({ http: { tls } });
    const list = async (...more: string[]) => {
      const host = new FakeHost({ files: { ...files, "/none.crt": "nothing" } });
      const code = await runProgram(["queue", "list", "--url", `https://localhost:${door.port}`, ...more], host);
      return code === 0 ? host.printed.join() : host.complaints[0];
    };
    const own = ["--cert", "/client.crt", "--key", "/client.key"];
    assert.equal(await list("--cacert", "/ca.crt", ...own), "No queues.");
    assert.match(
      await list(...own),
      /^weir: Cannot reach a broker at https:.*UnknownIssuer. --cacert names whom to trust/,
    );
    assert.match(await list("--cacert", "/ca.crt"), /^weir: Cannot reach a broker at https:/);
    assert.match(await list("--cacert", "/none.crt", ...own), /^weir: Cannot reach a broker at https:/);
  },
}));

Deno.test("weir queue: a password leaves the machine only over TLS, and never stands in the URL", async () => {
  const run = async (url: string) => {
    const host = new FakeHost({ env: { WEIR_USERNAME: "ann" }, secrets: ["s"] });
    return [await runProgram(["queue", "list", "--url", url], host), host.complaints[0]];
  };
  const clear = "weir: Cannot send a password to broker.example in clear text: take an https URL";
  const host = new FakeHost({ files: { "/t": "secret" } });
  assert.equal(await runProgram(["queue", "list", "--url", "http://b.example", "--token-file", "/t"], host), 1);
  assert.deepEqual(host.complaints, ["weir: Cannot send a token to b.example in clear text: take an https URL"]);
  assert.deepEqual(await run("http://broker.example"), [1, clear]);
  assert.match(`${await run("http://a:b@127.0.0.1:1")}`, /^2,weir: --url cannot hold a user and a password/);
  assert.match(`${await run("ftp://x")}`, /^2,weir: --url needs an address/);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assert.match(`${await run(`http://127.0.0.1:${port}`)}`, /^1,weir: Cannot reach a broker at .*http_enabled: true/);
});

Deno.test("weir queue: an answer that is no document is told to be none of a broker's", async () => {
  await using server = new WebServer(() => new Response("<p>Welcome</p>"));
  const host = new FakeHost();
  assert.equal(await runProgram(["queue", "list", "--url", server.url], host), 1);
  assert.deepEqual(host.complaints, ["weir: The answer was 200, and not from a broker"]);
});

Deno.test("weir queue: an answer that does not end is not read to the end", async () => {
  const chunk = new Uint8Array(1024 ** 2).fill(0x20);
  let chunks = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => chunks++ < 200 ? controller.enqueue(chunk) : controller.close(),
    });
  await using server = new WebServer(() => new Response(endless()));
  const host = new FakeHost();
  assert.equal(await runProgram(["queue", "list", "--url", server.url], host), 1);
  assert.match(host.complaints[0], /its answer has more than \d+ bytes/);
  assert.ok(chunks < 200);
});
