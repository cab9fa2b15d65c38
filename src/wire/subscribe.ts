import { protocolError } from "./fault.ts";
import { checkFlags, FieldCursor } from "./field_cursor.ts";
import type { FrameReader } from "./frame_reader.ts";
import { PacketType, type ProtocolVersion, type SubscribePacket, type SubscriptionRequest } from "./packet.ts";
import type { QoS, UnsubscribePacket } from "./packet.ts";
import { PropertyId } from "./property_table.ts";

/** Reads a SUBSCRIBE. What a filter means (wildcards, `$share`) is the core's question; here it is a UTF-8 string. */
export function readSubscribe(frame: FrameReader, version: ProtocolVersion): SubscribePacket {
  checkFlags(frame, 0b0010, version); // [MQTT-3.8.1-1]
  const cursor = new FieldCursor(frame);
  const packet: SubscribePacket = { packetId: cursor.packetId(), subscriptionId: 0, requests: [], userProperties: [] };
  if (version === 5) {
    const properties = cursor.properties(PacketType.subscribe);
    while (properties.next()) {
      if (properties.id === PropertyId.subscriptionId) packet.subscriptionId = properties.number;
      else if (properties.id === PropertyId.userProperty) packet.userProperties.push(properties.pair());
    }
  }
  if (cursor.atEnd) throw protocolError("Cannot accept SUBSCRIBE: one filter is the minimum [MQTT-3.8.3-2]");
  while (!cursor.atEnd) packet.requests.push(readRequest(cursor, version));
  return packet;
}

function readRequest(cursor: FieldCursor, version: ProtocolVersion): SubscriptionRequest {
  const filter = cursor.text("a topic filter");
  const options = cursor.byte("the subscription options");
  const reserved = version === 5 ? 0xc0 : version === 4 ? 0xfc : 0; // MQTT 3.1 leaves the other bits open
  if ((options & reserved) !== 0) throw cursor.malformed("reserved subscription options are set [MQTT-3.8.3-5]");
  const qos = options & 3;
  const retainHandling = version === 5 ? (options >> 4) & 3 : 0;
  if (qos === 3) throw version === 5 ? subscriptionFault("QoS") : cursor.malformed("a QoS of 3 [MQTT-3-8.3-4]");
  if (retainHandling === 3) throw subscriptionFault("retain handling");
  return {
    filter,
    qos: qos as QoS,
    noLocal: version === 5 && (options & 4) !== 0,
    retainAsPublished: version === 5 && (options & 8) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

function subscriptionFault(option: string): Error {
  return protocolError(`Cannot accept SUBSCRIBE: ${option} 3 is not allowed [MQTT5 3.8.3.1]`);
}

/** Reads an UNSUBSCRIBE. */
export function readUnsubscribe(frame: FrameReader, version: ProtocolVersion): UnsubscribePacket {
  checkFlags(frame, 0b0010, version); // [MQTT-3.10.1-1]
  const cursor = new FieldCursor(frame);
  const packet: UnsubscribePacket = { packetId: cursor.packetId(), filters: [] };
  if (version === 5) {
    const properties = cursor.properties(PacketType.unsubscribe);
    while (properties.next());
  }
  if (cursor.atEnd) throw protocolError("Cannot accept UNSUBSCRIBE: one filter is the minimum [MQTT-3.10.3-2]");
  while (!cursor.atEnd) packet.filters.push(cursor.text("a topic filter"));
  return packet;
}
