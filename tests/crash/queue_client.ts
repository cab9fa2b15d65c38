import { Buffer } from "node:buffer";
import type { IConnackPacket, IPublishPacket, Packet } from "mqtt-packet";
import { Line, type Version } from "./line.ts";
import type { QueueLedger } from "./queue_ledger.ts";

/** Of requests that are only about their answer. */
const SETTLED_ID = 10_000;

const SUBSCRIBE_ID = 10_001;

/** The connection of a client of queues, which may be lost at any moment; its session stays. */
export abstract class QueueClient {
  readonly clientId: string;
  protected readonly ledger: QueueLedger;
  protected line: Line | null = null;
  isOpen = false;
  /** It has said goodbye or gone: what still comes was sent before the broker saw that, and may be with somebody else since. */
  protected isLeaving = false;
  #hasSession = false;
  #settling: (() => void)[] = [];

  constructor(clientId: string, ledger: QueueLedger) {
    this.clientId = clientId;
    this.ledger = ledger;
  }

  /** What it subscribes to while it has no session. */
  protected get filter(): string | undefined {
    return undefined;
  }

  protected get qos(): 1 | 2 {
    return 1;
  }

  protected get version(): Version {
    return 5;
  }

  /** Whether its session ends with the connection. */
  protected get isClean(): boolean {
    return false;
  }

  /** Connects to its session; false when the connection ended before CONNACK. */
  async connect(port: number): Promise<boolean> {
    const opened = Promise.withResolvers<boolean>();
    let line: Line;
    try {
      line = await Line.open(port, this.version, (packet) => {
        if (this.line !== line) return; // another connection has taken over
        if (packet.cmd === "connack") this.#onConnack(packet);
        else if (packet.cmd === "suback" && packet.messageId === SUBSCRIBE_ID) {
          this.#onSuback(packet.granted as number[]);
        } else if (packet.cmd === "unsuback") this.#settling.shift()?.();
        else this.onPacket(packet);
        if (this.isOpen) opened.resolve(true);
      });
    } catch {
      return false; // the broker is down
    }
    this.line = line;
    this.isOpen = this.isLeaving = false;
    const { clientId, isClean: clean, version: protocolVersion } = this;
    line.send({
      ...{ cmd: "connect", protocolId: "MQTT", protocolVersion, clientId, clean, keepalive: 0 },
      ...this.#says({ sessionExpiryInterval: clean ? 0 : 3600 }),
    } as Packet);
    void line.ended.then(() => {
      opened.resolve(false);
      if (this.line !== line) return;
      this.line = null;
      this.isOpen = false;
      this.#settling.splice(0).forEach((resolve) => resolve());
    });
    return await opened.promise;
  }

  async disconnect(): Promise<void> {
    const { line } = this;
    if (line === null) return;
    this.isOpen = false;
    this.isLeaving = true;
    line.send({ cmd: "disconnect" } as Packet);
    await line.ended;
  }

  /** Drops the connection without a word. */
  async drop(): Promise<void> {
    this.isLeaving = true;
    this.line?.close();
    await this.line?.ended;
  }

  /** Resolves when what was said before has been written down, or the connection has ended: UNSUBACK waits for the commit. */
  settled(): Promise<void> {
    if (this.line === null) return Promise.resolve();
    this.line.send({ cmd: "unsubscribe", messageId: SETTLED_ID, unsubscriptions: ["nothing"] });
    return new Promise((resolve) => this.#settling.push(resolve));
  }

  protected abstract onOpen(): void;

  protected abstract onPacket(packet: Packet): void;

  protected publish(to: { topic: string; messageId: number; dup?: boolean; text?: string }, says: object): void {
    const { text = "", dup = false, ...rest } = to;
    const packet = { cmd: "publish", ...rest, payload: Buffer.from(text), qos: 1, retain: false, dup } as const;
    this.line?.send({ ...packet, ...this.#says({ userProperties: says }) } as IPublishPacket);
  }

  /** Properties, where the version has some. */
  #says(properties: object): { properties?: object } {
    return this.version === 5 ? { properties } : {};
  }

  #onConnack({ reasonCode: code, returnCode, sessionPresent }: IConnackPacket): void {
    const reasonCode = code ?? returnCode;
    if (reasonCode !== 0) return this.ledger.accuse(`${this.clientId}: CONNACK refuses with ${reasonCode}`);
    if (this.#hasSession && !sessionPresent) this.ledger.accuse(`${this.clientId}: the session is gone`);
    const { filter, qos } = this;
    if (filter === undefined || this.#hasSession) return this.#open();
    const subscriptions = [{ topic: filter, qos }];
    const says = this.#says({ userProperties: { "start-at": "first" } });
    this.line?.send({ cmd: "subscribe", messageId: SUBSCRIBE_ID, subscriptions, ...says } as Packet);
  }

  #onSuback([granted]: readonly number[]): void {
    if (granted !== this.qos) this.ledger.accuse(`${this.clientId}: SUBACK says ${granted}`);
    this.#open();
  }

  #open(): void {
    this.#hasSession = !this.isClean;
    this.isOpen = true;
    this.onOpen();
  }
}
