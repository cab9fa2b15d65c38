/** MQTT 5.0 section 3.2: what CONNACK says, and that the broker keeps to it. */

import assert from "node:assert/strict";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import type { RefusalCause } from "../../src/core/refusal.ts";
import { v5ReasonCode } from "../../src/protocol/reason_code.ts";
import { TestBroker } from "../support/broker.ts";
import { connectRefusal, ending, refusal } from "../support/endings.ts";
import { frames, join, lastFrame, packet, rawConnect, rawPublish, text } from "../support/raw_packet.ts";

/** Table 3-1. */
const CONNACK_CODES = new Set([
  ...[0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c],
  ...[0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f],
]);

Deno.test("[MQTT-3.2.0-1] [MQTT-3.2.0-2] CONNACK comes first, and once, also when the session has much to send", async () => {
  await using broker = await TestBroker.start();
  const clientId = "one";
  const lasting = { sessionExpiryInterval: 300 };
  const before = await broker.connect({ clientId, properties: lasting });
  await before.subscribe("a", { qos: 2 });
  await before.disconnect();
  const publisher = await broker.connect();
  for (const qos of [1, 2, 1] as const) await publisher.publish("a", "x", { qos });
  const after = await broker.open();
  await after.sendBytes(join(rawConnect({ flags: 0, payload: [text(clientId)] }), packet(0xc0)));
  const kinds = [];
  for (let count = 0; count < 5; count++) kinds.push((await after.next())?.cmd);
  assert.equal(kinds[0], "connack");
  assert.deepEqual(kinds.sort(), ["connack", "pingresp", "publish", "publish", "publish"]);
});

Deno.test("[MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] the flags of CONNACK are 0 or, for a session that is resumed, 1", async () => {
  await using broker = await TestBroker.start();
  const flags: number[] = [];
  for (const clean of [false, false, true, false, true]) {
    const client = await broker.connect({ clientId: "one", clean, properties: { sessionExpiryInterval: 300 } });
    const connack = frames(client.bytes)[0];
    assert.deepEqual([connack[0], connack[3]], [0x20, 0]);
    flags.push(connack[2]);
    await client.disconnect();
  }
  assert.deepEqual(flags, [0, 1, 0, 1, 0]);
});

Deno.test("[MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] a refusal says session present 0 and a code of table 3-1, and then closes", async () => {
  for (const cause of Object.keys(REFUSALS) as (keyof typeof REFUSALS)[]) {
    await using broker = await TestBroker.start({ authenticator: refusing(cause) });
    const known = await broker.connect({
      clientId: "known",
      username: "in",
      properties: { sessionExpiryInterval: 300 },
    });
    await known.disconnect();
    const code = await connectRefusal(broker, { clientId: "known", clean: false, username: "out" });
    assert.equal(code, REFUSALS[cause], cause);
    assert.ok(CONNACK_CODES.has(code!));
    const again = await broker.connect({ clientId: "known", clean: false, username: "in" }); // nothing was taken from it
    assert.equal(again.connack?.sessionPresent, true);
  }
});

Deno.test("[MQTT-3.2.2-8] whatever an authenticator refuses with, CONNACK says a code of table 3-1", async () => {
  for (const [cause, own] of Object.entries(v5ReasonCode) as [RefusalCause, number][]) {
    if (own < 0x80) continue; // an outcome that refuses nothing
    await using broker = await TestBroker.start({ authenticator: refusing(cause) });
    const code = await connectRefusal(broker, { username: "out" });
    assert.ok(CONNACK_CODES.has(code!), `${cause}: ${code?.toString(16)}`);
  }
});

Deno.test("[MQTT-3.2.2-8] refusals of other kinds say codes of table 3-1 as well", async () => {
  await using broker = await TestBroker.start({ limits: { sessionsMax: 1, topicLevelsMax: 3 } });
  await broker.connect({ clientId: "first" });
  const codes = [
    await connectRefusal(broker, { clientId: "second" }),
    await connectRefusal(broker, { clientId: "first", properties: { authenticationMethod: "unknown" } }),
    await refusal(broker, rawConnect({ flags: 0x03 })),
    await connectRefusal(broker, {
      clientId: "first",
      will: { topic: "a/b/c/d", payload: "" as never, qos: 0, retain: false },
    }),
  ];
  assert.deepEqual(codes, [0x97, 0x8c, 0x81, 0x90]);
});

