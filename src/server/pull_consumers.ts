import type { GuestPullOptions } from "../bridge/queue_gateway.ts";
import type { Settlement } from "../core/queue/custody.ts";
import type { QueueDelivery } from "../core/queue/delivery.ts";
import type { Queues } from "../core/queue/queues.ts";
import { Refusal } from "../core/refusal.ts";
import { quoted } from "../core/text.ts";
import type { Turn } from "../core/turn.ts";
import type { AlarmHandle, Clock } from "./clock.ts";
import { PullConsumer } from "./pull_consumer.ts";

/** Members of groups that pull, at a time. */
const CONSUMERS_MAX = 10_000;
/** How long one stays in its group that holds nothing and asks for nothing. */
const IDLE_MS = 30_000;

/** What they work with. */
interface PullConsumersParts {
  readonly queues: Queues;
  readonly clock: Clock;
  readonly decide: <T>(decide: (turn: Turn) => T) => T;
  readonly settled: () => Promise<void>;
}

/** Who pulls, from where, and how long it may. */
export interface Puller {
  readonly clientId: string;
  readonly username: string | undefined;
  /** The queue, for its dead letters with `/$dlq`. */
  readonly queue: string;
  readonly group: string;
  readonly expiresAt: number;
  /** Whether what the guest was let in by still is as it was. */
  readonly holds: () => boolean;
  /** Counts a subscription against its limits.
   * @throws {Refusal} */
  readonly meter: () => void;
  /** Whether it may still consume. */
  readonly may: () => boolean;
}

/** What was asked of a group before. */
interface Entry {
  puller: Puller;
  readonly consumer: PullConsumer;
  readonly filter: string;
  readonly prefetch: number;
  askedAt: number;
  alarm: AlarmHandle | undefined;
}

/** The guests that pull from queues, each a member of its group between its calls: known by its client, its user, the queue and the
 * group. It leaves when it holds nothing and was not heard of for a while, or when it may not consume any more. */
export class PullConsumers {
  readonly #parts: PullConsumersParts;
  readonly #entries = new Map<string, Entry>();

  constructor(parts: PullConsumersParts) {
    this.#parts = parts;
  }

  /** @throws {Refusal} as joining is refused, quota-exceeded for too many members
   * @throws {RangeError} another filter or prefetch than before while messages are held */
  async pull(puller: Puller, options: GuestPullOptions & { filter: string }): Promise<QueueDelivery[]> {
    const { queues, decide, settled, clock } = this.#parts;
    const entry = this.#entry(puller, options);
    entry.puller = puller;
    entry.askedAt = clock.now();
    const { consumer } = entry;
    const taken = await consumer.take(options, () => decide((turn) => queues.pump(consumer.member!, turn)));
    entry.askedAt = clock.now();
    if (options.signal.aborted && consumer.isIdle) this.#leave(entry, { isCrash: false });
    await settled();
    return taken.filter(({ isHeld }) => isHeld);
  }

  /** The message that a guest holds; undefined when it does not, or not any more. */
  held(
    puller: Pick<Puller, "clientId" | "username" | "queue" | "group">,
    messageId: string,
  ): QueueDelivery | undefined {
    const { queue, group } = puller;
    const entry = this.#entries.get(keyOf(puller));
    return entry && this.#parts.queues.held(entry.consumer, { queue, group, messageId });
  }

  /** False when it is not held any more. */
  settle(delivery: QueueDelivery, settlement: Settlement, turn: Turn): boolean {
    (delivery.member.consumer as PullConsumer).forget(delivery);
    return this.#parts.queues.settle(delivery, settlement, turn);
  }

  /** Acknowledges what a guest holds of a partition up to and with an offset; answers how many messages, undefined when it is in the group
   * no more. */
  commit(
    puller: Pick<Puller, "clientId" | "username" | "queue" | "group">,
    at: { readonly partition: number; readonly offset: number },
    turn: Turn,
  ): number | undefined {
    const consumer = this.#entries.get(keyOf(puller))?.consumer;
    if (consumer === undefined || consumer.isGone) return undefined;
    const count = this.#parts.queues.commit(consumer.member!, at, turn);
    for (const delivery of consumer.handed) if (!delivery.isHeld) consumer.forget(delivery);
    return count;
  }

