import { Buffer } from "node:buffer";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { Outbox } from "./outbox.ts";
import { PacketType, type ProtocolVersion } from "./packet.ts";
import { encodeProperties, type Property } from "./properties.ts";
import { PropertyId } from "./property_table.ts";
import { variableByteIntegerBytes, writeVariableByteInteger } from "./variable_byte_integer.ts";

// Otherwise the first packet builds 65,536 small buffers, some 8 MB, that save nothing here.
mqttPacket.writeToStream.cacheNumbers = false;

/** Packet type, remaining length, flags and code. */
const CONNACK_HEAD_BYTES_MAX = 7;
const NOTHING = new Uint8Array(0);

/** What a CONNACK can say beyond its reason code; v5 only. An absent property says the specification's default. */
export interface ConnackProperties {
  sessionExpirySeconds?: number;
  receiveMaximum?: number;
  maximumQoS?: 0 | 1;
  retainAvailable?: boolean;
  maximumPacketBytes?: number;
  assignedClientId?: string;
  topicAliasMaximum?: number;
  reasonString?: string;
  userProperties?: readonly [string, string][];
  wildcardAvailable?: boolean;
  subscriptionIdsAvailable?: boolean;
  sharedAvailable?: boolean;
  serverKeepAliveSeconds?: number;
  responseInformation?: string;
  serverReference?: string;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}

/** Those that come once, in the order of the specification (3.2.2.3). */
const CONNACK_PROPERTIES: readonly (readonly [Exclude<keyof ConnackProperties, "userProperties">, number])[] = [
  ["sessionExpirySeconds", PropertyId.sessionExpiry],
  ["receiveMaximum", PropertyId.receiveMaximum],
  ["maximumQoS", PropertyId.maximumQoS],
  ["retainAvailable", PropertyId.retainAvailable],
  ["maximumPacketBytes", PropertyId.maximumPacketBytes],
  ["assignedClientId", PropertyId.assignedClientId],
  ["topicAliasMaximum", PropertyId.topicAliasMaximum],
  ["reasonString", PropertyId.reasonString],
  ["wildcardAvailable", PropertyId.wildcardAvailable],
  ["subscriptionIdsAvailable", PropertyId.subscriptionIdsAvailable],
  ["sharedAvailable", PropertyId.sharedAvailable],
  ["serverKeepAliveSeconds", PropertyId.serverKeepAlive],
  ["responseInformation", PropertyId.responseInformation],
  ["serverReference", PropertyId.serverReference],
  ["authenticationMethod", PropertyId.authenticationMethod],
  ["authenticationData", PropertyId.authenticationData],
];

/** The properties that every answer may have; v5 only. */
export interface ReasonProperties {
  reasonString?: string;
  userProperties?: readonly [string, string][];
}

export interface DisconnectProperties extends ReasonProperties {
  serverReference?: string;
}

export interface AuthProperties extends ReasonProperties {
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}

export interface ConnackReply {
  version: ProtocolVersion;
  sessionPresent: boolean;
  /** The code as this version knows it: a return code before v5. */
  reasonCode: number;
  properties?: ConnackProperties;
}

export interface SubackReply {
  version: ProtocolVersion;
  packetId: number;
  /** One code for each filter, in order ([MQTT-3.8.4-6]), as this version knows it. */
  reasonCodes: readonly number[];
  properties?: ReasonProperties;
}

export interface DisconnectReply {
  reasonCode: number;
  properties?: DisconnectProperties;
}

export interface AuthReply {
  reasonCode: number;
  properties?: AuthProperties;
}

/** Appends a CONNACK. Like all writers here it answers the bytes appended, so that the caller can roll back (`out.length =
 * before`) and try without reason string when the client's maximum packet size is exceeded. By hand: for each connection the library made
 * two kilobytes of garbage, five with properties. */
export function writeConnack(out: Outbox, reply: ConnackReply): number {
  const { version, reasonCode } = reply;
  // [MQTT-3.2.2-6] never with a refusal; and MQTT 3.1 has no such flag
  const sessionPresent = reply.sessionPresent && reasonCode === 0 && version !== 3;
  const properties = version === 5 ? encodeProperties(connackProperties(reply.properties)) : NOTHING;
  const section = version === 5 ? variableByteIntegerBytes(properties.length) + properties.length : 0;
  const before = out.length;
  out.reserve(CONNACK_HEAD_BYTES_MAX + section);
  const { bytes } = out;
  bytes[before] = PacketType.connack << 4;
  let at = writeVariableByteInteger(bytes, before + 1, 2 + section);
  bytes[at++] = sessionPresent ? 1 : 0;
  bytes[at++] = reasonCode;
  if (version === 5) at = writeVariableByteInteger(bytes, at, properties.length);
  bytes.set(properties, at);
  out.length = at + properties.length;
  return out.length - before;
}

/** Those that are there, in the order of the specification. */
function connackProperties(properties: ConnackProperties = {}): Property[] {
  const list: Property[] = [];
  for (const [name, id] of CONNACK_PROPERTIES) {
    const value = properties[name];
    if (value !== undefined) list.push({ id, value: typeof value === "boolean" ? Number(value) : value });
  }
  for (const pair of properties.userProperties ?? []) list.push({ id: PropertyId.userProperty, value: pair });
  return list;
}

/** Appends a SUBACK. */
export function writeSuback(out: Outbox, reply: SubackReply): number {
  return append(out, reply.version, {
    cmd: "suback",
    messageId: reply.packetId,
    granted: [...reply.reasonCodes],
    properties: libraryProperties(reply.properties),
  });
}

/** Appends an UNSUBACK; before v5 the reason codes are left out, since it has no payload there. */
export function writeUnsuback(out: Outbox, reply: SubackReply): number {
  return append(out, reply.version, {
    cmd: "unsuback",
    messageId: reply.packetId,
    granted: [...reply.reasonCodes],
    properties: libraryProperties(reply.properties),
  });
}

/** Appends a DISCONNECT; only v5 lets a server send one. */
export function writeDisconnect(out: Outbox, reply: DisconnectReply): number {
  return append(out, 5, {
    cmd: "disconnect",
    reasonCode: reply.reasonCode,
    properties: libraryProperties(reply.properties),
  });
}

/** Appends an AUTH; v5 only. */
export function writeAuth(out: Outbox, reply: AuthReply): number {
  return append(out, 5, {
    cmd: "auth",
    reasonCode: reply.reasonCode,
    properties: libraryProperties(reply.properties),
  });
}

function append(out: Outbox, version: ProtocolVersion, packet: Packet): number {
  const bytes = mqttPacket.generate(packet, { protocolVersion: version });
  if (bytes.length === 0) throw new Error(`Cannot write ${packet.cmd}: mqtt-packet made nothing of it`);
  out.append(bytes);
  return bytes.length;
}

/** The properties as mqtt-packet names them. It takes an absent one only as undefined, an empty list not at all, binary data
 * only as a Buffer, and keeps the order of user properties only as a list of objects with one name each. */
function libraryProperties(properties: DisconnectProperties & AuthProperties = {}): Record<string, unknown> {
  const { userProperties, authenticationData } = properties;
  return {
    reasonString: properties.reasonString,
    userProperties: userProperties?.length ? userProperties.map(([name, value]) => ({ [name]: value })) : undefined,
    serverReference: properties.serverReference,
    authenticationMethod: properties.authenticationMethod,
    authenticationData: authenticationData && Buffer.from(authenticationData),
  };
}