Deno.test("[MQTT-3.2.2-9] [MQTT-3.2.2-10] a broker without QoS 2 says so, and grants what it has to any SUBSCRIBE", async () => {
  for (const qosMax of [0, 1] as const) {
    await using broker = await TestBroker.start({ limits: { qosMax } });
    const client = await broker.connect();
    assert.equal(Number(client.connack?.properties?.maximumQoS), qosMax);
    for (const qos of [0, 1, 2] as const) {
      assert.equal(await client.subscribe(`a/${qos}`, { qos }), Math.min(qos, qosMax));
    }
    await (await broker.connect()).publish("a/2", "x", { qos: qosMax });
    assert.equal((await client.receive()).qos, qosMax);
  }
});

Deno.test("[MQTT-3.2.2-9] a broker with every QoS does not mention it", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const { properties } = client.connack!;
  assert.deepEqual([properties?.maximumQoS, properties?.retainAvailable], [undefined, undefined]);
});

Deno.test("[MQTT-3.2.2-11] a PUBLISH above Maximum QoS ends the connection with 0x9B", async () => {
  await using none = await TestBroker.start({ limits: { qosMax: 0 } });
  assert.equal(await ending(await none.connect(), rawPublish({ first: 0x32, packetId: 1 })), 0x9b);
  await using one = await TestBroker.start({ limits: { qosMax: 1 } });
  const client = await one.connect();
  assert.equal(await client.publish("a", "", { qos: 1 }), 0x10);
  assert.equal(await ending(client, rawPublish({ first: 0x34, packetId: 1 })), 0x9b);
});

Deno.test("[MQTT-3.2.2-12] a will above Maximum QoS is refused with 0x9B", async () => {
  await using broker = await TestBroker.start({ limits: { qosMax: 1 } });
  const will = { topic: "w", payload: "" as never, retain: false } as const;
  assert.equal(await connectRefusal(broker, { will: { ...will, qos: 2 } }), 0x9b);
  await broker.connect({ will: { ...will, qos: 1 } });
});

Deno.test("[MQTT-3.2.2-13] [MQTT-3.2.2-14] a broker that does not retain says so, and refuses wills and messages to be retained", async () => {
  await using broker = await TestBroker.start({ limits: { retainAvailable: false } });
  const will = { topic: "w", payload: "" as never, qos: 0 } as const;
  assert.equal(await connectRefusal(broker, { will: { ...will, retain: true } }), 0x9a);
  const client = await broker.connect({ will: { ...will, retain: false } });
  assert.equal(client.connack?.properties?.retainAvailable, false);
  assert.equal(await ending(client, rawPublish({ first: 0x31, payload: "x" })), 0x9a);
});

Deno.test("MQTT5 3.2.2.3: what is not available is announced, and nothing else is", async () => {
  await using less = await TestBroker.start({
    limits: { wildcardAvailable: false, sharedAvailable: false, subscriptionIdsAvailable: false },
  });
  const { properties } = (await less.connect()).connack!;
  assert.equal(properties?.wildcardSubscriptionAvailable, false);
  assert.equal(properties?.sharedSubscriptionAvailable, false);
  assert.equal(properties?.subscriptionIdentifiersAvailable, false);
  await using full = await TestBroker.start();
  const names = Object.keys((await full.connect()).connack?.properties ?? {});
  for (
    const name of ["wildcardSubscriptionAvailable", "sharedSubscriptionAvailable", "subscriptionIdentifiersAvailable"]
  ) {
    assert.ok(!names.includes(name), name);
  }
});

Deno.test("MQTT5 3.2.2.3.2: a session expiry that the broker cuts is announced, and is what counts", async () => {
  await using broker = await TestBroker.start({ limits: { sessionExpirySecondsMax: 10, sessionExpirySecondsV3: 10 } });
  const expiryOf = async (sessionExpiryInterval: number) => {
    const client = await broker.connect({ properties: { sessionExpiryInterval } });
    return client.connack?.properties?.sessionExpiryInterval;
  };
  assert.deepEqual([await expiryOf(10), await expiryOf(0), await expiryOf(9)], [undefined, undefined, undefined]);
  assert.deepEqual([await expiryOf(11), await expiryOf(0xffff_ffff)], [10, 10]);
});

Deno.test("MQTT5 3.2.2.3.3: Receive Maximum, Maximum Packet Size and Topic Alias Maximum are those of the options", async () => {
  await using broker = await TestBroker.start({
    limits: { receiveMaximum: 17 },
    protocol: { packetBytesMax: 4321, topicAliasMaximum: 5 },
  });
  const { properties } = (await broker.connect()).connack!;
  assert.deepEqual(
    [properties?.receiveMaximum, properties?.maximumPacketSize, properties?.topicAliasMaximum],
    [17, 4321, 5],
  );
});

