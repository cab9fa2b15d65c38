import assert from "node:assert/strict";
import { isPasswordOf } from "../../src/auth/scrypt_hash.ts";
import { readUsersFile } from "../../src/auth/users_file.ts";
import { runProgram } from "../../src/cli/program.ts";
import { FakeHost, type FakeHostOptions } from "./support.ts";

/** Runs commands one after the other on the file of a folder that goes with the test. */
class Users implements Disposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly path = `${this.#folder}/users`;

  async run(line: string, options: FakeHostOptions = {}): Promise<FakeHost & { code: number }> {
    const host = new FakeHost(options);
    const code = await runProgram([...line.split(" "), "--file", this.path], host);
    return Object.assign(host, { code });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

Deno.test("weir user add, passwd, groups, disable, enable, list and remove", async () => {
  using users = new Users();
  const added = await users.run("user add alice --groups ops,staff", { secrets: ["pencil"] });
  assert.deepEqual([added.code, added.complaints], [0, []]);
  assert.match(added.printed[0], /^"alice" is in .*users\. A running broker reads the file at SIGHUP\.$/);
  await users.run("user add bob", { secrets: ["eraser"] });
  assert.equal((await users.run("user disable bob")).code, 0);
  const listed = await users.run("user list");
  assert.deepEqual(listed.printed, ["user   groups", "alice  ops,staff", "bob               disabled"]);
  assert.equal((await users.run("user passwd alice", { secrets: ["paper"] })).code, 0);
  const alice = (await readUsersFile(users.path)).get("alice")!;
  assert.ok(await isPasswordOf(alice.hash, new TextEncoder().encode("paper")));
  assert.deepEqual(alice.groups, ["ops", "staff"], "another password leaves the groups");
  await users.run("user groups alice");
  await users.run("user enable bob");
  const json = (await users.run("user list --json")).printed.join("\n");
  assert.deepEqual(JSON.parse(json), {
    users: [{ name: "alice", groups: [], isDisabled: false }, { name: "bob", groups: [], isDisabled: false }],
  });
  assert.doesNotMatch(json, /scrypt/);
  assert.equal((await users.run("user remove alice")).code, 0);
  assert.deepEqual([...(await readUsersFile(users.path)).keys()], ["bob"]);
});

Deno.test("who is there is not added, who is not there is not changed, and no file is made for it", async () => {
  using users = new Users();
  assert.match((await users.run("user remove alice")).complaints[0], /there is no such file/);
  assert.throws(() => Deno.statSync(users.path), Deno.errors.NotFound);
  await users.run("user add alice", { secrets: ["pencil"] });
  const again = await users.run("user add alice", { secrets: ["other"] });
  assert.deepEqual([again.code, again.complaints], [
    1,
    ['weir: Cannot add "alice": the user is there; weir user passwd gives another password'],
  ]);
  for (const line of ["user passwd bob", "user remove bob", "user groups bob a", "user disable bob"]) {
    const host = await users.run(line, { secrets: ["x"] });
    assert.deepEqual([host.code, host.complaints[0]], [
      1,
      'weir: There is no user "bob": weir user list shows who there is',
    ], line);
  }
});

Deno.test("a name or a group that none has is refused before a password is asked for", async () => {
  using users = new Users();
  for (const name of ["a\u0007b", "", "a\nb", "a".repeat(257)]) {
    const host = new FakeHost({ secrets: ["pencil"], isInteractive: true });
    assert.equal(await runProgram(["user", "add", name, "--file", users.path], host), 2, JSON.stringify(name));
    assert.deepEqual(host.events, []);
  }
  assert.match((await users.run("user add a --groups x/y")).complaints[0], /a group has 1 to 64 letters/);
  assert.throws(() => Deno.statSync(users.path), Deno.errors.NotFound);
});

Deno.test("names with blanks, colons, quotes and wildcards are users like others", async () => {
  using users = new Users();
  const names = ["al ice", "a:b", 'say "hi"', "+/#", "\u202eecila"];
  for (const name of names) {
    const host = new FakeHost({ secrets: ["pencil"] });
    assert.equal(await runProgram(["user", "add", name, "--file", users.path], host), 0, name);
    assert.doesNotMatch(host.printed.join(), /\p{Cf}/u);
  }
  assert.deepEqual([...(await readUsersFile(users.path)).keys()], names);
  assert.doesNotMatch((await users.run("user list")).printed.join(), /\p{Cf}/u);
});

Deno.test("no password, two that differ, or one that is none adds nobody", async () => {
  using users = new Users();
  const tries: [string[], boolean, number][] = [[[], false, 1], [["a", "b"], true, 1], [[""], false, 1], [
    [],
    true,
    130,
  ]];
  for (const [secrets, isInteractive, code] of tries) {
    assert.equal((await users.run("user add alice", { secrets, isInteractive })).code, code);
  }
  assert.throws(() => Deno.statSync(users.path), Deno.errors.NotFound);
});

Deno.test("weir check reads the users file and the keys as a start would", async () => {
  using users = new Users();
  const yaml = (auth: string) => ({ "weir.yaml": `auth: { ${auth}, acl_default: deny }` });
  const checked = async (auth: string) => {
    const host = new FakeHost({ files: yaml(auth), env: { WEIR_STORAGE_TYPE: "memory" } });
    return [await runProgram(["check", "weir.yaml"], host), host.complaints.join()] as const;
  };
  const file = `users_file: ${JSON.stringify(users.path)}`;
  const [code, complaint] = await checked(file);
  assert.equal(code, 1);
  assert.match(complaint, /there is no such file; weir user add NAME makes one/);
  await users.run("user add alice", { secrets: ["pencil"] });
  assert.deepEqual(await checked(file), [0, ""]);
  const [tokenCode, tokenComplaint] = await checked(`jwt: { key_file: ${users.path}, algorithms: RS256 }`);
  assert.equal(tokenCode, 1);
  assert.match(tokenComplaint, /Cannot use auth\.jwt\.key_file .*: expected a public key/);
});

Deno.test("the file is that of the configuration or of --file, and there is none by default", async () => {
  using users = new Users();
  const files = { "weir.yaml": `auth: { acl_default: allow, users_file: ${JSON.stringify(users.path)} }` };
  const byConfig = new FakeHost({ secrets: ["pencil"], files });
  assert.equal(await runProgram(["user", "add", "alice", "--config", "weir.yaml"], byConfig), 0);
  const byVariable = new FakeHost({ env: { WEIR_AUTH_USERS_FILE: users.path, WEIR_AUTH_ACL_DEFAULT: "deny" } });
  assert.equal(await runProgram(["user", "list"], byVariable), 0);
  const none = new FakeHost();
  assert.equal(await runProgram(["user", "list"], none), 1);
  assert.match(none.complaints[0], /says nothing of auth\.users_file\. --file FILE names one/);
  const both = new FakeHost();
  assert.equal(await runProgram(["user", "list", "--file", "a", "--config", "b"], both), 2);
});
