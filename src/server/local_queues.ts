import type { ReplayOutcome } from "../bridge/queue_gateway.ts";
import type { QueueDefinition, QueueOptions } from "../core/queue/definition.ts";
import type { GroupStart } from "../core/queue/group_start.ts";
import type { QueueLoad } from "../core/queue/load.ts";
import type { QueueStore } from "../core/queue/ports.ts";
import { Queues } from "../core/queue/queues.ts";
import { SessionQueues } from "../core/queue/session_queues.ts";
import { type QueueView, viewOf } from "../core/queue/views.ts";
import { quoted } from "../core/text.ts";
import type { Turn } from "../core/turn.ts";
import { QueuePropertyCodec } from "../protocol/queue_codec.ts";
import { DeadLetterShelf } from "./dead_letter_shelf.ts";
import type { QueueBrokerOptions, ResolvedOptions } from "./options.ts";
import { QueueLoads } from "./queue_loads.ts";
import { LocalConsumer } from "./local_consumer.ts";
import type {
  BrokerQueues,
  ConsumeQueueOptions,
  DeadLetter,
  DeadLetterChoice,
  DeadLetterRange,
  QueueReader,
} from "./queue_api.ts";

/** What the queues are given to work with. */
interface LocalQueuesParts {
  readonly queues: Queues;
  readonly store: QueueStore;
  /** Shared with `queues`, so that both see it change. */
  readonly defaults: Defaults;
  readonly decide: Decide;
  readonly settled: () => Promise<void>;
}

/** What holds for queues that nobody has defined; it may change. */
type Defaults = Omit<Required<QueueBrokerOptions>, "definitions">;

/** Lets the core decide, then persists and speaks. */
type Decide = <T>(decide: (turn: Turn) => T) => T;

/** What queues need of their broker. */
export interface QueueHost {
  readonly decide: Decide;
  /** Resolves when everything decided so far is stored. */
  readonly settled: () => Promise<void>;
  /** The store failed. */
  readonly onFailure: (error: unknown) => void;
}

/** The queues of a broker; undefined when its store keeps none.
 * @throws {TypeError} when some are wanted all the same */
export function openQueues(options: ResolvedOptions, host: QueueHost): LocalQueues | undefined {
  const { queues: { template, autoCreate, queuesMax, groupsMax, definitions }, store } = options;
  if (store.queues === undefined) {
    if (definitions.length === 0) return undefined;
    throw new TypeError(`Cannot open the queue ${quoted(definitions[0].name)}: the store keeps no durable queues`);
  }
  const defaults = { random: Math.random, template, autoCreate, queuesMax, groupsMax };
  return new LocalQueues({ queues: new Queues(defaults), store: store.queues, defaults, ...host });
}

/** The durable queues of a broker: what the program does with them, and what the shell does for them. */
export class LocalQueues implements BrokerQueues {
  /** As MQTT clients see them. */
  readonly sessions: SessionQueues;
  readonly #parts: LocalQueuesParts;
  readonly #loads: QueueLoads;
  readonly #shelf: DeadLetterShelf;
  readonly #readers = new Set<LocalConsumer>();

  /** Use {@link WeirBroker.queues}. */
  constructor(parts: LocalQueuesParts & QueueHost) {
    this.#parts = parts;
    this.sessions = new SessionQueues(parts.queues, new QueuePropertyCodec());
    this.#loads = new QueueLoads(parts);
    this.#shelf = new DeadLetterShelf(parts);
  }

  /** Makes or changes the queues that the configuration lists.
   * @throws {RangeError} when a queue that is there cannot become what is asked for */
  defineAll(definitions: readonly QueueDefinition[], turn: Turn): void {
    for (const definition of definitions) this.#define(definition, turn);
  }

  async define(definition: QueueDefinition): Promise<void> {
    await this.#do((turn) => this.#define(definition, turn));
  }

