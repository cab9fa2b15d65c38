import { Deadlines } from "../deadlines.ts";
import { Refusal } from "../refusal.ts";
import { quoted } from "../text.ts";
import type { Turn } from "../turn.ts";
import type { QueueContext } from "./context.ts";
import type { Settlement } from "./custody.ts";
import { deadLetterDefinition, deadLetterName, deadLetterOf, revivedEntry } from "./dead_letters.ts";
import type { QueueDefinition } from "./definition.ts";
import { groupNameFault } from "./definition_rules.ts";
import { Delays } from "./delays.ts";
import type { QueueDelivery } from "./delivery.ts";
import type { Due } from "./due.ts";
import type { Group } from "./group.ts";
import type { GroupStart } from "./group_start.ts";
import type { QueueItem } from "./item.ts";
import { keyHash } from "./key_hash.ts";
import type { QueueLoad } from "./load.ts";
import type { QueueConsumer, QueueMember } from "./member.ts";
import { messageIdOf, parseMessageId } from "./message_id.ts";
import { joinsOf, Orphans } from "./orphans.ts";
import type { StoredQueues } from "./mutation.ts";
import type { QueueAmount, QueueCompaction, QueueDelayPage } from "./ports.ts";
import { type Appended, type Publication, publicationBytes } from "./publication.ts";
import { assertSize, type Queue } from "./queue.ts";
import { type DeadLetterCause, type QueueEntry, type QueueRecord, recordBytes } from "./record.ts";
import { QueueRegistry, type RegistryOptions } from "./registry.ts";
import { restoreQueues } from "./restore.ts";
import { queueTopic } from "./routing_key.ts";
import { type QueueView, viewOf } from "./views.ts";

/** How queues are made, and where chance comes from. */
export interface QueuesOptions extends RegistryOptions {
  readonly random: () => number;
}

/** How a consumer joins. */
export interface JoinOptions {
  readonly queue: string;
  readonly group: string;
  /** For the routing key; `#` is everything. */
  readonly filter: string;
  readonly consumer: QueueConsumer;
  /** Messages that it may hold; 0 for what the queue says. */
  readonly prefetch: number;
  /** Where the group starts if it is new. */
  readonly start: GroupStart;
  /** Whether the group, if it is new, ends with the session of the consumer's client: nobody has named it. */
  readonly boundToClient: boolean;
}

/** All queues of a broker: the engine of queues, as the shell drives it. It never waits: what it needs from the store it asks for in
 * `turn.effects.queueLoads`, and the shell comes back with the answer. Consumers are told in `turn`; what that says is said when what
 * stands beside it is committed. */
export class Queues {
  readonly #registry: QueueRegistry;
  readonly #clientGroups = new Map<string, Set<Group>>();
  readonly #deadlines = new Deadlines<Due>();
  readonly #context: QueueContext;
  readonly #delays = new Delays();
  readonly #orphans = new Orphans();
  #lastId = 0;

