/** What was handed to queues, what consumer groups got of it and said of it; and what of that breaks a promise. */

/** A message as it reached a member of a group. */
export interface QueueArrival {
  readonly queue: string;
  readonly group: string;
  readonly messageId: string;
  readonly partition: number;
  readonly offset: number;
  readonly deliveryCount: number;
  readonly key: string;
  /** Which message of its key, from 1. */
  readonly number: number;
}

/** What a member says of a message. */
export type Word = "ack" | "nack" | "reject";

/** What is known of one message in one group. */
interface Entry {
  readonly key: string;
  readonly number: number;
  /** `said` is what a holder has sent; it may have been lost. What is `over` may never come again. */
  state: "open" | "said" | "over";
  word: Word | undefined;
  /** Somebody has once sent a reject. */
  wasRejected: boolean;
  /** Its end as a dead letter is promised. */
  isDead: boolean;
  /** Nacks that were acknowledged. */
  nacks: number;
}

/** What one group got of one key. */
interface KeyAccount {
  lastId: string;
  lastNumber: number;
  lastOffset: number;
  readonly numbers: Set<number>;
}

interface GroupAccount {
  readonly entries: Map<string, Entry>;
  readonly keys: Map<string, KeyAccount>;
}

/** Messages of one key of one queue, numbered from 1. */
export interface KeyStream {
  readonly queue: string;
  readonly key: string;
  last: number;
}

/** What a queue promises beside the rest. */
export interface QueueTraits {
  readonly name: string;
  readonly groups: readonly string[];
  /** Messages wait for different times: a key's order is that of its offsets alone. */
  readonly isDelayed: boolean;
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
      for (const group of groups) this.#groups.set(`${name} ${group}`, { entries: new Map(), keys: new Map() });
    }
  }

  stream(queue: string, key: string): KeyStream {
    const made = { queue, key, last: 0 };
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
    const { queue, group, messageId, key, number } = arrival;
    this.deliveries++;
    this.#checkIdentity(arrival);
    const { entries, keys } = this.#groups.get(`${queue} ${group}`)!;
    this.#checkTurn(arrival, { entries, keys });
    const entry = entries.get(messageId);
    if (entry === undefined) {
      const made = {
        key,
        number,
        state: "open",
        word: undefined,
        wasRejected: false,
        isDead: false,
        nacks: 0,
      } as const;
      entries.set(messageId, made);
      return this.#checkOrder(arrival, keys);
    }
    this.redeliveries++;
    const what = `${queue} ${group}: ${messageId} (${key} ${number})`;
    if (entry.state === "over") this.accuse(`${what} came again, though its ${entry.word} was acknowledged`);
    if (arrival.deliveryCount <= entry.nacks) {
      this.accuse(`${what} came for the ${arrival.deliveryCount}th time after ${entry.nacks} acknowledged nacks`);
    }
    entry.state = "open";
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
    for (const { queue, key, last } of this.streams) {
      for (const group of this.#traits.get(queue)!.groups) {
        const { numbers } = this.#groups.get(`${queue} ${group}`)!.keys.get(key) ?? { numbers: new Set<number>() };
        if (numbers.size === last) continue;
        for (let number = 1; number <= last; number++) {
          if (!numbers.has(number)) missing.push(`${queue} ${group}: ${key} ${number} is lost`);
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
        if (entry.state !== "said") continue;
        entry.state = "over";
        if (entry.word === "reject") entry.isDead = true;
      }
    }
  }

  /** A message-id is one message for ever, and a key has one partition. */
  #checkIdentity({ queue, messageId, partition, offset, key, number }: QueueArrival): void {
    const { isDeduplicated } = this.#traits.get(queue)!;
    const text = `${key} ${number}`;
    const stream = this.streams.find((each) => each.queue === queue && each.key === key);
    if (stream === undefined || number > stream.last) this.accuse(`${queue}: ${text} was never sent`);
    if (messageId !== `${queue}:${partition}:${offset}`) this.accuse(`${messageId} came from ${partition}, ${offset}`);
    const known = this.#texts.get(messageId) ?? text;
    if (known !== text) this.accuse(`${messageId} was ${known} and is ${text}`);
    this.#texts.set(messageId, text);
    const home = this.#partitions.get(`${queue} ${key}`) ?? partition;
    if (home !== partition) this.accuse(`${queue}: ${key} was in partition ${home} and is in ${partition}`);
    this.#partitions.set(`${queue} ${key}`, partition);
    const id = this.#ids.get(`${queue} ${text}`) ?? messageId;
    if (isDeduplicated && id !== messageId) this.accuse(`${queue}: ${text} is there twice, ${id} and ${messageId}`);
    this.#ids.set(`${queue} ${text}`, messageId);
  }

  /** Of a key one message is under way at a time; the next one says that the end of the one before is stored. */
  #checkTurn({ queue, group, key, messageId }: QueueArrival, { entries, keys }: GroupAccount): void {
    const account = keys.get(key);
    if (account === undefined || account.lastId === messageId) return;
    const before = entries.get(account.lastId)!;
    if (before.state === "open") {
      this.accuse(`${queue} ${group}: ${messageId} came while ${account.lastId} of ${key} was not settled`);
    } else if (before.state === "said") {
      before.state = "over";
      if (before.word === "reject") before.isDead = true;
    }
    account.lastId = messageId;
  }

  /** What comes for the first time comes in its order. */
  #checkOrder({ queue, group, key, number, offset, messageId }: QueueArrival, keys: Map<string, KeyAccount>): void {
    const account = keys.get(key) ?? { lastId: messageId, lastNumber: 0, lastOffset: -1, numbers: new Set<number>() };
    keys.set(key, account);
    const what = `${queue} ${group}: ${key} ${number}`;
    if (offset <= account.lastOffset) this.accuse(`${what} at ${offset} came after ${account.lastOffset}`);
    account.lastOffset = offset;
    if (account.numbers.has(number)) return; // it was published again
    account.numbers.add(number);
    if (!this.#traits.get(queue)!.isDelayed && number !== account.lastNumber + 1) {
      this.accuse(`${what} came after ${account.lastNumber}`);
    }
    account.lastNumber = number;
  }
}
