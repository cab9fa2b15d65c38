import {
  type GuestDeadLetter,
  type GuestDeadLetterChoice,
  type GuestDeadLetterRange,
  type GuestPullOptions,
  type GuestQueueMessage,
  type GuestQueues,
  type GuestSettlement,
  QueueFault,
  type ReplayOutcome,
} from "../bridge/queue_gateway.ts";
import { parseQueueFilter, QUEUE_PREFIX } from "../core/queue/address.ts";
import { parentName } from "../core/queue/dead_letters.ts";
import type { QueueOptions } from "../core/queue/definition.ts";
import type { QueueDelivery } from "../core/queue/delivery.ts";
import type { GroupStart } from "../core/queue/group_start.ts";
import { routingKeyOf } from "../core/queue/routing_key.ts";
import type { QueueView } from "../core/queue/views.ts";
import type { Identity, Policy } from "../core/ports.ts";
import { Refusal } from "../core/refusal.ts";
import { quoted } from "../core/text.ts";
import type { Turn } from "../core/turn.ts";
import { maySubscribe } from "../protocol/admission.ts";
import { readMessageProperties } from "../wire/properties.ts";
import type { LocalQueues } from "./local_queues.ts";
import type { PullConsumers, Puller } from "./pull_consumers.ts";

/** The right to look at and to administer a queue is that to publish to this and its name. */
const ADMIN_PREFIX = "$admin/queues/";

/** What a guest's view of the queues is given to work with. */
interface GuestQueuesParts {
  readonly queues: LocalQueues;
  readonly pulls: PullConsumers;
  readonly identity: Identity;
  readonly policy: Policy;
  readonly expiresAt: number;
  readonly holds: () => boolean;
  /** @throws {Refusal} what the guest was let in by has ended, or the broker is stopping */
  readonly assertCurrent: () => void;
  /** Refuses a filter that could not be subscribed to.
   * @throws {Refusal} not-authorized among others */
  readonly assertReadable: (filter: string) => void;
  /** Counts a subscription against the limits.
   * @throws {Refusal} */
  readonly meter: () => void;
  readonly decide: <T>(decide: (turn: Turn) => T) => T;
  readonly settled: () => Promise<void>;
}

/** The durable queues as a guest sees them: held to its rights, call by call. */
export class LocalGuestQueues implements GuestQueues {
  readonly #parts: GuestQueuesParts;

  constructor(parts: GuestQueuesParts) {
    this.#parts = parts;
  }

  list(): QueueView[] {
    this.#parts.assertCurrent();
    return this.#parts.queues.list().filter(({ definition: { name } }) => this.#mayAdminister(name));
  }

  get(name: string): QueueView {
    this.#assertAdmin(name);
    return this.#existing(name);
  }

  async create(options: QueueOptions): Promise<void> {
    const { name } = options;
    this.#assertAdmin(name);
    this.#assertMayCapture(options);
    if (this.#parts.queues.get(name) !== undefined) {
      throw new QueueFault("taken", `Cannot create the queue ${quoted(name)}: it is there already`);
    }
    await this.#parts.queues.create(options);
  }

  async change(options: QueueOptions): Promise<void> {
    this.get(options.name);
    this.#assertMayCapture(options);
    await this.#parts.queues.change(options);
  }

  async delete(name: string): Promise<void> {
    this.get(name);
    await this.#parts.queues.delete(name);
  }

  async purge(name: string): Promise<number> {
    this.get(name);
    return await this.#parts.queues.purge(name);
  }

  async seek(
    queue: string,
    group: string,
    at: { readonly to: GroupStart; readonly partition?: number },
  ): Promise<void> {
    this.#assertGroup(queue, group);
    await this.#parts.queues.seek(queue, group, at);
  }

  async deleteGroup(queue: string, group: string): Promise<void> {
    this.#assertGroup(queue, group);
    await this.#parts.queues.deleteGroup(queue, group);
  }

  async deadLetters(queue: string, range: GuestDeadLetterRange): Promise<GuestDeadLetter[]> {
    this.get(queue);
    return await this.#parts.queues.deadLetters(queue, range);
  }

  async replay(
    queue: string,
    which: GuestDeadLetterChoice,
    options: { readonly toEveryGroup: boolean },
  ): Promise<ReplayOutcome> {
    this.get(queue);
    return await this.#parts.queues.replay(queue, which, options);
  }

  async deleteDeadLetters(queue: string, which: GuestDeadLetterChoice): Promise<number> {
    this.get(queue);
    return await this.#parts.queues.deleteDeadLetters(queue, which);
  }

