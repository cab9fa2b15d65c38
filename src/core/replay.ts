import type { Message } from "./message.ts";
import type { RouteEntry } from "./route.ts";
import type { SubscriptionOptions } from "./subscription.ts";

/** Retained messages that wait in a session's queue at a time. */
export const REPLAYED_MAX = 256;

/** Topics that are looked at until others get their turn, a millisecond. */
export const REPLAY_STEPS_MAX = 4_096;

/** What a new subscription calls for of the retained messages: taken bit by bit, as the session's queue has room, or else a thousand
 * clients that subscribe to everything would each have everything in their queue. */
export class Replay {
  readonly options: SubscriptionOptions;
  readonly entry: RouteEntry;
  /** Whether the store knows that it goes on. */
  isStored = false;
  readonly #walk: Iterator<Message | null>;

  constructor(options: SubscriptionOptions, entry: RouteEntry, walk: Iterator<Message | null>) {
    this.options = options;
    this.entry = entry;
    this.#walk = walk;
  }

  /** The next message; null for a topic that has none for the subscription, undefined at the end. */
  next(now: number): Message | null | undefined {
    const { value, done } = this.#walk.next();
    if (done === true) return undefined;
    return value !== null && value.expiresAt > now ? value : null;
  }
}
