import type { Delivery } from "./delivery.ts";

/** The deliveries of one session that wait for room in the window or for the client to come back; first in, first out.
 * Counts what its limits are about: replayed retained messages are carried but not counted. */
export class DeliveryQueue {
  #items: (Delivery | undefined)[] = [];
  #head = 0;
  #waitingQos0 = 0;
  /** Messages that count against the limit. */
  count = 0;
  /** Bytes that count against the limit. */
  bytes = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** True while a QoS 0 message waits, so that a newer one must not overtake it. */
  get holdsQos0(): boolean {
    return this.#waitingQos0 > 0;
  }

  push(delivery: Delivery): void {
    this.#items.push(delivery);
    this.#account(delivery, 1);
  }

  peek(): Delivery | undefined {
    return this.#items[this.#head];
  }

  shift(): Delivery | undefined {
    const delivery = this.#items[this.#head];
    if (delivery === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    this.#account(delivery, -1);
    this.#compact();
    return delivery;
  }

  /** Takes out and answers the deliveries that `wanted` picks, oldest first. */
  take(wanted: (delivery: Delivery) => boolean): Delivery[] {
    const taken: Delivery[] = [];
    const kept: Delivery[] = [];
    for (let i = this.#head; i < this.#items.length; i++) {
      const delivery = this.#items[i]!;
      (wanted(delivery) ? taken : kept).push(delivery);
    }
    for (const delivery of taken) this.#account(delivery, -1);
    this.#items = kept;
    this.#head = 0;
    return taken;
  }

  /** Takes out the oldest delivery that counts against the limits; undefined when none does. */
  evictOldest(): Delivery | undefined {
    for (let i = this.#head; i < this.#items.length; i++) {
      const delivery = this.#items[i]!;
      if (delivery.isReplay) continue;
      if (i === this.#head) return this.shift();
      this.#items.splice(i, 1);
      this.#account(delivery, -1);
      return delivery;
    }
    return undefined;
  }

  [Symbol.iterator](): Iterator<Delivery> {
    return (this.#items.slice(this.#head) as Delivery[])[Symbol.iterator]();
  }

  #account(delivery: Delivery, sign: 1 | -1): void {
    if (delivery.qos === 0) this.#waitingQos0 += sign;
    if (delivery.isReplay) return;
    this.count += sign;
    this.bytes += sign * delivery.message.size;
  }

  /** Gives the passed part of the array back when it is the larger half, which keeps `shift` at constant cost. */
  #compact(): void {
    if (this.#head < 64 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
