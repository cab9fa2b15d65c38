import { Refusal } from "../refusal.ts";
import { quoted } from "../text.ts";
import type { Topic } from "../topic.ts";
import { DEAD_LETTERS } from "./definition.ts";

/** What every topic of a queue begins with. */
export const QUEUE_PREFIX = "$queue/";

/** What a publish to the last level of a queue's topic asks for instead of a message. */
export type QueueVerb = "ack" | "nack" | "reject" | "extend" | "commit" | "seek";

const VERBS: ReadonlySet<string> = new Set<QueueVerb>(["ack", "nack", "reject", "extend", "commit", "seek"]);

/** UTF-16 units of a queue's name. */
const NAME_MAX = 128;

/** What the name of a queue may be, for messages. */
export const QUEUE_NAME_RULE =
  `a queue's name is one topic level of 1 to ${NAME_MAX} characters without wildcards that does not begin with $`;

/** What a topic of a queue is about. */
export interface QueueAddress {
  /** With `/$dlq` for its dead letters. */
  readonly queue: string;
  /** What stands behind the name; empty for nothing. */
  readonly routingKey: string;
  /** Undefined for a message. */
  readonly verb: QueueVerb | undefined;
}

/** What a filter of a queue asks for. */
export interface QueueFilter {
  readonly queue: string;
  /** A filter for the routing key; `#` is everything, also none. */
  readonly routingFilter: string;
  /** From `$share/<group>/`; empty without. */
  readonly group: string;
}

/** Whether a topic or a filter (without `$share/<group>/`) is one of a queue. */
function isQueueTopic(name: string): boolean {
  return name.startsWith(QUEUE_PREFIX);
}

/** Whether `name` can be that of a queue, the dead letters of one left aside. */
export function isQueueName(name: string): boolean {
  return name.length > 0 && name.length <= NAME_MAX && !/[+#/\p{Cc}]/u.test(name) && !name.startsWith("$") &&
    name.isWellFormed();
}

/** As {@link parseQueueTopic}, remembered with the topic.
 * @throws {Refusal} topic-name-invalid */
export function queueAddressOf(topic: Topic): QueueAddress | undefined {
  return topic.isReserved ? topic.queueAddress ??= parseQueueTopic(topic.name) : undefined;
}

/** The queue, routing key or verb that a topic names; undefined for an ordinary topic.
 * @throws {Refusal} topic-name-invalid when it begins like one of a queue and is none. */
export function parseQueueTopic(topic: string): QueueAddress | undefined {
  if (!isQueueTopic(topic)) return undefined;
  const levels = topic.slice(QUEUE_PREFIX.length).split("/");
  const queue = takeName(levels);
  if (queue === undefined) {
    throw new Refusal("topic-name-invalid", `Cannot publish to ${quoted(topic)}: ${QUEUE_NAME_RULE}`);
  }
  const last = levels.at(-1) ?? "";
  const verb = last.startsWith("$") && VERBS.has(last.slice(1)) ? last.slice(1) as QueueVerb : undefined;
  if (verb !== undefined) levels.pop();
  if (levels.some((level) => level.startsWith("$"))) {
    const rule = "a level of a routing key cannot begin with $";
    throw new Refusal("topic-name-invalid", `Cannot publish to ${quoted(topic)}: ${rule}`);
  }
  return { queue, routingKey: levels.join("/"), verb };
}

/** The queue and the filter for routing keys that a filter names; undefined for an ordinary one. `filter` is valid.
 * @throws {Refusal} topic-filter-invalid when it begins like one of a queue and is none. */
export function parseQueueFilter({ filter, group }: { filter: string; group: string }): QueueFilter | undefined {
  if (!isQueueTopic(filter)) return undefined;
  const levels = filter.slice(QUEUE_PREFIX.length).split("/");
  const queue = takeName(levels);
  if (queue === undefined) {
    throw new Refusal("topic-filter-invalid", `Cannot subscribe to ${quoted(filter)}: ${QUEUE_NAME_RULE}`);
  }
  return { queue, routingFilter: levels.length === 0 ? "#" : levels.join("/"), group };
}

/** The filter of everything that somebody reads by a filter (without `$share/<group>/`), for whoever decides about rights: by the bare
 * name of a queue that is all of its messages, whatever their routing keys. */
export function readableBy(filter: string): string {
  if (!isQueueTopic(filter)) return filter;
  const levels = filter.split("/").slice(1);
  const isBare = levels.length === 1 || (levels.length === 2 && levels[1] === DEAD_LETTERS);
  return isBare ? `${filter}/#` : filter;
}

/** The name at the front of `levels`, which are then what is behind it. */
function takeName(levels: string[]): string | undefined {
  const name = levels.shift()!;
  if (!isQueueName(name)) return undefined;
  if (levels[0] !== DEAD_LETTERS) return name;
  levels.shift();
  return `${name}/${DEAD_LETTERS}`;
}
