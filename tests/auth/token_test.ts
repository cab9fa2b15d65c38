import assert from "node:assert/strict";
import { exportJWK, exportPKCS8, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import type { Credentials } from "../../mod.ts";
import type { Denial, Identification } from "../../src/auth/identity.ts";
import { readTokenKeys, TokenKeysError } from "../../src/auth/token_keys.ts";
import { type TokenOptions, TokenSource } from "../../src/auth/token_source.ts";
import { processorMs } from "../support/processor_time.ts";

const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OPTIONS: TokenOptions = {
  algorithms: ["HS256"],
  clockToleranceSeconds: 0,
  requireExpiry: true,
  usernameClaim: "sub",
  groupsClaim: "groups",
  aclClaim: "acl",
  matchUsername: true,
};

async function source(options: Partial<TokenOptions> = {}, key = SECRET): Promise<TokenSource> {
  const all = { ...OPTIONS, ...options };
  return new TokenSource(await readTokenKeys(key, all.algorithms), all);
}

function show(password: string | undefined, username?: string): Credentials {
  const bytes = password === undefined ? undefined : new TextEncoder().encode(password);
  return { clientId: "c", username, password: bytes, remoteAddress: "127.0.0.1", listener: "tcp", protocolVersion: 5 };
}

/** Signs `claims`, which end in a minute unless they say otherwise. */
function token(claims: Record<string, unknown>, options: { alg?: string; key?: unknown; header?: object } = {}) {
  const { alg = "HS256", key = new TextEncoder().encode(SECRET), header = {} } = options;
  const exp = Math.floor(Date.now() / 1000) + 60;
  return new SignJWT({ exp, ...claims }).setProtectedHeader({ alg, ...header }).sign(key as CryptoKey);
}

function refusalOf(found: Identification | Denial | undefined): string {
  if (found === undefined) return "not known";
  return "refusal" in found ? `${found.refusal}: ${found.reason}` : "let in";
}

const INVALID = "bad-user-name-or-password: The token is not valid";
const NOT = "not-authorized: The token is not accepted:";

for (const alg of ["HS256", "HS384", "HS512"]) {
  Deno.test(`${alg}: a token that the secret has signed lets in, another does not`, async () => {
    const tokens = await source({ algorithms: [alg] });
    const found = await tokens.identify(show(await token({ sub: "ann" }, { alg })));
    assert.equal((found as Identification).username, "ann");
    const other = new TextEncoder().encode(SECRET.replace("0", "1"));
    assert.equal(refusalOf(await tokens.identify(show(await token({ sub: "ann" }, { alg, key: other })))), INVALID);
  });
}

for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]) {
  Deno.test(`${alg}: the public key verifies, as PEM, as a JWK and in a set`, async () => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...await exportJWK(publicKey), kid: "k1" };
    const other = await generateKeyPair(alg, { extractable: true });
    const good = await token({ sub: "ann" }, { alg, key: privateKey });
    const forged = await token({ sub: "ann" }, { alg, key: other.privateKey });
    for (const key of [await exportSPKI(publicKey), JSON.stringify(jwk), JSON.stringify({ keys: [jwk] })]) {
      const tokens = await source({ algorithms: [alg] }, key);
      assert.equal(refusalOf(await tokens.identify(show(good))), "let in");
      assert.equal(refusalOf(await tokens.identify(show(forged))), INVALID);
    }
  });
}

const rsa = await generateKeyPair("RS256", { extractable: true });
const spki = await exportSPKI(rsa.publicKey);

Deno.test("attack: a public key is no secret: HS256 by it, by its PEM or without a signature lets nobody in", async () => {
  const tokens = await source({ algorithms: ["RS256"] }, spki);
  const pem = new TextEncoder().encode(spki);
  const exp = Math.floor(Date.now() / 1000) + 60;
  const [head, body, signature] = (await token({ sub: "root" }, { alg: "RS256", key: rsa.privateKey })).split(".");
  const header = (value: object) => {
    return new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  };
  const forged = [
    await token({ sub: "root" }, { key: pem }),
    await token({ sub: "root" }, { key: pem.slice(0, -1) }),
    new UnsecuredJWT({ sub: "root", exp }).encode(),
    `${header({ alg: "none" })}.${body}.${signature}`,
    `${header({ alg: "NONE" })}.${body}.`,
    `${header({ alg: "HS256" })}.${body}.${signature}`,
    `${header({ alg: ["RS256"] })}.${body}.${signature}`,
    `${header({ alg: "RS256", crit: ["exp"] })}.${body}.${signature}`,
    `${header({ alg: "RS256", b64: false })}.${body}.${signature}`,
    `${header({})}.${body}.${signature}`,
    `${head}.${body}.`,
    `${head}.${body}.AAAA`,
    `${head}.${header({ sub: "root", exp })}.${signature}`,
    await token({ sub: "root" }, { alg: "PS256", key: (await generateKeyPair("PS256")).privateKey }),
  ];
  for (const each of forged) assert.equal(refusalOf(await tokens.identify(show(each, "root"))), INVALID, each);
});

