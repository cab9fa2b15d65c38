/** Access rules as the program has them: from YAML to reason codes, at the start and after a reload. */
import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { needsRestart } from "../../src/server/reload.ts";
import { Served, usersText } from "./served.ts";

const USERS = await usersText({ ann: "pa groups=ops", bob: "pb" });

const RULES = `
- { permission: deny, filter: "secret/#", anonymous: false }
- { permission: allow, filter: "own/%u/#" }
- { permission: allow, filter: "device/%c/#", action: publish, max_qos: 1 }
- { permission: allow, filter: "ops/#", group: ops }
- { permission: allow, filter: "open/#", action: subscribe }
`;

const AUTH = 'auth: { users_file: "FOLDER/users", acl_file: "FOLDER/rules", acl_default: auto }';

/** The rules decide: the default of the other tests does not count here. */
const AUTO = { WEIR_AUTH_ACL_DEFAULT: "auto" };

function start(rules = RULES): Promise<Served> {
  return Served.start(AUTH, { users: USERS, rules }, AUTO);
}

const ANN = { clientId: "a", username: "ann", password: "pa" };
const BOB = { clientId: "b", username: "bob", password: "pb" };

Deno.test("with users, what no rule allows is denied: 0x87 for each filter and each message, by groups too", async () => {
  await using served = await start();
  const ann = await served.connect(ANN);
  const bob = await served.connect(BOB);
  assert.equal(await ann.publish("own/ann/x", "x", { qos: 1 }), 0x10);
  assert.equal(await ann.publish("own/bob/x", "x", { qos: 1 }), 0x87);
  assert.equal(await ann.publish("own/bob/x", "x", { qos: 2 }), 0x87);
  assert.equal(await ann.publish("ops/x", "x", { qos: 1 }), 0x10);
  assert.equal(await bob.publish("ops/x", "x", { qos: 1 }), 0x87);
  assert.equal(await bob.publish("device/b/x", "x", { qos: 1 }), 0x10);
  assert.equal(await bob.publish("device/b/x", "x", { qos: 2 }), 0x87);
  assert.equal(await bob.subscribe("open/#"), 0);
  for (const filter of ["#", "+/#", "own/#", "own/+/x", "secret/x", "$share/g/#", "$share/g/own/ann/#"]) {
    assert.equal(await bob.subscribe(filter), 0x87, filter);
  }
  assert.equal(await bob.subscribe("$share/g/own/bob/#"), 0);
});

Deno.test("a message that is denied at QoS 0 is dropped, and counted", async () => {
  await using served = await Served.start(
    'auth: { users_file: "FOLDER/users", acl: [{ permission: allow, filter: "$SYS/#" }, { permission: allow, ' +
      "filter: ok }], acl_default: auto }",
    { users: USERS },
    { ...AUTO, WEIR_BROKER_SYS_INTERVAL: "1s" },
  );
  const ann = await served.connect(ANN);
  await ann.send({ cmd: "publish", topic: "no", payload: "x", qos: 0, dup: false, retain: false });
  assert.equal(await ann.publish("ok", "x", { qos: 1 }), 0x10, "the connection lives on");
  await ann.subscribe("$SYS/broker/errors/authz");
  for (;;) if ((await ann.receive()).payload.toString() === "1") return;
});

Deno.test("a reload takes rights away: messages at once, subscriptions with a word, and it gives new ones", async () => {
  await using served = await start();
  const ann = await served.connect({ ...ANN, clean: false, properties: { sessionExpiryInterval: 100 } });
  const bob = await served.connect(BOB);
  assert.equal(await ann.subscribe("ops/#", { qos: 1 }), 1);
  assert.equal(await bob.subscribe("open/#", { qos: 1 }), 1);
  await served.reload({ rules: '- { permission: allow, filter: "open/#" }' });
  assert.equal(await ann.expectClosed(), 0x87, "ann has lost a subscription");
  assert.equal(await bob.publish("own/bob/x", "x", { qos: 1 }), 0x87);
  await bob.publish("open/x", "x");
  assert.equal((await bob.receive()).topic, "open/x", "and bob has kept his");
  const again = await served.open();
  const connack = await again.connect({ ...ANN, clean: false, properties: { sessionExpiryInterval: 100 } });
  assert.equal(connack.sessionPresent, true);
  assert.equal(await again.subscribe("ops/#", { qos: 1 }), 0x87);
});

