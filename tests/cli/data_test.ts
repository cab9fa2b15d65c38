/** `weir backup` and `weir inspect`, over the data of a broker that runs and of one that does not. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { runProgram } from "../../src/cli/program.ts";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import type { WorkerStore } from "../../src/store/sqlite/worker_store.ts";
import { body, delivery, retained, session, subscription, will } from "../contract/mutations.ts";
import { appended, group, log, queue, settled } from "../contract/queue_mutations.ts";
import { assertWhole, Folder, numberFrom, OPTIONS } from "../store/folder.ts";
import { Program } from "../support/program.ts";
import { FakeHost, type FakeHostOptions } from "./support.ts";

const SINCE = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

const HELD = [
  session("alice", { username: "al", expirySeconds: 0xffff_ffff, offlineSince: SINCE }),
  session("bob", { expirySeconds: 300 }),
  session("e\u001b[31m"),
  subscription("alice", "a/#"),
  subscription("alice", "b"),
  body(1, { payload: new Uint8Array(2_000) }),
  delivery("alice", 1, 1),
  delivery("bob", 2, 1, { packetId: 7 }),
  body(2, { payload: new Uint8Array(1_000) }),
  delivery("alice", 3, 2),
  delivery("bob", 4, 2),
  body(3, { topic: "lamp/1", payload: new Uint8Array(10), qos: 2 }),
  retained("lamp/1", 3),
  body(4, { topic: "lamp/2" }),
  retained("lamp/2", 4),
  will("bob"),
  queue(1, { name: "orders" }),
  ...[log(2, 1), appended(2, 0), appended(2, 1), appended(2, 2), group(3, 1, { name: "g" })],
  ...[settled({ groupId: 3, logId: 2 }, [1, 2], 0), group(4, 1, { name: "new" })],
] as const;

async function weir(args: readonly string[], options: FakeHostOptions = {}): Promise<[number, FakeHost]> {
  const host = new FakeHost(options);
  return [await runProgram(args, host), host];
}

/** A data folder that a broker holds open. */
async function running(folder: Folder): Promise<WorkerStore> {
  const store = await openDataFolder(folder.path, OPTIONS);
  await store.commit(HELD);
  return store;
}

async function stopped(folder: Folder): Promise<void> {
  await (await running(folder)).close();
}

Deno.test("weir inspect counts everything, while a broker runs and when it has stopped", async () => {
  using folder = new Folder();
  const store = await running(folder);
  const [code, { printed }] = await weir(["inspect", "--data", `${folder.path}/`]);
  assert.equal(code, 0);
  assert.match(printed[0], /\/weir\.db: [\d.]+ KiB, in use by a broker$/);
  const rest = [
    "  queues    3 messages waiting (3.9 KiB), 1 inflight",
    "  retained  2 messages (23 B)",
    "  durable   1 queue",
  ];
  assert.deepEqual(printed.slice(1), ["  sessions  3, 2 online, with 2 subscriptions and 1 will", ...rest]);
  await store.close();
  const [, after] = await weir(["inspect", "--data", folder.path]);
  assert.match(after.printed[0], /no broker uses it$/);
  assert.deepEqual(after.printed.slice(1), ["  sessions  3, 0 online, with 2 subscriptions and 1 will", ...rest]);
});

Deno.test("weir inspect sessions lists who is there and what waits for whom; names draw nothing on the terminal", async () => {
  using folder = new Folder();
  const store = await running(folder);
  const [, { printed }] = await weir(["inspect", "sessions", "-d", folder.path]);
  assert.deepEqual(printed, [
    "CLIENT       USER  STATE                               EXPIRY  SUBSCRIPTIONS  WAITING  INFLIGHT",
    "alice        al    offline since 2026-01-02T03:04:05Z  never               2        2         0",
    "bob          -     online                              300 s               0        1         1",
    "e\\u{1b}[31m  -     online                              60 s                0        0         0",
  ]);
  await store.close();
  const [, after] = await weir(["inspect", "sessions", "-d", folder.path]);
  assert.match(after.printed[2], /^bob {10}- {5}offline /, "whoever was connected to a broker that is gone is not");
});

