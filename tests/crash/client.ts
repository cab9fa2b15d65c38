import { Buffer } from "node:buffer";
import type { IConnectPacket, IPublishPacket, ISubscribePacket, Packet } from "mqtt-packet";
import type { Account, Ledger, Stream, Want } from "./ledger.ts";
import { Line, type Version } from "./line.ts";
import { between, type Random } from "./random.ts";
import type { Wills } from "./wills.ts";

/** What a client is like. */
export interface ClientOptions {
  readonly clientId: string;
  readonly version: Version;
  readonly wants?: readonly Want[];
  readonly receiveMaximum?: number;
  /** Seconds between the end of a connection and its will; 0 where the version knows no delay. */
  readonly willDelay?: number;
}

/** What the clients of one run share. */
export interface ClientParts {
  readonly ledger: Ledger;
  readonly wills: Wills;
  readonly random: Random;
}

interface Outgoing {
  readonly stream: Stream;
  readonly number: number;
  /** PUBREC has come: only PUBREL is sent from then on. */
  isReleased: boolean;
}

/** Few packet ids, so that one that the broker does not let go is soon met again. */
const PACKET_IDS = 60;

/** Of requests that are only about their answer. */
const SETTLED_ID = 1_000;

/** How long an answer may be kept back, so that a crash finds exchanges at every point. */
const ANSWER_MS_MAX = 20;

/** A client that keeps its word: its session outlives connections and crashes of the broker, what is not acknowledged it sends again
 * with DUP and the same packet id ([MQTT-4.4.0-1]), a QoS 2 message it takes once. */
export class Client implements Account {
  readonly clientId: string;
  readonly version: Version;
  readonly wants: readonly Want[];
  readonly #options: ClientOptions;
  readonly #parts: ClientParts;
  #line: Line | null = null;
  #connections = 0;
  /** CONNACK has come on this connection. */
  isOpen = false;
  /** The session has been told to exist: it may never be absent again. */
  #hasSession = false;
  /** SUBACKs that have not come. */
  #unsubscribed: number;
  readonly #outgoing = new Map<number, Outgoing>();
  /** QoS 2 messages that were taken and not released, by packet id. */
  readonly #incoming = new Map<number, string>();
  #answers: Packet[] = [];
  #lastPacketId = 0;
  #settling: (() => void)[] = [];
  /** Called when an acknowledgement has made room, or a connection is open. */
  onRoom: () => void = () => {};

  constructor(options: ClientOptions, parts: ClientParts) {
    this.#options = options;
    this.#parts = parts;
    this.clientId = options.clientId;
    this.version = options.version;
    this.wants = options.wants ?? [];
    this.#unsubscribed = this.wants.length;
  }

  /** Messages and subscriptions that wait for their acknowledgement. */
  get outstanding(): number {
    return this.#outgoing.size + this.#unsubscribed;
  }

  /** Whether QoS 2 messages wait for their PUBREL. */
  get isIdle(): boolean {
    return this.isOpen && this.#incoming.size === 0 && this.#answers.length === 0;
  }

  /** Connects to its session and goes on where it was; false when the connection ended before CONNACK. */
  async connect(port: number): Promise<boolean> {
    const number = ++this.#connections;
    const opened = Promise.withResolvers<boolean>();
    let line: Line;
    try {
      line = await Line.open(port, this.version, (packet) => {
        if (this.#line !== line) return; // another connection has taken over
        if (packet.cmd !== "connack") return this.#onPacket(packet);
        this.#onConnack(packet as { sessionPresent: boolean; reasonCode?: number; returnCode?: number }, number);
        opened.resolve(true);
      });
    } catch {
      return false; // the broker is down
    }
    this.#line = line;
    this.isOpen = false;
    this.#answers = [];
    line.send(this.#connectPacket(number));
    void line.ended.then(() => {
      this.#onEnded(line, number);
      opened.resolve(false);
    });
    return await opened.promise;
  }

  /** Says DISCONNECT and waits until the broker has closed the connection. */
  async disconnect(): Promise<void> {
    const line = this.#line;
    if (line === null || !this.isOpen) return;
    this.#parts.wills.renounced(this.clientId, this.#connections);
    this.isOpen = false;
    line.send({ cmd: "disconnect" } as Packet);
    await line.ended;
  }

  /** Drops the connection without a word. */
  async drop(): Promise<void> {
    this.#line?.close();
    await this.#line?.ended;
  }

  /** Publishes the next message of the stream. */
  publish(stream: Stream): void {
    const packetId = this.#nextPacketId();
    this.#outgoing.set(packetId, { stream, number: ++stream.last, isReleased: false });
    this.#sendOutgoing(packetId, false);
  }

  /** Subscribes to all that it wants, as a client may do again at any time. */
  subscribe(): void {
    this.#unsubscribed = this.wants.length;
    for (const want of this.wants) {
      const { filter, qos, identifier, retainAsPublished = false, noLocal = false, retainHandling = 0 } = want;
      const options = this.version === 5 ? { rap: retainAsPublished, nl: noLocal, rh: retainHandling } : {};
      const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } };
      const subscriptions = [{ topic: filter, qos, ...options }];
      const messageId = this.#nextPacketId() + PACKET_IDS; // beside those of messages
      this.#line?.send({ cmd: "subscribe", messageId, subscriptions, ...properties } as ISubscribePacket);
    }
  }

