/** From the keys under `queue` and `queues` to what the core calls a queue, and back. */
import type { QueueDefinition, QueueOptions } from "../core/queue/definition.ts";
import type { QueuesConfig } from "./config.ts";
import type { Lists, Values } from "./schema.ts";
import { QUEUE_KEY_NAMES, type QueueValues } from "./settings/queue.ts";

/** What is said of a queue, by its keys. */
export type QueueWish = { readonly [K in keyof QueueValues]?: QueueValues[K] } & {
  readonly topics?: readonly string[];
};

/** Expects values without problems and clashes. */
export function buildQueues(values: Values, entries: Lists["queues"]): QueuesConfig {
  const defaults = Object.fromEntries(QUEUE_KEY_NAMES.map((key) => [key, values[`queue.${key}`]])) as QueueValues;
  return {
    template: definitionOf({ ...defaults, topics: [] }),
    autoCreate: values["queue.auto_create"],
    queuesMax: values["queue.max_queues"],
    groupsMax: values["queue.max_groups"],
    definitions: entries.map(({ name, topics = [], ...own }) => {
      return { name: name as string, ...definitionOf({ ...defaults, ...withoutUndefined(own), topics }) };
    }),
  };
}

/** What of a queue is said, and nothing of what is not. */
export function queueOptions(wish: QueueWish): Omit<QueueOptions, "name"> {
  const retries = wish["retry.max_retries"];
  return withoutUndefined({
    type: wish.type,
    partitions: wish.partitions,
    ordering: wish.ordering,
    topics: wish.topics,
    retention: withoutUndefined({
      ageMs: wish["retention.retention_time"],
      bytes: wish["retention.retention_bytes"],
      messages: wish["retention.retention_messages"],
      isCompacted: wish["retention.compaction_enabled"],
      compactionLagMs: wish["retention.compaction_lag"],
    }),
    limits: withoutUndefined({
      messages: wish["limits.max_depth"],
      bytes: wish["limits.max_bytes"],
      messageBytes: wish["limits.max_message_size"],
      ttlMs: wish["limits.message_ttl"],
    }),
    visibilityTimeoutMs: wish.visibility_timeout,
    deliveryLimit: retries === undefined ? undefined : retries + 1,
    backoff: withoutUndefined({
      initialMs: wish["retry.initial_backoff"],
      maxMs: wish["retry.max_backoff"],
      multiplier: wish["retry.multiplier"],
      jitter: wish["retry.jitter"],
    }),
    hasDeadLetters: wish["dlq.enabled"],
    prefetch: wish.prefetch,
    deduplicationMs: wish.deduplication_window,
    groupExpiryMs: wish.group_expiry,
  });
}

/** Everything of a queue, in the order of the reference. */
export function queueValues(definition: QueueDefinition): Required<QueueWish> {
  const { retention, limits, backoff } = definition;
  return {
    type: definition.type,
    partitions: definition.partitions,
    ordering: definition.ordering,
    topics: definition.topics,
    "retention.retention_time": retention.ageMs,
    "retention.retention_bytes": retention.bytes,
    "retention.retention_messages": retention.messages,
    "retention.compaction_enabled": retention.isCompacted,
    "retention.compaction_lag": retention.compactionLagMs,
    "limits.max_depth": limits.messages,
    "limits.max_bytes": limits.bytes,
    "limits.max_message_size": limits.messageBytes,
    "limits.message_ttl": limits.ttlMs,
    visibility_timeout: definition.visibilityTimeoutMs,
    "retry.max_retries": definition.deliveryLimit - 1,
    "retry.initial_backoff": backoff.initialMs,
    "retry.max_backoff": backoff.maxMs,
    "retry.multiplier": backoff.multiplier,
    "retry.jitter": backoff.jitter,
    "dlq.enabled": definition.hasDeadLetters,
    prefetch: definition.prefetch,
    deduplication_window: definition.deduplicationMs,
    group_expiry: definition.groupExpiryMs,
  };
}

/** Of everything that is said; what only another key has ruled out gives way to it. */
function definitionOf(values: Required<QueueWish>): Omit<QueueDefinition, "name"> {
  const longest = Math.max(values["retry.max_backoff"], values["retry.initial_backoff"]);
  const partitions = values.ordering === "strict" ? 1 : values.partitions;
  return queueOptions({ ...values, partitions, "retry.max_backoff": longest }) as Omit<QueueDefinition, "name">;
}

function withoutUndefined<T extends object>(item: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined)) as never;
}
