import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IAuthPacket, Packet } from "mqtt-packet";
import { type BrokerOptions, PasswordUsers, type Policy, ScramSha256 } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";
import { ScramClient } from "./scram_client.ts";
import { usersOf } from "./users.ts";

const METHOD = "SCRAM-SHA-256";
const CONTINUE = 0x18;
const REAUTHENTICATE = 0x19;
const users = await usersOf({ "user": "pencil", "a=b,c": "x", "other": "words" });

function start(options: BrokerOptions = {}): Promise<TestBroker> {
  return TestBroker.start({
    authenticationMethods: [new ScramSha256((name) => users.get(name))],
    authenticator: new PasswordUsers((name) => users.get(name), { allowAnonymous: false }),
    ...options,
  });
}

function auth(reasonCode: number, data: Uint8Array | undefined, method = METHOD): IAuthPacket {
  const authenticationData = data === undefined ? {} : { authenticationData: Buffer.from(data) };
  return {
    cmd: "auth",
    reasonCode,
    properties: { authenticationMethod: method, ...authenticationData },
  } as IAuthPacket;
}

/** Sends CONNECT with the first message and answers the data of the AUTH that follows. */
async function begin(client: TestClient, scram: ScramClient): Promise<Uint8Array> {
  const properties = { authenticationMethod: METHOD, authenticationData: scram.first() };
  await client.send(client.connectPacket({ properties }));
  return await continued(client);
}

async function continued(client: TestClient): Promise<Uint8Array> {
  const step = await client.expect("auth");
  assert.equal(step.reasonCode, CONTINUE);
  assert.equal(step.properties?.authenticationMethod, METHOD); // [MQTT-4.12.0-5]
  return step.properties!.authenticationData!;
}

/** Connects with SCRAM and answers what came last: CONNACK, or the end. */
async function connect(client: TestClient, scram: ScramClient): Promise<Packet | undefined> {
  const first = scram.onServerFirst(await begin(client, scram));
  await client.send(auth(CONTINUE, scram.final(first)));
  return await client.next();
}

/** Connects and fails unless the server has proved itself. */
async function connected(broker: TestBroker, name = "user", password = "pencil"): Promise<TestClient> {
  const client = await broker.open();
  const scram = new ScramClient(name, password);
  const packet = await connect(client, scram);
  assert.equal(packet?.cmd, "connack");
  const connack = packet as Extract<Packet, { cmd: "connack" }>;
  assert.equal(connack.reasonCode, 0);
  assert.equal(connack.properties?.authenticationMethod, METHOD);
  scram.verify(connack.properties!.authenticationData!);
  return client;
}

Deno.test("the whole exchange over a socket, with the server's signature in CONNACK", async () => {
  await using broker = await start();
  const names: (string | undefined)[] = [];
  broker.broker.watch((happening) => {
    if (happening.kind === "client-connected") names.push(happening.username);
  });
  for (const [name, password] of [["user", "pencil"], ["a=b,c", "x"]]) {
    const client = await connected(broker, name, password);
    assert.equal(await client.publish("a", "x", { qos: 1 }), 0x10);
  }
  assert.deepEqual(names, ["user", "a=b,c"]);
});

Deno.test("a wrong password is refused with 0x86, and the connection ends", async () => {
  await using broker = await start();
  const client = await broker.open();
  const packet = await connect(client, new ScramClient("user", "wrong"));
  assert.equal(packet?.cmd, "connack");
  assert.equal((packet as { reasonCode?: number }).reasonCode, 0x86);
  assert.equal(await client.expectClosed(), undefined);
});

Deno.test("a user that does not exist is told the same as one with a wrong password", async () => {
  await using broker = await start();
  const answers: unknown[] = [];
  for (const name of ["user", "nobody"]) {
    const client = await broker.open();
    const scram = new ScramClient(name, "wrong");
    const first = scram.onServerFirst(await begin(client, scram));
    await client.send(auth(CONTINUE, scram.final(first, Buffer.alloc(32))));
    const connack = await client.expect("connack");
    answers.push({ ...connack, saltLength: first.salt.length });
    await client.expectClosed();
  }
  assert.deepEqual(answers[0], answers[1]);
});

