/** MQTT 5.0 section 3.1: what a CONNECT may say, and what becomes of it. Sessions, wills, keep-alives and packet sizes have files of
 * their own. */

import assert from "node:assert/strict";
import type { Authenticator, Credentials } from "../../src/auth/authenticator.ts";
import { ALLOW_ALL } from "../../src/auth/authenticator.ts";
import { TestBroker } from "../support/broker.ts";
import { connectRefusal, ending, refusal } from "../support/endings.ts";
import {
  frames,
  hex,
  join,
  packet,
  type Part,
  properties,
  rawConnect,
  rawPublish,
  rawSubscribe,
  text,
  uint16,
  uint32,
  userProperty,
} from "../support/raw_packet.ts";

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const UNSUPPORTED_VERSION = 0x84;
const BAD_CREDENTIALS = 0x86;
const TAKEN_OVER = 0x8e;

Deno.test("[MQTT-3.1.0-1] a first packet that is not CONNECT ends the connection without a word", async () => {
  await using broker = await TestBroker.start();
  const witness = await broker.connect();
  await witness.subscribe("a");
  const packets = [
    rawPublish(),
    rawPublish({ first: 0x32, packetId: 1 }),
    packet(0x62, uint16(1)),
    rawSubscribe(1, "a"),
    packet(0xc0),
    packet(0xe0),
    packet(0xf0, 0x18, properties(0x15, text("X"))),
    packet(0x20, 0, 0, properties()),
  ];
  for (const bytes of packets) {
    const client = await broker.open();
    await client.sendBytes(join(bytes, rawConnect()));
    assert.equal(await client.next(), undefined, hex(bytes));
    assert.deepEqual(client.bytes, []);
  }
  await witness.expectNothing();
});

Deno.test("[MQTT-3.1.0-2] [MQTT-3.2.0-2] a second CONNECT is a protocol error, and is not answered by CONNACK", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect({ clientId: "twice" });
  assert.equal(await ending(client, rawConnect({ payload: [text("other")] })), PROTOCOL_ERROR);
  assert.equal(frames(client.bytes).filter((frame) => frame[0] === 0x20).length, 1);
});

Deno.test("[MQTT-3.1.0-2] two CONNECTs in one segment are one too many as well", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.open();
  await client.sendBytes(join(rawConnect(), rawConnect()));
  await client.expect("connack");
  assert.equal(await client.expectClosed(), PROTOCOL_ERROR);
});

Deno.test("[MQTT-3.1.2-1] a protocol name other than MQTT is refused", async () => {
  await using broker = await TestBroker.start();
  for (const name of ["mqtt", "MQTTT", "MQT", "", "MQIsdp", "HTTP"]) {
    const code = await refusal(broker, rawConnect({ name }));
    assert.ok(code === undefined || code === UNSUPPORTED_VERSION, `${name}: ${code}`);
  }
});

Deno.test("[MQTT-3.1.2-2] a later protocol version whose CONNECT has the form of MQTT 5 is refused with 0x84", async () => {
  await using broker = await TestBroker.start();
  for (const level of [6, 7, 99, 0x7f]) {
    for (const section of [properties(), properties(0x21, uint16(1))]) {
      const code = await refusal(broker, rawConnect({ level, properties: section }));
      assert.equal(code, UNSUPPORTED_VERSION, `level ${level}`);
    }
  }
});

Deno.test("[MQTT-3.1.2-2] other protocol versions that do not exist are refused in the older form that every client can read", async () => {
  await using broker = await TestBroker.start();
  for (const level of [0, 1, 2, 3, 0x84, 0x85, 0xff]) {
    const client = await broker.open(4);
    await client.sendBytes(rawConnect({ level }));
    assert.equal((await client.expect("connack")).returnCode, 1, `level ${level}`);
    assert.equal(await client.next(), undefined, `level ${level} is let in`);
  }
});

Deno.test("[MQTT-3.1.2-2] a listener refuses the versions that it does not speak", async () => {
  await using old = await TestBroker.start({ listen: { protocol: "v3" } });
  assert.equal(await refusal(old, rawConnect()), UNSUPPORTED_VERSION);
  await using modern = await TestBroker.start({ listen: { protocol: "v5" } });
  const client = await modern.open(4);
  await client.send(client.connectPacket());
  assert.equal((await client.expect("connack")).returnCode, 1);
  assert.equal(await client.next(), undefined);
  await modern.connect({ version: 5 });
});

