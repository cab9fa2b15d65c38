import type { Broker } from "./broker.ts";
import { Delivery } from "./delivery.ts";
import { Message, messageSource } from "./message.ts";
import type { StoredBody, StoredDelivery, StoredPage, StoredState, StoredWill } from "./mutation.ts";
import { QUEUE_PREFIX } from "./queue/address.ts";
import type { StoredQueues } from "./queue/mutation.ts";
import { Session } from "./session.ts";
import type { Topic } from "./topic.ts";
import type { Turn } from "./turn.ts";

/** What a restart needs beside the stored state: topics come with their UTF-8 bytes, which the core cannot make. */
export interface RestoreOptions {
  readonly state: StoredState;
  /** Undefined without durable queues. */
  readonly queues?: StoredQueues;
  topicOf(name: string): Topic;
  /** Whether a client may still publish its will, asked when that is due. It may when absent. */
  mayPublishStored?(will: StoredWill): boolean;
}

/** Fills an empty broker with what was stored: sessions are active at once, deadlines go on, wills of sessions that ended with the
 * broker are published. To be called once, before the first connection. */
export function restore(broker: Broker, options: RestoreOptions, turn: Turn): void {
  const { state } = options;
  const messages = messagesOf(state.bodies, options.topicOf);
  if (options.queues !== undefined) broker.queues!.queues.restore(options.queues, turn);
  turn.skipIds({ bodyId: state.lastBodyId, sequence: state.lastSequence });
  for (const { clientId, username, expirySeconds } of state.sessions) {
    const session = new Session(clientId, username);
    session.expirySeconds = expirySeconds;
    session.isStored = true;
    broker.sessions.add(session);
    turn.holdings.countSession(session, 1);
  }
  for (const { clientId, isReplaying: _, ...subscription } of state.subscriptions) {
    const session = broker.sessions.get(clientId);
    if (session !== undefined) broker.subscriptions.restore(session, subscription, turn);
  }
  if (options.queues !== undefined) restoreConsumers(broker, options.queues, turn);
  for (const { topic, bodyId } of state.retained) {
    const message = messages.get(bodyId);
    if (message !== undefined && message.topic.name === topic) broker.retained.set(message);
  }
  for (const { clientId, isReplaying, ...subscription } of state.subscriptions) {
    const session = isReplaying && broker.sessions.get(clientId);
    if (session) broker.subscriptions.replay(session, subscription, turn);
  }
  for (const delivery of state.deliveries) {
    const restored = deliveryFrom(broker, delivery, messages);
    if (restored !== undefined) broker.sessions.get(delivery.clientId)?.restore(restored, turn);
  }
  for (const backlog of state.backlogs) broker.sessions.get(backlog.clientId)?.restoreBacklog(backlog, turn);
  for (const { clientId, packetId } of state.receivedPacketIds) {
    const session = broker.sessions.get(clientId);
    if (session !== undefined) (session.received ??= new Set()).add(packetId);
  }
  restoreWills(broker, options, turn);
  for (const saved of state.sessions) {
    // Who was connected when the broker went down counts as gone since now, and that is written down.
    const offlineSince = saved.offlineSince === 0 ? turn.now : saved.offlineSince;
    if (saved.offlineSince === 0) turn.effects.writes.push({ kind: "session-saved", ...saved, offlineSince });
    broker.scheduleOffline(broker.sessions.get(saved.clientId)!, offlineSince);
  }
  broker.tick(turn);
}

/** Groups that nobody named are gone with the sessions that did not outlive the broker. */
function restoreConsumers(broker: Broker, { consumers, groups }: StoredQueues, turn: Turn): void {
  for (const stored of consumers) {
    const session = broker.sessions.get(stored.clientId);
    if (session !== undefined) broker.queues!.restore(session, stored, turn);
  }
  for (const { clientId } of groups) {
    if (clientId !== "" && broker.sessions.get(clientId) === undefined) broker.queues!.queues.endClient(clientId, turn);
  }
}

/** The deliveries of a page from the store. */
export function deliveriesOf(broker: Broker, page: StoredPage, topicOf: (name: string) => Topic): Delivery[] {
  const messages = messagesOf(page.bodies, topicOf);
  const deliveries = page.deliveries.map((stored) => deliveryFrom(broker, stored, messages));
  return deliveries.filter((delivery) => delivery !== undefined);
}

function deliveryFrom(
  broker: Broker,
  stored: StoredDelivery,
  messages: ReadonlyMap<number, Message>,
): Delivery | undefined {
  const message = messages.get(stored.bodyId);
  if (message === undefined) return undefined;
  const { qos, retain, subscriptionIds, sequence, packetId } = stored;
  const group = stored.shared === "" ? null : broker.subscriptions.group(stored.shared);
  const delivery = new Delivery(message, { qos, retain, subscriptionIds, group });
  delivery.sequence = sequence;
  delivery.packetId = packetId;
  delivery.isReplay = stored.isReplay;
  delivery.isQueued = stored.released && message.topic.name.startsWith(QUEUE_PREFIX);
  delivery.state = stored.released ? "released" : packetId > 0 ? "sent" : "waiting";
  return delivery;
}

/** A will belongs to its session; where that is gone, it is due. */
function restoreWills(broker: Broker, options: RestoreOptions, turn: Turn): void {
  for (const stored of options.state.wills) {
    const { clientId, delaySeconds, expirySeconds, qos, retain, properties } = stored;
    const source = messageSource(stored.payload, { qos, retain, properties });
    const isAllowed = options.mayPublishStored && (() => options.mayPublishStored!(stored));
    const topic = options.topicOf(stored.topic);
    const will = { topic, source, delaySeconds, expirySeconds, isAllowed, author: stored.author };
    const session = broker.sessions.get(clientId);
    if (session !== undefined) session.will = will;
    else broker.publishOrphanedWill(clientId, will, turn);
  }
}

function messagesOf(bodies: readonly StoredBody[], topicOf: (name: string) => Topic): Map<number, Message> {
  const messages = new Map<number, Message>();
  let topic: Topic | undefined; // of one message after the other it is mostly the same
  for (const body of bodies) {
    if (topic?.name !== body.topic) topic = topicOf(body.topic);
    messages.set(body.bodyId, messageOf(body, topic));
  }
  return messages;
}

/** A message with bytes of its own: those of a body may lie in a buffer with many others. */
function messageOf({ bodyId, qos, retain, properties, payload, expiresAt }: StoredBody, topic: Topic): Message {
  const parts = { properties, propertiesStart: 0, propertiesEnd: properties.length };
  const source = { qos, retain, ...parts, bytes: payload, payloadStart: 0, payloadEnd: payload.length };
  const message = new Message(topic, source, expiresAt).own();
  message.bodyId = bodyId;
  return message;
}
