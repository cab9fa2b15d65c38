import assert from "node:assert/strict";
import { openSqliteStore, WeirBroker } from "../../mod.ts";
import { nextText } from "./waiting.ts";

/** Does something with a folder that is not there yet. */
async function withFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir({ prefix: "weir-library-" });
  try {
    await act(`${parent}/data`);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

Deno.test("a broker on SQLite keeps what it was given, and leaves nothing open", async () => {
  await withFolder(async (folder) => {
    {
      await using broker = await WeirBroker.start({ store: await openSqliteStore(folder) });
      await broker.publish({ topic: "kept", payload: "still here", retain: true });
    }
    await using broker = await WeirBroker.start({ store: await openSqliteStore(folder, { sync: "normal" }) });
    assert.equal(await nextText(broker.subscribe("kept").getReader()), "still here");
  });
});

Deno.test("a folder belongs to one broker at a time", async () => {
  await withFolder(async (folder) => {
    await using _broker = await WeirBroker.start({ store: await openSqliteStore(folder) });
    await assert.rejects(openSqliteStore(folder), /: another broker uses it$/);
  });
});
