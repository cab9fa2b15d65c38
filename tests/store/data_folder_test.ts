import assert from "node:assert/strict";
import { openDataFolder } from "../../src/store/sqlite/data_folder.ts";
import { session } from "../contract/mutations.ts";
import { Folder, OPTIONS } from "./folder.ts";
import { Program } from "../support/program.ts";
import { mounted, requiresMount } from "./small_disk.ts";

function refusedAs(pattern: RegExp): (error: Error) => boolean {
  return (error) => {
    assert.equal(error.name, "DataFolderError");
    assert.match(error.message, pattern);
    return true;
  };
}

function modeOf(path: string): string {
  return (Deno.statSync(path).mode! & 0o777).toString(8);
}

Deno.test("a data folder is made, for its owner only, and so is every file in it", async () => {
  using folder = new Folder();
  const path = folder.file("some/where");
  const store = await openDataFolder(path, { ...OPTIONS, ballastBytes: 4096 });
  await store.commit([session("alice")]);
  assert.equal(modeOf(path), "700");
  const names = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["weir.db", "weir.db-shm", "weir.db-wal", "weir.db.ballast", "weir.lock"]);
  for (const name of names) assert.equal(modeOf(`${path}/${name}`), "600", name);
  await store.close();
});

Deno.test("a closed data folder holds one whole file", async () => {
  using folder = new Folder();
  const store = await openDataFolder(folder.path, OPTIONS);
  await store.commit([session("alice")]);
  await store.close();
  assert.deepEqual(Object.keys(folder.contents()), ["weir.db", "weir.db.ballast", "weir.lock"]);
});

Deno.test("a ballast that cannot be written for another reason than room is told, and does not pass for a full disk", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file("weir.db.ballast"));
  await assert.rejects(openDataFolder(folder.path, { ...OPTIONS, ballastBytes: 4096 }), refusedAs(/directory/));
});

Deno.test("one broker at a time: a second one of the same process is refused until the first has closed", async () => {
  using folder = new Folder();
  const first = await openDataFolder(folder.path, OPTIONS);
  await assert.rejects(
    openDataFolder(folder.path, OPTIONS),
    refusedAs(/^Cannot use the data folder .*: another broker uses it$/),
  );
  await first.close();
  const second = await openDataFolder(folder.path, OPTIONS);
  await second.close();
});

Deno.test("one broker at a time: the lock of another process holds, and is free when that was killed", async () => {
  using folder = new Folder();
  await using holder = Program.module("tests/store/holder.ts", "hold", folder.path);
  await holder.line(/^open$/);
  await assert.rejects(openDataFolder(folder.path, OPTIONS), refusedAs(/another broker uses it$/));
  const other = Program.module("tests/store/holder.ts", "hold", folder.path);
  assert.equal((await other.end()).code, 1);
  assert.match(other.said.join(), /^DataFolderError: Cannot use the data folder .*: another broker uses it$/);
  await holder.kill();
  const store = await openDataFolder(folder.path, OPTIONS);
  await store.close();
});

Deno.test("a lock is given back when the database turns out to be of no use", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(folder.database, "not a database, but long enough to be looked at\n".repeat(100));
  await assert.rejects(
    openDataFolder(folder.path, OPTIONS),
    refusedAs(/weir\.db: it is not an SQLite database\. The file is left as it is$/),
  );
  Deno.removeSync(folder.database);
  const store = await openDataFolder(folder.path, OPTIONS);
  await store.close();
});

Deno.test("a path that is a file, or goes through one, is refused by name", async () => {
  using folder = new Folder();
  const file = folder.file("file");
  Deno.writeTextFileSync(file, "hello");
  for (const path of [file, `${file}/below`]) {
    await assert.rejects(
      openDataFolder(path, OPTIONS),
      refusedAs(new RegExp(`^Cannot use the data folder ${path}: it is no folder$`)),
    );
  }
  assert.equal(Deno.readTextFileSync(file), "hello");
});

Deno.test({
  name: `a folder that may not be written is refused by name${
    Deno.uid() === 0 ? " (skipped: root may write everywhere)" : ""
  }`,
  ignore: Deno.uid() === 0,
  async fn() {
    using folder = new Folder();
    const path = folder.file("locked");
    Deno.mkdirSync(path, { mode: 0o500 });
    await assert.rejects(
      openDataFolder(path, OPTIONS),
      refusedAs(/^Cannot use the data folder .*Permission denied.*May this user write it\?$/),
    );
  },
});

Deno.test(requiresMount({
  name: "a folder on a disk that may only be read is refused by name",
  async fn() {
    using disk = mounted(1);
    disk.makeReadOnly();
    await assert.rejects(
      openDataFolder(`${disk.path}/data`, OPTIONS),
      refusedAs(/^Cannot use the data folder .*: Read-only file system/),
    );
  },
}));

Deno.test("a store that is closed refuses what comes too late", async () => {
  using folder = new Folder();
  const store = await openDataFolder(folder.path, OPTIONS);
  await store.close();
  await assert.rejects(store.commit([session("late")]), { message: "Cannot use the store: it is closed" });
});
