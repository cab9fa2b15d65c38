import type { Delivery } from "./delivery.ts";

/** The QoS 1 and 2 deliveries that were sent to a client and are not settled, by packet id, in the order of sending.
 * Packet ids go round from 1 to 65,535 and skip those in use ([MQTT-2.2.1-3], 3.1.1: [MQTT-2.3.1-2]). */
export class Inflight {
  readonly #deliveries = new Map<number, Delivery>();
  #lastPacketId = 0;

  get size(): number {
    return this.#deliveries.size;
  }

  get(packetId: number): Delivery | undefined {
    return this.#deliveries.get(packetId);
  }

  /** Gives `delivery` the next free packet id; there is one as long as the window is smaller than 65,535. */
  add(delivery: Delivery): number {
    let packetId = this.#lastPacketId;
    do {
      packetId = packetId === 65_535 ? 1 : packetId + 1;
    } while (this.#deliveries.has(packetId));
    this.#lastPacketId = packetId;
    delivery.packetId = packetId;
    this.#deliveries.set(packetId, delivery);
    return packetId;
  }

  /** Puts back a delivery that a restart found with its packet id. */
  restore(delivery: Delivery): void {
    this.#deliveries.set(delivery.packetId, delivery);
    this.#lastPacketId = delivery.packetId;
  }

  delete(packetId: number): boolean {
    return this.#deliveries.delete(packetId);
  }

  values(): IterableIterator<Delivery> {
    return this.#deliveries.values();
  }
}
