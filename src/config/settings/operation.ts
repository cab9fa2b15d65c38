import type { LogConfig, LogLevel, SourceName, StorageConfig } from "../config.ts";
import { words } from "../list_type.ts";
import { required, setting } from "../setting.ts";
import { base64, text } from "../text_type.ts";
import { choice, count, openFlag, sizeOrAuto, UNLIMITED } from "../value_type.ts";

/** What may tell who a client is, in the order in which it is asked. */
const SOURCES: readonly SourceName[] = ["certificate", "jwt", "users", "external"];

/** `auth`: who may connect. */
export const AUTH_SETTINGS = {
  "auth.chain": setting<readonly SourceName[]>({
    type: words(SOURCES),
    initial: SOURCES,
    about:
      "In which order is asked who a client is: by its certificate (`certificate_username`), a token (`jwt`), the users (`users_file` " +
      "and `scram`), another program (`external`). The first that knows the client decides, and no other is asked.",
  }),
  "auth.allow_anonymous": setting<boolean | null>({
    type: openFlag(),
    initial: null,
    about:
      "Whether clients may connect without logging in. Unless it is written: true while nobody but this machine can reach " +
      "the broker and no user is listed, false as soon as one is.",
    atLimit: "CONNACK 0x87 (Not authorized), in 3.1.1 0x05.",
  }),
};

/** `auth`, for clients with a certificate. */
export const CERTIFICATE_SETTINGS = {
  "auth.certificate_username": setting<"none" | "cn" | "dns" | "uri" | "email">({
    type: choice(["none", "cn", "dns", "uri", "email"]),
    initial: "none",
    about:
      "Which name of a client certificate is the user's, who then needs no password: the CN of its subject, or its first alternative " +
      "name of that kind. With `none` a certificate opens the listener and says nothing about the user.",
    atLimit:
      "A certificate without such a name, or another user name in CONNECT: CONNACK 0x87 (Not authorized), in 3.1.1 0x05.",
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
    about:
      "`text` for people, `json` for collectors, one object a line. With `json` the start and the stop are told in the log, too.",
  }),
};

/** `storage`. */
export const STORAGE_SETTINGS = {
  "storage.type": setting<StorageConfig["type"]>({
    type: choice(["sqlite", "memory"], { badger: "Weir keeps its data in SQLite" }),
    initial: "sqlite",
    about: "Where sessions, their queues, wills and retained messages live. `memory` loses them when the broker stops.",
  }),
  "storage.memory_limit": setting<number | null>({
    type: sizeOrAuto({ from: 1024 ** 2, to: 1024 ** 4, special: UNLIMITED }),
    initial: null,
    about:
      "With `type: memory`: bytes of all that is kept, for whomever: messages of queues and of sessions, retained messages, " +
      "sessions, subscriptions, wills, each with what it takes in memory around its own bytes. `auto` is half of what V8 may have " +
      "for its heap.",
    atLimit:
      "At 15/16 of it, until an eighth is free: a message for a queue is refused as at `queue.limits.max_depth`, one for a session " +
      "takes its place by `session.offline_queue_policy`, one that is retained as at `max_retained_bytes`; new kept sessions and their " +
      "subscriptions are refused (0x97). Who is connected goes on. docs/operations.md has the table.",
  }),
  "storage.path": setting<string>({
    type: text({ from: 1, to: 4096 }),
    initial: "data",
    about: "The folder of the database, made when it is not there. One broker at a time may use it.",
  }),
  "storage.sync": setting<StorageConfig["sync"]>({
    type: choice(["full", "normal", "off"]),
    initial: "full",
    about:
      "What an acknowledgement has survived when it leaves: `full` the loss of power, `normal` the crash of the broker (the last " +
      "moments may be lost with the power, nothing is damaged), `off` the crash of the broker (the loss of power may damage " +
      "the database).",
  }),
};
