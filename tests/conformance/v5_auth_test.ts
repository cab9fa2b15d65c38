import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generate, type IAuthPacket, type Packet } from "mqtt-packet";
import type { AuthenticationMethod, Exchange, ExchangeStep } from "../../src/auth/authenticator.ts";
import type { Policy } from "../../src/core/ports.ts";
import { HandStore } from "../embedding/hand_store.ts";
import { TestBroker } from "../support/broker.ts";
import type { ConnectOptions, TestClient } from "../support/client.ts";
import { durable } from "../support/departure.ts";
import { join, lastFrame, packet, properties, rawPublish, rawSubscribe, text } from "../support/raw_packet.ts";

const CONTINUE = 0x18;
const REAUTHENTICATE = 0x19;
const AUTH = 15;

/** Everybody publishes below a topic of his own name, and nowhere else. */
const ownTopics: Policy = {
  mayPublish: ({ username }, topic) => topic.startsWith(`${username}/`) || topic === "will",
  maySubscribe: () => true,
};

/** Who is not even asked, and why. */
const REFUSED: Record<string, "banned" | "bad-user-name-or-password" | undefined> = {
  mallory: "banned",
  eve: "bad-user-name-or-password",
};

/** Asks for the double of a number, and then of another; lets in under the name that came first. */
class Quiz implements AuthenticationMethod {
  readonly name = "QUIZ";

  begin(): Exchange {
    let name = "";
    let asked = 0;
    const ask = (question: number): ExchangeStep => ({ kind: "continue", data: bytesOf(`${asked = question}`) });
    return {
      step: (data): ExchangeStep => {
        const said = data === undefined ? "" : new TextDecoder().decode(data);
        if (asked === 0) {
          name = said;
          const refused = REFUSED[name];
          return refused === undefined ? ask(4) : { kind: "refused", refusal: refused, reason: "not you" };
        }
        if (Number(said) !== asked * 2) return { kind: "refused", refusal: "not-authorized", reason: "wrong answer" };
        if (asked === 4) return ask(11);
        return { kind: "success", data: bytesOf(`hello ${name}`), username: name, policy: ownTopics };
      },
    };
  }
}

function bytesOf(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function startBroker(): Promise<TestBroker> {
  return TestBroker.start({ authenticationMethods: [new Quiz()] });
}

/** Sends a CONNECT that names the method. */
async function begin(broker: TestBroker, name: string, options: ConnectOptions = {}): Promise<TestClient> {
  const client = await broker.open();
  const authentication = { authenticationMethod: "QUIZ", authenticationData: Buffer.from(name) };
  await client.send(client.connectPacket({ ...options, properties: { ...options.properties, ...authentication } }));
  return client;
}

async function sendAuth(client: TestClient, reasonCode: number, data: string, method = "QUIZ"): Promise<void> {
  const authentication = { authenticationMethod: method, authenticationData: Buffer.from(data) };
  await client.send({ cmd: "auth", reasonCode, properties: authentication } as Packet);
}

/** The next packet, an AUTH by the method of the CONNECT; answers what it asks. */
async function question(client: TestClient): Promise<string> {
  const auth: IAuthPacket = await client.expect("auth");
  assert.equal(auth.reasonCode, CONTINUE);
  assert.equal(auth.properties?.authenticationMethod, "QUIZ");
  return auth.properties?.authenticationData?.toString() ?? "";
}

/** Answers both questions. */
async function answerAll(client: TestClient): Promise<void> {
  assert.equal(await question(client), "4");
  await sendAuth(client, CONTINUE, "8");
  assert.equal(await question(client), "11");
  await sendAuth(client, CONTINUE, "22");
}

/** A client that has been let in. */
async function enter(broker: TestBroker, name: string, options: ConnectOptions = {}): Promise<TestClient> {
  const client = await begin(broker, name, options);
  await answerAll(client);
  client.connack = await client.expect("connack");
  assert.equal(client.connack.reasonCode, 0);
  return client;
}

/** Reads on until the connection has ended: the CONNACK that refuses, if there was one, and nothing else. */
async function refusal(client: TestClient): Promise<number | undefined> {
  const next = await client.next();
  if (next === undefined) return undefined;
  assert.equal(next.cmd, "connack", `expected the end or CONNACK, got ${JSON.stringify(next)}`);
  const { reasonCode = 0 } = next as { reasonCode?: number };
  assert.ok(reasonCode >= 0x80, `CONNACK ${reasonCode}`);
  assert.equal(await client.next(), undefined);
  return reasonCode;
}

Deno.test("[MQTT-4.12.0-1] a method that is not known is refused with 0x8C, and the connection ends", async () => {
  await using broker = await startBroker();
  const client = await broker.open();
  await client.send(client.connectPacket({ properties: { authenticationMethod: "KERBEROS" } }));
  assert.equal(await refusal(client), 0x8c);
});

Deno.test("[MQTT-4.12.0-1] method names are compared exactly", async () => {
  await using broker = await startBroker();
  for (const authenticationMethod of ["quiz", "QUIZ ", ""]) {
    const client = await broker.open();
    await client.send(client.connectPacket({ properties: { authenticationMethod } }));
    assert.equal(await refusal(client), 0x8c, authenticationMethod);
  }
});

Deno.test("[MQTT-4.12.0-1] a user name and password do not replace a method that is not known", async () => {
  await using broker = await startBroker();
  const client = await broker.open();
  const properties = { authenticationMethod: "KERBEROS" };
  await client.send(client.connectPacket({ username: "u", password: "p", properties }));
  assert.equal(await refusal(client), 0x8c);
});

Deno.test("[MQTT-4.12.0-2][MQTT-4.12.0-5] several AUTH 0x18, then CONNACK, all with the method", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  assert.equal(client.connack?.properties?.authenticationMethod, "QUIZ");
  assert.equal(client.connack?.properties?.authenticationData?.toString(), "hello alice");
  assert.equal(await client.publish("alice/x", "m", { qos: 1 }), 0x10);
  assert.equal(await client.publish("bob/x", "m", { qos: 1 }), 0x87);
});

