import { quoted } from "../text.ts";
import { isQueueName, QUEUE_NAME_RULE } from "./address.ts";
import type { QueueDefinition } from "./definition.ts";
import { parentName } from "./dead_letters.ts";

const GROUP_LENGTH_MAX = 1_000;
const PARTITIONS_MAX = 1_000;
const PREFETCH_MAX = 65_535;

/** Refuses a definition that contradicts itself or is out of range.
 * @throws {RangeError} */
export function assertDefinition(definition: QueueDefinition): void {
  const { name, partitions, ordering, type, retention, backoff } = definition;
  const fault = isQueueName(parentName(name) ?? name) ? topicsFault(definition) : QUEUE_NAME_RULE;
  if (fault !== undefined) throw new RangeError(`Cannot create the queue ${quoted(name)}: ${fault}`);
  for (const [field, value, from, to] of ranges(definition)) {
    if (value >= from && value <= to && (Number.isInteger(value) || value === Infinity)) continue;
    throw new RangeError(
      `Cannot set ${field} of ${quoted(name)} to ${value}: it must be a whole number from ${from} to ${to}`,
    );
  }
  if (ordering === "strict" && partitions !== 1) {
    throw new RangeError(`Cannot give ${quoted(name)} ${partitions} partitions: with the ordering "strict" it has 1`);
  }
  if (!(backoff.multiplier >= 1 && backoff.multiplier <= 1_000)) {
    throw new RangeError(
      `Cannot set backoff.multiplier of ${quoted(name)} to ${backoff.multiplier}: it must lie between 1 and 1000`,
    );
  }
  if (!(backoff.jitter >= 0 && backoff.jitter <= 1)) {
    throw new RangeError(
      `Cannot set backoff.jitter of ${quoted(name)} to ${backoff.jitter}: it must lie between 0 and 1`,
    );
  }
  if (backoff.maxMs < backoff.initialMs) {
    throw new RangeError(
      `Cannot set backoff.maxMs of ${quoted(name)} to ${backoff.maxMs}: backoff.initialMs is ${backoff.initialMs}`,
    );
  }
  if (retention.isCompacted && type !== "stream") {
    throw new RangeError(`Cannot compact ${quoted(name)}: only a stream is compacted`);
  }
}

/** Refuses a change that the messages which are there would not survive.
 * @throws {RangeError} */
export function assertChange(from: QueueDefinition, to: QueueDefinition): void {
  assertDefinition(to);
  const name = quoted(from.name);
  if (to.type !== from.type) {
    throw new RangeError(`Cannot make ${name} a ${to.type}: the type of a queue cannot be changed`);
  }
  if (to.ordering !== from.ordering) {
    throw new RangeError(`Cannot set ordering of ${name} to ${to.ordering}: the ordering of a queue cannot be changed`);
  }
  if (to.partitions < from.partitions) {
    throw new RangeError(
      `Cannot set partitions of ${name} to ${to.partitions}: it has ${from.partitions}, and partitions are only added`,
    );
  }
}

/** What is wrong with the name of a consumer group; undefined when nothing is. */
export function groupNameFault(name: string): string | undefined {
  if (name.length === 0) return "it is empty";
  if (name.length > GROUP_LENGTH_MAX) return `it has ${name.length} characters, the maximum is ${GROUP_LENGTH_MAX}`;
  if (name.startsWith("$")) return 'it cannot begin with "$"';
  if (/\p{Cc}/u.test(name)) return "it cannot contain control characters";
  return name.isWellFormed() ? undefined : "it holds half of a surrogate pair";
}

function topicsFault({ topics }: QueueDefinition): string | undefined {
  for (const topic of topics) {
    if (topic.length === 0 || topic.startsWith("$")) {
      return `it cannot capture ${quoted(topic)}: that is not an ordinary topic`;
    }
    const levels = topic.split("/");
    const isValid = levels.every((level, i) =>
      level === "+" || (level === "#" ? i === levels.length - 1 : !/[+#\0]/.test(level))
    );
    if (!isValid) return `it cannot capture ${quoted(topic)}: a wildcard is a level, and "#" the last one`;
  }
  return undefined;
}

type Range = readonly [field: string, value: number, from: number, to: number];

function ranges(definition: QueueDefinition): Range[] {
  const { retention, limits, backoff } = definition;
  return [
    ["partitions", definition.partitions, 1, PARTITIONS_MAX],
    ["retention.ageMs", retention.ageMs, 1, Infinity],
    ["retention.bytes", retention.bytes, 1, Infinity],
    ["retention.messages", retention.messages, 1, Infinity],
    ["retention.compactionLagMs", retention.compactionLagMs, 0, Number.MAX_SAFE_INTEGER],
    ["limits.messages", limits.messages, 1, Infinity],
    ["limits.bytes", limits.bytes, 1, Infinity],
    ["limits.messageBytes", limits.messageBytes, 1, Infinity],
    ["limits.ttlMs", limits.ttlMs, 1, Infinity],
    ["visibilityTimeoutMs", definition.visibilityTimeoutMs, 1, Number.MAX_SAFE_INTEGER],
    ["deliveryLimit", definition.deliveryLimit, 1, Infinity],
    ["backoff.initialMs", backoff.initialMs, 0, Number.MAX_SAFE_INTEGER],
    ["backoff.maxMs", backoff.maxMs, 0, Number.MAX_SAFE_INTEGER],
    ["prefetch", definition.prefetch, 1, PREFETCH_MAX],
    ["deduplicationMs", definition.deduplicationMs, 0, Number.MAX_SAFE_INTEGER],
    ["groupExpiryMs", definition.groupExpiryMs, 1, Infinity],
  ];
}
