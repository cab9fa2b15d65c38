import { Buffer } from "node:buffer";
import type { IPublishPacket, Packet } from "mqtt-packet";
import type { Line } from "./line.ts";
import { QueueClient } from "./queue_client.ts";
import type { QueueArrival, QueueLedger, Word } from "./queue_ledger.ts";
import { between, type Random } from "./random.ts";

/** How a member says what became of a message: in the acknowledgement, or by publishing. */
export type Manner = "answer" | "publish";

export interface MemberOptions {
  readonly clientId: string;
  readonly queue: string;
  readonly group: string;
  readonly qos: 1 | 2;
  readonly manners: readonly Manner[];
  /** Whether its session ends with each connection. */
  readonly isClean?: boolean;
}

const CODES: Readonly<Record<Word, number>> = { ack: 0, nack: 0x80, reject: 0x99 };

/** How long a word may be kept back, so that a crash finds exchanges at every point. */
const WORD_MS_MAX = 20;

/** A member of a consumer group: mostly it is done with what it gets, sometimes it fails or rejects. */
export class QueueMember extends QueueClient {
  readonly #options: MemberOptions;
  readonly #random: Random;
  /** What was published and waits for PUBACK, by packet id. */
  readonly #words = new Map<number, { arrival: QueueArrival; word: Word; packetId: number }>();
  /** QoS 2 messages that were answered and not released, by packet id; the word is said by PUBREC, or was before. */
  readonly #incoming = new Map<number, { arrival: QueueArrival; word: Word | null; line: Line | null }>();
  #lastPacketId = 0;

  constructor(options: MemberOptions, parts: { ledger: QueueLedger; random: Random }) {
    super(options.clientId, parts.ledger);
    this.#options = options;
    this.#random = parts.random;
  }

  protected override get filter(): string {
    return `$share/${this.#options.group}/$queue/${this.#options.queue}`;
  }

  protected override get qos(): 1 | 2 {
    return this.#options.qos;
  }

  protected override get isClean(): boolean {
    return this.#options.isClean === true;
  }

  /** Whether nothing waits for the broker. */
  get isIdle(): boolean {
    return this.#words.size === 0 && this.#incoming.size === 0;
  }

  protected override onOpen(): void {
    this.#words.clear(); // who held it and has lost it says nothing more
    if (this.isClean) this.#incoming.clear();
  }

  protected override onPacket(packet: Packet): void {
    const { messageId = 0 } = packet;
    if (packet.cmd === "publish") return this.#onPublish(packet);
    if (packet.cmd === "puback") return this.#onPuback(messageId, packet.reasonCode ?? 0);
    if (packet.cmd !== "pubrel") return this.ledger.accuse(`${this.clientId} was told ${JSON.stringify(packet)}`);
    const released = this.#incoming.get(messageId);
    this.#incoming.delete(messageId);
    // On another connection than that of PUBREC it only says that the id is free.
    if (released !== undefined && released.word !== null && released.line === this.line) {
      this.ledger.acknowledged(released.arrival, released.word);
    }
    this.line?.send({ cmd: "pubcomp", messageId });
  }

  /** What it got, as the ledger wants it. */
  #arrivalOf({ payload, properties }: IPublishPacket): QueueArrival {
    const { queue, group } = this.#options;
    const [key, number] = Buffer.from(payload).toString().split(" ");
    const says = properties?.userProperties as Readonly<Record<string, string>>;
    return {
      ...{ queue, group, key, number: Number(number), messageId: says["message-id"] },
      ...{ partition: Number(says.partition), offset: Number(says.offset) },
      deliveryCount: Number(says["delivery-count"]),
    };
  }

  #onPublish(packet: IPublishPacket): void {
    const { messageId: packetId = 0, qos } = packet;
    const arrival = this.#arrivalOf(packet);
    const known = this.#incoming.get(packetId);
    if (qos === 2 && known !== undefined) {
      const words = `packet id ${packetId} is ${known.arrival.messageId}'s, and ${arrival.messageId} came with it`;
      this.ledger.accuse(`${this.clientId}: ${words}`);
    }
    this.ledger.arrived(arrival);
    const { line } = this;
    const chance = this.#random();
    const word = chance < 0.1 ? "nack" : chance < 0.13 ? "reject" : "ack";
    const say = () => this.#say(arrival, word, packetId);
    if (this.#random() < 0.7) say();
    else setTimeout(() => this.line === line && say(), between(this.#random, 1, WORD_MS_MAX));
  }

  #say(arrival: QueueArrival, word: Word, packetId: number): void {
    const { manners, queue, group } = this.#options;
    this.ledger.said(arrival, word);
    if (manners[between(this.#random, 0, manners.length - 1)] === "answer") {
      return this.#answer(packetId, { arrival, word });
    }
    const messageId = this.#lastPacketId = this.#lastPacketId % 5_000 + 1;
    this.#words.set(messageId, { arrival, word, packetId });
    const says = { "message-id": arrival.messageId, "group-id": group };
    this.publish({ topic: `$queue/${queue}/$${word}`, messageId }, says);
  }

  #onPuback(messageId: number, reasonCode: number): void {
    const said = this.#words.get(messageId);
    if (said === undefined) return this.ledger.accuse(`${this.clientId}: ${messageId} is not under way`);
    this.#words.delete(messageId);
    const { arrival, word, packetId } = said;
    if (reasonCode < 0x80) this.ledger.acknowledged(arrival, word);
    else this.ledger.accuse(`${this.clientId}: ${word} of ${arrival.messageId} is refused with ${reasonCode}`);
    this.#answer(packetId, { arrival, word: null });
  }

  /** PUBACK or PUBREC; without a word it only frees the packet id. One that refuses ends the exchange. */
  #answer(messageId: number, what: { arrival: QueueArrival; word: Word | null }): void {
    const { qos } = this;
    const reasonCode = what.word === null ? 0 : CODES[what.word];
    if (qos === 2 && reasonCode < 0x80) this.#incoming.set(messageId, { ...what, line: this.line });
    this.line?.send({ cmd: qos === 2 ? "pubrec" : "puback", messageId, reasonCode } as Packet);
  }
}
