/** MQTT 3.1.1, section 3.1: what a CONNECT may hold and how it is answered. Sessions and wills have files of their own. */

import assert from "node:assert/strict";
import type { Authenticator, Credentials } from "../../src/auth/authenticator.ts";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import {
  assertConnectAccepted,
  assertConnectAnswered,
  assertConnectRefused,
  type Bytes,
  connectBytes,
  field,
  Flag,
  join,
  packet,
  publishBytes,
  retainedOf,
  uint16,
  will,
} from "./v3_packets.ts";

const { reserved, clean, will: willFlag, willQos, willRetain, password, username } = Flag;
const ID = field("c");
const TOPIC = field("t");
const MESSAGE = field("m");
const NAME = field("u");
const PASSWORD = field("p");

/** Lets everybody in and remembers who they said they were. */
function recordingAuthenticator(seen: Credentials[]): Authenticator {
  return {
    authenticate(credentials) {
      seen.push(credentials);
      return { username: credentials.username, policy: ALLOW_ALL };
    },
  };
}

/** Every packet that is not CONNECT but well formed, from a client. */
const OTHER_PACKETS: Readonly<Record<string, Uint8Array>> = {
  "a QoS 0 PUBLISH": publishBytes(0x31, "early", { payload: "kept" }),
  "a QoS 1 PUBLISH": publishBytes(0x33, "early", { packetId: 1, payload: "kept" }),
  "a QoS 2 PUBLISH": publishBytes(0x35, "early", { packetId: 1, payload: "kept" }),
  "PUBACK": packet(0x40, uint16(1)),
  "PUBREL": packet(0x62, uint16(1)),
  "SUBSCRIBE": packet(0x82, uint16(1), field("a"), [0]),
  "UNSUBSCRIBE": packet(0xa2, uint16(1), field("a")),
  "PINGREQ": packet(0xc0),
  "DISCONNECT": packet(0xe0),
};

Deno.test("v3.1.1 [MQTT-3.1.0-1] a first packet other than CONNECT closes the connection and has no effect", async () => {
  await using broker = await TestBroker.start();
  for (const bytes of Object.values(OTHER_PACKETS)) await assertConnectRefused(broker, bytes);
  assert.deepEqual(await retainedOf(broker, "#"), []);
});

Deno.test("v3.1.1 [MQTT-3.1.0-2] a second CONNECT disconnects the client, whose will is published", async () => {
  await using broker = await TestBroker.start();
  const watcher = await join(broker);
  await watcher.subscribe("will");
  for (const clientId of ["same", "other"]) {
    const client = await join(broker, { clientId: "same", will: will("will", clientId) });
    await client.sendBytes(connectBytes({}, field(clientId)));
    assert.equal(await client.expectClosed(), undefined);
    assert.equal(client.bytes.length, 4, "something was sent beside the first CONNACK");
    assert.equal((await watcher.receive()).payload.toString(), clientId);
  }
});

Deno.test("v3.1.1 [MQTT-3.1.2-1] a CONNECT with another protocol name is not accepted", async () => {
  await using broker = await TestBroker.start();
  for (const name of ["", "MQT", "mqtt", "MQTT ", "MQTTX", "HTTP", "MQIsdp"]) {
    const client = await broker.open(4);
    await client.sendBytes(connectBytes({ name }, ID));
    const answer = await client.next();
    if (answer !== undefined) { // told so, in one of the ways that table 3.1 knows
      assert.ok(answer.cmd === "connack" && answer.returnCode !== 0, `${name} was accepted`);
      await client.expectClosed();
    }
  }
  await assertConnectAccepted(broker, connectBytes({ name: "MQTT" }, ID));
});

for (const level of [0, 1, 2, 3, 6, 127]) {
  Deno.test(`v3.1.1 [MQTT-3.1.2-2] protocol level ${level} is answered by CONNACK 1 and the end of the connection`, async () => {
    await using broker = await TestBroker.start();
    await assertConnectAnswered(broker, connectBytes({ level }, ID), [0x20, 2, 0, 1]);
  });
}

