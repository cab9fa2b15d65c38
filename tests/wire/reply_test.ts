import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Packet } from "mqtt-packet";
import { Outbox } from "../../src/wire/outbox.ts";
import {
  type ConnackProperties,
  writeAuth,
  writeConnack,
  writeDisconnect,
  writeSuback,
  writeUnsuback,
} from "../../src/wire/reply.ts";
import { AckHeader, writeAck, writeAckWithReason, writePingresp } from "../../src/wire/acknowledgement.ts";
import { libraryParse } from "./library.ts";
import { hex, toHex } from "./reading.ts";

/** One packet of the server: what writes it, and its bytes. */
type Row = [name: string, write: (out: Outbox) => number | void, bytes: string];

const everything: ConnackProperties = {
  sessionExpirySeconds: 0,
  receiveMaximum: 10,
  maximumQoS: 1,
  retainAvailable: false,
  maximumPacketBytes: 1024,
  assignedClientId: "auto",
  topicAliasMaximum: 0,
  reasonString: "",
  userProperties: [["b", "1"], ["a", "2"], ["b", "3"], ["__proto__", "4"]],
  wildcardAvailable: true,
  subscriptionIdsAvailable: true,
  sharedAvailable: false,
  serverKeepAliveSeconds: 0,
  responseInformation: "r",
  serverReference: "s",
  authenticationMethod: "m",
  authenticationData: new Uint8Array(0),
};

const everythingHex = "11 00000000 21 000a 24 01 25 00 27 00000400 12 0004 'auto' 22 0000 1f 0000" +
  " 28 01 29 01 2a 00 13 0000 1a 0001 'r' 1c 0001 's' 15 0001 'm' 16 0000" +
  " 26 0001 'b' 0001 '1' 26 0001 'a' 0001 '2' 26 0001 'b' 0001 '3' 26 0009 '__proto__' 0001 '4'";

const rows: Row[] = [
  ["CONNACK 3.1 knows no session present", (out) => writeConnack(out, connack(3, true)), "20 02 00 00"],
  ["CONNACK 3.1.1 with session present", (out) => writeConnack(out, connack(4, true)), "20 02 01 00"],
  ["[MQTT-3.2.2-6] CONNACK with a refusal", (out) => writeConnack(out, connack(4, true, 5)), "20 02 00 05"],
  ["CONNACK 5 without properties", (out) => writeConnack(out, connack(5, false)), "20 03 00 00 00"],
  [
    "CONNACK 5 with every property",
    (out) => writeConnack(out, { ...connack(5, true), properties: everything }),
    [
      "20 5d 01 00 5a",
      everythingHex.replaceAll("'", '"'),
    ].join(" "),
  ],
  ["CONNACK 5 without a single user property", (out) => {
    return writeConnack(out, { ...connack(5, false), properties: { userProperties: [], maximumQoS: 0 } });
  }, "20 05 00 00 02 24 00"],
  ["SUBACK 3.1.1", (out) => writeSuback(out, suback(4, [0, 2, 0x80])), "90 05 0102 00 02 80"],
  ["SUBACK 5", (out) => writeSuback(out, suback(5, [1, 0x87])), "90 05 0102 00 01 87"],
  ["SUBACK 5 with a reason", (out) => {
    return writeSuback(out, { ...suback(5, [0x97]), properties: { reasonString: "full" } });
  }, '90 0b 0102 07 1f 0004 "full" 97'],
  ["UNSUBACK 3.1.1 has no payload", (out) => writeUnsuback(out, suback(4, [0, 0x11])), "b0 02 0102"],
  ["UNSUBACK 5", (out) => writeUnsuback(out, suback(5, [0, 0x11])), "b0 05 0102 00 00 11"],
  ["DISCONNECT", (out) => writeDisconnect(out, { reasonCode: 0x8e }), "e0 02 8e 00"],
  ["DISCONNECT with a server reference", (out) => {
    return writeDisconnect(out, { reasonCode: 0x9c, properties: { serverReference: "b:1", reasonString: "go" } });
  }, 'e0 0d 9c 0b 1f 0002 "go" 1c 0003 "b:1"'],
  ["AUTH", (out) => {
    const properties = { authenticationMethod: "m", authenticationData: hex("00ff") };
    return writeAuth(out, { reasonCode: 0x18, properties });
  }, 'f0 0b 18 09 15 0001 "m" 16 0002 00ff'],
  ["PUBACK", (out) => writeAck(out, AckHeader.puback, 0xfffe), "40 02 fffe"],
  ["PUBREL", (out) => writeAck(out, AckHeader.pubrel, 1), "62 02 0001"],
  ["PUBREC 5 with a reason", (out) => {
    return writeAckWithReason(out, { header: AckHeader.pubrec, packetId: 1, reasonCode: 0x97 });
  }, "50 03 0001 97"],
  ["PINGRESP", (out) => writePingresp(out), "d0 00"],
];

