import type { Group } from "./group.ts";
import type { QueueConsumer } from "./member.ts";
import type { JoinOptions } from "./queues.ts";

/** Consumers that have lost their queue and come back to it when there is one of its name again. */
export class Orphans {
  readonly #byQueue = new Map<string, Map<QueueConsumer, JoinOptions>>();

  add(options: JoinOptions): void {
    const waiting = this.#byQueue.get(options.queue);
    if (waiting !== undefined) waiting.set(options.consumer, options);
    else this.#byQueue.set(options.queue, new Map([[options.consumer, options]]));
  }

  delete(queue: string, consumer: QueueConsumer): void {
    const waiting = this.#byQueue.get(queue);
    if (waiting?.delete(consumer) && waiting.size === 0) this.#byQueue.delete(queue);
  }

  /** Those of a queue, which wait no longer. */
  take(queue: string): Iterable<JoinOptions> {
    const waiting = this.#byQueue.get(queue);
    this.#byQueue.delete(queue);
    return waiting?.values() ?? [];
  }
}

/** How the members of a group that go on without it would join it again. */
export function joinsOf({ name, filter, clientId, queue, members }: Group): JoinOptions[] {
  return members.filter(({ consumer }) => consumer.rejoined !== undefined).map(({ consumer, prefetch }) => ({
    queue: queue.name,
    group: name,
    filter,
    consumer,
    prefetch,
    start: { kind: "default" },
    boundToClient: clientId === consumer.id, // of those who joined another's group each has named it
  }));
}
