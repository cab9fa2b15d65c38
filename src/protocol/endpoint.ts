import type { Acknowledgement } from "../core/delivery.ts";
import type { Peer, Policy } from "../core/ports.ts";
import { type Send, SendKind } from "../core/effects.ts";
import { Refusal } from "../core/refusal.ts";
import type { Session } from "../core/session.ts";
import type { Topic } from "../core/topic.ts";
import type { Turn } from "../core/turn.ts";
import { AckHeader, writeAck, writePingresp } from "../wire/acknowledgement.ts";
import type { Outbox } from "../wire/outbox.ts";
import type { OutboxPool } from "../wire/outbox_pool.ts";
import { PACKET_BYTES_MAX, type ProtocolVersion } from "../wire/packet.ts";
import type { Dialect } from "./dialect.ts";
import type { PublishWriter } from "./publish_writer.ts";
import type { Meter } from "./rate_limiter.ts";
import { v5ReasonCode } from "./reason_code.ts";
import type { EndpointSettings } from "./settings.ts";
import { AliasesOut } from "./topic_alias.ts";
import { v3 } from "./v3.ts";
import { v5 } from "./v5.ts";

/** What an endpoint is given to work with; shared by the endpoints of a listener. */
export interface EndpointParts {
  readonly settings: EndpointSettings;
  readonly writer: PublishWriter;
  readonly owner: Transmitter;
}

/** What a durable queue is told of a message that its consumer does not accept: that it has failed. */
const TOO_LARGE: Acknowledgement = { reasonCode: v5ReasonCode["packet-too-large"], reason: "" };

/** What a client is told with CONNACK of what it asked for. */
class Greeting {
  wantsResponseInformation = false;
  requestedKeepAliveSeconds = 0;
  /** Of the session, as far as the limits allow. */
  grantedExpirySeconds = 0;
  /** The id that the broker made up; empty when the client brought one. */
  assignedClientId = "";
  /** What enhanced authentication agreed on; undefined without it. */
  authenticationMethod: string | undefined = undefined;
  /** The last word of enhanced authentication. */
  authenticationData: Uint8Array | undefined = undefined;
}

type AnswerKind = Exclude<SendKind, typeof SendKind.publish>;

/** Whoever empties an outbox. */
export interface Transmitter {
  /** Where outboxes come from. */
  readonly outboxes: OutboxPool;
  /** Called when the outbox should be emptied, and when the connection is to end after that. */
  transmit(): void;
}

/** The MQTT side of one connection: what was negotiated, and how things are said to this client. It dies with the socket;
 * what outlives it is the session. */
export class Endpoint implements Peer {
  readonly settings: EndpointSettings;
  readonly #owner: Transmitter;
  readonly #writer: PublishWriter;
  /** Only while something waits or is being written. */
  #outbox: Outbox | null = null;

  version: ProtocolVersion = 4;
  session: Session | null = null;
  policy: Policy | null = null;
  /** What the client does against the rate limits; null when there are none. */
  meter: Meter | null = null;
  /** Too many bytes wait; set while packets are written, taken back by whoever empties the outbox. */
  congested = false;
  /** Bytes that were taken out of the outbox and are not written yet; kept by whoever takes them. */
  unwrittenBytes = 0;
  /** Of those that wait, what answers the client's own packets; kept by whoever empties the outbox. */
  answerBytes = 0;
  /** CONNACK has been said; before it nothing else may be ([MQTT-3.2.0-1]). */
  isOpen = false;
  /** The last packet has been written: what comes now is not said any more. */
  isClosing = false;
  /** Waits to be emptied in this turn. */
  isDirty = false;
  /** SUBACKs that wait for the disk, and all answers that do; kept by the commit loop. */
  heldSubacks = 0;
  heldAnswers = 0;

  /** The client's Maximum Packet Size. */
  packetBytesMax = PACKET_BYTES_MAX;
  wantsProblemInformation = true;
  /** After the broker's own limit; 0 is off. */
  keepAliveSeconds = 0;
  /** As asked for in CONNECT. */
  requestedExpirySeconds = 0;
  /** What CONNACK will say beside the settings; null once it has been said. */
  greeting: Greeting | null = new Greeting();
  /** Topics by the alias that the client gave them; made with the first. */
  aliasesIn: (Topic | undefined)[] | null = null;
  /** Aliases given to the client; null when it wants none. */
  aliasesOut: AliasesOut | null = null;
  /** The topic of the client's last PUBLISH: mostly the next one's too. */
  lastTopic: Topic | null = null;

  constructor(parts: EndpointParts) {
    this.settings = parts.settings;
    this.#owner = parts.owner;
    this.#writer = parts.writer;
  }

  /** What is to be written; lent with the first of it. */
  get outbox(): Outbox {
    return this.#outbox ??= this.#owner.outboxes.take();
  }

