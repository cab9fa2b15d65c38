import type { DatabaseSync } from "node:sqlite";
import type { QueueDefinition } from "../../core/queue/definition.ts";
import type { StoredQueues } from "../../core/queue/mutation.ts";
import { QueueLog } from "../../core/queue/queue_log.ts";
import { loadQueues } from "./queue_load.ts";
import { prepareQueues } from "./queue_statements.ts";

/** A durable queue as it is stored. */
export interface DurableRow {
  readonly name: string;
  readonly type: QueueDefinition["type"];
  readonly partitions: number;
  /** In the logs: of a classic queue a little more than waits, until it is trimmed. */
  readonly messages: number;
  /** Topics, properties and payloads. */
  readonly bytes: number;
  /** To be appended later. */
  readonly delayed: number;
  readonly groups: readonly DurableGroupRow[];
}

/** A consumer group. */
export interface DurableGroupRow {
  readonly name: string;
  /** Messages that it has not settled; estimated where a log has gaps. */
  readonly lag: number;
  /** Deliveries that have failed and are not settled. */
  readonly failed: number;
}

/** The durable queues by name; -1 is all. */
export function durableQueues(database: DatabaseSync, limit: number): DurableRow[] {
  const stored = loadQueues(database, prepareQueues(database));
  const sorted = stored.queues.toSorted((a, b) => a.definition.name < b.definition.name ? -1 : 1);
  return sorted.slice(0, limit < 0 ? undefined : limit).map(({ queueId, definition }) => {
    const logs = stored.logs.filter((log) => log.queueId === queueId).map((each) => {
      const log = new QueueLog(each, each.first);
      log.restore(each.next, each.segments);
      return log;
    });
    return {
      name: definition.name,
      type: definition.type,
      partitions: definition.partitions,
      messages: logs.reduce((sum, { count }) => sum + count, 0),
      bytes: logs.reduce((sum, { bytes }) => sum + bytes, 0),
      delayed: stored.delayed.find((each) => each.queueId === queueId)?.count ?? 0,
      groups: stored.groups.filter((group) => group.queueId === queueId).map(({ groupId, name }) => ({
        name,
        lag: logs.reduce((sum, log) => sum + lagOf(groupId, log, stored), 0),
        failed: stored.failures.filter((failure) => failure.groupId === groupId).length,
      })),
    };
  });
}

function lagOf(groupId: number, log: QueueLog, { positions }: StoredQueues): number {
  const place = positions.find((each) => each.groupId === groupId && each.logId === log.logId);
  if (place === undefined) return log.count;
  let lag = log.between(Math.max(place.position, log.first), log.next).count;
  for (let i = 0; i < place.settled.length; i += 2) {
    lag -= log.between(place.settled[i], Math.min(place.settled[i + 1], log.next)).count;
  }
  return Math.max(0, lag);
}
