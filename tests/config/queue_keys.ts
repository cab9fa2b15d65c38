/** Every key of a queue with another value than its default. */
import type { QueuesConfig } from "../../src/config/config.ts";
import type { QueueValues } from "../../src/config/settings/queue.ts";

type Template = QueuesConfig["template"];

/** Key -> another value as written, and what the definition then has. */
export const KEYS: Readonly<Record<keyof QueueValues, readonly [string, (queue: Template) => unknown, unknown]>> = {
  type: ["stream", (q) => q.type, "stream"],
  partitions: ["64", (q) => q.partitions, 64],
  ordering: ["none", (q) => q.ordering, "none"],
  "retention.retention_time": ["168h", (q) => q.retention.ageMs, 604_800_000],
  "retention.retention_bytes": ["1GiB", (q) => q.retention.bytes, 1_073_741_824],
  "retention.retention_messages": ["500", (q) => q.retention.messages, 500],
  "retention.compaction_enabled": ["true", (q) => q.retention.isCompacted, true],
  "retention.compaction_lag": ["0s", (q) => q.retention.compactionLagMs, 0],
  "limits.max_depth": ["unlimited", (q) => q.limits.messages, Infinity],
  "limits.max_bytes": ["64MiB", (q) => q.limits.bytes, 67_108_864],
  "limits.max_message_size": ["4KiB", (q) => q.limits.messageBytes, 4096],
  "limits.message_ttl": ["never", (q) => q.limits.ttlMs, Infinity],
  visibility_timeout: ["5m", (q) => q.visibilityTimeoutMs, 300_000],
  "retry.max_retries": ["0", (q) => q.deliveryLimit, 1],
  "retry.initial_backoff": ["100ms", (q) => q.backoff.initialMs, 100],
  "retry.max_backoff": ["1h", (q) => q.backoff.maxMs, 3_600_000],
  "retry.multiplier": ["1.5", (q) => q.backoff.multiplier, 1.5],
  "retry.jitter": ["0", (q) => q.backoff.jitter, 0],
  "dlq.enabled": ["false", (q) => q.hasDeadLetters, false],
  prefetch: ["1", (q) => q.prefetch, 1],
  deduplication_window: ["0", (q) => q.deduplicationMs, 0],
  group_expiry: ["never", (q) => q.groupExpiryMs, Infinity],
};

/** `retry.jitter` with `0` is `retry: { jitter: 0 }`. */
export function nested(key: string, text: string): string {
  const [last, ...maps] = key.split(".").reverse();
  return maps.reduce((inner, map) => `${map}: { ${inner} }`, `${last}: ${text}`);
}
