import { malformed, protocolError, WireFault } from "./fault.ts";
import type { FrameReader } from "./frame_reader.ts";
import type { Outbox } from "./outbox.ts";
import { PacketType, type ProtocolVersion, type QoS } from "./packet.ts";
import { checkResponseTopic, copyForwarded, isForwarded } from "./properties.ts";
import { PropertyCursor } from "./property_cursor.ts";
import { PropertyId } from "./property_table.ts";
import { scanUtf8, TextScan } from "./utf8.ts";
import { variableByteIntegerBytes, writeVariableByteInteger } from "./variable_byte_integer.ts";

const EMPTY = new Uint8Array(0);

/** A PUBLISH as offsets into the chunk; one instance is reused for every packet of a connection. */
export class PublishView {
  /** Holds topic and payload. */
  bytes: Uint8Array = EMPTY;
  dup = false;
  qos: QoS = 0;
  retain = false;
  /** 0 for QoS 0. */
  packetId = 0;
  topicStart = 0;
  topicEnd = 0;
  /** 0 when absent. */
  topicAlias = 0;
  /** -1 when absent. */
  expirySeconds = -1;
  payloadIsUtf8 = false;
  hasResponseTopic = false;
  hasUserProperties = false;
  /** The raw properties that are forwarded, in the order they came ([MQTT-3.3.2-18]): payload format, content type, response
   * topic, correlation data, user properties. Alias and expiry are taken out. They lie in the chunk like the rest, or in a small
   * array of their own when something had to be cut out of their middle. */
  properties: Uint8Array = EMPTY;
  propertiesStart = 0;
  propertiesEnd = 0;
  payloadStart = 0;
  payloadEnd = 0;

  /** For `readPublish`, which walks the properties with it. */
  readonly cursor: PropertyCursor = new PropertyCursor(PacketType.publish);
}

/** Reads the PUBLISH that `frame` stands at. Everything but the payload is checked; nothing is copied or allocated unless a
 * property that is not forwarded stands between two that are. */
export function readPublish(view: PublishView, frame: FrameReader, version: ProtocolVersion): void {
  const bytes = frame.bytes;
  const end = frame.end;
  readFlags(view, frame.first);
  view.bytes = bytes;
  view.properties = bytes;
  const topicStart = frame.start + 2;
  if (topicStart > end) throw cut("topic");
  let at = topicStart + ((bytes[topicStart - 2] << 8) | bytes[topicStart - 1]);
  if (at > end) throw cut("topic");
  view.topicStart = topicStart;
  view.topicEnd = at;
  const scan = scanUtf8(bytes, topicStart, at);
  if (scan !== TextScan.plain) throw topicFault(scan);
  view.packetId = 0;
  if (view.qos > 0) at = readPacketId(view, at, end);
  view.topicAlias = 0;
  view.expirySeconds = -1;
  view.payloadIsUtf8 = false;
  view.hasResponseTopic = false;
  view.hasUserProperties = false;
  view.propertiesStart = at;
  view.propertiesEnd = at;
  view.payloadStart = at;
  view.payloadEnd = end;
  if (version === 5) readProperties(view, at, end);
  if (view.topicStart === view.topicEnd && view.topicAlias === 0) throw emptyTopic(version);
}

function readFlags(view: PublishView, first: number): void {
  const qos = (first >> 1) & 3;
  if (qos === 3) throw malformed("Cannot read PUBLISH: both QoS bits are set [MQTT-3.3.1-4]");
  view.qos = qos as QoS;
  view.dup = (first & 8) !== 0;
  view.retain = (first & 1) !== 0;
  if (view.dup && qos === 0) throw malformed("Cannot read PUBLISH: DUP is set on QoS 0 [MQTT-3.3.1-2]");
}

function readPacketId(view: PublishView, at: number, end: number): number {
  if (at + 2 > end) throw cut("packet identifier");
  view.packetId = (view.bytes[at] << 8) | view.bytes[at + 1];
  if (view.packetId === 0) {
    throw protocolError("Cannot accept PUBLISH: packet identifier 0 is not allowed [MQTT-2.2.1-3]");
  }
  return at + 2;
}