Deno.test("[MQTT-3.1.2-3] the reserved connect flag must be 0", async () => {
  await using broker = await TestBroker.start();
  for (const flags of [0x01, 0x03]) assert.equal(await refusal(broker, rawConnect({ flags })), MALFORMED);
});

Deno.test("[MQTT-3.1.2-9] with the will flag, will properties, topic and payload must be there", async () => {
  await using broker = await TestBroker.start();
  const payloads: Part[][] = [
    [text("c")],
    [text("c"), properties()],
    [text("c"), properties(), text("w")],
    [text("c"), text("w"), text("x")], // without the properties
  ];
  for (const payload of payloads) assert.equal(await refusal(broker, rawConnect({ flags: 0x06, payload })), MALFORMED);
});

Deno.test("[MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] will QoS and will retain need a will, and will QoS 3 is malformed", async () => {
  await using broker = await TestBroker.start();
  for (const flags of [0x0a, 0x12, 0x1a, 0x22]) assert.equal(await refusal(broker, rawConnect({ flags })), MALFORMED);
  const payload = [text("c"), properties(), text("w"), text("x")];
  assert.equal(await refusal(broker, rawConnect({ flags: 0x1e, payload })), MALFORMED);
  for (const flags of [0x06, 0x0e, 0x16]) { // QoS 0, 1 and 2
    const client = await broker.open();
    await client.sendBytes(rawConnect({ flags, payload }));
    assert.equal((await client.expect("connack")).reasonCode, 0);
  }
});

Deno.test("[MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19] user name and password are there exactly when their flags say so", async () => {
  await using broker = await TestBroker.start();
  const cases: [number, Part[]][] = [
    [0x02, [text("c"), text("user")]],
    [0x02, [text("c"), text("user"), text("secret")]],
    [0x82, [text("c")]],
    [0x82, [text("c"), text("user"), text("secret")]],
    [0x42, [text("c")]],
    [0x42, [text("c"), text("user"), text("secret")]],
    [0xc2, [text("c"), text("user")]],
  ];
  for (const [flags, payload] of cases) {
    assert.equal(await refusal(broker, rawConnect({ flags, payload })), MALFORMED, `flags ${flags}`);
  }
});

Deno.test("[MQTT-3.1.2-17] [MQTT-3.1.2-19] user name and password reach authentication, and each may come alone", async () => {
  const seen: Credentials[] = [];
  const authenticator: Authenticator = {
    authenticate(credentials) {
      seen.push(credentials);
      return { username: credentials.username, policy: ALLOW_ALL };
    },
  };
  await using broker = await TestBroker.start({ authenticator, limits: { takeover: "anyone" } });
  const binary = Uint8Array.of(0, 0xff, 0xed, 0xa0, 0x80); // a password is binary data
  const cases: [number, Part[]][] = [
    [0x02, []],
    [0x82, [text("üser")]],
    [0x42, [text(binary)]],
    [0xc2, [text(""), text("")]],
  ];
  for (const [flags, payload] of cases) {
    const client = await broker.open();
    await client.sendBytes(rawConnect({ flags, payload: [text("c"), ...payload] }));
    assert.equal((await client.expect("connack")).reasonCode, 0);
  }
  const said = seen.map(({ clientId, username, password }) => [clientId, username, password && hex(password)]);
  assert.deepEqual(said, [
    ["c", undefined, undefined],
    ["c", "üser", undefined],
    ["c", undefined, hex(binary)],
    ["c", "", ""],
  ]);
});

Deno.test("[MQTT-3.1.3-1] the payload is read in the order client id, will, user name, password", async () => {
  const seen: string[] = [];
  const authenticator: Authenticator = {
    authenticate({ clientId, username, password }) {
      if (clientId === "one") seen.push(clientId, username!, new TextDecoder().decode(password));
      return { username, policy: ALLOW_ALL };
    },
  };
  await using broker = await TestBroker.start({ authenticator });
  const witness = await broker.connect();
  await witness.subscribe("three");
  const client = await broker.open();
  const will = [properties(0x03, text("two")), text("three"), text("four")];
  await client.sendBytes(rawConnect({ flags: 0xc6, payload: [text("one"), ...will, text("five"), text("six")] }));
  await client.expect("connack");
  assert.deepEqual(seen, ["one", "five", "six"]);
  client.close();
  const message = await witness.receive();
  assert.equal(message.payload.toString(), "four");
  assert.equal(message.properties?.contentType, "two");
});

