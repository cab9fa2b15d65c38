import assert from "node:assert/strict";
import type { Credentials } from "../../mod.ts";
import { hashPassword } from "../../src/auth/scrypt_hash.ts";
import { IdentityChain } from "../../src/auth/identity_chain.ts";
import { PasswordSource } from "../../src/auth/password_source.ts";
import type { KnownClient } from "../../src/auth/authenticator.ts";
import { Served, userOf, usersText } from "./served.ts";
import { usersOf } from "./users.ts";

const AUTH = 'auth: { users_file: "FOLDER/users" }';

function credentials(username: string | undefined, password: string | undefined): Credentials {
  const bytes = password === undefined ? undefined : new TextEncoder().encode(password);
  return { clientId: "c", username, password: bytes, remoteAddress: "127.0.0.1", listener: "tcp", protocolVersion: 5 };
}

Deno.test("users of the file get in with their password and nobody else does", async () => {
  await using served = await Served.start(AUTH, { users: await usersText({ ann: "pencil", bob: "eraser disabled" }) });
  for (const version of [3, 4, 5] as const) {
    const [wrong, missing] = version === 5 ? [0x86, 0x87] : [4, 5];
    assert.equal(await served.code({ version, clientId: "c", username: "ann", password: "pencil" }), 0);
    assert.equal(await served.code({ version, clientId: "c", username: "ann", password: "Pencil" }), wrong);
    assert.equal(await served.code({ version, clientId: "c", username: "bob", password: "eraser" }), wrong, "disabled");
    assert.equal(await served.code({ version, clientId: "c", username: "eve", password: "pencil" }), wrong);
    assert.equal(
      await served.code({ version, clientId: "c" }),
      missing,
      "anonymous is not allowed once there are users",
    );
  }
});

Deno.test("a reload disconnects who was removed, disabled or changed, and nobody else", async () => {
  const before = { ann: "pencil", bob: "eraser", cat: "paper", dan: "glue groups=a", eve: "tape" };
  const text = await usersText(before);
  await using served = await Served.start(AUTH, { users: text });
  const clients = await Promise.all(
    Object.entries(before).map(([name, password]) => {
      return served.connect({ username: name, password: password.split(" ")[0] });
    }),
  );
  const [ann, bob, cat, dan, eve] = clients;
  const other = (await usersText({ cat: "other" })).split("\n")[1];
  const lines = text.split("\n").filter((line) => !line.startsWith("ann "));
  const changed = lines.map((line) => {
    if (line.startsWith("bob ")) return `${line} disabled`;
    return line.startsWith("cat ") ? other : line.replace("groups=a", "groups=a,b");
  });
  served.write("users", changed.join("\n"));
  await served.server.reload();
  for (const client of [ann, bob, cat, dan]) assert.equal((await client.expect("disconnect")).reasonCode, 0x87);
  await eve.send({ cmd: "pingreq" });
  await eve.expect("pingresp");
  assert.equal(await served.code({ username: "ann", password: "pencil" }), 0x86);
  assert.equal(await served.code({ username: "cat", password: "paper" }), 0x86);
  assert.equal(await served.code({ username: "cat", password: "other" }), 0);
});

Deno.test("a reload of a file that cannot be used keeps the users and their connections", async () => {
  const text = await usersText({ ann: "pencil" });
  await using served = await Served.start(AUTH, { users: text });
  const ann = await served.connect({ username: "ann", password: "pencil" });
  for (const bad of ["", "ann pencil\n", text.slice(0, -1), text.replace("weir-users 1", "weir-users 2")]) {
    served.write("users", bad);
    await served.server.reload();
    await ann.send({ cmd: "pingreq" });
    await ann.expect("pingresp");
    assert.equal(await served.code({ username: "ann", password: "pencil" }), 0);
  }
  Deno.removeSync(`${served.folder}/users`);
  await served.server.reload();
  assert.equal(await served.code({ username: "ann", password: "pencil" }), 0);
  served.write("users", "weir-users 1\n");
  await served.server.reload();
  assert.equal((await ann.expect("disconnect")).reasonCode, 0x87, "a file without users has been emptied on purpose");
});

Deno.test("a start with a users file that is missing, empty, malformed or open to others fails", async () => {
  await assert.rejects(Served.start(AUTH), /there is no such file/);
  await assert.rejects(Served.start(AUTH, { users: "" }), /or it was cut/);
  await assert.rejects(Served.start(AUTH, { users: "weir-users 1\nann pencil\n" }), /line 2: expected a hash/);
  const both = `auth: { users_file: "FOLDER/users", scram: { users: [{ username: ann, iterations: 4096, salt: ` +
    `W22ZaJ0SNY7soEsUEjb6gQ==, stored_key: WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=, server_key: ` +
    `wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= }] } }`;
  await assert.rejects(
    Served.start(both, { users: await usersText({ ann: "x" }) }),
    /"ann" is under auth\.scram\.users/,
  );
});

Deno.test("a file without users lets nobody in, and beside it anonymous clients only where that is written", async () => {
  await using closed = await Served.start(AUTH, { users: "weir-users 1\n" });
  assert.equal(await closed.code({}), 0x87);
  assert.equal(await closed.code({ username: "ann", password: "" }), 0x86);
  await using open = await Served.start('auth: { users_file: "FOLDER/users", allow_anonymous: true }', {
    users: await usersText({ ann: "pencil" }),
  });
  assert.equal(await open.code({}), 0);
  assert.equal(
    await open.code({ username: "ann", password: "wrong" }),
    0x86,
    "a name is checked, though none is needed",
  );
  assert.equal(await open.code({ username: "eve", password: "wrong" }), 0x86);
});

