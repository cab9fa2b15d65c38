import type { QueueDefinition } from "./definition.ts";
import type { Group } from "./group.ts";
import { ItemState } from "./item.ts";
import type { Queue } from "./queue.ts";
import type { QueueStatistics } from "./queue_statistics.ts";

/** A queue as people and metrics see it now. */
export interface QueueView {
  readonly definition: QueueDefinition;
  /** What waits: see {@link QueueDefinition.limits}; delayed messages included. */
  readonly waiting: { readonly count: number; readonly bytes: number };
  /** What lies in the logs: of a classic queue a little more than waits, until it is trimmed. */
  readonly stored: { readonly count: number; readonly bytes: number };
  readonly delayed: { readonly count: number; readonly bytes: number };
  readonly partitions: readonly QueuePartitionView[];
  readonly groups: readonly QueueGroupView[];
  readonly statistics: Readonly<QueueStatistics>;
}

export interface QueuePartitionView {
  readonly partition: number;
  /** The oldest offset that is not trimmed, and the next one. */
  readonly first: number;
  readonly next: number;
  readonly count: number;
  readonly bytes: number;
  /** The logs by priority: what a page of messages is asked from the store by. */
  readonly logs: readonly {
    readonly logId: number;
    readonly priority: number;
    readonly first: number;
    readonly next: number;
  }[];
}

export interface QueueGroupView {
  readonly name: string;
  readonly filter: string;
  /** The client whose session it ends with; empty for one that stays. */
  readonly clientId: string;
  /** What it has not settled. */
  readonly unsettled: number;
  /** With a consumer. */
  readonly inFlight: number;
  /** Of those that were looked at: failed, and waiting for their next delivery. */
  readonly retrying: number;
  readonly members: readonly {
    readonly clientId: string;
    readonly held: number;
    readonly partitions: readonly number[];
  }[];
  /** Milliseconds since 1970 since when it has no member; 0 while it has one. */
  readonly idleSince: number;
  /** Where it is in each log. */
  readonly positions: readonly { readonly partition: number; readonly priority: number; readonly position: number }[];
}

/** Looks at everything once: not for every message. */
export function viewOf(queue: Queue): QueueView {
  return {
    definition: queue.definition,
    waiting: queue.waiting,
    stored: { count: queue.count, bytes: queue.bytes },
    delayed: { ...queue.delayed },
    partitions: queue.partitions.map((partition) => {
      const logs = partition.logs.filter((log) => log !== undefined);
      return {
        partition: partition.index,
        first: logs.length === 0 ? partition.next : Math.min(...logs.map(({ first }) => first)),
        next: partition.next,
        count: logs.reduce((sum, { count }) => sum + count, 0),
        bytes: logs.reduce((sum, { bytes }) => sum + bytes, 0),
        logs: logs.map(({ logId, priority, first, next }) => ({ logId, priority, first, next })),
      };
    }),
    groups: [...queue.groups.values()].map(groupViewOf),
    statistics: queue.statistics,
  };
}

function groupViewOf(group: Group): QueueGroupView {
  const { name, filter, clientId, idleSince, members } = group;
  const places = [...group.places()];
  const retrying = places.reduce((sum, { items }) => {
    return sum + [...items.values()].filter(({ state }) => state === ItemState.retrying).length;
  }, 0);
  return {
    name,
    filter,
    clientId,
    idleSince,
    unsettled: places.reduce((sum, place) => sum + place.unsettled, 0),
    inFlight: members.reduce((sum, { held }) => sum + held, 0),
    retrying,
    members: members.map(({ consumer, held, partitions }) => {
      return { clientId: consumer.id, held, partitions: partitions.map(({ index }) => index) };
    }),
    positions: places.map(({ log, position }) => ({ partition: log.partition, priority: log.priority, position })),
  };
}
