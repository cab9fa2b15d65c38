import { resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { CalloutSource, deriveScramCredential, IdentityChain, PasswordSource } from "../../mod.ts";
import { parseUserList } from "../../src/auth/user_list.ts";
import { openLog } from "../../src/cli/log.ts";
import { scramUserEntry } from "../../src/cli/user.ts";
import { until } from "../embedding/waiting.ts";
import { Served, usersText } from "./served.ts";
import { WebServer } from "./web_server.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

async function parsedUsers(passwords: Readonly<Record<string, string>>) {
  return parseUserList(await usersText(passwords));
}

function sign(claims: Record<string, unknown>, options: { alg?: string; key?: unknown; kid?: string } = {}) {
  const { alg = "HS256", key = new TextEncoder().encode(SECRET), kid } = options;
  return new SignJWT({ exp: Math.floor(Date.now() / 1000) + 60, ...claims })
    .setProtectedHeader({ alg, kid }).sign(key as CryptoKey);
}

Deno.test("the first that knows the client decides: token, users, callout, and nobody otherwise", async () => {
  await using callout = new WebServer((body) => {
    const { username, password } = JSON.parse(body);
    return Response.json({ authenticated: username === "eve" && password === "callout" });
  });
  const yaml = `auth:
  users_file: FOLDER/users
  jwt: { key_file: FOLDER/secret, algorithms: HS256 }
  external: { url: "${callout.url}" }
`;
  await using served = await Served.start(yaml, { users: await usersText({ ann: "pencil" }), secret: SECRET });
  const good = await sign({ sub: "tom" });
  const cases: [string | undefined, string | undefined, number][] = [
    ["tom", good, 0],
    [undefined, good, 0],
    ["ann", good, 0x87],
    ["ann", `${good.slice(0, -6)}AAAAAA`, 0x86],
    ["ann", "pencil", 0],
    ["ann", "callout", 0x86],
    ["eve", "callout", 0],
    ["eve", "wrong", 0x86],
    [undefined, undefined, 0x87],
    [undefined, "pencil", 0x87],
  ];
  for (const [username, password, code] of cases) {
    assert.equal(await served.code({ username, password }), code, `${username} ${password}`);
  }
  assert.deepEqual(
    callout.bodies.map((body) => JSON.parse(body).username),
    ["eve", "eve"],
    "only who is not known here",
  );
});

Deno.test("auth.chain: another order, and what comes of a name that two know", async () => {
  const asked: string[] = [];
  await using callout = new WebServer((body) => {
    const { username, password } = JSON.parse(body);
    asked.push(username);
    const authenticated = username === "bob" ? null : password === "callout";
    return Response.json({ authenticated });
  });
  const sources = `
  users_file: FOLDER/users
  jwt: { key_file: FOLDER/secret, algorithms: HS256 }
  external: { url: "${callout.url}" }
`;
  const users = await usersText({ ann: "pencil", bob: "eraser", tom: "ink" });
  const token = await sign({ sub: "tom" });
  const logins: [string, string][] = [
    ["ann", "pencil"],
    ["ann", "callout"],
    ["bob", "eraser"],
    ["bob", "wrong"],
    [
      "eve",
      "wrong",
    ],
    ["tom", token],
    ["tom", "ink"],
  ];
  const codes: Record<string, number[]> = {
    "jwt, users, external": [0, 0x86, 0, 0x86, 0x86, 0, 0], // the users know ann: the callout is not asked about her
    "external, jwt, users": [0x86, 0, 0, 0x86, 0x86, 0x86, 0x86], // it decides about everybody but bob, of whom it has no word
    "users, jwt, external": [0, 0x86, 0, 0x86, 0x86, 0x86, 0], // tom's token is no password of his
  };
  for (const [chain, expected] of Object.entries(codes)) {
    await using served = await Served.start(`auth:\n  chain: ${chain}${sources}`, { users, secret: SECRET });
    const found: (number | undefined)[] = [];
    for (const [username, password] of logins) found.push(await served.code({ username, password }));
    assert.deepEqual(found, expected, chain);
  }
  assert.ok(asked.includes("bob"));
});

Deno.test("a callout that has no word about anybody leaves the price of a wrong name to the users", async () => {
  await using callout = new WebServer(() => Response.json({ authenticated: null }));
  const source = new CalloutSource({ url: callout.url });
  using _ = source;
  const users = new PasswordSource({ users: await parsedUsers({ ann: "pencil" }) });
  const chain = new IdentityChain({ sources: [source, users] });
  const who = { clientId: "c", remoteAddress: "192.0.2.7", listener: "tcp", protocolVersion: 5 };
  for (const username of ["eve", "ann"]) {
    const verdict = await chain.authenticate({ ...who, username, password: new TextEncoder().encode("wrong") });
    assert.deepEqual(verdict, { refusal: "bad-user-name-or-password", reason: "User or password is wrong" });
  }
  assert.equal(users.hashes, 2);
});

Deno.test("a token ends the connection when it ends, and says what may be done until then", async () => {
  await using served = await Served.start(
    "auth: { jwt: { key_file: FOLDER/secret, algorithms: HS256, clock_tolerance: 0 } }",
    {
      secret: `${SECRET}\n`,
    },
  );
  const acl = { publish: { allow: ["from/%u"] }, subscribe: { allow: ["to/%u/#"], deny: ["to/tom/secret"] } };
  const exp = Math.floor(Date.now() / 1000) + 2;
  const client = await served.connect({ password: await sign({ sub: "tom", acl, exp }) });
  assert.equal(await client.publish("from/tom", "x", { qos: 1 }), 0x10);
  assert.equal(await client.publish("from/ann", "x", { qos: 1 }), 0x87);
  assert.equal(await client.subscribe("to/tom/a"), 0);
  assert.equal(await client.subscribe("to/tom/secret"), 0x87);
  assert.equal(await client.subscribe("#"), 0x87);
  assert.equal((await client.expect("disconnect")).reasonCode, 0x87);
  assert.ok(Date.now() >= exp * 1000 - 50);
});

Deno.test("the key of tokens is read again at a reload; one that is not usable leaves the old one", async () => {
  const one = await generateKeyPair("ES256", { extractable: true });
  const two = await generateKeyPair("ES256", { extractable: true });
  const yaml = "auth: { jwt: { key_file: FOLDER/key.pem, algorithms: ES256 } }";
  await using served = await Served.start(yaml, { "key.pem": await exportSPKI(one.publicKey) });
  const tokens = [
    await sign({ sub: "a" }, { alg: "ES256", key: one.privateKey }),
    await sign({ sub: "a" }, { alg: "ES256", key: two.privateKey }),
  ];
  const codes = async () => [await served.code({ password: tokens[0] }), await served.code({ password: tokens[1] })];
  assert.deepEqual(await codes(), [0, 0x86]);
  served.write("key.pem", "garbage");
  await served.server.reload();
  assert.deepEqual(await codes(), [0, 0x86]);
  served.write("key.pem", await exportSPKI(two.publicKey));
  await served.server.reload();
  assert.deepEqual(await codes(), [0x86, 0]);
});

Deno.test("keys from the web: nobody comes in before they are there, a new one is found", async () => {
  const pairs = await Promise.all(["one", "two"].map(async (kid) => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    return { privateKey, kid, jwk: { ...await exportJWK(publicKey), kid, use: "sig", alg: "RS256" } };
  }));
  const asked = Promise.withResolvers<void>();
  await using server = new WebServer(async () => {
    await asked.promise;
    return Response.json({ keys: [pairs[0].jwk] });
  });
  const yaml = `auth: { jwt: { jwks_url: "${server.url}/keys", algorithms: RS256 } }`;
  await using served = await Served.start(yaml);
  const waiting = served.code({
    password: await sign({ sub: "a" }, { alg: "RS256", key: pairs[0].privateKey, kid: "one" }),
  });
  await until(() => server.requests === 1, "the keys are asked for");
  asked.resolve();
  assert.equal(await waiting, 0);
  assert.equal(
    await served.code({ password: await sign({ sub: "a" }, { alg: "RS256", key: pairs[1].privateKey, kid: "two" }) }),
    0x86,
  );
  assert.equal(server.requests, 1, "not asked again so soon");
});

