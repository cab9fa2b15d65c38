import assert from "node:assert/strict";
import { Inspection } from "../../src/store/sqlite/inspection.ts";
import { Folder } from "../store/folder.ts";
import { BrokerProgram } from "../support/broker_program.ts";
import type { QueueClient } from "./queue_client.ts";
import { QueueGrave } from "./queue_grave.ts";
import { QueueAuditor } from "./queue_auditor.ts";
import { type KeyStream, QueueLedger } from "./queue_ledger.ts";
import { QueueMember } from "./queue_member.ts";
import { type Handing, QueuePublisher } from "./queue_publisher.ts";
import { MEMBERS, QUEUES } from "./queue_shapes.ts";
import { between, delay, type Random, randomOf, until } from "./random.ts";
import type { WorldOptions } from "./world.ts";

const CONFIG = new URL("queues.yaml", import.meta.url).pathname;

/** What hands messages over; `old` knows no properties. */
const PUBLISHERS = [{ clientId: "p0", version: 5 }, { clientId: "p1", version: 5 }, {
  clientId: "old",
  version: 4,
}] as const;

/** Keys of one publisher in one queue. */
const KEYS = 8;

/** Messages that one publisher has under way at most. */
const WINDOW = 20;

/** What one publisher hands over in a round at most. */
const QUOTA = 1_000;

/** How long a stream may take to be compacted, once nothing else happens. */
const COMPACTION_MS_MAX = 1_500;

