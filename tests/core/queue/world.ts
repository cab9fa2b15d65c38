// Random histories of a broker of queues, watched by the model: every delivery is checked when it is made, everything else after each
// commit.
import assert from "node:assert/strict";
import type { Happening } from "../../../src/core/happening.ts";
import { deadLetterName, parentName } from "../../../src/core/queue/dead_letters.ts";
import type { QueueDefinition } from "../../../src/core/queue/definition.ts";
import type { QueueDelivery } from "../../../src/core/queue/delivery.ts";
import type { GroupStart } from "../../../src/core/queue/group_start.ts";
import type { QueueConsumer, QueueMember } from "../../../src/core/queue/member.ts";
import type { QueueMutation } from "../../../src/core/queue/mutation.ts";
import type { Publication } from "../../../src/core/queue/publication.ts";
import { REMOVED } from "../../../src/core/queue/queue.ts";
import type { QueueRecord } from "../../../src/core/queue/record.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { BrokerOfQueues, publicationOf, textOf } from "./broker_of_queues.ts";
import { ModelGroup, type ModelMessage, ModelQueue } from "./model.ts";

/** A consumer that tells the world what it gets, when the commit that brings it has been made. */
export class Watched implements QueueConsumer {
  hasRoom = true;
  member!: QueueMember;
  readonly past: QueueDelivery[] = [];

  constructor(readonly id: string, readonly prefetch: number, readonly world: World) {}

  get deliveries(): QueueDelivery[] {
    return this.past.filter(({ isHeld }) => isHeld);
  }

  deliver(delivery: QueueDelivery): void {
    this.past.push(delivery);
    this.world.events.push({ kind: "delivered", consumer: this, delivery });
  }

  withdraw(delivery: QueueDelivery): void {
    this.world.events.push({ kind: "withdrawn", consumer: this, delivery });
  }
}

interface Event {
  readonly kind: "delivered" | "withdrawn";
  readonly consumer: Watched;
  readonly delivery: QueueDelivery;
}

/** What the broker may do of itself in the commit under way. */
interface Expected {
  readonly published?: { readonly queue: string; readonly text: string };
  /** Withdrawals that are neither failures nor over time: of a leave, a seek, a purge. */
  readonly isLeaving?: boolean;
  readonly isCrash?: boolean;
  readonly isPurge?: boolean;
  readonly endOf?: ModelGroup;
}

export class World {
  broker: BrokerOfQueues;
  readonly queues = new Map<string, ModelQueue>();
  consumers: Watched[] = [];
  readonly events: Event[] = [];
  #expected: Expected = {};
  #names = 0;
  #texts = 0;

  constructor(definition: QueueDefinition, deadLetters: QueueDefinition | undefined) {
    this.broker = this.#watch(new BrokerOfQueues());
    this.broker.store.pieceMax = 5;
    for (const each of [definition, deadLetters]) {
      if (each === undefined) continue;
      this.broker.queues.create(each, this.broker.turn);
      this.broker.settle();
      this.queues.set(each.name, new ModelQueue(each));
    }
  }

  get now(): number {
    return this.broker.turn.now;
  }

