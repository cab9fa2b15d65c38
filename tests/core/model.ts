// What MQTT promises, as plain lists: who is owed which message. It shares no code with the broker but the names of options.
import assert from "node:assert/strict";
import { type Send, SendKind } from "../../src/core/effects.ts";
import type { QoS } from "../../src/core/message.ts";
import type { SubscriptionOptions } from "../../src/core/subscription.ts";
import { payloadOf, type StubPeer } from "./building.ts";
import { matchesByExpression } from "./matcher.ts";

export const NEVER = 0xffff_ffff;

export interface ModelMessage {
  readonly topic: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly expiresAt: number;
}

export interface ModelWill extends ModelMessage {
  readonly delaySeconds: number;
}

/** One copy of a message that a session is to get. */
interface Owed {
  readonly message: ModelMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly ids: string;
  /** It may come or not: QoS 0 that waited when the connection went. */
  isOptional: boolean;
}

interface Flying {
  readonly owed: Owed;
  /** The connection that it was said on last. */
  connection: number;
  isReleased: boolean;
}

export class ModelSession {
  readonly clientId: string;
  peer: StubPeer | null = null;
  expirySeconds = 0;
  window = 0;
  offlineSince = 0;
  will: ModelWill | null = null;
  connection = 0;
  readonly filters = new Map<string, SubscriptionOptions>();
  owed: Owed[] = [];
  readonly flying = new Map<number, Flying>();
  /** Ids that have to be said again on this connection, in this order. */
  #again: number[] = [];

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  connect(peer: StubPeer): void {
    this.peer = peer;
    this.connection++;
    this.#again = [...this.flying.keys()];
  }

  disconnect(): void {
    this.peer = null;
    for (const owed of this.owed) if (owed.qos === 0) owed.isOptional = true;
  }

  /** Ids that the client can acknowledge on this connection. */
  get acknowledgeable(): number[] {
    return [...this.flying].filter(([, { connection }]) => connection === this.connection).map(([id]) => id);
  }

  /** Takes note of what the broker says, and refuses what MQTT does not allow it to say. */
  hear(send: Send, now: number): void {
    assert.equal(send.peer, this.peer, `${this.clientId}: said to a connection that is gone`);
    if (send.kind === SendKind.pubrel) return this.#said(send.packetId, true);
    if (send.dup) return this.#hearAgain(send);
    const owed = this.#claim(send, now);
    if (send.qos === 0) return;
    const { packetId } = send;
    assert.ok(packetId >= 1 && packetId <= 65_535, `packet id ${packetId}`);
    assert.ok(!this.flying.has(packetId), `${this.clientId}: packet id ${packetId} is in use`);
    assert.ok(this.acknowledgeable.length < this.window, `${this.clientId}: more than ${this.window} under way`);
    assert.deepEqual(this.#again, [], `${this.clientId}: a new message before what is to come again`);
    this.flying.set(packetId, { owed, connection: this.connection, isReleased: false });
  }

  #hearAgain(send: Send): void {
    const flying = this.flying.get(send.packetId);
    assert.equal(flying?.owed.message.payload, payloadOf(send.message!), "DUP on something else");
    assert.deepEqual([send.qos, send.retain], [flying!.owed.qos, flying!.owed.retain]);
    this.#said(send.packetId, false);
  }

