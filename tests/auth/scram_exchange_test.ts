import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Credentials, type Exchange, type ExchangeStep, ScramSha256 } from "../../mod.ts";
import { ScramClient } from "./scram_client.ts";
import { usersOf } from "./users.ts";

const CREDENTIALS: Credentials = {
  clientId: "c",
  username: undefined,
  password: undefined,
  remoteAddress: "",
  listener: "",
  protocolVersion: 5,
};
const users = await usersOf({ "user": "pencil", "a=b,c": "x", "ü": "ö" });
const method = new ScramSha256((name) => users.get(name));

function begin(): Exchange {
  return method.begin(CREDENTIALS);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function dataOf(step: ExchangeStep): Uint8Array {
  assert.ok(step.kind !== "refused", "refused");
  return step.data!;
}

/** Runs the exchange to its end. */
async function run(client: ScramClient, exchange: Exchange = begin()): Promise<ExchangeStep> {
  const first = await exchange.step(client.first());
  return await exchange.step(client.final(client.onServerFirst(dataOf(first))));
}

function assertRefused(step: ExchangeStep, what: string, refusal = "not-authorized"): void {
  assert.equal(step.kind, "refused", what);
  assert.equal((step as { refusal: string }).refusal, refusal, what);
}

Deno.test("the right password succeeds, and the server proves that it knows the user", async () => {
  for (const [name, password] of [["user", "pencil"], ["a=b,c", "x"], ["ü", "ö"]]) {
    const client = new ScramClient(name, password);
    const step = await run(client);
    assert.equal(step.kind, "success");
    assert.equal((step as { username?: string }).username, name);
    client.verify(dataOf(step));
  }
});

Deno.test("a wrong password is refused", async () => {
  assertRefused(await run(new ScramClient("user", "Pencil")), "wrong password", "bad-user-name-or-password");
});

Deno.test("the nonce of the server is another one each time", async () => {
  const client = new ScramClient("user", "pencil", "fixed");
  const nonces = new Set<string>();
  for (let i = 0; i < 5; i++) nonces.add(client.onServerFirst(dataOf(await begin().step(client.first()))).nonce);
  assert.equal(nonces.size, 5);
});

Deno.test("a user that does not exist looks like one that does, until the end", async () => {
  const salts: string[] = [];
  for (let i = 0; i < 2; i++) {
    const client = new ScramClient("nobody", "pencil", "fixed");
    const exchange = begin();
    const first = client.onServerFirst(dataOf(await exchange.step(client.first())));
    assert.equal(first.salt.length, users.get("user")!.salt.length);
    salts.push(first.salt.toString("hex"));
    const step = await exchange.step(client.final(first, first.salt));
    assert.deepEqual(step, await run(new ScramClient("user", "wrong")), "the refusals differ");
  }
  assert.equal(salts[0], salts[1], "the salt of an existing user stays the same");
  const other = new ScramClient("nobody else", "pencil");
  assert.notEqual(other.onServerFirst(dataOf(await begin().step(other.first()))).salt.toString("hex"), salts[0]);
});

Deno.test("a user that does not exist costs as many hashes as one that does, at each step", async () => {
  const { sign } = crypto.subtle;
  const counts: number[][] = [];
  try {
    for (const name of ["user", "nobody"]) {
      let signed = 0;
      crypto.subtle.sign = (...args: Parameters<typeof sign>) => (signed++, sign.apply(crypto.subtle, args));
      const client = new ScramClient(name, "wrong");
      const exchange = begin();
      const first = client.onServerFirst(dataOf(await exchange.step(client.first())));
      const after = [signed];
      await exchange.step(client.final(first, Buffer.alloc(32)));
      counts.push([...after, signed]);
    }
  } finally {
    crypto.subtle.sign = sign;
  }
  assert.deepEqual(counts[0], counts[1]);
  assert.ok(counts[0][0] > 0);
});

Deno.test("the iterations of a user that does not exist are those of the others", async () => {
  await run(new ScramClient("user", "wrong")); // the method has seen how its users' credentials were derived
  const client = new ScramClient("nobody", "pencil");
  const first = client.onServerFirst(dataOf(await begin().step(client.first())));
  assert.equal(first.iterations, users.get("user")!.iterations, "the count tells who exists");
});

Deno.test("a tampered nonce is refused", async () => {
  const tamper: ((nonce: string) => string)[] = [
    (nonce) => `${nonce}x`,
    (nonce) => nonce.slice(0, -1),
    (nonce) => `${nonce[0] === "x" ? "y" : "x"}${nonce.slice(1)}`, // one in 64 begins with an x of its own
    () => "",
  ];
  for (const change of tamper) {
    const client = new ScramClient("user", "pencil");
    const exchange = begin();
    const first = client.onServerFirst(dataOf(await exchange.step(client.first())));
    const step = await exchange.step(client.final({ ...first, nonce: change(first.nonce) }));
    assertRefused(step, `${change}`);
  }
});

Deno.test("a proof from another exchange is refused", async () => {
  const client = new ScramClient("user", "pencil", "fixed");
  const exchange = begin();
  const final = client.final(client.onServerFirst(dataOf(await exchange.step(client.first()))));
  assert.equal((await exchange.step(final)).kind, "success");
  const replayed = begin();
  await replayed.step(client.first());
  assertRefused(await replayed.step(final), "replay");
});

Deno.test("channel binding is refused: it is not announced", async () => {
  const client = new ScramClient("user", "pencil");
  client.header = "p=tls-unique,,";
  assertRefused(await begin().step(client.first()), "p=");
  const late = new ScramClient("user", "pencil");
  late.channelBinding = btoa("p=tls-unique,,data");
  assertRefused(await run(late), "c= does not match the header");
  const downgraded = new ScramClient("user", "pencil");
  downgraded.channelBinding = btoa("y,,");
  assertRefused(await run(downgraded), "y where n was said");
});

Deno.test('"y" means that the client could have bound the channel: fine, since the server cannot', async () => {
  const client = new ScramClient("user", "pencil");
  client.header = "y,,";
  const step = await run(client);
  assert.equal(step.kind, "success");
  client.verify(dataOf(step));
});

Deno.test("acting for somebody else is refused", async () => {
  const client = new ScramClient("user", "pencil");
  client.header = "n,a=admin,";
  const step = await begin().step(client.first());
  assertRefused(step, "an authorization identity that is not the user's own");
});

Deno.test("malformed first messages are refused", async () => {
  const messages = [
    "",
    "n",
    "n,,",
    "n,,n=user",
    "n,,n=,r=abc",
    "n,,n=user,r=",
    "n,,r=abc,n=user",
    "n,,n=us=er,r=abc",
    "n,,n=user=2c,r=abc",
    "n,,n=user=,r=abc",
    "n,,m=must,n=user,r=abc", // a mandatory extension
    "n,,n=user,r=a\u0000b",
    "n,,n=user,r=aäb",
    "x,,n=user,r=abc",
    "n,b=user,n=user,r=abc",
    ",,n=user,r=abc",
    "n,,n=user,r=abc\n",
    "n=user,r=abc",
  ];
  for (const message of messages) assertRefused(await begin().step(encode(message)), JSON.stringify(message));
  assertRefused(await begin().step(undefined), "no data");
  assertRefused(await begin().step(Uint8Array.of(0x6e, 0x2c, 0x2c, 0xff)), "not UTF-8");
});

Deno.test("extensions that a client may add are let pass", async () => {
  const exchange = begin();
  const step = await exchange.step(encode("n,,n=user,r=abc,x=ignored"));
  assert.equal(step.kind, "continue");
});

Deno.test("malformed final messages are refused", async () => {
  const changes: ((final: string) => string)[] = [
    () => "",
    (final) => final.replace(/,p=.*/, ""),
    (final) => final.replace(/,p=.*/, ",p="),
    (final) => final.replace(/,p=.*/, ",p=AAAA"),
    (final) => final.replace(/,p=.*/, ",p=!!!!"),
    (final) => `${final}AAAA`,
    (final) => `${final},x=1`, // the proof comes last
    (final) => final.replace(/^c=biws/, "c=BIWS"),
    (final) => final.replace(/^c=biws,/, ""),
    (final) => final.replace(/^(c=biws),(r=[^,]*)/, "$2,$1"),
    (final) => final.replace(/^/, " "),
  ];
  for (const change of changes) {
    const client = new ScramClient("user", "pencil");
    const exchange = begin();
    const first = client.onServerFirst(dataOf(await exchange.step(client.first())));
    const final = change(client.final(first).toString());
    assertRefused(await exchange.step(encode(final)), final);
  }
});

Deno.test("a user is looked up once for each exchange, by the decoded name, and lookups may wait", async () => {
  const asked: string[] = [];
  const waiting = new ScramSha256(async (name) => {
    asked.push(name);
    await Promise.resolve();
    return users.get(name);
  });
  const client = new ScramClient("a=b,c", "x");
  assert.equal((await run(client, waiting.begin(CREDENTIALS))).kind, "success");
  assert.deepEqual(asked, ["a=b,c"]);
});
