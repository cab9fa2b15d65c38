import { setting } from "../setting.ts";
import { addressRanges, pathOrNone } from "../text_type.ts";
import { count, duration } from "../value_type.ts";

/** `auth`: the users file. */
export const USERS_SETTINGS = {
  "auth.users_file": setting<string | null>({
    type: pathOrNone(),
    initial: null,
    about:
      "Users with a password and groups, kept as scrypt hashes: `weir user add NAME` makes the file. Only its owner and its group " +
      "may read it. Read again at SIGHUP: who was removed, disabled or changed is disconnected.",
    atLimit: "A wrong name or password: CONNACK 0x86 (Bad User Name or Password), in 3.1.1 0x04.",
  }),
};

/** `auth`: what a login that fails costs. */
export const FAILED_LOGIN_SETTINGS = {
  "auth.failed_login_delay": setting({
    type: duration({ from: "10ms", to: "1m", zero: true }),
    initial: 1_000,
    about:
      "How long after its beginning a login that fails is answered at the earliest; shorter than `server.connect_timeout`. It makes " +
      "guessing slow, and tells nobody whether the name or the password was wrong.",
  }),
  "auth.ban_after": setting({
    type: count({ from: 0, to: 1_000_000 }),
    initial: 10,
    about:
      "Logins from one address that fail before it is banned for a time; of IPv6 the first 64 bits are an address. 0 is never. Whoever " +
      "logs in from behind the same address is banned as well.",
    atLimit: "CONNACK 0x8A (Banned), in 3.1.1 0x05, before any password is looked at; told in the log.",
  }),
  "auth.ban_time": setting({
    type: duration({ from: "1s", to: "7d" }),
    initial: 60_000,
    about: "How long the first ban lasts; each login that fails after it doubles the next one.",
  }),
  "auth.ban_time_max": setting({
    type: duration({ from: "1s", to: "365d" }),
    initial: 3_600_000,
    about: "The longest ban.",
  }),
  "auth.ban_memory": setting({
    type: duration({ from: "1s", to: "365d" }),
    initial: 600_000,
    about: "How long after the last failure, or the end of a ban, an address is as good as new.",
  }),
  "auth.ban_exempt": setting<readonly string[]>({
    type: addressRanges(),
    initial: ["127.0.0.0/8", "::1"],
    about: "Who is never banned: addresses of proxies behind which many clients are, for one.",
  }),
};
