import type { Packet } from "mqtt-packet";
import type { Version } from "./line.ts";
import { QueueClient } from "./queue_client.ts";
import type { KeyStream, QueueLedger } from "./queue_ledger.ts";

interface Outgoing {
  readonly stream: KeyStream;
  readonly number: number;
  readonly how: Handing;
}

/** How a message is handed over. */
export interface Handing {
  readonly topic: string;
  readonly says: Readonly<Record<string, string>>;
  /** What the payload is filled up to. */
  readonly bytes: number;
}

/** Hands messages over with QoS 1; what is not acknowledged it sends again, in its order. */
export class QueuePublisher extends QueueClient {
  readonly #outgoing = new Map<number, Outgoing>();
  #lastPacketId = 0;
  published = 0;
  /** Called when an acknowledgement has made room, or the connection is open. */
  onRoom: () => void = () => {};

  readonly #version: Version;

  constructor(clientId: string, options: { ledger: QueueLedger; version: Version }) {
    super(clientId, options.ledger);
    this.#version = options.version;
  }

  protected override get version(): Version {
    return this.#version;
  }

  get outstanding(): number {
    return this.#outgoing.size;
  }

  /** Publishes the next message of the stream. */
  hand(stream: KeyStream, how: Handing): void {
    do this.#lastPacketId = this.#lastPacketId % 100 + 1; while (this.#outgoing.has(this.#lastPacketId));
    this.#outgoing.set(this.#lastPacketId, { stream, number: ++stream.last, how });
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
    const { stream, number, how: { topic, says, bytes } } = this.#outgoing.get(messageId)!;
    this.publish({ topic, messageId, dup, text: `${stream.name} ${number} `.padEnd(bytes) }, says);
  }
}
