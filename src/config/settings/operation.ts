import type { LogConfig, LogLevel, StorageConfig } from "../config.ts";
import { required, setting } from "../setting.ts";
import { base64, text } from "../text_type.ts";
import { choice, count, openFlag } from "../value_type.ts";

/** `auth`: who may connect. */
export const AUTH_SETTINGS = {
  "auth.allow_anonymous": setting<boolean | null>({
    type: openFlag(),
    initial: null,
    about:
      "Whether clients may connect without logging in. Unless it is written: true while nobody but this machine can reach " +
      "the broker and no user is listed, false as soon as one is.",
    atLimit: "CONNACK 0x87 (Not authorized), in 3.1.1 0x05.",
  }),
};

/** `auth.scram.users[]`. */
export const SCRAM_USER_FIELDS = {
  username: required(text({ from: 1, to: 256 }), "Unique."),
  salt: required(base64({ from: 8, to: 64 }), "Random, of this user alone."),
  iterations: required(count({ from: 4096, to: 10_000_000 }), "Rounds of PBKDF2 (RFC 7677 asks for 4096 at least)."),
  stored_key: required(base64({ from: 32, to: 32 }), "StoredKey of RFC 5802."),
  server_key: required(base64({ from: 32, to: 32 }), "ServerKey of RFC 5802."),
};

/** `log`. */
export const LOG_SETTINGS = {
  "log.level": setting<LogLevel>({
    type: choice(["debug", "info", "warn", "error"]),
    initial: "info",
    about: "The least important lines that are still written.",
  }),
  "log.format": setting<LogConfig["format"]>({
    type: choice(["text", "json"]),
    initial: "text",
    about: "`text` for people, `json` for collectors, one object a line.",
  }),
};

const NOT_YET = "this version of Weir keeps everything in memory";

/** `storage`. */
export const STORAGE_SETTINGS = {
  "storage.type": setting<StorageConfig["type"]>({
    type: choice(["memory"], { sqlite: NOT_YET, badger: NOT_YET }),
    initial: "memory",
    about: "Where sessions, their queues and retained messages live. `memory` loses them when the broker stops.",
  }),
};
