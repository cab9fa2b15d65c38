import type { Deadline } from "../deadlines.ts";
import type { Turn } from "../turn.ts";
import type { QueueDelivery } from "./delivery.ts";
import type { Due } from "./due.ts";
import type { GroupLog } from "./group_log.ts";
import type { ItemHeap } from "./item_heap.ts";
import { type QueueRecord, recordBytes } from "./record.ts";

/** Where a message of a group's window stands: behind another one of its key, to be delivered, with a consumer, waiting for its next
 * delivery, or done with. */
export const ItemState = { waiting: 0, ready: 1, held: 2, retrying: 3, gone: 4 } as const;

export type ItemState = typeof ItemState[keyof typeof ItemState];

/** A message in the window of one group, from when it is read until it is settled. */
export class QueueItem implements Due {
  readonly record: QueueRecord;
  readonly place: GroupLog;
  readonly bytes: number;
  state: ItemState = ItemState.waiting;
  /** A compaction has taken it out of its log: it is nowhere but here. */
  isMissing = false;
  /** Deliveries that have failed, and when the first one did. */
  failures = 0;
  failedAt = 0;
  /** When it may be delivered again; 0 is at once. */
  dueAt = 0;
  /** The one under way: whoever has another is not the holder any more. */
  delivery: QueueDelivery | null = null;
  retry: Deadline<Due> | null = null;
  /** Those of the same key that wait for this one. */
  followers: ItemHeap | null = null;
  /** Where it waits, be it for its key or to be delivered; kept by the heap. */
  heap: ItemHeap | null = null;
  heapIndex = 0;
  /** Its neighbours in the window. */
  before: QueueItem | null = null;
  after: QueueItem | null = null;

  constructor(record: QueueRecord, place: GroupLog) {
    this.record = record;
    this.place = place;
    this.bytes = recordBytes(record);
  }

  /** It may be delivered again. */
  due(turn: Turn): void {
    this.place.group.custody.retry(this, turn);
  }
}
