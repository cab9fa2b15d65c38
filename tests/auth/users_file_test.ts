import assert from "node:assert/strict";
import { formatHash, hashPassword } from "../../src/auth/scrypt_hash.ts";
import { editUsersFile, readUsersFile, UsersFileError } from "../../src/auth/users_file.ts";

const hash = await hashPassword("pencil", { logN: 10, r: 1, p: 1 });
const LINE = `alice ${formatHash(hash)}\n`;

/** A folder that goes with the test. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync();

  file(name: string, text: string, mode = 0o600): string {
    const path = `${this.path}/${name}`;
    Deno.writeTextFileSync(path, text, { mode });
    Deno.chmodSync(path, mode);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function refused(path: string, message: RegExp): Promise<void> {
  return assert.rejects(readUsersFile(path), (error) => {
    assert.ok(error instanceof UsersFileError, `${error}`);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("a users file that is missing, a folder, empty, cut, binary or malformed is refused", async () => {
  using folder = new Folder();
  await refused(`${folder.path}/none`, /there is no such file; weir user add/);
  await refused(folder.path, /it is no plain file/);
  await refused(folder.file("empty", ""), /it is no users file, or it was cut/);
  await refused(folder.file("cut", `weir-users 1\n${LINE}`.slice(0, -1)), /the file was cut/);
  await refused(folder.file("malformed", "weir-users 1\nalice\n"), /malformed: line 2/);
  const binary = folder.file("binary", "");
  Deno.writeFileSync(binary, Uint8Array.of(0xff, 0xfe));
  await refused(binary, /not UTF-8/);
  assert.equal((await readUsersFile(folder.file("nobody", "weir-users 1\n"))).size, 0);
});

Deno.test({
  name: "a users file that others may read or change is refused, and the mode is told",
  ignore: Deno.build.os === "windows",
  async fn() {
    using folder = new Folder();
    for (const mode of [0o644, 0o604, 0o602, 0o620, 0o666, 0o777]) {
      await refused(folder.file(`m${mode}`, `weir-users 1\n${LINE}`, mode), /its mode is 0\d{3}.*chmod 600/);
    }
    for (const mode of [0o600, 0o400, 0o640, 0o440]) {
      assert.equal((await readUsersFile(folder.file(`m${mode}`, `weir-users 1\n${LINE}`, mode))).size, 1);
    }
  },
});

Deno.test({
  name: "a users file that cannot be read is refused",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0, // root reads everything
  async fn() {
    using folder = new Folder();
    await refused(folder.file("closed", `weir-users 1\n${LINE}`, 0o200), /Permission denied/);
  },
});

Deno.test("an edit makes the file for its owner alone, keeps a link a link and leaves no draft", async () => {
  using folder = new Folder();
  const path = `${folder.path}/users`;
  await editUsersFile(path, (users) => void users.set("a", { name: "a", hash, groups: [], isDisabled: false }));
  Deno.symlinkSync(path, `${folder.path}/link`);
  await editUsersFile(`${folder.path}/link`, (users) => {
    users.set("b", { name: "b", hash, groups: ["ops"], isDisabled: true });
  });
  assert.deepEqual([...(await readUsersFile(path)).keys()], ["a", "b"]);
  assert.ok(Deno.lstatSync(`${folder.path}/link`).isSymlink);
  if (Deno.build.os !== "windows") assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), ["link", "users", "users.lock"]);
});

Deno.test("an edit makes the file that a link leads to, and leaves a link that leads round in a circle", async () => {
  using folder = new Folder();
  const { path } = folder;
  Deno.mkdirSync(`${path}/etc`);
  Deno.symlinkSync("../data/users", `${path}/etc/link`);
  Deno.symlinkSync("etc/link", `${path}/link`);
  Deno.symlinkSync("circle", `${path}/circle`);
  const add = (file: string) => {
    return editUsersFile(`${path}/${file}`, (users) => {
      users.set("a", { name: "a", hash, groups: [], isDisabled: false });
    });
  };
  await add("link");
  assert.deepEqual([...(await readUsersFile(`${path}/data/users`)).keys()], ["a"]);
  for (const link of ["link", "etc/link"]) assert.ok(Deno.lstatSync(`${path}/${link}`).isSymlink);
  await assert.rejects(add("circle"), { name: "UsersFileError", message: /^Cannot write the users file .*circle: / });
});

Deno.test({
  name: "an edit is on the disk under its name: the folder is synced after the file",
  ignore: Deno.build.os === "windows", // which opens no folders
  async fn() {
    using folder = new Folder();
    const { sync } = Deno.FsFile.prototype;
    const synced: string[] = [];
    Deno.FsFile.prototype.sync = async function () {
      const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
      synced.push(`${(await this.stat()).isDirectory ? "folder" : "file"} of ${names}`);
      await sync.call(this);
    };
    try {
      await editUsersFile(`${folder.path}/users`, () => {});
    } finally {
      Deno.FsFile.prototype.sync = sync;
    }
    assert.deepEqual(synced, ["file of users.lock,users.new", "folder of users,users.lock"]);
  },
});

Deno.test("an edit that throws, or finds a malformed file, changes nothing", async () => {
  using folder = new Folder();
  const path = folder.file("users", `weir-users 1\n${LINE}`);
  await assert.rejects(
    editUsersFile(path, (users) => {
      users.clear();
      throw new Error("no");
    }),
    /no/,
  );
  assert.equal((await readUsersFile(path)).size, 1);
  const malformed = folder.file("malformed", "weir-users 1\nalice\n");
  await assert.rejects(editUsersFile(malformed, (users) => users.clear()), UsersFileError);
  assert.equal(Deno.readTextFileSync(malformed), "weir-users 1\nalice\n");
});

Deno.test("edits at the same time wait for each other: none is lost", async () => {
  using folder = new Folder();
  const path = `${folder.path}/users`;
  const names = Array.from({ length: 20 }, (_, n) => `user-${n}`);
  await Promise.all(names.map((name) => {
    return editUsersFile(path, (users) => void users.set(name, { name, hash, groups: [], isDisabled: false }));
  }));
  assert.deepEqual([...(await readUsersFile(path)).keys()].sort(), names.sort());
});
