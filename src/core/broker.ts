import { assertMayAttach, type AttachRequest } from "./attach_request.ts";
import type { Delivery } from "./delivery.ts";
import { HandOn } from "./hand_on.ts";
import type { DisconnectCause } from "./happening.ts";
import { assertLimits, type Limits } from "./limits.ts";
import type { Message, QoS } from "./message.ts";
import type { Origin, Peer } from "./ports.ts";
import { queueAddressOf } from "./queue/address.ts";
import type { ConsumeOptions, SessionQueues } from "./queue/session_queues.ts";
import { type Outcome, Refusal, type RefusalCause } from "./refusal.ts";
import { Retained } from "./retained.ts";
import { routeEntry } from "./route.ts";
import { Session } from "./session.ts";
import { NEVER_SECONDS, type SessionDeadline, SessionTable } from "./session_table.ts";
import { Subscribing } from "./subscribing.ts";
import { type SubscribeRequest, Subscriptions } from "./subscriptions.ts";
import { quoted } from "./text.ts";
import type { Turn } from "./turn.ts";
import { storedWill, type Will, willMessage, type WillRights } from "./will.ts";

/** Wills and ends of sessions in one go: of more, the others are due at once again. */
const DUE_MAX = 512;

/** How long the end of a session is put off for what it has to hand on. */
const HAND_ON_MS = 1_000;

/** How a connection ended, as far as the session cares. */
export interface DetachOptions {
  readonly peer: Peer;
  readonly cause: DisconnectCause;
  /** From a DISCONNECT that carries one; undefined keeps the session's. */
  readonly expirySeconds?: number;
}

/** What a SUBSCRIBE asks for. */
export interface SubscribeOrder {
  /** 0 when nobody waits for an answer. */
  readonly packetId: number;
  readonly requests: readonly SubscribeRequest[];
  /** What it says about filters of durable queues. */
  readonly consume?: ConsumeOptions;
}

/** What an UNSUBSCRIBE asks for; the packet id as in {@link SubscribeOrder}. */
export interface UnsubscribeOrder {
  readonly packetId: number;
  readonly filters: readonly string[];
}

/** The broker's decisions: who is attached, who gets which message, what is kept. Pure and synchronous: every method works on the
 * `turn` it is handed, whose effects say what to persist and what to send, and never waits. */
export class Broker {
  readonly limits: Limits;
  readonly sessions = new SessionTable();
  readonly retained: Retained;
  readonly subscriptions: Subscriptions;
  /** What shared groups gave to sessions that cannot have it now. */
  readonly handOn: HandOn;
  /** The durable queues; null in a broker without any, where `$queue/...` is a topic like others. */
  readonly queues: SessionQueues | null;

  /** @throws {RangeError} when limits contradict each other. */
  constructor(limits: Limits, queues: SessionQueues | null = null) {
    assertLimits(limits);
    this.limits = limits;
    this.queues = queues;
    this.retained = new Retained(limits);
    this.subscriptions = new Subscriptions(limits, this.retained);
    this.handOn = new HandOn(this.subscriptions);
  }

  /** Connects a client to its session, a new one or the one it left; a connection that holds it is told to go ([MQTT-3.1.4-3]).
   * CONNACK is the first thing said, then what the session still owes and the client may still have.
   * @throws {Refusal} client-identifier-not-valid when the session is another user's, quota-exceeded when a new one is one too many. */
  attach(request: AttachRequest, turn: Turn): Session {
    const before = this.sessions.get(request.clientId);
    assertMayAttach(request, { before, sessions: this.sessions.size }, turn);
    const present = before === undefined ? undefined : this.#reclaim(before, request.clean, turn);
    const session = present ?? new Session(request.clientId, request.username);
    if (present === undefined) session.address = request.address;
    else turn.holdings.move(session, request);
    session.peer = request.peer;
    session.expirySeconds = request.expirySeconds;
    session.window = Math.min(request.receiveMaximum, this.limits.inflightMax);
    this.#connected(session, { sessionPresent: present !== undefined, ...request.origin }, turn);
    this.#save(session, 0, turn);
    this.#setWill(session, request.will, turn);
    turn.effects.connack(request.peer, present !== undefined);
    if (present === undefined) return session;
    if (request.mayKeep !== undefined && this.prune(session, request.mayKeep, turn) > 0) {
      this.handOn.denied(session, turn);
    }
    session.resume(turn);
    this.queues?.attached(session, turn);
    return session;
  }