Deno.test("[MQTT-3.1.3-3] [MQTT-3.1.4-1] a CONNECT that is cut anywhere, or goes on too long, is refused", async () => {
  await using broker = await TestBroker.start();
  const body = rawConnect({
    flags: 0xc6,
    properties: properties(0x21, uint16(5), userProperty("n", "v")),
    payload: [text("c"), properties(0x18, uint32(1)), text("w"), text("x"), text("user"), text("secret")],
  }).subarray(2);
  for (let length = 0; length < body.length; length++) {
    const code = await refusal(broker, packet(0x10, body.subarray(0, length)));
    assert.ok(code === undefined || code === MALFORMED || code === UNSUPPORTED_VERSION, `cut at ${length}: ${code}`);
  }
  assert.equal(await refusal(broker, packet(0x10, body, 0)), MALFORMED);
  assert.equal(await refusal(broker, rawConnect({ payload: [] })), MALFORMED);
});

Deno.test("MQTT5 3.1.2.11: properties with a value that is not allowed, or twice, are refused", async () => {
  await using broker = await TestBroker.start();
  const zero: Record<string, Part[]> = {
    "receive maximum 0": [0x21, uint16(0)],
    "maximum packet size 0": [0x27, uint32(0)],
    "request response information 2": [0x19, 2],
    "request problem information 2": [0x17, 2],
    "authentication data without a method": [0x16, text("d")],
  };
  const once: Part[][] = [
    [0x11, uint32(1)],
    [0x21, uint16(1)],
    [0x27, uint32(100)],
    [0x22, uint16(1)],
    [0x19, 0],
    [0x17, 0],
    [0x15, text("m")],
  ];
  const cases = [...Object.values(zero), ...once.map((parts) => [...parts, ...parts])];
  for (const parts of cases) {
    const bytes = rawConnect({ properties: properties(...parts) });
    assert.equal(await refusal(broker, bytes), PROTOCOL_ERROR, hex(bytes));
  }
});

Deno.test("MQTT5 3.1.2.11: properties of other packets are malformed in CONNECT, and so are those of CONNECT in a will", async () => {
  await using broker = await TestBroker.start();
  const strangers: Part[][] = [[0x01, 1], [0x02, uint32(1)], [0x0b, 1], [0x12, text("i")], [0x1f, text("w")], [
    0x24,
    1,
  ]];
  for (const parts of strangers) {
    assert.equal(await refusal(broker, rawConnect({ properties: properties(...parts) })), MALFORMED, `${parts[0]}`);
  }
  for (const parts of [[0x11, uint32(1)], [0x23, uint16(1)], [0x0b, 1], [0x21, uint16(1)]]) {
    const payload = [text("c"), properties(...parts), text("w"), text("")];
    assert.equal(await refusal(broker, rawConnect({ flags: 0x06, payload })), MALFORMED, `will ${parts[0]}`);
  }
});

Deno.test("MQTT5 3.1.2.11.8: user properties of a CONNECT may come in any number and are not the business of the broker", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.open();
  const pairs = Array.from({ length: 100 }, () => userProperty("same", "same"));
  await client.sendBytes(rawConnect({ properties: properties(...pairs) }));
  assert.equal((await client.expect("connack")).reasonCode, 0);
});

Deno.test("[MQTT-3.1.4-2] a client that authentication refuses is told so and cut", async () => {
  for (const wait of [false, true]) {
    await using broker = await TestBroker.start({ authenticator: passwordIs("open", wait) });
    for (const password of ["shut", "", undefined]) {
      assert.equal(await connectRefusal(broker, { username: "u", password }), BAD_CREDENTIALS);
    }
    await broker.connect({ username: "u", password: "open" });
  }
});

