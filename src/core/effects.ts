import type { Happening } from "./happening.ts";
import type { Message, QoS } from "./message.ts";
import type { Mutation } from "./mutation.ts";
import type { Peer } from "./ports.ts";
import type { QueueLoad } from "./queue/load.ts";
import type { Outcome, RefusalCause } from "./refusal.ts";
import type { Session } from "./session.ts";

/** What kind of thing is said to a peer. Numbers, because the shell switches on it once for every delivery. */
export const SendKind = {
  publish: 0,
  puback: 1,
  pubrec: 2,
  pubrel: 3,
  pubcomp: 4,
  connack: 5,
  suback: 6,
  unsuback: 7,
  disconnect: 8,
  pingresp: 9,
} as const;

export type SendKind = typeof SendKind[keyof typeof SendKind];

/** One thing to say to one peer. Which fields count depends on `kind`; the others keep what they held. */
export interface Send {
  kind: SendKind;
  peer: Peer;
  /** publish: the message; the packet is made by the peer's protocol version. */
  message: Message | null;
  /** publish: the session it is for, which is told when the packet cannot be sent. */
  session: Session | null;
  qos: QoS;
  dup: boolean;
  retain: boolean;
  packetId: number;
  subscriptionIds: readonly number[] | null;
  /** Acknowledgements and disconnect: what they say. */
  outcome: Outcome;
  /** Acknowledgements, suback and disconnect: why, for people; empty when there is nothing to add. */
  reason: string;
  /** connack: whether the session was there before. */
  sessionPresent: boolean;
  /** suback and unsuback: an answer for each filter, a granted QoS or an outcome. */
  answers: readonly (QoS | Outcome)[];
}

/** Whom a spare record is for. */
const NOBODY: Peer = { congested: false };

/** What a decision leads to: `writes` to persist, then `sends` to speak in order, and `happenings` for whoever watches.
 * An append-only buffer that the shell hands in and drains; its records are used again, so a fan-out makes no garbage. */
export class Effects {
  readonly writes: Mutation[] = [];
  readonly sends: Send[] = [];
  readonly happenings: Happening[] = [];
  /** Sessions that have more to send as soon as what stands here is on its way. */
  readonly unfinished = new Set<Session>();
  /** Sessions whose queue goes on in the store and should be refilled from there. */
  readonly loads: Session[] = [];
  /** Sessions that nobody is connected to, whose spilled deliveries of shared groups others could have; `after` is where to begin. */
  readonly handOns: { readonly session: Session; readonly after: number }[] = [];
  /** What queues need from the store, once everything decided before is committed. */
  readonly queueLoads: QueueLoad[] = [];
  /** What is left of decisions that are made a part at a time: for when others have had their turn. */
  readonly rests: Iterator<void>[] = [];
  /** How many of `sends` count; those behind it are spare. */
  length = 0;
  /** Topics that were looked at for new subscriptions, whoever's: others get their turn after so many. */
  replaySteps = 0;
  /** Work on filters that were subscribed to or unsubscribed from ({@link filterWork}), which cost more than a message does. */
  filterWork = 0;

  get isEmpty(): boolean {
    return this.length === 0 && this.writes.length === 0 && this.happenings.length === 0 && !this.hasErrands;
  }

  /** Whether something is to be done for sessions or queues when all has been said. */
  get hasErrands(): boolean {
    return this.unfinished.size > 0 || this.loads.length > 0 || this.handOns.length > 0 || this.queueLoads.length > 0 ||
      this.rests.length > 0;
  }

  /** Says a message to `peer`; `packetId` is 0 for QoS 0. */
  publish(peer: Peer, message: Message): Send {
    const send = this.#next(SendKind.publish, peer);
    send.message = message;
    return send;
  }

  /** Says an acknowledgement of one of the four kinds. */
  acknowledge(kind: 1 | 2 | 3 | 4, peer: Peer, packetId: number): Send {
    const send = this.#next(kind, peer);
    send.packetId = packetId;
    send.outcome = "success";
    send.reason = "";
    return send;
  }

  /** It may overtake what waits for the disk: it says that the broker is there, and nothing of what came before. */
  pingresp(peer: Peer): void {
    this.#next(SendKind.pingresp, peer);
  }

  connack(peer: Peer, sessionPresent: boolean): void {
    this.#next(SendKind.connack, peer).sessionPresent = sessionPresent;
  }

  suback(peer: Peer, packetId: number, answers: readonly (QoS | Outcome)[]): Send {
    const send = this.#next(SendKind.suback, peer);
    send.packetId = packetId;
    send.answers = answers;
    send.reason = "";
    return send;
  }

  unsuback(peer: Peer, packetId: number, answers: readonly Outcome[]): void {
    const send = this.#next(SendKind.unsuback, peer);
    send.packetId = packetId;
    send.answers = answers;
  }

  /** Tells `peer` why and ends its connection. */
  disconnect(peer: Peer, cause: RefusalCause): void {
    const send = this.#next(SendKind.disconnect, peer);
    send.outcome = cause;
    send.reason = "";
  }

  /** Forgets the sends behind the first `length`; their records stay, and keep neither messages nor connections that have gone. */
  truncate(length: number): void {
    for (let i = length; i < this.length; i++) {
      this.sends[i].peer = NOBODY;
      this.sends[i].message = null;
      this.sends[i].session = null;
    }
    this.length = length;
  }

  /** Forgets everything; the records stay for the next decision. */
  clear(): void {
    this.truncate(0);
    this.replaySteps = 0;
    this.filterWork = 0;
    this.writes.length = 0;
    this.happenings.length = 0;
    if (this.unfinished.size > 0) this.unfinished.clear(); // which makes a table anew
    this.loads.length = 0;
    this.handOns.length = 0;
    this.queueLoads.length = 0;
    this.rests.length = 0;
  }

  #next(kind: SendKind, peer: Peer): Send {
    if (this.length < this.sends.length) {
      const send = this.sends[this.length++];
      send.kind = kind;
      send.peer = peer;
      return send;
    }
    const send: Send = {
      kind,
      peer,
      message: null,
      session: null,
      qos: 0,
      dup: false,
      retain: false,
      packetId: 0,
      subscriptionIds: null,
      outcome: "success",
      reason: "",
      sessionPresent: false,
      answers: [],
    };
    this.sends.push(send);
    this.length++;
    return send;
  }
}
