import type { Send } from "../core/effects.ts";
import { SendKind } from "../core/effects.ts";
import type { QoS } from "../core/message.ts";
import type { Session } from "../core/session.ts";
import type { Turn } from "../core/turn.ts";
import { type MessageProperties, readMessageProperties } from "../wire/properties.ts";
import type { Speaker } from "./commit_loop.ts";

/** A message as the program gets it. */
export interface ReceivedMessage extends MessageProperties {
  /** What it was published to. */
  readonly topic: string;
  /** The payload; the reader's own. */
  readonly payload: Uint8Array;
  /** The lower of the publisher's and the subscription's. */
  readonly qos: QoS;
  /** Whether it is the topic's retained message, or was published to be. */
  readonly retain: boolean;
  /** Seconds left until it expires; undefined when it does not. */
  readonly expirySeconds?: number;
}

/** What a subscription of the program needs from the broker. */
export interface LocalSubscriptionParts {
  readonly session: Session;
  /** Messages kept for a reader that is behind; QoS 0 is dropped beyond it, QoS 1 and 2 wait in the session's queue. */
  readonly highWaterMark: number;
  /** Called when there is room again or a message was settled: sends what waits. */
  readonly pump: (decide: (turn: Turn) => void) => void;
  /** Called once at the end; `unread` when nobody will read what was received. */
  readonly onEnd: (options: { unread: boolean }) => void;
}

interface Waiting {
  readonly message: ReceivedMessage;
  readonly packetId: number;
}

/** The program's own subscription as a peer of the core: a stream of messages instead of a socket. A message counts as acknowledged
 * when it has been read. */
export class LocalSubscription implements Speaker {
  readonly isOpen = true;
  isDirty = false;
  heldSubacks = 0;
  heldAnswers = 0;
  congested = false;
  readonly stream: ReadableStream<ReceivedMessage>;
  readonly #parts: LocalSubscriptionParts;
  readonly #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(parts: LocalSubscriptionParts) {
    this.#parts = parts;
    this.stream = new ReadableStream<ReceivedMessage>({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.#end({ unread: true }),
    }, { highWaterMark: 0 });
  }

  speak(send: Send, turn: Turn): void {
    if (send.kind !== SendKind.publish || this.#isClosed) return;
    this.#waiting.push({ message: receivedMessage(send, turn.now), packetId: send.packetId });
    this.congested = this.#waiting.length >= this.#parts.highWaterMark;
  }

  transmit(): void {
    this.#wake?.();
  }

  /** Ends the stream once what was received has been read, and the subscription now. */
  close(): void {
    this.#end({ unread: false });
  }

  #end(options: { unread: boolean }): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.onEnd(options);
    this.#wake?.();
  }

  async #pull(controller: ReadableStreamDefaultController<ReceivedMessage>): Promise<void> {
    while (this.#waiting.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    const next = this.#waiting.shift();
    if (next === undefined) return controller.close();
    controller.enqueue(next.message);
    this.congested = this.#waiting.length >= this.#parts.highWaterMark;
    const { session } = this.#parts;
    if (next.packetId > 0) this.#parts.pump((turn) => session.settle(next.packetId, turn));
    else if (session.isWaiting && !this.congested) this.#parts.pump((turn) => session.pump(turn));
  }
}

function receivedMessage(send: Send, now: number): ReceivedMessage {
  const message = send.message!;
  const { expiresAt } = message;
  return {
    ...readMessageProperties(message.properties, message.propertiesStart, message.propertiesEnd),
    topic: message.topic.name,
    payload: message.payload.slice(), // the chunk is filled again
    qos: send.qos,
    retain: send.retain,
    expirySeconds: expiresAt === Infinity ? undefined : Math.max(0, Math.ceil((expiresAt - now) / 1000)),
  };
}