  publish(queue: ModelQueue, options: Partial<Publication>): void {
    const text = options.payload === undefined ? `m${++this.#texts}` : "";
    const { name, limits, deduplicationMs, retention } = queue.definition;
    const publication = publicationOf(name, text, options);
    const { delayMs } = publication;
    const messageKey = retention.isCompacted ? "" : publication.messageKey; // there it names what a message is about
    const seenAt = queue.keys.get(messageKey) ?? -Infinity;
    const isDuplicate = messageKey !== "" && seenAt > this.now - deduplicationMs;
    const isRefused = !isDuplicate && queue.depth + 1 > limits.messages;
    try {
      this.broker.queues.admit(publication, this.broker.turn);
      assert.ok(!isRefused, `${text} was taken although ${queue.depth} wait`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      assert.ok(isRefused, `${text} was refused although ${queue.depth} wait: ${error.message}`);
      assert.equal(this.broker.turn.effects.writes.length, 0, "nothing is half-written");
      return;
    }
    if (messageKey !== "" && !isDuplicate) queue.keys.set(messageKey, this.now);
    if (!isDuplicate && delayMs > 0) queue.delayed.push({ text, dueAt: this.now + delayMs });
    this.#expected = !isDuplicate && delayMs === 0 ? { published: { queue: name, text } } : {};
    const appended = this.broker.queues.append(publication, this.broker.turn);
    assert.equal(appended.isDuplicate, isDuplicate);
    this.broker.settle();
  }

  join(queue: ModelQueue, options: { group: string; filter: string; prefetch: number; start: GroupStart }): void {
    const { name } = queue.definition;
    const { group, filter, prefetch, start } = options;
    const known = queue.groups.get(group);
    const consumer = new Watched(`c${++this.#names}`, prefetch, this);
    const boundToClient = group === "own";
    if (known === undefined) {
      const created = new ModelGroup(group, filter, boundToClient ? consumer.id : "");
      created.start(queue.messages, (message) => this.#isBefore(message, { queue, start }));
      created.isCounted = start.kind !== "time";
      queue.groups.set(group, created);
    }
    const join = { queue: name, group, filter: known?.filter ?? filter, consumer, prefetch, start, boundToClient };
    consumer.member = this.broker.queues.join(join, this.broker.turn);
    this.consumers.push(consumer);
    queue.groups.get(group)!.idleSince = 0;
    this.broker.settle();
  }

  leave(consumer: Watched, isCrash: boolean): void {
    this.#expected = { isLeaving: true, isCrash };
    this.consumers = this.consumers.filter((each) => each !== consumer);
    const { group } = consumer.member;
    if (this.#membersOf(group.queue.name, group.name).length === 0) {
      this.queues.get(group.queue.name)!.groups.get(group.name)!.idleSince = this.now;
    }
    this.broker.queues.leave(consumer.member, { isCrash }, this.broker.turn);
    this.broker.settle();
  }

  settle(delivery: QueueDelivery, verdict: "ack" | "nack" | "reject", delayMs: number | undefined): void {
    const { queue, group, message, standing } = this.#find(delivery);
    standing.holder = "";
    if (verdict === "ack") standing.isSettled = true;
    const { turn, queues } = this.broker;
    const settlement = verdict === "nack"
      ? (delayMs === undefined ? { kind: verdict } : { kind: verdict, delayMs })
      : verdict === "ack"
      ? { kind: verdict }
      : { kind: verdict, reason: "bad" };
    assert.ok(queues.settle(delivery, settlement, turn));
    if (verdict !== "ack") this.#failed({ queue, group, message }, { delayMs, isRejected: verdict === "reject" });
    this.broker.settle();
  }

  settleLate(delivery: QueueDelivery): void {
    const before = JSON.stringify(this.broker.turn.effects.writes);
    assert.equal(this.broker.queues.settle(delivery, { kind: "ack" }, this.broker.turn), false);
    assert.equal(this.broker.queues.extend(delivery, 1, this.broker.turn), false);
    assert.equal(JSON.stringify(this.broker.turn.effects.writes), before, "a late settlement changes nothing");
  }

  extend(delivery: QueueDelivery, ms: number): void {
    this.#find(delivery).standing.deadline = this.now + ms;
    assert.ok(this.broker.queues.extend(delivery, ms, this.broker.turn));
    this.broker.settle();
  }

  commit(consumer: Watched, at: { partition: number; offset: number }): void {
    const held = consumer.deliveries; // in the order in which they came
    const last = held.findIndex(({ partition, record }) => partition === at.partition && record.offset === at.offset);
    for (const delivery of held.slice(0, last + 1)) {
      if (delivery.partition !== at.partition || delivery.record.offset > at.offset) continue;
      const { standing } = this.#find(delivery);
      standing.holder = "";
      standing.isSettled = true;
    }
    this.broker.queues.commit(consumer.member, at, this.broker.turn);
    this.broker.settle();
  }

  answer(): void {
    this.broker.answer();
  }

  /** From now on the store answers at once. */
  hurry(): void {
    this.broker.isSlow = false;
    while (this.broker.pending.length > 0) this.broker.answer();
  }

  setRoom(consumer: Watched, hasRoom: boolean): void {
    consumer.hasRoom = hasRoom;
    if (hasRoom) this.broker.queues.pump(consumer.member, this.broker.turn);
    this.broker.settle();
  }

  seek(queue: ModelQueue, group: ModelGroup, start: GroupStart): void {
    this.#expected = { isLeaving: true };
    const below = new Set(queue.messages.filter((message) => this.#isBefore(message, { queue, start })));
    this.broker.queues.seek({ queue: queue.definition.name, group: group.name, to: start }, this.broker.turn);
    this.events.unshift(...this.events.splice(0).filter(({ kind }) => kind === "delivered"));
    group.start(queue.messages, (message) => below.has(message));
    group.isCounted = start.kind !== "time";
    this.broker.settle();
  }

  purge(queue: ModelQueue): void {
    this.#expected = { isLeaving: true, isPurge: true };
    queue.delayed = [];
    for (const message of queue.messages) {
      message.isRemoved = true;
      for (const group of queue.groups.values()) group.of(message).holder = "";
    }
    this.broker.queues.purge(queue.definition.name, this.broker.turn);
    this.broker.settle();
  }

  /** Takes a message out, or sends a dead letter back. */
  takeOut(queue: ModelQueue, message: ModelMessage, isReplay: boolean): void {
    const { name } = queue.definition;
    const parent = this.queues.get(parentName(name) ?? "");
    const rows = [...this.broker.store.logs.values()].filter(({ queueId, partition }) => {
      return partition === message.partition && this.broker.store.queues.get(queueId)!.name === name;
    });
    const record = rows.flatMap(({ records }) => records).find(({ offset }) => offset === message.offset)!;
    const letter = { queue: name, partition: message.partition, record };
    const isBack = isReplay && parent !== undefined;
    if (isBack && !parent.groups.has(record.origin!.group)) {
      assert.throws(() => this.broker.queues.replay(letter, this.broker.turn), RangeError);
      assert.equal(this.broker.turn.effects.writes.length, 0);
      return;
    }
    const isThere = !message.isOut;
    const published = isBack && isThere ? { queue: parent.definition.name, text: message.text } : undefined;
    this.#expected = { isLeaving: true, published };
    message.isOut = true;
    for (const group of queue.groups.values()) group.of(message).isSettled = true;
    const { queues, turn } = this.broker;
    assert.equal(isBack ? queues.replay(letter, turn) : queues.remove(letter, turn), isThere);
    this.broker.settle();
  }

  /** One partition more: the messages that are there stay where they are. */
  grow(queue: ModelQueue): void {
    queue.definition = { ...queue.definition, partitions: queue.definition.partitions + 1 };
    queue.homes.clear();
    this.#expected = {};
    this.broker.queues.change(queue.definition, this.broker.turn);
    this.broker.settle();
  }

  deleteGroup(queue: ModelQueue, group: ModelGroup): void {
    this.#expected = { isLeaving: true, endOf: group };
    const { name } = queue.definition;
    this.consumers = this.consumers.filter(({ member }) =>
      member.group.name !== group.name || member.group.queue.name !== name
    );
    const gone = queue.groups.get(group.name);
    this.broker.queues.deleteGroup(name, group.name, this.broker.turn);
    this.broker.settle();
    assert.equal(gone, group);
    queue.groups.delete(group.name);
    this.compare();
  }

  /** The broker goes down, perhaps before something that it decided was committed, and comes back. */
  restart(lose: () => void): void {
    const { isSlow } = this.broker;
    lose();
    this.broker.turn.effects.clear();
    this.events.length = 0;
    this.consumers = [];
    for (const queue of this.queues.values()) {
      for (const group of queue.groups.values()) {
        group.forgetHolders();
        group.idleSince ||= this.now;
      }
    }
    this.#expected = {};
    this.broker = this.#watch(this.broker.restarted());
    this.broker.isSlow = isSlow;
  }

  advance(milliseconds: number): void {
    const { broker } = this;
    const end = this.now + milliseconds;
    this.#expected = {};
    broker.advance(milliseconds);
    for (const consumer of this.consumers) {
      for (const delivery of consumer.deliveries) {
        assert.ok(delivery.deadline > end, `${textOf(delivery.record)} has been held for too long`);
      }
    }
    for (const { definition, groups } of this.queues.values()) {
      for (const { name, clientId, idleSince } of groups.values()) {
        const isOver = idleSince > 0 && clientId === "" && end - idleSince > definition.groupExpiryMs;
        assert.ok(!isOver, `${name} has been idle for too long`);
      }
    }
    this.compare();
  }

  /** Looks at everything that must hold between two steps. */
  compare(): void {
    this.#expected = {};
    assert.equal(this.events.length, 0);
    for (const queue of this.queues.values()) {
      const view = this.broker.queues.view(queue.definition.name)!;
      assert.deepEqual(view.groups.map(({ name }) => name).sort(), [...queue.groups.keys()].sort());
      assert.equal(view.delayed.count, queue.delayed.length);
      for (const group of queue.groups.values()) this.#compareGroup(queue, group);
    }
  }

  #membersOf(queue: string, group: string): Watched[] {
    return this.consumers.filter(({ member }) => member.group.queue.name === queue && member.group.name === group);
  }

  #compareGroup(queue: ModelQueue, group: ModelGroup): void {
    const { name } = queue.definition;
    const members = this.#membersOf(name, group.name);
    const view = this.broker.queues.view(name)!.groups.find((each) => each.name === group.name)!;
    const held = queue.present.filter((message) => group.of(message).holder !== "");
    assert.equal(view.inFlight, held.length, `${group.name}: in flight`);
    const isForAll = queue.messages.every(({ group }) => group === "");
    if (
      group.isCounted && group.filter === "#" && isForAll && !this.broker.pending.some(({ kind }) => kind === "count")
    ) {
      const owed = queue.unsettled(group).length;
      const read = queue.present.filter((message) => message.isCompacted && !group.of(message).isSettled).length;
      assert.ok(view.unsettled >= owed && view.unsettled <= owed + read, `${group.name}: ${view.unsettled} of ${owed}`);
    }
    this.#comparePositions(queue, group);
    if (queue.definition.ordering === "partition" && members.length > 0) this.#compareShares(queue, members);
    if (this.broker.pending.length > 0) return; // the store knows more
    for (const message of queue.present) {
      if (!queue.isEligible(message, group, this.now)) continue;
      const owners = queue.definition.ordering === "partition"
        ? members.filter(({ member }) => member.partitions.some(({ index }) => index === message.partition))
        : members;
      for (const { id, member, hasRoom } of owners) {
        const isFree = hasRoom && member.held < (member.prefetch || queue.definition.prefetch);
        assert.ok(!isFree, `${id} of ${group.name} waits although ${message.text} is there`);
      }
    }
  }

  /** Every partition has one member, and no member two more than another. */
  #compareShares(queue: ModelQueue, members: readonly Watched[]): void {
    const shares = members.map(({ member }) => member.partitions.map(({ index }) => index));
    const all = shares.flat().sort((a, b) => a - b);
    assert.deepEqual(all, Array.from({ length: queue.definition.partitions }, (_, i) => i));
    const sizes = shares.map(({ length }) => length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `shares of ${sizes}`);
  }

  /** What is on disk says of every message whether it is settled, but for those that a group only passed by. */
  #comparePositions(queue: ModelQueue, group: ModelGroup): void {
    const { store } = this.broker;
    const { name } = queue.definition;
    const [queueId] = [...store.queues].find(([, definition]) => definition.name === name)!;
    const row = [...store.groups.values()].find((each) => each.queueId === queueId && each.name === group.name)!;
    for (const log of store.logs.values()) {
      if (log.queueId !== queueId) continue;
      const place = store.positions.find(({ groupId, logId }) => groupId === row.groupId && logId === log.logId);
      for (const { offset } of log.records) {
        const message = queue.at(log.partition, offset);
        const { isSettled, failures } = group.of(message);
        const isStored = place !== undefined &&
          (offset < place.position || place.ranges.has(offset) || message.appendedAt < place.notBefore);
        if (isStored) assert.ok(isSettled, `${message.text} is settled on disk, and not for ${group.name}`);
        else if (isSettled) assert.ok(!group.wants(message), `${message.text} of ${group.name} is not settled on disk`);
        const stored = store.failures.find((each) => {
          return each.groupId === row.groupId && each.logId === log.logId && each.offset === offset;
        });
        if (!isSettled) assert.equal(stored?.failures ?? 0, failures, `failures of ${message.text} for ${group.name}`);
      }
    }
  }

