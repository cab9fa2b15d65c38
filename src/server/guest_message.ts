import type { GuestDelivery } from "../bridge/gateway.ts";
import type { Message, QoS } from "../core/message.ts";
import { readMessageProperties } from "../wire/properties.ts";

/** What a guest's subscription says of a message. */
interface Terms {
  readonly qos: QoS;
  readonly retain: boolean;
}

/** A message as a guest gets it, for who need not settle it. It owns its bytes from now on. */
export function guestMessage(message: Message, { qos, retain }: Terms, now: number): GuestDelivery {
  message.own();
  return {
    ...readMessageProperties(message.properties, message.propertiesStart, message.propertiesEnd),
    topic: message.topic.name,
    payload: message.payload,
    qos,
    retain,
    expirySeconds: secondsLeft(message, now),
    id: 0,
    isAgain: false,
  };
}

/** Messages as guests get them, who share one that they get alike, and what is made of it. */
export class GuestMessages {
  #message: Message | undefined;
  #delivery: GuestDelivery | undefined;

  /** As {@link guestMessage}. */
  of(message: Message, terms: Terms, now: number): GuestDelivery {
    const last = this.#delivery;
    if (last === undefined || message !== this.#message) return this.#keep(message, guestMessage(message, terms, now));
    const { qos, retain } = terms;
    const expirySeconds = secondsLeft(message, now);
    if (last.qos === qos && last.retain === retain && last.expirySeconds === expirySeconds) return last;
    return this.#keep(message, { ...last, qos, retain, expirySeconds });
  }

  /** The message has been said to everybody; it may be large. */
  forget(): void {
    this.#message = this.#delivery = undefined;
  }

  #keep(message: Message, delivery: GuestDelivery): GuestDelivery {
    this.#message = message;
    return this.#delivery = delivery;
  }
}

function secondsLeft({ expiresAt }: Message, now: number): number | undefined {
  return expiresAt === Infinity ? undefined : Math.max(0, Math.ceil((expiresAt - now) / 1000));
}
