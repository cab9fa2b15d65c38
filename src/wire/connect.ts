import { protocolError, WireFault } from "./fault.ts";
import { FieldCursor } from "./field_cursor.ts";
import type { FrameReader } from "./frame_reader.ts";
import { type ConnectPacket, PACKET_BYTES_MAX, PacketType, type ProtocolVersion, type WillPacket } from "./packet.ts";
import type { QoS } from "./packet.ts";
import { checkResponseTopic, copyForwarded } from "./properties.ts";
import { PropertyCursor } from "./property_cursor.ts";
import { PropertyId, WILL_PROPERTIES } from "./property_table.ts";

const Flag = {
  reserved: 0x01,
  clean: 0x02,
  will: 0x04,
  willQoS: 0x18,
  willRetain: 0x20,
  password: 0x40,
  username: 0x80,
};

/** Reads a CONNECT. Faults that are found after the protocol level was read carry it in `version`, so that the refusal can be
 * spoken in the client's version. Everything in the answer is a copy. */
export function readConnect(frame: FrameReader): ConnectPacket {
  const cursor = new FieldCursor(frame);
  if ((frame.first & 0x0f) !== 0) throw cursor.malformed("the fixed header's flags must be 0 [MQTT-2.1.3-1]");
  const name = cursor.text("the protocol name");
  const level = cursor.byte("the protocol level");
  try {
    return readBody(cursor, protocolVersion(name, level));
  } catch (error) {
    if (error instanceof WireFault) error.version = isLater(error, level) && readsAsV5(cursor) ? 5 : level;
    throw error;
  }
}

/** A version later than ours. Bridges of mosquitto set the high bit of a level that exists, and know the older answer only. */
function isLater(error: WireFault, level: number): boolean {
  return error.fault === "unsupported-protocol-version" && level > 5 && level < 0x80;
}

/** Whether what follows the level has the form of MQTT 5: its client can read a refusal of that form, and expects one. */
function readsAsV5(cursor: FieldCursor): boolean {
  try {
    readBody(cursor, 5);
    return true;
  } catch (error) {
    if (error instanceof WireFault) return false;
    throw error;
  }
}

function protocolVersion(name: string, level: number): ProtocolVersion {
  if (name === "MQTT" && (level === 4 || level === 5)) return level;
  if (name === "MQIsdp" && level === 3) return 3;
  throw new WireFault(
    "unsupported-protocol-version",
    `Cannot accept CONNECT: protocol ${
      JSON.stringify(name.slice(0, 10))
    } level ${level} is not spoken here [MQTT-3.1.2-2]`,
  );
}

function readBody(cursor: FieldCursor, version: ProtocolVersion): ConnectPacket {
  const flags = readFlags(cursor, version);
  const packet = emptyPacket(version, (flags & Flag.clean) !== 0);
  packet.keepAliveSeconds = cursor.uint16("the keep alive");
  if (version === 5) readConnectProperties(packet, cursor.properties(PacketType.connect));
  packet.clientId = cursor.text("the client identifier");
  if ((flags & Flag.will) !== 0) packet.will = readWill(cursor, flags, version);
  // MQTT 3.1 (section "Connect"): the flag may be set and the string missing; the remaining length takes precedence
  const mayMiss = version === 3;
  if ((flags & Flag.username) !== 0 && !(mayMiss && cursor.atEnd)) packet.username = cursor.text("the user name");
  if ((flags & Flag.password) !== 0 && !(mayMiss && cursor.atEnd)) packet.password = cursor.binary("the password");
  cursor.finish();
  return packet;
}

function readFlags(cursor: FieldCursor, version: ProtocolVersion): number {
  const flags = cursor.byte("the connect flags");
  if ((flags & Flag.will) !== 0) {
    if ((flags & Flag.willQoS) === Flag.willQoS) throw cursor.malformed("the will QoS is 3 [MQTT-3.1.2-12]");
  } else if ((flags & (Flag.willQoS | Flag.willRetain)) !== 0 && version !== 3) { // 3.1 disregards them
    throw cursor.malformed("will QoS or will retain without a will [MQTT-3.1.2-11] [MQTT-3.1.2-13]");
  }
  if ((flags & Flag.reserved) !== 0 && version !== 3) {
    throw cursor.malformed("the reserved connect flag is set [MQTT-3.1.2-3]");
  }
  if (version !== 5 && (flags & Flag.password) !== 0 && (flags & Flag.username) === 0) {
    throw cursor.malformed("a password without a user name [MQTT-3.1.2-22]");
  }
  return flags;
}

