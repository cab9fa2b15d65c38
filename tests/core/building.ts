// What the tests of the core are built from: topics, messages, peers that do nothing, and a turn. Imports the core only.
import type { AttachRequest } from "../../src/core/attach_request.ts";
import { Broker } from "../../src/core/broker.ts";
import type { Send } from "../../src/core/effects.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.ts";
import { Message, messageSource, type QoS } from "../../src/core/message.ts";
import type { Mutation } from "../../src/core/mutation.ts";
import type { Peer } from "../../src/core/ports.ts";
import { Refusal } from "../../src/core/refusal.ts";
import { Session } from "../../src/core/session.ts";
import type { SubscriptionOptions } from "../../src/core/subscription.ts";
import { Topic } from "../../src/core/topic.ts";
import { Turn } from "../../src/core/turn.ts";
import type { Will } from "../../src/core/will.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function topicOf(name: string): Topic {
  return new Topic(name, encoder.encode(name));
}

export interface MessageOptions {
  readonly payload?: string;
  readonly qos?: QoS;
  readonly retain?: boolean;
  /** Milliseconds. */
  readonly expiresAt?: number;
}

export function messageOf(topic: string | Topic, options: MessageOptions = {}): Message {
  const { payload = "", qos = 0, retain = false, expiresAt = Infinity } = options;
  const source = messageSource(encoder.encode(payload), { qos, retain });
  return new Message(typeof topic === "string" ? topicOf(topic) : topic, source, expiresAt);
}

export function payloadOf(message: Message): string {
  return decoder.decode(message.payload);
}

export function willOf(topic: string, options: MessageOptions & { delaySeconds?: number } = {}): Will {
  const { payload = "gone", qos = 0, retain = false, delaySeconds = 0 } = options;
  const source = messageSource(encoder.encode(payload), { qos, retain });
  return { topic: topicOf(topic), source, delaySeconds, expirySeconds: undefined };
}

export function optionsOf(filter: string, options: Partial<SubscriptionOptions> = {}): SubscriptionOptions {
  return { filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionId: 0, ...options };
}

/** A connection that takes what it is told. */
export class StubPeer implements Peer {
  congested = false;
  constructor(readonly name: string) {}
}

export function limitsOf(limits: Partial<Limits> = {}): Limits {
  return { ...DEFAULT_LIMITS, ...limits };
}

export function turnOf(limits: Limits = DEFAULT_LIMITS): Turn {
  return new Turn(limits);
}

/** A session that nobody has to attach: connected unless told otherwise. */
export function sessionOf(
  clientId: string,
  options: { connected?: boolean; expirySeconds?: number; window?: number } = {},
): Session {
  const session = new Session(clientId, undefined);
  session.peer = options.connected === false ? null : new StubPeer(clientId);
  session.expirySeconds = options.expirySeconds ?? 0;
  session.window = options.window ?? 100;
  return session;
}

export function attachRequestOf(clientId: string, request: Partial<AttachRequest> = {}): AttachRequest {
  return {
    clientId,
    username: undefined,
    peer: new StubPeer(clientId),
    origin: { remoteAddress: "", listener: "", protocolVersion: 5 },
    clean: false,
    expirySeconds: 0xffff_ffff,
    receiveMaximum: 65_535,
    will: undefined,
    ...request,
  };
}

/** A broker and the turn in which it decides. */
export class Bench {
  readonly turn: Turn;
  readonly broker: Broker;

  constructor(limits: Partial<Limits> = {}) {
    this.turn = turnOf(limitsOf(limits));
    this.broker = new Broker(this.turn.limits);
  }

  attach(clientId: string, request: Parameters<typeof attachRequestOf>[1] = {}): Session {
    return this.broker.attach(attachRequestOf(clientId, request), this.turn);
  }
}

/** What an action is refused for; undefined when it is not. */
export function refusalOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error.refusal;
    throw error;
  }
  return undefined;
}

export function subscribe(
  at: { broker: Broker; turn: Turn },
  session: Session,
  ...filters: (string | SubscriptionOptions)[]
): void {
  const requests = filters.map((filter) => typeof filter === "string" ? optionsOf(filter) : filter);
  at.broker.subscribe(session, { packetId: 1, requests }, at.turn);
}

/** What was said, as copies, and forgets all effects. */
export function drain(turn: Turn): { sends: Send[]; writes: Mutation[] } {
  const { effects } = turn;
  const drained = {
    sends: effects.sends.slice(0, effects.length).map((send) => ({ ...send })),
    writes: [...effects.writes],
  };
  effects.clear();
  return drained;
}

const SEND_NAMES = [
  "PUBLISH",
  "PUBACK",
  "PUBREC",
  "PUBREL",
  "PUBCOMP",
  "CONNACK",
  "SUBACK",
  "UNSUBACK",
  "DISCONNECT",
  "PINGRESP",
] as const;

/** `PUBLISH alice a/x "hi" qos=1 id=1 dup retain`, to compare with in one line. */
export function inWords(send: Send): string {
  const name = `${SEND_NAMES[send.kind]} ${(send.peer as StubPeer).name}`;
  if (send.kind === 0) {
    const parts = [name, send.message!.topic.name, JSON.stringify(payloadOf(send.message!))];
    if (send.qos > 0) parts.push(`qos=${send.qos}`, `id=${send.packetId}`);
    if (send.dup) parts.push("dup");
    if (send.retain) parts.push("retain");
    if (send.subscriptionIds !== null) parts.push(`ids=${send.subscriptionIds.join(",")}`);
    return parts.join(" ");
  }
  if (send.kind === 5) return `${name} session=${send.sessionPresent ? "present" : "absent"}`;
  if (send.kind === 6 || send.kind === 7) return `${name} ${send.answers.join(" ")}`;
  if (send.kind === 8) return `${name} ${send.outcome}`;
  return `${name} id=${send.packetId}${send.outcome === "success" ? "" : ` ${send.outcome}`}`;
}

/** Everything said since the last time, in words. */
export function said(turn: Turn): string[] {
  return drain(turn).sends.map(inWords);
}
