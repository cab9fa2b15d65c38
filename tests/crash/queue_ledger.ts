/** What was handed to queues, what consumer groups got of it and said of it; and what of that breaks a promise. */

/** A message as it reached a member of a group. */
export interface QueueArrival {
  readonly queue: string;
  readonly group: string;
  readonly messageId: string;
  readonly partition: number;
  readonly offset: number;
  readonly deliveryCount: number;
  /** What it was numbered under, and which message of that it is, from 1. */
  readonly stream: string;
  readonly number: number;
}

/** What a member says of a message. */
export type Word = "ack" | "nack" | "reject";

/** What is known of one message in one group. */
interface Entry {
  readonly text: string;
  readonly partition: number;
  readonly offset: number;
  /** `said` is what a holder has sent; it may have been lost. What is `over` may never come again, what is `maybe` over may: its group
   * may have gone back, or it may have been compacted away. */
  state: "open" | "said" | "maybe" | "over";
  word: Word | undefined;
  /** Somebody has once sent a reject. */
  wasRejected: boolean;
  /** Its end as a dead letter is promised. */
  isDead: boolean;
  /** Nacks that were acknowledged. */
  nacks: number;
}

/** What one group got of one stream. */
interface StreamAccount {
  lastNumber: number;
  lastOffset: number;
  readonly numbers: Set<number>;
}

interface GroupAccount {
  readonly entries: Map<string, Entry>;
  readonly streams: Map<string, StreamAccount>;
  /** Of each stream what came last. */
  readonly latest: Map<string, string>;
  /** It has asked to go back, and has no answer yet. */
  isSeeking: boolean;
}

/** Messages of one key and one priority of one queue, numbered from 1. */
export interface KeyStream {
  readonly queue: string;
  readonly key: string;
  /** The key, with the priority behind a slash where there are some. */
  readonly name: string;
  last: number;
}

/** What a queue promises beside the rest. */
export interface QueueTraits {
  readonly name: string;
  readonly groups: readonly string[];
  /** How the messages of a stream come: each after the one before; by their offsets alone, when they wait for different times; the
   * newest at least, when older ones may have been compacted; or as it happens, when they have no key. */
  readonly order: "each" | "offsets" | "newest" | "none";
  /** Messages have a `message-key`: none is ever in the queue twice. */
  readonly isDeduplicated: boolean;
}

export class QueueLedger {
  readonly violations: string[] = [];
  readonly streams: KeyStream[] = [];
  readonly #traits: ReadonlyMap<string, QueueTraits>;
  readonly #groups = new Map<string, GroupAccount>();
  /** What lies at a message-id, and which message-id a text that cannot be twice has. */
  readonly #texts = new Map<string, string>();
  readonly #ids = new Map<string, string>();
  readonly #partitions = new Map<string, number>();
  /** The message-id of the dead letter, by group and message-id of origin. */
  readonly #deadLetters = new Map<string, string>();
  deliveries = 0;
  redeliveries = 0;

  constructor(traits: readonly QueueTraits[]) {
    this.#traits = new Map(traits.map((each) => [each.name, each]));
    for (const { name, groups } of traits) {
      for (const group of groups) {
        const account = { entries: new Map(), streams: new Map(), latest: new Map(), isSeeking: false };
        this.#groups.set(`${name} ${group}`, account);
      }
    }
  }

  stream(queue: string, name: string): KeyStream {
    const made = { queue, key: keyOf(name), name, last: 0 };
    this.streams.push(made);
    return made;
  }

  accuse(words: string): void {
    if (this.violations.length < 50) this.violations.push(words);
  }

  get deadLetters(): number {
    return this.#deadLetters.size;
  }

