/** MQTT 5.0 section 1.5: strings, integers and pairs as they stand in packets. */

import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { ending, refusal } from "../support/endings.ts";
import {
  frames,
  hex,
  integer,
  join,
  lastFrame,
  packet,
  properties,
  rawConnect,
  rawPublish,
  rawSubscribe,
  text,
  uint16,
  userProperty,
} from "../support/raw_packet.ts";

const MALFORMED = 0x81;

const ILL_FORMED: Record<string, Uint8Array> = {
  "a surrogate, U+D800": Uint8Array.of(0xed, 0xa0, 0x80),
  "a surrogate, U+DFFF": Uint8Array.of(0xed, 0xbf, 0xbf),
  "a surrogate pair in CESU-8": Uint8Array.of(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80),
  "an over-long slash": Uint8Array.of(0xc0, 0xaf),
  "an over-long NUL": Uint8Array.of(0xc0, 0x80),
  "an over-long sequence of three": Uint8Array.of(0xe0, 0x9f, 0xbf),
  "a sequence that is cut": Uint8Array.of(0x61, 0xe2, 0x82),
  "a continuation alone": Uint8Array.of(0x80),
  "beyond U+10FFFF": Uint8Array.of(0xf4, 0x90, 0x80, 0x80),
  "a lead byte that does not exist": Uint8Array.of(0xff),
};

const WITH_NUL = Uint8Array.of(0x61, 0x00, 0x62);

/** Every string of the packets that a connected client sends, in sections 3.3 to 3.14. */
const STRINGS: Record<string, (string: Uint8Array) => Uint8Array> = {
  "the topic of PUBLISH": (string) => rawPublish({ topic: string }),
  "the content type": (string) => rawPublish({ properties: join(0x03, text(string)) }),
  "the response topic": (string) => rawPublish({ properties: join(0x08, text(string)) }),
  "a user property's name": (string) => rawPublish({ properties: userProperty(string, "v") }),
  "a user property's value": (string) => rawPublish({ properties: userProperty("n", string) }),
  "the filter of SUBSCRIBE": (string) => rawSubscribe(1, string),
  "the filter of UNSUBSCRIBE": (string) => packet(0xa2, uint16(1), properties(), text(string)),
  "a user property of SUBSCRIBE": (string) =>
    packet(0x82, uint16(1), properties(userProperty("n", string)), text("a"), 0),
  "the reason string of PUBACK": (string) => packet(0x40, uint16(1), 0, properties(0x1f, text(string))),
  "the reason string of DISCONNECT": (string) => packet(0xe0, 0, properties(0x1f, text(string))),
};

/** Every string of a CONNECT. */
const CONNECT_STRINGS: Record<string, (string: Uint8Array) => Uint8Array> = {
  "the client id": (string) => rawConnect({ payload: [text(string)] }),
  "the will topic": (string) => rawConnect({ flags: 0x06, payload: [text("c"), properties(), text(string), text("")] }),
  "the will's content type": (string) =>
    rawConnect({ flags: 0x06, payload: [text("c"), properties(0x03, text(string)), text("w"), text("")] }),
  "the will's response topic": (string) =>
    rawConnect({ flags: 0x06, payload: [text("c"), properties(0x08, text(string)), text("w"), text("")] }),
  "the will's user property": (string) =>
    rawConnect({ flags: 0x06, payload: [text("c"), properties(userProperty(string, "")), text("w"), text("")] }),
  "the user name": (string) => rawConnect({ flags: 0x82, payload: [text("c"), text(string)] }),
  "a user property": (string) => rawConnect({ properties: properties(userProperty("n", string)) }),
  "the authentication method": (string) => rawConnect({ properties: properties(0x15, text(string)) }),
};

Deno.test("[MQTT-1.5.4-1] [MQTT-3.3.2-1] a string that is not well-formed UTF-8 is a malformed packet", async () => {
  await using broker = await TestBroker.start();
  for (const [what, bytes] of Object.entries(ILL_FORMED)) {
    const client = await broker.connect();
    assert.equal(await ending(client, rawPublish({ topic: bytes })), MALFORMED, what);
  }
});

Deno.test("[MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-3.3.2-13] [MQTT-3.3.2-19] every string of every packet is checked", async () => {
  await using broker = await TestBroker.start();
  for (const [where, bytesOf] of Object.entries(STRINGS)) {
    for (const string of [ILL_FORMED["a surrogate, U+D800"], WITH_NUL]) {
      const client = await broker.connect();
      assert.equal(await ending(client, bytesOf(string)), MALFORMED, `${where}: ${hex(string)}`);
    }
  }
});

Deno.test("[MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] every string of CONNECT is checked", async () => {
  await using broker = await TestBroker.start();
  for (const [where, bytesOf] of Object.entries(CONNECT_STRINGS)) {
    for (const string of [ILL_FORMED["a surrogate, U+D800"], ILL_FORMED["a sequence that is cut"], WITH_NUL]) {
      assert.equal(await refusal(broker, bytesOf(string)), MALFORMED, `${where}: ${hex(string)}`);
    }
  }
});

Deno.test("[MQTT-1.5.4-1] well-formed strings of one to four byte sequences are carried byte for byte", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const topic = "ü/水/\u{1F600}/\u{10FFFF}/\uD7FF\uE000";
  await client.subscribe(topic);
  await client.sendBytes(rawPublish({ topic, payload: "x" }));
  assert.equal((await client.receive()).topic, topic);
  assert.deepEqual(lastFrame(client.bytes, 3), rawPublish({ topic, payload: "x" }));
});