Deno.test("a tampered nonce, channel binding and malformed messages are refused with 0x87", async () => {
  await using broker = await start();
  const tampered = await broker.open();
  const scram = new ScramClient("user", "pencil");
  const first = scram.onServerFirst(await begin(tampered, scram));
  await tampered.send(auth(CONTINUE, scram.final({ ...first, nonce: `${first.nonce}x` })));
  assert.equal((await tampered.expect("connack")).reasonCode, 0x87);
  for (const data of ["p=tls-unique,,n=user,r=abc", "n,,n=us=er,r=abc", "hello", ""]) {
    const client = await broker.open();
    const properties = { authenticationMethod: METHOD, authenticationData: Buffer.from(data) };
    await client.send(client.connectPacket({ properties }));
    assert.equal((await client.expect("connack")).reasonCode, 0x87, data);
    assert.equal(await client.expectClosed(), undefined);
  }
});

Deno.test("an unknown method is refused with 0x8C, also where none is known", async () => {
  for (const options of [{}, { authenticationMethods: [] }]) {
    await using broker = await start(options);
    const client = await broker.open();
    await client.send(client.connectPacket({ properties: { authenticationMethod: "SCRAM-SHA-1" } }));
    assert.equal((await client.expect("connack")).reasonCode, 0x8c);
    await client.expectClosed();
  }
});

Deno.test("[MQTT-4.12.0-6] a client that named no method is sent no AUTH and may send none", async () => {
  await using broker = await start();
  const client = await broker.connect({ username: "user", password: "pencil" });
  await client.send(auth(REAUTHENTICATE, new ScramClient("user", "pencil").first()));
  assert.equal(await client.expectClosed(), 0x82);
});

Deno.test("[MQTT-3.1.2-30] nothing but AUTH and DISCONNECT may come before CONNACK", async () => {
  await using broker = await start();
  const client = await broker.open();
  await begin(client, new ScramClient("user", "pencil"));
  await client.send({ cmd: "publish", topic: "a", payload: "x", qos: 0, dup: false, retain: false });
  const packet = await client.next();
  assert.ok(packet === undefined || (packet as { reasonCode?: number }).reasonCode === 0x82, JSON.stringify(packet));
});

Deno.test("another method on the way, or a reason code out of order, is a protocol error", async () => {
  await using broker = await start();
  const wrong: ((scram: ScramClient, data: Uint8Array) => IAuthPacket)[] = [
    (scram, data) => auth(CONTINUE, scram.final(scram.onServerFirst(data)), "OTHER"),
    (scram, data) => auth(REAUTHENTICATE, scram.final(scram.onServerFirst(data))),
    (scram, data) => auth(0, scram.final(scram.onServerFirst(data))),
  ];
  for (const make of wrong) {
    const client = await broker.open();
    const scram = new ScramClient("user", "pencil");
    await client.send(make(scram, await begin(client, scram)));
    const packet = await client.next();
    assert.ok(packet === undefined || (packet as { reasonCode?: number }).reasonCode === 0x82, JSON.stringify(packet));
  }
});

Deno.test("re-authentication: AUTH 0x19, AUTH 0x18, AUTH 0x00 with the server's signature", async () => {
  await using broker = await start();
  const client = await connected(broker);
  const scram = new ScramClient("user", "pencil");
  await client.send(auth(REAUTHENTICATE, scram.first()));
  const first = scram.onServerFirst(await continued(client));
  assert.equal(await client.publish("a", "meanwhile", { qos: 1 }), 0x10); // the former authentication holds until the end
  await client.send(auth(CONTINUE, scram.final(first)));
  const last = await client.expect("auth");
  assert.equal(last.reasonCode, 0);
  assert.equal(last.properties?.authenticationMethod, METHOD);
  scram.verify(last.properties!.authenticationData!);
  assert.equal(await client.publish("a", "still here", { qos: 1 }), 0x10);
});