Deno.test("v3.1.1 [MQTT-3.1.2-2] a listener that speaks 5.0 only answers 3.1.1 by CONNACK 1", async () => {
  await using broker = await TestBroker.start({ listen: { protocol: "v5" } });
  await assertConnectAnswered(broker, connectBytes({}, ID), [0x20, 2, 0, 1]);
});

Deno.test("v3.1.1 [MQTT-3.1.2-3] the reserved flag in CONNECT disconnects the client", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean | reserved }, ID));
  await assertConnectAccepted(broker, connectBytes({ flags: clean }, ID));
});

Deno.test("v3.1.1 [MQTT-3.1.2-9] a will flag without will topic or will message closes the connection", async () => {
  await using broker = await TestBroker.start();
  const flags = clean | willFlag;
  await assertConnectRefused(broker, connectBytes({ flags }, ID));
  await assertConnectRefused(broker, connectBytes({ flags }, ID, TOPIC));
  await assertConnectAccepted(broker, connectBytes({ flags }, ID, TOPIC, MESSAGE));
});

Deno.test("v3.1.1 [MQTT-3.1.2-11] [MQTT-3.1.4-1] will topic and message without the will flag close the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean }, ID, TOPIC, MESSAGE));
});

Deno.test("v3.1.1 [MQTT-3.1.2-11] [MQTT-3.1.2-13] a will QoS without the will flag closes the connection", async () => {
  await using broker = await TestBroker.start();
  for (const qos of [1, 2, 3]) await assertConnectRefused(broker, connectBytes({ flags: clean | willQos * qos }, ID));
});

Deno.test("v3.1.1 [MQTT-3.1.2-11] [MQTT-3.1.2-15] will retain without the will flag closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean | willRetain }, ID));
});

Deno.test("v3.1.1 [MQTT-3.1.2-14] a will QoS of 3 closes the connection, 0, 1 and 2 do not", async () => {
  await using broker = await TestBroker.start();
  for (const qos of [0, 1, 2]) {
    await assertConnectAccepted(broker, connectBytes({ flags: clean | willFlag | willQos * qos }, ID, TOPIC, MESSAGE));
  }
  await assertConnectRefused(broker, connectBytes({ flags: clean | willFlag | willQos * 3 }, ID, TOPIC, MESSAGE));
});

Deno.test("v3.1.1 [MQTT-3.1.2-18] a user name without its flag closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean }, ID, NAME));
});

Deno.test("v3.1.1 [MQTT-3.1.2-19] a user name flag without a user name closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean | username }, ID));
  await assertConnectAccepted(broker, connectBytes({ flags: clean | username }, ID, NAME));
  await assertConnectAccepted(broker, connectBytes({ flags: clean | username }, field("other"), field("")));
});

Deno.test("v3.1.1 [MQTT-3.1.2-20] a password without its flag closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean | username }, ID, NAME, PASSWORD));
});

Deno.test("v3.1.1 [MQTT-3.1.2-21] a password flag without a password closes the connection", async () => {
  await using broker = await TestBroker.start();
  const flags = clean | username | password;
  await assertConnectRefused(broker, connectBytes({ flags }, ID, NAME));
  await assertConnectAccepted(broker, connectBytes({ flags }, ID, NAME, PASSWORD));
  await assertConnectAccepted(broker, connectBytes({ flags }, ID, NAME, field("")));
});

Deno.test("v3.1.1 [MQTT-3.1.2-22] a password flag without the user name flag closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({ flags: clean | password }, ID, PASSWORD));
});