Deno.test("[MQTT-3.1.4-2] a will that the client may not publish is refused with 0x87", async () => {
  const authenticator: Authenticator = {
    authenticate: ({ username }) => ({ username, policy: { mayPublish: () => false, maySubscribe: () => true } }),
  };
  await using broker = await TestBroker.start({ authenticator });
  const will = { topic: "w", payload: "x" as never, qos: 0, retain: false } as const;
  assert.equal(await connectRefusal(broker, { will }), 0x87);
});

Deno.test("[MQTT-3.1.4-3] a client with the same id takes the session over: 0x8E to the old, 0x00 to the new", async () => {
  await using broker = await TestBroker.start();
  const first = await broker.connect({ clientId: "one" });
  const second = await broker.connect({ clientId: "one" });
  assert.equal(await first.expectClosed(), TAKEN_OVER);
  const third = await broker.connect({ clientId: "one", clean: false });
  assert.equal(await second.expectClosed(), TAKEN_OVER);
  await third.expectNothing();
});

Deno.test("[MQTT-3.1.4-5] a CONNECT is acknowledged with 0x00, for every version that is spoken", async () => {
  await using broker = await TestBroker.start();
  assert.equal((await broker.connect()).connack?.reasonCode, 0);
  assert.equal((await broker.connect({ version: 4 })).connack?.returnCode, 0);
});

Deno.test("[MQTT-3.1.4-6] nothing behind a CONNECT that is refused is processed", async () => {
  for (const wait of [false, true]) {
    await using broker = await TestBroker.start({ authenticator: passwordIs("open", wait) });
    const witness = await broker.connect({ username: "w", password: "open" });
    await witness.subscribe("#");
    const client = await broker.open();
    const publish = rawPublish({ first: 0x33, packetId: 1, payload: "behind" });
    const connect = rawConnect({ flags: 0xc2, payload: [text("c"), text("u"), text("shut")] });
    await client.sendBytes(join(connect, publish, rawSubscribe(2, "#")));
    assert.equal((await client.expect("connack")).reasonCode, BAD_CREDENTIALS);
    await client.sendBytes(publish).catch(() => {}); // the connection may be gone
    assert.equal(await client.next(), undefined);
    await witness.expectNothing();
    await witness.subscribe("a"); // nor was it retained
    await witness.expectNothing();
  }
});

Deno.test("MQTT5 3.1.4: packets that come right behind CONNECT are processed after it, in order", async () => {
  for (const wait of [false, true]) {
    await using broker = await TestBroker.start({ authenticator: passwordIs("open", wait) });
    const client = await broker.open();
    const connect = rawConnect({ flags: 0xc2, payload: [text("c"), text("u"), text("open")] });
    const publish = rawPublish({ first: 0x32, packetId: 4, payload: "x" });
    await client.sendBytes(join(connect, rawSubscribe(3, "a"), publish, packet(0xc0)));
    await client.expect("connack");
    assert.equal((await client.expect("suback")).messageId, 3);
    const rest = [await client.next(), await client.next(), await client.next()].map((each) => each?.cmd);
    assert.deepEqual(rest.sort(), ["pingresp", "puback", "publish"]);
  }
});

Deno.test("MQTT5 3.1.4: a client that may go on behind its CONNECT may also go", async () => {
  await using broker = await TestBroker.start({ authenticator: passwordIs("open", true) });
  const witness = await broker.connect({ username: "w", password: "open" });
  await witness.subscribe("a");
  const client = await broker.open();
  const connect = rawConnect({ flags: 0xc2, payload: [text("c"), text("u"), text("open")] });
  await client.sendBytes(join(connect, rawPublish({ payload: "bye" }), packet(0xe0)));
  assert.equal((await witness.receive()).payload.toString(), "bye");
  await client.expect("connack");
  assert.equal(await client.next(), undefined);
});

/** Lets in who knows the password, at once or after a turn of the event loop. */
function passwordIs(expected: string, wait: boolean): Authenticator {
  const verdict = ({ username, password }: Credentials) => {
    if (password !== undefined && new TextDecoder().decode(password) === expected) {
      return { username, policy: ALLOW_ALL };
    }
    return { refusal: "bad-user-name-or-password", reason: "The password is wrong" } as const;
  };
  if (!wait) return { authenticate: verdict };
  return {
    authenticate: async (credentials) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return verdict(credentials);
    },
  };
}
