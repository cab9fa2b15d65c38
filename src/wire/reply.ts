import { Buffer } from "node:buffer";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { Outbox } from "./outbox.ts";
import { PacketType, type ProtocolVersion } from "./packet.ts";

// Otherwise the first packet builds 65,536 small buffers, some 8 MB, that save nothing here.
mqttPacket.writeToStream.cacheNumbers = false;

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
 * before`) and try without reason string when the client's maximum packet size is exceeded. */
export function writeConnack(out: Outbox, reply: ConnackReply): number {
  const { version, reasonCode } = reply;
  // [MQTT-3.2.2-6] never with a refusal; and MQTT 3.1 has no such flag
  const sessionPresent = reply.sessionPresent && reasonCode === 0 && version !== 3;
  if (version !== 5) return appendFlatConnack(out, sessionPresent, reasonCode);
  return append(out, version, {
    cmd: "connack",
    sessionPresent,
    returnCode: reasonCode,
    reasonCode,
    properties: libraryProperties(reply.properties),
  });
}

/** That of the versions before v5, by hand: the library makes two kilobytes of garbage for these four bytes. */
function appendFlatConnack(out: Outbox, sessionPresent: boolean, returnCode: number): number {
  out.reserve(4);
  const { bytes, length } = out;
  bytes[length] = PacketType.connack << 4;
  bytes[length + 1] = 2;
  bytes[length + 2] = sessionPresent ? 1 : 0;
  bytes[length + 3] = returnCode;
  out.length += 4;
  return 4;
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
function libraryProperties(properties: ConnackProperties = {}): Record<string, unknown> {
  const { userProperties, authenticationData } = properties;
  return {
    sessionExpiryInterval: properties.sessionExpirySeconds,
    receiveMaximum: properties.receiveMaximum,
    maximumQoS: properties.maximumQoS,
    retainAvailable: properties.retainAvailable,
    maximumPacketSize: properties.maximumPacketBytes,
    assignedClientIdentifier: properties.assignedClientId,
    topicAliasMaximum: properties.topicAliasMaximum,
    reasonString: properties.reasonString,
    userProperties: userProperties?.length ? userProperties.map(([name, value]) => ({ [name]: value })) : undefined,
    wildcardSubscriptionAvailable: properties.wildcardAvailable,
    subscriptionIdentifiersAvailable: properties.subscriptionIdsAvailable,
    sharedSubscriptionAvailable: properties.sharedAvailable,
    serverKeepAlive: properties.serverKeepAliveSeconds,
    responseInformation: properties.responseInformation,
    serverReference: properties.serverReference,
    authenticationMethod: properties.authenticationMethod,
    authenticationData: authenticationData && Buffer.from(authenticationData),
  };
}
