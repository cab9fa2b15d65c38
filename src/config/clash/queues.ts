/** What clashes among the keys of queues. */
import type { Reading } from "../reading.ts";
import type { QueueValues } from "../settings/queue.ts";
import { type Clash, repeated } from "./clash.ts";

/** Where a queue's keys are written, and how each is read with its default. */
interface Keys {
  readonly prefix: string;
  /** Undefined for a key that is not written here. */
  own<K extends keyof QueueValues>(key: K): QueueValues[K] | undefined;
  /** Written here or, for an entry, under `queue`. */
  value<K extends keyof QueueValues>(key: K): QueueValues[K];
}

/** Every clash of this part, those under `queue` first. */
export function* queueClashes({ values, lists: { queues }, places }: Reading): Iterable<Clash> {
  const template: Keys["value"] = (key) => values[`queue.${key}`] as never;
  const written: Keys["own"] = (key) => places.has(`queue.${key}`) ? template(key) : undefined;
  yield* clashesOf({ prefix: "queue", own: written, value: template });
  for (const [index, entry] of queues.entries()) {
    const own: Keys["own"] = (key) => entry[key] as never;
    yield* clashesOf({ prefix: `queues[${index}]`, own, value: (key) => own(key) ?? template(key) });
  }
  const named = queues.map(({ name }, index) => ({ path: `queues[${index}]`, name }));
  for (const { path, name, first } of repeated(named)) {
    yield { path: `${path}.name`, message: `"${name}" is already there as ${first}` };
  }
}

function* clashesOf({ prefix, own, value }: Keys): Iterable<Clash> {
  const partitions = own("partitions");
  if (value("ordering") === "strict" && partitions !== undefined && partitions > 1) {
    yield { path: `${prefix}.partitions`, message: "a queue with ordering: strict has one partition" };
  }
  if (own("retention.compaction_enabled") === true && value("type") === "classic") {
    const message = "only a queue with type: stream can be compacted";
    yield { path: `${prefix}.retention.compaction_enabled`, message };
  }
  const longest = own("retry.max_backoff");
  if (longest !== undefined && longest < value("retry.initial_backoff")) {
    yield { path: `${prefix}.retry.max_backoff`, message: "it is shorter than retry.initial_backoff" };
  }
}
