import { AckView, readAcknowledgement } from "../../src/wire/acknowledgement.ts";
import { readConnect } from "../../src/wire/connect.ts";
import { readAuth, readDisconnect, readPingreq } from "../../src/wire/disconnect.ts";
import { malformed } from "../../src/wire/fault.ts";
import { FrameReader } from "../../src/wire/frame_reader.ts";
import { PACKET_BYTES_MAX, packetName, PacketType, type ProtocolVersion } from "../../src/wire/packet.ts";
import { decodeProperties } from "../../src/wire/properties.ts";
import { PublishView, readPublish } from "../../src/wire/publish.ts";
import { readSubscribe, readUnsubscribe } from "../../src/wire/subscribe.ts";
import { decodeUtf8 } from "../../src/wire/utf8.ts";
import { writeVariableByteInteger } from "../../src/wire/variable_byte_integer.ts";

/** Bytes from hex digits; spaces are free, and "text" in double quotes stands for its UTF-8 bytes without a length. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  const parts = text.match(/"[^"]*"|[0-9a-fA-F]{2}|\S/g) ?? [];
  return Uint8Array.from(parts.flatMap((part) => {
    if (part.startsWith('"')) return [...new TextEncoder().encode(part.slice(1, -1))];
    if (part.length !== 2) throw new TypeError(`Cannot read "${text}": "${part}" is no pair of hex digits`);
    return [parseInt(part, 16)];
  }));
}

export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** A packet around `body`, with the right remaining length. */
export function frameOf(first: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = first;
  const start = writeVariableByteInteger(bytes, 1, body.length);
  bytes.set(body, start);
  return bytes.slice(0, start + body.length);
}

/** Where the body of a packet begins. */
export function bodyStart(packet: Uint8Array): number {
  let at = 1;
  while (packet[at] > 127) at++;
  return at + 1;
}

/** The frame at hand as a value that can be compared: what each reader says, offsets resolved. */
export function readFrame(frame: FrameReader, version: ProtocolVersion): Record<string, unknown> {
  const type = frame.first >> 4;
  switch (type) {
    case PacketType.connect:
      return { ...readConnect(frame) };
    case PacketType.publish:
      return publishValue(frame, version);
    case PacketType.puback:
    case PacketType.pubrec:
    case PacketType.pubrel:
    case PacketType.pubcomp: {
      const view = new AckView();
      readAcknowledgement(view, frame, version);
      return { ...view };
    }
    case PacketType.subscribe:
      return { ...readSubscribe(frame, version) };
    case PacketType.unsubscribe:
      return { ...readUnsubscribe(frame, version) };
    case PacketType.pingreq:
      readPingreq(frame);
      return {};
    case PacketType.disconnect:
      return { ...readDisconnect(frame, version) };
    case PacketType.auth:
      return { ...readAuth(frame, version) };
    default:
      throw malformed(`Cannot read ${packetName(type)}: no client sends it`);
  }
}

function publishValue(frame: FrameReader, version: ProtocolVersion): Record<string, unknown> {
  const view = new PublishView();
  readPublish(view, frame, version);
  const { bytes, properties, dup, qos, retain, packetId, topicAlias, expirySeconds, payloadIsUtf8 } = view;
  return {
    topic: decodeUtf8(bytes, view.topicStart, view.topicEnd),
    payload: bytes.slice(view.payloadStart, view.payloadEnd),
    properties: decodeProperties(properties, view.propertiesStart, view.propertiesEnd),
    ...{ dup, qos, retain, packetId, topicAlias, expirySeconds, payloadIsUtf8 },
    hasResponseTopic: view.hasResponseTopic,
    hasUserProperties: view.hasUserProperties,
  };
}

/** The value of the only packet in `bytes`. */
export function readOne(bytes: Uint8Array, version: ProtocolVersion): Record<string, unknown> {
  const values = readAll([bytes], version);
  if (values.length !== 1) throw new Error(`${values.length} packets in ${toHex(bytes)}`);
  return values[0];
}

/** The values of all packets in a stream of chunks. Chunks are spoilt after use, as a transport would do. */
export function readAll(chunks: Uint8Array[], version: ProtocolVersion): Record<string, unknown>[] {
  const reader = new FrameReader(PACKET_BYTES_MAX);
  const values: Record<string, unknown>[] = [];
  for (const chunk of chunks) {
    const passing = chunk.slice();
    reader.push(passing);
    while (reader.next()) values.push(readFrame(reader, version));
    passing.fill(0xee);
  }
  return values;
}

/** A frame reader that stands at the packet in `bytes`. */
export function frameAt(bytes: Uint8Array): FrameReader {
  const reader = new FrameReader(PACKET_BYTES_MAX);
  reader.push(bytes);
  if (!reader.next()) throw new Error(`no whole packet in ${toHex(bytes)}`);
  return reader;
}
