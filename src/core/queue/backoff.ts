import type { QueueBackoff } from "./definition.ts";

/** Milliseconds that a message waits after it has failed for the `failures`th time. */
export function backoffMs(backoff: QueueBackoff, failures: number, random: () => number): number {
  const { initialMs, maxMs, multiplier, jitter } = backoff;
  const factor = Math.min(multiplier ** (failures - 1), Number.MAX_VALUE); // 0 times Infinity is no number
  const plain = Math.min(maxMs, initialMs * factor);
  return Math.min(maxMs, Math.round(plain * (1 + jitter * (2 * random() - 1))));
}