  /** The connection `peer` of a session ended. Nothing happens when another connection has taken the session over since. */
  detach(session: Session, options: DetachOptions, turn: Turn): void {
    if (session.peer !== options.peer) return;
    turn.statistics.clientsConnected--;
    turn.effects.happenings.push({ kind: "client-disconnected", clientId: session.clientId, cause: options.cause });
    session.pause();
    turn.holdings.move(session, { username: session.username }); // it is at no address
    const { cause } = options;
    this.queues?.detached(session, cause, turn);
    if (options.expirySeconds !== undefined) session.expirySeconds = options.expirySeconds;
    if (cause === "normal") this.#setWill(session, undefined, turn); // [MQTT-3.14.4-3]
    if (!session.isDurable) {
      if (!this.#putsOffEnd({ session }, turn)) this.#end(session, "disconnected", turn);
      return;
    }
    this.handOn.absent(session, turn);
    this.#save(session, turn.now, turn);
    this.scheduleOffline(session, turn.now);
    this.#runDue(turn);
  }

  /** Publishes to every session that the topic reaches, `sender`'s own included unless it is no-local, and keeps the message when it
   * is retained. Answers whether anybody was reached (MQTT 5 3.4.2.1, 0x10). `sender` is null for the broker's own messages. */
  publish(message: Message, sender: Session | null, turn: Turn): Outcome {
    turn.statistics.messagesPublished++;
    if (turn.watchesMessages) {
      turn.effects.happenings.push({ kind: "message-published", clientId: sender?.clientId, message: message.own() });
    }
    if (this.queues !== null) {
      if (queueAddressOf(message.topic) !== undefined) return this.queues.publish(message, sender, turn);
      if (!message.topic.isReserved) this.queues.capture(message, turn);
    }
    if (message.retain) this.retained.keep(message, turn);
    return this.#distribute(message, sender, turn);
  }

  /** To be asked before {@link publish} of what a client or the program wants to publish.
   * @throws {Refusal} quota-exceeded when the message would have to be stored and there is no room for it, and no reserve either
   * @throws {Refusal} what the queue that it is for says */
  assertStorable(message: Message, sender: Session | null, turn: Turn): void {
    const address = this.queues === null ? undefined : queueAddressOf(message.topic);
    if (address !== undefined) this.queues!.assertTaken(message, address, turn);
    if (!turn.isStoreFull || turn.hasReserve || !this.#wouldStore(message, sender)) return;
    throw new Refusal("quota-exceeded", `Cannot publish to ${quoted(message.topic.name)}: the storage is full`);
  }

  /** As {@link publish}, for `$SYS` and the like: what is retained is not stored. */
  announce(message: Message, turn: Turn): void {
    if (message.retain && message.payloadEnd === message.payloadStart) this.retained.clear(message.topic.name, turn);
    else if (message.retain) this.retained.set(message.own());
    this.#distribute(message, null, turn);
  }

  /** Subscribes, says SUBACK (unless the packet id is 0: the program waits for none), and then sends the retained messages that the options call for ([MQTT-3.8.4-1], [MQTT-3.3.1-9..11]). Answers what SUBACK says of each. */
  subscribe(session: Session, packet: SubscribeOrder, turn: Turn): readonly (QoS | RefusalCause)[] {
    const subscribing = this.subscribing(session, packet.consume);
    for (const request of packet.requests) subscribing.take(request, turn);
    return subscribing.end(packet.packetId, turn);
  }

  /** As {@link subscribe}, for who has many filters and lets others have their turn in between. */
  subscribing(session: Session, consume: ConsumeOptions | undefined): Subscribing {
    return new Subscribing(this, session, consume);
  }

  /** Unsubscribes and says UNSUBACK, unless the packet id is 0; what is under way already is still delivered ([MQTT-3.10.4-3]). Answers
   * what UNSUBACK says. */
  unsubscribe(session: Session, packet: UnsubscribeOrder, turn: Turn): readonly Outcome[] {
    const answers = packet.filters.map((filter) => {
      return this.queues?.unsubscribe(session, filter, turn) ?? this.subscriptions.unsubscribe(session, filter, turn);
    });
    if (session.peer !== null && packet.packetId !== 0) turn.effects.unsuback(session.peer, packet.packetId, answers);
    return answers;
  }

  /** Takes back the subscriptions that a session may not have any more, to durable queues as well; answers how many. */
  prune(session: Session, mayKeep: (filter: string, qos: QoS) => boolean, turn: Turn): number {
    const consumers = [...session.consumers.values()].filter(({ stored }) => !mayKeep(stored.filter, stored.qos));
    for (const { stored } of consumers) this.queues!.unsubscribe(session, stored.filter, turn);
    return consumers.length + this.subscriptions.prune(session, mayKeep, turn);
  }

  /** Takes back what the program itself subscribed to: what waits for it in shared groups goes to other members. With `unread`, so does
   * what was handed to it and not settled. */
  release(session: Session, options: { unread: boolean }, turn: Turn): void {
    session.pause();
    for (const filter of [...session.subscriptions?.keys() ?? []]) {
      this.subscriptions.unsubscribe(session, filter, turn);
    }
    this.handOn.give(session, options.unread ? "all" : "waiting", turn);
    session.queue?.discard();
  }

  /** What has fallen due by `turn.now`, some of it at a time: wills that were delayed, sessions and retained messages that expired. */
  tick(turn: Turn): void {
    this.#runDue(turn);
    this.retained.tick(turn);
    this.queues?.queues.tick(turn);
  }

  /** When {@link tick} is wanted next, in milliseconds; Infinity when nothing waits. */
  get nextDeadline(): number {
    return Math.min(
      this.sessions.nextDeadline,
      this.retained.nextDeadline,
      this.queues === null ? Infinity : this.queues.queues.nextDeadline,
    );
  }

  /** The client of a session may do other things than before, and so may its will. */
  renewWill(session: Session, rights: WillRights, turn: Turn): void {
    const { will } = session;
    if (will === null) return;
    const isStoredSo = JSON.stringify(will.author) === JSON.stringify(rights.author);
    if (isStoredSo) session.will = { ...will, ...rights };
    else this.#setWill(session, { ...will, ...rights }, turn);
  }

  /** Publishes the will that a crash left behind and whose session is gone. */
  publishOrphanedWill(clientId: string, will: Will, turn: Turn): void {
    turn.effects.writes.push({ kind: "will-cleared", clientId });
    if (will.isAllowed?.() === false) return turn.drop(clientId, will.topic.name, "not-authorized");
    const message = willMessage(will, turn);
    turn.effects.happenings.push({ kind: "will-published", clientId, message });
    this.#publishIfTaken(message, null, turn);
  }

  /** Ends the session of a client, connected or not, as an administrator's act or after its last connection. */
  endSession(session: Session, turn: Turn): void {
    const { peer, clientId } = session;
    if (peer !== null) {
      turn.effects.disconnect(peer, "administrative-action");
      turn.statistics.clientsConnected--;
      turn.effects.happenings.push({ kind: "client-disconnected", clientId, cause: "administrative-action" });
    }
    this.#end(session, "disconnected", turn);
  }

  /** The end of a retained message is not stored, it gives room. */
  #wouldStore(message: Message, sender: Session | null): boolean {
    if (this.queues !== null) {
      const address = queueAddressOf(message.topic);
      if (address !== undefined) return address.verb === undefined;
    }
    if (message.retain && message.payloadEnd > message.payloadStart) return true;
    if (message.qos === 0) return false; // what would wait for who is offline is dropped
    if (message.qos === 2 && sender?.isStored) return true; // its packet id
    const { entries, groups } = this.subscriptions.match(message.topic);
    return entries.some(({ session, qos }) => session.isStored && qos > 0) || groups.some(({ hasStored }) => hasStored);
  }

  #distribute(message: Message, sender: Session | null, turn: Turn): Outcome {
    const route = this.subscriptions.match(message.topic);
    let reached = 0;
    const entries = route.entries;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry.noLocalAmong !== null && entry.session === sender) {
        const others = entry.noLocalAmong.filter((subscription) => !subscription.options.noLocal);
        if (others.length === 0) continue; // [MQTT-3.8.3-3]
        sender.offer(message, routeEntry(sender, others), turn);
      } else {
        entry.session.offer(message, entry, turn);
      }
      reached++;
    }
    for (let i = 0; i < route.groups.length; i++) {
      const member = route.groups[i].choose();
      if (member === undefined) continue;
      member.session.offer(message, member, turn);
      reached++;
    }
    return reached === 0 ? "no-matching-subscribers" : "success";
  }

  /** What becomes of the session that a CONNECT finds; undefined when it has ended. */
  #reclaim(before: Session, clean: boolean, turn: Turn): Session | undefined {
    const { peer } = before;
    if (peer !== null) {
      turn.effects.disconnect(peer, "session-taken-over");
      turn.effects.happenings.push({ kind: "session-taken-over", clientId: before.clientId });
      turn.statistics.clientsConnected--;
      before.pause();
      this.queues?.detached(before, "session-taken-over", turn);
      const { will } = before;
      if (will !== null && will.delaySeconds === 0) this.#publishWill(before, turn); // its connection has closed without DISCONNECT
    }
    if (clean || !before.isDurable) {
      this.#end(before, clean ? "clean-start" : "disconnected", turn);
      return undefined;
    }
    this.sessions.cancel(before); // a delayed will is not published any more ([MQTT-3.1.3-9])
    return before;
  }

  #connected(session: Session, facts: Origin & { sessionPresent: boolean }, turn: Turn): void {
    const { statistics, effects } = turn;
    const { clientId, username } = session;
    if (!facts.sessionPresent) {
      this.sessions.add(session);
      turn.holdings.countSession(session, 1);
      effects.happenings.push({ kind: "session-created", clientId });
    }
    statistics.clientsConnected++;
    statistics.clientsConnectedMax = Math.max(statistics.clientsConnectedMax, statistics.clientsConnected);
    effects.happenings.push({ kind: "client-connected", clientId, username, ...facts });
  }

  #save(session: Session, offlineSince: number, turn: Turn): void {
    const { clientId, username, expirySeconds } = session;
    if (!session.isDurable && !session.isStored) return; // one that lost its expiry is stored with 0: it ends with the broker
    session.isStored = true;
    turn.effects.writes.push({ kind: "session-saved", clientId, username, expirySeconds, offlineSince });
  }

  #setWill(session: Session, will: Will | undefined, turn: Turn): void {
    const { clientId } = session;
    // Stored for every session: that of a client without expiry ends with the broker's crash, and its will is due then.
    if (will !== undefined) turn.effects.writes.push({ kind: "will-saved", ...storedWill(clientId, will) });
    else if (session.will !== null) turn.effects.writes.push({ kind: "will-cleared", clientId });
    session.will = will ?? null;
  }

  #publishWill(session: Session, turn: Turn): void {
    const { will } = session;
    if (will === null) return;
    this.#setWill(session, undefined, turn);
    if (will.isAllowed?.() === false) return turn.drop(session.clientId, will.topic.name, "not-authorized");
    const message = willMessage(will, turn);
    turn.effects.happenings.push({ kind: "will-published", clientId: session.clientId, message });
    this.#publishIfTaken(message, session, turn);
  }

  /** A will has nobody who could be told that there is no room for it. */
  #publishIfTaken(message: Message, sender: Session | null, turn: Turn): void {
    try {
      this.assertStorable(message, null, turn); // it has no packet id of its sender's
      this.publish(message, sender, turn);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      turn.drop(sender?.clientId ?? "", message.topic.name, "refused");
    }
  }

  /** The session is over: its will is due at the latest now, then everything of it goes. */
  #end(session: Session, cause: "clean-start" | "disconnected" | "expired", turn: Turn): void {
    session.pause();
    this.queues?.ended(session, turn);
    this.sessions.cancel(session);
    this.subscriptions.deleteAll(session, turn); // first, or its own share of a group could be the one to get its will
    session.expirySeconds = 0; // nothing is kept for it where a filter of it is still found
    this.#publishWill(session, turn);
    this.handOn.absent(session, turn);
    session.dropAll(turn);
    this.sessions.delete(session);
    turn.holdings.countSession(session, -1);
    if (cause === "expired") turn.statistics.sessionsExpired++;
    const { clientId } = session;
    if (session.isStored) turn.effects.writes.push({ kind: "session-ended", clientId });
    turn.effects.happenings.push({ kind: "session-ended", clientId, cause });
  }

  /** Gives a session the next deliveries of its queue, as they come from the store; when nobody is connected to it any more, others may
   * have them. */
  refill(session: Session, deliveries: readonly Delivery[], turn: Turn): void {
    session.refill(deliveries, turn);
    if (session.peer === null) this.handOn.absent(session, turn);
  }

  /** Sets the clocks of a session that nobody is connected to since `since`: its will and its end. */
  scheduleOffline(session: Session, since: number): void {
    const expiresAt = session.expirySeconds === NEVER_SECONDS ? Infinity : since + session.expirySeconds * 1000;
    if (session.will !== null) {
      const at = since + session.will.delaySeconds * 1000;
      if (at < expiresAt) this.sessions.schedule({ session, what: "will" }, at); // else the session's end publishes it
    }
    if (expiresAt !== Infinity) this.sessions.schedule({ session, what: "expiry" }, expiresAt);
  }

  #runDue(turn: Turn): void {
    for (let count = 0; count < DUE_MAX; count++) {
      const due = this.sessions.takeDue(turn.now);
      if (due === undefined) return;
      const { session } = due;
      if (due.what === "will") this.#publishWill(session, turn);
      else if (!this.#putsOffEnd(due, turn)) this.#end(session, "expired", turn);
    }
  }

  /** Puts the end of a session off while others get what only the store has of it; false when it need not, or nobody has got any since
   * the last time. */
  #putsOffEnd({ session, left = Infinity }: Pick<SessionDeadline, "session" | "left">, turn: Turn): boolean {
    const { spilledShared = 0, isLoading = false } = session.queue ?? {};
    if (!isLoading && spilledShared >= left) return false;
    if (!this.handOn.asksForSpilled(session, turn)) return false;
    this.sessions.schedule({ session, what: "expiry", left: spilledShared }, turn.now + HAND_ON_MS);
    return true;
  }
}
