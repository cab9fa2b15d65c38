import { isMemorable, Memo } from "../core/memo.ts";
import type { Message } from "../core/message.ts";
import type { DeliveryFacts, QueueCodec, QueueFacts, SettlementFacts } from "../core/queue/codec.ts";
import type { GroupStart } from "../core/queue/group_start.ts";
import type { ConsumeOptions } from "../core/queue/session_queues.ts";
import { Refusal } from "../core/refusal.ts";
import { quoted } from "../core/text.ts";
import { Topic } from "../core/topic.ts";
import { PropertyCursor } from "../wire/property_cursor.ts";
import { PropertyId } from "../wire/property_table.ts";
import { PacketType } from "../wire/packet.ts";
import { PropertyWriter } from "../wire/property_writer.ts";
import { encodeUtf8 } from "../wire/utf8.ts";

/** The user properties that publishers and consumers of queues use. Of one that comes twice the first counts. */
const NAMES = [
  ...["partition-key", "message-key", "delay", "priority"],
  ...["message-id", "group-id", "reason", "partition", "offset", "time"],
] as const;

type Name = typeof NAMES[number];

const KNOWN: ReadonlySet<string> = new Set(NAMES);
const NONE: ReadonlyMap<Name, string> = new Map();
const DELAY_MS_MAX = 366 * 86_400_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const TOPICS_MAX = 4_096;

/** Reads and writes what queues say in the user properties of MQTT 5. One serves every queue. */
export class QueuePropertyCodec implements QueueCodec {
  readonly #cursor = new PropertyCursor(PacketType.publish);
  readonly #writer = new PropertyWriter();
  readonly #topics = new Memo<Topic>(TOPICS_MAX);

  readFacts(message: Message): QueueFacts {
    const found = this.#read(message);
    if (found === NONE) return { key: "", messageKey: "", delayMs: 0, priority: 0 };
    return {
      key: found.get("partition-key") ?? "",
      messageKey: messageKey(found),
      delayMs: duration(found, "delay") ?? 0,
      priority: integer(found, "priority", 9) ?? 0,
    };
  }

  readSettlement(message: Message): SettlementFacts {
    const found = this.#read(message);
    return {
      messageId: found.get("message-id") ?? "",
      group: found.get("group-id") ?? "",
      reason: found.get("reason") ?? "",
      delayMs: duration(found, "delay"),
      partition: integer(found, "partition", 999),
      offset: integer(found, "offset", Number.MAX_SAFE_INTEGER),
      time: integer(found, "time", Number.MAX_SAFE_INTEGER),
    };
  }

  properties({ record, queue, partition, group, messageId, deliveryCount }: DeliveryFacts): Uint8Array {
    const writer = this.#writer;
    writer.begin(record.properties);
    writer.addPair("message-id", messageId);
    writer.addPair("group-id", group);
    writer.addPair("queue", queue);
    writer.addPair("partition", String(partition));
    writer.addPair("offset", String(record.offset));
    writer.addPair("delivery-count", String(deliveryCount));
    writer.addPair("timestamp", String(record.appendedAt));
    if (record.sourceTopic !== "") writer.addPair("source-topic", record.sourceTopic);
    const { origin } = record;
    if (origin !== undefined) {
      writer.addPair("dead-letter-cause", origin.cause);
      writer.addPair("dead-letter-reason", origin.reason);
      writer.addPair("dead-letter-message-id", `${origin.queue}:${origin.partition}:${origin.offset}`);
      writer.addPair("dead-letter-group", origin.group);
      writer.addPair("dead-letter-delivery-count", String(origin.deliveryCount));
      writer.addPair("dead-letter-first-failed-at", String(origin.failedAt));
      writer.addPair("dead-letter-moved-at", String(origin.movedAt));
    }
    return writer.end();
  }

  /** Topics of queues are few and come again. */
  topicOf(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new Topic(name, encodeUtf8(name));
      this.#topics.set(name, topic);
    }
    return topic;
  }

  #read({ properties, propertiesStart, propertiesEnd }: Message): ReadonlyMap<Name, string> {
    if (propertiesStart === propertiesEnd) return NONE;
    const found = new Map<Name, string>();
    const cursor = this.#cursor;
    cursor.begin(properties, propertiesStart, propertiesEnd);
    while (cursor.next()) {
      if (cursor.id !== PropertyId.userProperty) continue;
      const [name, value] = cursor.pair();
      if (KNOWN.has(name) && !found.has(name as Name)) found.set(name as Name, value);
    }
    return found.size === 0 ? NONE : found;
  }
}

/** What the user properties of a SUBSCRIBE say to durable queues: `consumer-group`, `prefetch` (1 to 65535) and `start-at` (`first`,
 * `last`, `offset=123`, or a time such as `2026-11-28T10:00:00Z`). What cannot be understood is as if it were not there: it may be
 * meant for somebody else. */
export function consumeOptions(userProperties: readonly (readonly [string, string])[]): ConsumeOptions {
  const find = (name: string) => userProperties.find(([each]) => each === name)?.[1] ?? "";
  const prefetch = /^\d{1,5}$/.test(find("prefetch")) ? Math.min(Number(find("prefetch")), 65_535) : 0;
  return { group: find("consumer-group"), prefetch, start: parseStart(find("start-at")) };
}

/** Where a new group begins; as the queue's type says for text that is nothing else. */
function parseStart(text: string): GroupStart {
  if (text === "first" || text === "last") return { kind: text };
  const [, offset] = /^offset=(\d{1,15})$/.exec(text) ?? [];
  if (offset !== undefined) return { kind: "offset", offset: Number(offset) };
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? { kind: "default" } : { kind: "time", time };
}

function integer(found: ReadonlyMap<Name, string>, name: Name, maximum: number): number | undefined {
  const text = found.get(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (value <= maximum) return value;
  throw unreadable(name, text, `it is a whole number from 0 to ${maximum}`);
}

/** `30s`, `500ms`; a plain number is milliseconds. */
function duration(found: ReadonlyMap<Name, string>, name: Name): number | undefined {
  const text = found.get(name);
  if (text === undefined) return undefined;
  const [, amount, unit = "ms"] = /^(\d{1,15})(ms|s|m|h|d)?$/.exec(text) ?? [];
  const value = amount === undefined ? NaN : Number(amount) * UNITS[unit];
  if (value <= DELAY_MS_MAX) return value;
  throw unreadable(name, text, "it is milliseconds, or a number with ms, s, m, h or d, up to 366d");
}

/** Keys are remembered for as long as `deduplication_window` says. */
function messageKey(found: ReadonlyMap<Name, string>): string {
  const key = found.get("message-key") ?? "";
  if (isMemorable(key)) return key;
  throw unreadable("message-key", key, "it has at most 1,024 characters");
}

function unreadable(name: string, text: string, rule: string): Refusal {
  return new Refusal("implementation-specific-error", `Cannot use the property ${name} ${quoted(text, 40)}: ${rule}`);
}
