import { Buffer } from "node:buffer";
import type { IPublishPacket, Packet } from "mqtt-packet";
import type { Line, Version } from "./line.ts";
import { QueueClient } from "./queue_client.ts";
import type { QueueArrival, QueueLedger, Word } from "./queue_ledger.ts";
import { between, type Random } from "./random.ts";

/** How a member says what became of a message: in the acknowledgement, by publishing, or for all up to it at once. */
export type Manner = "answer" | "publish" | "commit";

export interface MemberOptions {
  readonly clientId: string;
  readonly queue: string;
  readonly group: string;
  readonly version?: Version;
  readonly qos: 1 | 2;
  readonly manners: readonly Manner[];
  /** Whether its session ends with each connection. */
  readonly isClean?: boolean;
  /** Whether it goes back now and then; it is alone in its group then. */
  readonly seeks?: boolean;
}

interface Held {
  readonly arrival: QueueArrival;
  readonly packetId: number;
}

const CODES: Readonly<Record<Word, number>> = { ack: 0, nack: 0x80, reject: 0x99 };

/** How long a word may be kept back, so that a crash finds exchanges at every point. */
const WORD_MS_MAX = 20;

const SEEK_CHANCE = 1 / 200;

/** A member of a consumer group: mostly it is done with what it gets, sometimes it fails or rejects. */
export class QueueMember extends QueueClient {
  readonly #options: MemberOptions;
  readonly #random: Random;
  /** What has come and of which it has said nothing yet, by message id. */
  readonly #held = new Map<string, Held>();
  /** What was published and waits for PUBACK, by packet id: it is said of one message, or of all up to one. */
  readonly #words = new Map<number, { word: Word; of: readonly Held[] }>();
  /** QoS 2 messages that were answered and not released, by packet id; the word is said by PUBREC, or was before. */
  readonly #incoming = new Map<number, { arrival: QueueArrival; word: Word | null; line: Line | null }>();
  /** Where it has asked to go, until that is acknowledged. */
  #seeking: { messageId: number; queue: string; group: string; partition: number; offset: number } | undefined;
  #lastPacketId = 0;

  constructor(options: MemberOptions, parts: { ledger: QueueLedger; random: Random }) {
    super(options.clientId, parts.ledger);
    this.#options = options;
    this.#random = parts.random;
  }

  protected override get filter(): string {
    return `$share/${this.#options.group}/$queue/${this.#options.queue}`;
  }

  protected override get version(): Version {
    return this.#options.version ?? 5;
  }

  protected override get qos(): 1 | 2 {
    return this.#options.qos;
  }

  protected override get isClean(): boolean {
    return this.#options.isClean === true;
  }

  /** Whether nothing waits for the broker. */
  get isIdle(): boolean {
    return this.#words.size === 0 && this.#incoming.size === 0 && this.#seeking === undefined;
  }

