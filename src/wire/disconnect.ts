import { malformed, protocolError } from "./fault.ts";
import { checkFlags, FieldCursor } from "./field_cursor.ts";
import type { FrameReader } from "./frame_reader.ts";
import { type AuthPacket, type DisconnectPacket, PacketType, type ProtocolVersion } from "./packet.ts";
import { PropertyId } from "./property_table.ts";

// Table 3-10, the rows that are sent by a client.
const disconnectCodes = new Set([0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]);
// Table 3-11, likewise: continue authentication, re-authenticate.
const authCodes = new Set([0x18, 0x19]);

/** Reads a client's DISCONNECT. Reason string and user properties are checked and dropped. */
export function readDisconnect(frame: FrameReader, version: ProtocolVersion): DisconnectPacket {
  checkFlags(frame, 0, version); // [MQTT-3.14.1-1]
  const cursor = new FieldCursor(frame);
  const packet: DisconnectPacket = { reasonCode: 0, sessionExpirySeconds: undefined };
  if (version === 5) readReason(packet, cursor);
  cursor.finish();
  return packet;
}

function readReason(packet: DisconnectPacket, cursor: FieldCursor): void {
  if (cursor.atEnd) return; // [MQTT5 3.14.2.1] a normal disconnection
  packet.reasonCode = cursor.byte("the reason code");
  if (!disconnectCodes.has(packet.reasonCode)) throw codeFault("DISCONNECT", packet.reasonCode);
  if (cursor.atEnd) return;
  const properties = cursor.properties(PacketType.disconnect);
  while (properties.next()) {
    if (properties.id === PropertyId.sessionExpiry) packet.sessionExpirySeconds = properties.number;
    if (properties.id === PropertyId.serverReference) {
      throw protocolError("Cannot accept DISCONNECT: a client must not send a server reference [MQTT5 3.14.2.2.5]");
    }
  }
}

/** Reads a client's AUTH, which always names its method ([MQTT5 3.15.2.2.2]). */
export function readAuth(frame: FrameReader, version: ProtocolVersion = 5): AuthPacket {
  if (version !== 5) throw malformed(`Cannot read AUTH: packet type 15 is reserved in protocol level ${version}`);
  checkFlags(frame, 0, version); // [MQTT-3.15.1-1]
  const cursor = new FieldCursor(frame);
  const packet: AuthPacket = { reasonCode: 0, authenticationMethod: undefined, authenticationData: undefined };
  if (!cursor.atEnd) packet.reasonCode = cursor.byte("the reason code");
  if (!authCodes.has(packet.reasonCode)) throw codeFault("AUTH", packet.reasonCode);
  const properties = cursor.properties(PacketType.auth);
  while (properties.next()) {
    if (properties.id === PropertyId.authenticationMethod) packet.authenticationMethod = properties.text();
    if (properties.id === PropertyId.authenticationData) packet.authenticationData = properties.binary();
  }
  cursor.finish();
  if (packet.authenticationMethod === undefined) {
    throw protocolError("Cannot accept AUTH: the authentication method is missing [MQTT5 3.15.2.2.2]");
  }
  return packet;
}

/** Checks a PINGREQ, which has neither flags nor a body. */
export function readPingreq(frame: FrameReader): void {
  checkFlags(frame, 0, 5);
  new FieldCursor(frame).finish();
}

function codeFault(name: string, code: number): Error {
  return protocolError(`Cannot accept ${name}: reason code 0x${code.toString(16)} is not one that a client may send`);
}
