import type { Turn } from "../turn.ts";
import type { QueueContext } from "./context.ts";
import { Group } from "./group.ts";
import type { GroupLog } from "./group_log.ts";
import type { StoredQueues } from "./mutation.ts";
import { Queue, REMOVED } from "./queue.ts";
import type { QueueLog } from "./queue_log.ts";
import { SettledRanges } from "./settled_ranges.ts";

/** The queues that a start found. Groups have no members yet, and no window: what they need is read when somebody joins. */
export function restoreQueues(context: QueueContext, stored: StoredQueues, turn: Turn): Queue[] {
  const queues = new Map(stored.queues.map(({ queueId, definition }) => {
    return [queueId, new Queue(context, queueId, definition)];
  }));
  const logs = new Map<number, { log: QueueLog; queue: Queue }>();
  for (const each of stored.logs) {
    const queue = queues.get(each.queueId);
    if (queue !== undefined) logs.set(each.logId, { log: queue.restoreLog(each), queue });
  }
  for (const { queueId, count, bytes } of stored.delayed) {
    const queue = queues.get(queueId);
    if (queue !== undefined) queue.delayed = { count, bytes };
  }
  for (const { queueId, messageKey, at } of stored.keys) queues.get(queueId)?.keys.note(messageKey, at);
  restoreGroups(queues, stored, turn);
  for (const queue of queues.values()) if (queue.count > 0 || queue.keys.size > 0) queue.upkeep.start(turn.now);
  return [...queues.values()];
}

function restoreGroups(queues: ReadonlyMap<number, Queue>, stored: StoredQueues, turn: Turn): void {
  const places = new Map<string, GroupLog>();
  const positions = new Map(stored.positions.map((each) => [`${each.groupId} ${each.logId}`, each]));
  const groups: Group[] = [];
  for (const each of stored.groups) {
    const queue = queues.get(each.queueId);
    if (queue === undefined) continue;
    // Who was there when the broker went down counts as gone since now, and that is written down.
    const saved = { ...each, idleSince: each.idleSince === 0 ? turn.now : each.idleSince };
    if (each.idleSince === 0) turn.effects.writes.push({ kind: "queue-group-saved", ...saved });
    const group = new Group(queue, saved);
    for (const log of queue.logs()) {
      const id = `${each.groupId} ${log.logId}`;
      const { position, settled, notBefore } = positions.get(id) ?? { position: log.first, settled: [], notBefore: 0 };
      const place = group.enter(log, position);
      place.notBefore = notBefore;
      place.ahead = new SettledRanges(settled);
      place.ahead.dropBelow(place.cursor);
      place.recount(turn);
      places.set(id, place);
    }
    if (each.name === REMOVED) {
      queue.removed = group;
      continue;
    }
    queue.addGroup(group);
    groups.push(group);
  }
  for (const failure of stored.failures) {
    const place = places.get(`${failure.groupId} ${failure.logId}`);
    if (place !== undefined && failure.offset >= place.cursor) place.failures.set(failure.offset, failure);
  }
  for (const group of groups) group.scheduleExpiry();
}
