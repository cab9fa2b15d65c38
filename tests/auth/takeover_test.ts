/** A session stays with its user, whoever knows its client id (docs/decisions/0027). */
import assert from "node:assert/strict";
import { ALLOW_ALL, type Authenticator } from "../../mod.ts";
import { TestBroker } from "../support/broker.ts";
import type { ConnectOptions } from "../support/client.ts";

/** Everybody is who they say. */
const BY_NAME: Authenticator = {
  authenticate: ({ username }) => ({ username, policy: ALLOW_ALL }),
};

function start(takeover: "same-user" | "anyone" = "same-user"): Promise<TestBroker> {
  return TestBroker.start({ authenticator: BY_NAME, limits: { takeover } });
}

async function codeOf(broker: TestBroker, options: ConnectOptions): Promise<number | undefined> {
  const client = await broker.open(options.version);
  await client.send(client.connectPacket(options));
  const connack = await client.expect("connack");
  return options.version === undefined ? connack.reasonCode : connack.returnCode;
}

const DURABLE = { clean: false, properties: { sessionExpiryInterval: 100 } };

Deno.test("another user gets neither a live session nor its place: 0x85, in 3.1.1 0x02, and the client stays", async () => {
  await using broker = await start();
  const ann = await broker.connect({ clientId: "c", username: "ann", ...DURABLE });
  for (const username of ["bob", "Ann", "", undefined]) {
    for (const clean of [true, false]) {
      assert.equal(await codeOf(broker, { clientId: "c", username, clean }), 0x85, `${username} ${clean}`);
      assert.equal(await codeOf(broker, { version: 4, clientId: "c", username, clean }), 2, `${username} ${clean}`);
    }
  }
  await ann.expectNothing();
  const again = await broker.open();
  const { sessionPresent } = await again.connect({ clientId: "c", username: "ann", ...DURABLE });
  assert.equal(sessionPresent, true);
  assert.equal(await ann.expectClosed(), 0x8e, "its own user takes it over as ever");
});

Deno.test("a session that is away keeps its subscriptions and its queue for its user", async () => {
  await using broker = await start();
  const ann = await broker.connect({ clientId: "c", username: "ann", ...DURABLE });
  await ann.subscribe("secret", { qos: 1 });
  await ann.disconnect();
  await broker.broker.publish({ topic: "secret", payload: "for ann", qos: 1 });
  assert.equal(await codeOf(broker, { clientId: "c", username: "bob", ...DURABLE }), 0x85);
  assert.equal(await codeOf(broker, { clientId: "c", username: "bob", clean: true }), 0x85, "nor may it be ended");
  const back = await broker.connect({ clientId: "c", username: "ann", ...DURABLE });
  assert.equal((await back.receive()).payload.toString(), "for ann");
});

Deno.test("a session without a user is anybody's, and then the one's who takes it", async () => {
  await using broker = await start();
  const nobody = await broker.connect({ clientId: "c", ...DURABLE });
  await nobody.disconnect();
  const ann = await broker.open();
  assert.equal((await ann.connect({ clientId: "c", username: "ann", ...DURABLE })).sessionPresent, true);
  assert.equal(await codeOf(broker, { clientId: "c" }), 0x85);
});

Deno.test("an id is free again when its session has ended", async () => {
  await using broker = await start();
  const ann = await broker.connect({ clientId: "c", username: "ann" });
  await ann.disconnect();
  assert.equal(await codeOf(broker, { clientId: "c", username: "bob" }), 0);
});

Deno.test("`anyone` is MQTT's own rule", async () => {
  await using broker = await start("anyone");
  const ann = await broker.connect({ clientId: "c", username: "ann", ...DURABLE });
  const bob = await broker.open();
  assert.equal((await bob.connect({ clientId: "c", username: "bob", ...DURABLE })).sessionPresent, true);
  assert.equal(await ann.expectClosed(), 0x8e);
});

Deno.test("a guest of another door gets no other user's session either", async () => {
  await using broker = await start();
  const ann = await broker.connect({ clientId: "c", username: "ann", ...DURABLE });
  const guest = await broker.broker.gateway.admit({
    clientId: "c",
    username: "bob",
    remoteAddress: "127.0.0.1",
    listener: "http",
  });
  await assert.rejects(guest.subscribe([{ filter: "a" }], { sessionExpirySeconds: 100 }), {
    refusal: "not-authorized",
  });
  await ann.expectNothing();
});
