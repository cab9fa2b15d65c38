import { Refusal } from "../refusal.ts";
import { quoted } from "../text.ts";
import type { Turn } from "../turn.ts";
import { isQueueName, QUEUE_NAME_RULE } from "./address.ts";
import { Captures } from "./captures.ts";
import type { QueueContext } from "./context.ts";
import { deadLetterName, parentName } from "./dead_letters.ts";
import type { QueueDefinition } from "./definition.ts";
import { assertChange, assertDefinition } from "./definition_rules.ts";
import type { Group } from "./group.ts";
import { Queue } from "./queue.ts";

/** How queues are made that nobody has defined. Who hands it in may change it. */
export interface RegistryOptions {
  /** What a queue is that comes into being by its first use. */
  readonly template: Omit<QueueDefinition, "name">;
  /** Whether they do. */
  readonly autoCreate: boolean;
  /** Queues at most, dead-letter queues aside. */
  readonly queuesMax: number;
  /** Groups of one queue at most. */
  readonly groupsMax: number;
}

/** Which queues there are: made by hand or by their first use, changed, deleted. */
export class QueueRegistry {
  readonly #options: RegistryOptions;
  readonly #context: QueueContext;
  readonly #byName = new Map<string, Queue>();
  readonly #byId = new Map<number, Queue>();
  readonly #captures = new Captures();

  constructor(options: RegistryOptions, context: QueueContext) {
    this.#options = options;
    this.#context = context;
  }

  /** Puts in what a start found. */
  restore(queues: readonly Queue[]): void {
    for (const queue of queues) {
      this.#byName.set(queue.name, queue);
      this.#byId.set(queue.queueId, queue);
    }
    this.#captures.reset(this.#byName.values());
  }

  get template(): Omit<QueueDefinition, "name"> {
    return this.#options.template;
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

  byId(queueId: number): Queue | undefined {
    return this.#byId.get(queueId);
  }

  /** Those that copy what is published to an ordinary topic. */
  capturesOf(topic: string): readonly Queue[] {
    return this.#captures.of(topic);
  }

  /** @throws {RangeError} no such queue */
  existing(name: string): Queue {
    const queue = this.#byName.get(name);
    if (queue === undefined) throw new RangeError(`Cannot find the queue ${quoted(name)}: there is none of that name`);
    return queue;
  }

  /** @throws {RangeError} no such queue or group */
  existingGroup(queue: string, name: string): Group {
    const group = this.existing(queue).groups.get(name);
    if (group === undefined) throw new RangeError(`Cannot find the group ${quoted(name)}: ${quoted(queue)} has none`);
    return group;
  }

  /** @throws {RangeError} a definition that is not valid, a name that is taken, or too many queues */
  create(definition: QueueDefinition, turn: Turn): Queue {
    assertDefinition(definition);
    if (this.#byName.has(definition.name)) {
      throw new RangeError(`Cannot create the queue ${quoted(definition.name)}: it is there already`);
    }
    const fault = this.#growthFault(definition.name);
    if (fault !== undefined) throw new RangeError(fault);
    return this.add(definition, turn);
  }

  /** The queue of a name that may be used, made of the template where there is none. To be asked after {@link assertMayCreate}. */
  obtain(name: string, turn: Turn): Queue {
    return this.#byName.get(name) ?? this.add({ ...this.template, name }, turn);
  }

  /** Makes a queue that is known to be allowed. */
  add(definition: QueueDefinition, turn: Turn): Queue {
    const queue = new Queue(this.#context, this.#context.nextId(), definition);
    this.#byName.set(definition.name, queue);
    this.#byId.set(queue.queueId, queue);
    turn.effects.writes.push({ kind: "queue-saved", queueId: queue.queueId, definition });
    turn.effects.happenings.push({ kind: "queue-created", queue: definition.name });
    if (definition.topics.length > 0) this.#captures.reset(this.#byName.values());
    this.#context.queueAdded(queue, turn);
    return queue;
  }

  /** @throws {RangeError} what the messages that are there would not survive, or no such queue */
  change(definition: QueueDefinition, turn: Turn): Queue {
    const queue = this.existing(definition.name);
    assertChange(queue.definition, definition);
    queue.redefine(definition, turn);
    turn.effects.writes.push({ kind: "queue-saved", queueId: queue.queueId, definition });
    turn.effects.happenings.push({ kind: "queue-changed", queue: queue.name });
    this.#captures.reset(this.#byName.values());
    return queue;
  }

  /** Deletes a queue and its dead letters; false when there is none. */
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

  /** Refuses the first use of a queue that is not there and cannot be made by it.
   * @throws {Refusal} `refusal`, quota-exceeded for too many queues */
  assertMayCreate(name: string, refusal: "topic-name-invalid" | "topic-filter-invalid"): void {
    if (!isQueueName(name)) {
      throw new Refusal(refusal, `Cannot use the queue ${quoted(name)}: ${QUEUE_NAME_RULE}`);
    }
    if (!this.#options.autoCreate) {
      throw new Refusal(refusal, `Cannot use the queue ${quoted(name)}: there is none, and none is created by its use`);
    }
    const growthFault = this.#growthFault(name);
    if (growthFault !== undefined) throw new Refusal("quota-exceeded", growthFault);
  }

  /** Refuses one more group of a queue.
   * @throws {Refusal} quota-exceeded for too many */
  assertMayOpen(group: string, { name, groups }: Queue): void {
    const { groupsMax } = this.#options;
    if (groups.size < groupsMax) return;
    const rule = `the queue ${quoted(name)} has ${groups.size}, the maximum is ${groupsMax}`;
    throw new Refusal("quota-exceeded", `Cannot open the group ${quoted(group)}: ${rule}`);
  }

  /** What is wrong with one more queue; dead letters are as many as their queues and do not count. */
  #growthFault(name: string): string | undefined {
    const { queuesMax } = this.#options;
    if (this.#byName.size < queuesMax || parentName(name) !== undefined) return undefined;
    const count = [...this.#byName.keys()].filter((each) => parentName(each) === undefined).length;
    if (count < queuesMax) return undefined;
    return `Cannot create the queue ${quoted(name)}: there are ${count}, the maximum is ${queuesMax}`;
  }
}
