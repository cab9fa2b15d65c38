import type { Packet } from "mqtt-packet";
import { QueueClient } from "./queue_client.ts";
import type { QueueLedger } from "./queue_ledger.ts";

const SUBSCRIBE_ID = 1;

/** How long it waits before it asks again for a queue that is not there. */
const AGAIN_MS = 200;

/** Takes the dead letters of a queue. */
export class QueueGrave extends QueueClient {
  readonly #queue: string;
  #isSubscribed = false;

  constructor(queue: string, ledger: QueueLedger) {
    super(`grave-${queue}`, ledger);
    this.#queue = queue;
  }

  protected override onOpen(): void {
    if (!this.#isSubscribed) this.#subscribe();
  }

  protected override onPacket(packet: Packet): void {
    const { clientId, ledger } = this;
    if (packet.cmd === "suback") return this.#onSuback(packet.granted as number[]);
    if (packet.cmd !== "publish") return ledger.accuse(`${clientId} was told ${JSON.stringify(packet)}`);
    const says = packet.properties?.userProperties as Readonly<Record<string, string>>;
    ledger.buried({
      queue: this.#queue,
      group: says["dead-letter-group"],
      originId: says["dead-letter-message-id"],
      messageId: says["message-id"],
    });
    this.line?.send({ cmd: "puback", messageId: packet.messageId });
  }

  #subscribe(): void {
    const subscriptions = [{ topic: `$share/graves/$queue/${this.#queue}/$dlq`, qos: 1 }];
    this.line?.send({ cmd: "subscribe", messageId: SUBSCRIBE_ID, subscriptions } as Packet);
  }

  /** There is no such queue before its first dead letter. */
  #onSuback([granted]: readonly number[]): void {
    this.#isSubscribed = granted === 1;
    if (this.#isSubscribed) return;
    if (granted !== 0x8f) this.ledger.accuse(`${this.clientId}: SUBACK says ${granted}`);
    const { line } = this;
    setTimeout(() => line !== null && this.line === line && this.#subscribe(), AGAIN_MS);
  }
}
