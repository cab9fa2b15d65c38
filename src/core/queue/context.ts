import type { Deadlines } from "../deadlines.ts";
import type { Turn } from "../turn.ts";
import type { Due } from "./due.ts";
import type { Group } from "./group.ts";
import type { QueueItem } from "./item.ts";
import type { Queue } from "./queue.ts";
import type { DeadLetterCause } from "./record.ts";

/** What a queue asks of those around it. */
export interface QueueContext {
  readonly random: () => number;
  readonly deadlines: Deadlines<Due>;
  /** Ids of queues, logs, groups and delays. */
  nextId(): number;
  /** Appends a message to the dead letters of its queue; false when there is no room. */
  bury(item: QueueItem, why: { cause: DeadLetterCause; reason: string }, turn: Turn): boolean;
  /** A group that belongs to a client's session has come or gone. */
  noteClientGroup(group: Group, isThere: boolean): void;
  /** There is one more queue. */
  queueAdded(queue: Queue, turn: Turn): void;
}