function connack(version: 3 | 4 | 5, sessionPresent: boolean, reasonCode = 0) {
  return { version, sessionPresent, reasonCode };
}

function suback(version: 3 | 4 | 5, reasonCodes: number[]) {
  return { version, packetId: 0x0102, reasonCodes };
}

for (const [name, write, bytes] of rows) {
  Deno.test(`${name}: is written behind what is there`, () => {
    const out = new Outbox();
    out.append(hex("eeee"));
    const written = write(out);
    assert.equal(toHex(out.take()), toHex(hex("eeee" + bytes)));
    if (written !== undefined) assert.equal(written, hex(bytes).length);
  });
}

Deno.test("mqtt-packet reads the CONNACK that we write as it was meant", () => {
  const out = new Outbox();
  writeConnack(out, { ...connack(5, true), properties: { ...everything, userProperties: [["a", "1"], ["a", "2"]] } });
  const [packet] = libraryParse(out.take(), 5) as (Packet & { properties: Record<string, unknown> })[];
  assert.equal(packet.cmd, "connack");
  const { userProperties, ...properties } = packet.properties;
  assert.deepEqual({ ...userProperties as object }, { a: ["1", "2"] });
  assert.deepEqual({ ...properties }, {
    sessionExpiryInterval: 0,
    receiveMaximum: 10,
    maximumQoS: 1,
    retainAvailable: false,
    maximumPacketSize: 1024,
    assignedClientIdentifier: "auto",
    topicAliasMaximum: 0,
    reasonString: "",
    wildcardSubscriptionAvailable: true,
    subscriptionIdentifiersAvailable: true,
    sharedSubscriptionAvailable: false,
    serverKeepAlive: 0,
    responseInformation: "r",
    serverReference: "s",
    authenticationMethod: "m",
    authenticationData: Buffer.alloc(0),
  });
});

Deno.test("mqtt-packet reads a CONNACK whose lengths just need one byte more, or a text as long as may be", () => {
  for (const bytes of [0, 121, 122, 124, 125, 16_377, 16_378, 16_380, 16_381, 65_535]) {
    const out = new Outbox();
    const reasonString = "x".repeat(bytes);
    const written = writeConnack(out, { ...connack(5, false, 0x87), properties: { reasonString } });
    const taken = out.take();
    assert.equal(taken.length, written);
    const [packet, ...others] = libraryParse(taken, 5) as (Packet & { properties: Record<string, unknown> })[];
    assert.deepEqual([packet.properties.reasonString === reasonString, others], [true, []], `${bytes}`);
  }
});

Deno.test("what cannot be written is an error, not an empty packet", () => {
  const out = new Outbox();
  assert.throws(() => writeSuback(out, suback(5, [])));
  assert.throws(() => writeConnack(out, { ...connack(5, false), properties: { receiveMaximum: 70_000 } }));
  assert.equal(out.length, 0);
});
