/** Ways around access rules, tried. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { AccessRules, type Authenticator } from "../../mod.ts";
import { runProgram } from "../../src/cli/program.ts";
import { encode } from "../../src/bridge/coap/codec.ts";
import { Code, formatCode, MessageType, OptionNumber } from "../../src/bridge/coap/message.ts";
import { FakeHost } from "../cli/support.ts";
import { UdpPeer } from "../coap/udp_peer.ts";
import { HandStore } from "../embedding/hand_store.ts";
import { TestBroker } from "../support/broker.ts";
import { Served, usersText } from "./served.ts";

const AUTO = { WEIR_AUTH_ACL_DEFAULT: "auto" };
const YAML = 'auth: { users_file: "FOLDER/users", acl_file: "FOLDER/rules" }';
const ANN = { username: "ann", password: "pa" };
const BOB = { username: "bob", password: "pb" };

async function start(rules: string, env: Readonly<Record<string, string>> = {}): Promise<Served> {
  return await Served.start(YAML, { users: await usersText({ ann: "pa", bob: "pb" }), rules }, { ...AUTO, ...env });
}

const QUEUE_RULES = `
- { permission: deny, filter: "$queue/tasks/secret/#", action: subscribe, user: ann }
- { permission: deny, filter: "$queue/tasks/$dlq/#", action: subscribe, user: ann }
- { permission: allow, filter: "$queue/tasks/#" }
`;

Deno.test("the name of a queue alone is all of its messages: it opens nothing that a rule denies", async () => {
  await using served = await start(QUEUE_RULES, {
    WEIR_SERVER_HTTP_ENABLED: "true",
    WEIR_SERVER_HTTP_ADDR: "127.0.0.1:0",
  });
  const ann = await served.connect(ANN);
  for (
    const filter of ["$queue/tasks", "$queue/tasks/#", "$queue/tasks/secret", "$queue/tasks/+", "$queue/tasks/+/x"]
  ) {
    assert.equal(await ann.subscribe(filter, { qos: 1 }), 0x87, filter);
    assert.equal(await ann.subscribe(`$share/g/${filter}`, { qos: 1 }), 0x87, `shared ${filter}`);
  }
  for (const filter of ["$queue/tasks/$dlq", "$queue/tasks/$dlq/#", "$share/g/$queue/tasks/$dlq/x"]) {
    assert.equal(await ann.subscribe(filter, { qos: 1 }), 0x87, filter);
  }
  assert.equal(await ann.subscribe("$queue/tasks/open/#", { qos: 1 }), 1);
  const bob = await served.connect(BOB);
  assert.equal(await bob.subscribe("$queue/tasks", { qos: 1 }), 1, "nothing is denied to him");
  const { port } = served.server.httpListener!;
  const pull = async (name: string, query: string) => {
    const headers = { authorization: `Basic ${btoa(name)}` };
    const response = await fetch(
      `http://127.0.0.1:${port}/queues/tasks/pull?group=${name.slice(0, 3)}&wait=0${query}`,
      {
        method: "POST",
        headers,
      },
    );
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await pull("ann:pa", ""), 403);
  assert.equal(await pull("ann:pa", "&filter=secret/x"), 403);
  assert.equal(await pull("ann:pa", "&filter=%23"), 403);
  assert.equal(await pull("ann:pa", "&filter=open/x"), 200);
  assert.equal(await pull("bob:pb", ""), 200);
});

Deno.test("weir acl test says of a queue's name what the broker does", async () => {
  const files = { "weir.yaml": "auth: { acl_file: rules }", rules: QUEUE_RULES };
  const told = async (user: string) => {
    const host = new FakeHost({ files });
    await runProgram(["acl", "test", "-c", "weir.yaml", "--user", user, "subscribe", "$queue/tasks"], host);
    return host.printed[0];
  };
  assert.match(await told("ann"), /^denied: rules:2:3/);
  assert.match(await told("bob"), /^allowed: rules:4:3/);
});

Deno.test("settling needs no right where there are queues, and that of its topic where there are none", async () => {
  const asked: string[] = [];
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({
      username,
      policy: { mayPublish: (_, topic) => (asked.push(topic), false), maySubscribe: () => true },
    }),
  };
  await using without = await TestBroker.start({ authenticator, store: new HandStore() });
  const client = await without.connect();
  const watch = await without.connect();
  await watch.subscribe("$queue/#");
  for (const verb of ["$ack", "$nack", "$reject", "$seek"]) {
    assert.equal(await client.publish(`$queue/tasks/${verb}`, "x", { qos: 1, retain: true }), 0x87, verb);
  }
  const will = { topic: "$queue/tasks/$ack", payload: Buffer.from("x"), qos: 0 as const, retain: false };
  const dying = await without.open();
  await dying.send(dying.connectPacket({ will }));
  assert.equal((await dying.expect("connack")).reasonCode, 0x87);
  await watch.expectNothing();
  assert.equal(asked.length, 5);
  await using having = await TestBroker.start({ authenticator });
  const nobody = await having.connect();
  assert.equal(await nobody.publish("$queue/tasks/$ack", "x", { qos: 1 }), 0x83, "it holds nothing");
  assert.equal(await nobody.publish("$queue/tasks", "x", { qos: 1 }), 0x87);
});

Deno.test("CVE-2018-12546: what a user has retained whose right is gone stays for who may read it, and who may clears it", async () => {
  await using served = await start('- { permission: allow, filter: "a/#" }');
  const ann = await served.connect(ANN);
  await ann.publish("a/x", "hers", { qos: 1, retain: true });
  await served.reload({
    rules: '- { permission: allow, action: subscribe, filter: "a/#", user: bob }\n' +
      '- { permission: allow, action: publish, filter: "a/#", user: bob }\n',
  });
  assert.equal(await ann.publish("a/x", "another", { qos: 1, retain: true }), 0x87);
  assert.equal(await ann.subscribe("a/x"), 0x87, "nor does she get it");
  const bob = await served.connect(BOB);
  assert.equal(await bob.subscribe("a/x"), 0);
  assert.equal((await bob.receive()).payload.toString(), "hers");
  assert.equal(await bob.publish("a/x", "", { qos: 0, retain: true }), 0);
  await bob.receive();
  await bob.subscribe("a/x");
  await bob.expectNothing();
});

Deno.test("a topic by its alias is held to the rules as by its name, set before or after the rules changed", async () => {
  await using served = await start('- { permission: allow, filter: "a/#" }');
  const ann = await served.connect(ANN);
  const publish = (topic: string) => ann.publish(topic, "x", { qos: 1, properties: { topicAlias: 1 } });
  assert.equal(await publish("a/x"), 0x10);
  assert.equal(await publish(""), 0x10);
  assert.equal(await publish("$SYS/broker/x"), 0x87, "it sets the alias all the same");
  assert.equal(await publish(""), 0x87);
  assert.equal(await publish("a/x"), 0x10);
  await served.reload({ rules: '- { permission: allow, filter: "b/#" }' });
  assert.equal(await publish(""), 0x87);
});

Deno.test("names that look the same are not the same: no normalization, no case", () => {
  const rules = new AccessRules([
    { permission: "allow", action: "all", filter: "own/%u/#" },
    { permission: "allow", action: "all", filter: "admin/#", user: "admin" },
  ]);
  const may = (username: string, topic: string) => {
    const client = { clientId: "c", username, remoteAddress: "192.0.2.1", listener: "tcp", protocolVersion: 5 };
    return rules.decide(client, { action: "publish", topic, qos: 0, retain: false }).isAllowed;
  };
  assert.ok(may("admin", "admin/x"));
  for (const name of ["Admin", "ＡＤＭＩＮ", "ad\u00admin", "admin\u200b", "аdmin", "admin ", "%u", "%c"]) {
    assert.ok(!may(name, "admin/x"), name);
    assert.ok(!may(name, "own/admin/x"), name);
  }
  assert.ok(may("caf\u00e9", "own/caf\u00e9/x"));
  assert.ok(!may("cafe\u0301", "own/caf\u00e9/x"));
  assert.ok(may("%c", "own/%c/x"), "a name is put in once, and not looked at again");
});

const DOORS = {
  WEIR_SERVER_HTTP_ENABLED: "true",
  WEIR_SERVER_HTTP_ADDR: "127.0.0.1:0",
  WEIR_SERVER_COAP_ENABLED: "true",
  WEIR_SERVER_COAP_ADDR: "127.0.0.1:0",
  WEIR_SERVER_COAP_URI_CREDENTIALS: "true",
};

async function httpStatus(served: Served, path: string, json?: unknown): Promise<number> {
  const { port } = served.server.httpListener!;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa("ann:pa")}`, "content-type": "application/json" },
    body: JSON.stringify(json ?? "x"),
  });
  await response.body?.cancel();
  return response.status;
}

/** The code that answers a POST to path segments as they are. */
async function coapCode(served: Served, ...segments: string[]): Promise<string> {
  await using peer = new UdpPeer(served.server.coapListener!.port);
  const bytes = (text: string) => new TextEncoder().encode(text);
  const options = [
    ...segments.map((segment) => ({ number: OptionNumber.uriPath, value: bytes(segment) })),
    ...["username=ann", "password=pa"].map((query) => ({ number: OptionNumber.uriQuery, value: bytes(query) })),
  ];
  const request = { type: MessageType.confirmable, code: Code.post, messageId: 1, token: Uint8Array.of(7) };
  await peer.send(encode({ ...request, options, payload: bytes("x") }));
  return formatCode((await peer.next(({ code }) => code !== Code.empty))!.code);
}

