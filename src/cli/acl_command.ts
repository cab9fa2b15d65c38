/** The command of `weir acl`, as data. */
import type { Command } from "./command.ts";

export const ACL_TEST: Command = {
  name: "acl test",
  operands: ["publish|subscribe", "TOPIC"],
  about: "Say what the access rules come to for a client, and which rule decides",
  details: [
    "The rules are those of the configuration: auth.acl, auth.acl_file and auth.acl_default. A running broker is not asked.",
    "The groups of a user are those of auth.users_file unless --groups names others.",
    "The exit code is 0 when it is allowed, 1 when it is not.",
  ],
  options: {
    config: { short: "c", value: "FILE", about: "The configuration" },
    user: { short: "u", value: "NAME", about: "The user; without it the client has not logged in" },
    groups: { short: "g", value: "A,B", about: "The groups that the user belongs to" },
    "client-id": { short: "i", value: "ID", about: "The client id; test unless given" },
    address: { value: "IP", about: "Where the client is; 127.0.0.1 unless given" },
    listener: { value: "NAME", about: "The listener that it comes by; tcp unless given" },
    qos: { short: "q", value: "QOS", about: "0, 1 or 2; 0 unless given" },
    retain: { short: "r", about: "The message is to be retained" },
  },
  examples: [
    ["weir acl test -c weir.yaml -u alice publish devices/alice/state", "may alice publish there?"],
    ["weir acl test -c weir.yaml -u alice -i phone subscribe '#' && echo yes", "for scripts"],
  ],
};
