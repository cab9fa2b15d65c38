/** What was sent, what was acknowledged, what arrived; and what of that breaks a promise. */

import type { QoS } from "mqtt-packet";

/** A subscription of a client, with the options that its deliveries show. */
export interface Want {
  /** May begin with `$share/<group>/`. */
  readonly filter: string;
  readonly qos: QoS;
  /** MQTT 5 from here on. */
  readonly identifier?: number;
  readonly retainAsPublished?: boolean;
  readonly noLocal?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
}

/** Whom the ledger keeps an account for. */
export interface Account {
  readonly clientId: string;
  readonly version: 4 | 5;
  readonly wants: readonly Want[];
}

/** Messages numbered from 1 on one topic, from one publisher, with one QoS. */
export interface Stream {
  readonly topic: string;
  readonly publisher: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** The number of the last message that was sent. */
  last: number;
  /** Of those that have been acknowledged (PUBACK, PUBREC), by number. */
  readonly accepted: Set<number>;
  /** Numbers of messages that the publisher had to send again. */
  readonly resent: Set<number>;
}

/** A delivery as it reached the application of a client. */
export interface Arrival {
  readonly topic: string;
  readonly number: number;
  readonly qos: QoS;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly packetId: number;
  readonly identifiers: readonly number[];
}

/** What one client got of one stream. */
interface Receipt {
  /** In the order of their first arrival. */
  readonly numbers: number[];
  /** The packet id of the last arrival, by number. */
  readonly packetIds: Map<number, number>;
  /** Up to this number all has been settled, and the broker has written that down. */
  settled: number;
}

export class Ledger {
  readonly streams = new Map<string, Stream>();
  /** Everything that broke a promise. */
  readonly violations: string[] = [];
  readonly #receipts = new Map<string, Map<string, Receipt>>();
  deliveries = 0;
  redeliveries = 0;

  stream(stream: Pick<Stream, "topic" | "publisher" | "qos" | "retain">): Stream {
    const made = { ...stream, last: 0, accepted: new Set<number>(), resent: new Set<number>() };
    this.streams.set(stream.topic, made);
    return made;
  }

  accuse(words: string): void {
    if (this.violations.length < 50) this.violations.push(words);
  }

  /** Notes a delivery and holds it against the client's subscriptions. */
  arrived(account: Account, arrival: Arrival): void {
    const { topic, number, dup, packetId } = arrival;
    const stream = this.streams.get(topic);
    const what = `${account.clientId}: ${topic} ${number}`;
    if (stream === undefined || number < 1 || number > stream.last) return this.accuse(`${what} was never sent`);
    this.deliveries++;
    this.#checkOptions(account, arrival, stream);
    const receipt = this.receipt(account.clientId, topic);
    const before = receipt.packetIds.get(number);
    receipt.packetIds.set(number, packetId);
    if (before === undefined) {
      receipt.numbers.push(number);
      return;
    }
    this.redeliveries++;
    if (arrival.qos === 2) return this.accuse(`${what} came twice with QoS 2`);
    if (stream.resent.has(number) || isShared(account, topic)) return; // it was published again, or handed on
    if (number <= receipt.settled) this.accuse(`${what} came again though it was settled`);
    else if (!dup) this.accuse(`${what} came again without DUP, and was published once`);
    else if (before !== packetId) this.accuse(`${what} came again with packet id ${packetId}, not ${before}`);
  }

  receipt(clientId: string, topic: string): Receipt {
    const ofClient = this.#receipts.get(clientId) ?? new Map<string, Receipt>();
    this.#receipts.set(clientId, ofClient);
    const receipt = ofClient.get(topic) ?? { numbers: [], packetIds: new Map(), settled: 0 };
    ofClient.set(topic, receipt);
    return receipt;
  }

  /** All that the client has got is settled, and so it is for the broker: nothing of it may come again. */
  settled(account: Account): void {
    for (const { topic, last } of this.streams.values()) this.receipt(account.clientId, topic).settled = last;
  }

  /** How many messages the client still has to get; those of its shared groups not counted. */
  missing(account: Account): number {
    let missing = 0;
    for (const stream of this.streams.values()) {
      if (stream.topic.startsWith("w/") || !isWanted(account, stream)) continue;
      missing += stream.last - this.receipt(account.clientId, stream.topic).numbers.length;
    }
    return missing;
  }

