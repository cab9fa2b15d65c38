import assert from "node:assert/strict";
import type { FaultCause } from "../../src/wire/fault.ts";
import { frameOf, hex, readOne, toHex } from "./reading.ts";
import { assertRefused } from "./refusing.ts";

type Row = [sentence: string, body: string, fault: FaultCause, version: number | undefined];

const v4 = '0004 "MQTT" 04';
const v5 = '0004 "MQTT" 05';
const id = '0001 "c"';

const rows: Row[] = [
  ["[MQTT-3.1.2-1] another protocol name", `0004 "mqtt" 04 02 0000 ${id}`, "unsupported-protocol-version", 4],
  ["[MQTT-3.1.2-2] level 6", `0004 "MQTT" 06 02 0000 ${id}`, "unsupported-protocol-version", 6],
  ["[MQTT-3.1.2-2] level 3 by the new name", `0004 "MQTT" 03 02 0000 ${id}`, "unsupported-protocol-version", 3],
  ["[MQTT-3.1.2-2] level 4 by the old name", `0006 "MQIsdp" 04 02 0000 ${id}`, "unsupported-protocol-version", 4],
  ["[MQTT-3.1.2-2] the bridge bit", `0004 "MQTT" 84 02 0000 ${id}`, "unsupported-protocol-version", 0x84],
  ["an ill-formed protocol name", `0001 ff 04 02 0000 ${id}`, "malformed-packet", undefined],
  ["no more than a protocol name", '0004 "MQTT"', "malformed-packet", undefined],
  ["[MQTT-3.1.2-3] the reserved flag", `${v4} 03 0000 ${id}`, "malformed-packet", 4],
  ["[MQTT-3.1.2-11] will QoS without a will", `${v5} 0a 0000 00 ${id}`, "malformed-packet", 5],
  ["[MQTT-3.1.2-13] will retain without a will", `${v4} 22 0000 ${id}`, "malformed-packet", 4],
  ["[MQTT-3.1.2-12] will QoS 3", `${v4} 1e 0000 ${id} 0001 "w" 0000`, "malformed-packet", 4],
  ["[MQTT-3.1.2-22] a password without user name in 3.1.1", `${v4} 42 0000 ${id} 0001 "p"`, "malformed-packet", 4],
  ["[MQTT-3.1.3-4] an ill-formed client id", `${v4} 02 0000 0001 c0`, "malformed-packet", 4],
  ["[MQTT-1.5.4-2] U+0000 in the client id", `${v5} 02 0000 00 0001 00`, "malformed-packet", 5],
  ["[MQTT-3.1.3-12] an ill-formed user name", `${v4} 82 0000 ${id} 0001 ff`, "malformed-packet", 4],
  ["[MQTT-3.1.3-11] an ill-formed will topic", `${v4} 06 0000 ${id} 0001 ff 0000`, "malformed-packet", 4],
  ["[MQTT-4.7.1-1] a wildcard in the will topic", `${v5} 06 0000 00 ${id} 00 0003 "a/#" 0000`, "topic-name-invalid", 5],
  ["[MQTT-4.7.3-1] an empty will topic", `${v4} 06 0000 ${id} 0000 0000`, "topic-name-invalid", 4],
  ["a will payload that is cut", `${v4} 06 0000 ${id} 0001 "w" 0002 00`, "malformed-packet", 4],
  ["bytes behind the last field", `${v4} 02 0000 ${id} 00`, "malformed-packet", 4],
  ["[MQTT-3.1.2-24] a receive maximum of 0", `${v5} 02 0000 03 21 0000 ${id}`, "protocol-error", 5],
  ["a maximum packet size of 0", `${v5} 02 0000 05 27 00000000 ${id}`, "protocol-error", 5],
  ["request response information of 2", `${v5} 02 0000 02 19 02 ${id}`, "protocol-error", 5],
  ["request problem information of 255", `${v5} 02 0000 02 17 ff ${id}`, "protocol-error", 5],
  ["authentication data without a method", `${v5} 02 0000 04 16 0001 00 ${id}`, "protocol-error", 5],
  ["two session expiries", `${v5} 02 0000 0a 11 00000001 11 00000001 ${id}`, "protocol-error", 5],
  ["a will delay among its own properties", `${v5} 02 0000 05 18 00000001 ${id}`, "malformed-packet", 5],
  ["a session expiry in the will", `${v5} 06 0000 00 ${id} 05 11 00000001 0001 "w" 0000`, "malformed-packet", 5],
  ["a topic alias in the will", `${v5} 06 0000 00 ${id} 03 23 0001 0001 "w" 0000`, "malformed-packet", 5],
  ["two will delays", `${v5} 06 0000 00 ${id} 0a 18 00000001 18 00000001 0001 "w" 0000`, "protocol-error", 5],
  [
    "a wildcard in the will's response topic",
    `${v5} 06 0000 00 ${id} 04 08 0001 "+" 0001 "w" 0000`,
    "protocol-error",
    5,
  ],
  ["an unknown property", `${v5} 02 0000 02 7f 00 ${id}`, "malformed-packet", 5],
];

for (const [sentence, body, fault, version] of rows) {
  Deno.test(`CONNECT with ${sentence} is refused`, () => {
    assert.equal(assertRefused(frameOf(0x10, hex(body)), fault).version, version);
  });
}

Deno.test("[MQTT-2.1.3-1] CONNECT with flags in the fixed header is refused", () => {
  assertRefused(frameOf(0x11, hex(`${v4} 02 0000 ${id}`)), "malformed-packet");
});

Deno.test("CONNECT 5 with a password and no user name is read", () => {
  const { username, password } = readOne(frameOf(0x10, hex(`${v5} 42 0000 00 ${id} 0001 "p"`)), 5);
  assert.equal(username, undefined);
  assert.deepEqual(password, hex('"p"'));
});

Deno.test("CONNECT 3.1 may announce a user name that is missing, and says nothing of a will that is not there", () => {
  const packet = readOne(frameOf(0x10, hex(`0006 "MQIsdp" 03 fa 0000 ${id}`)), 3);
  assert.deepEqual([packet.username, packet.password, packet.will], [undefined, undefined, undefined]);
});

Deno.test("[MQTT-3.3.2-18] a will keeps its user properties in order, whatever stands between them", () => {
  const properties = '26 0001 "b" 0001 "1" 18 00000001 26 0001 "a" 0001 "2" 02 00000009 26 0001 "b" 0001 "3"';
  const packet = readOne(frameOf(0x10, hex(`${v5} 06 0000 00 ${id} 1f ${properties} 0001 "w" 0000`)), 5);
  const will = packet.will as { properties: Uint8Array; delaySeconds: number; expirySeconds: number };
  assert.equal(toHex(will.properties), toHex(hex('26 0001 "b" 0001 "1" 26 0001 "a" 0001 "2" 26 0001 "b" 0001 "3"')));
  assert.deepEqual([will.delaySeconds, will.expirySeconds], [1, 9]);
});
