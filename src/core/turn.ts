import { WindowTotal } from "./delivery_queue.ts";
import { Effects } from "./effects.ts";
import type { DropCause } from "./happening.ts";
import { Holdings } from "./holdings.ts";
import type { Limits } from "./limits.ts";
import type { Message } from "./message.ts";
import { Statistics } from "./statistics.ts";

/** What every decision is handed: the time, the limits, and the buffer that takes its effects.
 * One is used again and again; the shell sets `now` and swaps `effects`. */
export class Turn {
  /** Milliseconds, handed in. */
  now = 0;
  effects: Effects = new Effects();
  /** Whether happenings of every single message are wanted; those of connections and sessions are always kept. */
  watchesMessages = false;
  /** Whether the store has no room: nothing more is kept in it. Set by the shell. */
  isStoreFull = false;
  /** Whether a store without room still takes messages that are under way to somebody, or take the place of others; what would have to
   * be kept besides is dropped as at the limits of a session's queue and of retained messages. Otherwise it is refused. Set by the shell. */
  hasReserve = false;
  readonly limits: Limits;
  readonly statistics: Statistics = new Statistics();
  /** What the queues of all sessions have in memory. */
  readonly windows: WindowTotal = new WindowTotal();
  /** What users and addresses have. */
  readonly holdings: Holdings = new Holdings();
  #lastBodyId = 0;
  #lastSequence = 0;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** Writes the body of `message` unless it is stored already, and answers its id. */
  storedBody(message: Message): number {
    if (message.bodyId !== 0) return message.bodyId;
    message.own();
    message.bodyId = ++this.#lastBodyId;
    this.effects.writes.push({
      kind: "body-stored",
      bodyId: message.bodyId,
      topic: message.topic.name,
      qos: message.qos,
      retain: message.retain,
      properties: message.properties.subarray(message.propertiesStart, message.propertiesEnd),
      payload: message.payload,
      expiresAt: message.expiresAt,
    });
    return message.bodyId;
  }

  /** The place of the next stored delivery among those of all sessions. */
  nextSequence(): number {
    return ++this.#lastSequence;
  }

  /** What a restart brought back keeps its ids; new ones come after them. */
  skipIds(upTo: { bodyId: number; sequence: number }): void {
    this.#lastBodyId = Math.max(this.#lastBodyId, upTo.bodyId);
    this.#lastSequence = Math.max(this.#lastSequence, upTo.sequence);
  }

  /** Counts and tells that a message did not reach a client, or was not taken from one. */
  drop(clientId: string, topic: string, cause: DropCause): void {
    this.countDropped(cause, 1);
    this.effects.happenings.push({ kind: "message-dropped", clientId, topic, cause });
  }

  /** Counts dropped messages that are too many to be told one by one. */
  countDropped(cause: DropCause, count: number): void {
    this.statistics.messagesDropped += count;
    this.statistics.droppedByCause[cause] += count;
  }
}