Deno.test("weir inspect queues shows the largest first, retained by topic", async () => {
  using folder = new Folder();
  await stopped(folder);
  const queues = await weir(["inspect", "queues", "-d", folder.path]);
  assert.deepEqual(queues[1].printed, [
    "CLIENT  MESSAGES    BYTES",
    "alice          2  2.9 KiB",
    "bob            1   1003 B",
  ]);
  const topics = await weir(["inspect", "retained", "-d", folder.path]);
  assert.deepEqual(topics[1].printed, ["TOPIC   BYTES  QOS", "lamp/1   16 B    2", "lamp/2    7 B    1"]);
  const first = await weir(["inspect", "retained", "-d", folder.path, "--limit", "1"]);
  assert.deepEqual(first[1].printed.slice(1), ["lamp/1   16 B    2", "... and 1 more; --limit 0 shows all"]);
  assert.equal((await weir(["inspect", "retained", "-d", folder.path, "--limit", "0"]))[1].printed.length, 3);
});

Deno.test("weir inspect durable shows durable queues, and how far each group is behind", async () => {
  using folder = new Folder();
  await stopped(folder);
  const [code, { printed }] = await weir(["inspect", "durable", "-d", folder.path]);
  assert.equal(code, 0);
  assert.deepEqual(printed.map((line) => line.trim().split(/  +/)), [
    ["QUEUE", "TYPE", "PARTITIONS", "MESSAGES", "BYTES", "DELAYED", "GROUPS (LAG)"],
    ["orders", "classic", "10", "3", "27 B", "0", "g (2), new (3)"],
  ]);
});

Deno.test("weir inspect --json is JSON, in bytes, seconds and milliseconds", async () => {
  using folder = new Folder();
  await stopped(folder);
  const json = async (...args: string[]) => {
    const [code, { printed }] = await weir(["inspect", "--json", "-d", folder.path, ...args]);
    assert.equal(code, 0);
    return JSON.parse(printed.join("\n"));
  };
  const { path, bytes, ...counts } = await json();
  assert.deepEqual([path, bytes], [folder.database, folder.size()]);
  assert.deepEqual(counts, {
    isInUse: false,
    sessions: 3,
    sessionsOnline: 0,
    subscriptions: 2,
    messagesWaiting: 3,
    bytesWaiting: 4009,
    messagesInflight: 1,
    retained: 2,
    retainedBytes: 23,
    wills: 1,
    durableQueues: 1,
  });
  const { total, sessions } = await json("sessions", "--limit", "1");
  assert.equal(total, 3);
  assert.deepEqual(sessions, [{
    clientId: "alice",
    username: "al",
    offlineSince: SINCE,
    expirySeconds: 0xffff_ffff,
    subscriptions: 2,
    waiting: 2,
    inflight: 0,
  }]);
  assert.deepEqual(await json("queues", "--limit", "1"), {
    total: 2,
    queues: [{ clientId: "alice", messages: 2, bytes: 3006 }],
  });
  assert.deepEqual((await json("retained")).retained[0], { topic: "lamp/1", bytes: 16, qos: 2 });
});

Deno.test("weir inspect of a stopped broker's folder changes nothing and makes no file", async () => {
  using folder = new Folder();
  await stopped(folder);
  const before = folder.contents();
  for (const section of [[], ["sessions"], ["queues"], ["retained"]]) {
    assert.equal((await weir(["inspect", ...section, "-d", folder.path]))[0], 0);
  }
  assert.deepEqual(folder.contents(), before);
  assert.deepEqual(Object.keys(before), ["weir.db", "weir.db.ballast", "weir.lock"]);
});

Deno.test("weir inspect of what a killed broker left leaves database and log as they are", async () => {
  using folder = new Folder();
  await using writer = Program.module("tests/store/holder.ts", "write", folder.path);
  await writer.line(/^50$/);
  await writer.kill();
  const { "weir.db-shm": _before, ...before } = folder.contents();
  const [code, { printed }] = await weir(["inspect", "queues", "-d", folder.path]);
  assert.equal(code, 0);
  assert.match(printed[1], /^(alice|bob) +(5\d|[6-9]\d|\d{3})/);
  const { "weir.db-shm": _after, ...after } = folder.contents();
  assert.deepEqual(after, before);
});

