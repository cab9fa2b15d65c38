/** From the keys under `queue` and `queues` to what the core calls a queue. */
import type { QueueDefinition } from "../core/queue/definition.ts";
import type { QueuesConfig } from "./config.ts";
import type { Lists, Values } from "./schema.ts";
import { QUEUE_KEY_NAMES, type QueueValues } from "./settings/queue.ts";

/** Expects values without problems and clashes. */
export function buildQueues(values: Values, entries: Lists["queues"]): QueuesConfig {
  const defaults = Object.fromEntries(QUEUE_KEY_NAMES.map((key) => [key, values[`queue.${key}`]])) as QueueValues;
  return {
    template: definitionOf(defaults, []),
    autoCreate: values["queue.auto_create"],
    queuesMax: values["queue.max_queues"],
    definitions: entries.map(({ name, topics = [], ...own }) => {
      return { name: name as string, ...definitionOf({ ...defaults, ...withoutUndefined(own) }, topics) };
    }),
  };
}

function definitionOf(values: QueueValues, topics: readonly string[]): Omit<QueueDefinition, "name"> {
  return {
    type: values.type,
    partitions: values.ordering === "strict" ? 1 : values.partitions,
    ordering: values.ordering,
    topics,
    retention: {
      ageMs: values["retention.retention_time"],
      bytes: values["retention.retention_bytes"],
      messages: values["retention.retention_messages"],
      isCompacted: values["retention.compaction_enabled"],
      compactionLagMs: values["retention.compaction_lag"],
    },
    limits: {
      messages: values["limits.max_depth"],
      bytes: values["limits.max_bytes"],
      messageBytes: values["limits.max_message_size"],
      ttlMs: values["limits.message_ttl"],
    },
    visibilityTimeoutMs: values.visibility_timeout,
    deliveryLimit: values["retry.max_retries"] + 1,
    backoff: {
      initialMs: values["retry.initial_backoff"],
      maxMs: Math.max(values["retry.max_backoff"], values["retry.initial_backoff"]),
      multiplier: values["retry.multiplier"],
      jitter: values["retry.jitter"],
    },
    hasDeadLetters: values["dlq.enabled"],
    prefetch: values.prefetch,
    deduplicationMs: values.deduplication_window,
    groupExpiryMs: values.group_expiry,
  };
}

function withoutUndefined<T extends object>(item: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined)) as never;
}
