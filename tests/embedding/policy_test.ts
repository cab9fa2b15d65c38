import assert from "node:assert/strict";
import { ALLOW_ALL, type Identity, type Policy } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import type { ConnectOptions } from "../support/client.ts";
import { nextText } from "./waiting.ts";

/** Allows publishing and subscribing below "open" and below the client's own id. */
const OPEN_ONLY: Policy = {
  mayPublish: ({ clientId }, topic) => topic.startsWith("open/") || topic.startsWith(`${clientId}/`),
  maySubscribe: ({ clientId }, filter) => filter.startsWith("open/") || filter.startsWith(`${clientId}/`),
};

/** A broker where "root" may do everything and all others what `policy` says. */
function start(policy: Policy = OPEN_ONLY): Promise<TestBroker> {
  return TestBroker.start({
    authenticator: {
      authenticate: ({ username }) => ({ username, policy: username === "root" ? ALLOW_ALL : policy }),
    },
  });
}

const ROOT: ConnectOptions = { username: "root" };

Deno.test("a denied publish is told to a v5 client in PUBACK and PUBREC, and the client stays", async () => {
  await using broker = await start();
  const root = await broker.connect(ROOT);
  await root.subscribe("#", { qos: 2 });
  const client = await broker.connect();
  assert.equal(await client.publish("closed/1", "x", { qos: 1 }), 0x87);
  assert.equal(await client.publish("closed/1", "x", { qos: 2 }), 0x87);
  await client.publish("closed/1", "x", { qos: 0 });
  await client.expectNothing();
  assert.equal(await client.publish("open/1", "seen", { qos: 1 }), 0);
  assert.equal((await root.receive()).payload.toString(), "seen");
  await root.expectNothing();
});

Deno.test("the packet id of a denied QoS 2 message is free again", async () => {
  await using broker = await start();
  const client = await broker.connect();
  for (let i = 0; i < 3; i++) assert.equal(await client.publish("closed/1", "x", { qos: 2, messageId: 5 }), 0x87);
  assert.equal(await client.publish("open/1", "x", { qos: 2, messageId: 5 }), 0x10);
});

for (const version of [3, 4] as const) {
  Deno.test(`v${version}: a denied publish is acknowledged and dropped`, async () => {
    await using broker = await start();
    const root = await broker.connect(ROOT);
    await root.subscribe("#", { qos: 2 });
    const client = await broker.connect({ version, clientId: "old" });
    for (const qos of [0, 1, 2] as const) await client.publish("closed/1", "x", { qos, retain: true });
    await client.publish("old/1", "seen", { qos: 1 });
    assert.equal((await root.receive()).payload.toString(), "seen");
    await root.expectNothing();
    const kept = broker.broker.subscribe("#").getReader();
    await broker.broker.publish({ topic: "end", payload: "nothing was retained" });
    assert.equal(await nextText(kept), "nothing was retained");
  });
}

Deno.test("a denied publish with a topic alias: the alias is set all the same, and asked about under its topic", async () => {
  const asked: string[] = [];
  await using broker = await start({
    ...OPEN_ONLY,
    mayPublish: (identity, topic, facts) => {
      asked.push(topic);
      return OPEN_ONLY.mayPublish(identity, topic, facts);
    },
  });
  const client = await broker.connect();
  assert.equal(await client.publish("closed/1", "x", { qos: 1, properties: { topicAlias: 1 } }), 0x87);
  assert.equal(await client.publish("", "x", { qos: 1, properties: { topicAlias: 1 } }), 0x87);
  assert.deepEqual(asked, ["closed/1", "closed/1"]);
});

Deno.test("a denied subscription fails alone: 0x87 in v5, 0x80 before", async () => {
  await using broker = await start();
  for (const [version, code] of [[5, 0x87], [4, 0x80], [3, 0x80]] as const) {
    const client = await broker.connect({ version, clientId: `c${version}` });
    const v5 = version === 5 ? { nl: false, rap: false, rh: 0 as const } : {};
    const filters = ["closed/#", "open/#", "#", "$share/g/closed/1", "$share/g/open/1"];
    await client.send({
      cmd: "subscribe",
      messageId: 9,
      subscriptions: filters.map((topic) => ({ topic, qos: 1 as const, ...v5 })),
    } as never);
    const { granted } = await client.expect("suback");
    assert.deepEqual(granted, [code, 1, code, code, 1]);
    await broker.broker.publish({ topic: "closed/1", payload: "not for you" });
    await client.expectNothing();
    await client.disconnect();
  }
});

Deno.test("a client whose will may not be published is refused", async () => {
  await using broker = await start();
  for (const [version, code] of [[5, 0x87], [4, 5]] as const) {
    const client = await broker.open(version);
    const will = { topic: "closed/will", payload: "x", qos: 1, retain: false } as never;
    await client.send(client.connectPacket({ will }));
    const connack = await client.expect("connack");
    assert.equal(version === 5 ? connack.reasonCode : connack.returnCode, code);
    await client.expectClosed();
    await broker.connect({ version, will: { topic: "open/will", payload: "x", qos: 1, retain: false } as never });
  }
});

Deno.test("a policy is asked under the name that the authenticator gave", async () => {
  const identities: Identity[] = [];
  const policy: Policy = {
    mayPublish: (identity) => (identities.push({ clientId: identity.clientId, username: identity.username }), true),
    maySubscribe: () => true,
  };
  await using broker = await TestBroker.start({
    authenticator: { authenticate: ({ username }) => ({ username: `tenant/${username}`, policy }) },
  });
  const client = await broker.connect({ clientId: "c", username: "u" });
  await client.publish("a", "x", { qos: 1 });
  assert.deepEqual(identities, [{ clientId: "c", username: "tenant/u" }]);
});

Deno.test("a policy that throws ends that connection, and nothing is published", async () => {
  await using broker = await start({
    mayPublish() {
      throw new Error("a fault of the policy");
    },
    maySubscribe: () => true,
  });
  const root = await broker.connect(ROOT);
  await root.subscribe("#", { qos: 1 });
  const client = await broker.connect();
  await client.send({ cmd: "publish", topic: "a", payload: "x", qos: 1, messageId: 1, dup: false, retain: false });
  assert.equal(await client.expectClosed(), 0x80);
  await root.expectNothing();
});

Deno.test("nobody may publish to $SYS, whatever the policy says; the program may", async () => {
  await using broker = await start();
  const root = await broker.connect(ROOT);
  assert.equal(await root.publish("$SYS/fake", "x", { qos: 1 }), 0x87);
  await root.subscribe("$SYS/#", { qos: 1 });
  await broker.broker.publish({ topic: "$SYS/own", payload: "real", qos: 1 });
  assert.equal((await root.receive()).payload.toString(), "real");
});

Deno.test("the program is not asked: no policy holds for what it does", async () => {
  await using broker = await start({ mayPublish: () => false, maySubscribe: () => false });
  const messages = broker.broker.subscribe("closed/#").getReader();
  await broker.broker.publish({ topic: "closed/1", payload: "own" });
  assert.equal(await nextText(messages), "own");
});
