import type { Packet } from "mqtt-packet";
import { QueueClient } from "./queue_client.ts";
import type { KeyStream, QueueLedger } from "./queue_ledger.ts";

interface Outgoing {
  readonly stream: KeyStream;
  readonly number: number;
  readonly says: Readonly<Record<string, string>>;
}

/** Hands messages over with QoS 1; what is not acknowledged it sends again, in its order. */
export class QueuePublisher extends QueueClient {
  readonly #outgoing = new Map<number, Outgoing>();
  #lastPacketId = 0;
  published = 0;
  /** Called when an acknowledgement has made room, or the connection is open. */
  onRoom: () => void = () => {};

  constructor(clientId: string, ledger: QueueLedger) {
    super(clientId, ledger);
  }

  get outstanding(): number {
    return this.#outgoing.size;
  }

  /** Publishes the next message of the stream, with these properties beside its key. */
  hand(stream: KeyStream, properties: Readonly<Record<string, string>>): void {
    do this.#lastPacketId = this.#lastPacketId % 100 + 1; while (this.#outgoing.has(this.#lastPacketId));
    const says = { "partition-key": stream.key, ...properties };
    this.#outgoing.set(this.#lastPacketId, { stream, number: ++stream.last, says });
    this.published++;
    this.#send(this.#lastPacketId, false);
  }

  protected override onOpen(): void {
    for (const messageId of this.#outgoing.keys()) this.#send(messageId, true);
    this.onRoom();
  }

  protected override onPacket(packet: Packet): void {
    if (packet.cmd !== "puback") return this.ledger.accuse(`${this.clientId} was told ${JSON.stringify(packet)}`);
    const { messageId = 0, reasonCode = 0 } = packet;
    if (reasonCode >= 0x80) this.ledger.accuse(`${this.clientId}: PUBACK refuses with ${reasonCode}`);
    if (!this.#outgoing.delete(messageId)) this.ledger.accuse(`${this.clientId}: ${messageId} is not under way`);
    this.onRoom();
  }

  #send(messageId: number, dup: boolean): void {
    const { stream, number, says } = this.#outgoing.get(messageId)!;
    this.publish({ topic: `$queue/${stream.queue}`, messageId, dup, text: `${stream.key} ${number}` }, says);
  }
}