Deno.test("[MQTT-1.5.4-3] a byte order mark is part of the string: in topics and filters", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.sendBytes(rawSubscribe(1, "\uFEFFt/\uFEFF"));
  await client.expect("suback");
  await client.publish("t/\uFEFF", "without the first");
  await client.publish("\uFEFFt/", "without the second");
  await client.expectNothing();
  const sent = rawPublish({ topic: "\uFEFFt/\uFEFF", properties: userProperty("\uFEFFn", "\uFEFFv"), payload: "with" });
  await client.sendBytes(sent);
  await client.receive();
  assert.deepEqual(lastFrame(client.bytes, 3), sent);
});

Deno.test("[MQTT-1.5.4-3] a byte order mark is part of the string: in client ids", async () => {
  await using broker = await TestBroker.start();
  const plain = await broker.connect({ clientId: "bom" });
  const marked = await broker.open();
  await marked.sendBytes(rawConnect({ payload: [text("\uFEFFbom")] }));
  await marked.expect("connack");
  await plain.expectNothing();
});

Deno.test("MQTT5 1.5.4: a string may be 65,535 bytes long", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  const topic = "t".repeat(65_535);
  assert.equal(await client.subscribe(topic), 0);
  await client.publish(topic, "long");
  assert.equal((await client.receive()).topic, topic);
});

Deno.test("[MQTT-1.5.5-1] a remaining length of more bytes than needed, or of five, is malformed", async () => {
  await using broker = await TestBroker.start();
  for (const bytes of ["c0 80 00", "30 85 00 0001 61 00 78", "30 85 80 00 0001 61 00 78", "30 80 80 80 80 01"]) {
    const client = await broker.connect();
    assert.equal(await ending(client, bytes), MALFORMED, bytes);
  }
});

Deno.test("[MQTT-1.5.5-1] an integer inside a packet of more bytes than needed is malformed", async () => {
  await using broker = await TestBroker.start();
  const cases: Record<string, Uint8Array> = {
    "property length of PUBLISH": packet(0x30, text("a"), 0x80, 0x00),
    "property length of SUBSCRIBE": packet(0x82, uint16(1), 0x80, 0x00, text("a"), 0),
    "subscription identifier": packet(0x82, uint16(1), properties(0x0b, 0x81, 0x00), text("a"), 0),
    "subscription identifier of five bytes": packet(
      0x82,
      ...[uint16(1), properties(0x0b, 0x81, 0x80, 0x80, 0x80, 0x01), text("a"), 0],
    ),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    const client = await broker.connect();
    assert.equal(await ending(client, bytes), MALFORMED, what);
  }
  assert.equal(await refusal(broker, rawConnect({ properties: Uint8Array.of(0x80, 0x00) })), MALFORMED);
});

Deno.test("[MQTT-1.5.5-1] the broker writes its integers as short as they can be", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.connect();
  await client.subscribe("a");
  for (const remaining of [127, 128, 16_383, 16_384]) {
    const sent = rawPublish({ payload: new Uint8Array(remaining - 4) });
    assert.deepEqual(sent.subarray(1, sent.length - remaining), integer(remaining));
    await client.sendBytes(sent);
    await client.receive();
    assert.deepEqual(lastFrame(client.bytes, 3), sent, `remaining length ${remaining}`);
  }
});

Deno.test("[MQTT-1.5.5-1] subscription identifiers come back as short as they can be, up to the largest", async () => {
  await using broker = await TestBroker.start();
  for (const identifier of [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]) {
    const client = await broker.connect();
    await client.subscribe("a", { identifier });
    await client.publish("a", "x");
    await client.receive();
    const expected = rawPublish({ properties: join(0x0b, integer(identifier)), payload: "x" });
    assert.deepEqual(lastFrame(client.bytes, 3), expected);
    client.close();
  }
});

Deno.test("[MQTT-1.5.7-1] both strings of a pair are checked, in every packet that may carry one", async () => {
  await using broker = await TestBroker.start();
  const bad = ILL_FORMED["a surrogate, U+D800"];
  for (const pair of [userProperty(bad, "v"), userProperty("n", bad), userProperty("n", WITH_NUL)]) {
    const packets = [
      rawPublish({ properties: pair }),
      packet(0x40, uint16(1), 0, properties(pair)),
      packet(0x50, uint16(1), 0, properties(pair)),
      packet(0x62, uint16(1), 0, properties(pair)),
      packet(0x70, uint16(1), 0, properties(pair)),
      packet(0x82, uint16(1), properties(pair), text("a"), 0),
      packet(0xa2, uint16(1), properties(pair), text("a")),
      packet(0xe0, 0, properties(pair)),
    ];
    for (const bytes of packets) {
      const client = await broker.connect();
      assert.equal(await ending(client, bytes), MALFORMED, hex(bytes));
    }
    assert.equal(await refusal(broker, rawConnect({ properties: properties(pair) })), MALFORMED);
  }
});

Deno.test("MQTT5 1.5: a packet may come byte by byte, and many may come in one piece", async () => {
  await using broker = await TestBroker.start();
  const client = await broker.open();
  const connect = rawConnect({ payload: [text("slow")] });
  for (const byte of connect) await client.sendBytes(Uint8Array.of(byte));
  await client.expect("connack");
  for (const byte of rawSubscribe(7, "a")) await client.sendBytes(Uint8Array.of(byte));
  await client.expect("suback");
  const messages = Array.from({ length: 50 }, (_, index) => rawPublish({ payload: `${index}` }));
  await client.sendBytes(join(...messages));
  for (let index = 0; index < 50; index++) assert.equal((await client.receive()).payload.toString(), `${index}`);
  assert.equal(frames(client.bytes).length, 52);
});
