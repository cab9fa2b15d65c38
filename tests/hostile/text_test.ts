import assert from "node:assert/strict";
import { TestBroker } from "../support/broker.ts";
import { hex } from "../wire/reading.ts";
import { connect, packet, type Part, properties, publish, sized, subscribe, uint16 } from "./bytes.ts";
import { lastWord, provoke } from "./raw_peer.ts";
import { Witness } from "./witness.ts";

const faults: [string, string][] = [
  ["U+0000", "61 00 62"],
  ["a surrogate", "61 eda080"],
  ["a surrogate pair", "eda080 edb080"],
  ["an over-long slash", "c0af"],
  ["an over-long NUL", "c080"],
  ["three bytes for one", "e080af"],
  ["four bytes for three", "f0808080"],
  ["beyond U+10FFFF", "f4908080"],
  ["a lead byte that none has", "f5808080"],
  ["a cut sequence", "61 e282"],
  ["a lone continuation", "80"],
  ["0xFF", "ff"],
];

/** A packet that holds `text` in one of its strings; sent alone when `isFirst`, else once connected. */
type Field = [name: string, build: (text: Part) => Uint8Array, isFirst: boolean];

const will = (section: readonly Part[], topic: Part) => [properties(...section), topic, uint16(0)];
const inWill = (...section: Part[]) => connect({ flags: 0x06, rest: will(section, "w") });
const ack = (first: number) => (...section: Part[]) => packet(first, uint16(1), 0, properties(...section));

const v5Fields: Field[] = [
  ["client id", (text) => connect({ clientId: text }), true],
  ["authentication method", (text) => connect({ properties: [0x15, text] }), true],
  ["user property name of CONNECT", (text) => connect({ properties: [0x26, text, "v"] }), true],
  ["user property value of CONNECT", (text) => connect({ properties: [0x26, "k", text] }), true],
  ["user name", (text) => connect({ flags: 0x82, rest: [text] }), true],
  ["will topic", (text) => connect({ flags: 0x06, rest: will([], text) }), true],
  ["content type of a will", (text) => inWill(0x03, text), true],
  ["response topic of a will", (text) => inWill(0x08, text), true],
  ["user property of a will", (text) => inWill(0x26, text, text), true],
  ["topic", (text) => publish(text), false],
  ["content type", (text) => publish("t", { properties: [0x03, text] }), false],
  ["response topic", (text) => publish("t", { properties: [0x08, text] }), false],
  ["user property name", (text) => publish("t", { properties: [0x26, text, "v"] }), false],
  ["user property value", (text) => publish("t", { properties: [0x26, "k", text] }), false],
  ["reason of PUBACK", (text) => ack(0x40)(0x1f, text), false],
  ["reason of PUBREC", (text) => ack(0x50)(0x1f, text), false],
  ["reason of PUBREL", (text) => ack(0x62)(0x1f, text), false],
  ["reason of PUBCOMP", (text) => ack(0x70)(0x1f, text), false],
  ["user property of PUBACK", (text) => ack(0x40)(0x26, "k", text), false],
  ["filter", (text) => subscribe(text), false],
  ["user property of SUBSCRIBE", (text) => subscribe("t", { properties: [0x26, text, "v"] }), false],
  ["filter of UNSUBSCRIBE", (text) => packet(0xa2, uint16(1), 0, text), false],
  ["user property of UNSUBSCRIBE", (text) => packet(0xa2, uint16(1), properties(0x26, "k", text), "t"), false],
  ["reason of DISCONNECT", (text) => packet(0xe0, 0, properties(0x1f, text)), false],
];

const v4Fields: Field[] = [
  ["client id", (text) => connect({ version: 4, clientId: text }), true],
  ["user name", (text) => connect({ version: 4, flags: 0x82, rest: [text] }), true],
  ["will topic", (text) => connect({ version: 4, flags: 0x06, rest: [text, uint16(0)] }), true],
  ["topic", (text) => publish(text, { version: 4 }), false],
  ["filter", (text) => subscribe(text, { version: 4 }), false],
  ["filter of UNSUBSCRIBE", (text) => packet(0xa2, uint16(1), text), false],
];

for (const [version, fields] of [[5, v5Fields], [4, v4Fields]] as const) {
  for (const [name, build, isFirst] of fields) {
    Deno.test(`[MQTT-1.5.4-1] [MQTT-1.5.4-2] v${version}: ill-formed UTF-8 in the ${name}`, async () => {
      await using broker = await TestBroker.start();
      const witness = await Witness.on(broker);
      for (const [fault, digits] of faults) {
        const bytes = build(sized(hex(digits)));
        const word = lastWord(await provoke(broker.port, bytes, isFirst ? undefined : connect({ version })));
        assert.equal(word, version === 5 ? 0x81 : undefined, fault);
      }
      await witness.check();
    });
  }
}

Deno.test("[MQTT-1.5.4-1] ill-formed UTF-8 in the protocol name: closed without a word", async () => {
  await using broker = await TestBroker.start();
  const witness = await Witness.on(broker);
  for (const [, digits] of faults) {
    const bytes = packet(0x10, sized(hex(digits)), 5, 2, uint16(0), 0, "c");
    assert.deepEqual(await provoke(broker.port, bytes), []);
  }
  await witness.check();
});

Deno.test("[MQTT-1.5.4-3] U+FEFF, non-characters and controls are passed on as they came", async () => {
  await using broker = await TestBroker.start();
  const publisher = await broker.connect();
  const subscriber = await broker.connect();
  for (
    const topic of ["\ufefft", "t\ufeff", "\u0001/\u007f/\u009f", "\ufdd0", "\uffff", "\u{1f9ff}/é", " ", "/", "//"]
  ) {
    await subscriber.subscribe(topic);
    await publisher.publish(topic, topic);
    const message = await subscriber.receive();
    assert.equal(message.topic, topic);
    assert.equal(message.payload.toString(), topic);
  }
});
