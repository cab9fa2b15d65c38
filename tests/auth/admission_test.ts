import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IAuthPacket } from "mqtt-packet";
import { type Admission, ALLOW_ALL, type AuthenticationMethod, type Authenticator } from "../../mod.ts";
import { happening } from "../embedding/waiting.ts";
import { TestBroker } from "../support/broker.ts";
import type { TestClient } from "../support/client.ts";

/** Lets everybody in by what `admission` says at that moment. */
function letsIn(admission: () => Partial<Admission>): Authenticator {
  return { authenticate: ({ username }) => ({ username, policy: ALLOW_ALL, ...admission() }) };
}

Deno.test("MQTT 5: a client whose admission expires is told 0x87, and its will is published", async () => {
  await using broker = await TestBroker.start({
    authenticator: letsIn(() => ({ expiresAt: Date.now() + 200 })),
  });
  const before = Date.now();
  const client = await broker.connect({
    clientId: "brief",
    will: { topic: "gone", payload: Buffer.from("brief"), qos: 0, retain: false },
  });
  const will = happening(broker.broker, "will-published");
  const disconnect = await client.expect("disconnect");
  assert.equal(disconnect.reasonCode, 0x87);
  assert.match(disconnect.properties!.reasonString!, /has expired/);
  assert.ok(Date.now() - before >= 150, "not before its time");
  assert.equal((await will).clientId, "brief");
  await client.expectClosed();
});

Deno.test("3.1.1: a client whose admission expires is disconnected", async () => {
  await using broker = await TestBroker.start({ authenticator: letsIn(() => ({ expiresAt: Date.now() + 100 })) });
  const client = await broker.connect({ version: 4 });
  await client.expectClosed();
});

Deno.test("an admission without an end, or one that is far, lasts", async () => {
  let expiresAt: number | undefined;
  await using broker = await TestBroker.start({ authenticator: letsIn(() => ({ expiresAt })) });
  const lasting = await broker.connect();
  expiresAt = Date.now() + 365 * 86_400_000;
  const far = await broker.connect();
  expiresAt = Date.now() + 50;
  await (await broker.connect()).expect("disconnect");
  for (const client of [lasting, far]) {
    await client.send({ cmd: "pingreq" });
    await client.expect("pingresp");
  }
});

Deno.test("a client that authenticates again in time stays until the new end", async () => {
  const ends: number[] = [];
  const method: AuthenticationMethod = {
    name: "now",
    begin: () => ({
      step: () => {
        const expiresAt = Date.now() + (ends.length === 0 ? 400 : 800);
        ends.push(expiresAt);
        return { kind: "success", data: undefined, username: "u", policy: ALLOW_ALL, expiresAt };
      },
    }),
  };
  await using broker = await TestBroker.start({ authenticationMethods: [method] });
  const client = await broker.connect({ properties: { authenticationMethod: "now" } });
  await client.send({ cmd: "auth", reasonCode: 0x19, properties: { authenticationMethod: "now" } } as IAuthPacket);
  assert.equal((await client.expect("auth")).reasonCode, 0);
  assert.equal((await client.expect("disconnect")).reasonCode, 0x87);
  assert.ok(Date.now() >= ends[1] - 50, "the second end counts");
});

Deno.test("a client whose admission holds no longer is ended when that is asked for, the others stay", async () => {
  const gone = new Set<string | undefined>();
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: ({ username }) => ({ username, policy: ALLOW_ALL, holds: () => !gone.has(username) }),
    },
  });
  const ann = await broker.connect({ username: "ann" });
  const bob = await broker.connect({ username: "bob" });
  const old = await broker.connect({ username: "ann", version: 4 });
  broker.broker.endRevoked();
  gone.add("ann");
  broker.broker.endRevoked();
  assert.equal((await ann.expect("disconnect")).reasonCode, 0x87);
  await old.expectClosed();
  await bob.send({ cmd: "pingreq" });
  await bob.expect("pingresp");
});

Deno.test("the will of a client whose user is gone is not published, of one whose user is there it is", async () => {
  const gone = new Set<string | undefined>();
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: ({ username }) => ({ username, policy: ALLOW_ALL, holds: () => !gone.has(username) }),
    },
  });
  const watch = await broker.connect();
  await watch.subscribe("gone/#");
  const clients: Record<string, TestClient> = {};
  for (const name of ["ann", "bob"]) {
    const will = { topic: `gone/${name}`, payload: Buffer.from(""), qos: 0 as const, retain: false };
    clients[name] = await broker.connect({ username: name, will });
  }
  const dropped = happening(broker.broker, "message-dropped");
  gone.add("ann");
  broker.broker.endRevoked();
  await clients.ann.expect("disconnect");
  const { clientId, cause } = await dropped;
  assert.deepEqual([clientId, cause], [clients.ann.clientId, "not-authorized"]);
  clients.bob.close();
  assert.equal((await watch.receive()).topic, "gone/bob");
  await watch.expectNothing();
});

Deno.test("an admission that no longer holds when it is to be used lets nobody in", async () => {
  await using broker = await TestBroker.start({ authenticator: letsIn(() => ({ holds: () => false })) });
  const client = await broker.open();
  await client.send(client.connectPacket({ username: "ann" }));
  assert.equal((await client.expect("connack")).reasonCode, 0x87);
});

Deno.test("a message that may not be published is told with its topic, also when that is named by an alias", async () => {
  const policy = { mayPublish: (_: unknown, topic: string) => topic !== "secret/a", maySubscribe: () => true };
  await using broker = await TestBroker.start({ authenticator: letsIn(() => ({ policy })) });
  const client = await broker.connect();
  const dropped = happening(broker.broker, "message-dropped");
  await client.publish("secret/a", "", { qos: 1, properties: { topicAlias: 1 } });
  assert.equal((await dropped).topic, "secret/a");
  await client.publish("open", "", { qos: 1 });
  const again = happening(broker.broker, "message-dropped");
  assert.equal(await client.publish("", "", { qos: 1, properties: { topicAlias: 1 } }), 0x87);
  assert.equal((await again).topic, "secret/a");
});

Deno.test("a client id that is long and not fit for a terminal is told cut and quoted", async () => {
  await using broker = await TestBroker.start({ limits: { sessionsMax: 1 } });
  await broker.connect();
  const client = await broker.open();
  await client.send({ ...client.connectPacket(), clientId: "\u202e".padEnd(65_000, "x") });
  const connack = await client.expect("connack");
  assert.equal(connack.reasonCode, 0x97);
  const { reasonString = "" } = connack.properties!;
  assert.ok(reasonString.length < 300 && !reasonString.includes("\u202e"), reasonString.slice(0, 400));
});