Deno.test("attack: the header brings no key, names no file and asks nobody", async () => {
  const tokens = await source(
    { algorithms: ["RS256"] },
    JSON.stringify({ keys: [{ ...await exportJWK(rsa.publicKey), kid: "k" }] }),
  );
  const evil = await generateKeyPair("RS256", { extractable: true });
  const jwk = await exportJWK(evil.publicKey);
  const headers = [
    { jwk },
    { kid: "k", jwk },
    { jku: "http://127.0.0.1:1/keys" },
    { x5u: "http://127.0.0.1:1/cert", kid: "k" },
    { kid: "../../../../dev/null" },
    { kid: "' OR 1=1 --" },
    { kid: "__proto__" },
    { kid: "" },
    { kid: 7 },
    { kid: { $ne: null } },
  ];
  for (const header of headers) {
    const forged = await token({ sub: "root" }, { alg: "RS256", key: evil.privateKey, header });
    assert.equal(refusalOf(await tokens.identify(show(forged))), INVALID, JSON.stringify(header));
  }
  const good = await token({ sub: "ann" }, { alg: "RS256", key: rsa.privateKey, header: { kid: "k", jwk } });
  assert.equal(refusalOf(await tokens.identify(show(good))), "let in");
});

Deno.test("a token is held to its times, its issuer and its audience, and its client is told", async () => {
  const now = Math.floor(Date.now() / 1000);
  const cases: [Record<string, unknown>, Partial<TokenOptions>, string][] = [
    [{ exp: now - 1 }, {}, `${NOT} it has expired`],
    [{ exp: now - 1 }, { clockToleranceSeconds: 30 }, "let in"],
    [{ exp: undefined }, {}, `${NOT} exp is missing or not right`],
    [{ exp: undefined }, { requireExpiry: false }, "let in"],
    [{ exp: now - 9 }, { requireExpiry: false }, `${NOT} it has expired`],
    [{ exp: "never" }, {}, `${NOT} exp is missing or not right`],
    [{ nbf: now + 60 }, {}, `${NOT} nbf is missing or not right`],
    [{ nbf: now - 60 }, {}, "let in"],
    [{}, { issuer: "https://id" }, `${NOT} iss is missing or not right`],
    [{ iss: "https://other" }, { issuer: "https://id" }, `${NOT} iss is missing or not right`],
    [{ iss: "https://id" }, { issuer: "https://id" }, "let in"],
    [{}, { audience: "mqtt" }, `${NOT} aud is missing or not right`],
    [{ aud: "web" }, { audience: "mqtt" }, `${NOT} aud is missing or not right`],
    [{ aud: ["web", "mqtt"] }, { audience: "mqtt" }, "let in"],
  ];
  for (const [claims, options, expected] of cases) {
    const tokens = await source(options);
    const found = await tokens.identify(show(await token({ sub: "ann", ...claims })));
    assert.equal(refusalOf(found), expected, JSON.stringify([claims, options]));
  }
});

Deno.test("the user name is a claim, and one in CONNECT must be the same unless it is ignored", async () => {
  const good = await token({ sub: "ann", name: "Ann B" });
  const tokens = await source();
  assert.equal(refusalOf(await tokens.identify(show(good))), "let in");
  assert.equal(refusalOf(await tokens.identify(show(good, "ann"))), "let in");
  assert.equal(refusalOf(await tokens.identify(show(good, "bob"))), `${NOT} the user name is not its own`);
  const ignoring = await source({ matchUsername: false, usernameClaim: "name" });
  assert.equal((await ignoring.identify(show(good, "jwt")) as Identification).username, "Ann B");
  for (const sub of [undefined, "", 7, null, ["ann"], { a: 1 }, "a\u0000b", "a\nb", "x".repeat(257)]) {
    const found = await tokens.identify(show(await token({ sub })));
    assert.equal(refusalOf(found), `${NOT} sub names no user`, JSON.stringify(sub));
  }
  const inherited = await source({ usernameClaim: "constructor" });
  assert.equal(refusalOf(await inherited.identify(show(good))), `${NOT} constructor names no user`);
});

