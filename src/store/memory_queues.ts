import { KEYS_MAX } from "../core/queue/message_keys.ts";
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
} from "../core/queue/mutation.ts";
import type { QueueDefinition } from "../core/queue/definition.ts";
import type {
  QueueAmount,
  QueueCompaction,
  QueueCompactionRequest,
  QueueCountRequest,
  QueueDelayPage,
  QueuePageRequest,
  QueueStore,
} from "../core/queue/ports.ts";
import { type QueueRecord, recordBytes } from "../core/queue/record.ts";
import { SettledRanges } from "../core/queue/settled_ranges.ts";
import { type Tally, WeighedMap } from "./weighed_map.ts";
import {
  consumerWeight,
  entryWeight,
  FAILURE_BYTES,
  groupWeight,
  keyWeight,
  LOG_BYTES,
  PLACE_BYTES,
  queueWeight,
} from "./weights.ts";

interface LogRows {
  readonly log: StoredQueueLog;
  first: number;
  next: number;
  /** By offset. */
  records: QueueRecord[];
  readonly segments: { -readonly [K in keyof QueueSegment]: QueueSegment[K] }[];
}

interface GroupRows {
  readonly group: StoredQueueGroup;
  readonly places: Map<number, PlaceRows>;
}

interface PlaceRows {
  /** Undefined while there are only failures. */
  position: number | undefined;
  readonly notBefore: number;
  readonly settled: SettledRanges;
  readonly failures: Map<number, StoredQueueFailure>;
}

/** The queues of the memory store. Also the model that other stores are held against. */
export class MemoryQueues implements QueueStore {
  readonly #tally: Tally;
  readonly #queues: Map<number, QueueDefinition>;
  readonly #logs: Map<number, LogRows>;
  readonly #groups: Map<number, GroupRows>;
  readonly #delays: Map<number, StoredQueueDelay>;
  readonly #keys = new Map<number, Map<string, StoredQueueKey>>();
  readonly #consumers: Map<string, StoredQueueConsumer>;
  #lastId = 0;

  /** @param tally goes with what is kept */
  constructor(tally: Tally) {
    this.#tally = tally;
    this.#queues = new WeighedMap(tally, queueWeight);
    this.#logs = new WeighedMap(tally, () => LOG_BYTES);
    this.#groups = new WeighedMap<number, GroupRows>(tally, groupWeight);
    this.#delays = new WeighedMap(tally, ({ entry }) => entryWeight(entry));
    this.#consumers = new WeighedMap(tally, consumerWeight);
  }

  loadQueues(): StoredQueues {
    const delays = [...this.#delays.values()];
    return {
      queues: [...this.#queues].map(([queueId, definition]) => ({ queueId, definition })),
      logs: [...this.#logs.values()].map(({ log, first, next, segments }) => ({
        ...log,
        first,
        next,
        segments: segments.filter(({ count }) => count > 0).map((segment) => ({ ...segment })),
      })),
      groups: [...this.#groups.values()].map(({ group }) => group),
      positions: [...this.#groups].flatMap(([groupId, { places }]) => {
        return [...places].flatMap(([logId, { position, settled, notBefore }]) => {
          return position === undefined ? [] : [{ groupId, logId, position, settled: settled.toArray(), notBefore }];
        });
      }),
      failures: [...this.#groups.values()].flatMap(({ places }) => {
        return [...places.values()].flatMap(({ failures }) => [...failures.values()]);
      }),
      delayed: [...this.#queues.keys()].flatMap((queueId) => {
        const own = delays.filter((delay) => delay.queueId === queueId);
        const bytes = own.reduce((sum, { entry }) => sum + recordBytes(entry), 0);
        return own.length === 0 ? [] : [{ queueId, count: own.length, bytes }];
      }),
      nextDelayAt: delays.reduce((least, { dueAt }) => Math.min(least, dueAt), Infinity),
      keys: [...this.#keys.values()].flatMap((keys) => [...keys.values()].slice(-KEYS_MAX)),
      consumers: [...this.#consumers.values()],
      lastId: this.#lastId,
    };
  }

  queuePage({ logId, from, to, limit, bytesMax }: QueuePageRequest): QueueRecord[] {
    const page: QueueRecord[] = [];
    let bytes = 0;
    const records = this.#logs.get(logId)?.records ?? [];
    for (let i = indexOf(records, from); i < records.length; i++) {
      const record = records[i];
      if (record.offset >= to || page.length === limit) break;
      bytes += recordBytes(record);
      if (page.length > 0 && bytes > bytesMax) break;
      page.push(record);
    }
    return page;
  }