  #watch(broker: BrokerOfQueues): BrokerOfQueues {
    broker.onCommit = (writes, happenings) => this.#committed(writes, happenings);
    broker.onCompaction = ({ logId, tombstonesBefore }, removed) => {
      for (const record of removed.toReversed()) this.#compacted(logId, record, tombstonesBefore);
    };
    return broker;
  }

  #committed(writes: readonly QueueMutation[], happenings: readonly Happening[]): void {
    const buried = new Map<string, Happening["kind"]>();
    for (const happening of happenings) {
      if (happening.kind === "queue-created" && !this.queues.has(happening.queue)) {
        this.queues.set(happening.queue, new ModelQueue(this.broker.queues.find(happening.queue)!.definition));
      }
      if (!("messageId" in happening) || isExpiry(happening)) continue;
      buried.set(`${happening.messageId} ${happening.group}`, happening.kind);
    }
    this.#ends = happenings.flatMap((each) => each.kind === "queue-group-deleted" ? [this.#ended(each)] : []);
    const letters: string[] = [];
    for (const write of writes) if (write.kind === "queue-appended") this.#appended(write, letters);
    for (const happening of happenings) if (isExpiry(happening)) this.#expired(happening);
    this.#trims = writes.filter((write) => write.kind === "queue-trimmed");
    this.#buried = buried;
    for (const event of this.events.splice(0)) {
      if (event.kind === "delivered") this.#delivered(event);
      else this.#withdrawn(event);
    }
    for (const { due, at } of this.#failures.splice(0)) due(at);
    for (const write of writes) if (write.kind === "queue-settled") this.#takenOut(write);
    for (const trim of this.#trims.splice(0)) this.#trimmed(trim);
    for (const { queue, group } of this.#lasts()) this.#checkEnd(queue, group);
    for (const happening of happenings) {
      if (happening.kind === "message-dead-lettered") {
        const { messageId, group } = happening;
        const { depth, definition } = this.queues.get(deadLetterName(happening.queue))!;
        if (Number.isFinite(definition.limits.messages)) {
          assert.ok(depth <= definition.limits.messages, "too many dead letters");
        }
        const index = letters.indexOf(`${messageId} ${group}`);
        assert.ok(index >= 0, `${messageId} is told to be a dead letter and is none`);
        letters.splice(index, 1);
      }
      if (happening.kind === "queue-group-deleted" && this.#expected.endOf === undefined) {
        this.queues.get(happening.queue)!.groups.delete(happening.group);
      }
    }
    assert.deepEqual(letters, [], "dead letters that nobody told of");
    assert.deepEqual([...this.#buried.keys()], [], "ends of messages that had not failed for good");
    const { published } = this.#expected;
    assert.equal(published, undefined, `${published?.text} was taken and not appended`);
  }

  /** A group goes when it was told to, or when nobody was in it for long. */
  #ended({ queue: name, group: groupName }: { queue: string; group: string }): ModelGroup {
    const { groups, definition } = this.queues.get(name)!;
    const group = groups.get(groupName)!;
    if (group === this.#expected.endOf) return group;
    assert.deepEqual([this.#membersOf(name, groupName).length, group.clientId], [0, ""]);
    assert.ok(
      group.idleSince > 0 && this.now - group.idleSince >= definition.groupExpiryMs,
      `${groupName} has ended early`,
    );
    return group;
  }

  #ends: ModelGroup[] = [];
  #trims: Extract<QueueMutation, { kind: "queue-trimmed" }>[] = [];
  #buried = new Map<string, Happening["kind"]>();
  readonly #failures: { due: (at: number) => void; at: number }[] = [];

  #appended({ logId, record }: Extract<QueueMutation, { kind: "queue-appended" }>, letters: string[]): void {
    const log = this.broker.store.logs.get(logId)!;
    const queue = this.queues.get(this.broker.store.queues.get(log.queueId)!.name)!;
    const text = textOf(record);
    const { name, limits } = queue.definition;
    const { origin, key, priority, offset, appendedAt, group } = record;
    if (origin !== undefined) {
      assert.equal(origin.queue, parentName(name));
      const message = this.queues.get(origin.queue)!.at(origin.partition, origin.offset);
      assert.equal(text, message.text);
      assert.equal(key, message.key);
      letters.push(`${origin.queue}:${origin.partition}:${origin.offset} ${origin.group}`);
    } else if (this.#expected.published?.text === text) {
      assert.equal(name, this.#expected.published.queue);
      if (key !== "" && group === "") {
        assert.equal(queue.homes.get(key) ?? log.partition, log.partition, `the partition of ${key}`);
        queue.homes.set(key, log.partition);
      }
      this.#expected = { ...this.#expected, published: undefined };
    } else {
      const delay = queue.delayed.find((each) => each.text === text);
      assert.ok(delay !== undefined && delay.dueAt <= this.now, `${text} was appended by nobody`);
      queue.delayed = queue.delayed.filter((each) => each !== delay);
    }
    const last = queue.messages.findLast(({ partition }) => partition === log.partition);
    assert.ok(last === undefined || last.offset < offset, "offsets grow");
    const expiresAt = record.expiresAt;
    assert.ok(expiresAt <= appendedAt + limits.ttlMs);
    const routingKey = record.topic.slice(`$queue/${name}/`.length);
    const { partition } = log;
    queue.messages.push({
      text,
      partition,
      offset,
      key,
      routingKey,
      priority,
      expiresAt,
      appendedAt,
      group,
      isRemoved: false,
      isOut: false,
      isCompacted: false,
    });
  }

  /** Only what there is news of goes, and tombstones that are old enough. */
  #compacted(logId: number, record: QueueRecord, tombstonesBefore: number): void {
    const log = this.broker.store.logs.get(logId)!;
    const queue = this.queues.get(this.broker.store.queues.get(log.queueId)!.name)!;
    const isReplaced = log.records.some(({ messageKey, offset }) => {
      return messageKey === record.messageKey && offset > record.offset;
    });
    const isTombstone = record.payload.length === 0 && record.appendedAt < tombstonesBefore;
    const end = queue.tombstones.get(record.messageKey) ?? -1;
    assert.ok(record.messageKey !== "" && (isReplaced || isTombstone || end > record.offset), "the newest was taken");
    if (isTombstone) queue.tombstones.set(record.messageKey, Math.max(end, record.offset));
    assert.ok(record.appendedAt < this.now - queue.definition.retention.compactionLagMs, "too young to be compacted");
    queue.at(log.partition, record.offset).isCompacted = true;
  }

  /** The last groups of their queues that end in this commit. */
  #lasts(): { queue: ModelQueue; group: ModelGroup }[] {
    return [...this.queues.values()].flatMap((queue) => {
      const groups = [...queue.groups.values()];
      const group = this.#ends.findLast((each) => groups.includes(each));
      const isLast = group !== undefined && groups.every((each) => this.#ends.includes(each));
      return isLast && queue.definition.type === "classic" ? [{ queue, group }] : [];
    });
  }

  /** What is nobody's any more was taken out by hand, or settled by the last group, which ends. */
  #takenOut({ groupId, logId, from, to }: Extract<QueueMutation, { kind: "queue-settled" }>): void {
    const log = this.broker.store.logs.get(logId);
    if (log === undefined || this.broker.store.groups.get(groupId)?.name !== REMOVED) return;
    const queue = this.queues.get(this.broker.store.queues.get(log.queueId)!.name)!;
    const [last] = this.#lasts().filter((each) => each.queue === queue);
    for (const message of queue.present) {
      if (message.partition !== log.partition || message.priority !== log.priority) continue;
      if (message.offset < from || message.offset >= to || message.isOut) continue;
      assert.ok(last?.group.of(message).isSettled, `${message.text} was taken out`);
      message.isOut = true;
    }
  }

  /** What the last group of a work queue has settled does not come back. */
  #checkEnd(queue: ModelQueue, group: ModelGroup): void {
    for (const message of queue.present) {
      const { isSettled, isPassed } = group.of(message);
      assert.ok(
        !isSettled || isPassed || message.isOut,
        `${message.text} comes back although ${group.name} had settled it`,
      );
    }
  }

  /** Only what every group has settled, or what is old enough, goes. */
  #trimmed({ logId, before }: Extract<QueueMutation, { kind: "queue-trimmed" }>): void {
    const log = this.broker.store.logs.get(logId)!;
    const queue = this.queues.get(this.broker.store.queues.get(log.queueId)!.name)!;
    const { type, retention } = queue.definition;
    for (const message of queue.present) {
      if (message.partition !== log.partition || message.priority !== log.priority || message.offset >= before) {
        continue;
      }
      if (message.isCompacted) {
        message.isRemoved = true;
        continue;
      }
      const others = [...queue.groups.values()].filter((group) => !this.#ends.includes(group));
      const all = [...queue.groups.values()]; // of several that end at a time the last one decides
      const hasSettled = (group: ModelGroup) => group.of(message).isSettled;
      const isOver = others.length > 0
        ? others.every(hasSettled)
        : all.length > 0
        ? all.some(hasSettled)
        : message.isOut;
      const isSettled = type === "classic" && isOver;
      const isOld = message.appendedAt < this.now - retention.ageMs;
      const left = queue.present.filter((other) => {
        return other.partition === log.partition && !other.isCompacted &&
          !(other.priority === log.priority && other.offset < before && !isSettled);
      });
      assert.ok(isSettled || isOld || left.length >= retention.messages, `${message.text} was trimmed`);
      message.isRemoved = true;
    }
  }

  #isGoing({ offset, isRemoved }: ModelMessage, delivery: QueueDelivery): boolean {
    const { logId } = delivery.item.place.log;
    return isRemoved || this.#trims.some((trim) => trim.logId === logId && offset < trim.before);
  }

  #delivered({ consumer, delivery }: Event): void {
    const { queue, group, message, standing } = this.#find(delivery);
    const { text } = message;
    const { record, deliveryCount, deadline } = delivery;
    assert.equal(textOf(record), text);
    if (this.#isGoing(message, delivery) && !delivery.isHeld) return; // it went at the same moment
    assert.ok(!message.isRemoved, `${text} was gone`);
    assert.ok(!standing.isSettled, `${text} had been settled by ${group.name}`);
    assert.equal(standing.holder, "", `${text} is with another`);
    assert.ok(message.expiresAt > this.now, `${text} had expired`);
    assert.ok(standing.dueAt <= this.now, `${text} came too early`);
    assert.equal(deliveryCount, standing.failures + 1, `deliveries of ${text}`);
    for (const other of queue.rivals(message, group)) {
      if (!this.#isGoing(other, delivery)) {
        assert.equal(group.of(other).holder, "", `${text} and ${other.text} are under way at a time`);
      }
    }
    for (const other of queue.inFrontOf(message, group)) {
      assert.ok(other.expiresAt <= this.now || this.#isGoing(other, delivery), `${text} has overtaken ${other.text}`);
    }
    if (queue.definition.ordering === "partition") {
      assert.ok(
        consumer.member.partitions.some(({ index }) => index === message.partition),
        `${text} is not ${consumer.id}'s`,
      );
    }
    assert.equal(deadline, this.now + queue.definition.visibilityTimeoutMs);
    standing.holder = consumer.id;
    standing.deadline = deadline;
    const holding = queue.messages.filter((each) => group.of(each).holder === consumer.id).length;
    assert.ok(holding <= (consumer.prefetch || queue.definition.prefetch), `${consumer.id} has ${holding}`);
  }

  #withdrawn({ consumer, delivery }: Event): void {
    const { queue, group, message, standing } = this.#find(delivery);
    const { isLeaving = false, isCrash = false, isPurge = false } = this.#expected;
    if (message.isRemoved || this.#isGoing(message, delivery)) {
      // at the same moment: whether it had failed before makes no difference
      standing.holder = "";
      if (this.#buried.delete(`${delivery.messageId} ${group.name}`)) standing.isSettled = true;
      return;
    }
    assert.equal(standing.holder, consumer.id, `${message.text} was withdrawn from one who did not have it`);
    standing.holder = "";
    assert.equal(delivery.isHeld, false);
    if (isLeaving && !isCrash) return;
    if (!isCrash) assert.ok(standing.deadline <= this.now, `${message.text} was withdrawn early`);
    assert.ok(!isPurge);
    this.#failed({ queue, group, message }, { delayMs: isCrash ? 0 : undefined, isRejected: false, isNow: true });
  }

  /** What a failure leads to: the engine has told already whether it was for good. */
  #failed(
    at: { queue: ModelQueue; group: ModelGroup; message: ModelMessage },
    how: { delayMs: number | undefined; isRejected: boolean; isNow?: boolean },
  ): void {
    const { queue, group, message } = at;
    const standing = group.of(message);
    const { deliveryLimit, hasDeadLetters, backoff, name } = queue.definition;
    standing.failures++;
    const isForGood = how.isRejected || standing.failures >= deliveryLimit;
    const plain = Math.min(backoff.maxMs, backoff.initialMs * backoff.multiplier ** (standing.failures - 1));
    if (!isForGood) {
      standing.dueAt = this.now + (how.delayMs ?? plain);
      return;
    }
    // Told by the happenings of the commit, which a settlement makes only later: until then it is not to be delivered.
    standing.isSettled = true;
    const id = `${name}:${message.partition}:${message.offset} ${group.name}`;
    const decide = (now: number) => {
      const end = this.#buried.get(id);
      this.#buried.delete(id);
      const expected = hasDeadLetters ? "message-dead-lettered" : "queue-message-dropped";
      if (end === expected) return;
      assert.equal(end, "dead-letters-full", `${message.text} failed for good`);
      const letters = this.queues.get(deadLetterName(name))!;
      // A group that began at a time has passed over what is older when it reads that, and without members it does not.
      const isCounted = [...letters.groups.values()].every((group) => group.isCounted);
      if (isCounted) assert.ok(letters.depth >= letters.definition.limits.messages, "dead letters had room");
      standing.isSettled = false;
      standing.dueAt = now + backoff.maxMs;
    };
    if (how.isNow) decide(this.now);
    else this.#failures.push({ due: decide, at: this.now });
  }

  #expired({ queue: name, group: groupName, messageId }: { queue: string; group: string; messageId: string }): void {
    const queue = this.queues.get(name)!;
    const [, partition, offset] = /:(\d+):(\d+)$/.exec(messageId)!;
    const message = queue.at(Number(partition), Number(offset));
    assert.ok(message.expiresAt <= this.now, `${message.text} has not expired`);
    queue.groups.get(groupName)!.of(message).isSettled = true;
  }

  #find(delivery: QueueDelivery) {
    const queue = this.queues.get(delivery.queue)!;
    const group = queue.groups.get(delivery.group)!;
    const message = queue.at(delivery.partition, (delivery.record as QueueRecord).offset);
    return { queue, group, message, standing: group.of(message) };
  }

  /** Whether a group that starts there has nothing to do with the message. */
  #isBefore(message: ModelMessage, { queue, start }: { queue: ModelQueue; start: GroupStart }): boolean {
    if (message.isRemoved || message.isOut) return true;
    const isStream = queue.definition.type === "stream";
    if (start.kind === "last" || (start.kind === "default" && isStream)) return true;
    if (start.kind === "offset") return message.offset < start.offset;
    if (start.kind === "time") return start.time > this.now || message.appendedAt < start.time;
    if (isStream) return false;
    // A classic queue begins where the slowest group is.
    const groups = this.broker.queues.view(queue.definition.name)!.groups;
    const positions = groups.map(({ positions }) => {
      return positions.find(({ partition, priority }) =>
        partition === message.partition && priority === message.priority
      )!
        .position;
    });
    return positions.length > 0 && message.offset < Math.min(...positions);
  }
}

function isExpiry(happening: Happening): happening is Extract<Happening, { kind: "queue-message-dropped" }> {
  return happening.kind === "queue-message-dropped" && happening.cause === "expired";
}