Deno.test("v3.1.1 [MQTT-3.1.3-1] the payload of CONNECT is taken in its order: id, will topic, will message, user name, password", async () => {
  const seen: Credentials[] = [];
  await using broker = await TestBroker.start({ authenticator: recordingAuthenticator(seen) });
  const watcher = await join(broker);
  await watcher.subscribe("t");
  const flags = clean | willFlag | username | password;
  const client = await assertConnectAccepted(broker, connectBytes({ flags }, ID, TOPIC, MESSAGE, NAME, PASSWORD));
  const { clientId, username: name, password: secret } = seen.at(-1)!;
  assert.deepEqual({ clientId, name, secret }, { clientId: "c", name: "u", secret: new TextEncoder().encode("p") });
  client.close();
  assert.equal((await watcher.receive()).payload.toString(), "m");
});

Deno.test("v3.1.1 [MQTT-3.1.3-3] a CONNECT without a client identifier closes the connection", async () => {
  await using broker = await TestBroker.start();
  await assertConnectRefused(broker, connectBytes({}));
  await assertConnectRefused(broker, connectBytes({}, [0]));
  await assertConnectRefused(broker, connectBytes({}, [0, 5, 0x61]));
});

Deno.test("v3.1.1 [MQTT-3.1.3-4] a client identifier that is not UTF-8 closes the connection", async () => {
  await using broker = await TestBroker.start();
  for (const text of [[0x80], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80]]) {
    await assertConnectRefused(broker, connectBytes({}, field([0x61, ...text])));
  }
  await assertConnectAccepted(broker, connectBytes({}, field("Gerät 😀")));
});

Deno.test("v3.1.1 [MQTT-3.1.3-5] client identifiers of 1 to 23 letters and digits are allowed", async () => {
  await using broker = await TestBroker.start();
  const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (let length = 1; length <= 23; length++) {
    for (const at of [0, letters.length - length]) await join(broker, { clientId: letters.slice(at, at + length) });
  }
  for (const letter of letters) await join(broker, { clientId: letter });
});

Deno.test("v3.1.1 [MQTT-3.1.3-6] clients with an empty identifier each get a session of their own", async () => {
  const seen: Credentials[] = [];
  await using broker = await TestBroker.start({ authenticator: recordingAuthenticator(seen) });
  const first = await join(broker, { clientId: "" });
  const second = await join(broker, { clientId: "" });
  assert.notEqual(seen[0]!.clientId, "");
  assert.notEqual(seen[0]!.clientId, seen[1]!.clientId);
  await first.subscribe("a");
  await second.publish("a", "to the first only");
  assert.equal((await first.receive()).payload.toString(), "to the first only");
  await second.expectNothing();
});

Deno.test("v3.1.1 [MQTT-3.1.3-8] an empty identifier with clean session 0 is answered by CONNACK 2 and the end", async () => {
  await using broker = await TestBroker.start();
  await assertConnectAnswered(broker, connectBytes({ flags: 0 }, field("")), [0x20, 2, 0, 2]);
  await assertConnectAccepted(broker, connectBytes({ flags: clean }, field("")));
});

Deno.test("v3.1.1 [MQTT-3.1.3-9] a client identifier that the broker rejects is answered by CONNACK 2 and the end", async () => {
  await using broker = await TestBroker.start({
    protocol: { allowZeroLengthClientId: false },
    authenticator: {
      authenticate: ({ clientId }) =>
        clientId === "c"
          ? { refusal: "client-identifier-not-valid", reason: "not this one" }
          : { username: undefined, policy: ALLOW_ALL },
    },
  });
  await assertConnectAnswered(broker, connectBytes({}, field("")), [0x20, 2, 0, 2]);
  await assertConnectAnswered(broker, connectBytes({}, ID), [0x20, 2, 0, 2]);
  await assertConnectAccepted(broker, connectBytes({}, field("d")));
});

Deno.test("v3.1.1 [MQTT-3.1.3-10] a will topic that is not UTF-8 closes the connection", async () => {
  await using broker = await TestBroker.start();
  const flags = clean | willFlag;
  await assertConnectRefused(broker, connectBytes({ flags }, ID, field([0xff]), MESSAGE));
  const watcher = await join(broker);
  await watcher.subscribe("ω/😀");
  const client = await assertConnectAccepted(broker, connectBytes({ flags }, ID, field("ω/😀"), field([0xff, 0x00])));
  client.close();
  assert.deepEqual([...(await watcher.receive()).payload], [0xff, 0x00]); // the message is no string
});

