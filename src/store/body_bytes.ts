import type { StoredBody } from "../core/mutation.ts";

const encoder = new TextEncoder();

/** Bytes of topic, properties and payload: what the limits of a queue count. */
export function bodyBytes({ topic, properties, payload }: StoredBody): number {
  return encoder.encode(topic).length + properties.length + payload.length;
}
