import type { Queue } from "./queue.ts";
import type { QueueLog } from "./queue_log.ts";

/** Where a group starts, or goes to: `first` is the oldest message that is there, `last` is behind the newest, so that only what comes
 * from now on is read; an offset holds for every partition, a time for every message appended then or later. */
export type GroupStart =
  | { readonly kind: "default" | "first" | "last" }
  | { readonly kind: "offset"; readonly offset: number }
  /** Milliseconds since 1970. */
  | { readonly kind: "time"; readonly time: number };

/** The offset in `log`. What every group of a classic queue has settled is gone, also where it has not been trimmed yet. */
export function cursorAt(start: GroupStart, log: QueueLog, queue: Queue): number {
  switch (start.kind) {
    case "default":
      return queue.definition.type === "stream" ? log.next : firstOf(log, queue);
    case "first":
      return firstOf(log, queue);
    case "last":
      return log.next;
    case "offset":
      return start.offset;
    case "time": // what is older in that segment is skipped when it is read
      return log.offsetAt(start.time);
    default:
      return start satisfies never;
  }
}

/** What is older is passed over, where a group begins at a time. One that is still to come is now. */
export function notBefore(start: GroupStart, now: number): number {
  return start.kind === "time" ? Math.min(start.time, now) : 0;
}

function firstOf(log: QueueLog, queue: Queue): number {
  return queue.definition.type === "stream" ? log.first : queue.lowestPosition(log) ?? log.first;
}
