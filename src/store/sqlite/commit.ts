import type { SessionMutation, StoredBody, StoredDelivery } from "../../core/mutation.ts";
import { isQueueMutation } from "../../core/queue/mutation.ts";
import { bodyBytes } from "../body_bytes.ts";
import { QueueCommit } from "./queue_commit.ts";
import type { QueueStatements } from "./queue_statements.ts";
import type { Batch, DoneRun, Run, SentRun } from "./runs.ts";
import type { Statements } from "./statements.ts";

/** Applies mutations within one transaction. Kept for that transaction only: which bodies it brings, and what refers to them. */
export class Commit {
  readonly #statements: Statements;
  /** The row ids of sessions, kept by the store from commit to commit. */
  readonly #sessionIds: Map<string, number>;
  readonly #bodies = new Map<number, { readonly body: StoredBody; references: number; isInTable: boolean }>();
  readonly #unreferred = new Set<number>();
  #lastSequence = 0;
  #lastBodyId = 0;

  /** What of it concerns queues. */
  readonly queues: QueueCommit;

  constructor(statements: Statements, queueStatements: QueueStatements, sessionIds: Map<string, number>) {
    this.#statements = statements;
    this.#sessionIds = sessionIds;
    this.queues = new QueueCommit(queueStatements, sessionIds);
  }

  /** Applies all, in order. */
  apply(batch: Batch): void {
    for (const mutation of batch) this.#note(mutation);
    for (const mutation of batch) this.#apply(mutation);
  }