  /** What has not been taken out of the outbox. */
  get waitingBytes(): number {
    return this.#outbox === null ? 0 : this.#outbox.size;
  }

  /** Gives the outbox back unless more waits in it. To be called when what was taken out of it is written. */
  returnOutbox(): void {
    if (this.#outbox === null || this.#outbox.size > 0) return;
    this.#owner.outboxes.give(this.#outbox);
    this.#outbox = null;
  }

  /** Empties the outbox; the owner decides when. */
  transmit(): void {
    this.#owner.transmit();
  }

  get dialect(): Dialect {
    return this.version === 5 ? v5 : v3;
  }

  /** The session is not this connection's any more: its client has said DISCONNECT, or another one has taken it over, which is told when
   * it is on disk. What the client sends from then on is for nobody: it would be done to the other's session, or to one that has ended. */
  get hasLeft(): boolean {
    return this.session !== null && this.session.peer !== this;
  }

  /** Says one thing, in this client's version. A message that is larger than the client accepts is given up, as if it had been
   * delivered ([MQTT-3.1.2-25]). */
  speak(send: Send, turn: Turn): void {
    if (this.isClosing || (!this.isOpen && send.kind !== SendKind.connack && send.kind !== SendKind.disconnect)) return;
    const { kind } = send;
    if (kind !== SendKind.publish) return this.#answer(kind, send);
    if (!this.#writer.write(this, send, turn.now)) this.#giveUp(send, turn);
    this.congested ||= this.waitingBytes + this.unwrittenBytes > this.settings.outboxBytesMax;
  }

  #answer(kind: AnswerKind, send: Send): void {
    const before = this.outbox.length;
    this.#sayAnswer(kind, send);
    this.answerBytes += this.outbox.length - before;
  }

  #sayAnswer(kind: AnswerKind, send: Send): void {
    switch (kind) {
      case SendKind.puback:
        return this.#acknowledge(AckHeader.puback, send);
      case SendKind.pubrec:
        return this.#acknowledge(AckHeader.pubrec, send);
      case SendKind.pubrel:
        return this.#acknowledge(AckHeader.pubrel, send);
      case SendKind.pubcomp:
        return this.#acknowledge(AckHeader.pubcomp, send);
      case SendKind.connack:
        return this.#open(send.sessionPresent);
      case SendKind.suback:
        return this.tell(() => this.dialect.suback(this, send));
      case SendKind.unsuback:
        return this.tell(() => this.dialect.unsuback(this, send));
      case SendKind.pingresp:
        return writePingresp(this.outbox);
      case SendKind.disconnect:
        return this.close(send);
      default:
        unreachable(kind);
    }
  }

  /** Says why, where the version can, and ends the connection once that is written. */
  close(reason: Pick<Send, "outcome" | "reason">): void {
    if (this.isClosing) return;
    if (this.isOpen) this.dialect.disconnect(this, reason);
    this.isClosing = true;
  }

  /** Says what has to be said; where that is more than the client accepts, the connection cannot go on ([MQTT-3.1.2-24]). */
  tell(write: () => number): void {
    const before = this.outbox.length;
    if (write() <= this.packetBytesMax) return;
    this.outbox.length = before;
    this.close({ outcome: "packet-too-large", reason: "" });
  }

  /** To be asked before the client gets a session: what it was told would be too late for it to matter.
   * @throws {Refusal} packet-too-large when it does not take the CONNACK that accepts it ([MQTT-3.1.2-24]) */
  assertConnackFits(): void {
    if (this.packetBytesMax === PACKET_BYTES_MAX) return;
    const before = this.outbox.length;
    const bytes = this.dialect.connack(this, false);
    this.outbox.length = before;
    if (bytes <= this.packetBytesMax) return;
    throw new Refusal(
      "packet-too-large",
      `Cannot send a CONNACK of ${bytes} bytes: the client takes no more than ${this.packetBytesMax}`,
    );
  }

  #open(sessionPresent: boolean): void {
    this.dialect.connack(this, sessionPresent);
    this.isOpen = true;
    this.greeting = null;
  }

  #acknowledge(header: number, send: Send): void {
    if (send.outcome === "success") writeAck(this.outbox, header, send.packetId);
    else this.dialect.acknowledge(this, header, send);
  }

  #giveUp(send: Send, turn: Turn): void {
    const session = send.session!;
    turn.drop(session.clientId, send.message!.topic.name, "packet-too-large");
    if (send.packetId !== 0) session.settle(send.packetId, turn, TOO_LARGE);
  }
}

/** For the `default` of a switch that covers a union: a new member does not compile until it is handled. */
function unreachable(value: never): never {
  throw new Error(`Cannot handle ${JSON.stringify(value)}: nothing else exists`);
}
