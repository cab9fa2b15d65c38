import type { Limits } from "../core/limits.ts";
import { queueAddressOf, readableBy } from "../core/queue/address.ts";
import type { Identity, Policy, PublishFacts } from "../core/ports.ts";
import { expiryTime, Message, type QoS } from "../core/message.ts";
import { Refusal } from "../core/refusal.ts";
import { parseFilter } from "../core/subscription.ts";
import type { Topic } from "../core/topic.ts";
import type { PublishView } from "../wire/publish.ts";
import type { Endpoint } from "./endpoint.ts";
import { aliasedTopic, setAlias } from "./topic_alias.ts";
import { isNamed, type TopicTable } from "./topic_table.ts";

/** The topic of a PUBLISH: by its alias, or by its name, which then becomes what the alias stands for.
 * @throws {Refusal} topic-alias-invalid, protocol-error or topic-name-invalid */
export function resolveTopic(endpoint: Endpoint, view: PublishView, topics: TopicTable): Topic {
  const { topicStart, topicEnd, topicAlias } = view;
  if (topicStart === topicEnd) return aliasedTopic(endpoint, topicAlias);
  let topic = endpoint.lastTopic;
  if (topic === null || !isNamed(topic, view.bytes, { start: topicStart, end: topicEnd })) {
    topic = topics.read(view.bytes, topicStart, topicEnd);
    endpoint.lastTopic = topic;
  }
  if (topicAlias !== 0) setAlias(endpoint, topicAlias, topic);
  return topic;
}

/** Refuses what the server capabilities in CONNACK have ruled out ([MQTT-3.2.2-11], [MQTT-3.2.2-14]).
 * @throws {Refusal} qos-not-supported or retain-not-supported; both end the connection */
export function assertCapabilities({ qosMax, retainAvailable }: Limits, view: PublishFacts): void {
  if (view.qos > qosMax) {
    throw new Refusal("qos-not-supported", `Cannot accept QoS ${view.qos}: the maximum is ${qosMax}`);
  }
  if (view.retain && !retainAvailable) throw new Refusal("retain-not-supported", "Cannot retain: it is switched off");
}

/** Refuses a message that may not be published; the refusal is said in the acknowledgement where there is one.
 * @throws {Refusal} not-authorized or payload-format-invalid */
export function assertPublishable(
  endpoint: Endpoint,
  { view, topic, hasQueues }: { view: PublishView; topic: Topic; hasQueues: boolean },
): void {
  const { policy, session, settings } = endpoint;
  assertMayPublish({ policy: policy!, identity: session!, hasQueues }, topic, view);
  if (settings.validatePayloadFormat && view.payloadIsUtf8) {
    assertUtf8Payload(view.bytes, view.payloadStart, view.payloadEnd);
  }
}

/** Whether a client may publish to a topic. `$SYS` is the broker's own.
 * @throws {Refusal} not-authorized */
export function assertMayPublish(
  who: { policy: Policy; identity: Identity; hasQueues: boolean },
  topic: Topic,
  facts: PublishFacts,
): void {
  if (who.hasQueues && topic.isReserved && queueAddressOf(topic)?.verb !== undefined) return; // who holds the message may settle it, and nobody else
  const isOwn = topic.isReserved && (topic.name === "$SYS" || topic.name.startsWith("$SYS/"));
  if (!isOwn && who.policy.mayPublish(who.identity, topic.name, facts)) return;
  throw new Refusal(
    "not-authorized",
    isOwn ? "Cannot publish to $SYS: it is the broker's own" : "Not allowed to publish there",
  );
}

/** Whether a client may subscribe to a filter, which is without `$share/<group>/`. */
export function maySubscribe(
  { policy, identity }: { policy: Policy; identity: Identity },
  filter: string,
  qos: QoS,
): boolean {
  return policy.maySubscribe(identity, readableBy(filter), qos);
}

/** Whether a client may keep a subscription that is there, `filter` as it was subscribed to. */
export function mayKeepSubscription(
  { policy }: Pick<Endpoint, "policy">,
  identity: Identity,
  { filter, qos }: { filter: string; qos: QoS },
): boolean {
  const parsed = parseFilter(filter);
  return parsed !== undefined && maySubscribe({ policy: policy!, identity }, parsed.filter, qos);
}

/** Refuses a payload that says it is UTF-8 and is not (MQTT 5 3.3.2.3.2).
 * @throws {Refusal} payload-format-invalid */
export function assertUtf8Payload(bytes: Uint8Array, start: number, end: number): void {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, end));
  } catch (error) {
    const reason = "Cannot accept the payload: its format indicator says UTF-8 and it is not";
    throw new Refusal("payload-format-invalid", reason, { cause: error });
  }
}

/** The message that a PUBLISH carries; its bytes still lie in the chunk. */
export function messageOf(endpoint: Endpoint, from: { view: PublishView; topic: Topic }, now: number): Message {
  const { view, topic } = from;
  const wished = view.expirySeconds < 0 ? undefined : view.expirySeconds;
  return new Message(topic, view, expiryTime(wished, endpoint.settings.limits.messageExpirySecondsMax, now));
}
