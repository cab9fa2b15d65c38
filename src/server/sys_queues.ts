import { deadLetterName, parentName } from "../core/queue/dead_letters.ts";
import { figuresOf } from "../core/queue/figures.ts";
import type { Queue } from "../core/queue/queue.ts";
import type { Queues } from "../core/queue/queues.ts";

/** Queues that are told of one by one, the first by name; the sums are those of all. */
const NAMED_MAX = 100;

/** How things stand. */
const STANDINGS = ["waiting", "ready", "unacked", "delayed", "dead"] as const;

/** What was done since the broker started, by the queues that are there. */
const WORK = ["appended", "duplicates", "delivered", "acknowledged", "failed", "dead-lettered", "dropped"] as const;

/** Of which it is told how many come in a second. */
const RATES = ["appended", "delivered", "acknowledged"] as const;

type Row = ReturnType<SysQueues["row"]>;

/** What `$SYS/broker/queues/...` tells. */
export class SysQueues {
  readonly #queues: Queues;
  #before: { readonly at: number; readonly work: Readonly<Record<string, number>> } | undefined;

  constructor(queues: Queues) {
    this.#queues = queues;
  }

  /** The values by name; rates are those since they were asked for the last time, 0 the first time. Dead letters count as dead, neither
   * as waiting nor as work. `now` is in milliseconds. */
  values(now: number): Record<string, number> {
    const queues = [...this.#queues.list()].filter(({ name }) => parentName(name) === undefined);
    const rows = queues.map((queue) => ({ name: queue.name, row: this.row(queue) }));
    const sum = (name: keyof Row) => rows.reduce((sum, { row }) => sum + row[name], 0);
    const work = picked(WORK, sum);
    const named = rows.toSorted((a, b) => a.name < b.name ? -1 : 1).slice(0, NAMED_MAX);
    return Object.assign(
      prefixed("queues/", { count: queues.length, ...picked(["groups", "consumers"], sum) }),
      prefixed("queues/messages/", { ...picked(STANDINGS, sum), ...work }),
      prefixed("queues/rate/", this.#rates(work, now)),
      ...named.map(({ name, row }) => prefixed(`queues/name/${name}/`, row)),
    );
  }

  /** What is told of one queue. */
  row(queue: Queue) {
    const { appended, duplicates, delivered, acknowledged, failed, deadLettered, dropped } = queue.statistics;
    return {
      ...figuresOf(queue),
      dead: this.#queues.find(deadLetterName(queue.name))?.waiting.count ?? 0,
      ...{ appended, duplicates, delivered, acknowledged, failed },
      "dead-lettered": deadLettered,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
    };
  }

  #rates(work: Readonly<Record<string, number>>, now: number): Record<string, number> {
    const before = this.#before;
    this.#before = { at: now, work };
    return picked(RATES, (name) => {
      if (before === undefined || now <= before.at) return 0;
      const more = Math.max(0, work[name] - before.work[name]); // a queue that was deleted has taken its own along
      return Math.round(10_000 * more / (now - before.at)) / 10;
    });
  }
}

function picked<Name extends string>(names: readonly Name[], valueOf: (name: Name) => number): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<Name, number>;
}

function prefixed(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
}