Deno.test("[MQTT-4.12.0-2] the session is there once authentication is complete, not before", async () => {
  await using broker = await startBroker();
  const client = await begin(broker, "alice", durable("sooner"));
  await question(client);
  client.close();
  const again = await enter(broker, "alice", durable("sooner"));
  assert.equal(again.connack?.sessionPresent, false);
});

Deno.test("[MQTT-4.12.0-4] the broker can refuse at the first step", async () => {
  await using broker = await startBroker();
  assert.equal(await refusal(await begin(broker, "mallory")), 0x8a);
  assert.equal(await refusal(await begin(broker, "eve")), 0x86);
});

Deno.test("[MQTT-4.12.0-4] the broker can refuse at any later step", async () => {
  await using broker = await startBroker();
  const first = await begin(broker, "alice");
  await question(first);
  await sendAuth(first, CONTINUE, "9");
  assert.equal(await refusal(first), 0x87);
  const second = await begin(broker, "alice");
  await question(second);
  await sendAuth(second, CONTINUE, "8");
  await question(second);
  await sendAuth(second, CONTINUE, "0");
  assert.equal(await refusal(second), 0x87);
});

Deno.test("[MQTT-4.12.0-4] who is refused takes over no session and ends none", async () => {
  await using broker = await startBroker();
  const owner = await enter(broker, "alice", durable("mine"));
  const intruder = await begin(broker, "alice", { clientId: "mine", clean: true });
  await question(intruder);
  await sendAuth(intruder, CONTINUE, "wrong");
  assert.equal(await refusal(intruder), 0x87);
  await owner.expectNothing();
  await owner.disconnect();
  assert.equal((await enter(broker, "alice", durable("mine"))).connack?.sessionPresent, true);
});

Deno.test("[MQTT-4.12.0-4] the will of a client that was refused is not published", async () => {
  await using broker = await startBroker();
  const watcher = await broker.connect();
  await watcher.subscribe("will");
  const will = { topic: "will", payload: "died", qos: 0, retain: false } as never;
  const client = await begin(broker, "alice", { will });
  await question(client);
  await sendAuth(client, CONTINUE, "wrong");
  await refusal(client);
  await watcher.expectNothing();
});

Deno.test("[MQTT-4.12.0-5] an AUTH that names another method ends the authentication", async () => {
  await using broker = await startBroker();
  const client = await begin(broker, "alice");
  await question(client);
  await sendAuth(client, CONTINUE, "8", "OTHER");
  assert.ok([undefined, 0x82, 0x8c].includes(await refusal(client)));
});

Deno.test("[MQTT-4.12.0-5] an AUTH without a method ends the authentication", async () => {
  await using broker = await startBroker();
  const client = await begin(broker, "alice");
  await question(client);
  await client.sendBytes(packet(0xf0, CONTINUE, properties(0x16, text("8"))));
  assert.ok([undefined, 0x82].includes(await refusal(client)));
});

Deno.test("[MQTT-4.12.0-6] a client that names no method gets neither AUTH nor a method in CONNACK", async () => {
  await using broker = await startBroker();
  const client = await broker.connect({ username: "u", password: "p" });
  assert.equal(client.connack?.properties?.authenticationMethod, undefined);
  assert.equal(client.connack?.properties?.authenticationData, undefined);
  await client.expectNothing();
});

