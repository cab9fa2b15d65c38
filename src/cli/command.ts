/** The commands as data: parsing, hints and help all read this table. */

import { ACL_TEST } from "./acl_command.ts";
import { QUEUE_COMMANDS } from "./queue_command.ts";
import { USER_COMMANDS } from "./user_command.ts";

/** One option. Without a value it is a switch. */
export interface CommandOption {
  readonly short?: string;
  /** What the help calls its value: `FILE`. */
  readonly value?: string;
  readonly about: string;
}

/** One command; its name may be two words. */
export interface Command {
  readonly name: CommandName;
  /** What the help calls its arguments, in order; all are needed but those in brackets. */
  readonly operands: readonly string[];
  readonly about: string;
  /** More lines for its own help. */
  readonly details: readonly string[];
  readonly options: Readonly<Record<string, CommandOption>>;
  /** Each a line to type and what it does. */
  readonly examples: readonly (readonly [string, string])[];
}

export type CommandName =
  | "serve"
  | "check"
  | "backup"
  | "inspect"
  | "acl test"
  | UserCommandName
  | QueueCommandName
  | "help";

/** What follows `weir queue`. */
export type QueueCommandName =
  | "queue list"
  | "queue show"
  | "queue create"
  | "queue change"
  | "queue delete"
  | "queue purge"
  | "queue seek"
  | "queue delete-group"
  | "queue dead-letters"
  | "queue replay"
  | "queue drop";

/** What follows `weir user`. */
export type UserCommandName =
  | "user add"
  | "user passwd"
  | "user groups"
  | "user disable"
  | "user enable"
  | "user remove"
  | "user list"
  | "user scram";

const SERVE: Command = {
  name: "serve",
  operands: [],
  about: "Run the broker (what weir does without a command)",
  details: [
    "Without --config every key has its default: MQTT on 127.0.0.1:1883, this machine only, data in the folder data.",
    "Ctrl-C or SIGTERM stops it cleanly, a second Ctrl-C at once.",
    "",
    "Every key has a variable too, such as WEIR_SERVER_TCP_ADDR; options win over variables, variables over the file.",
    "docs/configuration.md has every key, config/default.yaml every default.",
  ],
  options: {
    config: { short: "c", value: "FILE", about: "The configuration, YAML; it must be there" },
    addr: {
      short: "a",
      value: "HOST:PORT",
      about: "Where to listen, in place of server.tcp_addr; :1883 is every address",
    },
    data: { short: "d", value: "FOLDER", about: "Where the data is, in place of storage.path" },
    "log-level": { value: "LEVEL", about: "debug, info, warn or error, in place of log.level" },
  },
  examples: [
    ["weir", "a broker to try things with, on 127.0.0.1:1883"],
    ["weir --addr 127.0.0.1:1884 --log-level debug", "on another port, and talkative"],
    ["weir --config weir.yaml", "as written there"],
  ],
};

const CHECK: Command = {
  name: "check",
  operands: ["FILE"],
  about: "Say everything that is wrong with a configuration, and start nothing",
  details: [
    "The variables of the environment count as they would at a start. The exit code is 0 when the broker would start, else 1.",
  ],
  options: {},
  examples: [["weir check weir.yaml && systemctl restart weir", "never restart into a mistake"]],
};

const DATA_OPTIONS: Command["options"] = {
  config: { short: "c", value: "FILE", about: "The configuration, whose storage.path is the data folder" },
  data: { short: "d", value: "FOLDER", about: "The data folder itself; without either, what serve would use" },
};

const BACKUP: Command = {
  name: "backup",
  operands: ["TARGET"],
  about: "Copy the data to a file, while the broker runs or not",
  details: [
    "The copy is the database as it is at one moment: sessions, subscriptions, queues, wills and retained messages.",
    "It is looked through before it gets its name, and only its owner can read it. A file that is there is not touched.",
    "docs/operations.md says how to restore it.",
  ],
  options: DATA_OPTIONS,
  examples: [
    ["weir backup --config weir.yaml /backup/weir-$(date +%F).db", "once a day, from cron or a timer"],
    ["weir backup --data data copy.db", "of the folder data"],
  ],
};

const INSPECT: Command = {
  name: "inspect",
  operands: ["[sessions|queues|retained|durable]"],
  about: "Show what the data folder holds, while the broker runs or not",
  details: [
    "Counts everything, or lists sessions by client, their queues by size (the largest first), retained messages by topic, or",
    "durable queues with their groups and what those have not settled.",
    "It only reads: no file is made or changed.",
  ],
  options: {
    ...DATA_OPTIONS,
    json: { short: "j", about: "JSON for programs, in bytes, seconds and milliseconds since 1970" },
    limit: { short: "n", value: "N", about: "Rows to list, 100 unless given; 0 is all" },
  },
  examples: [
    ["weir inspect", "how many, how large"],
    ["weir inspect queues --limit 10", "who is furthest behind"],
    ["weir inspect sessions --json | jq '.sessions[].clientId'", "for scripts"],
  ],
};

const HELP: Command = {
  name: "help",
  operands: [],
  about: "Explain a command: weir help serve",
  details: [],
  options: {},
  examples: [],
};

/** In the order of the help; the first one is the default. */
export const COMMANDS: readonly Command[] = [
  SERVE,
  CHECK,
  BACKUP,
  INSPECT,
  ...QUEUE_COMMANDS,
  ...USER_COMMANDS,
  ACL_TEST,
  HELP,
];

/** Understood by every command. */
export const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  help: { short: "h", about: "Explain the command" },
  version: { short: "V", about: "Print the version" },
};
