/** A quota that is used up: SQLite reports it as a disk that fails, and it is handled as one that is full. */
import assert from "node:assert/strict";
import { requires } from "../support/skip.ts";
import { TestClient } from "../support/client.ts";
import { durable } from "../support/departure.ts";
import { assertWhole, Folder } from "./folder.ts";
import { Program } from "../support/program.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const SOURCE = new URL("./quota.c", import.meta.url).pathname;
const QUOTA_EXCEEDED = 0x97;
const PATIENCE_MS = 20_000;

/** `weir serve` in a folder that may hold 40 MB. */
function weirWithQuota(folder: Folder, library: string): Program {
  return new Program(Deno.execPath(), ["run", "--quiet", "-A", MAIN, "--addr", "127.0.0.1:0"], {
    WEIR_STORAGE_PATH: `${folder.path}/data`,
    WEIR_STORAGE_SYNC: "off",
    LD_PRELOAD: library,
    QUOTA_FOLDER: `${folder.path}/data`,
    QUOTA_BYTES: "40000000",
  });
}

async function connected(port: number, clientId: string): Promise<TestClient> {
  const client = await TestClient.open(port, 5);
  await client.connect(durable(clientId));
  return client;
}

Deno.test(requires(["gcc"], {
  name: "a used-up quota refuses what is new, lets subscribers drain, and is over when there is room; nothing is lost",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using folder = new Folder();
    const library = folder.file("quota.so");
    const gcc = new Deno.Command("gcc", { args: ["-O2", "-shared", "-fPIC", "-o", library, SOURCE] });
    assert.ok(gcc.outputSync().success);
    await using program = weirWithQuota(folder, library);
    const port = Number(/:(\d+)/.exec(await program.line(/127\.0\.0\.1:\d+/))![1]);
    const alice = await connected(port, "alice");
    await alice.subscribe("q", { qos: 1 });
    await alice.disconnect();
    const publisher = await connected(port, "publisher");
    let taken = 0;
    while (await publisher.publish("q", new Uint8Array(100_000).fill(taken), { qos: 1 }) === 0) taken++;
    assert.ok(taken > 50 && taken < 400, `it took ${taken}`);
    assert.equal(await publisher.publish("q", "x", { qos: 1 }), QUOTA_EXCEEDED);
    const back = await connected(port, "alice");
    for (let n = 0; n < taken; n++) assert.equal((await back.receive()).payload[0], n);
    await back.disconnect();
    for (const end = Date.now() + PATIENCE_MS;;) {
      if (await publisher.publish("q", "again", { qos: 1 }) === 0) break;
      assert.ok(Date.now() < end, "the room that came back is not used");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    publisher.close();
    program.signal("SIGTERM");
    assert.equal((await program.end()).code, 0);
    assertWhole(`${folder.path}/data/weir.db`);
  },
}));