  constructor(options: QueuesOptions) {
    this.#context = {
      random: options.random,
      deadlines: this.#deadlines,
      nextId: () => ++this.#lastId,
      bury: (item, why, turn) => this.#bury(item, why, turn),
      noteClientGroup: (group, isThere) => this.#noteClientGroup(group, isThere),
      queueAdded: ({ name }, turn) => this.#rejoinAll(this.#orphans.take(name), turn),
    };
    this.#registry = new QueueRegistry(options, this.#context);
  }

  /** Takes over what a start found; once, before anything else. How sessions consume is the shell's to bring back, by `join`. */
  restore(stored: StoredQueues, turn: Turn): void {
    this.#lastId = stored.lastId;
    this.#delays.restore(stored.nextDelayAt);
    this.#registry.restore(restoreQueues(this.#context, stored, turn));
  }

  get size(): number {
    return this.#registry.size;
  }

  list(): Iterable<Queue> {
    return this.#registry.list();
  }

  find(name: string): Queue | undefined {
    return this.#registry.find(name);
  }

  view(name: string): QueueView | undefined {
    const queue = this.#registry.find(name);
    return queue === undefined ? undefined : viewOf(queue);
  }

  /** @throws {RangeError} a definition that is not valid, a name that is taken, or too many queues */
  create(definition: QueueDefinition, turn: Turn): Queue {
    return this.#registry.create(definition, turn);
  }

  /** Changes a queue that is there. Partitions are only added: messages that are there stay where they are, so the order of a key holds
   * among the messages before the change and among those after it.
   * @throws {RangeError} what the messages that are there would not survive, or no such queue */
  change(definition: QueueDefinition, turn: Turn): Queue {
    return this.#registry.change(definition, turn);
  }

  /** Deletes a queue with all that lies in it, its dead letters included; false when there is none. Its consumers wait for the next one
   * of that name. */
  delete(name: string, turn: Turn): boolean {
    const queues = [this.find(name), this.find(deadLetterName(name))].filter((queue) => queue !== undefined);
    const left = queues.flatMap(({ groups }) => [...groups.values()].flatMap(joinsOf));
    if (!this.#registry.delete(name, turn)) return false;
    for (const options of left) this.#orphans.add(options);
    return true;
  }

  /** Takes out all messages, settled or not, and those that are delayed; answers how many.
   * @throws {RangeError} no such queue */
  purge(name: string, turn: Turn): number {
    const count = this.#registry.existing(name).purge(turn);
    turn.effects.happenings.push({ kind: "queue-purged", queue: name, count });
    return count;
  }

  /** Refuses what `append` would not take, before anything is written.
   * @throws {Refusal} topic-name-invalid, packet-too-large, quota-exceeded */
  admit(publication: Publication, turn: Turn): void {
    const bytes = publicationBytes(publication);
    const queue = this.find(publication.queue);
    if (queue === undefined) this.#registry.assertMayCreate(publication.queue, "topic-name-invalid");
    else if (this.#isDuplicate(queue, publication, turn)) return;
    if (turn.isStoreFull) throw refusedForRoom(`append to ${quoted(publication.queue)}`);
    if (queue === undefined) assertSize(bytes, { ...this.#registry.template, name: publication.queue });
    else queue.assertRoom(bytes);
  }

  /** Takes a message that has been admitted on the same turn. Its bytes are kept: they must be its own. */
  append(publication: Publication, turn: Turn): Appended {
    const queue = this.#registry.obtain(publication.queue, turn);
    if (this.#isDuplicate(queue, publication, turn)) {
      queue.statistics.duplicates++;
      return { messageId: "", isDuplicate: true };
    }
    this.#noteKey(queue, publication.messageKey, turn);
    const { key, routingKey, delayMs } = publication;
    const chosenBy = key === "" ? routingKey : key;
    const partition = queue.partitionFor(chosenBy === "" ? undefined : keyHash(chosenBy));
    const entry = entryOf(publication, queue);
    if (delayMs > 0) {
      this.#delays.add(queue, { partition, entry, dueAt: turn.now + delayMs }, turn);
      return { messageId: "", isDuplicate: false };
    }
    const { offset } = queue.append(entry, partition, turn);
    return { messageId: messageIdOf(queue.name, partition, offset), isDuplicate: false };
  }

  /** The queues that copy what is published to an ordinary topic; their copies go through {@link capture}. */
  capturesOf(topic: string): readonly Queue[] {
    return this.#registry.capturesOf(topic);
  }

  /** Takes a copy of an ordinary message. A queue that does not take it is counted and told; the publisher is not refused. */
  capture(publication: Publication, turn: Turn): void {
    try {
      this.admit(publication, turn);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { queue, topic } = publication;
      const found = this.find(queue);
      if (found !== undefined) found.statistics.dropped["queue-full"]++;
      const facts = { queue, group: "", messageId: topic, cause: "queue-full" } as const;
      turn.effects.happenings.push({ kind: "queue-message-dropped", ...facts });
      return;
    }
    this.append(publication, turn);
  }

  /** Lets a consumer in: messages come at once where there are any. While the store is full, a queue that has a group gets no other: the
   * first one works it off, and what a second has not settled would only stay for longer.
   * @throws {Refusal} topic-filter-invalid for a name or filter that the queue or group cannot have, quota-exceeded for too many queues
   * or groups, or want of room */
  join(options: JoinOptions, turn: Turn): QueueMember {
    const queue = this.find(options.queue);
    if (queue !== undefined && !queue.groups.has(options.group)) {
      this.#registry.assertMayOpen(options.group, queue);
      if (turn.isStoreFull && queue.groups.size > 0) throw refusedForRoom(`open the group ${quoted(options.group)}`);
    }
    return this.rejoin(options, turn);
  }

  /** As {@link join}, for a consumer that was in before.
   * @throws {Refusal} as it does, but not for too many groups, nor for want of room where the queue is there */
  rejoin(options: JoinOptions, turn: Turn): QueueMember {
    const found = this.find(options.queue);
    if (found === undefined) {
      this.#registry.assertMayCreate(options.queue, "topic-filter-invalid");
      if (turn.isStoreFull) throw refusedForRoom(`create the queue ${quoted(options.queue)}`);
    }
    if (found?.groups.has(options.group) !== true) assertGroupName(options.group);
    const group = this.#groupFor(this.#registry.obtain(options.queue, turn), options, turn);
    return group.join(options.consumer, options.prefetch, turn);
  }

  /** Lets a consumer in as soon as there is such a queue. */
  joinLater(options: JoinOptions): void {
    this.#orphans.add(options);
  }

  /** A consumer waits for a queue no longer. */
  forgo(queue: string, consumer: QueueConsumer): void {
    this.#orphans.delete(queue, consumer);
  }

  /** Lets a member go: what it held is given out again at once. After a crash that counts as failed for those of which `had` says that
   * the consumer had them, for all when nothing is said. */
  leave(
    member: QueueMember,
    options: { isCrash: boolean; had?: (delivery: QueueDelivery) => boolean },
    turn: Turn,
  ): void {
    this.forgo(member.group.queue.name, member.consumer);
    member.group.leave(member, (delivery) => options.isCrash && (options.had?.(delivery) ?? true), turn);
  }

  /** The consumer of a member has room again. */
  pump(member: QueueMember, turn: Turn): void {
    if (!member.isGone) member.group.pump(member, turn);
  }

  /** False when the delivery is not held any more: nothing has changed then. */
  settle(delivery: QueueDelivery, settlement: Settlement, turn: Turn): boolean {
    return delivery.member.group.custody.settle(delivery, settlement, turn);
  }

  /** Gives the holder `ms` from now on; false when it is not held any more. */
  extend(delivery: QueueDelivery, ms: number, turn: Turn): boolean {
    return delivery.member.group.custody.extend(delivery, ms, turn);
  }

  /** The message `messageId` of `queue` that `consumer` holds, for the group if one is named; undefined when it holds none. */
  held(
    consumer: QueueConsumer,
    message: { queue: string; messageId: string; group?: string },
  ): QueueDelivery | undefined {
    const place = parseMessageId(message.messageId);
    const queue = this.find(message.queue);
    if (place === undefined || queue === undefined || place.queue !== message.queue) return undefined;
    for (const group of queue.active) {
      if (message.group !== undefined && message.group !== group.name) continue;
      const delivery = group.deliveryAt(place.partition, place.offset);
      if (delivery?.member.consumer === consumer) return delivery;
    }
    return undefined;
  }

  /** Settles what the member holds at an offset, and what it holds below it and was handed before: what was handed later it may not have
   * seen yet. Answers how many messages; 0 when it does not hold the one there. */
  commit(member: QueueMember, at: { partition: number; offset: number }, turn: Turn): number {
    const last = member.group.deliveryAt(at.partition, at.offset);
    if (last?.member !== member) return 0;
    const held: QueueDelivery[] = [];
    for (const list of [member.holds, member.extended]) {
      for (let delivery = list.first; delivery !== null; delivery = delivery.after) {
        const { partition, number, record } = delivery;
        if (partition === at.partition && record.offset <= at.offset && number <= last.number) held.push(delivery);
      }
    }
    for (const delivery of held) this.settle(delivery, { kind: "ack" }, turn);
    return held.length;
  }

  /** Sends a group to another place: what it holds is withdrawn.
   * @throws {RangeError} no such queue or group */
  seek(at: { queue: string; group: string; to: GroupStart; partition?: number }, turn: Turn): void {
    this.#registry.existing(at.queue).seek(this.#registry.existingGroup(at.queue, at.group), at, turn);
  }

  /** Takes a group away. Consumers that it has begin it anew.
   * @throws {RangeError} no such queue or group */
  deleteGroup(queue: string, group: string, turn: Turn): void {
    this.#deleteGroup(this.#registry.existingGroup(queue, group), turn);
  }

  /** The session of a client has ended: the groups that nobody named end with it. Others who have joined one begin it anew. */
  endClient(clientId: string, turn: Turn): void {
    for (const group of [...this.#clientGroups.get(clientId) ?? []]) this.#deleteGroup(group, turn);
  }

  /** Sends a dead letter back to its own queue, partition and key, for the group that it failed in, and takes it out of the dead letters
   * of all groups in the same commit; false when it is not there any more. `toEveryGroup` is for one whose group is gone.
   * @throws {RangeError} it is no dead letter, or its queue or group is gone
   * @throws {Refusal} its queue has no room for it */
  replay(
    letter: { queue: string; partition: number; record: QueueRecord; toEveryGroup?: boolean },
    turn: Turn,
  ): boolean {
    const letters = this.#registry.existing(letter.queue);
    const { record, partition, toEveryGroup = false } = letter;
    const { origin } = record;
    if (origin === undefined) {
      throw new RangeError(
        `Cannot send back ${quoted(messageIdOf(letter.queue, partition, record.offset))}: it is no dead letter`,
      );
    }
    const queue = this.#registry.existing(origin.queue);
    if (!toEveryGroup) this.#registry.existingGroup(origin.queue, origin.group);
    const entry = revivedEntry(record, letter.queue, toEveryGroup ? "" : origin.group);
    queue.assertRoom(recordBytes(entry));
    if (!letters.remove(record, partition, turn)) return false;
    queue.append(entry, Math.min(origin.partition, queue.partitions.length - 1), turn);
    return true;
  }

  /** Takes one message out of a queue, whoever has it; false when it is not there any more.
   * @throws {RangeError} no such queue */
  remove(message: { queue: string; partition: number; record: QueueRecord }, turn: Turn): boolean {
    return this.#registry.existing(message.queue).remove(message.record, message.partition, turn);
  }

  /** The answer to a load of the kind "page". */
  refill(load: QueueLoad, records: readonly QueueRecord[], turn: Turn): void {
    if (load.kind !== "page" || load.place.load !== load) return; // the group is gone, or elsewhere
    load.place.group.refill(load.place, records, turn);
  }

  /** The answer to a load of the kind "count". */
  counted(load: QueueLoad, amount: QueueAmount, turn: Turn): void {
    if (load.kind !== "count") return;
    const { count, bytes } = load.estimate;
    load.correct({ count: amount.count - count, bytes: amount.bytes - bytes }, turn);
  }

  /** The answer to a load of the kind "delays": what is due is appended. */
  delaysDue(page: QueueDelayPage, turn: Turn): void {
    this.#delays.answer(page, (queueId) => this.#registry.byId(queueId), turn);
  }

  /** The answer to a load of the kind "compaction". */
  compacted(compaction: QueueCompaction, turn: Turn): void {
    for (const queue of this.list()) {
      for (const log of queue.logs()) if (log.logId === compaction.logId) queue.upkeep.compacted(log, compaction, turn);
    }
  }

  /** When something falls due; Infinity for never. */
  get nextDeadline(): number {
    return Math.min(this.#deadlines.next, this.#delays.nextAt);
  }

  /** Does what has fallen due. */
  tick(turn: Turn): void {
    for (let due = this.#deadlines.take(turn.now); due !== undefined; due = this.#deadlines.take(turn.now)) {
      due.due(turn);
    }
    this.#delays.ask(turn);
  }

  #deleteGroup(group: Group, turn: Turn): void {
    const left = joinsOf(group);
    group.queue.deleteGroup(group, turn);
    this.#rejoinAll(left, turn);
  }

  /** Whoever makes the queue is not to fail with a consumer that cannot be in it: of one group two may have waited with a filter each. */
  #rejoinAll(left: Iterable<JoinOptions>, turn: Turn): void {
    for (const options of left) {
      const { consumer, queue } = options;
      try {
        consumer.rejoined!(this.rejoin(options, turn));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        turn.drop(consumer.id, queueTopic(queue, ""), "refused");
      }
    }
  }

  #groupFor(queue: Queue, options: JoinOptions, turn: Turn): Group {
    const { group: name, filter, consumer, start, boundToClient } = options;
    const group = queue.groups.get(name);
    if (group === undefined) {
      return queue.openGroup({ name, filter, clientId: boundToClient ? consumer.id : "", start }, turn);
    }
    if (group.filter === filter) return group;
    if (group.members.length > 0) {
      throw new Refusal(
        "topic-filter-invalid",
        `Cannot join the group ${quoted(name)} with the filter ${quoted(filter)}: its members read ${
          quoted(group.filter)
        }`,
      );
    }
    group.changeFilter(filter);
    turn.effects.writes.push({ kind: "queue-group-saved", ...group.stored });
    return group;
  }

  #isDuplicate(queue: Queue, { messageKey }: Publication, turn: Turn): boolean {
    return messageKey !== "" && deduplicates(queue) &&
      queue.keys.has(messageKey, turn.now - queue.definition.deduplicationMs);
  }

  #noteKey(queue: Queue, messageKey: string, turn: Turn): void {
    if (messageKey === "" || !deduplicates(queue)) return;
    queue.keys.note(messageKey, turn.now);
    queue.upkeep.start(turn.now);
    turn.effects.writes.push({ kind: "queue-key-noted", queueId: queue.queueId, messageKey, at: turn.now });
  }

  #bury(item: QueueItem, why: { cause: DeadLetterCause; reason: string }, turn: Turn): boolean {
    const { group, log } = item.place;
    const { queue } = group;
    const letters = this.find(deadLetterName(queue.name)) ??
      this.#registry.add(deadLetterDefinition(queue.definition), turn);
    const entry = deadLetterOf(item, why, turn.now);
    const messageId = messageIdOf(queue.name, log.partition, item.record.offset);
    const facts = { queue: queue.name, group: group.name, messageId, cause: why.cause };
    if (!letters.hasRoom(recordBytes(entry))) {
      queue.statistics.deadLettersRefused++;
      turn.effects.happenings.push({ kind: "dead-letters-full", ...facts });
      return false;
    }
    queue.statistics.deadLettered++;
    turn.effects.happenings.push({ kind: "message-dead-lettered", ...facts, deliveryCount: item.failures });
    letters.append(entry, Math.min(log.partition, letters.partitions.length - 1), turn);
    return true;
  }

  #noteClientGroup(group: Group, isThere: boolean): void {
    const groups = this.#clientGroups.get(group.clientId) ?? new Set<Group>();
    if (isThere) groups.add(group);
    else groups.delete(group);
    if (groups.size > 0) this.#clientGroups.set(group.clientId, groups);
    else this.#clientGroups.delete(group.clientId);
  }
}

/** Refuses a group that cannot be made. */
function assertGroupName(name: string): void {
  const fault = groupNameFault(name);
  if (fault !== undefined) {
    throw new Refusal("topic-filter-invalid", `Cannot join the group ${quoted(name)}: ${fault}`);
  }
}

function refusedForRoom(action: string): Refusal {
  return new Refusal("quota-exceeded", `Cannot ${action}: the storage is full`);
}

/** In a stream that is compacted a message key names what the message is about, and the next one with it is news. */
function deduplicates({ definition }: Queue): boolean {
  return definition.deduplicationMs > 0 && !definition.retention.isCompacted;
}

function entryOf(publication: Publication, queue: Queue): QueueEntry {
  const { topic, sourceTopic = "", key, messageKey, priority, expiresAt, properties, payload } = publication;
  return {
    topic,
    sourceTopic,
    key,
    messageKey,
    priority: queue.definition.type === "stream" ? 0 : priority,
    expiresAt,
    group: "",
    origin: undefined,
    properties,
    payload,
  };
}