/** Sets everything that depends on the property section, which begins at `at`. */
function readProperties(view: PublishView, at: number, end: number): void {
  if (at < end && view.bytes[at] === 0) {
    view.propertiesStart = view.propertiesEnd = view.payloadStart = at + 1;
    return;
  }
  const cursor = view.cursor;
  const sectionEnd = cursor.open(view.bytes, at, end);
  let first = sectionEnd; // the forwarded properties lie between `first` and `last`,
  let last = sectionEnd; // all of them side by side unless `isBroken`
  let isBroken = false;
  while (cursor.next()) {
    readProperty(view, cursor);
    if (!isForwarded(cursor.id)) continue;
    if (first === sectionEnd) first = cursor.entryStart;
    else if (last !== cursor.entryStart) isBroken = true;
    last = cursor.entryEnd;
  }
  view.propertiesStart = first;
  view.propertiesEnd = last;
  view.payloadStart = sectionEnd;
  if (isBroken) joinProperties(view);
}

function readProperty(view: PublishView, cursor: PropertyCursor): void {
  switch (cursor.id) {
    case PropertyId.payloadFormat:
      view.payloadIsUtf8 = cursor.number === 1;
      break;
    case PropertyId.messageExpiry:
      view.expirySeconds = cursor.number;
      break;
    case PropertyId.topicAlias:
      view.topicAlias = cursor.number;
      if (cursor.number === 0) {
        throw new WireFault(
          "topic-alias-invalid",
          "Cannot accept PUBLISH: topic alias 0 is not allowed [MQTT-3.3.2-8]",
        );
      }
      break;
    case PropertyId.responseTopic:
      view.hasResponseTopic = true;
      checkResponseTopic(cursor);
      break;
    case PropertyId.userProperty:
      view.hasUserProperties = true;
      break;
    case PropertyId.subscriptionId:
      throw protocolError("Cannot accept PUBLISH: a client must not send a subscription identifier [MQTT-3.3.4-6]");
  }
}

/** Copies the forwarded properties side by side into a small array of their own. */
function joinProperties(view: PublishView): void {
  const { bytes, cursor, propertiesStart, propertiesEnd } = view;
  const joined = new Uint8Array(propertiesEnd - propertiesStart);
  cursor.begin(bytes, propertiesStart, propertiesEnd);
  view.properties = joined;
  view.propertiesStart = 0;
  view.propertiesEnd = copyForwarded(cursor, joined, 0);
}

function cut(field: string): WireFault {
  return malformed(`Cannot read PUBLISH: it ends inside the ${field}`);
}

function topicFault(scan: number): WireFault {
  if (scan === TextScan.illFormed) {
    return malformed("Cannot read PUBLISH: the topic is not well-formed UTF-8 without U+0000 [MQTT-1.5.4-1]");
  }
  return new WireFault(
    "topic-name-invalid",
    'Cannot accept PUBLISH: "+" and "#" are not allowed in a topic [MQTT-3.3.2-2]',
  );
}

function emptyTopic(version: ProtocolVersion): WireFault {
  if (version === 5) return protocolError("Cannot accept PUBLISH: no topic and no topic alias [MQTT5 3.3.2.1]");
  return malformed("Cannot read PUBLISH: a topic must have at least one character [MQTT-4.7.3-1]");
}

/** What a message must offer to be written: its topic's UTF-8 bytes, its raw forwarded properties and its payload,
 * which may lie in one array or in two. */
