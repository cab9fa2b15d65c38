/** The commands of `weir user`, as data. */
import type { Command } from "./command.ts";

const FILE_OPTIONS: Command["options"] = {
  config: { short: "c", value: "FILE", about: "The configuration, whose auth.users_file is meant" },
  file: { short: "f", value: "FILE", about: "The users file itself" },
};

const RUNNING = "A running broker reads the file again at SIGHUP.";

const ADD: Command = {
  name: "user add",
  operands: ["NAME"],
  about: "Add a user to the users file, which is made when it is not there",
  details: [
    "Asks for the password, or reads one line from standard input; what is kept is a scrypt hash.",
    RUNNING,
  ],
  options: { ...FILE_OPTIONS, groups: { short: "g", value: "A,B", about: "The groups that the user belongs to" } },
  examples: [
    ["weir user add alice --file data/users", "asks twice, shows nothing"],
    [
      "weir user add alice --config weir.yaml -g ops < password.txt",
      "for scripts; never as an argument, where others see it",
    ],
  ],
};

const PASSWD: Command = {
  name: "user passwd",
  operands: ["NAME"],
  about: "Give a user another password",
  details: [`${RUNNING} It then disconnects the user, who needs the new password.`],
  options: FILE_OPTIONS,
  examples: [["weir user passwd alice --file data/users", "asks twice, shows nothing"]],
};

const GROUPS: Command = {
  name: "user groups",
  operands: ["NAME", "[A,B]"],
  about: "Say to which groups a user belongs; none when none are named",
  details: [`${RUNNING} It then disconnects the user, who comes back with the new rights.`],
  options: FILE_OPTIONS,
  examples: [["weir user groups alice ops,staff --file data/users", "these two and no others"]],
};

const DISABLE: Command = {
  name: "user disable",
  operands: ["NAME"],
  about: "Keep a user, and let nobody in by that name",
  details: [`${RUNNING} It then disconnects the user.`],
  options: FILE_OPTIONS,
  examples: [["weir user disable alice --file data/users", "until weir user enable alice"]],
};

const ENABLE: Command = {
  name: "user enable",
  operands: ["NAME"],
  about: "Let a disabled user in again, with the same password",
  details: [RUNNING],
  options: FILE_OPTIONS,
  examples: [["weir user enable alice --file data/users", "as before"]],
};

const REMOVE: Command = {
  name: "user remove",
  operands: ["NAME"],
  about: "Take a user out of the users file",
  details: [`${RUNNING} It then disconnects the user.`],
  options: FILE_OPTIONS,
  examples: [["weir user remove alice --file data/users", "gone"]],
};

const LIST: Command = {
  name: "user list",
  operands: [],
  about: "Show who is in the users file",
  details: ["Names and groups, never a hash."],
  options: { ...FILE_OPTIONS, json: { short: "j", about: "JSON for programs" } },
  examples: [["weir user list --file data/users", "everybody"]],
};

const SCRAM: Command = {
  name: "user scram",
  operands: ["NAME"],
  about: "Make the entry of a user for auth.scram.users",
  details: [
    "Asks for the password, or reads one line from standard input, and prints the SCRAM-SHA-256 credential (RFC 7677) as YAML.",
    "The password itself is stored nowhere and cannot be had from the entry.",
  ],
  options: {
    iterations: { value: "N", about: "Rounds of PBKDF2, 4096 at least; more cost a thief more, and each login too" },
  },
  examples: [
    ["weir user scram alice", "asks twice, shows nothing"],
    ["weir user scram alice < password.txt", "for scripts; never as an argument, where others on the machine see it"],
  ],
};

/** In the order of the help; the first one is what `weir user` is about. */
export const USER_COMMANDS: readonly Command[] = [ADD, PASSWD, GROUPS, DISABLE, ENABLE, REMOVE, LIST, SCRAM];
