/** MQTT 3.1.1, section 3.2: CONNACK. */

import assert from "node:assert/strict";
import { ALLOW_ALL, type Authenticator } from "../../src/auth/authenticator.ts";
import type { RefusalCause } from "../../src/core/refusal.ts";
import { TestBroker } from "../support/broker.ts";
import { assertConnectAnswered, connectBytes, field, Flag, headersOf, join } from "./v3_packets.ts";

/** Lets everybody in whose user name is not a reason to refuse. */
const refusing: Authenticator = {
  authenticate({ username }) {
    if (username === undefined || username === "welcome") return { username, policy: ALLOW_ALL };
    return { refusal: username as RefusalCause, reason: "as asked for" };
  },
};

function asUser(name: string, clean = true): Uint8Array {
  const flags = Flag.username | (clean ? Flag.clean : 0);
  return connectBytes({ flags }, field("c"), field(name));
}

Deno.test("v3.1.1 [MQTT-3.2.0-1] CONNACK is the first packet, before queued messages and answers to what came behind CONNECT", async () => {
  const gate = Promise.withResolvers<void>();
  let isSlow = false;
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: async ({ username }) => {
        if (isSlow) await gate.promise;
        return { username, policy: ALLOW_ALL };
      },
    },
  });
  const before = await join(broker, { clientId: "c", clean: false });
  await before.subscribe("a", { qos: 1 });
  await before.disconnect();
  await broker.broker.publish({ topic: "a", payload: "queued", qos: 1 });
  isSlow = true;
  const client = await broker.open(4);
  await client.sendBytes(Uint8Array.from([...connectBytes({ flags: 0 }, field("c")), 0xc0, 0]));
  await broker.broker.publish({ topic: "a", payload: "published meanwhile", qos: 1 });
  assert.deepEqual(client.bytes, []);
  gate.resolve();
  await client.expect("connack");
  while (headersOf(client).length < 4) await client.next();
  assert.equal(headersOf(client)[0], 0x20);
  assert.deepEqual(headersOf(client).slice(1).sort((a, b) => a - b), [0x32, 0x32, 0xd0]);
});

Deno.test("v3.1.1 [MQTT-3.2.2-1] clean session 1 is answered by session present 0, though a session is stored", async () => {
  await using broker = await TestBroker.start();
  const before = await join(broker, { clientId: "c", clean: false });
  await before.subscribe("a");
  await before.disconnect();
  const client = await join(broker, { clientId: "c", clean: true });
  assert.deepEqual(client.bytes, [0x20, 2, 0, 0]);
});

Deno.test("v3.1.1 [MQTT-3.2.2-2] clean session 0 is answered by session present 1 when a session is stored", async () => {
  await using broker = await TestBroker.start();
  await (await join(broker, { clientId: "c", clean: false })).disconnect();
  for (let i = 0; i < 2; i++) { // the second one takes the connection of the first over
    const client = await join(broker, { clientId: "c", clean: false });
    assert.deepEqual(client.bytes, [0x20, 2, 1, 0]);
  }
});

Deno.test("v3.1.1 [MQTT-3.2.2-3] session present is 0 when no session is stored", async () => {
  await using broker = await TestBroker.start();
  assert.deepEqual((await join(broker, { clientId: "first", clean: false })).bytes, [0x20, 2, 0, 0]);
  await (await join(broker, { clientId: "c", clean: true })).disconnect();
  assert.deepEqual((await join(broker, { clientId: "c", clean: false })).bytes, [0x20, 2, 0, 0]);
});

Deno.test("v3.1.1 [MQTT-3.2.2-4] [MQTT-3.2.2-5] a CONNACK that refuses says session present 0 and is followed by the end", async () => {
  await using broker = await TestBroker.start({ authenticator: refusing });
  await (await join(broker, { clientId: "c", clean: false, username: "welcome" })).disconnect();
  await assertConnectAnswered(broker, connectBytes({ level: 3, flags: 0 }, field("c")), [0x20, 2, 0, 1]);
  await assertConnectAnswered(broker, asUser("client-identifier-not-valid", false), [0x20, 2, 0, 2]);
  await assertConnectAnswered(broker, asUser("server-unavailable", false), [0x20, 2, 0, 3]);
  await assertConnectAnswered(broker, asUser("bad-user-name-or-password", false), [0x20, 2, 0, 4]);
  await assertConnectAnswered(broker, asUser("not-authorized", false), [0x20, 2, 0, 5]);
  const client = await join(broker, { clientId: "c", clean: false, username: "welcome" });
  assert.deepEqual(client.bytes, [0x20, 2, 1, 0], "the refusals have left the session alone");
});

Deno.test("v3.1.1 [MQTT-3.2.2-6] a refusal that table 3.1 has no word for closes the connection without a CONNACK", async () => {
  await using broker = await TestBroker.start({ authenticator: refusing });
  for (const cause of ["unspecified-error", "administrative-action", "message-rate-too-high"] as const) {
    await assertConnectAnswered(broker, asUser(cause), []);
  }
});
