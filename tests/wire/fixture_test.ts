import assert from "node:assert/strict";
import { AckHeader, writeAck, writeAckWithReason } from "../../src/wire/acknowledgement.ts";
import { PacketType } from "../../src/wire/packet.ts";
import { Outbox } from "../../src/wire/outbox.ts";
import { encodeProperties, type Property } from "../../src/wire/properties.ts";
import { PublishShape, writePublish } from "../../src/wire/publish.ts";
import { acknowledgementFixtures, type ClientFixture, clientFixtures, publishFixtures } from "./fixtures.ts";
import { libraryGenerate } from "./library.ts";
import { bodyStart, frameOf, hex, readAll, readOne, toHex } from "./reading.ts";
import { faultOf } from "./refusing.ts";

for (const fixture of clientFixtures) {
  const bytes = hex(fixture.hex);
  const isPublish = bytes[0] >> 4 === PacketType.publish; // whatever follows its other fields is payload

  Deno.test(`${fixture.name}: is read`, () => {
    assert.deepEqual(readOne(bytes, fixture.version), fixture.value);
  });

  Deno.test(`${fixture.name}: is read byte by byte, twice over`, () => {
    const chunks = [...bytes, ...bytes].map((byte) => Uint8Array.of(byte));
    assert.deepEqual(readAll(chunks, fixture.version), [fixture.value, fixture.value]);
  });

  Deno.test(`${fixture.name}: is refused when its body is cut or has more behind it`, () => {
    const body = bytes.subarray(bodyStart(bytes));
    for (let length = 0; length <= body.length + 1; length++) {
      if (length === body.length || (length > body.length && isPublish)) continue;
      const changed = Uint8Array.from({ length }, (_, index) => body[index] ?? 0);
      const fault = faultOf(frameOf(bytes[0], changed), fixture.version);
      const isValid = fixture.validAt?.includes(length) ?? false;
      assert.equal(fault === undefined, isValid, `body of ${length} bytes: ${fault?.message}`);
    }
  });

  if (fixture.library) {
    const library = fixture.library;
    Deno.test(`${fixture.name}: is what mqtt-packet writes`, () => {
      assert.equal(toHex(libraryGenerate(library, fixture.version)), toHex(bytes));
    });
  }
}

for (const fixture of publishFixtures) {
  Deno.test(`${fixture.name}: is written`, () => {
    assert.equal(toHex(publishOf(fixture)), toHex(hex(fixture.hex)));
  });
}

for (const fixture of acknowledgementFixtures) {
  const bytes = hex(fixture.hex);
  const { packetId, reasonCode, reason } = fixture.value as { packetId: number; reasonCode: number; reason: string };

  Deno.test(`${fixture.name}: what is written is read again`, () => {
    const out = new Outbox();
    if (fixture.version === 5) {
      writeAckWithReason(out, { header: bytes[0], packetId, reasonCode, reasonString: reason || undefined });
    } else writeAck(out, bytes[0], packetId);
    assert.deepEqual(readOne(out.take(), fixture.version), fixture.value);
  });
}

Deno.test("PUBREL 5 with properties: is written", () => {
  const out = new Outbox();
  const written = writeAckWithReason(out, {
    header: AckHeader.pubrel,
    packetId: 1,
    reasonCode: 0x92,
    reasonString: "no",
    userProperties: [["k", "v"]],
  });
  assert.equal(written, 18);
  assert.equal(toHex(out.take()), toHex(hex('62 10 0001 92 0c 1f 0002 "no" 26 0001 "k" 0001 "v"')));
});

function publishOf({ value, version }: ClientFixture): Uint8Array {
  const properties = encodeProperties(value.properties as Property[]);
  const payload = value.payload as Uint8Array;
  const message = {
    topic: { bytes: new TextEncoder().encode(value.topic as string) },
    properties,
    propertiesStart: 0,
    propertiesEnd: properties.length,
    bytes: payload,
    payloadStart: 0,
    payloadEnd: payload.length,
  };
  const { qos, dup, retain, packetId, topicAlias, expirySeconds } = value;
  const out = new Outbox();
  writePublish(
    out,
    message,
    Object.assign(new PublishShape(), { version, qos, dup, retain, packetId, topicAlias, expirySeconds }),
  );
  return out.take();
}