Deno.test("a subscription of a session that is away is taken when its client is back, with what has waited for it", async () => {
  await using served = await start();
  const durable = { ...ANN, clean: false, properties: { sessionExpiryInterval: 100 } };
  const ann = await served.connect(durable);
  await ann.subscribe("ops/#", { qos: 1 });
  await ann.subscribe("own/ann/#", { qos: 1 });
  await ann.disconnect();
  const other = await served.connect({ ...ANN, clientId: "other" });
  await other.publish("ops/1", "secret by now", { qos: 1 });
  await other.publish("own/ann/1", "still mine", { qos: 1 });
  await served.reload({ rules: '- { permission: allow, filter: "own/%u/#" }' });
  const back = await served.open();
  assert.equal((await back.connect(durable)).sessionPresent, true);
  assert.equal((await back.receive()).payload.toString(), "still mine");
  await back.expectNothing();
});

Deno.test("a message that was sent and not acknowledged is not sent again when the right is gone", async () => {
  await using served = await start();
  const durable = { ...ANN, clean: false, properties: { sessionExpiryInterval: 100 } };
  const ann = await served.connect(durable);
  await ann.subscribe("ops/#", { qos: 2 });
  const other = await served.connect({ ...ANN, clientId: "other" });
  await other.publish("ops/1", "x", { qos: 2 });
  await ann.receive({ acknowledge: false });
  ann.close();
  await served.reload({ rules: "[]" });
  const back = await served.open();
  assert.equal((await back.connect(durable)).sessionPresent, true);
  await back.expectNothing();
});

for (
  const [what, rules] of Object.entries({
    "is empty": "",
    "is malformed": "- { permission: allow, filter: '#'",
    "has a rule without sense": "- { permission: allow, filter: '#', usr: ann }",
  })
) {
  Deno.test(`a reload with a rules file that ${what} keeps the rules`, async () => {
    await using served = await start();
    await served.reload({ rules });
    const ann = await served.connect(ANN);
    assert.equal(await ann.publish("own/ann/x", "x", { qos: 1 }), 0x10);
    assert.equal(await ann.publish("other", "x", { qos: 1 }), 0x87);
  });

  Deno.test(`a start with a rules file that ${what} is refused`, async () => {
    await assert.rejects(start(rules), { name: "ConfigError" });
  });
}

Deno.test("a rules file that is missing stops the start, and keeps the rules at a reload", async () => {
  await assert.rejects(Served.start(AUTH, { users: USERS }, AUTO), /there is no such file/);
  await using served = await start();
  Deno.removeSync(`${served.folder}/rules`);
  await served.reload();
  const ann = await served.connect(ANN);
  assert.equal(await ann.publish("own/ann/x", "x", { qos: 1 }), 0x10);
  assert.equal(await ann.publish("other", "x", { qos: 1 }), 0x87);
});

Deno.test("names that would be wildcards or levels open nothing by %c and %u", async () => {
  const users = await usersText({ '"+"': "p", '"#"': "p", '"ann/x"': "p", ann: "p" });
  const files = {
    users,
    rules: '- { permission: allow, filter: "own/%u/#" }\n- { permission: allow, filter: "c/%c" }',
  };
  await using served = await Served.start(AUTH, files, AUTO);
  for (const username of ["+", "#", "ann/x"]) {
    const client = await served.connect({ clientId: username, username, password: "p" });
    for (const filter of ["own/ann/#", "own/+/#", "own/#", "c/+", "c/#", `own/${username}`, `c/${username}`]) {
      assert.equal(await client.subscribe(filter), 0x87, `${username} ${filter}`);
    }
    for (const topic of ["own/ann/x", "own/ann/x/y", "c/ann", "c/ann/x"]) {
      assert.equal(await client.publish(topic, "x", { qos: 1 }), 0x87, `${username} ${topic}`);
    }
    await client.disconnect();
  }
});

Deno.test("what a reload cannot change is named, and what it can is not", () => {
  const read = (yaml: string) => loadConfig({ path: "weir.yaml", readFile: () => new TextEncoder().encode(yaml) });
  const after = read(
    "server: { tcp_addr: 127.0.0.1:1884, listeners: [{ name: b, addr: 127.0.0.1:1885 }] }\nlog: { level: debug }\n" +
      "queue: { partitions: 3 }\nqueues: [{ name: a }]\nsession: { max_subscriptions: 5, receive_maximum: 7 }\nauth: { acl: [{ permission: deny, filter: a }] }",
  );
  assert.deepEqual(needsRestart(read(""), after), ["server.tcp_addr", "session.receive_maximum", "server.listeners"]);
  assert.deepEqual(needsRestart(after, after), []);
});

Deno.test("limits that can change do at a reload, for who is connected already", async () => {
  const yaml = (max: number) => `session: { max_subscriptions: ${max} }`;
  await using served = await Served.start(yaml(2));
  const client = await served.connect({ clientId: "c" });
  assert.equal(await client.subscribe("a"), 0);
  served.yaml = yaml(1);
  await served.reload();
  assert.equal(await client.subscribe("b"), 0x97);
});