Deno.test("[MQTT-4.12.0-6] Authentication Data without a method is a protocol error (MQTT 5 3.1.2.11.10)", async () => {
  await using broker = await startBroker();
  const client = await broker.open();
  await client.send(client.connectPacket({ properties: { authenticationData: Buffer.from("alice") } }));
  assert.equal(await refusal(client), 0x82);
});

for (const code of [CONTINUE, REAUTHENTICATE]) {
  Deno.test(`[MQTT-4.12.0-7] AUTH 0x${code.toString(16)} from a client that named no method: 0x82`, async () => {
    await using broker = await startBroker();
    const client = await broker.connect();
    await sendAuth(client, code, "alice");
    assert.equal(await client.expectClosed(), 0x82);
  });
}

for (const flags of [1, 2, 8]) {
  Deno.test(`[MQTT-3.15.1-1] an AUTH with the flags ${flags} is malformed, once connected and before`, async () => {
    await using broker = await startBroker();
    const auth = packet(0xf0 | flags, CONTINUE, properties(0x15, text("QUIZ"), 0x16, text("8")));
    const early = await begin(broker, "alice");
    await question(early);
    await early.sendBytes(auth);
    assert.ok([undefined, 0x81].includes(await refusal(early)));
    const connected = await enter(broker, "alice");
    await connected.sendBytes(auth);
    assert.equal(await connected.expectClosed(), 0x81);
  });
}

for (const code of [0x00, 0x01, 0x80, 0x87]) {
  Deno.test(`[MQTT-3.15.2-1] a client may not say AUTH 0x${code.toString(16)}`, async () => {
    await using broker = await startBroker();
    const client = await enter(broker, "alice");
    await client.sendBytes(packet(0xf0, code, properties(0x15, text("QUIZ"))));
    const answer = await client.expectClosed();
    assert.ok(answer === 0x81 || answer === 0x82, `got ${answer}`);
  });
}

Deno.test("[MQTT-3.15.2-1] AUTH without a body is Success, which only a server says", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  await client.sendBytes("f000");
  assert.ok([0x81, 0x82].includes(await client.expectClosed() as number));
});

Deno.test("[MQTT-3.15.2-2][MQTT-3.15.2-3] an AUTH keeps to the client's Maximum Packet Size", async () => {
  await using broker = await startBroker();
  const client = await begin(broker, "alice", { properties: { maximumPacketSize: 48 } });
  await question(client);
  const frame = lastFrame(client.bytes, AUTH);
  assert.ok(frame.length <= 48);
  const minimal = packet(0xf0, CONTINUE, properties(0x15, text("QUIZ"), 0x16, text("4")));
  assert.equal(frame.length, minimal.length, "nothing but the method and the data");
});

Deno.test("[MQTT-4.12.1-1] a client re-authenticates with AUTH 0x19 and is answered by AUTH 0x00", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  await sendAuth(client, REAUTHENTICATE, "alice");
  await answerAll(client);
  const done = await client.expect("auth");
  assert.equal(done.reasonCode, 0);
  assert.equal(done.properties?.authenticationMethod, "QUIZ");
  assert.equal(done.properties?.authenticationData?.toString(), "hello alice");
  await sendAuth(client, REAUTHENTICATE, "alice");
  await answerAll(client);
  assert.equal((await client.expect("auth")).reasonCode, 0, "and once more");
});

Deno.test("[MQTT-4.12.1-1] [MQTT-4.12.1-2] the session stays its user's: re-authentication as another one ends with 0x87", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  const watcher = await broker.connect();
  await watcher.subscribe("#");
  await sendAuth(client, REAUTHENTICATE, "bob");
  assert.equal(await question(client), "4");
  assert.equal(await client.publish("alice/x", "still alice", { qos: 1 }), 0);
  assert.equal(await client.publish("bob/x", "not yet bob", { qos: 1 }), 0x87);
  await sendAuth(client, CONTINUE, "8");
  await question(client);
  await sendAuth(client, CONTINUE, "22");
  assert.equal(await client.expectClosed(), 0x87);
  assert.equal((await watcher.receive()).payload.toString(), "still alice");
  await watcher.expectNothing();
});

Deno.test("[MQTT-4.12.1-1] messages flow both ways while a client re-authenticates", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  await client.subscribe("in", { qos: 2 });
  await sendAuth(client, REAUTHENTICATE, "alice");
  await question(client);
  await (await broker.connect()).publish("in", "m", { qos: 2 });
  assert.equal((await client.receive()).payload.toString(), "m");
  assert.equal(await client.publish("alice/out", "m", { qos: 2 }), 0x10);
  assert.equal(await client.subscribe("alice/+", { qos: 1 }), 1);
  await client.expectNothing();
  await sendAuth(client, CONTINUE, "8");
  await question(client);
  await sendAuth(client, CONTINUE, "22");
  assert.equal((await client.expect("auth")).reasonCode, 0);
});

