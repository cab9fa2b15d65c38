import assert from "node:assert/strict";
import { Client, type ClientOptions } from "./client.ts";
import { Ledger, type Stream } from "./ledger.ts";
import { Folder } from "../store/folder.ts";
import { BrokerProgram } from "../support/broker_program.ts";
import { between, delay, type Random, randomOf, until } from "./random.ts";
import { retainedOf } from "./retained.ts";
import { Wills } from "./wills.ts";

/** How a run goes. */
export interface WorldOptions {
  readonly seed: number;
  /** Another main.ts than ours. */
  readonly main?: string;
  readonly log?: (line: string) => void;
}

const PUBLISHERS: readonly ClientOptions[] = [
  { clientId: "p0", version: 5, wants: [{ filter: "t/p0/#", qos: 2, noLocal: true }], willDelay: 3600 },
  { clientId: "p1", version: 4, wants: [{ filter: "t/p1/1", qos: 1 }] },
  { clientId: "p2", version: 5 },
  { clientId: "p3", version: 4 },
];

const SUBSCRIBERS: readonly ClientOptions[] = [
  { clientId: "all", version: 5, wants: [{ filter: "t/#", qos: 2, identifier: 7, retainAsPublished: true }] },
  {
    clientId: "overlap",
    version: 5,
    receiveMaximum: 5,
    wants: [{ filter: "t/#", qos: 1, identifier: 3 }, { filter: "t/+/2", qos: 2, identifier: 4 }],
  },
  { clientId: "old", version: 4, wants: [{ filter: "t/+/1", qos: 1 }, { filter: "t/+/2", qos: 2 }] },
  {
    clientId: "retained",
    version: 5,
    wants: [{ filter: "r/+/1", qos: 1, retainHandling: 1 }, {
      filter: "r/+/2",
      qos: 2,
      retainAsPublished: true,
      retainHandling: 1,
    }],
  },
  { clientId: "watcher", version: 5, wants: [{ filter: "w/#", qos: 2 }] },
];

/** Away for several rounds, so that much more waits for it than the broker keeps in memory. */
const ABSENT: ClientOptions = { clientId: "absent", version: 4, wants: [{ filter: "t/#", qos: 2 }] };

const MEMBERS: readonly ClientOptions[] = [
  { clientId: "member0", version: 5, wants: [{ filter: "$share/g/t/#", qos: 2, identifier: 9 }] },
  { clientId: "member1", version: 4, wants: [{ filter: "$share/g/t/#", qos: 2 }] },
  { clientId: "member2", version: 5, receiveMaximum: 3, wants: [{ filter: "$share/g/t/#", qos: 2 }] },
];

interface Publisher {
  readonly client: Client;
  readonly streams: readonly Stream[];
  /** What it may still publish in this round. */
  quota: number;
}

/** Messages that one publisher has under way at most; well below the packet ids that it uses. */
const WINDOW = 20;

/** What one publisher publishes in a round at most. */
const QUOTA = 600;

