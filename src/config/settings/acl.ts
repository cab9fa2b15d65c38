import { optional, required, setting } from "../setting.ts";
import { addressRange, pathOrNone, text, topicFilter } from "../text_type.ts";
import { choice, flag } from "../value_type.ts";

/** `auth`: what clients may do. */
export const ACL_SETTINGS = {
  "auth.acl_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about:
      "More access rules: a YAML file with a list of entries as under `auth.acl`, which come before them. Read again at SIGHUP. " +
      "`weir acl test` says what rules come to.",
  }),
  "auth.acl_default": setting<"auto" | "allow" | "deny">({
    type: choice(["auto", "allow", "deny"]),
    initial: "auto",
    about:
      "What holds where no rule decides. `auto` is `deny` as soon as there is a rule or anything that tells who a " +
      "client is, `allow` before that. With users and without rules one of the two has to be written.",
    atLimit:
      "SUBACK, PUBACK and PUBREC 0x87 (Not authorized); in 3.1.1 SUBACK 0x80, and a message is acknowledged and dropped. " +
      "Drops are counted.",
  }),
};

/** `auth.acl[]`. */
export const ACL_FIELDS = {
  permission: required(choice(["allow", "deny"]), "What the rule decides."),
  action: optional(choice(["publish", "subscribe", "all"]), "What it is about; `all` when absent."),
  filter: required(
    topicFilter(),
    "The topics. `%c` stands for the client id, `%u` for the user name; neither can become a wildcard or more than one level. A " +
      "leading wildcard does not match topics that begin with `$`. For `$share/<group>/<filter>`, `<filter>` counts.",
  ),
  user: optional(text({ from: 1, to: 256 }), "Only for the user of this name."),
  group: optional(text({ from: 1, to: 256 }), "Only for users in this group."),
  client_id: optional(
    text({ from: 1, to: 65_535 }),
    "Only for these client ids; `*` stands for any characters, also none.",
  ),
  address: optional(addressRange(), "Only for clients from there."),
  listener: optional(text({ from: 1, to: 64 }), "Only by the listener of this name."),
  anonymous: optional(flag(), "`true`: only for clients that have not logged in; `false`: only for those that have."),
  retain: optional(flag(), "Only for messages with this retain flag; for `publish`."),
  max_qos: optional(choice([0, 1, 2]), "Only up to this QoS; for `allow`."),
};
