import type { GuestMessage } from "../bridge/gateway.ts";
import type { Message, QoS } from "../core/message.ts";
import { type MessageProperties, readMessageProperties } from "../wire/properties.ts";

/** What was read of a message for one guest serves the others. */
const decoded = new WeakMap<Message, MessageProperties>();

/** A message as guests get it. It owns its bytes from now on, which all of them share. */
export function guestMessage(message: Message, as: { qos: QoS; retain: boolean }, now: number): GuestMessage {
  message.own();
  let properties = decoded.get(message);
  if (properties === undefined) {
    properties = readMessageProperties(message.properties, message.propertiesStart, message.propertiesEnd);
    decoded.set(message, properties);
  }
  const { expiresAt } = message;
  return {
    ...properties,
    topic: message.topic.name,
    payload: message.payload,
    qos: as.qos,
    retain: as.retain,
    expirySeconds: expiresAt === Infinity ? undefined : Math.max(0, Math.ceil((expiresAt - now) / 1000)),
  };
}