  /** A guest leaves its group, and what it has is given to others. Where it was `isLost` that counts as failed, and it stays while
   * another call of its waits. */
  leave(
    puller: Pick<Puller, "clientId" | "username" | "queue" | "group">,
    { isLost }: { readonly isLost: boolean },
  ): void {
    const entry = this.#entries.get(keyOf(puller));
    if (entry === undefined || (isLost && entry.consumer.isAsked)) return;
    this.#leave(entry, { isCrash: isLost });
  }

  /** Those leave that `mayStay` does not let stay. */
  prune(mayStay: (puller: Puller) => boolean): void {
    for (const entry of [...this.#entries.values()]) if (!mayStay(entry.puller)) this.#leave(entry, { isCrash: true });
  }

  /** All leave, through no fault of theirs. */
  close(): void {
    for (const entry of [...this.#entries.values()]) this.#leave(entry, { isCrash: false });
  }

  #entry(puller: Puller, options: GuestPullOptions & { filter: string }): Entry {
    const { filter, prefetch = 0 } = options;
    const known = this.#entries.get(keyOf(puller));
    if (known !== undefined && !known.consumer.isGone) {
      if (known.filter === filter && known.prefetch === prefetch) return known;
      if (!known.consumer.isIdle) {
        throw new RangeError(
          `Cannot pull for the group ${
            quoted(puller.group)
          } with another filter or prefetch: messages are held, or waited for, ` +
            `with the former ones`,
        );
      }
    }
    if (known !== undefined) this.#leave(known, { isCrash: false });
    return this.#join(puller, options);
  }

  #join(
    puller: Puller,
    { filter, prefetch = 0, start = { kind: "default" } }: GuestPullOptions & { filter: string },
  ): Entry {
    if (this.#entries.size >= CONSUMERS_MAX) {
      throw new Refusal("quota-exceeded", `Cannot let one more pull from queues: the maximum is ${CONSUMERS_MAX}`);
    }
    puller.meter();
    const { queues, decide, clock } = this.#parts;
    const { queue, group, clientId } = puller;
    const consumer = new PullConsumer(clientId);
    const terms = { queue, group, filter, consumer, prefetch, start, boundToClient: false };
    consumer.member = decide((turn) => queues.join(terms, turn));
    const entry: Entry = { puller, consumer, filter, prefetch, askedAt: clock.now(), alarm: undefined };
    this.#entries.set(keyOf(puller), entry);
    entry.alarm = clock.set(this.#nextLook(entry), { ring: () => this.#look(entry) });
    return entry;
  }

  /** When it may have to leave. */
  #nextLook(entry: Entry): number {
    const { clock } = this.#parts;
    const now = clock.now();
    const idle = entry.askedAt + IDLE_MS;
    return Math.min(
      idle > now ? idle : now + IDLE_MS,
      now + Math.max(0, entry.puller.expiresAt - clock.timeOfDay(now)),
    );
  }

  /** Answers when to look again. */
  #look(entry: Entry): number {
    const { clock } = this.#parts;
    const now = clock.now();
    const { consumer, puller: { expiresAt, holds } } = entry;
    const isOver = clock.timeOfDay(now) >= expiresAt || !holds();
    if (!isOver && !consumer.isGone && !(consumer.isIdle && now >= entry.askedAt + IDLE_MS)) {
      return this.#nextLook(entry);
    }
    entry.alarm = undefined; // it is ringing
    this.#leave(entry, { isCrash: isOver });
    return Infinity;
  }

  #leave(entry: Entry, { isCrash }: { isCrash: boolean }): void {
    const { queues, decide, clock } = this.#parts;
    const { consumer } = entry;
    const key = keyOf(entry.puller);
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    if (entry.alarm !== undefined) clock.cancel(entry.alarm);
    const { member } = consumer;
    if (member !== null && !member.isGone) {
      decide((turn) => queues.leave(member, { isCrash, had: (delivery) => consumer.handed.has(delivery) }, turn));
    }
    consumer.end();
  }
}

function keyOf(
  { clientId, username, queue, group }: Pick<Puller, "clientId" | "username" | "queue" | "group">,
): string {
  return JSON.stringify([clientId, username ?? null, queue, group]);
}