Deno.test("the log says why keys cannot be had, and never the query of their address", async () => {
  const lines: string[] = [];
  openLog({ level: "debug", format: "text" }, (line) => lines.push(line));
  const { publicKey } = await generateKeyPair("RS256", { extractable: true });
  const keys = [await exportJWK(publicKey)];
  let answer = new Response("nothing", { status: 403 });
  await using server = new WebServer(() => answer);
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  try {
    for (const url of [server.url, server.url, `http://127.0.0.1:${closed.addr.port}`]) {
      const count = lines.length;
      await using _served = await Served.start(
        `auth: { jwt: { jwks_url: "${url}/keys?key=s3cret", algorithms: RS256 } }`,
      );
      await until(() => lines.slice(count).some((line) => line.includes("keys of tokens")), "what came of it");
      answer = Response.json({ keys });
    }
  } finally {
    resetSync();
  }
  assert.doesNotMatch(lines.join("\n"), /s3cret/);
  const told = lines.filter((line) => line.includes("keys of tokens"));
  assert.match(told[0], /cannot read .* from http:\/\/127\.0\.0\.1:\d+\/keys: "it answers with status 403"/);
  assert.match(told[1], /have been read from http:\/\/127\.0\.0\.1:\d+\/keys$/);
  assert.match(told[2], /cannot read .* from http:\/\/127\.0\.0\.1:\d+\/keys: ".*Connection refused/i);
});

Deno.test("a callout or keys that are down refuse with 0x88 and do not ban", async () => {
  const yaml = `auth:
  ban_after: 2
  ban_exempt: ""
  users_file: FOLDER/users
  jwt: { jwks_url: "http://127.0.0.1:1/keys", algorithms: RS256 }
  external: { url: "http://127.0.0.1:1" }
`;
  await using served = await Served.start(yaml, { users: await usersText({ ann: "pencil" }) });
  const { privateKey } = await generateKeyPair("RS256");
  const token = await sign({ sub: "a" }, { alg: "RS256", key: privateKey });
  for (let n = 0; n < 4; n++) {
    assert.equal(await served.code({ username: "eve", password: "x" }), 0x88);
    assert.equal(await served.code({ password: token }), 0x88);
  }
  assert.equal(await served.code({ username: "ann", password: "pencil" }), 0, "who is known here comes in");
});

Deno.test("a start with a key, a certificate or a secret that cannot be used fails and says which", async () => {
  const starts: [string, Record<string, string>, RegExp][] = [
    ["jwt: { key_file: FOLDER/none, algorithms: RS256 }", {}, /auth\.jwt\.key_file .*none/],
    ["jwt: { key_file: FOLDER/key, algorithms: HS256 }", { key: "short" }, /auth\.jwt\.key_file .*32 bytes/],
    ['jwt: { jwks_url: "https://127.0.0.1:1", ca_file: FOLDER/none, algorithms: RS256 }', {}, /auth\.jwt\.ca_file/],
    ['external: { url: "http://127.0.0.1:1", token_file: FOLDER/none }', {}, /auth\.external\.token_file/],
    [
      'external: { url: "http://127.0.0.1:1", token_file: FOLDER/key }',
      { key: "a b" },
      /expected one line without blanks/,
    ],
    ['external: { url: "http://127.0.0.1:1", ca_file: FOLDER }', {}, /auth\.external\.ca_file .*no plain file/],
  ];
  for (const [yaml, files, message] of starts) {
    await assert.rejects(Served.start(`auth: { ${yaml} }`, files), message, yaml);
  }
  if (Deno.build.os === "windows") return;
  const secret = Deno.makeTempFileSync();
  Deno.writeTextFileSync(secret, SECRET);
  Deno.chmodSync(secret, 0o644);
  for (
    const yaml of [
      `jwt: { key_file: ${secret}, algorithms: HS256 }`,
      `external: { url: "http://127.0.0.1:1", token_file: ${secret} }`,
    ]
  ) {
    await assert.rejects(Served.start(`auth: { ${yaml} }`), /its mode is 0644, and others could read or change it/);
  }
  Deno.removeSync(secret);
});

Deno.test("the salt of a SCRAM user who does not exist is the same after a restart, and another's is another", async () => {
  const entry = scramUserEntry("ann", await deriveScramCredential("pencil", { iterations: 4096 }));
  const users = `auth:\n  scram:\n    users:\n${entry.map((line) => `      ${line}`).join("\n")}\n`;
  const folder = Deno.makeTempDirSync();
  try {
    for (const storage of ["{ type: memory }", `{ path: ${folder}/data }`]) {
      const seen: string[] = [];
      for (let start = 0; start < 2; start++) {
        await using served = await Served.start(
          `${users}`,
          {},
          storage.startsWith("{ path") ? dataIn(`${folder}/data`) : {},
        );
        seen.push(await serverFirst(served, "eve"), await serverFirst(served, "bob"));
      }
      assert.deepEqual([seen[0], seen[1]], [seen[2], seen[3]], storage);
      assert.notEqual(seen[0], seen[1]);
      assert.match(seen[0], /^s=[A-Za-z0-9+/]{22}==,i=4096$/, "and the iterations are those of a user who exists");
    }
    if (Deno.build.os !== "windows") assert.equal(Deno.statSync(`${folder}/data/decoy.key`).mode! & 0o777, 0o600);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

function dataIn(path: string): Record<string, string> {
  return { WEIR_STORAGE_TYPE: "sqlite", WEIR_STORAGE_PATH: path };
}

/** Salt and iterations as the server names them. */
async function serverFirst(served: Served, name: string): Promise<string> {
  const client = await served.open();
  const authenticationData = Buffer.from(`n,,n=${name},r=nonce`);
  const properties = { authenticationMethod: "SCRAM-SHA-256", authenticationData };
  await client.send(client.connectPacket({ properties }));
  const data = (await client.expect("auth")).properties!.authenticationData!;
  return new TextDecoder().decode(data).replace(/^r=[^,]*,/, "");
}
