// A store of queues as plain lists: what the mutations say, and nothing else. Slow, and easy to believe.
import type { QueueDefinition } from "../../../src/core/queue/definition.ts";
import { SettledRanges } from "../../../src/core/queue/settled_ranges.ts";
import type {
  QueueMutation,
  QueueSegment,
  StoredQueueConsumer,
  StoredQueueDelay,
  StoredQueueFailure,
  StoredQueueGroup,
  StoredQueueKey,
  StoredQueueLog,
  StoredQueues,
} from "../../../src/core/queue/mutation.ts";
import type {
  QueueAmount,
  QueueCompaction,
  QueueCompactionRequest,
  QueueCountRequest,
  QueueDelayPage,
  QueuePageRequest,
} from "../../../src/core/queue/ports.ts";
import { type QueueRecord, recordBytes } from "../../../src/core/queue/record.ts";

interface LogRows extends StoredQueueLog {
  first: number;
  next: number;
  records: QueueRecord[];
}

interface PositionRow {
  readonly groupId: number;
  readonly logId: number;
  position: number;
  ranges: SettledRanges;
  readonly notBefore: number;
}

export class ReferenceStore {
  readonly queues = new Map<number, QueueDefinition>();
  readonly logs = new Map<number, LogRows>();
  readonly groups = new Map<number, StoredQueueGroup>();
  positions: PositionRow[] = [];
  failures: StoredQueueFailure[] = [];
  delays: StoredQueueDelay[] = [];
  keys: StoredQueueKey[] = [];
  consumers: StoredQueueConsumer[] = [];
  lastId = 0;
  /** Offsets that it looks at in one piece of a compaction. */
  pieceMax = Infinity;

  commit(mutations: readonly QueueMutation[]): void {
    for (const mutation of mutations) this.#apply(mutation);
  }

  load(): StoredQueues {
    return {
      queues: [...this.queues].map(([queueId, definition]) => ({ queueId, definition })),
      logs: [...this.logs.values()].map(({ records, ...log }) => ({ ...log, segments: segmentsOf(records) })),
      groups: [...this.groups.values()],
      positions: this.positions.map(({ groupId, logId, position, ranges, notBefore }) => {
        return { groupId, logId, position, settled: ranges.toArray(), notBefore };
      }),
      failures: [...this.failures],
      delayed: [...this.queues.keys()].map((queueId) => {
        const own = this.delays.filter((delay) => delay.queueId === queueId);
        return { queueId, count: own.length, bytes: own.reduce((sum, { entry }) => sum + recordBytes(entry), 0) };
      }),
      nextDelayAt: Math.min(...this.delays.map(({ dueAt }) => dueAt)),
      keys: [...this.keys],
      consumers: [...this.consumers],
      lastId: this.lastId,
    };
  }

  page({ logId, from, to, limit, bytesMax }: QueuePageRequest): QueueRecord[] {
    const found: QueueRecord[] = [];
    let bytes = 0;
    for (const record of this.logs.get(logId)?.records ?? []) {
      if (record.offset < from || record.offset >= to) continue;
      bytes += recordBytes(record);
      if (found.length === limit || (found.length > 0 && bytes > bytesMax)) break;
      found.push(record);
    }
    return found;
  }

  count({ logId, ranges }: QueueCountRequest): QueueAmount {
    const found = (this.logs.get(logId)?.records ?? []).filter(({ offset }) => {
      return ranges.some((from, i) => i % 2 === 0 && offset >= from && offset < ranges[i + 1]);
    });
    return { count: found.length, bytes: found.reduce((sum, record) => sum + recordBytes(record), 0) };
  }

  delaysDue(now: number, limit: number): QueueDelayPage {
    const sorted = this.delays.toSorted((a, b) => a.dueAt - b.dueAt || a.delayId - b.delayId);
    const delays = sorted.filter(({ dueAt }) => dueAt <= now).slice(0, limit);
    return { delays, nextAt: sorted[delays.length]?.dueAt ?? Infinity };
  }

  compact({ logId, from, to: end, tombstonesBefore }: QueueCompactionRequest): QueueCompaction {
    const to = Math.min(end, from + this.pieceMax);
    const log = this.logs.get(logId);
    if (log === undefined) return { logId, to, removed: [] };
    const newest = new Map<string, number>();
    for (const { messageKey, offset } of log.records) if (offset < to) newest.set(messageKey, offset);
    const removed = log.records.filter(({ messageKey, offset, payload, appendedAt }) => {
      if (messageKey === "" || offset >= to) return false;
      return newest.get(messageKey) !== offset || (payload.length === 0 && appendedAt < tombstonesBefore);
    });
    log.records = log.records.filter((record) => !removed.includes(record));
    return { logId, to, removed: removed.map((record) => ({ offset: record.offset, bytes: recordBytes(record) })) };
  }

