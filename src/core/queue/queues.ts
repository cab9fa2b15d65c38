import { Deadlines } from "../deadlines.ts";
import { Refusal } from "../refusal.ts";
import { quoted } from "../text.ts";
import type { Turn } from "../turn.ts";
import { isQueueName, QUEUE_NAME_RULE } from "./address.ts";
import { Captures } from "./captures.ts";
import type { QueueContext } from "./context.ts";
import type { Settlement } from "./custody.ts";
import { deadLetterDefinition, deadLetterName, deadLetterOf, parentName, revivedEntry } from "./dead_letters.ts";
import type { QueueDefinition } from "./definition.ts";
import { assertChange, assertDefinition, groupNameFault } from "./definition_rules.ts";
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
import type { StoredQueues } from "./mutation.ts";
import type { QueueCompaction, QueueDelayPage } from "./ports.ts";
import { type Appended, type Publication, publicationBytes } from "./publication.ts";
import { Queue } from "./queue.ts";
import { type DeadLetterCause, type QueueEntry, type QueueRecord, recordBytes } from "./record.ts";
import { restoreQueues } from "./restore.ts";
import { type QueueView, viewOf } from "./views.ts";

/** How queues are made that nobody has defined. */
export interface QueuesOptions {
  readonly random: () => number;
  /** What a queue is that comes into being by its first use. */
  readonly template: Omit<QueueDefinition, "name">;
  /** Whether they do. */
  readonly autoCreate: boolean;
  /** Queues at most, dead-letter queues aside. */
  readonly queuesMax: number;
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
  readonly #options: QueuesOptions;
  readonly #byName = new Map<string, Queue>();
  readonly #byId = new Map<number, Queue>();
  readonly #clientGroups = new Map<string, Set<Group>>();
  readonly #captures = new Captures();
  readonly #deadlines = new Deadlines<Due>();
  readonly #context: QueueContext;
  readonly #delays = new Delays();
  #lastId = 0;

