/** `weir queue` against a running broker. */
import assert from "node:assert/strict";
import { runProgram } from "../../src/cli/program.ts";
import { HttpDoor } from "../http/door.ts";
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
  assert.equal((await weir.run("dead-letters jobs --limit 1")).at(-1), "... and more; --limit shows up to 1000");
  assert.equal(JSON.parse((await weir.run("dead-letters jobs -j")).join("\n")).messages.length, 3);
  assert.deepEqual(await weir.run("replay jobs jobs/$dlq:0:0"), ["Sent 1 dead letter back."]);
  assert.deepEqual(await weir.run("drop jobs jobs/$dlq:0:0,jobs/$dlq:0:1"), ["Deleted 1 dead letter."]);
  assert.deepEqual(await weir.run("replay jobs --all"), ["Sent 1 dead letter back."]);
  assert.deepEqual(await weir.run("drop jobs --all"), ["Deleted 0 dead letters."]);
  assert.deepEqual(await weir.run("dead-letters jobs"), ["No dead letters."]);
});

Deno.test("weir queue: what cannot be is told, and nothing is sent", async () => {
  await using weir = new Commands(await HttpDoor.open());
  for (
    const [line, message] of [
      ["replay jobs", /name the dead letters by their ids, or say --all/],
      ["drop jobs x --all", /name the dead letters by their ids, or say --all/],
      ["create jobs partitions", /expected KEY=VALUE .*found "partitions"/],
      ["change jobs", /queue change needs KEY=VALUE/],
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
  assert.match(wrong, /User name or password is wrong\. Name who you are with --username or WEIR_USERNAME/);
  assert.match((await weir.run("list", { code: 1 }))[0], /WEIR_USERNAME/);
  assert.match((await weir.run("list", { env, code: 1 }))[0], /Cannot call without a password/);
});

Deno.test("weir queue: a password leaves the machine only over TLS, and never stands in the URL", async () => {
  const run = async (url: string) => {
    const host = new FakeHost({ env: { WEIR_USERNAME: "ann" }, secrets: ["s"] });
    return [await runProgram(["queue", "list", "--url", url], host), host.complaints[0]];
  };
  const clear = "weir: Cannot send a password to broker.example in clear text: take an https URL";
  assert.deepEqual(await run("http://broker.example"), [1, clear]);
  assert.match(`${await run("http://a:b@127.0.0.1:1")}`, /^2,weir: --url cannot hold a user and a password/);
  assert.match(`${await run("ftp://x")}`, /^2,weir: --url needs an address/);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assert.match(`${await run(`http://127.0.0.1:${port}`)}`, /^1,weir: Cannot reach a broker at/);
});