Deno.test("$SYS is the broker's own by every door, in whatever writing, also where rules allow everything", async () => {
  await using served = await start(
    '- { permission: allow, filter: "#" }\n- { permission: allow, filter: "$SYS/#" }',
    DOORS,
  );
  const watch = await served.connect(BOB);
  await watch.subscribe("$SYS/#");
  const message = (topic: string) => ({ topic, payload: "eA==", retain: true });
  for (const path of ["/topics/$SYS/x", "/topics/%24SYS/x", "/topics/%24%53YS%2Fx", "/request/$SYS/x"]) {
    assert.equal(await httpStatus(served, path), 403, path);
  }
  assert.equal(await httpStatus(served, "/publish", message("$SYS/x")), 403);
  assert.equal(await httpStatus(served, "/publish/batch", [message("a"), message("$SYS/x")]), 403, "and nothing of it");
  assert.equal(await coapCode(served, "ps", "$SYS", "x"), "4.03");
  assert.equal(await coapCode(served, "ps", "$SYS/x"), "4.00", "a segment has no slash");
  assert.equal(await coapCode(served, "mqtt", "publish", "$SYS", "x"), "4.03");
  for (const version of [4, 5] as const) {
    const will = { topic: "$SYS/x", payload: Buffer.from("x"), qos: 0 as const, retain: true };
    assert.equal(await served.code({ ...ANN, version, will }), version === 4 ? 5 : 0x87);
  }
  await watch.expectNothing();
  await watch.subscribe("a");
  await watch.expectNothing();
});