function emptyPacket(version: ProtocolVersion, clean: boolean): ConnectPacket {
  return {
    version,
    clientId: "",
    clean,
    keepAliveSeconds: 0,
    username: undefined,
    password: undefined,
    will: undefined,
    sessionExpirySeconds: 0,
    receiveMaximum: 65_535,
    maximumPacketBytes: PACKET_BYTES_MAX,
    topicAliasMaximum: 0,
    requestResponseInformation: false,
    requestProblemInformation: true,
    authenticationMethod: undefined,
    authenticationData: undefined,
    userProperties: [],
  };
}

function readConnectProperties(packet: ConnectPacket, properties: PropertyCursor): void {
  while (properties.next()) readConnectProperty(packet, properties);
  if (packet.authenticationData !== undefined && packet.authenticationMethod === undefined) {
    throw protocolError("Cannot accept CONNECT: authentication data without a method [MQTT5 3.1.2.11.10]");
  }
}

function readConnectProperty(packet: ConnectPacket, properties: PropertyCursor): void {
  switch (properties.id) {
    case PropertyId.sessionExpiry:
      packet.sessionExpirySeconds = properties.number;
      break;
    case PropertyId.receiveMaximum:
      packet.receiveMaximum = properties.number;
      break;
    case PropertyId.maximumPacketBytes:
      packet.maximumPacketBytes = Math.min(properties.number, PACKET_BYTES_MAX);
      break;
    case PropertyId.topicAliasMaximum:
      packet.topicAliasMaximum = properties.number;
      break;
    case PropertyId.requestResponseInformation:
      packet.requestResponseInformation = properties.number === 1;
      break;
    case PropertyId.requestProblemInformation:
      packet.requestProblemInformation = properties.number === 1;
      break;
    case PropertyId.authenticationMethod:
      packet.authenticationMethod = properties.text();
      break;
    case PropertyId.authenticationData:
      packet.authenticationData = properties.binary();
      break;
    case PropertyId.userProperty:
      packet.userProperties.push(properties.pair());
      break;
  }
}

function readWill(cursor: FieldCursor, flags: number, version: ProtocolVersion): WillPacket {
  const will: WillPacket = {
    topic: "",
    payload: new Uint8Array(0),
    qos: ((flags & Flag.willQoS) >> 3) as QoS,
    retain: (flags & Flag.willRetain) !== 0,
    delaySeconds: 0,
    expirySeconds: undefined,
    payloadIsUtf8: false,
    properties: new Uint8Array(0),
  };
  if (version === 5) readWillProperties(will, cursor);
  will.topic = cursor.text("the will topic");
  if (will.topic === "" || /[+#]/.test(will.topic)) {
    throw new WireFault(
      "topic-name-invalid",
      "Cannot accept CONNECT: a will topic has at least one character [MQTT-4.7.3-1] and no wildcards [MQTT-4.7.1-1]",
    );
  }
  will.payload = cursor.binary("the will payload");
  return will;
}

function readWillProperties(will: WillPacket, cursor: FieldCursor): void {
  const sectionStart = cursor.at;
  const properties = cursor.properties(WILL_PROPERTIES);
  while (properties.next()) {
    if (properties.id === PropertyId.willDelay) will.delaySeconds = properties.number;
    else if (properties.id === PropertyId.messageExpiry) will.expirySeconds = properties.number;
    else if (properties.id === PropertyId.payloadFormat) will.payloadIsUtf8 = properties.number === 1;
    else if (properties.id === PropertyId.responseTopic) checkResponseTopic(properties);
  }
  properties.open(cursor.bytes, sectionStart, cursor.at);
  const room = new Uint8Array(cursor.at - sectionStart);
  will.properties = room.slice(0, copyForwarded(properties, room, 0));
}