  /** Resolves when what was said before has been written down and answered, or the connection has ended: UNSUBACK waits for the
   * commit, PINGRESP would not. */
  settled(): Promise<void> {
    const line = this.#line;
    if (line === null) return Promise.resolve();
    this.#sendAnswers(line);
    line.send({ cmd: "unsubscribe", messageId: SETTLED_ID, unsubscriptions: ["nothing"] });
    return Promise.race([line.ended, new Promise<void>((resolve) => this.#settling.push(resolve))]);
  }

  #connectPacket(number: number): IConnectPacket {
    const { clientId, receiveMaximum, willDelay = 0 } = this.#options;
    const isV5 = this.version === 5;
    const will = this.#parts.wills.willOf(clientId, number);
    return {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: this.version,
      clientId,
      clean: false,
      keepalive: 0,
      will: { ...will, ...(isV5 ? { properties: { willDelayInterval: willDelay } } : {}) },
      ...(isV5
        ? { properties: { sessionExpiryInterval: 3600, ...(receiveMaximum === undefined ? {} : { receiveMaximum }) } }
        : {}),
    } as IConnectPacket;
  }

  #onConnack(connack: { sessionPresent: boolean; reasonCode?: number; returnCode?: number }, number: number): void {
    const { ledger, wills } = this.#parts;
    const code = connack.reasonCode ?? connack.returnCode;
    if (code !== 0) return ledger.accuse(`${this.clientId}: CONNACK refuses with ${code}`);
    if (this.#hasSession && !connack.sessionPresent) ledger.accuse(`${this.clientId}: the session is gone`);
    this.#hasSession = true;
    this.isOpen = true;
    wills.accepted(this.clientId, number);
    if (this.#unsubscribed > 0) this.subscribe();
    for (const packetId of this.#outgoing.keys()) this.#sendOutgoing(packetId, true);
    this.onRoom();
  }

  #onEnded(line: Line, number: number): void {
    this.#parts.wills.lost(this.clientId, number);
    if (this.#line !== line) return;
    this.#line = null;
    this.isOpen = false;
    this.#answers = [];
    this.#settling = [];
  }

  #onPacket(packet: Packet): void {
    const { messageId = 0 } = packet;
    switch (packet.cmd) {
      case "publish":
        return this.#onPublish(packet);
      case "puback":
        return this.#onAccepted(messageId, 1);
      case "pubrec":
        return this.#onAccepted(messageId, 2);
      case "pubcomp":
        this.#outgoing.delete(messageId);
        return this.onRoom();
      case "pubrel":
        this.#incoming.delete(messageId);
        return this.#answer({ cmd: "pubcomp", messageId });
      case "suback":
        this.#unsubscribed--;
        return;
      case "unsuback":
        this.#settling.shift()?.();
        return;
      default:
        this.#parts.ledger.accuse(`${this.clientId} was told ${JSON.stringify(packet)}`);
    }
  }

  #onAccepted(packetId: number, qos: 1 | 2): void {
    const outgoing = this.#outgoing.get(packetId);
    if (outgoing === undefined || outgoing.stream.qos !== qos) {
      return this.#parts.ledger.accuse(`${this.clientId}: ${packetId} is acknowledged, which is not under way`);
    }
    outgoing.stream.accepted.add(outgoing.number);
    if (qos === 2) {
      outgoing.isReleased = true;
      return this.#line?.send({ cmd: "pubrel", messageId: packetId });
    }
    this.#outgoing.delete(packetId);
    this.onRoom();
  }

  #onPublish(packet: IPublishPacket): void {
    const { topic, qos, dup, retain, messageId = 0, properties } = packet;
    const number = Number(Buffer.from(packet.payload).toString());
    const { ledger, wills } = this.#parts;
    const key = `${topic} ${number}`;
    const known = this.#incoming.get(messageId);
    if (qos === 2 && known !== undefined) {
      if (known !== key || !dup) {
        ledger.accuse(`${this.clientId}: id ${messageId} is ${known}'s, and ${key} came with it`);
      }
    } else if (topic.startsWith("w/")) {
      wills.arrived(topic.slice(2), number);
    } else {
      const identifiers = [properties?.subscriptionIdentifier ?? []].flat();
      ledger.arrived(this, { topic, number, qos, dup, retain, packetId: messageId, identifiers });
    }
    if (qos === 1) this.#answer({ cmd: "puback", messageId });
    if (qos !== 2) return;
    this.#incoming.set(messageId, key);
    this.#answer({ cmd: "pubrec", messageId });
  }

  /** Answers in order, now or a little later. */
  #answer(packet: Packet): void {
    this.#answers.push(packet);
    if (this.#answers.length > 1) return;
    const { random } = this.#parts;
    if (random() < 0.7) return this.#sendAnswers(this.#line);
    const line = this.#line;
    setTimeout(() => this.#sendAnswers(line), between(random, 1, ANSWER_MS_MAX));
  }

  #sendAnswers(line: Line | null): void {
    if (line === null || line !== this.#line) return;
    for (const answer of this.#answers.splice(0)) line.send(answer);
  }

  #sendOutgoing(packetId: number, isAgain: boolean): void {
    const { stream, number, isReleased } = this.#outgoing.get(packetId)!;
    const { topic, qos, retain } = stream;
    if (isReleased) return this.#line?.send({ cmd: "pubrel", messageId: packetId });
    if (isAgain) stream.resent.add(number);
    const payload = Buffer.from(`${number}`);
    this.#line?.send({ cmd: "publish", topic, payload, qos, retain, dup: isAgain, messageId: packetId } as Packet);
  }

  #nextPacketId(): number {
    do this.#lastPacketId = this.#lastPacketId % PACKET_IDS + 1; while (this.#outgoing.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}