  async pull(queue: string, options: GuestPullOptions): Promise<GuestQueueMessage[]> {
    const { queues, pulls, assertCurrent, assertReadable, policy, identity } = this.#parts;
    assertCurrent();
    const topic = `${QUEUE_PREFIX}${queue}${options.filter === undefined ? "" : `/${options.filter}`}`;
    assertReadable(topic);
    const filter = parseQueueFilter({ filter: topic, group: "" })!;
    if (filter.queue !== queue) {
      throw new Refusal("topic-filter-invalid", `Cannot pull with the filter ${quoted(topic)}`);
    }
    const { clientId, username } = identity;
    const puller: Puller = {
      ...{ clientId, username, queue, group: options.group },
      expiresAt: this.#parts.expiresAt,
      holds: this.#parts.holds,
      meter: this.#parts.meter,
      may: () => maySubscribe({ policy, identity }, topic, 1),
    };
    try {
      const deliveries = await pulls.pull(puller, { ...options, filter: filter.routingFilter });
      return deliveries.map(messageOf);
    } catch (error) {
      const isMissing = error instanceof Refusal && error.refusal === "topic-filter-invalid" &&
        queues.get(queue) === undefined;
      throw isMissing ? new QueueFault("missing", error.message) : error;
    }
  }

  async settle(
    place: { readonly queue: string; readonly group: string; readonly messageIds: readonly string[] },
    settlement: GuestSettlement,
  ): Promise<{ settled: string[]; notHeld: string[] }> {
    const { assertCurrent, decide, identity, pulls, settled: stored } = this.#parts;
    assertCurrent();
    const settled: string[] = [];
    const notHeld: string[] = [];
    decide((turn) => {
      for (const messageId of place.messageIds) {
        const delivery = pulls.held({ ...identityOf(identity), ...place }, messageId);
        const isDone = delivery !== undefined && this.#settle(delivery, settlement, turn);
        (isDone ? settled : notHeld).push(messageId);
      }
    });
    await stored();
    return { settled, notHeld };
  }

  async leave(
    place: { readonly queue: string; readonly group: string },
    how: { readonly isLost: boolean },
  ): Promise<void> {
    const { identity, pulls, settled } = this.#parts;
    pulls.leave({ ...identityOf(identity), ...place }, how);
    await settled();
  }

  async commit(
    place: { readonly queue: string; readonly group: string; readonly partition: number; readonly offset: number },
  ): Promise<number | undefined> {
    const { assertCurrent, decide, identity, pulls, settled: stored } = this.#parts;
    assertCurrent();
    const count = decide((turn) => pulls.commit({ ...identityOf(identity), ...place }, place, turn));
    await stored();
    return count;
  }

  #settle(delivery: QueueDelivery, settlement: GuestSettlement, turn: Turn): boolean {
    const { pulls, queues } = this.#parts;
    if (settlement.kind !== "extend") return pulls.settle(delivery, settlement, turn);
    const ms = settlement.ms ?? delivery.member.group.queue.definition.visibilityTimeoutMs;
    return queues.sessions.queues.extend(delivery, ms, turn);
  }

  #existing(name: string): QueueView {
    const found = this.#parts.queues.get(name);
    if (found === undefined) throw new QueueFault("missing", `There is no queue ${quoted(name)}`);
    return found;
  }

  #assertGroup(queue: string, group: string): void {
    if (this.get(queue).groups.some(({ name }) => name === group)) return;
    throw new QueueFault("missing", `There is no group ${quoted(group)} of the queue ${quoted(queue)}`);
  }

  #assertAdmin(name: string): void {
    this.#parts.assertCurrent();
    if (this.#mayAdminister(name)) return;
    throw new Refusal("not-authorized", `Not allowed to administer the queue ${quoted(name)}`);
  }

  /** What a queue takes from elsewhere can be read from it: who could not subscribe there has it copied by nobody.
   * @throws {Refusal} not-authorized */
  #assertMayCapture({ topics = [] }: QueueOptions): void {
    for (const filter of topics) this.#parts.assertReadable(filter);
  }

  /** Dead letters go with their queue. */
  #mayAdminister(name: string): boolean {
    const { identity, policy } = this.#parts;
    const topic = `${ADMIN_PREFIX}${parentName(name) ?? name}`;
    return !/[+#\0]/.test(topic) && policy.mayPublish(identity, topic, { qos: 1, retain: false });
  }
}

function identityOf({ clientId, username }: Identity): { clientId: string; username: string | undefined } {
  return { clientId, username };
}

function messageOf(delivery: QueueDelivery): GuestQueueMessage {
  const { messageId, queue, group, partition, deliveryCount, deadline, record } = delivery;
  const { topic, sourceTopic, payload, offset, key, appendedAt, expiresAt, properties, origin } = record;
  return {
    ...readMessageProperties(properties, 0, properties.length),
    ...{ messageId, topic, sourceTopic, payload, partition, offset, key, deliveryCount, appendedAt, expiresAt },
    ...{ queue, group, routingKey: routingKeyOf(topic, queue) },
    heldUntil: deadline,
    origin,
  };
}