Deno.test("groups, rules and the end of a token reach the broker; what is malformed lets nobody in", async () => {
  const tokens = await source({ clockToleranceSeconds: 5 });
  const acl = { publish: { allow: ["a/%u"], deny: ["a/x"] }, subscribe: { allow: ["b/#"] } };
  const found = await tokens.identify(show(await token({ sub: "ann", groups: ["ops"], acl, exp: 4_000_000_000 })));
  assert.deepEqual(found, {
    username: "ann",
    groups: ["ops"],
    rules: [
      { permission: "deny", action: "publish", filter: "a/x" },
      { permission: "allow", action: "publish", filter: "a/%u" },
      { permission: "allow", action: "subscribe", filter: "b/#" },
    ],
    expiresAt: 4_000_000_005_000,
  });
  for (const groups of [7, [7], { a: 1 }, ["x".repeat(257)]]) {
    assert.equal(
      refusalOf(await tokens.identify(show(await token({ sub: "a", groups })))),
      `${NOT} groups has no groups`,
    );
  }
  const malformed = [
    null,
    [],
    "all",
    { pub: [] },
    { publish: ["#"] },
    { publish: { allow: "#" } },
    { publish: { allow: [7] } },
    { publish: { alow: ["#"] } },
    { subscribe: { allow: ["a/#/b"] } },
    { subscribe: { allow: [""] } },
    { publish: { allow: Array(257).fill("a") } },
  ];
  for (const acl of malformed) {
    const found = await tokens.identify(show(await token({ sub: "a", acl })));
    assert.equal(refusalOf(found), `${NOT} acl has no access rules`, JSON.stringify(acl));
  }
});

Deno.test("what is no token is somebody else's to judge; a huge one is refused unread", async () => {
  const tokens = await source();
  for (
    const password of [undefined, "", "pencil", "a.b.c", "....", "e30", "pass.word.", "YWJj.YWJj.YWJj", "\u00ff.x.y"]
  ) {
    assert.equal(refusalOf(await tokens.identify(show(password))), "not known", `${password}`);
  }
  const huge = await token({ sub: "ann", filler: "x".repeat(40_000) });
  const ms = await processorMs(async () => assert.equal(refusalOf(await tokens.identify(show(huge))), INVALID));
  assert.ok(ms < 1_000, `${ms} ms`);
  const encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aaaa.bbbb.cccc";
  assert.equal(refusalOf(await tokens.identify(show(encrypted))), "not known", "a JWE has five parts");
});

Deno.test("a set of keys: the named one, or each of a few", async () => {
  const pairs = await Promise.all(["a", "b", "c"].map(async (kid) => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    return { kid, privateKey, jwk: { ...await exportJWK(publicKey), kid } };
  }));
  const tokens = await source({ algorithms: ["ES256"] }, JSON.stringify({ keys: pairs.map(({ jwk }) => jwk) }));
  for (const { kid, privateKey } of pairs) {
    for (const header of [{ kid }, {}]) {
      const good = await token({ sub: "ann" }, { alg: "ES256", key: privateKey, header });
      assert.equal(refusalOf(await tokens.identify(show(good))), "let in", `${kid} ${JSON.stringify(header)}`);
    }
    const other = await token({ sub: "ann" }, {
      alg: "ES256",
      key: privateKey,
      header: { kid: kid === "a" ? "b" : "a" },
    });
    assert.equal(refusalOf(await tokens.identify(show(other))), INVALID, "the wrong name");
  }
  const k = new TextEncoder().encode(SECRET).toBase64({ alphabet: "base64url", omitPadding: true });
  const secrets = await source({}, JSON.stringify({ keys: [{ kty: "oct", kid: "s", k }] }));
  assert.equal(refusalOf(await secrets.identify(show(await token({ sub: "a" }, { header: { kid: "s" } })))), "let in");
  assert.equal(refusalOf(await secrets.identify(show(await token({ sub: "a" }, { header: { kid: "t" } })))), INVALID);
});

Deno.test("keys that cannot be right are refused at the start, and not quoted", async () => {
  const pkcs8 = await exportPKCS8(rsa.privateKey);
  const jwk = await exportJWK(rsa.privateKey);
  const cases: [string, string[], RegExp][] = [
    ["short", ["HS256"], /a secret for HS256 has 32 bytes at least/],
    [SECRET.slice(0, 40), ["HS256", "HS512"], /a secret for HS512 has 64 bytes/],
    ["", ["HS256"], /32 bytes/],
    [spki, ["HS256"], /it is a public key, with which nobody signs/],
    [spki, ["ES256"], /its key is none for ES256/],
    [spki, ["RS256", "ES256"], /its key is none for ES256/],
    [pkcs8, ["RS256"], /it has a private key/],
    [JSON.stringify(jwk), ["RS256"], /it has a private key/],
    [JSON.stringify({ keys: [] }), ["RS256"], /it has no key for RS256/],
    [JSON.stringify({ keys: [{ kty: "oct", k: "AAAA" }] }), ["RS256"], /it has no key for RS256/],
    [JSON.stringify({ keys: [{ kty: "oct", k: "AAAA" }] }), ["HS256"], /32 bytes/],
    [JSON.stringify({ keys: Array(101).fill(jwk) }), ["RS256"], /more than 100 keys/],
    [JSON.stringify({ keys: [7] }), ["RS256"], /expected a JWK/],
    ['{"keys": [', ["RS256"], /it is no JSON/],
    [SECRET, ["RS256"], /expected a public key or certificate/],
  ];
  for (const [text, algorithms, message] of cases) {
    await assert.rejects(readTokenKeys(text, algorithms), (error) => {
      assert.ok(error instanceof TokenKeysError, `${error}`);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /0123456789|BEGIN|AAAA/);
      return true;
    });
  }
});