  #said(packetId: number, isReleased: boolean): void {
    const next = this.#again.shift();
    assert.equal(packetId, next, `${this.clientId}: out of order, or again on one connection`);
    const flying = this.flying.get(packetId)!;
    assert.equal(flying.isReleased, isReleased, "PUBREL and PUBLISH mistaken for one another");
    assert.ok(this.acknowledgeable.length < this.window, `${this.clientId}: more than ${this.window} under way again`);
    flying.connection = this.connection;
  }

  /** The oldest owed copy that this is; those of its topic and QoS before it must have expired ([MQTT-4.6.0-6]). */
  #claim(send: Send, now: number): Owed {
    const topic = send.message!.topic.name;
    const payload = payloadOf(send.message!);
    const ids = (send.subscriptionIds ?? []).toSorted().join();
    const alike = this.owed.filter((each) => each.message.topic === topic && each.qos === send.qos);
    const isSaid = (each: Owed) => {
      return each.message.payload === payload && each.retain === send.retain && each.ids === ids;
    };
    const index = alike.findIndex((each) => isSaid(each) && !this.#isPassable(each, now));
    const optional = alike.findIndex((each) => isSaid(each) && each.isOptional && each.message.expiresAt > now);
    // Of two that are alike, what was heard is the one that is due, unless it would be too early for that: then it is the other one.
    const isEarly = index >= 0 && alike.slice(0, index).some((earlier) => !this.#isPassable(earlier, now));
    const place = index < 0 || (isEarly && optional >= 0 && optional < index) ? optional : index;
    const words = `${topic} ${payload} qos=${send.qos} retain=${send.retain} ids=${ids}`;
    assert.ok(place >= 0, `${this.clientId}: not owed: ${words}`);
    for (const earlier of alike.slice(0, place)) {
      assert.ok(this.#isPassable(earlier, now), `${this.clientId}: ${payload} overtook ${earlier.message.payload}`);
    }
    const owed = alike[place];
    assert.ok(owed.message.expiresAt > now, `${this.clientId}: ${payload} has expired`);
    const gone = new Set(alike.slice(0, place + 1).filter((each) => each === owed || !each.isOptional));
    this.owed = this.owed.filter((each) => !gone.has(each));
    return owed;
  }

  #isPassable({ message, isOptional }: Owed, now: number): boolean {
    return isOptional || message.expiresAt <= now;
  }

  /** What should have been said by now, when nothing hinders it. */
  missing(now: number): string[] {
    return this.owed.filter((each) => !this.#isPassable(each, now)).map(({ message }) => message.payload);
  }
}

/** All sessions and retained messages. */
export class Model {
  readonly sessions = new Map<string, ModelSession>();
  readonly retained = new Map<string, ModelMessage>();
  now: number;

  constructor(now: number) {
    this.now = now;
  }

  attach(
    clientId: string,
    request: { peer: StubPeer; clean: boolean; expirySeconds: number; window: number; will: ModelWill | null },
  ): boolean {
    const before = this.sessions.get(clientId);
    if (before !== undefined) this.#displace(before, request.clean);
    const isPresent = this.sessions.has(clientId);
    const session = this.sessions.get(clientId) ?? new ModelSession(clientId);
    this.sessions.set(clientId, session);
    session.expirySeconds = request.expirySeconds;
    session.window = request.window;
    session.will = request.will;
    session.connect(request.peer);
    return isPresent;
  }

  #displace(before: ModelSession, isClean: boolean): void {
    const wasConnected = before.peer !== null;
    if (wasConnected) before.disconnect();
    if (isClean || before.expirySeconds === 0) this.#end(before);
    else if (wasConnected && before.will?.delaySeconds === 0) this.#publishWill(before);
  }

  detach(session: ModelSession, isNormal: boolean): void {
    session.disconnect();
    session.offlineSince = this.now;
    if (isNormal) session.will = null;
    if (session.expirySeconds === 0) this.#end(session);
    else this.tick(this.now);
  }

  publish(message: ModelMessage, sender: ModelSession | null): void {
    if (message.retain && message.payload === "") this.retained.delete(message.topic);
    else if (message.retain) this.retained.set(message.topic, message);
    for (const session of this.sessions.values()) {
      const matching = [...session.filters.values()].filter(({ filter, noLocal }) => {
        return matchesByExpression(filter, message.topic) && !(noLocal && session === sender);
      });
      if (matching.length > 0) this.#owe(session, message, matching);
    }
  }

  #owe(session: ModelSession, message: ModelMessage, matching: readonly SubscriptionOptions[]): void {
    const qos = Math.min(message.qos, Math.max(...matching.map((each) => each.qos))) as QoS;
    if (qos === 0 && (session.peer === null || session.peer.congested)) return;
    session.owed.push({
      message,
      qos,
      retain: message.retain && matching.some((each) => each.retainAsPublished),
      ids: matching.map((each) => each.subscriptionId).filter((id) => id > 0).sort().join(),
      isOptional: false,
    });
  }

  subscribe(session: ModelSession, options: SubscriptionOptions): void {
    const isNew = !session.filters.has(options.filter);
    session.filters.set(options.filter, options);
    if (options.retainHandling === 2 || (options.retainHandling === 1 && !isNew)) return;
    for (const message of this.retained.values()) {
      if (!matchesByExpression(options.filter, message.topic)) continue;
      const qos = Math.min(message.qos, options.qos) as QoS;
      const ids = options.subscriptionId > 0 ? `${options.subscriptionId}` : "";
      session.owed.push({ message, qos, retain: true, ids, isOptional: false });
    }
  }

  /** Wills, ends of sessions and of retained messages that are due at `now`, in the order of their time. */
  tick(now: number): void {
    this.now = now;
    for (const [topic, { expiresAt }] of this.retained) if (expiresAt <= now) this.retained.delete(topic);
    for (const session of [...this.sessions.values()]) {
      if (session.peer !== null) continue;
      const { will, offlineSince, expirySeconds } = session;
      const endsAt = expirySeconds === NEVER ? Infinity : offlineSince + expirySeconds * 1000;
      if (endsAt <= now) this.#end(session);
      else if (will !== null && offlineSince + will.delaySeconds * 1000 <= now) this.#publishWill(session);
    }
  }

  #publishWill(session: ModelSession): void {
    const { will } = session;
    session.will = null;
    if (will !== null) this.publish(will, session);
  }

  #end(session: ModelSession): void {
    this.#publishWill(session);
    this.sessions.delete(session.clientId);
  }
}
