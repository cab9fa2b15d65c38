/** Values of queues: their names, and lists of filters. */
import { DEFAULT_LIMITS } from "../core/limits.ts";
import { assertTopicFilter } from "../core/topic.ts";
import { Refusal } from "../core/refusal.ts";
import type { ValueType } from "./value_type.ts";

/** One level of a topic. */
export function queueName(): ValueType<string> {
  return {
    expected: "a name of 1 to 128 letters, digits, -, _ and .",
    textual: true,
    parse: (found) => typeof found === "string" && /^[A-Za-z0-9_.-]{1,128}$/.test(found) ? found : undefined,
    format: (value) => value,
  };
}

/** Filters of ordinary topics: those that begin with `$` are not captured. */
export function filters(): ValueType<readonly string[]> {
  return {
    expected: 'a list of topic filters such as ["sensors/#"]',
    schema: { type: "array", items: { type: "string" } },
    parse: () => undefined,
    parseList: (found) => found.every(isFilter) ? found as string[] : undefined,
    format: (value) => JSON.stringify(value),
  };
}

function isFilter(found: unknown): boolean {
  if (typeof found !== "string" || found.startsWith("$")) return false;
  try {
    assertTopicFilter(found, new TextEncoder().encode(found).length, DEFAULT_LIMITS);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
