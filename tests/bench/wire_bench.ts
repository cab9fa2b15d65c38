// How fast PUBLISH goes through src/wire, with mqtt-packet as the peer in the same run.
// deno bench -A tests/bench/wire_bench.ts; every figure is for 100 packets of topic "building/12/floor/3/room/42" (26 bytes).
import { Buffer } from "node:buffer";
import mqttPacket from "mqtt-packet";
import { AckHeader, AckView, readAcknowledgement, writeAck } from "../../src/wire/acknowledgement.ts";
import { FrameReader } from "../../src/wire/frame_reader.ts";
import { Outbox } from "../../src/wire/outbox.ts";
import type { ProtocolVersion } from "../../src/wire/packet.ts";
import { writeMessageProperties } from "../../src/wire/properties.ts";
import { PublishShape, PublishView, readPublish, writePublish } from "../../src/wire/publish.ts";

const PACKETS = 100;
const TOPIC = "building/12/floor/3/room/42";
const topic = { bytes: new TextEncoder().encode(TOPIC) };
const properties = writeMessageProperties({ contentType: "application/json", userProperties: [["unit", "celsius"]] });

interface Case {
  name: string;
  version: ProtocolVersion;
  payloadBytes: number;
  properties: Uint8Array;
}

const none = new Uint8Array(0);
const cases: Case[] = [
  { name: "v3 16 B", version: 4, payloadBytes: 16, properties: none },
  { name: "v3 64 B", version: 4, payloadBytes: 64, properties: none },
  { name: "v5 64 B", version: 5, payloadBytes: 64, properties: none },
  { name: "v5 256 B", version: 5, payloadBytes: 256, properties: none },
  { name: "v5 1024 B", version: 5, payloadBytes: 1024, properties: none },
  { name: "v5 64 B, 2 properties", version: 5, payloadBytes: 64, properties },
];

for (const each of cases) {
  const source = messageOf(each);
  const shape = Object.assign(new PublishShape(), { version: each.version });
  const chunk = chunkOf(each);
  const out = new Outbox();
  benchRead(each, chunk);
  Deno.bench({ name: `writePublish ${each.name}`, group: `write ${each.name}`, baseline: true }, () => {
    for (let index = 0; index < PACKETS; index++) writePublish(out, source, shape);
    out.recycle(out.take());
  });
  const packet = libraryPacket(each);
  Deno.bench({ name: `mqtt-packet generate ${each.name}`, group: `write ${each.name}` }, () => {
    for (let index = 0; index < PACKETS; index++) mqttPacket.generate(packet, { protocolVersion: each.version });
  });
}

function benchRead(each: Case, chunk: Uint8Array): void {
  const reader = new FrameReader(1 << 20);
  const view = new PublishView();
  Deno.bench({ name: `readPublish ${each.name}`, group: `read ${each.name}`, baseline: true }, () => {
    reader.push(chunk);
    while (reader.next()) readPublish(view, reader, each.version);
  });
  const parser = mqttPacket.parser({ protocolVersion: each.version });
  const buffer = Buffer.from(chunk);
  Deno.bench({ name: `mqtt-packet parse ${each.name}`, group: `read ${each.name}` }, () => {
    parser.parse(buffer);
  });
}

function messageOf({ properties, payloadBytes }: Case) {
  const bytes = new Uint8Array(payloadBytes).fill(0x61);
  return {
    topic,
    properties,
    propertiesStart: 0,
    propertiesEnd: properties.length,
    bytes,
    payloadStart: 0,
    payloadEnd: payloadBytes,
  };
}

function chunkOf(each: Case): Uint8Array {
  const out = new Outbox();
  const shape = Object.assign(new PublishShape(), { version: each.version });
  for (let index = 0; index < PACKETS; index++) writePublish(out, messageOf(each), shape);
  return out.take();
}

function libraryPacket({ properties, payloadBytes }: Case): mqttPacket.Packet {
  const withProperties = { contentType: "application/json", userProperties: { unit: "celsius" } };
  return {
    cmd: "publish",
    topic: TOPIC,
    payload: Buffer.alloc(payloadBytes, "a"),
    qos: 0,
    dup: false,
    retain: false,
    properties: properties.length > 0 ? withProperties : undefined,
  };
}

const acks = new Outbox();
for (let id = 1; id <= PACKETS; id++) writeAck(acks, AckHeader.puback, id);
const ackChunk = acks.take();
const ackReader = new FrameReader(1 << 20);
const ackView = new AckView();
Deno.bench({ name: "readAcknowledgement PUBACK", group: "ack" }, () => {
  ackReader.push(ackChunk);
  while (ackReader.next()) readAcknowledgement(ackView, ackReader, 5);
});
Deno.bench({ name: "writeAck PUBACK", group: "ack" }, () => {
  for (let id = 1; id <= PACKETS; id++) writeAck(acks, AckHeader.puback, id);
  acks.recycle(acks.take());
});

const target = new Outbox();
const source = new Uint8Array(1024).fill(0x61);
for (const length of [16, 32, 48, 64, 256, 1024]) {
  target.reserve(length);
  Deno.bench({ name: `copy by loop ${length} B`, group: `copy ${length}` }, () => {
    for (let round = 0; round < PACKETS; round++) copyByLoop(target.bytes, source, length);
  });
  Deno.bench({ name: `copy by set(subarray) ${length} B`, group: `copy ${length}` }, () => {
    for (let round = 0; round < PACKETS; round++) target.bytes.set(source.subarray(0, length), 0);
  });
}

function copyByLoop(into: Uint8Array, from: Uint8Array, length: number): void {
  for (let index = 0; index < length; index++) into[index] = from[index];
}
