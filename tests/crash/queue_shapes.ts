import type { KeyStream, QueueTraits } from "./queue_ledger.ts";
import type { MemberOptions } from "./queue_member.ts";
import { between, type Random } from "./random.ts";

/** A queue of the crash test: what it promises, and how it is handed messages. */
export interface QueueShape extends QueueTraits {
  /** What a publisher says beside the key. */
  readonly says?: (stream: KeyStream, random: Random) => Readonly<Record<string, string>>;
  /** Where it is published to; as a v5 client does it with `partition-key` unless told otherwise. */
  readonly topicOf?: (stream: KeyStream) => string;
  /** Handed over by a 3.1.1 client, which can say nothing but a topic. */
  readonly isFromOld?: boolean;
  /** Bytes that payloads are filled up to. */
  readonly payloadBytes?: number;
  /** What a reader from the first message on must find: everything, the newest so many, or the newest of each key. */
  readonly keeps?: "everything" | "newest" | number;
}

const DELAY_MS_MAX = 300;

export const QUEUES: readonly QueueShape[] = [
  { name: "work", groups: ["a", "b"], order: "each", isDeduplicated: false },
  { name: "log", groups: ["a", "b", "commits", "seeks"], order: "each", isDeduplicated: false, keeps: "everything" },
  {
    name: "later",
    groups: ["a"],
    order: "offsets",
    isDeduplicated: true,
    says: (stream, random) => ({ ...messageKey(stream), delay: `${between(random, 0, DELAY_MS_MAX)}` }),
  },
  {
    name: "urgent",
    groups: ["a"],
    order: "each",
    isDeduplicated: false,
    says: ({ name }) => ({ priority: name.split("/")[1] }),
  },
  { name: "old", groups: ["a", "b"], order: "each", isDeduplicated: true, says: messageKey },
  {
    name: "plain",
    groups: ["a"],
    order: "none",
    isDeduplicated: false,
    isFromOld: true,
    topicOf: ({ key }) => `$queue/plain/${key}`,
  },
  {
    name: "readings",
    groups: ["a"],
    order: "each",
    isDeduplicated: false,
    topicOf: ({ key }) => `sensors/${key}`,
  },
  {
    name: "recent",
    groups: [],
    order: "each",
    isDeduplicated: true,
    says: messageKey,
    payloadBytes: 64 * 1024, // so that 64 of them fill a segment
    keeps: 50,
  },
  {
    name: "state",
    groups: ["a"],
    order: "newest",
    isDeduplicated: false,
    says: ({ name }) => ({ "message-key": name }),
    keeps: "newest",
  },
];

export const MEMBERS: readonly MemberOptions[] = [
  { clientId: "work-a0", queue: "work", group: "a", qos: 1, manners: ["answer"] },
  { clientId: "work-a1", queue: "work", group: "a", qos: 1, manners: ["publish"] },
  { clientId: "work-a2", queue: "work", group: "a", qos: 2, manners: ["answer"] },
  { clientId: "work-b0", queue: "work", group: "b", qos: 1, manners: ["answer", "publish"] },
  { clientId: "work-b1", queue: "work", group: "b", qos: 2, isClean: true, manners: ["answer", "publish"] },
  { clientId: "log-a0", queue: "log", group: "a", qos: 1, manners: ["publish"] },
  { clientId: "log-b0", queue: "log", group: "b", qos: 1, manners: ["answer", "publish"] },
  { clientId: "log-c0", queue: "log", group: "commits", qos: 1, manners: ["commit"] },
  { clientId: "log-c1", queue: "log", group: "commits", qos: 1, manners: ["commit", "answer"] },
  { clientId: "log-s0", queue: "log", group: "seeks", qos: 1, manners: ["answer"], seeks: true },
  { clientId: "later-a0", queue: "later", group: "a", qos: 1, manners: ["answer", "publish"] },
  { clientId: "later-a1", queue: "later", group: "a", qos: 2, manners: ["answer"] },
  { clientId: "urgent-a0", queue: "urgent", group: "a", qos: 1, manners: ["answer", "publish"] },
  { clientId: "urgent-a1", queue: "urgent", group: "a", qos: 1, manners: ["answer"] },
  { clientId: "old-a0", queue: "old", group: "a", version: 4, qos: 1, manners: ["answer"] },
  { clientId: "old-a1", queue: "old", group: "a", version: 4, qos: 2, manners: ["answer"] },
  { clientId: "old-b0", queue: "old", group: "b", version: 4, qos: 2, manners: ["answer"] },
  { clientId: "plain-a0", queue: "plain", group: "a", qos: 1, manners: ["answer", "publish"] },
  { clientId: "plain-a1", queue: "plain", group: "a", qos: 2, manners: ["answer"] },
  { clientId: "readings-a0", queue: "readings", group: "a", qos: 1, manners: ["answer", "publish"] },
  { clientId: "state-a0", queue: "state", group: "a", qos: 1, manners: ["answer", "publish"] },
];

/** What makes a message one that cannot be in its queue twice. */
function messageKey({ name, last }: KeyStream): Record<string, string> {
  return { "message-key": `${name}-${last + 1}` };
}
