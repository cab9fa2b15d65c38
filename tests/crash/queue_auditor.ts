import { Buffer } from "node:buffer";
import type { IPublishPacket, Packet } from "mqtt-packet";
import { QueueClient } from "./queue_client.ts";
import type { KeyStream, QueueLedger } from "./queue_ledger.ts";
import type { QueueShape } from "./queue_shapes.ts";
import { until } from "./random.ts";

/** Reads a stream from its first message to its end, and holds what is there against what was promised to stay. */
export class QueueAuditor extends QueueClient {
  readonly #shape: QueueShape;
  /** The numbers of each stream in the order in which they lie in it. */
  readonly #found = new Map<string, number[]>();

  constructor(shape: QueueShape, ledger: QueueLedger) {
    super(`auditor-${shape.name}`, ledger);
    this.#shape = shape;
  }

  get queue(): string {
    return this.#shape.name;
  }

  /** Reads all that is there, and says what is missing. `stored` tells how much lies in the stream. */
  async audit(port: number, stored: () => number): Promise<void> {
    const { ledger, clientId } = this;
    this.#found.clear();
    if (!await this.connect(port)) return ledger.accuse(`${clientId}: the connection ended before CONNACK`);
    const missing = () => this.#missing(stored());
    await until(() => missing().length === 0, () => "").catch(() => missing().forEach((what) => ledger.accuse(what)));
    await this.disconnect();
    this.#check();
  }

  /** Of a stream that is cut, whether the rest has been read; of others, the last message of each key. */
  #missing(stored: number): string[] {
    if (typeof this.#shape.keeps === "number") {
      return this.#count === stored ? [] : [`${this.clientId}: ${this.#count} have come of ${stored}`];
    }
    const unseen = this.#streams.filter(({ name, last }) => last > 0 && !this.#found.get(name)?.includes(last));
    return unseen.map(({ name, last }) => `${this.clientId}: ${name} ${last} is not there`);
  }

  get #count(): number {
    return [...this.#found.values()].reduce((sum, { length }) => sum + length, 0);
  }

  protected override get filter(): string {
    return `$queue/${this.#shape.name}`;
  }

  protected override get isClean(): boolean {
    return true;
  }

  protected override onOpen(): void {}

  protected override onPacket(packet: Packet): void {
    if (packet.cmd !== "publish") return this.ledger.accuse(`${this.clientId} was told ${JSON.stringify(packet)}`);
    this.#onPublish(packet);
    this.line?.send({ cmd: "puback", messageId: packet.messageId });
  }

  get #streams(): readonly KeyStream[] {
    return this.ledger.streams.filter(({ queue }) => queue === this.#shape.name);
  }

  #onPublish({ payload, properties }: IPublishPacket): void {
    const [stream, digits] = Buffer.from(payload).toString().split(" ");
    const says = properties?.userProperties as Readonly<Record<string, string>>;
    this.ledger.checkIdentity({
      ...{ queue: this.#shape.name, group: this.clientId, stream, number: Number(digits), deliveryCount: 1 },
      ...{ messageId: says["message-id"], partition: Number(says.partition), offset: Number(says.offset) },
    });
    const numbers = this.#found.get(stream) ?? [];
    this.#found.set(stream, numbers);
    numbers.push(Number(digits));
  }

  /** What was published again for want of an acknowledgement may be there twice, but in its order the first time. */
  #check(): void {
    const { keeps } = this.#shape;
    for (const { name, last } of keeps === "newest" ? [] : this.#streams) { // the newest have been awaited
      const numbers = [...new Set(this.#found.get(name) ?? [])];
      if (numbers.length === 0 && keeps !== "everything") continue;
      const first = keeps === "everything" ? 1 : numbers[0];
      const isWhole = numbers.every((number, i) => number === first + i) && numbers.length === last - first + 1;
      if (!isWhole) this.ledger.accuse(`${this.clientId}: of ${name} there is ${numbers} of ${last}`);
    }
    const sent = this.#streams.reduce((sum, { last }) => sum + last, 0);
    if (typeof keeps === "number" && this.#count < Math.min(keeps, sent)) {
      this.ledger.accuse(`${this.clientId}: ${this.#count} of ${sent} messages are left, and ${keeps} are to be kept`);
    }
  }
}
