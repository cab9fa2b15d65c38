import type { QueueMutation, StoredQueueDelay } from "../../core/queue/mutation.ts";
import { recordBytes } from "../../core/queue/record.ts";
import { packEntry, type QueueBlock } from "./queue_blocks.ts";
import { LogRow } from "./queue_log_row.ts";
import { QueuePlace } from "./queue_place.ts";
import type { QueueStatements } from "./queue_statements.ts";

/** What of a commit concerns queues; records come packed. */
export type QueueBatchMutation = Exclude<QueueMutation, { kind: "queue-appended" }> | QueueBlock;

/** Applies what a commit does to queues. Kept for one transaction: each log and each place of a group is read once and written once,
 * whatever happens to it. What names a queue, log or group that is not there changes nothing. */
export class QueueCommit {
  readonly #statements: QueueStatements;
  readonly #sessionIds: ReadonlyMap<string, number>;
  readonly #logs = new Map<number, LogRow>();
  readonly #places = new Map<number, Map<number, QueuePlace>>();
  /** Logs and queues that a sweep shall look at. */
  readonly trimmedLogs: number[] = [];
  readonly endedQueues: number[] = [];
  readonly forgotten: { readonly queueId: number; readonly before: number }[] = [];
  readonly purged: { readonly queueId: number; readonly lastId: number }[] = [];
  #lastId = 0;

  constructor(statements: QueueStatements, sessionIds: ReadonlyMap<string, number>) {
    this.#statements = statements;
    this.#sessionIds = sessionIds;
  }

  apply(mutation: QueueBatchMutation): void {
    const statements = this.#statements;
    switch (mutation.kind) {
      case "queue-saved":
        this.#noteId(mutation.queueId);
        statements.saveQueue.run(mutation.queueId, JSON.stringify(mutation.definition));
        return;
      case "queue-deleted":
        return this.#deleteQueue(mutation.queueId);
      case "queue-log-opened": {
        const { logId, queueId, partition, priority } = mutation;
        this.#noteId(logId);
        statements.openLog.run(logId, queueId, partition, priority);
        return;
      }
      case "queue-block":
        return this.#log(mutation.logId)?.append(mutation, statements);
      case "queue-trimmed":
        if (this.#log(mutation.logId)?.trim(mutation.before)) this.trimmedLogs.push(mutation.logId);
        return;
      case "queue-delayed":
        return this.#delay(mutation);
      case "queue-delay-ended":
        statements.deleteDelay.run(mutation.delayId);
        return;
      case "queue-delays-purged":
        this.#noteId(mutation.lastId);
        statements.setPurged.run(mutation.queueId, mutation.lastId);
        this.purged.push(mutation);
        return;
      case "queue-key-noted":
        statements.saveKey.run(mutation.queueId, mutation.messageKey, mutation.at);
        return;
      case "queue-keys-forgotten":
        statements.setForgotten.run(mutation.queueId, mutation.before);
        this.forgotten.push(mutation);
        return;
      default:
        return this.#applyToGroup(mutation);
    }
  }

  /** The session `session` is ended, and what it consumed with it. */
  endSession(session: number): void {
    this.#statements.deleteConsumers.run(session);
  }

  /** Writes what was gathered; answers the highest id that this commit uses, 0 for none. */
  finish(): number {
    for (const log of this.#logs.values()) log.save(this.#statements);
    for (const [groupId, places] of this.#places) {
      for (const [logId, place] of places) place.save(groupId, logId, this.#statements);
    }
    return this.#lastId;
  }

  #applyToGroup(
    mutation: Extract<QueueMutation, { kind: `queue-${"group" | "pos" | "set" | "fail" | "con"}${string}` }>,
  ): void {
    const statements = this.#statements;
    switch (mutation.kind) {
      case "queue-group-saved": {
        const { groupId, queueId, name, filter, clientId, idleSince } = mutation;
        this.#noteId(groupId);
        statements.saveGroup.run(groupId, queueId, name, filter, clientId, idleSince);
        return;
      }
      case "queue-group-deleted":
        return this.#deleteGroup(mutation.groupId);
      case "queue-positioned":
        return this.#place(mutation.groupId, mutation.logId)?.reset(mutation);
      case "queue-settled":
        return this.#place(mutation.groupId, mutation.logId)?.settle(mutation);
      case "queue-failed":
        return this.#place(mutation.groupId, mutation.logId)?.fail(mutation);
      case "queue-consumer-saved": {
        const { kind: _, clientId, filter, ...terms } = mutation;
        const session = this.#sessionIds.get(clientId);
        if (session !== undefined) statements.saveConsumer.run(session, filter, JSON.stringify(terms));
        return;
      }
      case "queue-consumer-deleted": {
        const session = this.#sessionIds.get(mutation.clientId);
        if (session !== undefined) statements.deleteConsumer.run(session, mutation.filter);
        return;
      }
      default:
        mutation satisfies never;
    }
  }

  /** Takes it out of sight; records, delays and keys are swept out bit by bit afterwards. */
  #deleteQueue(queueId: number): void {
    const { deleteQueue, endLogs, logsOf, groupsOf, markEnded } = this.#statements;
    if (deleteQueue.run(queueId).changes === 0) return;
    for (const log of this.#logs.values()) log.save(this.#statements);
    this.#logs.clear();
    for (const { id } of logsOf.all(queueId)) this.trimmedLogs.push(id as number);
    endLogs.run(queueId);
    for (const { id } of groupsOf.all(queueId)) this.#deleteGroup(id as number);
    markEnded.run(queueId);
    this.endedQueues.push(queueId);
  }

  #deleteGroup(groupId: number): void {
    const { deleteGroup, deletePositions, deleteFailures } = this.#statements;
    this.#places.delete(groupId);
    deleteGroup.run(groupId);
    deletePositions.run(groupId);
    deleteFailures.run(groupId);
  }

  #delay({ delayId, queueId, partition, dueAt, entry }: StoredQueueDelay): void {
    this.#noteId(delayId);
    this.#statements.saveDelay.run(delayId, queueId, partition, dueAt, recordBytes(entry), packEntry(entry));
  }

  #log(logId: number): LogRow | undefined {
    const known = this.#logs.get(logId);
    if (known !== undefined) return known;
    const log = LogRow.read(logId, this.#statements);
    if (log !== undefined) this.#logs.set(logId, log);
    return log;
  }

  #place(groupId: number, logId: number): QueuePlace | undefined {
    const known = this.#places.get(groupId)?.get(logId);
    if (known !== undefined) return known;
    if (this.#log(logId) === undefined) return undefined;
    const place = QueuePlace.read(groupId, logId, this.#statements);
    if (place === undefined) return undefined;
    const places = this.#places.get(groupId) ?? new Map<number, QueuePlace>();
    this.#places.set(groupId, places.set(logId, place));
    return place;
  }

  #noteId(id: number): void {
    this.#lastId = Math.max(this.#lastId, id);
  }
}
