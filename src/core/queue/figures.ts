import type { Queue } from "./queue.ts";

/** A queue in a few numbers, as metrics want them: what it costs to find them does not depend on how much waits. */
export interface QueueFigures {
  /** What the group that is furthest behind has not settled, or all that lies there while there is none; delayed messages included. */
  readonly waiting: number;
  /** Of these, what a consumer of that group could be given. */
  readonly ready: number;
  /** With a consumer of any group. */
  readonly unacked: number;
  readonly delayed: number;
  readonly groups: number;
  readonly consumers: number;
}

/** Counts anew. */
export function figuresOf(queue: Queue): QueueFigures {
  const waiting = queue.waiting.count;
  const delayed = queue.delayed.count;
  let ready = queue.groups.size === 0 ? waiting - delayed : 0;
  let unacked = 0;
  let consumers = 0;
  for (const { members, passed } of queue.groups.values()) {
    const held = members.reduce((sum, { held }) => sum + held, 0);
    ready = Math.max(ready, queue.appended - passed - held);
    unacked += held;
    consumers += members.length;
  }
  return { waiting, ready, unacked, delayed, groups: queue.groups.size, consumers };
}