Deno.test("v3.1.1 [MQTT-3.1.3-11] a user name that is not UTF-8 closes the connection", async () => {
  const seen: Credentials[] = [];
  await using broker = await TestBroker.start({ authenticator: recordingAuthenticator(seen) });
  await assertConnectRefused(broker, connectBytes({ flags: clean | username }, ID, field([0xff])));
  assert.equal(seen.length, 0);
  await assertConnectAccepted(broker, connectBytes({ flags: clean | username }, ID, field("Ω")));
  assert.equal(seen[0]!.username, "Ω");
});

const BROKEN_CONNECTS: Readonly<Record<string, Uint8Array>> = {
  "nothing": packet(0x10),
  "a protocol name that is cut off": packet(0x10, [0, 4, 0x4d]),
  "no protocol level": packet(0x10, field("MQTT")),
  "no flags": packet(0x10, field("MQTT"), [4]),
  "half a keep alive": packet(0x10, field("MQTT"), [4, clean, 0]),
  "a byte behind the last field": connectBytes({}, ID, [0]),
  "a field behind the last one": connectBytes({ flags: clean | username }, ID, NAME, field("more")),
};

for (const [what, bytes] of Object.entries(BROKEN_CONNECTS)) {
  Deno.test(`v3.1.1 [MQTT-3.1.4-1] a CONNECT with ${what} closes the connection without a CONNACK`, async () => {
    await using broker = await TestBroker.start();
    await assertConnectRefused(broker, bytes);
  });
}

Deno.test("v3.1.1 [MQTT-3.1.4-2] a client that connects elsewhere is disconnected where it was", async () => {
  await using broker = await TestBroker.start();
  for (const clean of [true, false]) {
    const before = await join(broker, { clientId: "same", clean });
    const after = await join(broker, { clientId: "same", clean });
    assert.equal(await before.expectClosed(), undefined);
    await after.expectNothing();
  }
});

Deno.test("v3.1.1 [MQTT-3.1.4-4] an accepted CONNECT is answered by CONNACK with return code 0", async () => {
  await using broker = await TestBroker.start();
  const client = await assertConnectAccepted(broker, connectBytes({}, ID));
  assert.deepEqual(client.bytes.slice(0, 4), [0x20, 2, 0, 0]);
});

Deno.test("v3.1.1 [MQTT-3.1.4-5] what follows a rejected CONNECT is not processed", async () => {
  await using broker = await TestBroker.start({
    authenticator: {
      authenticate: async ({ clientId }) => {
        await Promise.resolve();
        if (clientId !== "banned") return { username: undefined, policy: ALLOW_ALL };
        return { refusal: "not-authorized", reason: "" };
      },
    },
  });
  const publish = [...publishBytes(0x31, "late", { payload: "kept" })];
  const rejected: readonly [Uint8Array, Bytes][] = [
    [connectBytes({ level: 3 }, ID), [0x20, 2, 0, 1]],
    [connectBytes({ flags: 0 }, field("")), [0x20, 2, 0, 2]],
    [connectBytes({}, field("banned")), [0x20, 2, 0, 5]],
    [connectBytes({ flags: clean | reserved }, ID), []],
  ];
  for (const [connect, answer] of rejected) {
    await assertConnectAnswered(broker, Uint8Array.from([...connect, ...publish]), answer);
  }
  assert.deepEqual(await retainedOf(broker, "#"), []);
  const accepted = await broker.open(4);
  await accepted.sendBytes(Uint8Array.from([...connectBytes({}, ID), ...publish, 0xc0, 0]));
  await accepted.expect("connack");
  await accepted.expect("pingresp");
  assert.deepEqual(await retainedOf(broker, "#"), ["late=kept"]);
});