/** Queues in a program that is killed again and again, publishers and consumers that do not forget what they were promised. */
export class QueueWorld implements AsyncDisposable {
  readonly ledger = new QueueLedger(QUEUES);
  readonly #random: Random;
  readonly #options: WorldOptions;
  readonly #folder = new Folder();
  readonly #publishers: readonly { client: QueuePublisher; streams: KeyStream[]; quota: number }[];
  readonly #members: readonly QueueMember[];
  readonly #graves: readonly QueueGrave[];
  readonly #auditors: readonly QueueAuditor[];
  readonly #restless = new Map<QueueClient, Promise<void>>();
  #program: BrokerProgram | undefined;
  #isLoading = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = randomOf(options.seed);
    const { ledger } = this;
    this.#publishers = PUBLISHERS.map(({ clientId, version }) => {
      const client = new QueuePublisher(clientId, { ledger, version });
      return { client, streams: this.#streamsOf(clientId, version < 5), quota: 0 };
    });
    for (const publisher of this.#publishers) publisher.client.onRoom = () => this.#publish(publisher);
    this.#members = MEMBERS.map((each) => new QueueMember(each, { ledger, random: this.#random }));
    this.#graves = QUEUES.map(({ name }) => new QueueGrave(name, ledger));
    this.#auditors = QUEUES.filter(({ keeps }) => keeps !== undefined).map((shape) => new QueueAuditor(shape, ledger));
  }

  get published(): number {
    return this.#publishers.reduce((sum, { client }) => sum + client.published, 0);
  }

  /** Everyone connects for the first time and subscribes. */
  async open(): Promise<void> {
    await this.#start();
    await this.#connectAll();
  }

  /** Load, a kill at some instant, perhaps another one at the restart, and then everything must be there. */
  async round(): Promise<void> {
    await this.#load(between(this.#random, 20, 500));
    await this.#kill();
    if (this.#random() < 0.4) {
      void this.#start().catch(() => {}); // it may not get as far as to listen
      await delay(between(this.#random, 0, 600));
      await this.#kill();
    }
    await this.#start();
    await this.#settle();
    await this.#audit();
    if (this.#random() < 0.4) await this.#checkPlaces();
  }

  /** @throws with everything that broke a promise */
  verdict(): void {
    const { violations } = this.ledger;
    assert.equal(violations.length, 0, `seed ${this.#options.seed}:\n  ${violations.slice(0, 20).join("\n  ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLoading = false;
    await Promise.all(this.#clients.map((client) => client.drop()));
    await this.#program?.kill();
    this.#folder[Symbol.dispose]();
  }

  get #clients(): readonly QueueClient[] {
    return [...this.#publishers.map(({ client }) => client), ...this.#members, ...this.#graves];
  }

  async #start(): Promise<void> {
    const { main } = this.#options;
    this.#program = new BrokerProgram({ folder: this.#folder.path, config: CONFIG, main });
    await this.#program.port();
  }

  async #kill(): Promise<void> {
    const complaints = await this.#program!.kill();
    if (complaints !== "") this.#options.log?.(`the program complained: ${complaints}`);
    await Promise.all(this.#restless.values());
    await Promise.all(this.#clients.map((client) => client.drop()));
  }

  async #connectAll(): Promise<void> {
    const port = await this.#program!.port();
    await Promise.all(this.#clients.map(async (client) => {
      if (client.isOpen || await client.connect(port)) return;
      this.ledger.accuse(`${client.clientId}: the connection ended before CONNACK`);
    }));
  }

  /** Publishers hand over what their window holds; everyone comes and goes. Ends while all of that is under way. */
  async #load(milliseconds: number): Promise<void> {
    this.#isLoading = true;
    const port = await this.#program!.port();
    for (const publisher of this.#publishers) {
      publisher.quota = QUOTA;
      this.#publish(publisher);
    }
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      await delay(between(this.#random, 0, 40));
      const client = this.#clients[between(this.#random, 0, this.#clients.length - 1)];
      if (this.#random() > 0.4 || this.#restless.has(client)) continue;
      this.#restless.set(client, this.#unsettle(client, port).finally(() => this.#restless.delete(client)));
    }
    this.#isLoading = false;
  }

  async #unsettle(client: QueueClient, port: number): Promise<void> {
    const what = this.#random();
    if (!client.isOpen) await client.connect(port);
    else if (what < 0.3) await client.disconnect();
    else if (what < 0.7) await client.drop();
    else await client.connect(port); // takes its own session over
  }

  #publish(publisher: { client: QueuePublisher; streams: KeyStream[]; quota: number }): void {
    const { client, streams } = publisher;
    while (this.#isLoading && client.isOpen && publisher.quota > 0 && client.outstanding < WINDOW) {
      publisher.quota--;
      const stream = streams[between(this.#random, 0, streams.length - 1)];
      client.hand(stream, this.#handingOf(stream));
    }
  }

  #handingOf(stream: KeyStream): Handing {
    const { topicOf, says, payloadBytes = 0 } = QUEUES.find(({ name }) => name === stream.queue)!;
    return {
      topic: topicOf?.(stream) ?? `$queue/${stream.queue}`,
      says: { "partition-key": stream.key, ...says?.(stream, this.#random) },
      bytes: payloadBytes,
    };
  }

  /** Everyone comes back and works on until nothing is left; then it is written down, and nothing is to be missing. */
  async #settle(): Promise<void> {
    const { ledger } = this;
    await this.#connectAll();
    const missing = () => [
      ...this.#publishers.flatMap(({ client }) =>
        client.outstanding > 0 ? [`${client.clientId} waits for PUBACK`] : []
      ),
      ...this.#members.flatMap((member) => member.isIdle ? [] : [`${member.clientId} waits for an answer`]),
      ...ledger.missing(),
    ];
    await until(() => missing().length === 0, () => "").catch(() => missing().forEach((what) => ledger.accuse(what)));
    await Promise.all(this.#clients.map((client) => client.settled()));
    ledger.settled();
    await until(() => ledger.missing().length === 0, () => "").catch(() => {
      for (const what of ledger.missing()) ledger.accuse(what);
    });
  }

  /** What is to be kept in streams is there for whoever reads them from the first message on. */
  async #audit(): Promise<void> {
    const port = await this.#program!.port();
    const stored = (name: string) => storedIn(this.#folder.path, name);
    await Promise.all(this.#auditors.map((auditor) => auditor.audit(port, () => stored(auditor.queue))));
  }

  /** Nothing is left, so on disk each group stands at the end of each log; killed there, it stands there again, and gets nothing. */
  async #checkPlaces(): Promise<void> {
    const { ledger } = this;
    const behind = () => behindIn(this.#folder.path);
    await until(() => behind().length === 0, () => "").catch(() => behind().forEach((what) => ledger.accuse(what)));
    const { deliveries } = ledger;
    await delay(between(this.#random, 0, COMPACTION_MS_MAX));
    await this.#kill();
    for (const what of behind()) ledger.accuse(`after a kill in quiet: ${what}`);
    await this.#start();
    await this.#connectAll();
    await Promise.all(this.#clients.map((client) => client.settled()));
    if (ledger.deliveries > deliveries) ledger.accuse(`${ledger.deliveries - deliveries} came after a kill in quiet`);
    await this.#audit();
  }

  #streamsOf(publisher: string, isOld: boolean): KeyStream[] {
    const own = QUEUES.filter(({ isFromOld = false }) => isFromOld === isOld);
    return own.flatMap(({ name }) => {
      return Array.from({ length: KEYS }, (_, i) => {
        if (name !== "urgent") return this.ledger.stream(name, `${publisher}-${i}`);
        return this.ledger.stream(name, `${publisher}-${i >> 1}/${3 * (i % 2)}`); // two priorities for each key
      });
    });
  }
}

/** Which groups the data says have something left; dead letters aside. */
function behindIn(folder: string): string[] {
  using inspection = Inspection.open(folder);
  const queues = inspection.durable(-1).filter(({ name }) => !name.endsWith("/$dlq"));
  return queues.flatMap(({ name, delayed, groups }) => [
    ...(delayed > 0 ? [`${name}: ${delayed} are delayed`] : []),
    ...groups.filter(({ lag, failed }) => lag > 0 || failed > 0).map((group) => {
      return `${name} ${group.name}: ${group.lag} are not settled, ${group.failed} have failed`;
    }),
  ]);
}

/** How many messages the data says lie in a queue. */
function storedIn(folder: string, queue: string): number {
  using inspection = Inspection.open(folder);
  return inspection.durable(-1).find(({ name }) => name === queue)?.messages ?? 0;
}
