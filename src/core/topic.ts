import type { Limits } from "./limits.ts";
import type { QueueAddress } from "./queue/address.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";
import { quoted } from "./text.ts";

/** What the subscription trie has found out about a topic name. */
export interface KnownRoute {
  route: Route;
  /** The trie's while the route holds; 0 is never. */
  version: number;
}

/** A topic name that messages are published to, with its UTF-8 bytes and the route that it took last.
 * Immutable but for what was found out about it: the route, which the subscription trie owns, and the queue. */
export class Topic {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** True for `$SYS/...` and every other topic that a leading wildcard does not match ([MQTT-4.7.2-1]). */
  readonly isReserved: boolean;
  /** Who is reached; shared by all topics of the name. */
  known: KnownRoute | null = null;
  /** What it says of a queue, once somebody has looked. */
  queueAddress: QueueAddress | undefined = undefined;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
    this.isReserved = name.charCodeAt(0) === 36;
  }
}

/** Refuses a topic name that is empty, too long, too deep, or holds a wildcard or U+0000 ([MQTT-4.7.3-1..3], [MQTT-3.3.2-2]).
 * @throws {Refusal} topic-name-invalid */
export function assertTopicName(name: string, byteLength: number, limits: Limits): void {
  const fault = lengthFault(name, byteLength, limits) ??
    (/[+#]/.test(name) ? 'it cannot contain "+" or "#"' : undefined);
  if (fault !== undefined) throw new Refusal("topic-name-invalid", `Cannot publish to ${quoted(name)}: ${fault}`);
}

/** Refuses a filter that breaks the wildcard rules or the limits ([MQTT-4.7.1-1..3]). Shared filters are given without their prefix.
 * @throws {Refusal} topic-filter-invalid */
export function assertTopicFilter(filter: string, byteLength: number, limits: Limits): void {
  const fault = lengthFault(filter, byteLength, limits) ?? wildcardFault(filter);
  if (fault !== undefined) throw new Refusal("topic-filter-invalid", `Cannot subscribe to ${quoted(filter)}: ${fault}`);
}

/** True when `filter` holds a wildcard. */
export function hasWildcard(filter: string): boolean {
  return filter.includes("+") || filter.includes("#");
}

/** Whether `filter` matches `topic` ([MQTT-4.7.1], [MQTT-4.7.2-1]); both are valid. */
export function filterMatches(filter: string, topic: string): boolean {
  const filterLevels = filter.split("/");
  const topicLevels = topic.split("/");
  const leading = filterLevels[0];
  if (topic.charCodeAt(0) === 36 && (leading === "+" || leading === "#")) return false;
  for (let i = 0; i < filterLevels.length; i++) {
    if (filterLevels[i] === "#") return true;
    if (i >= topicLevels.length) return false;
    if (filterLevels[i] !== "+" && filterLevels[i] !== topicLevels[i]) return false;
  }
  return filterLevels.length === topicLevels.length;
}

function lengthFault(name: string, byteLength: number, limits: Limits): string | undefined {
  if (name.length === 0) return "it is empty";
  if (byteLength > limits.topicBytesMax) return `it has ${byteLength} bytes, the maximum is ${limits.topicBytesMax}`;
  if (name.includes("\u0000")) return "it cannot contain U+0000";
  if (!name.isWellFormed()) return "it holds half of a surrogate pair";
  let levels = 1;
  for (let i = name.indexOf("/"); i >= 0; i = name.indexOf("/", i + 1)) levels++;
  if (levels > limits.topicLevelsMax) return `it has ${levels} levels, the maximum is ${limits.topicLevelsMax}`;
  return undefined;
}

function wildcardFault(filter: string): string | undefined {
  if (!hasWildcard(filter)) return undefined;
  const levels = filter.split("/");
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i];
    if (level === "#") {
      if (i !== levels.length - 1) return '"#" must be the last level';
    } else if (level !== "+" && hasWildcard(level)) {
      return `the level ${quoted(level)} mixes a wildcard with other characters`;
    }
  }
  return undefined;
}
