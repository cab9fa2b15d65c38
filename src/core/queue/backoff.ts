import type { QueueBackoff } from "./definition.ts";

/** Milliseconds that a message waits after it has failed for the `failures`th time. */
export function backoffMs(backoff: QueueBackoff, failures: number, random: () => number): number {
  const { initialMs, maxMs, multiplier, jitter } = backoff;
  const plain = Math.min(maxMs, initialMs * multiplier ** (failures - 1));
  return Math.min(maxMs, Math.round(plain * (1 + jitter * (2 * random() - 1))));
}
