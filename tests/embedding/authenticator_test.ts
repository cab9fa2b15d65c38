import assert from "node:assert/strict";
import { ALLOW_ALL, type Authenticator, type Credentials, type RefusalCause, type Verdict } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import type { ConnectOptions, TestClient } from "../support/client.ts";
import { happening, turns } from "./waiting.ts";

/** Asks `decide` about each client, at once or after a turn of the event loop. */
function authenticator(decide: (credentials: Credentials) => Verdict, how: "sync" | "async"): Authenticator {
  return {
    authenticate(credentials) {
      return how === "sync" ? decide(credentials) : turns(1).then(() => decide(credentials));
    },
  };
}

/** The code of the CONNACK that answers a CONNECT; undefined when the connection just ends. */
async function answer(
  broker: TestBroker,
  version: 3 | 4 | 5,
  options: ConnectOptions = {},
): Promise<number | undefined> {
  const client = await broker.open(version);
  await client.send(client.connectPacket(options));
  const packet = await client.next();
  if (packet === undefined) return undefined;
  assert.equal(packet.cmd, "connack");
  const { reasonCode, returnCode } = packet as { reasonCode?: number; returnCode?: number };
  const code = version === 5 ? reasonCode : returnCode;
  if (code !== 0) {
    assert.equal(await client.expectClosed(), undefined, "a refused client is disconnected without DISCONNECT");
  }
  return code;
}

for (const how of ["sync", "async"] as const) {
  Deno.test(`${how}: the authenticator gets what the client brought, and names it`, async () => {
    const asked: Credentials[] = [];
    await using broker = await TestBroker.start({
      authenticator: authenticator((credentials) => {
        asked.push(credentials);
        return { username: "known as", policy: ALLOW_ALL };
      }, how),
    });
    const connected = happening(broker.broker, "client-connected");
    await broker.connect({ clientId: "c", username: "u", password: Uint8Array.of(0xff, 0) });
    assert.equal((await connected).username, "known as");
    await broker.connect({ version: 4, clientId: "d" });
    await broker.connect({ clientId: "" });
    const [first, second, third] = asked;
    assert.deepEqual({ ...first, password: [...first.password!] }, {
      clientId: "c",
      username: "u",
      password: [0xff, 0],
      certificate: undefined,
      remoteAddress: "127.0.0.1",
      listener: "tcp",
      protocolVersion: 5,
    });
    assert.equal(second.username, undefined);
    assert.equal(second.password, undefined);
    assert.equal(second.protocolVersion, 4);
    assert.notEqual(third.clientId, "", "the id that the broker made up");
  });

  Deno.test(`${how}: refusals have their code in each version`, async () => {
    const cases: [RefusalCause, number, number][] = [
      ["bad-user-name-or-password", 0x86, 4],
      ["not-authorized", 0x87, 5],
      ["server-unavailable", 0x88, 3],
      ["server-busy", 0x89, 3],
      ["banned", 0x8a, 5],
      ["client-identifier-not-valid", 0x85, 2],
    ];
    let refusal: RefusalCause = "not-authorized";
    await using broker = await TestBroker.start({
      authenticator: authenticator(() => ({ refusal, reason: "because" }), how),
    });
    for (const [cause, v5, v3] of cases) {
      refusal = cause;
      assert.equal(await answer(broker, 5), v5, cause);
      assert.equal(await answer(broker, 4), v3, cause);
      assert.equal(await answer(broker, 3, { clientId: "old" }), v3, cause);
    }
  });

  Deno.test(`${how}: what an authenticator throws refuses the client with 0x80 and does not leak`, async () => {
    await using broker = await TestBroker.start({
      authenticator: authenticator(({ username }) => {
        if (username === "ok") return { username, policy: ALLOW_ALL };
        throw new Error("connection to db://secret refused");
      }, how),
    });
    const client = await broker.open();
    await client.send(client.connectPacket());
    const connack = await client.expect("connack");
    assert.equal(connack.reasonCode, 0x80);
    assert.ok(!JSON.stringify(connack).includes("secret"));
    await client.expectClosed();
    assert.equal(await answer(broker, 4), undefined); // 3.1.1 has no word for it
    await broker.connect({ username: "ok" });
  });
}

Deno.test("the reason of a refusal is told to a v5 client", async () => {
  await using broker = await TestBroker.start({
    authenticator: { authenticate: () => ({ refusal: "banned", reason: "Too many wrong passwords" }) },
  });
  const client = await broker.open();
  await client.send(client.connectPacket());
  assert.equal((await client.expect("connack")).properties?.reasonString, "Too many wrong passwords");
});

Deno.test("packets behind a CONNECT wait for the authenticator, in order", async () => {
  const verdict = Promise.withResolvers<Verdict>();
  await using broker = await TestBroker.start({ authenticator: { authenticate: () => verdict.promise } });
  const asked = await broker.open(4);
  await asked.send(asked.connectPacket());
  for (const messageId of [1, 2]) {
    await asked.send({ cmd: "publish", topic: "a", payload: "x", qos: 1, messageId, dup: false, retain: false });
  }
  await turns();
  verdict.resolve({ username: undefined, policy: ALLOW_ALL });
  await asked.expect("connack");
  for (const messageId of [1, 2]) assert.equal((await asked.expect("puback")).messageId, messageId);
});

Deno.test("a client that goes while it is authenticated is not connected afterwards", async () => {
  const verdict = Promise.withResolvers<Verdict>();
  const asked = Promise.withResolvers<void>();
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate() {
        asked.resolve();
        return verdict.promise;
      },
    },
  });
  const kinds: string[] = [];
  broker.broker.watch(({ kind }) => kinds.push(kind));
  const client = await broker.open();
  await client.send(client.connectPacket({ will: { topic: "w", payload: "x", qos: 0, retain: false } as never }));
  await asked.promise;
  client.close();
  await turns();
  verdict.resolve({ username: undefined, policy: ALLOW_ALL });
  await turns(10);
  const isGone = kinds.length === 0 || kinds.includes("client-disconnected"); // never came, or came and went
  assert.ok(isGone, `${kinds}`);
});

Deno.test("a slow authenticator holds up its own client only", async () => {
  const verdict = Promise.withResolvers<Verdict>();
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: ({ username }) => username === "slow" ? verdict.promise : { username, policy: ALLOW_ALL },
    },
  });
  const slow: TestClient = await broker.open();
  await slow.send(slow.connectPacket({ username: "slow" }));
  await broker.connect({ username: "quick" });
  verdict.resolve({ username: "slow", policy: ALLOW_ALL });
  assert.equal((await slow.expect("connack")).reasonCode, 0);
});

Deno.test("an authenticator that takes too long: the client is refused at the connect timeout", async () => {
  const verdict = Promise.withResolvers<Verdict>();
  await using broker = await TestBroker.start({
    authenticator: { authenticate: () => verdict.promise },
    connection: { connectTimeoutMs: 50 },
  });
  const client = await broker.open();
  await client.send(client.connectPacket());
  assert.equal((await client.expect("connack")).reasonCode, 0x80);
  assert.equal(await client.expectClosed(), undefined);
  verdict.resolve({ username: undefined, policy: ALLOW_ALL });
});