Deno.test("an empty store is told as such", async () => {
  using folder = new Folder();
  await (await openDataFolder(folder.path, OPTIONS)).close();
  const [, { printed }] = await weir(["inspect", "sessions", "-d", folder.path]);
  assert.deepEqual(printed, ["No sessions."]);
});

/** What lies in a data folder -> what inspect and backup say of it. */
const UNUSABLE: readonly (readonly [string, (path: string) => void, RegExp])[] = [
  [
    "no database",
    () => {},
    /^weir: Cannot read .*weir\.db: there is no such file\. Is that the data folder of a broker\?$/,
  ],
  [
    "an empty file",
    (path) => Deno.writeFileSync(path, new Uint8Array()),
    /: it is empty: no broker has stored anything yet$/,
  ],
  [
    "a text file",
    (path) => Deno.writeTextFileSync(path, "hello ".repeat(999)),
    /: it is not an SQLite database\. The file is left as it is$/,
  ],
  [
    "another program's database",
    (path) => execute(path, "CREATE TABLE theirs (a)"),
    /: it is an SQLite database of another program\./,
  ],
  [
    "a newer database",
    (path) => execute(path, "PRAGMA application_id = 0x57454952; PRAGMA user_version = 99; CREATE TABLE more (a)"),
    /: its schema is version 99, this program knows versions up to \d+\..*a newer Weir wrote it$/,
  ],
  [
    "a database whose schema is cut off",
    (path) => {
      execute(
        path,
        "PRAGMA application_id = 0x57454952; PRAGMA user_version = 1; CREATE TABLE a (b); CREATE TABLE c (d)",
      );
      Deno.truncateSync(path, 4096);
    },
    /: it is damaged \(.*\)\. The file is left as it is; docs\/operations\.md says how to restore a backup$/,
  ],
];

function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

for (const [what, make, words] of UNUSABLE) {
  Deno.test(`weir inspect and weir backup tell ${what} in one line, exit code 1, and leave it as it is`, async () => {
    using folder = new Folder();
    make(folder.database);
    const before = folder.contents();
    using elsewhere = new Folder();
    for (const args of [["inspect"], ["backup", elsewhere.file("copy.db")]]) {
      const [code, { printed, complaints }] = await weir([...args, "--data", folder.path]);
      assert.deepEqual([code, printed, complaints.length], [1, [], 1], complaints.join());
      assert.match(complaints[0], words);
    }
    assert.deepEqual(folder.contents(), before);
    assert.deepEqual(elsewhere.contents(), {}, "nothing is left of the copy");
  });
}

Deno.test("the configuration names the folder where --data does not", async () => {
  using folder = new Folder();
  await stopped(folder);
  const files = {
    "weir.yaml": `storage: { path: ${JSON.stringify(folder.path)} }`,
    "memory.yaml": "storage: { type: memory }",
  };
  assert.equal((await weir(["inspect", "--config", "weir.yaml"], { files }))[0], 0);
  assert.equal((await weir(["inspect"], { env: { WEIR_STORAGE_PATH: folder.path } }))[0], 0);
  const [code, { complaints }] = await weir(["inspect", "-c", "memory.yaml"], { files });
  assert.deepEqual([code, complaints], [1, [
    "weir: There is no data: memory.yaml says storage.type: memory. --data FOLDER names a folder",
  ]]);
  const both = await weir(["inspect", "-c", "weir.yaml", "-d", "x"], { files });
  assert.deepEqual([both[0], both[1].complaints[0]], [2, "weir: --data and --config say the same: give one of them"]);
});

/** Command line -> what it is told; the exit code is 2. */
const MISUSES: Readonly<Record<string, string>> = {
  "inspect topics": 'inspect lists sessions, queues, retained, durable, not "topics"',
  "inspect --limit many": '--limit needs a whole number, 0 for all, found "many"',
  "inspect sessions queues": 'unexpected "queues" after weir inspect sessions',
  "backup": "backup needs TARGET: weir backup TARGET",
  "backup --json a.db": "unknown option --json",
};

for (const [line, message] of Object.entries(MISUSES)) {
  Deno.test(`weir ${line}: exit code 2 with a hint`, async () => {
    const [code, { complaints }] = await weir(line.split(" "));
    assert.deepEqual([code, complaints[0]], [2, `weir: ${message}`]);
  });
}

