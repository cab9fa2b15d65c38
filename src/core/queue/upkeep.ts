import type { Deadline } from "../deadlines.ts";
import type { Turn } from "../turn.ts";
import type { Due } from "./due.ts";
import type { QueueCompaction, QueueCompactionRequest } from "./ports.ts";
import type { Queue, QueuePartition } from "./queue.ts";
import type { QueueLog } from "./queue_log.ts";

/** How often at least and at most a queue looks what has grown old. */
const LOOK_MS_MIN = 1_000;
const LOOK_MS_MAX = 60_000;

/** What becomes of messages and keys with time: retention takes whole segments, keys are forgotten, streams are compacted. */
export class Upkeep implements Due {
  readonly #queue: Queue;
  #next: Deadline<Due> | null = null;
  /** What the store is compacting. */
  readonly #compacting = new Map<QueueLog, QueueCompactionRequest>();

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** Looks again after a while, where anything grows old. */
  schedule(now: number): void {
    const { context, definition } = this.#queue;
    if (this.#next !== null) context.deadlines.cancel(this.#next);
    this.#next = null;
    const { retention, deduplicationMs } = definition;
    const waits = [retention.ageMs];
    if (deduplicationMs > 0) waits.push(deduplicationMs);
    if (retention.isCompacted) waits.push(retention.compactionLagMs);
    const wait = Math.min(...waits);
    if (wait === Infinity) return;
    this.#next = context.deadlines.add(now + Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, wait / 4)), this);
  }

  /** The first look of a queue in which something lies. */
  start(now: number): void {
    if (this.#next === null) this.schedule(now);
  }

  /** The partition has grown. */
  segmentOpened(partition: QueuePartition, turn: Turn): void {
    this.start(turn.now);
    if (this.#retainAmount(partition, turn)) this.#queue.refresh(turn);
  }

  /** How much lies in the partition is known again. */
  counted(partition: QueuePartition, turn: Turn): void {
    if (!this.#queue.isGone && this.#retainAmount(partition, turn)) this.#queue.refresh(turn);
  }

  due(turn: Turn): void {
    this.#next = null;
    const queue = this.#queue;
    if (queue.isGone) return;
    const { retention, deduplicationMs } = queue.definition;
    let hasDropped = this.#retainAge(turn.now - retention.ageMs, turn);
    for (const partition of queue.partitions) hasDropped = this.#retainAmount(partition, turn) || hasDropped;
    if (hasDropped) queue.refresh(turn);
    const before = turn.now - deduplicationMs;
    if (queue.keys.forget(before)) {
      turn.effects.writes.push({ kind: "queue-keys-forgotten", queueId: queue.queueId, before });
    }
    if (retention.isCompacted) { for (const log of queue.logs()) this.#compact(log, turn); }
    this.schedule(turn.now);
  }

  /** The store has compacted what it was asked to, or a piece of it; one that gets nowhere is the last one. */
  compacted(log: QueueLog, { to, removed }: QueueCompaction, turn: Turn): void {
    const queue = this.#queue;
    const places = [...queue.groups.values()].map((group) => group.placeIn(log));
    if (queue.removed !== null) places.push(queue.removed.placeIn(log));
    for (const { offset, bytes } of removed) {
      if (!log.thin(offset, bytes)) continue;
      queue.count--;
      queue.bytes -= bytes;
      for (const place of places) place.miss(offset, bytes);
    }
    log.compactedTo = Math.max(log.compactedTo, to);
    for (const place of places) if (place.isCounting) place.recount(turn); // the store may have counted with it or without
    const request = this.#compacting.get(log);
    this.#compacting.delete(log);
    if (request !== undefined && to > request.from && to < request.to) this.#ask(log, { ...request, from: to }, turn);
    else this.counted(queue.partitions[log.partition], turn);
  }

  #retainAge(before: number, turn: Turn): boolean {
    if (before === -Infinity) return false;
    let hasDropped = false;
    for (const log of this.#queue.logs()) {
      let index = 0;
      while (index < log.segments.length && log.segments[index].lastAt < before) index++;
      if (index === 0) continue;
      this.#retire(log, log.endOf(index - 1), turn);
      hasDropped = true;
    }
    return hasDropped;
  }

  /** The oldest segments go while what is left is as much as is to be kept; not by an estimate, which may be too high, nor while a
   * compaction makes it less. */
  #retainAmount({ logs }: QueuePartition, turn: Turn): boolean {
    const { messages, bytes } = this.#queue.definition.retention;
    if (messages === Infinity && bytes === Infinity) return false;
    if (logs.some((log) => log !== undefined && (log.uncounted > 0 || this.#compacting.has(log)))) return false;
    for (let hasDropped = false;; hasDropped = true) {
      let count = 0;
      let size = 0;
      let oldest: QueueLog | undefined;
      for (const log of logs) {
        if (log === undefined || log.segments.length === 0) continue;
        count += log.count;
        size += log.bytes;
        if (oldest === undefined || log.segments[0].firstAt < oldest.segments[0].firstAt) oldest = log;
      }
      const first = oldest?.segments[0];
      if (oldest === undefined || first === undefined) return hasDropped;
      if (count - first.count < messages && size - first.bytes < bytes) return hasDropped;
      this.#retire(oldest, oldest.endOf(0), turn);
    }
  }

  #retire(log: QueueLog, before: number, turn: Turn): void {
    this.#queue.statistics.retired += this.#queue.dropBelow(log, before, turn).count;
  }

  /** Asks the store to compact what is old enough, once half as much has come as was left the last time. */
  #compact(log: QueueLog, turn: Turn): void {
    if (this.#compacting.has(log)) return;
    const before = turn.now - this.#queue.definition.retention.compactionLagMs;
    let to = log.first;
    for (let i = 0; i < log.segments.length && log.segments[i].lastAt < before; i++) to = log.endOf(i);
    const kept = log.between(log.first, log.compactedTo).count;
    const fresh = log.between(log.compactedTo, to).count;
    if (fresh === 0 || fresh * 2 < kept) return;
    this.#ask(log, { logId: log.logId, from: log.first, to, tombstonesBefore: before }, turn);
  }

  #ask(log: QueueLog, request: QueueCompactionRequest, turn: Turn): void {
    this.#compacting.set(log, request);
    turn.effects.queueLoads.push({ kind: "compaction", request });
  }
}