  constructor(options: QueuesOptions) {
    this.#options = options;
    this.#context = {
      random: options.random,
      deadlines: this.#deadlines,
      nextId: () => ++this.#lastId,
      bury: (item, why, turn) => this.#bury(item, why, turn),
      noteClientGroup: (group, isThere) => this.#noteClientGroup(group, isThere),
    };
  }

  /** Takes over what a start found; once, before anything else. How sessions consume is the shell's to bring back, by `join`. */
  restore(stored: StoredQueues, turn: Turn): void {
    this.#lastId = stored.lastId;
    this.#delays.restore(stored.nextDelayAt);
    for (const queue of restoreQueues(this.#context, stored, turn)) {
      this.#byName.set(queue.name, queue);
      this.#byId.set(queue.queueId, queue);
    }
    this.#captures.reset(this.#byName.values());
  }

  get size(): number {
    return this.#byName.size;
  }

  list(): Iterable<Queue> {
    return this.#byName.values();
  }

  find(name: string): Queue | undefined {
    return this.#byName.get(name);
  }

  view(name: string): QueueView | undefined {
    const queue = this.#byName.get(name);
    return queue === undefined ? undefined : viewOf(queue);
  }

  /** @throws {RangeError} a definition that is not valid, a name that is taken, or too many queues */
  create(definition: QueueDefinition, turn: Turn): Queue {
    assertDefinition(definition);
    if (this.#byName.has(definition.name)) {
      throw new RangeError(`Cannot create the queue ${quoted(definition.name)}: it is there already`);
    }
    const fault = this.#growthFault(definition.name);
    if (fault !== undefined) throw new RangeError(fault);
    return this.#add(definition, turn);
  }

  /** Changes a queue that is there. Partitions are only added: messages that are there stay where they are, so the order of a key holds
   * among the messages before the change and among those after it.
   * @throws {RangeError} what the messages that are there would not survive, or no such queue */
  change(definition: QueueDefinition, turn: Turn): Queue {
    const queue = this.#existing(definition.name);
    assertChange(queue.definition, definition);
    queue.redefine(definition, turn);
    turn.effects.writes.push({ kind: "queue-saved", queueId: queue.queueId, definition });
    turn.effects.happenings.push({ kind: "queue-changed", queue: queue.name });
    this.#captures.reset(this.#byName.values());
    return queue;
  }

  /** Deletes a queue with all that lies in it, its dead letters included; false when there is none. */
  delete(name: string, turn: Turn): boolean {
    const queue = this.#byName.get(name);
    if (queue === undefined) return false;
    this.delete(deadLetterName(name), turn);
    this.#byName.delete(name);
    this.#byId.delete(queue.queueId);
    queue.end(turn);
    turn.effects.writes.push({ kind: "queue-deleted", queueId: queue.queueId });
    turn.effects.happenings.push({ kind: "queue-deleted", queue: name });
    this.#captures.reset(this.#byName.values());
    return true;
  }

  /** Takes out all messages that lie in the logs, settled or not, and answers how many. Delayed ones come when they are due.
   * @throws {RangeError} no such queue */
  purge(name: string, turn: Turn): number {
    const queue = this.#existing(name);
    let count = 0;
    for (const log of queue.logs()) if (log.first < log.next) count += queue.dropBelow(log, log.next, turn).count;
    queue.refresh(turn);
    turn.effects.happenings.push({ kind: "queue-purged", queue: name, count });
    return count;
  }

  /** Refuses what `append` would not take, before anything is written.
   * @throws {Refusal} topic-name-invalid, packet-too-large, quota-exceeded */
  admit(publication: Publication, turn: Turn): void {
    const bytes = publicationBytes(publication);
    const queue = this.#byName.get(publication.queue);
    if (queue === undefined) {
      this.#assertMayCreate(publication.queue);
      if (bytes <= this.#options.template.limits.messageBytes) return;
      throw new Refusal(
        "packet-too-large",
        `Cannot append ${bytes} bytes to ${quoted(publication.queue)}: the maximum is ` +
          `${this.#options.template.limits.messageBytes} bytes a message`,
      );
    }
    if (this.#isDuplicate(queue, publication, turn)) return;
    if (turn.isStoreFull) {
      throw new Refusal("quota-exceeded", `Cannot append to ${quoted(queue.name)}: the disk is full`);
    }
    queue.assertRoom(bytes);
  }

  /** Takes a message that has been admitted on the same turn. Its bytes are kept: they must be its own. */
  append(publication: Publication, turn: Turn): Appended {
    const queue = this.#byName.get(publication.queue) ??
      this.#add({ ...this.#options.template, name: publication.queue }, turn);
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
    return this.#captures.of(topic);
  }

  /** Takes a copy of an ordinary message. A queue that does not take it is counted and told; the publisher is not refused. */
  capture(publication: Publication, turn: Turn): void {
    try {
      this.admit(publication, turn);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { queue, topic } = publication;
      const found = this.#byName.get(queue);
      if (found !== undefined) found.statistics.dropped["queue-full"]++;
      const facts = { queue, group: "", messageId: topic, cause: "queue-full" } as const;
      turn.effects.happenings.push({ kind: "queue-message-dropped", ...facts });
      return;
    }
    this.append(publication, turn);
  }

  /** Lets a consumer in: messages come at once where there are any.
   * @throws {Refusal} topic-filter-invalid for a name or filter that the queue or group cannot have, quota-exceeded for too many queues */
  join(options: JoinOptions, turn: Turn): QueueMember {
    let queue = this.#byName.get(options.queue);
    if (queue === undefined) {
      this.#assertMayCreate(options.queue, "topic-filter-invalid");
      queue = this.#add({ ...this.#options.template, name: options.queue }, turn);
    }
    const group = this.#groupFor(queue, options, turn);
    return group.join(options.consumer, options.prefetch, turn);
  }

  /** Lets a member go: what it held is given out again at once. After a crash that counts as failed for those of which `had` says that
   * the consumer had them, for all when nothing is said. */
  leave(
    member: QueueMember,
    options: { isCrash: boolean; had?: (delivery: QueueDelivery) => boolean },
    turn: Turn,
  ): void {
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
    const queue = this.#byName.get(message.queue);
    if (place === undefined || queue === undefined || place.queue !== message.queue) return undefined;
    for (const group of queue.active) {
      if (message.group !== undefined && message.group !== group.name) continue;
      const delivery = group.deliveryAt(place.partition, place.offset);
      if (delivery?.member.consumer === consumer) return delivery;
    }
    return undefined;
  }

  /** Settles what the member holds of a partition up to an offset, that one included; answers how many messages. */
  commit(member: QueueMember, at: { partition: number; offset: number }, turn: Turn): number {
    const held: QueueDelivery[] = [];
    for (const list of [member.holds, member.extended]) {
      for (let delivery = list.first; delivery !== null; delivery = delivery.after) {
        if (delivery.partition === at.partition && delivery.record.offset <= at.offset) held.push(delivery);
      }
    }
    for (const delivery of held) this.settle(delivery, { kind: "ack" }, turn);
    return held.length;
  }

  /** Sends a group to another place: what it holds is withdrawn.
   * @throws {RangeError} no such queue or group */
  seek(at: { queue: string; group: string; to: GroupStart; partition?: number }, turn: Turn): void {
    this.#existing(at.queue).seek(this.#existingGroup(at.queue, at.group), at, turn);
  }

  /** @throws {RangeError} no such queue or group */
  deleteGroup(queue: string, group: string, turn: Turn): void {
    this.#existing(queue).deleteGroup(this.#existingGroup(queue, group), turn);
  }

  /** The session of a client has ended: the groups that nobody named end with it. */
  endClient(clientId: string, turn: Turn): void {
    for (const group of [...this.#clientGroups.get(clientId) ?? []]) group.queue.deleteGroup(group, turn);
  }

  /** Sends a dead letter back to its own queue, partition and key, for the group that it failed in, and takes it out of the dead letters
   * of all groups in the same commit; false when it is not there any more. `toEveryGroup` is for one whose group is gone.
   * @throws {RangeError} it is no dead letter, or its queue or group is gone
   * @throws {Refusal} its queue has no room for it */
  replay(
    letter: { queue: string; partition: number; record: QueueRecord; toEveryGroup?: boolean },
    turn: Turn,
  ): boolean {
    const letters = this.#existing(letter.queue);
    const { record, partition, toEveryGroup = false } = letter;
    const { origin } = record;
    if (origin === undefined) {
      throw new RangeError(
        `Cannot send back ${quoted(messageIdOf(letter.queue, partition, record.offset))}: it is no dead letter`,
      );
    }
    const queue = this.#existing(origin.queue);
    if (!toEveryGroup) this.#existingGroup(origin.queue, origin.group);
    const entry = revivedEntry(record, letter.queue, toEveryGroup ? "" : origin.group);
    queue.assertRoom(recordBytes(entry));
    if (!letters.remove(record, partition, turn)) return false;
    queue.append(entry, Math.min(origin.partition, queue.partitions.length - 1), turn);
    return true;
  }

  /** Takes one message out of a queue, whoever has it; false when it is not there any more.
   * @throws {RangeError} no such queue */
  remove(message: { queue: string; partition: number; record: QueueRecord }, turn: Turn): boolean {
    return this.#existing(message.queue).remove(message.record, message.partition, turn);
  }

  /** The answer to a load of the kind "page". */
  refill(load: QueueLoad, records: readonly QueueRecord[], turn: Turn): void {
    if (load.kind !== "page" || load.place.load !== load) return; // the group is gone, or elsewhere
    load.place.group.refill(load.place, records, turn);
  }

  /** The answer to a load of the kind "delays": what is due is appended. */
  delaysDue(page: QueueDelayPage, turn: Turn): void {
    this.#delays.answer(page, this.#byId, turn);
  }

  /** The answer to a load of the kind "compaction". */
  compacted(compaction: QueueCompaction): void {
    for (const queue of this.#byName.values()) {
      for (const log of queue.logs()) if (log.logId === compaction.logId) queue.upkeep.compacted(log, compaction);
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

  #existing(name: string): Queue {
    const queue = this.#byName.get(name);
    if (queue === undefined) throw new RangeError(`Cannot find the queue ${quoted(name)}: there is none of that name`);
    return queue;
  }

  #existingGroup(queue: string, name: string): Group {
    const group = this.#existing(queue).groups.get(name);
    if (group === undefined) throw new RangeError(`Cannot find the group ${quoted(name)}: ${quoted(queue)} has none`);
    return group;
  }

  #add(definition: QueueDefinition, turn: Turn): Queue {
    const queue = new Queue(this.#context, ++this.#lastId, definition);
    this.#byName.set(definition.name, queue);
    this.#byId.set(queue.queueId, queue);
    turn.effects.writes.push({ kind: "queue-saved", queueId: queue.queueId, definition });
    turn.effects.happenings.push({ kind: "queue-created", queue: definition.name });
    if (definition.topics.length > 0) this.#captures.reset(this.#byName.values());
    return queue;
  }

  /** What is wrong with one more queue; dead letters are as many as their queues and do not count. */
  #growthFault(name: string): string | undefined {
    const { queuesMax } = this.#options;
    if (this.#byName.size < queuesMax || parentName(name) !== undefined) return undefined;
    const count = [...this.#byName.keys()].filter((each) => parentName(each) === undefined).length;
    if (count < queuesMax) return undefined;
    return `Cannot create the queue ${quoted(name)}: there are ${count}, the maximum is ${queuesMax}`;
  }

  #assertMayCreate(name: string, refusal: "topic-name-invalid" | "topic-filter-invalid" = "topic-name-invalid"): void {
    if (!isQueueName(name)) {
      throw new Refusal(refusal, `Cannot use the queue ${quoted(name)}: ${QUEUE_NAME_RULE}`);
    }
    if (!this.#options.autoCreate) {
      throw new Refusal(refusal, `Cannot use the queue ${quoted(name)}: there is none, and none is created by its use`);
    }
    const growthFault = this.#growthFault(name);
    if (growthFault !== undefined) throw new Refusal("quota-exceeded", growthFault);
  }

  #groupFor(queue: Queue, options: JoinOptions, turn: Turn): Group {
    const { group: name, filter, consumer, start, boundToClient } = options;
    const group = queue.groups.get(name);
    if (group === undefined) {
      const fault = groupNameFault(name);
      if (fault !== undefined) {
        throw new Refusal("topic-filter-invalid", `Cannot join the group ${quoted(name)}: ${fault}`);
      }
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
    const name = deadLetterName(queue.name);
    const letters = this.#byName.get(name) ?? this.#add(deadLetterDefinition(queue.definition), turn);
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