/** The broker in a process that is killed again and again, and clients that do not forget what they were promised. */
export class World implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly wills: Wills;
  readonly #random: Random;
  readonly #options: WorldOptions;
  readonly #folder = new Folder();
  readonly #publishers: readonly Publisher[];
  readonly #subscribers: readonly Client[];
  readonly #members: readonly Client[];
  readonly #absent: Client;
  /** Clients that are about to come or go, one step at a time. */
  readonly #restless = new Map<Client, Promise<void>>();
  #program: BrokerProgram | undefined;
  #isLoading = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = randomOf(options.seed);
    this.wills = new Wills(this.ledger, new Set(["p0"]));
    const parts = { ledger: this.ledger, wills: this.wills, random: this.#random };
    this.#publishers = PUBLISHERS.map((each) => {
      return { client: new Client(each, parts), streams: this.#streamsOf(each.clientId), quota: 0 };
    });
    for (const publisher of this.#publishers) publisher.client.onRoom = () => this.#publish(publisher);
    this.#subscribers = SUBSCRIBERS.map((each) => new Client(each, parts));
    this.#members = MEMBERS.map((each) => new Client(each, parts));
    this.#absent = new Client(ABSENT, parts);
  }

  /** Everyone connects for the first time and subscribes. */
  async open(): Promise<void> {
    await this.#start();
    await this.#connectAll([...this.#clients]);
    await until(() => this.#clients.every(({ outstanding }) => outstanding === 0), () => "not all are subscribed");
    await this.#absent.disconnect();
  }

  /** Load, a kill at some instant, perhaps another one at the restart, and then everything must be there. */
  async round(options: { withAbsent: boolean }): Promise<void> {
    await this.#load(between(this.#random, 30, 1_500));
    await this.#kill();
    if (this.#random() < 0.4) {
      void this.#start().catch(() => {}); // it may not get as far as to listen
      await delay(between(this.#random, 0, 600));
      await this.#kill();
    }
    await this.#start();
    await this.#checkRetained(); // before the publishers say anything again
    await this.#settle(options.withAbsent);
    await this.#checkRetained();
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

  get #clients(): readonly Client[] {
    return [...this.#publishers.map(({ client }) => client), ...this.#subscribers, ...this.#members, this.#absent];
  }

  async #start(): Promise<void> {
    this.#program = new BrokerProgram({ folder: this.#folder.path, main: this.#options.main });
    await this.#program.port();
  }

  async #kill(): Promise<void> {
    this.wills.kills++;
    const complaints = await this.#program!.kill();
    if (complaints !== "") this.#options.log?.(`the program complained: ${complaints}`);
    await Promise.all(this.#restless.values());
    await Promise.all(this.#clients.map((client) => client.drop()));
  }

  async #connectAll(clients: readonly Client[]): Promise<void> {
    const port = await this.#program!.port();
    const opened = await Promise.all(clients.map((client) => client.isOpen || client.connect(port)));
    clients.forEach(({ clientId }, i) => {
      if (!opened[i]) this.ledger.accuse(`${clientId}: the connection ended before CONNACK`);
    });
  }

  /** Everyone publishes what their window holds; subscribers come and go. Ends while all of that is under way. */
  async #load(milliseconds: number): Promise<void> {
    this.#isLoading = true;
    const port = await this.#program!.port();
    const restless = [...this.#subscribers, ...this.#members, ...this.#publishers.map(({ client }) => client)];
    for (const publisher of this.#publishers) {
      publisher.quota = QUOTA;
      this.#publish(publisher);
    }
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      await delay(between(this.#random, 0, 20));
      const client = restless[between(this.#random, 0, restless.length - 1)];
      if (this.#random() > 0.6 || this.#restless.has(client)) continue;
      this.#restless.set(client, this.#unsettle(client, port).finally(() => this.#restless.delete(client)));
    }
    this.#isLoading = false;
  }

  async #unsettle(client: Client, port: number): Promise<void> {
    const what = this.#random();
    if (!client.isOpen) await client.connect(port);
    else if (what < 0.3) await client.disconnect();
    else if (what < 0.7) await client.drop();
    else await client.connect(port); // takes its own session over
  }

  #publish(publisher: Publisher): void {
    const { client, streams } = publisher;
    while (this.#isLoading && client.isOpen && publisher.quota > 0 && client.outstanding < WINDOW) {
      publisher.quota--;
      client.publish(streams[between(this.#random, 0, streams.length - 1)]);
    }
  }

  /** Everyone comes back and takes what it is owed; then nothing is to be missing. */
  async #settle(withAbsent: boolean): Promise<void> {
    const clients = this.#clients.filter((client) => withAbsent || client !== this.#absent);
    const readers = clients.filter((client) => !this.#members.includes(client));
    await this.#connectAll(clients);
    const missing = () =>
      [
        ...clients.map(({ clientId, outstanding }) => [clientId, outstanding]),
        ...readers.map((client) => [`to ${client.clientId}`, this.ledger.missing(client)]),
        ["to the group", this.ledger.missingOfGroup(this.#members)],
        ["wills", this.wills.missing],
      ].filter(([_, count]) => count !== 0);
    // What does not come in time is counted as lost below.
    await until(() => missing().length === 0, () => "").catch(() => this.ledger.accuse(`missing: ${missing()}`));
    for (const client of clients) if (client.clientId === "retained") client.subscribe(); // retain handling: nothing is replayed
    for (let i = 0; i < 3; i++) await Promise.all(clients.map((client) => client.settled()));
    for (const client of readers) this.ledger.check(client);
    for (const client of clients) this.ledger.settled(client);
    this.ledger.checkGroup(this.#members);
    this.wills.check();
    if (withAbsent) await this.#absent.disconnect();
  }

  async #checkRetained(): Promise<void> {
    const values = await retainedOf(await this.#program!.port(), "r/#");
    for (const stream of this.ledger.streams.values()) {
      if (stream.retain) this.ledger.checkRetained(stream, values.get(stream.topic));
    }
  }

  #streamsOf(publisher: string): Stream[] {
    const { ledger } = this;
    return ([1, 2] as const).flatMap((qos) => [
      ledger.stream({ topic: `t/${publisher}/${qos}`, publisher, qos, retain: false }),
      ledger.stream({ topic: `r/${publisher}/${qos}`, publisher, qos, retain: true }),
    ]);
  }
}