export interface PublishSource {
  readonly topic: { readonly bytes: Uint8Array };
  readonly properties: Uint8Array;
  readonly propertiesStart: number;
  readonly propertiesEnd: number;
  readonly bytes: Uint8Array;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

/** How a message is written to one receiver. One instance is filled again for every delivery. */
export class PublishShape {
  version: ProtocolVersion = 5;
  qos: QoS = 0;
  dup = false;
  retain = false;
  /** 0 for QoS 0. */
  packetId = 0;
  /** 0 for none. */
  topicAlias = 0;
  /** False writes a topic of no characters, to be told by the alias. */
  sendTopic = true;
  /** -1 for none. */
  expirySeconds = -1;
  subscriptionIds: readonly number[] | null = null;
}

/** The length of the whole packet, to be compared with the receiver's maximum packet size. */
export function publishBytes(message: PublishSource, shape: PublishShape): number {
  const remaining = remainingBytes(message, shape, propertiesBytes(message, shape));
  return 1 + variableByteIntegerBytes(remaining) + remaining;
}

/** A payload from here on is attached and not copied: a message of 16 MB to a hundred subscribers is 16 MB, and a second system call
 * costs as much as the copy of 100 KB. */
export const ATTACHED_BYTES_MIN = 128 * 1024;

/** Appends the packet; a large payload has to stay as it is until it is sent. In v5 the order is alias, expiry, subscription identifiers, then the forwarded properties as they came. */
export function writePublish(out: Outbox, message: PublishSource, shape: PublishShape): void {
  const properties = propertiesBytes(message, shape);
  const remaining = remainingBytes(message, shape, properties);
  const payloadLength = message.payloadEnd - message.payloadStart;
  const isAttached = payloadLength >= ATTACHED_BYTES_MIN;
  out.reserve(5 + remaining - (isAttached ? payloadLength : 0));
  const bytes = out.bytes;
  let at = out.length;
  bytes[at] = 0x30 | (shape.dup ? 8 : 0) | (shape.qos << 1) | (shape.retain ? 1 : 0);
  at = writeVariableByteInteger(bytes, at + 1, remaining);
  const topic = message.topic.bytes;
  const topicLength = shape.sendTopic ? topic.length : 0;
  bytes[at] = topicLength >> 8;
  bytes[at + 1] = topicLength;
  out.length = at + 2;
  out.put(topic, 0, topicLength);
  if (shape.qos > 0) {
    bytes[out.length] = shape.packetId >> 8;
    bytes[out.length + 1] = shape.packetId;
    out.length += 2;
  }
  if (shape.version === 5) {
    out.length = writeVariableByteInteger(bytes, out.length, properties);
    out.length = writeOwnProperties(bytes, out.length, shape);
    out.put(message.properties, message.propertiesStart, message.propertiesEnd);
  }
  if (isAttached) out.attach(message.bytes.subarray(message.payloadStart, message.payloadEnd));
  else out.put(message.bytes, message.payloadStart, message.payloadEnd);
}

/** The remaining length, given the length of the properties. */
function remainingBytes(message: PublishSource, shape: PublishShape, properties: number): number {
  const fixed = 2 + (shape.sendTopic ? message.topic.bytes.length : 0) + (shape.qos > 0 ? 2 : 0);
  const section = shape.version === 5 ? variableByteIntegerBytes(properties) + properties : 0;
  return fixed + section + message.payloadEnd - message.payloadStart;
}

/** The length of the properties without their length field; 0 before v5. */
function propertiesBytes(message: PublishSource, shape: PublishShape): number {
  if (shape.version !== 5) return 0;
  let length = message.propertiesEnd - message.propertiesStart;
  if (shape.topicAlias > 0) length += 3;
  if (shape.expirySeconds >= 0) length += 5;
  const ids = shape.subscriptionIds;
  if (ids === null) return length;
  for (let index = 0; index < ids.length; index++) length += 1 + variableByteIntegerBytes(ids[index]);
  return length;
}

/** Writes the properties that belong to this delivery and not to the message; answers the offset behind them. */
function writeOwnProperties(bytes: Uint8Array, at: number, shape: PublishShape): number {
  if (shape.topicAlias > 0) {
    bytes[at] = PropertyId.topicAlias;
    bytes[at + 1] = shape.topicAlias >> 8;
    bytes[at + 2] = shape.topicAlias;
    at += 3;
  }
  if (shape.expirySeconds >= 0) {
    bytes[at] = PropertyId.messageExpiry;
    bytes[at + 1] = shape.expirySeconds >>> 24;
    bytes[at + 2] = shape.expirySeconds >>> 16;
    bytes[at + 3] = shape.expirySeconds >>> 8;
    bytes[at + 4] = shape.expirySeconds;
    at += 5;
  }
  const ids = shape.subscriptionIds;
  if (ids === null) return at;
  for (let index = 0; index < ids.length; index++) {
    bytes[at] = PropertyId.subscriptionId;
    at = writeVariableByteInteger(bytes, at + 1, ids[index]);
  }
  return at;
}