Deno.test("re-authentication may be repeated", async () => {
  await using broker = await start();
  const client = await connected(broker);
  for (let i = 0; i < 3; i++) {
    const scram = new ScramClient("user", "pencil");
    await client.send(auth(REAUTHENTICATE, scram.first()));
    await client.send(auth(CONTINUE, scram.final(scram.onServerFirst(await continued(client)))));
    assert.equal((await client.expect("auth")).reasonCode, 0);
  }
});

Deno.test("[MQTT-4.12.1-2] re-authentication that fails ends the connection with 0x87", async () => {
  await using broker = await start();
  const client = await connected(broker);
  const scram = new ScramClient("user", "wrong");
  await client.send(auth(REAUTHENTICATE, scram.first()));
  await client.send(auth(CONTINUE, scram.final(scram.onServerFirst(await continued(client)))));
  assert.equal(await client.expectClosed(), 0x87);
});

Deno.test("[MQTT-4.12.1-1] re-authentication with another method is a protocol error", async () => {
  await using broker = await start();
  const client = await connected(broker);
  await client.send(auth(REAUTHENTICATE, new ScramClient("user", "pencil").first(), "OTHER"));
  assert.equal(await client.expectClosed(), 0x82);
});

Deno.test("AUTH 0x18 without an exchange under way is a protocol error", async () => {
  await using broker = await start();
  const client = await connected(broker);
  await client.send(auth(CONTINUE, new ScramClient("user", "pencil").first()));
  assert.equal(await client.expectClosed(), 0x82);
});

Deno.test("re-authentication as somebody else is refused: the session is not theirs", async () => {
  await using broker = await start();
  const client = await connected(broker);
  const scram = new ScramClient("other", "words");
  await client.send(auth(REAUTHENTICATE, scram.first()));
  await client.send(auth(CONTINUE, scram.final(scram.onServerFirst(await continued(client)))));
  assert.equal(await client.expectClosed(), 0x87);
});

Deno.test("each user has the policy that is made for them, and re-authentication makes it anew", async () => {
  let topics = ["user/1"];
  const policyOf = (): Policy => {
    const allowed = topics;
    return { mayPublish: (_, topic) => allowed.includes(topic), maySubscribe: () => true };
  };
  const method = new ScramSha256((name) => users.get(name), { policyOf });
  await using broker = await start({ authenticationMethods: [method] });
  const client = await connected(broker);
  assert.equal(await client.publish("user/1", "x", { qos: 1 }), 0x10);
  topics = ["user/2"];
  assert.equal(await client.publish("user/2", "x", { qos: 1 }), 0x87);
  const scram = new ScramClient("user", "pencil");
  await client.send(auth(REAUTHENTICATE, scram.first()));
  await client.send(auth(CONTINUE, scram.final(scram.onServerFirst(await continued(client)))));
  assert.equal((await client.expect("auth")).reasonCode, 0);
  assert.equal(await client.publish("user/1", "x", { qos: 1 }), 0x87);
  assert.equal(await client.publish("user/2", "x", { qos: 1 }), 0x10);
});

Deno.test("an exchange that is not finished ends at the connect timeout", async () => {
  await using broker = await start({ connection: { connectTimeoutMs: 50 } });
  const client = await broker.open();
  await begin(client, new ScramClient("user", "pencil"));
  assert.equal((await client.expect("connack")).reasonCode, 0x80);
  assert.equal(await client.expectClosed(), undefined);
});

Deno.test("stop in the middle of an exchange", async () => {
  await using broker = await start();
  const client = await broker.open();
  await begin(client, new ScramClient("user", "pencil"));
  const stopped = broker.broker.stop();
  const packet = await client.next();
  assert.ok(packet === undefined || (packet as { reasonCode?: number }).reasonCode === 0x8b, JSON.stringify(packet));
  client.close();
  await stopped;
});
