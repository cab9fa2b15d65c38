import assert from "node:assert/strict";
import { type Credentials, PasswordUsers, type PolicyOf, type ScramCredential, type Verdict } from "../../mod.ts";
import { CHECKS_MAX } from "../../src/auth/turns.ts";
import { TestBroker } from "../support/broker.ts";
import { usersOf } from "./users.ts";

const table = await usersOf({ "ann": "pencil", "ö": "päss" });

function users(options: { allowAnonymous?: boolean } = {}): PasswordUsers {
  return new PasswordUsers((name) => table.get(name), { allowAnonymous: options.allowAnonymous ?? false });
}

function credentials(username: string | undefined, password: string | Uint8Array | undefined): Credentials {
  const bytes = typeof password === "string" ? new TextEncoder().encode(password) : password;
  return { clientId: "c", username, password: bytes, remoteAddress: "127.0.0.1", listener: "tcp", protocolVersion: 5 };
}

function refusalOf(verdict: Verdict): string {
  return "refusal" in verdict ? verdict.refusal : "let in";
}

Deno.test("the right password lets in, under the user's name", async () => {
  for (const [name, password] of [["ann", "pencil"], ["ö", "päss"], ["ö", "pa\u0308ss"]]) {
    const verdict = await users().authenticate(credentials(name, password));
    assert.equal(refusalOf(verdict), "let in", name);
    assert.equal((verdict as { username?: string }).username, name);
  }
});

Deno.test("what is not the password is refused, each time for the same reason", async () => {
  const wrong: [string, string | Uint8Array | undefined][] = [
    ["ann", "Pencil"],
    ["ann", "pencil "],
    ["ann", ""],
    ["ann", undefined],
    ["ann", Uint8Array.of(0xff, 0xfe)],
    ["ann", "pencil\u0000"],
    ["ann", Uint8Array.of(0x70, 0x65, 0x6e, 0x63, 0x69, 0x6c, 0xff)],
    ["Ann", "pencil"],
    ["", "pencil"],
    ["__proto__", "pencil"],
  ];
  const verdicts = new Set<string>();
  for (const [name, password] of wrong) {
    const verdict = await users().authenticate(credentials(name, password));
    assert.equal(refusalOf(verdict), "bad-user-name-or-password", `${name} ${password}`);
    verdicts.add(JSON.stringify(verdict));
  }
  assert.equal(verdicts.size, 1, "the verdicts tell who exists");
});

Deno.test("a client without a name is let in when that is allowed, and only then", async () => {
  const anonymous = credentials(undefined, undefined);
  const verdict = await users({ allowAnonymous: true }).authenticate(anonymous);
  assert.equal(refusalOf(verdict), "let in");
  assert.equal((verdict as { username?: string }).username, undefined);
  assert.equal(refusalOf(await users().authenticate(anonymous)), "not-authorized");
  const named = await users({ allowAnonymous: true }).authenticate(credentials("ann", "wrong"));
  assert.equal(refusalOf(named), "bad-user-name-or-password", "a name is checked, though none is needed");
});

Deno.test("logins wait for their turn; only those behind a thousand others are told that the server is busy", async () => {
  const found = Promise.withResolvers<ScramCredential | undefined>();
  const busy = new PasswordUsers(() => found.promise, { allowAnonymous: false });
  const checks = Array.from(
    { length: 1_010 },
    (_, n) => busy.authenticate(credentials("ann", n < 10 ? "pencil" : undefined)),
  );
  const first = await Promise.race(checks);
  assert.equal(refusalOf(first), "server-busy");
  found.resolve(table.get("ann"));
  const all = (await Promise.all(checks)).map(refusalOf);
  assert.equal(all.filter((verdict) => verdict === "let in").length, 10);
  assert.equal(all.filter((verdict) => verdict === "server-busy").length, 10 - CHECKS_MAX);
  assert.equal(refusalOf(await busy.authenticate(credentials("ann", "pencil"))), "let in");
});

Deno.test("a lookup that fails makes room again and is told", async () => {
  const failing = new PasswordUsers(() => Promise.reject(new Error("no database")), { allowAnonymous: false });
  for (let i = 0; i < 10; i++) {
    await assert.rejects(failing.authenticate(credentials("ann", "pencil")), /no database/);
  }
});

Deno.test("each user has the policy that is made for them, those without a name as well", async () => {
  const asked: (string | undefined)[] = [];
  const policy = { mayPublish: () => false, maySubscribe: () => false };
  const policyOf: PolicyOf = (client) => {
    assert.ok(!("password" in client), "the password is nobody's business any more");
    asked.push(client.username);
    return policy;
  };
  const some = new PasswordUsers((name) => table.get(name), { allowAnonymous: true, policyOf });
  for (const who of [credentials("ann", "pencil"), credentials(undefined, undefined)]) {
    const verdict = await some.authenticate(who);
    assert.ok("policy" in verdict && verdict.policy === policy);
  }
  await some.authenticate(credentials("ann", "wrong"));
  assert.deepEqual(asked, ["ann", undefined], "only who is let in has a policy");
});

for (const version of [3, 4, 5] as const) {
  Deno.test(`v${version} on a socket: right, wrong, unknown, nothing`, async () => {
    await using broker = await TestBroker.start({ authenticator: users() });
    await broker.connect({ version, clientId: "ok", username: "ann", password: "pencil" });
    const cases = [
      { username: "ann", password: "wrong", codes: [4, 0x86] },
      { username: "bob", password: "pencil", codes: [4, 0x86] },
      { username: "ann", codes: [4, 0x86] },
      { codes: [5, 0x87] },
    ];
    for (const { codes, ...options } of cases) {
      const client = await broker.open(version);
      await client.send(client.connectPacket({ clientId: "x", ...options }));
      const connack = await client.expect("connack");
      const code = version === 5 ? connack.reasonCode : connack.returnCode;
      assert.equal(code, codes[version === 5 ? 1 : 0], JSON.stringify(options));
      await client.expectClosed();
    }
  });
}
