import type { Turn } from "../turn.ts";
import type { QueueDelayPage } from "./ports.ts";
import type { Queue } from "./queue.ts";
import { type QueueEntry, recordBytes } from "./record.ts";

/** Delays that are appended at a time. */
const DELAYS_MAX = 1_000;

/** Messages that are appended later. They lie in the store; here is when it has to be asked for them. */
export class Delays {
  #nextAt = Infinity;
  /** The store has been asked; what is delayed meanwhile may not be in its answer. */
  #isAsking = false;

  restore(nextAt: number): void {
    this.#nextAt = nextAt;
  }

  /** When the store has to be asked; Infinity for never, or while it is asked. */
  get nextAt(): number {
    return this.#isAsking ? Infinity : this.#nextAt;
  }

  add(queue: Queue, delay: { partition: number; entry: QueueEntry; dueAt: number }, turn: Turn): void {
    const { count, bytes } = queue.delayed;
    queue.delayed = { count: count + 1, bytes: bytes + recordBytes(delay.entry) };
    const delayId = queue.context.nextId();
    turn.effects.writes.push({ kind: "queue-delayed", delayId, queueId: queue.queueId, ...delay });
    this.#nextAt = Math.min(this.#nextAt, delay.dueAt);
  }

  /** Asks for what is due, if anything is. */
  ask(turn: Turn): void {
    if (this.nextAt > turn.now) return;
    this.#isAsking = true;
    this.#nextAt = Infinity;
    turn.effects.queueLoads.push({ kind: "delays", now: turn.now, limit: DELAYS_MAX });
  }

  /** Appends what was due. */
  answer(page: QueueDelayPage, queueOf: (queueId: number) => Queue | undefined, turn: Turn): void {
    this.#isAsking = false;
    this.#nextAt = Math.min(this.#nextAt, page.nextAt);
    for (const { delayId, queueId, partition, entry } of page.delays) {
      const queue = queueOf(queueId);
      if (queue === undefined || delayId <= queue.delaysPurged) continue; // deleted or purged meanwhile
      turn.effects.writes.push({ kind: "queue-delay-ended", delayId });
      const { count, bytes } = queue.delayed;
      queue.delayed = { count: count - 1, bytes: bytes - recordBytes(entry) };
      queue.append(entry, partition, turn);
    }
  }
}
