import { PacketType } from "./packet.ts";

/** The properties of MQTT 5 by their identifier ([MQTT5 2.2.2.2]). */
export const PropertyId = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionId: 0x0b,
  sessionExpiry: 0x11,
  assignedClientId: 0x12,
  serverKeepAlive: 0x13,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelay: 0x18,
  requestResponseInformation: 0x19,
  responseInformation: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQoS: 0x24,
  retainAvailable: 0x25,
  userProperty: 0x26,
  maximumPacketBytes: 0x27,
  wildcardAvailable: 0x28,
  subscriptionIdsAvailable: 0x29,
  sharedAvailable: 0x2a,
} as const;

/** The data types of property values. Every one-byte property of MQTT 5 is 0 or 1, hence `boolean`. */
export const PropertyKind = { boolean: 1, uint16: 2, uint32: 3, integer: 4, text: 5, binary: 6, pair: 7 } as const;

/** The properties of a will have a table column of their own; packet type 0 is free for it. */
export const WILL_PROPERTIES = 0;

/** One row of the table: the value's type, and the packets that may carry it. */
export interface PropertyRule {
  id: number;
  name: string;
  kind: number;
  /** Bit `1 << type` for each packet type; bit 0 for the will. */
  packets: number;
  /** True when a value of 0 is a protocol error wherever the property occurs. */
  nonZero: boolean;
}

const { connect, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback } = PacketType;
const { unsubscribe, unsuback, disconnect, auth } = PacketType;
const { boolean, uint16, uint32, integer, text, binary, pair } = PropertyKind;

const answers = [connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth];
const content = [publish, WILL_PROPERTIES];
const everywhere = [...content, ...answers, connect, subscribe, unsubscribe];

/** Table 2-4 of the specification, one row a property. Only user properties may come more than once from a client. */
export const propertyTable: readonly PropertyRule[] = [
  row(PropertyId.payloadFormat, boolean, content),
  row(PropertyId.messageExpiry, uint32, content),
  row(PropertyId.contentType, text, content),
  row(PropertyId.responseTopic, text, content),
  row(PropertyId.correlationData, binary, content),
  { ...row(PropertyId.subscriptionId, integer, [publish, subscribe]), nonZero: true },
  row(PropertyId.sessionExpiry, uint32, [connect, connack, disconnect]),
  row(PropertyId.assignedClientId, text, [connack]),
  row(PropertyId.serverKeepAlive, uint16, [connack]),
  row(PropertyId.authenticationMethod, text, [connect, connack, auth]),
  row(PropertyId.authenticationData, binary, [connect, connack, auth]),
  row(PropertyId.requestProblemInformation, boolean, [connect]),
  row(PropertyId.willDelay, uint32, [WILL_PROPERTIES]),
  row(PropertyId.requestResponseInformation, boolean, [connect]),
  row(PropertyId.responseInformation, text, [connack]),
  row(PropertyId.serverReference, text, [connack, disconnect]),
  row(PropertyId.reasonString, text, answers),
  { ...row(PropertyId.receiveMaximum, uint16, [connect, connack]), nonZero: true },
  row(PropertyId.topicAliasMaximum, uint16, [connect, connack]),
  row(PropertyId.topicAlias, uint16, [publish]),
  row(PropertyId.maximumQoS, boolean, [connack]),
  row(PropertyId.retainAvailable, boolean, [connack]),
  row(PropertyId.userProperty, pair, everywhere),
  { ...row(PropertyId.maximumPacketBytes, uint32, [connect, connack]), nonZero: true },
  row(PropertyId.wildcardAvailable, boolean, [connack]),
  row(PropertyId.subscriptionIdsAvailable, boolean, [connack]),
  row(PropertyId.sharedAvailable, boolean, [connack]),
];

/** One past the largest identifier, rounded up: tables are indexed by identifier. */
export const PROPERTY_IDS = 64;

/** The kind of each property; 0 where there is none. */
export const kindOf = new Uint8Array(PROPERTY_IDS);
for (const { id, kind } of propertyTable) kindOf[id] = kind;

function row(id: number, kind: number, packets: readonly number[]): PropertyRule {
  const name = Object.entries(PropertyId).find(([, value]) => value === id)?.[0] ?? "";
  const mask = packets.reduce((bits, type) => bits | (1 << type), 0);
  return { id, name, kind, packets: mask, nonZero: false };
}
