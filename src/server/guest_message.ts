import type { GuestDelivery } from "../bridge/gateway.ts";
import type { Message, QoS } from "../core/message.ts";
import { readMessageProperties } from "../wire/properties.ts";

/** What was made of a message for one guest serves the others. */
const made = new WeakMap<Message, GuestDelivery>();

/** A message as guests get it, for who need not settle it. Those that get it alike share it, and what is made of it. It owns its bytes from
 * now on. */
export function guestMessage(message: Message, as: { qos: QoS; retain: boolean }, now: number): GuestDelivery {
  const { qos, retain } = as;
  const { expiresAt } = message;
  const expirySeconds = expiresAt === Infinity ? undefined : Math.max(0, Math.ceil((expiresAt - now) / 1000));
  const last = made.get(message);
  if (last?.qos === qos && last.retain === retain && last.expirySeconds === expirySeconds) return last;
  const delivery = { ...(last ?? read(message)), qos, retain, expirySeconds };
  made.set(message, delivery);
  return delivery;
}

function read(message: Message): Omit<GuestDelivery, "qos" | "retain" | "expirySeconds"> {
  message.own();
  return {
    ...readMessageProperties(message.properties, message.propertiesStart, message.propertiesEnd),
    topic: message.topic.name,
    payload: message.payload,
    id: 0,
    isAgain: false,
  };
}