  #apply(mutation: QueueMutation): void {
    switch (mutation.kind) {
      case "queue-saved":
        this.queues.set(mutation.queueId, mutation.definition);
        return this.#noteId(mutation.queueId);
      case "queue-deleted":
        return this.#deleteQueue(mutation.queueId);
      case "queue-log-opened": {
        const { kind: _, ...log } = mutation;
        this.logs.set(log.logId, { ...log, first: 0, next: 0, records: [] });
        return this.#noteId(log.logId);
      }
      case "queue-appended": {
        const log = this.logs.get(mutation.logId)!;
        log.records.push(mutation.record);
        log.next = mutation.record.offset + 1;
        return;
      }
      case "queue-trimmed": {
        const log = this.logs.get(mutation.logId)!;
        log.first = Math.max(log.first, mutation.before);
        log.records = log.records.filter(({ offset }) => offset >= log.first);
        return;
      }
      case "queue-delayed": {
        const { kind: _, ...delay } = mutation;
        this.delays.push(delay);
        return this.#noteId(delay.delayId);
      }
      case "queue-delay-ended":
        this.delays = this.delays.filter(({ delayId }) => delayId !== mutation.delayId);
        return;
      case "queue-delays-purged": {
        const { queueId, lastId } = mutation;
        this.delays = this.delays.filter((delay) => delay.queueId !== queueId || delay.delayId > lastId);
        return this.#noteId(lastId);
      }
      default:
        return this.#applyToGroup(mutation);
    }
  }

  #applyToGroup(mutation: QueueMutation): void {
    switch (mutation.kind) {
      case "queue-key-noted": {
        const { kind: _, ...key } = mutation;
        this.keys = this.keys.filter((each) => each.queueId !== key.queueId || each.messageKey !== key.messageKey);
        this.keys.push(key);
        return;
      }
      case "queue-keys-forgotten":
        this.keys = this.keys.filter(({ queueId, at }) => queueId !== mutation.queueId || at >= mutation.before);
        return;
      case "queue-group-saved": {
        const { kind: _, ...group } = mutation;
        this.groups.set(group.groupId, group);
        return this.#noteId(group.groupId);
      }
      case "queue-group-deleted":
        this.groups.delete(mutation.groupId);
        this.positions = this.positions.filter(({ groupId }) => groupId !== mutation.groupId);
        this.failures = this.failures.filter(({ groupId }) => groupId !== mutation.groupId);
        return;
      case "queue-positioned": {
        const { groupId, logId, position, notBefore } = mutation;
        this.positions = this.positions.filter((each) => each.groupId !== groupId || each.logId !== logId);
        this.positions.push({ groupId, logId, position, ranges: new SettledRanges(), notBefore });
        this.failures = this.failures.filter((each) => each.groupId !== groupId || each.logId !== logId);
        return;
      }
      case "queue-settled":
        return this.#settle(mutation);
      case "queue-failed": {
        const { kind: _, ...failure } = mutation;
        this.#endFailures(failure, (offset) => offset === failure.offset);
        this.failures.push(failure);
        return;
      }
      case "queue-consumer-saved": {
        const { kind: _, ...consumer } = mutation;
        this.consumers.push(consumer);
      }
    }
  }

  #settle(mutation: Extract<QueueMutation, { kind: "queue-settled" }>): void {
    const { groupId, logId, from, to, position } = mutation;
    let row = this.positions.find((each) => each.groupId === groupId && each.logId === logId);
    if (row === undefined) {
      this.positions.push(row = { groupId, logId, position: 0, ranges: new SettledRanges(), notBefore: 0 });
    }
    row.ranges.add(from, to);
    row.ranges.dropBelow(position);
    row.position = position;
    this.#endFailures(mutation, (offset) => offset < position || (offset >= from && offset < to));
  }

  #endFailures(at: { groupId: number; logId: number }, isOver: (offset: number) => boolean): void {
    this.failures = this.failures.filter(({ groupId, logId, offset }) => {
      return groupId !== at.groupId || logId !== at.logId || !isOver(offset);
    });
  }

  #deleteQueue(queueId: number): void {
    this.queues.delete(queueId);
    for (const [logId, log] of this.logs) if (log.queueId === queueId) this.logs.delete(logId);
    for (const group of [...this.groups.values()]) {
      if (group.queueId === queueId) this.#apply({ kind: "queue-group-deleted", groupId: group.groupId });
    }
    this.delays = this.delays.filter((delay) => delay.queueId !== queueId);
    this.keys = this.keys.filter((key) => key.queueId !== queueId);
  }

  #noteId(id: number): void {
    this.lastId = Math.max(this.lastId, id);
  }
}

/** As definition and design say: 1,024 records, 4 MiB or a minute. */
function segmentsOf(records: readonly QueueRecord[]): QueueSegment[] {
  const segments: { from: number; count: number; bytes: number; firstAt: number; lastAt: number }[] = [];
  for (const record of records) {
    const { offset: from, appendedAt: at } = record;
    const bytes = recordBytes(record);
    const last = segments.at(-1);
    if (last === undefined || last.count >= 1024 || last.bytes + bytes > 4_194_304 || at - last.firstAt >= 60_000) {
      segments.push({ from, count: 1, bytes, firstAt: at, lastAt: at });
    } else {
      last.count++;
      last.bytes += bytes;
      last.lastAt = at;
    }
  }
  return segments;
}
