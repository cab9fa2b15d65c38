import { type Deadline, Deadlines } from "./deadlines.ts";
import type { Limits } from "./limits.ts";
import type { Message } from "./message.ts";
import { RetainedTree } from "./retained_tree.ts";
import type { Turn } from "./turn.ts";

/** Retained messages that expire in one go: of more, the others are due at once again. */
const EXPIRED_MAX = 512;

/** The retained messages of a broker: kept within its limits, stored, and gone when they expire. */
export class Retained {
  readonly #limits: Limits;
  readonly #tree = new RetainedTree();
  readonly #expiry = new Deadlines<Message>();
  readonly #deadlines = new Map<string, Deadline<Message>>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#tree.count;
  }

  /** When the next one expires, in milliseconds; Infinity when none does. */
  get nextDeadline(): number {
    return this.#expiry.next;
  }

  get(topic: string): Message | undefined {
    return this.#tree.get(topic);
  }

  /** As {@link RetainedTree.match}; one that has expired since the last {@link tick} is among them. */
  match(filter: string): Message[] {
    return this.#tree.match(filter);
  }

  /** As {@link RetainedTree.walk}; one that has expired since the last {@link tick} is among them. */
  walk(filter: string): Generator<Message | null> {
    return this.#tree.walk(filter);
  }

  /** Keeps a message in the place of its topic's former one, and stores it. One without a payload takes the former one away
   * ([MQTT-3.3.1-6]), and so does one that the limits have no room for: the topic's last message is the only one that it may serve
   * ([MQTT-3.3.1-5], 3.1.1: [MQTT-3.3.1-7]). */
  keep(message: Message, turn: Turn): void {
    const topic = message.topic.name;
    if (message.payloadEnd === message.payloadStart) return this.clear(topic, turn);
    if (!this.#hasRoom(message, turn)) {
      turn.drop("", topic, "retained-limit");
      return this.clear(topic, turn);
    }
    this.set(message.own());
    turn.effects.writes.push({ kind: "retained-set", topic, bodyId: turn.storedBody(message) });
    turn.effects.happenings.push({ kind: "message-retained", message });
  }

  /** Puts a message, which owns its bytes, in its place without storing it: it is stored already, or is not to be. */
  set(message: Message): void {
    this.#forgetExpiry(message.topic.name);
    this.#tree.set(message);
    if (message.expiresAt === Infinity) return;
    this.#deadlines.set(message.topic.name, this.#expiry.add(message.expiresAt, message));
  }

  /** Takes the topic's message away, if there is one. */
  clear(topic: string, turn: Turn): void {
    this.#forgetExpiry(topic);
    if (this.#tree.delete(topic) === undefined) return;
    turn.effects.writes.push({ kind: "retained-cleared", topic });
    turn.effects.happenings.push({ kind: "retained-cleared", topic });
  }

  /** Takes away what has expired by `turn.now`, some of it at a time. */
  tick(turn: Turn): void {
    for (let count = 0; count < EXPIRED_MAX; count++) {
      const due = this.#expiry.take(turn.now);
      if (due === undefined) return;
      this.clear(due.topic.name, turn);
    }
  }

  /** What takes no more than its topic's former message is no reason to lose that one, however the limits have changed. */
  #hasRoom(message: Message, { isStoreFull }: Turn): boolean {
    const { retainedMessagesMax, retainedBytesMax } = this.#limits;
    const growth = this.#tree.growth(message);
    if (growth > 0 && (isStoreFull || this.#tree.bytes + growth > retainedBytesMax)) return false;
    return this.count < retainedMessagesMax || this.get(message.topic.name) !== undefined;
  }

  #forgetExpiry(topic: string): void {
    const deadline = this.#deadlines.get(topic);
    if (deadline === undefined) return;
    this.#expiry.cancel(deadline);
    this.#deadlines.delete(topic);
  }
}