  protected override onOpen(): void {
    this.#held.clear();
    this.#words.clear(); // who held it and has lost it says nothing more
    if (this.isClean) this.#incoming.clear();
    if (this.#seeking !== undefined) this.#publishSeek(); // nobody knows whether it was heard
  }

  protected override onPacket(packet: Packet): void {
    const { messageId = 0 } = packet;
    if (packet.cmd === "publish") return this.isLeaving ? undefined : this.#onPublish(packet);
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

  /** What it got, as the ledger wants it. A 3.1.1 client knows a message by what it says, where that cannot be there twice. */
  #arrivalOf({ payload, properties }: IPublishPacket): QueueArrival {
    const { queue, group } = this.#options;
    const [stream, digits] = Buffer.from(payload).toString().split(" ");
    const number = Number(digits);
    const own = { queue, group, stream, number };
    if (this.version !== 5) {
      return { ...own, messageId: `${stream} ${number}`, partition: -1, offset: number, deliveryCount: Infinity };
    }
    const says = properties?.userProperties as Readonly<Record<string, string>>;
    return {
      ...{ ...own, messageId: says["message-id"], partition: Number(says.partition), offset: Number(says.offset) },
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
    const held = { arrival, packetId };
    if (this.#seeking?.partition === arrival.partition) return this.#answer(held, null); // withdrawn by now
    this.#held.delete(arrival.messageId); // in the order in which they came
    this.#held.set(arrival.messageId, held);
    if (this.#options.seeks === true && this.#seeking === undefined && this.#random() < SEEK_CHANCE) {
      return this.#seek(arrival.partition);
    }
    const { line } = this;
    const word = this.#chooseWord();
    const say = () => this.#say(held, word);
    if (this.#random() < 0.7) say();
    else setTimeout(() => this.line === line && !this.isLeaving && say(), between(this.#random, 1, WORD_MS_MAX));
  }

  /** Before v5 there is no word for a failure, and who goes back would bury a message twice. */
  #chooseWord(): Word {
    const chance = this.#random();
    if (this.version !== 5 || chance >= 0.13) return "ack";
    return chance < 0.1 || this.#options.seeks === true ? "nack" : "reject";
  }

  #say(held: Held, word: Word): void {
    const { manners, queue, group } = this.#options;
    const { arrival: { messageId, partition, offset } } = held;
    if (this.#held.get(messageId) !== held) return; // said with others, or withdrawn
    const manner = manners[between(this.#random, 0, manners.length - 1)];
    if (manner === "answer") {
      this.#note([held], word);
      return this.#answer(held, word);
    }
    const isCommit = manner === "commit" && word === "ack";
    const of = isCommit ? this.#heldUpTo(held) : [held];
    this.#note(of, word);
    const packetId = this.#nextPacketId();
    this.#words.set(packetId, { of, word });
    const says = isCommit ? { partition: `${partition}`, offset: `${offset}` } : { "message-id": messageId };
    const topic = `$queue/${queue}/$${isCommit ? "commit" : word}`;
    this.publish({ topic, messageId: packetId }, { "group-id": group, ...says });
  }

  /** What a commit of `last` is about: what has come before it, and lies before it. */
  #heldUpTo(last: Held): Held[] {
    const { partition, offset } = last.arrival;
    const all = [...this.#held.values()];
    return all.slice(0, all.indexOf(last) + 1).filter(({ arrival }) => {
      return arrival.partition === partition && arrival.offset <= offset;
    });
  }

  #note(of: readonly Held[], word: Word): void {
    for (const { arrival } of of) {
      this.#held.delete(arrival.messageId);
      this.ledger.said(arrival, word);
    }
  }

  /** Goes back in a partition, and gives up what it holds of it. */
  #seek(partition: number): void {
    const { queue, group } = this.#options;
    const offset = between(this.#random, 0, this.ledger.settledBelow(queue, group, partition));
    this.#seeking = { messageId: 0, queue, group, partition, offset };
    this.#publishSeek();
    for (const held of [...this.#held.values()]) {
      if (held.arrival.partition !== partition) continue;
      this.#held.delete(held.arrival.messageId);
      this.#answer(held, null);
    }
  }

  #publishSeek(): void {
    const seeking = this.#seeking!;
    const { queue, group, partition, offset } = seeking;
    seeking.messageId = this.#nextPacketId();
    this.ledger.seeks(seeking);
    const says = { "group-id": group, partition: `${partition}`, offset: `${offset}` };
    this.publish({ topic: `$queue/${queue}/$seek`, messageId: seeking.messageId }, says);
  }

  #onPuback(messageId: number, reasonCode: number): void {
    if (reasonCode >= 0x80) this.ledger.accuse(`${this.clientId}: ${messageId} is refused with ${reasonCode}`);
    if (messageId === this.#seeking?.messageId) {
      this.ledger.sought(this.#seeking);
      this.#seeking = undefined;
      return;
    }
    const said = this.#words.get(messageId);
    if (said === undefined) return this.ledger.accuse(`${this.clientId}: ${messageId} is not under way`);
    this.#words.delete(messageId);
    for (const held of said.of) {
      if (reasonCode < 0x80) this.ledger.acknowledged(held.arrival, said.word);
      this.#answer(held, null);
    }
  }

  /** PUBACK or PUBREC; without a word it only frees the packet id. One that refuses ends the exchange. */
  #answer({ arrival, packetId: messageId }: Held, word: Word | null): void {
    const { qos } = this;
    const reasonCode = word === null ? 0 : CODES[word];
    if (qos === 2 && reasonCode < 0x80) this.#incoming.set(messageId, { arrival, word, line: this.line });
    this.line?.send({ cmd: qos === 2 ? "pubrec" : "puback", messageId, reasonCode } as Packet);
  }

  #nextPacketId(): number {
    return this.#lastPacketId = this.#lastPacketId % 5_000 + 1;
  }
}