Deno.test("weir backup copies the data of a running broker as it is at one moment, for its owner only", async () => {
  using folder = new Folder();
  using elsewhere = new Folder();
  const store = await running(folder);
  const target = elsewhere.file("copy.db");
  const [code, { printed, complaints }] = await weir(["backup", "--data", folder.path, target]);
  assert.deepEqual([code, complaints], [0, []]);
  assert.match(printed[0], /copy\.db: [\d.]+ KiB, whole\. docs\/operations\.md says how to restore it\.$/);
  await store.commit([session("later")]);
  await store.close();
  assert.deepEqual(Object.keys(elsewhere.contents()), ["copy.db"]);
  assert.equal(Deno.statSync(target).mode! & 0o777, 0o600);
  assertWhole(target);
  assert.equal(numberFrom(target, "SELECT count(*) FROM sessions"), 3);
});

Deno.test("weir backup of a stopped broker is the whole of it, changes nothing there, and can be restored", async () => {
  using folder = new Folder();
  using restored = new Folder();
  await stopped(folder);
  const before = folder.contents();
  assert.equal((await weir(["backup", "--data", folder.path, restored.database]))[0], 0);
  assert.deepEqual(folder.contents(), before);
  const [original, copy] = [await openDataFolder(folder.path, OPTIONS), await openDataFolder(restored.path, OPTIONS)];
  assert.deepEqual(await copy.load(), await original.load());
  await original.close();
  await copy.close();
});

Deno.test("weir backup of a broker that commits without pause is whole, and no half commit is in it", async () => {
  using folder = new Folder();
  using elsewhere = new Folder();
  await using writer = Program.module("tests/store/holder.ts", "write", folder.path);
  await writer.line(/^200$/);
  for (let n = 0; n < 5; n++) {
    const target = elsewhere.file(`copy-${n}.db`);
    const [code, { complaints }] = await weir(["backup", "--data", folder.path, target]);
    assert.deepEqual([code, complaints], [0, []]);
    assertWhole(target);
    const [odd, even] = [0, 1].map((rest) =>
      numberFrom(target, `SELECT count(*) FROM deliveries WHERE id % 2 = ${rest}`)
    );
    assert.ok(odd === even && odd >= 200, `${odd} and ${even}`);
  }
  await writer.kill();
});

Deno.test("weir backup touches no file that is there, and no copy that another one is making", async () => {
  using folder = new Folder();
  await stopped(folder);
  for (const name of ["copy.db", "copy.db.part"]) {
    using elsewhere = new Folder();
    Deno.writeTextFileSync(elsewhere.file(name), "mine");
    const [code, { complaints }] = await weir(["backup", "--data", folder.path, elsewhere.file("copy.db")]);
    assert.equal(code, 1);
    assert.match(complaints.join("\n"), /^weir: Cannot back up to .*copy\.db: .*is there.*$/);
    assert.deepEqual(Object.keys(elsewhere.contents()), [name]);
    assert.equal(Deno.readTextFileSync(elsewhere.file(name)), "mine");
  }
});

Deno.test("weir backup refuses damaged data and keeps no copy of it", async () => {
  using folder = new Folder();
  using elsewhere = new Folder();
  await stopped(folder);
  const bytes = Deno.readFileSync(folder.database);
  for (let page = 2; page < bytes.length / 4096; page++) bytes.fill(0xa5, page * 4096, page * 4096 + 8);
  Deno.writeFileSync(folder.database, bytes);
  const [code, { complaints }] = await weir(["backup", "--data", folder.path, elsewhere.file("copy.db")]);
  assert.equal(code, 1);
  assert.match(complaints.join("\n"), /^weir: Cannot .*damaged.*$/);
  assert.deepEqual(elsewhere.contents(), {});
});

Deno.test("weir backup to a folder that is not there says so", async () => {
  using folder = new Folder();
  await stopped(folder);
  const [code, { complaints }] = await weir(["backup", "--data", folder.path, folder.file("none/copy.db")]);
  assert.equal(code, 1);
  assert.match(complaints.join("\n"), /^weir: Cannot back up to .*none\/copy\.db: No such file/);
});
