import type { QueueDefinition } from "./definition.ts";
import type { Group } from "./group.ts";
import { ItemState } from "./item.ts";
import type { Queue } from "./queue.ts";
import type { QueueStatistics } from "./queue_statistics.ts";

/** A queue as people and metrics see it now. */
export interface QueueView {
  /** What the queue is. */
  readonly definition: QueueDefinition;
  /** What waits: see {@link QueueDefinition.limits}; delayed messages included. */
  readonly waiting: { readonly count: number; readonly bytes: number };
  /** What lies in the logs: of a classic queue a little more than waits, until it is trimmed. */
  readonly stored: { readonly count: number; readonly bytes: number };
  /** What is appended later. */
  readonly delayed: { readonly count: number; readonly bytes: number };
  /** By their number. */
  readonly partitions: readonly QueuePartitionView[];
  /** Every consumer group. */
  readonly groups: readonly QueueGroupView[];
  /** Counts since the broker started. */
  readonly statistics: Readonly<QueueStatistics>;
}

/** A partition as people and metrics see it now. */
export interface QueuePartitionView {
  /** From 0. */
  readonly partition: number;
  /** The oldest offset that is not trimmed, and the next one. */
  readonly first: number;
  /** The next offset. */
  readonly next: number;
  /** Messages that lie in it. */
  readonly count: number;
  /** Bytes of topics, properties and payloads. */
  readonly bytes: number;
  /** The logs by priority: what a page of messages is asked from the store by. */
  readonly logs: readonly QueueLogView[];
}

/** What one partition holds of one priority. */
export interface QueueLogView {
  /** Identifies the log in the store. */
  readonly logId: number;
  /** 0 to 9; 0 in a stream. */
  readonly priority: number;
  /** The oldest offset that is not trimmed, and the next one. */
  readonly first: number;
  /** The next offset. */
  readonly next: number;
}

/** A consumer group as people and metrics see it now. */
export interface QueueGroupView {
  /** Unique in its queue. */
  readonly name: string;
  /** For the routing key; `#` is everything. */
  readonly filter: string;
  /** The client whose session it ends with; empty for one that stays. */
  readonly clientId: string;
  /** What it has not settled. What it has not read yet counts although its filter may not ask for it, or it is for another group alone, or
   * older than where the group begins. */
  readonly unsettled: number;
  /** With a consumer. */
  readonly inFlight: number;
  /** Of those that were looked at: failed, and waiting for their next delivery. */
  readonly retrying: number;
  /** Who consumes now. */
  readonly members: readonly QueueGroupMemberView[];
  /** Milliseconds since 1970 since when it has no member; 0 while it has one. */
  readonly idleSince: number;
  /** Where it is in each log. */
  readonly positions: readonly QueueGroupPlaceView[];
}

/** A consumer in a group. */
export interface QueueGroupMemberView {
  /** The client id of the consumer. */
  readonly clientId: string;
  /** Messages that it holds. */
  readonly held: number;
  /** Those that are its own, with the ordering `partition`. */
  readonly partitions: readonly number[];
}

/** Where a group is in a log: everything below is settled. */
export interface QueueGroupPlaceView {
  /** From 0. */
  readonly partition: number;
  /** 0 to 9; 0 in a stream. */
  readonly priority: number;
  /** The first offset that is not settled. */
  readonly position: number;
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
