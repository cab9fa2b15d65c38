/** The commands of `weir queue`, as data. */
import type { Command } from "./command.ts";

const RUNNING: Command["options"] = {
  url: {
    short: "u",
    value: "URL",
    about: "The HTTP listener of the running broker; http://127.0.0.1:8080 unless given",
  },
  username: { value: "NAME", about: "Who you are, in place of WEIR_USERNAME; the password is asked for" },
  "password-file": { value: "FILE", about: "A file whose first line is the password" },
  "token-file": { value: "FILE", about: "A file whose first line is a token, in place of name and password" },
  cacert: { value: "FILE", about: "Whose certificates to trust besides those that the system trusts (PEM)" },
  cert: { value: "FILE", about: "The certificate to show the broker, where it asks for one (PEM)" },
  key: { value: "FILE", about: "Its private key (PEM)" },
};
const JSON_SWITCH: Command["options"] = { json: { short: "j", about: "JSON for programs, as the broker answers" } };
const ALL: Command["options"] = { all: { about: "All that are there now" } };

const RIGHT = "Needs the right to publish to $admin/queues/NAME; the broker needs an HTTP listener (server.http_addr).";
const KEYS =
  "Keys and values are those under queues in docs/configuration.md, topics with spaces between: 'topics=a/# b/+'.";

const LIST: Command = {
  name: "queue list",
  operands: [],
  about: "Show the durable queues of a running broker",
  details: [RIGHT, "The number behind a group is what it has not settled."],
  options: { ...RUNNING, ...JSON_SWITCH },
  examples: [["weir queue list", "all that you may administer"]],
};

const SHOW: Command = {
  name: "queue show",
  operands: ["NAME"],
  about: "Show a queue: what it is, what waits, who consumes",
  details: [RIGHT],
  options: { ...RUNNING, ...JSON_SWITCH },
  examples: [
    ["weir queue show tasks", "for people"],
    ["weir queue show tasks --json | jq .groups", "for scripts"],
  ],
};

const CREATE: Command = {
  name: "queue create",
  operands: ["NAME", "[KEY=VALUE,...]"],
  about: "Make a queue",
  details: [RIGHT, KEYS, "What is not said is as the configuration has it under queue."],
  options: RUNNING,
  examples: [["weir queue create jobs partitions=4,retry.max_retries=3", "with four partitions, and three retries"]],
};

const CHANGE: Command = {
  name: "queue change",
  operands: ["NAME", "KEY=VALUE,..."],
  about: "Change a queue; partitions only grow, type and ordering stay",
  details: [RIGHT, KEYS],
  options: RUNNING,
  examples: [["weir queue change jobs visibility_timeout=2m", "for consumers that take longer"]],
};

const DELETE: Command = {
  name: "queue delete",
  operands: ["NAME"],
  about: "Take a queue away with its messages, groups and dead letters",
  details: [RIGHT],
  options: RUNNING,
  examples: [["weir queue delete jobs", "for good"]],
};

const PURGE: Command = {
  name: "queue purge",
  operands: ["NAME"],
  about: "Take all messages of a queue away, those that are delayed too",
  details: [RIGHT],
  options: RUNNING,
  examples: [["weir queue purge jobs", "says how many lay there"]],
};

const SEEK: Command = {
  name: "queue seek",
  operands: ["NAME", "GROUP", "TO"],
  about: "Move a consumer group to another place",
  details: [
    RIGHT,
    "TO is first, last, offset=NUMBER, or a time such as 2026-11-28T10:00:00Z. What members hold there is taken from them.",
  ],
  options: { ...RUNNING, partition: { value: "N", about: "Only there; in every partition unless given" } },
  examples: [
    ["weir queue seek events audit first", "everything again"],
    ["weir queue seek events audit offset=1000 --partition 3", "what lies below is done, as far as this group goes"],
  ],
};

const DELETE_GROUP: Command = {
  name: "queue delete-group",
  operands: ["NAME", "GROUP"],
  about: "Take a consumer group away",
  details: [RIGHT, "What it has not settled is nobody's any more. Members that are there leave."],
  options: RUNNING,
  examples: [["weir queue delete-group events audit", "so that nothing is kept for it"]],
};

const DEAD_LETTERS: Command = {
  name: "queue dead-letters",
  operands: ["NAME"],
  about: "Show what could not be done, and why",
  details: [RIGHT, "They are looked at, not consumed."],
  options: {
    ...RUNNING,
    ...JSON_SWITCH,
    limit: { short: "n", value: "N", about: "How many, 100 unless given, 1000 at most" },
    after: { value: "ID", about: "Only those behind this one" },
  },
  examples: [
    ["weir queue dead-letters jobs", "the first hundred"],
    ["weir queue dead-letters jobs --json | jq '.messages[0]'", "with payload and properties"],
  ],
};

const REPLAY: Command = {
  name: "queue replay",
  operands: ["NAME", "[ID,...]"],
  about: "Send dead letters back to their queue, for the group that they failed in",
  details: [
    RIGHT,
    "The ids are those of weir queue dead-letters. Each that can goes back; the others are listed, and the exit code is 1.",
  ],
  options: {
    ...RUNNING,
    ...ALL,
    "to-every-group": { about: "As if they were new; for those whose group is gone" },
  },
  examples: [
    ["weir queue replay jobs 'jobs/$dlq:3:0'", "one"],
    ["weir queue replay jobs --all", "everything, after the defect is mended"],
  ],
};

const DROP: Command = {
  name: "queue drop",
  operands: ["NAME", "[ID,...]"],
  about: "Delete dead letters",
  details: [RIGHT, "The ids are those of weir queue dead-letters."],
  options: { ...RUNNING, ...ALL },
  examples: [["weir queue drop jobs --all", "for good"]],
};

/** In the order of the help; the first one is what `weir queue` is about. */
export const QUEUE_COMMANDS: readonly Command[] = [
  ...[LIST, SHOW, CREATE, CHANGE, DELETE, PURGE, SEEK, DELETE_GROUP, DEAD_LETTERS, REPLAY, DROP],
];
