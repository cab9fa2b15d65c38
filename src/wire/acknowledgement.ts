import { malformed, protocolError } from "./fault.ts";
import { checkFlags } from "./field_cursor.ts";
import type { FrameReader } from "./frame_reader.ts";
import type { Outbox } from "./outbox.ts";
import { packetName, PacketType, type ProtocolVersion } from "./packet.ts";
import { PropertyCursor } from "./property_cursor.ts";
import { encodeProperties, type Property } from "./properties.ts";
import { PropertyId } from "./property_table.ts";
import { variableByteIntegerBytes, writeVariableByteInteger } from "./variable_byte_integer.ts";

/** First bytes of the acknowledgements, for {@link writeAck}. PUBREL has a flag of its own ([MQTT-3.6.1-1]). */
export const AckHeader = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** A PUBACK, PUBREC, PUBREL or PUBCOMP; one instance is reused for every packet of a connection. */
export class AckView {
  packetId = 0;
  /** 0 (success) when absent or before v5. */
  reasonCode = 0;
  /** Its reason string; empty when it has none. */
  reason = "";
}

// Tables 3-4 to 3-7: what PUBACK and PUBREC may say, and what PUBREL and PUBCOMP may say.
const receivedCodes = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const releasedCodes = new Set([0x00, 0x92]);

/** Reads the acknowledgement that `frame` stands at. User properties are checked and dropped. */
export function readAcknowledgement(view: AckView, frame: FrameReader, version: ProtocolVersion): void {
  const { bytes, start, first } = frame;
  const length = frame.end - start;
  const header = first >> 4 === PacketType.pubrel ? AckHeader.pubrel : first & 0xf0;
  if (first !== header) checkFlags(frame, header & 0x0f, version);
  if (length < 2 || (length > 2 && version !== 5)) {
    throw malformed(
      `Cannot read ${packetName(first >> 4)}: a body of ${length} bytes, in v3 it has 2, in v5 2 or more`,
    );
  }
  view.packetId = (bytes[start] << 8) | bytes[start + 1];
  if (view.packetId === 0) {
    throw protocolError(`Cannot accept ${packetName(first >> 4)}: packet identifier 0 is not allowed [MQTT-2.2.1-3]`);
  }
  view.reasonCode = 0;
  view.reason = "";
  if (length > 2) readReason(view, frame);
}

function readReason(view: AckView, frame: FrameReader): void {
  const { bytes, start, end } = frame;
  const type = frame.first >> 4;
  const code = bytes[start + 2];
  const allowed = type === PacketType.puback || type === PacketType.pubrec ? receivedCodes : releasedCodes;
  if (!allowed.has(code)) {
    throw protocolError(`Cannot accept ${packetName(type)}: reason code 0x${code.toString(16)} is not one of its own`);
  }
  view.reasonCode = code;
  if (end - start === 3) return; // [MQTT5 3.4.2.2.1] no property length then
  const cursor = new PropertyCursor(type);
  const sectionEnd = cursor.open(bytes, start + 3, end);
  while (cursor.next()) if (cursor.id === PropertyId.reasonString) view.reason = cursor.text();
  if (sectionEnd < end) {
    throw malformed(`Cannot read ${packetName(type)}: ${end - sectionEnd} bytes follow the properties`);
  }
}

/** Appends an acknowledgement of success. `header` is one of {@link AckHeader}. */
export function writeAck(out: Outbox, header: number, packetId: number): void {
  out.reserve(4);
  const { bytes, length } = out;
  bytes[length] = header;
  bytes[length + 1] = 2;
  bytes[length + 2] = packetId >> 8;
  bytes[length + 3] = packetId;
  out.length = length + 4;
}

/** An acknowledgement that says more than success; v5 only. */
export interface ReasonedAck {
  /** One of {@link AckHeader}. */
  header: number;
  packetId: number;
  reasonCode: number;
  reasonString?: string;
  userProperties?: readonly [string, string][];
}

/** Appends a v5 acknowledgement with a reason code and answers the bytes appended, so that the caller can roll back what
 * exceeds the receiver's maximum packet size. */
export function writeAckWithReason(out: Outbox, ack: ReasonedAck): number {
  const properties = encodeReason(ack);
  const section = properties.length === 0 ? 0 : variableByteIntegerBytes(properties.length) + properties.length;
  const before = out.length;
  out.reserve(8 + section);
  const bytes = out.bytes;
  bytes[before] = ack.header;
  let at = writeVariableByteInteger(bytes, before + 1, 3 + section);
  bytes[at++] = ack.packetId >> 8;
  bytes[at++] = ack.packetId;
  bytes[at++] = ack.reasonCode;
  if (section > 0) {
    at = writeVariableByteInteger(bytes, at, properties.length);
    bytes.set(properties, at);
  }
  out.length = at + properties.length;
  return out.length - before;
}

const NOTHING = new Uint8Array(0);

function encodeReason(ack: ReasonedAck): Uint8Array {
  if (ack.reasonString === undefined && ack.userProperties === undefined) return NOTHING;
  const list: Property[] = [];
  if (ack.reasonString !== undefined) list.push({ id: PropertyId.reasonString, value: ack.reasonString });
  for (const pair of ack.userProperties ?? []) list.push({ id: PropertyId.userProperty, value: pair });
  return encodeProperties(list);
}

/** Appends a PINGRESP. */
export function writePingresp(out: Outbox): void {
  out.reserve(2);
  out.bytes[out.length] = PacketType.pingresp << 4;
  out.bytes[out.length + 1] = 0;
  out.length += 2;
}