  countQueue({ logId, ranges }: QueueCountRequest): QueueAmount {
    const records = this.#logs.get(logId)?.records ?? [];
    let count = 0;
    let bytes = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      for (let at = indexOf(records, ranges[i]); at < records.length && records[at].offset < ranges[i + 1]; at++) {
        count++;
        bytes += recordBytes(records[at]);
      }
    }
    return { count, bytes };
  }

  queueDelays(now: number, limit: number): QueueDelayPage {
    const sorted = [...this.#delays.values()].sort((a, b) => a.dueAt - b.dueAt || a.delayId - b.delayId);
    const delays = sorted.filter(({ dueAt }) => dueAt <= now).slice(0, limit);
    return { delays, nextAt: sorted[delays.length]?.dueAt ?? Infinity };
  }

  compactQueue({ logId, from, to, tombstonesBefore }: QueueCompactionRequest): QueueCompaction {
    const log = this.#logs.get(logId);
    const newest = new Map<string, QueueRecord>();
    const old = (log?.records ?? []).filter(({ offset }) => offset >= from && offset < to);
    for (const record of old) if (record.messageKey !== "") newest.set(record.messageKey, record);
    const gone = new Set<QueueRecord>();
    for (const record of old) {
      if (record.messageKey === "") continue;
      const isNewest = newest.get(record.messageKey) === record;
      const isTombstone = record.payload.length === 0 && record.appendedAt < tombstonesBefore;
      if (isNewest && !isTombstone) continue;
      gone.add(record);
      this.#discount(log!, record);
    }
    if (gone.size > 0) log!.records = log!.records.filter((record) => !gone.has(record));
    return { logId, to, removed: [...gone].map((record) => ({ offset: record.offset, bytes: recordBytes(record) })) };
  }

  /** Takes over one mutation. */
  apply(mutation: QueueMutation): void {
    switch (mutation.kind) {
      case "queue-saved":
        this.#noteId(mutation.queueId);
        this.#queues.set(mutation.queueId, mutation.definition);
        return;
      case "queue-deleted":
        return this.#delete(mutation.queueId);
      case "queue-log-opened": {
        const { kind: _, ...log } = mutation;
        this.#noteId(log.logId);
        this.#logs.set(log.logId, { log, first: 0, next: 0, records: [], segments: [] });
        return;
      }
      case "queue-appended":
        return this.#append(mutation.logId, mutation.record);
      case "queue-trimmed":
        return this.#trim(mutation.logId, mutation.before);
      case "queue-delayed": {
        const { kind: _, ...delay } = mutation;
        this.#noteId(delay.delayId);
        this.#delays.set(delay.delayId, delay);
        return;
      }
      case "queue-delay-ended":
        this.#delays.delete(mutation.delayId);
        return;
      case "queue-delays-purged":
        return this.#purgeDelays(mutation);
      case "queue-key-noted":
        return this.#noteKey(mutation);
      case "queue-keys-forgotten": {
        const keys = this.#keys.get(mutation.queueId);
        for (const { messageKey, at } of keys?.values() ?? []) if (at < mutation.before) keys!.delete(messageKey);
        return;
      }
      default:
        return this.#applyToGroup(mutation);
    }
  }

  #applyToGroup(
    mutation: Extract<QueueMutation, { kind: `queue-${"group" | "pos" | "set" | "fail" | "con"}${string}` }>,
  ) {
    switch (mutation.kind) {
      case "queue-group-saved": {
        const { kind: _, ...group } = mutation;
        this.#noteId(group.groupId);
        const places = this.#groups.get(group.groupId)?.places ?? new WeighedMap(this.#tally, () => PLACE_BYTES);
        this.#groups.set(group.groupId, { group, places });
        return;
      }
      case "queue-group-deleted":
        return this.#deleteGroup(mutation.groupId);
      case "queue-positioned": {
        const { groupId, logId, position, notBefore } = mutation;
        const places = this.#groups.get(groupId)?.places;
        places?.get(logId)?.failures.clear();
        places?.set(logId, this.#placeAt(position, notBefore));
        return;
      }
      case "queue-settled": {
        const place = this.#placeOf(mutation);
        if (place === undefined) return;
        const { from, to, position } = mutation;
        const below = place.position = Math.max(place.position ?? 0, position);
        place.settled.add(from, to);
        place.settled.dropBelow(below);
        for (const offset of [...place.failures.keys()]) {
          if (offset < below || (offset >= from && offset < to)) place.failures.delete(offset);
        }
        return;
      }
      case "queue-failed": {
        const { kind: _, ...failure } = mutation;
        this.#placeOf(failure)?.failures.set(failure.offset, failure);
        return;
      }
      case "queue-consumer-saved": {
        const { kind: _, ...consumer } = mutation;
        this.#consumers.set(consumerKey(consumer), consumer);
        return;
      }
      case "queue-consumer-deleted":
        this.#consumers.delete(consumerKey(mutation));
        return;
      default:
        mutation satisfies never;
    }
  }

  /** The session of a client has ended, and what it consumed with it. */
  endSession(clientId: string): void {
    for (const [key, consumer] of this.#consumers) if (consumer.clientId === clientId) this.#consumers.delete(key);
  }

  #placeOf({ groupId, logId }: { groupId: number; logId: number }): PlaceRows | undefined {
    const places = this.#groups.get(groupId)?.places;
    if (places === undefined || !this.#logs.has(logId)) return undefined;
    const place = places.get(logId) ?? this.#placeAt(undefined, 0);
    places.set(logId, place);
    return place;
  }

  #append(logId: number, record: QueueRecord): void {
    const log = this.#logs.get(logId);
    if (log === undefined) return;
    log.records.push(record);
    this.#tally.bytes += entryWeight(record);
    log.next = record.offset + 1;
    const { offset: from, appendedAt: firstAt } = record;
    const bytes = recordBytes(record);
    const last = log.segments.at(-1);
    const fits = last !== undefined && last.count < 1_024 && last.bytes + bytes <= 4 * 1024 * 1024 &&
      firstAt - last.firstAt < 60_000;
    if (!fits) return void log.segments.push({ from, count: 1, bytes, firstAt, lastAt: firstAt });
    last.count++;
    last.bytes += bytes;
    last.lastAt = firstAt;
  }

  #trim(logId: number, before: number): void {
    const log = this.#logs.get(logId);
    if (log === undefined) return;
    log.first = Math.max(log.first, before);
    for (const record of log.records.splice(0, indexOf(log.records, before))) this.#discount(log, record);
  }

  /** Takes a record that goes out of its segment. */
  #discount({ segments }: LogRows, record: QueueRecord): void {
    this.#tally.bytes -= entryWeight(record);
    const segment = segments.findLast(({ from }) => from <= record.offset)!;
    segment.count--;
    segment.bytes -= recordBytes(record);
    if (segment.count === 0 && segment !== segments.at(-1)) segments.splice(segments.indexOf(segment), 1);
    else if (segment.from === record.offset) segment.from++;
  }

  #purgeDelays({ queueId, lastId }: { queueId: number; lastId: number }): void {
    this.#noteId(lastId);
    for (const delay of this.#delays.values()) {
      if (delay.queueId === queueId && delay.delayId <= lastId) this.#delays.delete(delay.delayId);
    }
  }

  #noteKey(noted: StoredQueueKey): void {
    const { queueId, messageKey, at } = noted;
    const keys = this.#keys.get(queueId) ?? new WeighedMap<string, StoredQueueKey>(this.#tally, keyWeight);
    keys.delete(messageKey); // to the end
    keys.set(messageKey, { queueId, messageKey, at });
    this.#keys.set(queueId, keys);
  }

  #delete(queueId: number): void {
    this.#queues.delete(queueId);
    this.#keys.get(queueId)?.clear();
    this.#keys.delete(queueId);
    for (const [logId, { log, records }] of this.#logs) {
      if (log.queueId !== queueId) continue;
      for (const record of records) this.#tally.bytes -= entryWeight(record);
      this.#logs.delete(logId);
    }
    for (const [groupId, { group }] of this.#groups) if (group.queueId === queueId) this.#deleteGroup(groupId);
    for (const [delayId, delay] of this.#delays) if (delay.queueId === queueId) this.#delays.delete(delayId);
  }

  #deleteGroup(groupId: number): void {
    const { places } = this.#groups.get(groupId) ?? {};
    for (const { failures } of places?.values() ?? []) failures.clear();
    places?.clear();
    this.#groups.delete(groupId);
  }

  #placeAt(position: number | undefined, notBefore: number): PlaceRows {
    const failures = new WeighedMap<number, StoredQueueFailure>(this.#tally, () => FAILURE_BYTES);
    return { position, notBefore, settled: new SettledRanges(), failures };
  }

  #noteId(id: number): void {
    this.#lastId = Math.max(this.#lastId, id);
  }
}

function consumerKey({ clientId, filter }: { clientId: string; filter: string }): string {
  return `${clientId.length}:${clientId}${filter}`;
}

/** The index of the first record at or above `offset`. */
function indexOf(records: readonly QueueRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