  adjust(defaults: Partial<Defaults>): void {
    Object.assign(this.#parts.defaults, defaults);
  }

  async create(options: QueueOptions): Promise<void> {
    const { queues, defaults } = this.#parts;
    await this.#do((turn) => queues.create(definitionOf(options, defaults.template), turn));
  }

  async change(options: QueueOptions): Promise<void> {
    const { definition } = this.#existing(options.name);
    await this.#do((turn) => this.#parts.queues.change(definitionOf(options, definition), turn));
  }

  async delete(name: string): Promise<boolean> {
    return await this.#do((turn) => this.#parts.queues.delete(name, turn));
  }

  async purge(name: string): Promise<number> {
    return await this.#do((turn) => this.#parts.queues.purge(name, turn));
  }

  list(): QueueView[] {
    const views = [...this.#parts.queues.list()].map(viewOf);
    return views.sort((a, b) => a.definition.name < b.definition.name ? -1 : 1);
  }

  get(name: string): QueueView | undefined {
    return this.#parts.queues.view(name);
  }

  consume(queue: string, options: ConsumeQueueOptions = {}): QueueReader {
    const { queues, decide } = this.#parts;
    const { group, filter = "#", prefetch = 0, start = { kind: "default" }, signal } = options;
    const id = `reader-${crypto.randomUUID()}`;
    const onAbort = () => reader.close();
    const reader: LocalConsumer = new LocalConsumer({
      id,
      settle: (delivery, settlement) => this.#do((turn) => queues.settle(delivery, settlement, turn)),
      extend: (delivery, ms) => this.#do((turn) => queues.extend(delivery, ms, turn)),
      commit: (member, at) => this.#do((turn) => queues.commit(member, at, turn)),
      pump: (member) => decide((turn) => queues.pump(member, turn)),
      onEnd: (member) => {
        this.#readers.delete(reader);
        signal?.removeEventListener("abort", onAbort);
        decide((turn) => {
          queues.leave(member, { isCrash: false }, turn);
          queues.endClient(id, turn);
        });
      },
    });
    const terms = { queue, group: group ?? id, filter, consumer: reader, prefetch, start };
    const member = decide((turn) => queues.join({ ...terms, boundToClient: group === undefined }, turn));
    this.#readers.add(reader);
    reader.open(member);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) reader.close();
    return reader;
  }

  async seek(
    queue: string,
    group: string,
    at: { readonly to: GroupStart; readonly partition?: number },
  ): Promise<void> {
    await this.#do((turn) => this.#parts.queues.seek({ queue, group, ...at }, turn));
  }

  async deleteGroup(queue: string, group: string): Promise<void> {
    await this.#do((turn) => this.#parts.queues.deleteGroup(queue, group, turn));
  }

  async deadLetters(queue: string, range: DeadLetterRange = {}): Promise<DeadLetter[]> {
    return await this.#shelf.list(queue, range);
  }

  async replay(
    queue: string,
    which: DeadLetterChoice,
    { toEveryGroup = false }: { readonly toEveryGroup?: boolean } = {},
  ): Promise<ReplayOutcome> {
    return await this.#shelf.replay(queue, which, toEveryGroup);
  }

  async deleteDeadLetters(queue: string, which: DeadLetterChoice): Promise<number> {
    return await this.#shelf.delete(queue, which);
  }

  /** Answers what the core wants to know of the store. */
  answer(load: QueueLoad): void {
    this.#loads.answer(load);
  }

  /** Ends all readers. */
  close(): void {
    for (const reader of [...this.#readers]) reader.close();
  }

  #define(definition: QueueDefinition, turn: Turn): void {
    const { queues } = this.#parts;
    const known = queues.find(definition.name)?.definition;
    if (known === undefined) queues.create(definition, turn);
    else if (JSON.stringify(known) !== JSON.stringify(definition)) queues.change(definition, turn);
  }

  #existing(name: string): QueueView {
    const found = this.get(name);
    if (found === undefined) {
      throw new RangeError(`Cannot change the queue ${quoted(name)}: there is none of that name`);
    }
    return found;
  }

  async #do<T>(decide: (turn: Turn) => T): Promise<T> {
    const answer = this.#parts.decide(decide);
    await this.#parts.settled();
    return answer;
  }
}

/** What only the base has said gives way to what is asked for. */
function definitionOf(options: QueueOptions, base: Omit<QueueDefinition, "name">): QueueDefinition {
  const partitions = options.ordering === "strict" ? 1 : base.partitions;
  const backoff = { ...base.backoff, ...options.backoff };
  return {
    ...base,
    partitions,
    ...options,
    retention: { ...base.retention, ...options.retention },
    limits: { ...base.limits, ...options.limits },
    backoff: { ...backoff, maxMs: options.backoff?.maxMs ?? Math.max(backoff.maxMs, backoff.initialMs) },
  };
}
