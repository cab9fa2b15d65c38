/** Tokens by MQTT 5 enhanced authentication: at CONNECT, and again before the first one ends. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { SignJWT } from "jose";
import { connectAsync } from "mqtt";
import type { IAuthPacket } from "mqtt-packet";
import type { TestClient } from "../support/client.ts";
import { Served } from "./served.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const METHOD = "OAUTH2-JWT";

const YAML = `auth:
  jwt: { key_file: FOLDER/secret, algorithms: HS256, clock_tolerance: 0 }
  acl: [{ permission: allow, filter: "own/%u/#" }]
  acl_default: auto
`;

const AUTO = { WEIR_AUTH_ACL_DEFAULT: "auto" };

function start(yaml = YAML): Promise<Served> {
  return Served.start(yaml, { secret: SECRET }, AUTO);
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function sign(claims: Record<string, unknown>, secret = SECRET): Promise<string> {
  return new SignJWT({ sub: "tom", exp: now() + 60, ...claims }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

function said(token: string | undefined): { authenticationMethod: string; authenticationData?: Buffer } {
  return { authenticationMethod: METHOD, ...(token !== undefined && { authenticationData: Buffer.from(token) }) };
}

async function again(client: TestClient, token: string | undefined): Promise<void> {
  await client.send({ cmd: "auth", reasonCode: 0x19, properties: said(token) } as IAuthPacket);
}

Deno.test("a token as the data of CONNECT lets in, and one that is wrong or none does not", async () => {
  await using served = await start();
  const client = await served.connect({ properties: said(await sign({})) });
  assert.equal(await client.publish("own/tom/x", "x", { qos: 1 }), 0x10);
  assert.equal(await client.publish("own/ann/x", "x", { qos: 1 }), 0x87);
  const cases: [string | undefined, number][] = [
    [undefined, 0x86],
    ["pencil", 0x86],
    [await sign({}, "another secret of thirty-two bytes"), 0x86],
    [await sign({ exp: now() - 1 }), 0x87],
    [await sign({ sub: "" }), 0x87],
  ];
  for (const [token, code] of cases) assert.equal(await served.code({ properties: said(token) }), code, `${token}`);
  assert.equal(await served.code({ username: "ann", properties: said(await sign({})) }), 0x87, "another's name");
  assert.equal(await served.code({ username: "tom", properties: said(await sign({})) }), 0);
});

Deno.test("MQTT.js logs in with a token as its authentication data", async () => {
  await using served = await start();
  const { port } = served.server.listeners[0];
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5,
    properties: said(await sign({})) as { authenticationMethod: string; authenticationData: Buffer },
  });
  assert.equal((await client.subscribeAsync("own/tom/#"))[0].qos, 0);
  await client.endAsync();
});

Deno.test("a new token before the old one ends keeps the connection, until the new one ends", async () => {
  await using served = await start();
  const exp = now() + 2;
  const client = await served.connect({ properties: said(await sign({ exp })) });
  await again(client, await sign({ exp: exp + 2 }));
  assert.equal((await client.expect("auth")).reasonCode, 0);
  assert.equal((await client.expect("disconnect")).reasonCode, 0x87);
  assert.ok(Date.now() >= (exp + 2) * 1000 - 50, "the second end counts");
});

for (
  const [what, token] of Object.entries({
    "that is wrong": () => sign({}, "another secret of thirty-two bytes"),
    "of another user": () => sign({ sub: "ann" }),
    "that has ended": () => sign({ exp: now() - 1 }),
    "that is none": () => Promise.resolve("pencil"),
    "that is not there": () => Promise.resolve(undefined),
  })
) {
  Deno.test(`[MQTT-4.12.1-2] a second token ${what} ends the connection with 0x87`, async () => {
    await using served = await start();
    const client = await served.connect({ properties: said(await sign({})) });
    await again(client, await token());
    assert.equal((await client.expect("disconnect")).reasonCode, 0x87);
    await client.expectClosed();
  });
}

Deno.test("a second token that allows less takes subscriptions away, and one that allows more gives", async () => {
  await using served = await start();
  const acl = (filter: string) => ({ acl: { publish: { allow: [filter] }, subscribe: { allow: [filter] } } });
  const client = await served.connect({ properties: said(await sign(acl("a/#"))) });
  assert.equal(await client.subscribe("a/x"), 0);
  assert.equal(await client.publish("b/x", "x", { qos: 1 }), 0x87);
  await again(client, await sign(acl("+/#")));
  assert.equal((await client.expect("auth")).reasonCode, 0);
  assert.equal(await client.publish("b/x", "x", { qos: 1 }), 0x10);
  await again(client, await sign(acl("b/#")));
  assert.equal((await client.expect("auth")).reasonCode, 0);
  assert.equal((await client.expect("disconnect")).reasonCode, 0x87, "nothing else could tell it");
});

Deno.test("a will goes by the token that the client has shown last", async () => {
  await using served = await start(YAML.replace("own/%u/#", "#"));
  const watch = await served.connect({ properties: said(await sign({ sub: "watch" })) });
  await watch.subscribe("will/#");
  const will = { topic: "will/tom", payload: Buffer.from("gone"), qos: 0 as const, retain: false };
  const mayNot = { acl: { publish: { allow: ["else"] } } };
  const [before, after] = [
    await served.connect({ will, properties: said(await sign({})) }),
    await served.connect({
      will: { ...will, payload: Buffer.from("may not") },
      properties: said(await sign({})),
    }),
  ];
  await again(after, await sign(mayNot));
  assert.equal((await after.expect("auth")).reasonCode, 0);
  after.close();
  before.close();
  assert.equal((await watch.receive()).payload.toString(), "gone");
  await watch.expectNothing();
});

Deno.test("who authenticates again is counted with those who connect: DISCONNECT 0x9F when it is too often", async () => {
  await using served = await start(`${YAML}ratelimit: { enabled: true, connection: { rate: 0.01, burst: 3 } }\n`);
  const client = await served.connect({ properties: said(await sign({})) });
  for (let n = 0; n < 2; n++) {
    await again(client, await sign({}));
    assert.equal((await client.expect("auth")).reasonCode, 0);
  }
  await again(client, await sign({}));
  assert.equal((await client.expect("disconnect")).reasonCode, 0x9f);
});

Deno.test("guesses by this method are counted and banned, a token that has ended is no guess", async () => {
  await using served = await start(
    YAML.replace("auth:", 'auth:\n  ban_after: 3\n  ban_exempt: "10.0.0.0/8"'),
  );
  const late = said(await sign({ exp: now() - 1 }));
  for (let n = 0; n < 5; n++) assert.equal(await served.code({ properties: late }), 0x87);
  for (let n = 0; n < 3; n++) assert.equal(await served.code({ properties: said("guess") }), 0x86);
  assert.equal(await served.code({ properties: said(await sign({})) }), 0x8a);
});
