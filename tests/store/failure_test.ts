/** A store that fails ends the broker, in words and with a code, and the next one starts from what was committed. */
import assert from "node:assert/strict";
import { runProgram } from "../../src/cli/program.ts";
import type { Serve } from "../../src/cli/serve.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import type { PageRequest, Store } from "../../src/core/ports.ts";
import { WeirBroker } from "../../src/server/weir_broker.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { FakeHost } from "../cli/support.ts";
import { session } from "../contract/mutations.ts";
import { TestBroker } from "../support/broker.ts";
import { TestClient } from "../support/client.ts";
import { durable } from "../support/departure.ts";
import { requires } from "../support/skip.ts";
import { assertWhole, Folder, OPTIONS } from "./folder.ts";
import { Program } from "../support/program.ts";

/** Another store until its disk breaks. */
class BreakingStore implements Store {
  readonly #store: Store;
  isBroken = false;

  constructor(store: Store) {
    this.#store = store;
  }

  load() {
    return this.#store.load();
  }

  async commit(mutations: readonly Mutation[]): Promise<void> {
    if (this.isBroken) throw new Error("disk I/O error");
    await this.#store.commit(mutations);
  }

  page(request: PageRequest) {
    return this.#store.page(request);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** `weir serve` over this store, in this process. */
function serveOver(store: Store) {
  const listening = Promise.withResolvers<number>();
  const serve: Serve = async () => {
    const broker = await WeirBroker.start({ store, sysIntervalMs: 0 });
    const listener = broker.listen({ port: 0 });
    listening.resolve(listener.port);
    return {
      listeners: [listener],
      dataDescription: "somewhere",
      stop: () => broker.stop(),
      reload: () => Promise.resolve(),
      finished: broker.finished,
    };
  };
  const host = new FakeHost({ serve });
  return { host, code: runProgram(["serve"], host), listening: listening.promise };
}

Deno.test("a commit that fails ends weir serve with one line and code 1; nothing unsaid is acknowledged", async () => {
  const store = new BreakingStore(new MemoryStore());
  const { host, code, listening } = serveOver(store);
  const client = await TestClient.open(await listening, 5);
  await client.connect(durable("alice"));
  await client.subscribe("q", { qos: 1 });
  store.isBroken = true;
  await client.send({ cmd: "publish", topic: "q", payload: "x", qos: 1, messageId: 9, dup: false, retain: false });
  await client.expectClosed();
  assert.equal(await code, 1);
  assert.deepEqual(host.complaints, [
    "weir: The broker had to stop: The store failed; what was not acknowledged may be lost: disk I/O error",
  ]);
  assert.ok(!host.printed.includes("Stopped."));
  client.close();
});

Deno.test("housekeeping that fails ends the broker as a commit does", async () => {
  const store = Object.assign(new MemoryStore(), { maintain: () => Promise.reject(new Error("disk I/O error")) });
  const { host, code } = serveOver(store);
  assert.equal(await code, 1);
  assert.match(host.complaints.join("\n"), /^weir: The broker had to stop: .*: disk I\/O error$/);
});

/** Runs `open` and answers the Worker that it started. */
async function withWorker<T>(open: () => Promise<T>): Promise<[T, Worker]> {
  const original = globalThis.Worker;
  let started: Worker | undefined;
  globalThis.Worker = class extends original {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      started = this;
    }
  };
  try {
    return [await open(), started!];
  } finally {
    globalThis.Worker = original;
  }
}

Deno.test("a Worker that dies fails whoever waits for it and the broker; the folder is free and whole afterwards", async () => {
  using folder = new Folder();
  const [store, worker] = await withWorker(() => openDataFolder(folder.path, OPTIONS));
  const broker = await TestBroker.start({ store });
  const alice = await broker.connect(durable("alice"));
  await alice.subscribe("q", { qos: 1 });
  await alice.disconnect();
  const publisher = await broker.connect();
  assert.equal(await publisher.publish("q", "kept", { qos: 1 }), 0);
  const finished = assert.rejects(
    broker.broker.finished,
    (error: Error) => /Worker failed: out of memory/.test(String(error.cause)),
  );
  const waiting = store.commit([session("bob")]);
  worker.dispatchEvent(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
  await assert.rejects(waiting, /The store's Worker failed: out of memory/);
  await publisher.send({ cmd: "publish", topic: "q", payload: "x", qos: 1, messageId: 9, dup: false, retain: false });
  await publisher.expectClosed();
  await finished;
  await assert.rejects(async () => await store.commit([]), /Worker failed/);
  await broker[Symbol.asyncDispose]();
  await using next = await TestBroker.start({ store: await openDataFolder(folder.path, OPTIONS) });
  const again = await next.connect(durable("alice"));
  assert.equal(String((await again.receive()).payload), "kept");
});

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** `weir serve` with its data in `folder`. With `blocks`, no file may grow beyond that many KiB: writes fail as on a broken disk. */
function weir(folder: Folder, blocks?: number): Program {
  const limit = blocks === undefined ? "" : `trap '' XFSZ; ulimit -f ${blocks}; `;
  const script = `${limit}exec "$0" run --quiet -A "$1" --addr 127.0.0.1:0`;
  return new Program("bash", ["-c", script, Deno.execPath(), MAIN], {
    WEIR_STORAGE_PATH: folder.path,
    WEIR_STORAGE_SYNC: "normal",
    WEIR_LOG_LEVEL: "error",
  });
}

async function portOf(program: Program): Promise<number> {
  return Number((await program.line(/^ {2}tcp {2}/)).split(":").at(-1));
}

Deno.test(requires(["bash"], {
  name:
    "a disk that fails ends the process with one line and code 1, and what was acknowledged is there after a restart",
  async fn() {
    using folder = new Folder();
    const acknowledged: string[] = [];
    {
      await using program = weir(folder, 17 * 1024);
      const publisher = await TestClient.open(await portOf(program), 5);
      await publisher.connect();
      for (let n = 0; n < 400; n++) {
        const topic = `r/${n}`;
        const sent = publisher.publish(topic, new Uint8Array(200_000), { qos: 1, retain: true });
        if (await sent.catch(() => 0x80) >= 0x80) break;
        acknowledged.push(topic);
      }
      const { code, errors } = await program.end();
      assert.equal(code, 1);
      assert.match(
        errors,
        /^weir: The broker had to stop: The store failed; what was not acknowledged may be lost: .*I\/O.*\n$/,
      );
      publisher.close();
    }
    assert.ok(acknowledged.length > 20, `it took ${acknowledged.length}`);
    await using program = weir(folder);
    const reader = await TestClient.open(await portOf(program), 5);
    await reader.connect();
    await reader.subscribe("r/#");
    const found = new Set<string>();
    while (found.size < acknowledged.length) found.add((await reader.receive()).topic);
    assert.deepEqual(acknowledged.filter((topic) => !found.has(topic)), []);
    reader.close();
    program.signal("SIGTERM");
    assert.equal((await program.end()).code, 0);
    assertWhole(folder.database);
  },
}));

Deno.test("a data folder that cannot be used ends weir serve with one line and code 1", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.database, "no database ".repeat(400));
  await using program = weir(folder);
  const { code, errors } = await program.end();
  assert.equal(code, 1);
  assert.match(errors, /^weir: Cannot use .*weir\.db: it is not an SQLite database\. The file is left as it is\n$/);
});
