/** Rights and users that are taken away at a reload, for who listens by each door. */
import assert from "node:assert/strict";
import { encode } from "../../src/bridge/coap/codec.ts";
import { Code, formatCode, MessageType } from "../../src/bridge/coap/message.ts";
import { OBSERVE } from "../coap/door_scene.ts";
import { optionsOf } from "../coap/options.ts";
import { UdpPeer } from "../coap/udp_peer.ts";
import { EventReader } from "../http/door.ts";
import { Served, usersText } from "./served.ts";

const DOORS = {
  WEIR_AUTH_ACL_DEFAULT: "auto",
  WEIR_SERVER_HTTP_ENABLED: "true",
  WEIR_SERVER_HTTP_ADDR: "127.0.0.1:0",
  WEIR_SERVER_COAP_ENABLED: "true",
  WEIR_SERVER_COAP_ADDR: "127.0.0.1:0",
  WEIR_SERVER_COAP_URI_CREDENTIALS: "true",
};

const YAML = 'auth: { users_file: "FOLDER/users", acl_file: "FOLDER/rules" }';

const ALL = `
- { permission: allow, filter: "a/#" }
- { permission: allow, filter: "b/#" }
- { permission: allow, filter: "$queue/#" }
`;

/** Nothing of `a` and of the queue; what is about `b` stays. */
const LESS = `- { permission: allow, filter: "b/#" }\n`;

const PASSWORDS = { ann: "pa", bob: "pb" };

function start(): Promise<Served> {
  return usersText(PASSWORDS).then((users) => Served.start(YAML, { users, rules: ALL }, DOORS));
}

type Name = keyof typeof PASSWORDS;

async function streamed(served: Served, name: Name, path: string): Promise<EventReader> {
  const { port } = served.server.httpListener!;
  const headers = { authorization: `Basic ${btoa(`${name}:${PASSWORDS[name]}`)}` };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  assert.equal(response.status, 200, path);
  const reader = new EventReader(response);
  await reader.begun();
  return reader;
}

/** The cause that a stream ends with. */
async function endOf(reader: EventReader): Promise<string> {
  let event = await reader.next();
  while (event?.comment !== undefined) event = await reader.next();
  assert.equal(event?.event, "end", JSON.stringify(event));
  assert.equal(await reader.next(), undefined);
  return event!.data.cause;
}

/** Observes, and has been told so. */
async function observed(served: Served, name: Name, topic: string): Promise<UdpPeer> {
  const peer = new UdpPeer(served.server.coapListener!.port, { answersPings: true });
  const path = `/ps/${topic}?username=${name}&password=${PASSWORDS[name]}`;
  const options = [OBSERVE, ...optionsOf(path)].toSorted((one, other) => one.number - other.number);
  const request = { type: MessageType.confirmable, code: Code.get, messageId: 1, token: Uint8Array.of(7), options };
  await peer.send(encode({ ...request, payload: new Uint8Array(0) }));
  await peer.next(({ code }) => code === Code.content);
  return peer;
}

async function lastCode(peer: UdpPeer): Promise<string | undefined> {
  const refusal = await peer.next(({ code }) => code >= 0x80);
  return refusal && formatCode(refusal.code);
}

Deno.test("rights that go at a reload end what was subscribed to by them, whatever the door, and nothing else", async () => {
  await using served = await start();
  const consumer = await served.connect({ username: "ann", password: "pa" });
  assert.equal(await consumer.subscribe("$queue/tasks", { qos: 1 }), 1);
  const [lost, kept] = [
    await streamed(served, "ann", "/subscribe?filter=a/%23"),
    await streamed(served, "ann", "/subscribe?filter=b/%23"),
  ];
  const queue = await streamed(served, "bob", "/queues/tasks/subscribe?group=g");
  await using unseen = await observed(served, "ann", "a/x");
  await using seen = await observed(served, "ann", "b/x");
  await served.reload({ rules: LESS });
  assert.equal(await endOf(lost), "not-authorized");
  assert.equal(await endOf(queue), "not-authorized");
  assert.equal((await consumer.expect("disconnect")).reasonCode, 0x87);
  assert.equal(await lastCode(unseen), "4.03");
  const bob = await served.connect({ username: "bob", password: "pb" });
  assert.equal(await bob.publish("b/x", "still", { qos: 1 }), 0);
  assert.equal(await kept.payload(), "still");
  assert.ok(await seen.next(({ code, payload }) => code === Code.content && payload.length === 5));
  await kept.cancel();
});

Deno.test("a user that is disabled at a reload loses what it has by every door, another keeps it", async () => {
  await using served = await start();
  const paths = ["/subscribe?filter=a/%23", "/queues/tasks/subscribe?group=g"];
  const ofAnn = await Promise.all(paths.map((path) => streamed(served, "ann", path)));
  const ofBob = await streamed(served, "bob", paths[0]);
  await using unseen = await observed(served, "ann", "a/x");
  await using seen = await observed(served, "bob", "a/x");
  const mqtt = await served.connect({ username: "ann", password: "pa" });
  const users = (await Deno.readTextFile(`${served.folder}/users`)).replace(/^ann .*$/m, "$& disabled");
  await served.reload({ users });
  for (const reader of ofAnn) assert.equal(await endOf(reader), "not-authorized");
  assert.equal((await mqtt.expect("disconnect")).reasonCode, 0x87);
  assert.equal(await lastCode(unseen), "4.03");
  const bob = await served.connect({ username: "bob", password: "pb" });
  assert.equal(await bob.publish("a/x", "still", { qos: 1 }), 0);
  assert.equal(await ofBob.payload(), "still");
  assert.ok(await seen.next(({ code, payload }) => code === Code.content && payload.length === 5));
  await ofBob.cancel();
});