  /** How many messages none of the group's members has got. */
  missingOfGroup(members: readonly Account[]): number {
    let missing = 0;
    for (const stream of this.streams.values()) {
      if (!members.some((member) => isShared(member, stream.topic))) continue;
      missing += stream.last - new Set(this.#numbersOf(members, stream.topic)).size;
    }
    return missing;
  }

  /** Holds a member's messages against each other: none lost, none out of order. To be called when nothing is under way. */
  check(account: Account): void {
    for (const stream of this.streams.values()) {
      if (stream.topic.startsWith("w/")) continue;
      const { numbers } = this.receipt(account.clientId, stream.topic);
      if (!isWanted(account, stream)) {
        if (numbers.length > 0 && !isShared(account, stream.topic)) {
          this.accuse(`${account.clientId}: ${stream.topic} came, which it has not subscribed to`);
        }
        continue;
      }
      this.#checkOrder(`${account.clientId}: ${stream.topic}`, numbers);
      const seen = new Set(numbers);
      for (let number = 1; number <= stream.last; number++) {
        if (seen.has(number)) continue;
        const words = stream.accepted.has(number) ? "was acknowledged and is lost" : "is missing";
        this.accuse(`${account.clientId}: ${stream.topic} ${number} ${words}`);
      }
    }
  }

  /** Holds what the members of a shared group got against what was sent: each message somebody, QoS 2 once. */
  checkGroup(members: readonly Account[]): void {
    for (const stream of this.streams.values()) {
      if (!members.some((member) => isShared(member, stream.topic))) continue;
      const times = new Map<number, number>();
      for (const number of this.#numbersOf(members, stream.topic)) times.set(number, (times.get(number) ?? 0) + 1);
      for (let number = 1; number <= stream.last; number++) {
        const count = times.get(number) ?? 0;
        if (count === 0) this.accuse(`group: ${stream.topic} ${number} is lost`);
        if (count > 1 && stream.qos === 2) this.accuse(`group: ${stream.topic} ${number} reached ${count} members`);
      }
    }
  }

  /** Holds what a topic retains against what was sent: the last acknowledged one, or one after it. */
  checkRetained(stream: Stream, number: number | undefined): void {
    const least = Math.max(0, ...stream.accepted);
    if (number === undefined ? least === 0 : number >= least && number <= stream.last) return;
    this.accuse(`${stream.topic} retains ${number}: ${least} was acknowledged, ${stream.last} was sent`);
  }

  #numbersOf(members: readonly Account[], topic: string): number[] {
    return members.flatMap(({ clientId }) => this.receipt(clientId, topic).numbers);
  }

  #checkOrder(what: string, numbers: readonly number[]): void {
    for (let i = 1; i < numbers.length; i++) {
      if (numbers[i] <= numbers[i - 1]) return this.accuse(`${what}: ${numbers[i]} came after ${numbers[i - 1]}`);
    }
  }

  #checkOptions(account: Account, arrival: Arrival, stream: Stream): void {
    const { version } = account;
    const wants = wantsOf(account, stream);
    const what = `${account.clientId}: ${arrival.topic} ${arrival.number}`;
    const qos = Math.min(stream.qos, Math.max(...wants.map((want) => want.qos)));
    if (arrival.qos !== qos) this.accuse(`${what} came with QoS ${arrival.qos}, not ${qos}`);
    const retain = stream.retain && wants.some((want) => want.retainAsPublished === true);
    if (arrival.retain !== retain) this.accuse(`${what} came with retain ${arrival.retain}`);
    if (version !== 5) return;
    const identifiers = wants.flatMap((want) => want.identifier ?? []).sort((a, b) => a - b);
    const got = [...arrival.identifiers].sort((a, b) => a - b);
    if (got.join() !== identifiers.join()) this.accuse(`${what} came with the subscription identifiers ${got}`);
  }
}

/** The client's subscriptions that a message of the stream is delivered for. */
function wantsOf({ clientId, wants }: Account, { topic, publisher }: Stream): Want[] {
  return wants.filter(({ filter, noLocal }) => {
    return matches(filter.replace(/^\$share\/[^/]+\//, ""), topic) && !(noLocal === true && publisher === clientId);
  });
}

function isWanted(account: Account, stream: Stream): boolean {
  return wantsOf(account, stream).some(({ filter }) => !filter.startsWith("$share/"));
}

function isShared({ wants }: Account, topic: string): boolean {
  return wants.some(({ filter }) =>
    filter.startsWith("$share/") && matches(filter.split("/").slice(2).join("/"), topic)
  );
}

export function matches(filter: string, topic: string): boolean {
  const levels = topic.split("/");
  const wanted = filter.split("/");
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === "#") return true;
    if (wanted[i] !== "+" && wanted[i] !== levels[i]) return false;
  }
  return wanted.length === levels.length;
}