  /** Notes a delivery and holds it against all that is known. */
  arrived(arrival: QueueArrival): void {
    const { queue, group, messageId, partition, offset } = arrival;
    const text = `${arrival.stream} ${arrival.number}`;
    this.deliveries++;
    this.checkIdentity(arrival);
    const account = this.#groups.get(`${queue} ${group}`)!;
    if (!account.isSeeking) this.#checkTurn(arrival, account);
    const entry = account.entries.get(messageId);
    if (entry === undefined) {
      const known = { word: undefined, wasRejected: false, isDead: false, nacks: 0 };
      account.entries.set(messageId, { text, partition, offset, state: "open", ...known });
      return this.#checkOrder(arrival, account.streams);
    }
    this.redeliveries++;
    const what = `${queue} ${group}: ${messageId} (${text})`;
    if (entry.state === "over") this.accuse(`${what} came again, though its ${entry.word} was acknowledged`);
    if (arrival.deliveryCount <= entry.nacks) {
      this.accuse(`${what} came for the ${arrival.deliveryCount}th time after ${entry.nacks} acknowledged nacks`);
    }
    entry.state = "open";
  }

  /** How far back a group may go in a partition without passing anything over that it has not got: below it everything is settled. */
  settledBelow(queue: string, group: string, partition: number): number {
    const { entries, latest } = this.#groups.get(`${queue} ${group}`)!;
    const own = [...entries].filter(([, entry]) => entry.partition === partition);
    const open = own.filter(([id, { state }]) => state !== "over" || [...latest.values()].includes(id));
    return Math.min(...open.map(([, { offset }]) => offset));
  }

  /** The group asks to go back: what it has settled from there on may come again. */
  seeks(at: { queue: string; group: string; partition: number; offset: number }): void {
    const account = this.#groups.get(`${at.queue} ${at.group}`)!;
    account.isSeeking = true;
    for (const entry of account.entries.values()) {
      if (entry.partition !== at.partition) continue;
      entry.nacks = 0; // failures are forgotten
      if (entry.offset >= at.offset && entry.state !== "open") entry.state = "maybe";
    }
  }

  /** The broker has told that the group is there: all of it comes again. */
  sought(at: { queue: string; group: string; partition: number; offset: number }): void {
    const account = this.#groups.get(`${at.queue} ${at.group}`)!;
    account.isSeeking = false;
    account.latest.clear();
    for (const entry of account.entries.values()) {
      if (entry.partition === at.partition && entry.offset >= at.offset) entry.state = "open";
    }
  }

  /** The holder sends its word. */
  said({ queue, group, messageId }: QueueArrival, word: Word): void {
    const entry = this.#groups.get(`${queue} ${group}`)!.entries.get(messageId)!;
    entry.word = word;
    if (word === "reject") entry.wasRejected = true;
    entry.state = word === "nack" ? "open" : "said";
  }

  /** The broker has told that the word is stored. */
  acknowledged({ queue, group, messageId }: QueueArrival, word: Word): void {
    const entry = this.#groups.get(`${queue} ${group}`)!.entries.get(messageId)!;
    if (word === "nack") {
      entry.nacks++;
      return;
    }
    entry.state = "over";
    if (word === "reject") entry.isDead = true;
  }

  /** A dead letter has come, which ends the message in its group. */
  buried(letter: { queue: string; group: string; originId: string; messageId: string }): void {
    const { queue, group, originId, messageId } = letter;
    const entry = this.#groups.get(`${queue} ${group}`)?.entries.get(originId);
    const what = `${queue} ${group}: ${originId}`;
    if (entry === undefined || !entry.wasRejected) {
      return this.accuse(`${what} is a dead letter, and was never rejected`);
    }
    const known = this.#deadLetters.get(`${group} ${originId}`);
    if (known !== undefined && known !== messageId) {
      this.accuse(`${what} is twice a dead letter: ${known}, ${messageId}`);
    }
    this.#deadLetters.set(`${group} ${originId}`, messageId);
    if (entry.state === "over" && !entry.isDead && known === undefined) {
      this.accuse(`${what} is a dead letter, though its ${entry.word} was acknowledged`);
    }
    entry.state = "over";
    entry.isDead = true;
  }