Deno.test("a wrong name, a wrong password, a disabled user and no password cost one hash each, and say the same", async () => {
  const users = new Map([["ann", await userOf("ann", "pencil")], [
    "bob",
    await userOf("bob", "eraser", { isDisabled: true }),
  ]]);
  const source = new PasswordSource({ users, scramUsers: await usersOf({ cat: "paper" }) });
  const chain = new IdentityChain({ sources: [source] });
  const said = new Set<string>();
  const tries = [["eve", "x"], ["ann", "x"], ["bob", "eraser"], ["cat", "x"], ["ann", undefined], ["__proto__", "x"]];
  for (const [index, [name, password]] of tries.entries()) {
    said.add(JSON.stringify(await chain.authenticate(credentials(name, password))));
    assert.equal(source.hashes, index + 1, `${name} costs one hash`);
  }
  assert.equal(said.size, 1);
  await chain.authenticate(credentials(undefined, undefined));
  assert.equal(source.hashes, tries.length, "who gives no name guesses nothing");
});

Deno.test("a wrong name takes as long as a wrong password", async () => {
  const user = await userOf("ann", "pencil");
  const dear = { ...user, hash: { ...user.hash, logN: 13, r: 8 } };
  const source = new PasswordSource({ users: new Map([["ann", dear]]), scramUsers: new Map() });
  const chain = new IdentityChain({ sources: [source] });
  const time = async (name: string) => {
    const start = performance.now();
    await chain.authenticate(credentials(name, "wrong"));
    return performance.now() - start;
  };
  await time("ann"); // warm
  const times: [number[], number[]] = [[], []];
  for (let n = 0; n < 9; n++) { // by turns: whatever else the machine does slows both
    times[0].push(await time("ann"));
    times[1].push(await time("eve"));
  }
  const [wrongPassword, wrongName] = times.map((each) => each.sort((a, b) => a - b)[4]);
  const ratio = wrongName / wrongPassword;
  assert.ok(ratio > 0.4 && ratio < 2.5, `${wrongName} ms for a wrong name, ${wrongPassword} ms for a wrong password`);
});

Deno.test("attack: while twenty others guess at once, who is connected and who knows the password are served", async () => {
  const dear = await userOf("ann", "pencil");
  const users = new Map([["ann", { ...dear, hash: { ...await hashPassword("pencil"), logN: 15 } }]]);
  const source = new PasswordSource({ users, scramUsers: new Map() });
  assert.ok("username" in (await source.identify(credentials("ann", "pencil")))!, "once, before");
  let guessed = 0;
  const guesses = Array.from({ length: 20 }, async (_, n) => {
    await source.identify(credentials("ann", `guess ${n}`));
    guessed++;
  });
  for (let round = 0; round < 50; round++) { // each a turn of the event loop
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.ok("username" in (await source.identify(credentials("ann", "pencil")))!);
  }
  assert.ok(guessed < 20, "fifty turns and logins did not wait for twenty hashes");
  await Promise.all(guesses);
});

Deno.test("the groups of a user reach the policy", async () => {
  const seen: KnownClient[] = [];
  const users = new Map([["ann", await userOf("ann", "pencil", { groups: ["ops"] })]]);
  const source = new PasswordSource({ users, scramUsers: new Map() });
  const policy = { mayPublish: () => false, maySubscribe: () => false };
  const policyOf = (client: KnownClient) => {
    seen.push(client);
    return policy;
  };
  const chain = new IdentityChain({ sources: [source], strangers: "nameless", policyOf });
  await chain.authenticate(credentials("ann", "pencil"));
  await chain.authenticate(credentials(undefined, undefined));
  assert.deepEqual(seen.map(({ username, groups }) => [username, groups]), [["ann", ["ops"]], [undefined, undefined]]);
});

Deno.test("who has shown the right password costs no hash again, until the users change; a wrong one always does", async () => {
  const ann = await userOf("ann", "pencil");
  const source = new PasswordSource({ users: new Map([["ann", ann]]), scramUsers: await usersOf({ cat: "paper" }) });
  const login = async (name: string, password: string | undefined) => {
    const found = await source.identify(credentials(name, password));
    return `${found !== undefined && !("refusal" in found)} ${source.hashes}`;
  };
  assert.deepEqual([await login("ann", "pencil"), await login("ann", "pencil")], ["true 1", "true 1"]);
  assert.deepEqual([await login("cat", "paper"), await login("cat", "paper")], ["true 2", "true 2"]);
  for (const wrong of ["Pencil", "paper", "", undefined]) assert.match(await login("ann", wrong), /^false/);
  assert.equal(source.hashes, 6);
  assert.equal(await login("ann", "pencil"), "true 6", "wrong ones take nothing away");
  assert.doesNotMatch(Deno.inspect(source, { depth: 9, showHidden: true }), /pencil|paper/);
  source.replace(new Map([["ann", { ...ann }]]));
  assert.deepEqual([await login("ann", "pencil"), await login("ann", "pencil")], ["true 7", "true 7"]);
  source.replace(new Map([["ann", { ...ann, isDisabled: true }]]));
  assert.equal(await login("ann", "pencil"), "false 8");
  source.replace(new Map());
  assert.equal(await login("ann", "pencil"), "false 8", "nobody of that name: somebody else's to judge");
});
