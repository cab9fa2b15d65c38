import { protocolError } from "./fault.ts";
import { PacketType } from "./packet.ts";
import { PropertyCursor } from "./property_cursor.ts";
import { kindOf, PropertyId, PropertyKind } from "./property_table.ts";
import { PropertyWriter } from "./property_writer.ts";

/** One property as a value. Booleans are 0 or 1. */
export interface Property {
  id: number;
  value: number | string | Uint8Array | [string, string];
}

/** The properties that travel with a message from its publisher to every subscriber. */
export interface MessageProperties {
  /** The payload is UTF-8 text (payload format indicator 1). */
  payloadIsUtf8?: boolean;
  /** What the payload is, a MIME type mostly. */
  contentType?: string;
  /** Where a reply is expected. */
  responseTopic?: string;
  /** What the reply carries back to be matched. */
  correlationData?: Uint8Array;
  /** In order, with duplicates. */
  userProperties?: [string, string][];
}

const FORWARDED = 1 << PropertyId.payloadFormat | 1 << PropertyId.contentType | 1 << PropertyId.responseTopic |
  1 << PropertyId.correlationData;

/** Whether a property goes on to the subscribers unaltered. */
export function isForwarded(id: number): boolean {
  return id === PropertyId.userProperty || (id < 32 && (FORWARDED & (1 << id)) !== 0);
}

/** Copies the properties that are forwarded, of those that `cursor` stands before, to `at`; answers the offset behind. */
export function copyForwarded(cursor: PropertyCursor, target: Uint8Array, at: number): number {
  while (cursor.next()) {
    if (!isForwarded(cursor.id)) continue;
    target.set(cursor.entry(), at);
    at += cursor.entryEnd - cursor.entryStart;
  }
  return at;
}

/** Refuses a response topic that is not a topic name. */
export function checkResponseTopic(cursor: PropertyCursor): void {
  if (cursor.hasWildcard) {
    throw protocolError('Cannot accept a response topic with "+" or "#": wildcards are not allowed [MQTT-3.3.2-14]');
  }
  if (cursor.start === cursor.end) {
    throw protocolError("Cannot accept a response topic of no characters: one is the minimum [MQTT-4.7.3-1]");
  }
}

/** The properties of a PUBLISH in order, as values. The range is without the length field; the values are copies. */
export function decodeProperties(bytes: Uint8Array, start: number, end: number): Property[] {
  const cursor = new PropertyCursor(PacketType.publish);
  cursor.begin(bytes, start, end);
  const properties: Property[] = [];
  while (cursor.next()) properties.push({ id: cursor.id, value: valueAt(cursor) });
  return properties;
}

function valueAt(cursor: PropertyCursor): Property["value"] {
  switch (kindOf[cursor.id]) {
    case PropertyKind.text:
      return cursor.text();
    case PropertyKind.binary:
      return cursor.binary();
    case PropertyKind.pair:
      return cursor.pair();
    default:
      return cursor.number;
  }
}

/** One for all: nothing is left in it between two calls. */
const writer = new PropertyWriter();

/** The bytes of properties, without the length field. Throws as {@link PropertyWriter} does. */
export function encodeProperties(properties: readonly Property[]): Uint8Array<ArrayBuffer> {
  writer.begin();
  for (const property of properties) writer.add(property);
  return writer.end();
}

/** What the forwarded properties of a message say. */
export function readMessageProperties(bytes: Uint8Array, start: number, end: number): MessageProperties {
  const properties: MessageProperties = {};
  for (const { id, value } of decodeProperties(bytes, start, end)) {
    if (id === PropertyId.payloadFormat) properties.payloadIsUtf8 = value === 1;
    else if (id === PropertyId.contentType) properties.contentType = value as string;
    else if (id === PropertyId.responseTopic) properties.responseTopic = value as string;
    else if (id === PropertyId.correlationData) properties.correlationData = value as Uint8Array;
    else if (id === PropertyId.userProperty) (properties.userProperties ??= []).push(value as [string, string]);
  }
  return properties;
}

/** The raw properties of a message that the broker or the library itself publishes. */
export function writeMessageProperties(properties: MessageProperties): Uint8Array<ArrayBuffer> {
  const { payloadIsUtf8, contentType, responseTopic, correlationData, userProperties } = properties;
  const list: Property[] = [];
  if (payloadIsUtf8 !== undefined) list.push({ id: PropertyId.payloadFormat, value: payloadIsUtf8 ? 1 : 0 });
  if (contentType !== undefined) list.push({ id: PropertyId.contentType, value: contentType });
  if (responseTopic !== undefined) list.push({ id: PropertyId.responseTopic, value: checkedTopic(responseTopic) });
  if (correlationData !== undefined) list.push({ id: PropertyId.correlationData, value: correlationData });
  for (const pair of userProperties ?? []) list.push({ id: PropertyId.userProperty, value: pair });
  return encodeProperties(list);
}

function checkedTopic(topic: string): string {
  if (topic === "" || /[+#]/.test(topic)) {
    throw new TypeError(
      `Cannot encode response topic "${topic}": it must be a topic without wildcards [MQTT-3.3.2-14]`,
    );
  }
  return topic;
}