  /** What each group still has to get or to settle. Everything that was published has been acknowledged. */
  missing(): string[] {
    const missing: string[] = [];
    for (const { queue, name, last } of this.streams) {
      const { order, groups } = this.#traits.get(queue)!;
      for (const group of groups) {
        const numbers = this.#groups.get(`${queue} ${group}`)!.streams.get(name)?.numbers ?? new Set<number>();
        if (numbers.size === last) continue;
        for (let number = order === "newest" ? Math.max(1, last) : 1; number <= last; number++) {
          if (!numbers.has(number)) missing.push(`${queue} ${group}: ${name} ${number} is lost`);
        }
      }
    }
    for (const [group, { entries }] of this.#groups) {
      for (const [messageId, { state, isDead }] of entries) {
        if (state === "open") missing.push(`${group}: ${messageId} is not settled`);
        else if (isDead && !this.#deadLetters.has(`${group.split(" ")[1]} ${messageId}`)) {
          missing.push(`${group}: ${messageId} was rejected and is no dead letter`);
        }
      }
    }
    return missing;
  }

  /** All that was said is stored by now: nothing of it may come again. */
  settled(): void {
    for (const { entries } of this.#groups.values()) {
      for (const entry of entries.values()) {
        if (entry.state === "open" || entry.state === "over") continue;
        entry.state = "over";
        if (entry.word === "reject") entry.isDead = true;
      }
    }
  }

  /** A message-id is one message for ever, and a key has one partition. */
  checkIdentity({ queue, messageId, partition, offset, stream: name, number }: QueueArrival): void {
    const { isDeduplicated } = this.#traits.get(queue)!;
    const text = `${name} ${number}`;
    const stream = this.streams.find((each) => each.queue === queue && each.name === name);
    if (stream === undefined || number > stream.last) this.accuse(`${queue}: ${text} was never sent`);
    if (partition < 0) return; // a 3.1.1 client is not told more
    if (messageId !== `${queue}:${partition}:${offset}`) this.accuse(`${messageId} came from ${partition}, ${offset}`);
    const known = this.#texts.get(messageId) ?? text;
    if (known !== text) this.accuse(`${messageId} was ${known} and is ${text}`);
    this.#texts.set(messageId, text);
    const key = `${queue} ${keyOf(name)}`;
    const home = this.#partitions.get(key) ?? partition;
    if (home !== partition) this.accuse(`${key} was in partition ${home} and is in ${partition}`);
    this.#partitions.set(key, partition);
    const id = this.#ids.get(`${queue} ${text}`) ?? messageId;
    if (isDeduplicated && id !== messageId) this.accuse(`${queue}: ${text} is there twice, ${id} and ${messageId}`);
    this.#ids.set(`${queue} ${text}`, messageId);
  }

  /** Of a stream one message is under way at a time; the next one says that the end of the one before is stored. One with another
   * priority does not: it may go first when the one before has failed. */
  #checkTurn({ queue, group, stream, messageId }: QueueArrival, { entries, latest }: GroupAccount): void {
    const { order } = this.#traits.get(queue)!;
    if (order === "none") return;
    const lastId = latest.get(stream);
    latest.set(stream, messageId);
    if (lastId === undefined || lastId === messageId) return;
    const before = entries.get(lastId)!;
    if (before.state === "open" && order === "newest") {
      before.state = "maybe"; // the compaction took it while its group had nobody, or before a kill
    } else if (before.state === "open") {
      this.accuse(`${queue} ${group}: ${messageId} came while ${lastId} of ${stream} was not settled`);
    } else if (before.state === "said") {
      before.state = "over";
      if (before.word === "reject") before.isDead = true;
    }
  }

  /** What comes for the first time comes in its order. */
  #checkOrder({ queue, group, stream, number, offset }: QueueArrival, streams: Map<string, StreamAccount>): void {
    const { order } = this.#traits.get(queue)!;
    const account = streams.get(stream) ?? { lastNumber: 0, lastOffset: -1, numbers: new Set<number>() };
    streams.set(stream, account);
    const what = `${queue} ${group}: ${stream} ${number}`;
    if (order !== "none" && offset <= account.lastOffset) {
      this.accuse(`${what} at ${offset} came after ${account.lastOffset}`);
    }
    account.lastOffset = offset;
    if (account.numbers.has(number)) return; // it was published again
    account.numbers.add(number);
    if (order === "each" && number !== account.lastNumber + 1) this.accuse(`${what} came after ${account.lastNumber}`);
    account.lastNumber = number;
  }
}

/** The key of what a message is numbered under. */
export function keyOf(stream: string): string {
  return stream.split("/")[0];
}