Deno.test("[MQTT-3.1.2-28] Response Information comes when it was asked for, and only then", async () => {
  await using broker = await TestBroker.start({ protocol: { responseInformation: "replies/here" } });
  const answer = async (properties: Record<string, boolean>) =>
    (await broker.connect({ properties })).connack?.properties?.responseInformation;
  assert.equal(await answer({}), undefined);
  assert.equal(await answer({ requestResponseInformation: false }), undefined);
  assert.equal(await answer({ requestResponseInformation: true }), "replies/here");
  await using silent = await TestBroker.start();
  const client = await silent.connect({ properties: { requestResponseInformation: true } });
  assert.equal(client.connack?.properties?.responseInformation, undefined);
});

Deno.test("MQTT5 3.2.2.3.17: an authentication method that was not asked for is not mentioned", async () => {
  await using broker = await TestBroker.start();
  const { properties } = (await broker.connect({ username: "u", password: "p" })).connack!;
  assert.deepEqual([properties?.authenticationMethod, properties?.authenticationData], [undefined, undefined]);
});

Deno.test("[MQTT-3.1.2-29] without problem information no answer has a reason string, CONNACK and DISCONNECT apart", async () => {
  await using broker = await TestBroker.start({ authenticator: onlyTopic("open") });
  const talk = async (requestProblemInformation: boolean | undefined) => {
    const properties = requestProblemInformation === undefined ? {} : { requestProblemInformation };
    const client = await broker.connect({ properties });
    assert.equal(await client.publish("shut", "", { qos: 1 }), 0x87);
    assert.equal(await client.publish("shut", "", { qos: 2 }), 0x87);
    assert.equal(await client.subscribe("shut"), 0x87);
    await client.unsubscribe("shut");
    await client.sendBytes("62 02 0063 50 02 0063"); // PUBREL and PUBREC for an id that nobody knows
    assert.deepEqual([await client.next(), await client.next()].map((each) => each?.cmd), ["pubcomp", "pubrel"]);
    return client;
  };
  for (const asked of [undefined, true]) {
    const client = await talk(asked);
    for (const type of [4, 5]) assert.ok(hasProperties(lastFrame(client.bytes, type)), `type ${type}`);
  }
  const client = await talk(false);
  for (const type of [4, 5, 6, 7]) assert.ok(!hasProperties(lastFrame(client.bytes, type)), `type ${type}`);
  for (const type of [9, 11]) assert.equal(lastFrame(client.bytes, type)[4], 0, `type ${type}`);
});

Deno.test("MQTT5 3.2.2.3.9: a refusal and the broker's DISCONNECT say why in a reason string", async () => {
  await using broker = await TestBroker.start();
  const refused = await broker.open();
  await refused.sendBytes(rawConnect({ flags: 0x03 }));
  assert.match((await refused.expect("connack")).properties?.reasonString ?? "", /flag/);
  const client = await broker.connect();
  await client.sendBytes("36 00");
  assert.match((await client.expect("disconnect")).properties?.reasonString ?? "", /QoS/);
});

Deno.test("MQTT5 3.2.2.2: the CONNACK of a refusal says nothing of what the broker can do", async () => {
  await using broker = await TestBroker.start({ authenticator: refusing("banned"), limits: { qosMax: 0 } });
  const client = await broker.open();
  await client.send(client.connectPacket({ username: "out" }));
  const names = Object.keys((await client.expect("connack")).properties ?? {});
  assert.deepEqual(names.filter((name) => name !== "reasonString"), []);
});

/** An acknowledgement of more than four bytes of body than id and code has a property section. */
function hasProperties(frame: Uint8Array): boolean {
  return frame.length > 6;
}

const REFUSALS = {
  "bad-user-name-or-password": 0x86,
  "not-authorized": 0x87,
  "server-unavailable": 0x88,
  "server-busy": 0x89,
  "banned": 0x8a,
  "quota-exceeded": 0x97,
  "use-another-server": 0x9c,
  "connection-rate-exceeded": 0x9f,
} as const satisfies Partial<Record<RefusalCause, number>>;

/** Refuses everybody but the user "in". */
function refusing(refusal: RefusalCause): Authenticator {
  return {
    authenticate({ username }) {
      if (username !== "in") return { refusal, reason: "for the test" };
      return { username, policy: { mayPublish: () => true, maySubscribe: () => true } };
    },
  };
}

/** Everybody may use one topic. */
function onlyTopic(open: string): Authenticator {
  const isOpen = (_: unknown, topic: string) => topic === open;
  return { authenticate: ({ username }) => ({ username, policy: { mayPublish: isOpen, maySubscribe: isOpen } }) };
}