  /** To be called last: takes out what nothing refers to any more, and notes the highest ids. */
  finish(): void {
    for (const bodyId of this.#unreferred) this.#statements.deleteUnreferred.run(bodyId);
    if (this.#lastBodyId > 0) this.#statements.setCounter.run("body", this.#lastBodyId);
    if (this.#lastSequence > 0) this.#statements.setCounter.run("sequence", this.#lastSequence);
    const lastQueueId = this.queues.finish();
    if (lastQueueId > 0) this.#statements.setCounter.run("queue", lastQueueId);
  }

  /** Counts what refers to the bodies of this commit: a body that one delivery refers to lies in that delivery's row. */
  #note(mutation: Batch[number]): void {
    switch (mutation.kind) {
      case "body-stored":
        this.#bodies.set(mutation.bodyId, { body: mutation, references: 0, isInTable: false });
        this.#lastBodyId = Math.max(this.#lastBodyId, mutation.bodyId);
        return;
      case "delivery-stored": {
        const entry = this.#bodies.get(mutation.bodyId);
        if (entry !== undefined) entry.references++;
        this.#lastSequence = Math.max(this.#lastSequence, mutation.sequence);
        return;
      }
      case "retained-set": {
        const entry = this.#bodies.get(mutation.bodyId);
        if (entry !== undefined) entry.references = Infinity; // others may refer to it later
      }
    }
  }

  #apply(mutation: Batch[number]): void {
    const statements = this.#statements;
    switch (mutation.kind) {
      case "session-saved": {
        const { clientId, username, expirySeconds, offlineSince } = mutation;
        const row = statements.saveSession.get(clientId, username ?? null, expirySeconds, offlineSince) as {
          id: number;
        };
        this.#sessionIds.set(clientId, row.id);
        return;
      }
      case "session-ended":
        return this.#endSession(mutation.clientId);
      case "body-stored":
        return; // goes where its first reference puts it
      case "retained-set":
        return this.#setRetained(mutation.topic, mutation.bodyId);
      case "retained-cleared":
        return this.#clearRetained(mutation.topic);
      case "will-saved": {
        const { clientId, topic, qos, retain, delaySeconds, expirySeconds = null, properties, payload } = mutation;
        const flags = qos | (retain ? 4 : 0);
        const author = mutation.author === undefined ? null : JSON.stringify(mutation.author);
        statements.saveWill.run(clientId, topic, flags, delaySeconds, expirySeconds, properties, payload, author);
        return;
      }
      case "will-cleared":
        statements.deleteWill.run(mutation.clientId);
        return;
      default:
        if (isQueueMutation(mutation)) return this.queues.apply(mutation);
        return this.#applyToSession(mutation);
    }
  }

  #applyToSession(mutation: Extract<Batch[number], SessionMutation | Run>): void {
    const statements = this.#statements;
    const session = this.#sessionIds.get(mutation.clientId);
    if (session === undefined) return;
    switch (mutation.kind) {
      case "subscribed": {
        const { filter, qos, noLocal, retainAsPublished, retainHandling, subscriptionId, isReplaying } = mutation;
        const options = qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4) |
          (isReplaying ? 64 : 0);
        statements.saveSubscription.run(session, filter, options, subscriptionId);
        return;
      }
      case "unsubscribed":
        statements.deleteSubscription.run(session, mutation.filter);
        return;
      case "delivery-stored":
        return this.#saveDelivery(session, mutation);
      case "deliveries-sent":
        return this.#setPacketIds(mutation);
      case "delivery-released":
        statements.setReleased.run(mutation.sequence);
        return;
      case "deliveries-done":
        return this.#deleteDeliveries(mutation);
      case "packet-id-received":
        statements.saveReceived.run(session, mutation.packetId);
        return;
      case "packet-id-released":
        statements.deleteReceived.run(session, mutation.packetId);
        return;
      default:
        mutation satisfies never;
    }
  }

  #setPacketIds({ sequence, packetId, count }: SentRun): void {
    if (count === 1) this.#statements.setPacketId.run(sequence, packetId);
    else this.#statements.setPacketIds.run(sequence, sequence + count - 1, sequence - packetId);
  }

  #deleteDeliveries({ sequence, count }: DoneRun): void {
    const { deleteDelivery, sharedBodies, deleteDeliveries } = this.#statements;
    if (count === 1) return this.unrefer(deleteDelivery.get(sequence) as DeletedDelivery | undefined);
    const last = sequence + count - 1;
    for (const { body } of sharedBodies.all(sequence, last) as { body: number }[]) this.#unreferBody(body);
    deleteDeliveries.run(sequence, last);
  }

  #saveDelivery(session: number, delivery: StoredDelivery): void {
    const { sequence, packetId, bodyId, subscriptionIds, shared } = delivery;
    const entry = this.#bodies.get(bodyId);
    const ids = subscriptionIds === null ? null : JSON.stringify(subscriptionIds);
    const own = entry?.references === 1 ? entry.body : undefined;
    if (own === undefined) this.#referTo(bodyId);
    const flags = delivery.qos | (delivery.retain ? 4 : 0) | (delivery.released ? 8 : 0) |
      (delivery.isReplay ? 16 : 0) |
      (own === undefined ? 0 : (own.qos << 5) | (own.retain ? 128 : 0));
    this.#statements.saveDelivery.run(
      sequence,
      session,
      packetId,
      flags,
      entry === undefined ? this.#bytesOf(bodyId) : bodyBytes(entry.body),
      ids,
      shared === "" ? null : shared,
      bodyId,
      own?.topic ?? null,
      own === undefined || own.expiresAt === Infinity ? null : own.expiresAt,
      own?.properties ?? null,
      own?.payload ?? null,
    );
  }

  /** Adds a reference to a body in the table, and puts it there when this commit brought it. */
  #referTo(bodyId: number): void {
    const entry = this.#bodies.get(bodyId);
    if (entry === undefined || entry.isInTable) {
      const { changes } = this.#statements.refer.run(bodyId, 1);
      if (changes === 0) throw new Error(`Cannot refer to body ${bodyId}: it is not stored`);
      return;
    }
    entry.isInTable = true;
    const { topic, qos, retain, expiresAt, properties, payload } = entry.body;
    const flags = qos | (retain ? 4 : 0);
    const expiry = expiresAt === Infinity ? null : expiresAt;
    this.#statements.saveBody.run(bodyId, 1, topic, flags, expiry, properties, payload);
  }

  /** Takes away the reference of a delivery that was deleted, and the body with the last one. */
  unrefer(deleted: DeletedDelivery | undefined): void {
    if (deleted?.is_shared === 1) this.#unreferBody(deleted.body);
  }

  /** The body may get another reference in the same commit, so it is looked at again at the end. */
  #unreferBody(bodyId: number): void {
    this.#statements.refer.run(bodyId, -1);
    this.#unreferred.add(bodyId);
  }

  #setRetained(topic: string, bodyId: number): void {
    const before = this.#statements.retainedBody.get(topic) as { body: number } | undefined;
    this.#referTo(bodyId);
    this.#statements.saveRetained.run(topic, bodyId);
    if (before !== undefined) this.#unreferBody(before.body);
  }

  #clearRetained(topic: string): void {
    const before = this.#statements.retainedBody.get(topic) as { body: number } | undefined;
    if (before === undefined) return;
    this.#statements.deleteRetained.run(topic);
    this.#unreferBody(before.body);
  }

  /** Takes the session out; its deliveries, which may be a million, are swept out bit by bit afterwards. */
  #endSession(clientId: string): void {
    const session = this.#sessionIds.get(clientId);
    if (session === undefined) return;
    this.#sessionIds.delete(clientId);
    this.#statements.deleteSession.run(session);
    this.#statements.deleteSubscriptions.run(session);
    this.#statements.deleteReceivedOf.run(session);
    this.queues.endSession(session);
    this.#statements.deleteWill.run(clientId);
    this.#statements.markEnded.run(session);
  }

  #bytesOf(bodyId: number): number {
    return (this.#statements.bodyBytes.get(bodyId) as { bytes: number } | undefined)?.bytes ?? 0;
  }
}

/** What a deleted delivery leaves behind. */
export interface DeletedDelivery {
  readonly body: number;
  readonly is_shared: 0 | 1;
}
