/** Keys of queues that are right by themselves and wrong together. */
import type { Lists, Values } from "./schema.ts";
import type { QueueValues } from "./settings/queue.ts";

/** A clash, and what to say of it. */
export interface QueueClash {
  readonly path: string;
  readonly text: string;
}

/** Where a queue's keys are written, and how each is read with its default. */
interface Keys {
  readonly prefix: string;
  /** Undefined for a key that is not written here. */
  own<K extends keyof QueueValues>(key: K): QueueValues[K] | undefined;
  /** Written here or, for an entry, under `queue`. */
  value<K extends keyof QueueValues>(key: K): QueueValues[K];
}

/** Every clash, in the order of the keys. `isWritten` says whether somebody wrote the key at a path. */
export function queueClashes(
  read: { values: Values; lists: { queues: Lists["queues"] } },
  isWritten: (path: string) => boolean,
): QueueClash[] {
  const { values, lists: { queues } } = read;
  const template: Keys = {
    prefix: "queue",
    own: (key) => isWritten(`queue.${key}`) ? values[`queue.${key}`] as never : undefined,
    value: (key) => values[`queue.${key}`] as never,
  };
  const clashes = [...clashesOf(template)];
  const seen = new Map<string, string>();
  for (const [index, entry] of queues.entries()) {
    const prefix = `queues[${index}]`;
    const value: Keys["value"] = (key) => (entry[key] ?? values[`queue.${key}`]) as never;
    clashes.push(...clashesOf({ prefix, own: (key) => entry[key] as never, value }));
    const { name = "" } = entry;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, prefix);
    else if (name !== "") clashes.push({ path: `${prefix}.name`, text: `"${name}" is already there as ${first}` });
  }
  return clashes;
}

function* clashesOf({ prefix, own, value }: Keys): Iterable<QueueClash> {
  const partitions = own("partitions");
  if (value("ordering") === "strict" && partitions !== undefined && partitions > 1) {
    yield { path: `${prefix}.partitions`, text: "a queue with ordering: strict has one partition" };
  }
  if (own("retention.compaction_enabled") === true && value("type") === "classic") {
    yield { path: `${prefix}.retention.compaction_enabled`, text: "only a queue with type: stream can be compacted" };
  }
  const longest = own("retry.max_backoff");
  if (longest !== undefined && longest < value("retry.initial_backoff")) {
    yield { path: `${prefix}.retry.max_backoff`, text: "it is shorter than retry.initial_backoff" };
  }
}
