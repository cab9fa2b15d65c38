import type { QueueOrdering } from "./definition.ts";
import type { GroupLog } from "./group_log.ts";
import { ItemState, type QueueItem } from "./item.ts";
import { ItemHeap } from "./item_heap.ts";
import type { Lane } from "./lane.ts";

/** One partition as a group sees it: its logs by priority, what is to be delivered next, and which keys are under way. */
export class GroupPartition {
  readonly index: number;
  readonly ordering: QueueOrdering;
  /** By priority; those that are not used are missing. */
  readonly places: (GroupLog | undefined)[] = [];
  /** Whom it is served to; null while nobody is there. */
  lane: Lane | null = null;
  /** The lane that knows that something is ready. */
  listedIn: Lane | null = null;
  readonly #ready = new ItemHeap();
  /** For each key the message in front: ready, with a consumer, or waiting for its next delivery. */
  readonly #fronts = new Map<string, QueueItem>();

  constructor(index: number, ordering: QueueOrdering) {
    this.index = index;
    this.ordering = ordering;
  }

  /** Whether something can be delivered now: not while the store is asked for what has a higher priority. */
  get hasReady(): boolean {
    const first = this.#ready.first;
    return first !== undefined && !this.#awaitsAbove(first.record.priority);
  }

  /** What the store was asked for has come: what waited for it may go. */
  relist(): void {
    if (this.hasReady) this.lane?.list(this);
  }

  /** Takes a message in: true when it is the front of its key, or has none, and may be delivered as far as that goes. */
  enter(item: QueueItem): boolean {
    const key = this.#keyOf(item);
    if (key === "") return true;
    const front = this.#fronts.get(key);
    if (front === undefined) {
      this.#fronts.set(key, item);
      return true;
    }
    (front.followers ??= new ItemHeap()).push(item);
    return false;
  }

  /** To be delivered as soon as somebody has room. */
  makeReady(item: QueueItem): void {
    item.state = ItemState.ready;
    this.#ready.push(item);
    this.lane?.list(this);
  }

  /** Takes out what is delivered next. */
  take(): QueueItem | undefined {
    return this.#ready.pop();
  }

  /** A message is done with: the next one of its key is the front now, and is answered. */
  leave(item: QueueItem): QueueItem | undefined {
    item.heap?.remove(item);
    const key = this.#keyOf(item);
    if (key === "" || this.#fronts.get(key) !== item) return undefined;
    const { followers } = item;
    const next = followers?.pop();
    if (next === undefined) {
      this.#fronts.delete(key);
      return undefined;
    }
    if (followers!.size > 0) next.followers = followers;
    item.followers = null;
    this.#fronts.set(key, next);
    return next;
  }

  /** Forgets all messages. */
  clear(): void {
    this.#ready.clear();
    this.#fronts.clear();
  }

  #awaitsAbove(priority: number): boolean {
    for (let above = this.places.length - 1; above > priority; above--) {
      const place = this.places[above];
      if (place !== undefined && place.load !== null && place.items.size === 0) return true;
    }
    return false;
  }

  /** Empty for a message that is held back by no other. With `strict` all are of one key. */
  #keyOf({ record }: QueueItem): string {
    if (this.ordering === "partition") return record.key;
    return this.ordering === "strict" ? "strict" : "";
  }
}