Deno.test("[MQTT-4.12.1-1] a re-authentication by another method is a protocol error", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  await sendAuth(client, REAUTHENTICATE, "alice", "OTHER");
  assert.ok([0x82, 0x8c].includes(await client.expectClosed() as number));
});

Deno.test("[MQTT-4.12.1-1] AUTH 0x18 without a re-authentication under way is a protocol error", async () => {
  await using broker = await startBroker();
  const client = await enter(broker, "alice");
  await sendAuth(client, CONTINUE, "8");
  assert.equal(await client.expectClosed(), 0x82);
});

Deno.test("[MQTT-4.12.1-1] AUTH 0x19 while CONNECT is not answered yet is a protocol error", async () => {
  await using broker = await startBroker();
  const client = await begin(broker, "alice");
  await question(client);
  await sendAuth(client, REAUTHENTICATE, "alice");
  assert.ok([undefined, 0x82].includes(await refusal(client)));
});

Deno.test("[MQTT-4.12.1-2] a re-authentication that fails ends the connection, and the will is published", async () => {
  await using broker = await startBroker();
  const watcher = await broker.connect();
  await watcher.subscribe("will");
  const will = { topic: "will", payload: "died", qos: 0, retain: false } as never;
  const client = await enter(broker, "alice", { will });
  await sendAuth(client, REAUTHENTICATE, "alice");
  await question(client);
  await sendAuth(client, CONTINUE, "wrong");
  assert.equal(await client.expectClosed(), 0x87);
  assert.equal((await watcher.receive()).payload.toString(), "died");
});

for (const name of ["mallory", "eve"]) {
  // CONNACK knows 0x86 and 0x8A, DISCONNECT does not (MQTT 5 table 3-10).
  Deno.test(`[MQTT-4.12.1-2][MQTT-3.14.2-1] a re-authentication that is ${REFUSED[name]} ends with 0x87`, async () => {
    await using broker = await startBroker();
    const client = await enter(broker, "alice");
    await sendAuth(client, REAUTHENTICATE, name);
    assert.equal(await client.expectClosed(), 0x87);
  });
}

const EARLY: readonly [string, Uint8Array][] = [
  ["PUBLISH", rawPublish({ topic: "alice/x" })],
  ["SUBSCRIBE", rawSubscribe(1, "a")],
  ["PINGREQ", packet(0xc0)],
  ["DISCONNECT", packet(0xe0)],
  ["a second CONNECT", packet(0x10, text("MQTT"), 5, 2, 0, 0, properties(), text("x"))],
];

for (const [what, bytes] of EARLY) {
  Deno.test(`[MQTT-4.12.0-4] ${what} in the middle of the authentication ends it (MQTT-3.1.2-30)`, async () => {
    await using broker = await startBroker();
    const watcher = await broker.connect();
    await watcher.subscribe("alice/#");
    const client = await begin(broker, "alice", durable("early"));
    await question(client);
    const answer = packet(0xf0, CONTINUE, properties(0x15, text("QUIZ"), 0x16, text("8")));
    await client.sendBytes(join(bytes, answer));
    await refusal(client);
    await watcher.expectNothing();
    const again = await enter(broker, "alice", durable("early"));
    assert.equal(again.connack?.sessionPresent, false);
  });
}

Deno.test("MQTT5 4.12.1: a re-authentication that comes before CONNACK, which waits for the disk, is one after it", async () => {
  const store = new HandStore();
  const once: AuthenticationMethod = {
    name: "ONCE",
    begin: () => ({ step: () => ({ kind: "success", data: undefined, username: "u", policy: ownTopics }) }),
  };
  await using broker = await TestBroker.start({ store, authenticationMethods: [once] });
  using _end = store;
  const client = await broker.open();
  const properties = { sessionExpiryInterval: 60, authenticationMethod: "ONCE" };
  const connect = generate(client.connectPacket({ clientId: "c", properties }), { protocolVersion: 5 });
  const auth = { cmd: "auth", reasonCode: REAUTHENTICATE, properties: { authenticationMethod: "ONCE" } } as Packet;
  await client.sendBytes(join(connect, generate(auth, { protocolVersion: 5 })));
  const commit = await store.nextCommit();
  await new Promise((resolve) => setTimeout(resolve, 0)); // what came in the same chunk has been read
  store.isFast = true;
  commit.finish();
  assert.equal((await client.expect("connack")).reasonCode, 0);
  assert.equal((await client.expect("auth")).reasonCode, 0);
  assert.equal(await client.publish("u/x", "x", { qos: 1 }), 0x10);
});