Deno.test("a topic is held to the rules as it reads, however HTTP and CoAP write it", async () => {
  await using served = await start(
    '- { permission: deny, filter: "secret/#" }\n- { permission: allow, filter: "#" }',
    DOORS,
  );
  const paths = ["/topics/secret/x", "/topics/secret%2Fx", "/topics/%73ecret/x", "/topics/secret", "/topics/secret/"];
  for (const path of paths) assert.equal(await httpStatus(served, path), 403, path);
  for (const path of ["/topics//secret/x", "/topics/open/secret/x", "/topics/secret%252Fx"]) {
    assert.equal(await httpStatus(served, path), 200, `${path} is another topic`);
  }
  assert.equal(await coapCode(served, "ps", "secret", "x"), "4.03");
  assert.equal(await coapCode(served, "ps", "secret/x"), "4.00");
  assert.equal(await coapCode(served, "ps", "secret%2Fx"), "2.04", "CoAP has no escapes: it is another topic");
  const { port } = served.server.httpListener!;
  for (const filter of ["%23", "%2B/x", "secret/%23", "$share/g/%23", "+/%23", "secret%2fx"]) {
    for (const path of [`/subscribe?filter=${filter}`, `/poll?filter=${filter}&wait=0`, `/retained?filter=${filter}`]) {
      const headers = { authorization: `Basic ${btoa("ann:pa")}` };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      await response.body?.cancel();
      assert.equal(response.status, 403, path);
    }
  }
});
