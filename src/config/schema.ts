/** Every key that the configuration has. Reading, `weir check`, the environment, docs/configuration.md and config/default.yaml all
 * come from these tables; a key that is not here is refused. */
import type { Fields, Item, ListSetting, Setting } from "./setting.ts";
import { ACL_FIELDS, ACL_SETTINGS } from "./settings/acl.ts";
import { BROKER_SETTINGS } from "./settings/broker.ts";
import { COAP_SETTINGS } from "./settings/coap.ts";
import { HTTP_SETTINGS } from "./settings/http.ts";
import {
  AUTH_SETTINGS,
  CERTIFICATE_SETTINGS,
  LOG_SETTINGS,
  SCRAM_USER_FIELDS,
  STORAGE_SETTINGS,
} from "./settings/operation.ts";
import { EXTERNAL_SETTINGS, FAILED_LOGIN_SETTINGS, JWT_SETTINGS, USERS_SETTINGS } from "./settings/identity.ts";
import { QUEUE_FIELDS, QUEUE_SETTINGS } from "./settings/queue.ts";
import { LISTENER_FIELDS, SERVER_SETTINGS, WEBSOCKET_SETTINGS } from "./settings/server.ts";
import { RATELIMIT_SETTINGS } from "./settings/ratelimit.ts";
import { SESSION_SETTINGS } from "./settings/session.ts";

/** The sections in the order of the reference. */
export const SECTIONS: Readonly<Record<string, string>> = {
  server: "Where clients connect, and what holds for every connection.",
  broker: "Messages and topics, and what MQTT 5 clients are told about them in CONNACK.",
  session: "What is kept for a client, connected or not.",
  queue:
    "What durable queues are that do not say otherwise under `queues`: those that are made by their first use, too.",
  queues: "Durable queues that are there from the start, or from the SIGHUP at which they were read.",
  auth: "Who may connect, and what clients may do.",
  ratelimit:
    "How much clients may do in which time, for each address, client id and user. Times without use are saved up to the burst.",
  log: "What the broker writes to its standard error.",
  storage: "Where sessions, their queues and retained messages live.",
};

/** The keys with one value, by their path. */
export const SETTINGS = {
  ...SERVER_SETTINGS,
  ...WEBSOCKET_SETTINGS,
  ...HTTP_SETTINGS,
  ...COAP_SETTINGS,
  ...BROKER_SETTINGS,
  ...SESSION_SETTINGS,
  ...QUEUE_SETTINGS,
  ...AUTH_SETTINGS,
  ...CERTIFICATE_SETTINGS,
  ...USERS_SETTINGS,
  ...FAILED_LOGIN_SETTINGS,
  ...JWT_SETTINGS,
  ...EXTERNAL_SETTINGS,
  ...ACL_SETTINGS,
  ...RATELIMIT_SETTINGS,
  ...LOG_SETTINGS,
  ...STORAGE_SETTINGS,
};

/** The keys with a list of maps, by their path. */
export const LISTS = {
  "server.listeners": {
    fields: LISTENER_FIELDS,
    about: "More listeners beside `server.tcp_addr`, each with its own address and, where it differs, its own rules.",
    example: ["name: legacy", 'addr: "127.0.0.1:1884"', "protocol: v3", "max_connections: 500"],
  },
  queues: {
    fields: QUEUE_FIELDS,
    about:
      "One entry a queue. A queue that is there already gets what is written here, but for `type` and `ordering`, which stay what they " +
      "were: another one stops the start.",
    example: [
      "name: orders",
      "partitions: 50",
      'topics: ["shop/+/orders"]',
      "retention: { retention_time: 7d }",
      "retry: { max_retries: 5, initial_backoff: 1s }",
    ],
  },
  "auth.scram.users": {
    fields: SCRAM_USER_FIELDS,
    about:
      "Users with a password, kept as SCRAM-SHA-256 credentials (RFC 5802, RFC 7677): enough to verify a password, not " +
      "enough to know it. `weir user scram NAME` makes an entry.",
    example: [
      "username: alice",
      "salt: W22ZaJ0SNY7soEsUEjb6gQ==",
      "iterations: 4096",
      "stored_key: WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
      "server_key: wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ],
  },
  "auth.acl": {
    fields: ACL_FIELDS,
    about:
      "Access rules, read from the top: the first that decides wins. A subscription needs a rule that allows all of its topics " +
      "before any that denies one of them. [security.md](security.md) has the table.",
    example: ["permission: allow", 'filter: "devices/%u/#"'],
  },
} satisfies Readonly<Record<string, ListSetting<Fields>>>;

export type SettingPath = keyof typeof SETTINGS;
export type ListPath = keyof typeof LISTS;

/** The value of every key once read. */
export type Values = {
  readonly [P in SettingPath]: (typeof SETTINGS)[P] extends Setting<infer T> ? T : never;
};

/** The entries of every list once read. */
export type Lists = {
  readonly [P in ListPath]: readonly Item<(typeof LISTS)[P]["fields"]>[];
};

/** Undefined unless `path` is a key with one value. */
export function settingAt(path: string): Setting<unknown> | undefined {
  return Object.hasOwn(SETTINGS, path) ? SETTINGS[path as SettingPath] as Setting<unknown> : undefined;
}

/** Undefined unless `path` is a key with a list. */
export function listAt(path: string): ListSetting<Fields> | undefined {
  return Object.hasOwn(LISTS, path) ? LISTS[path as ListPath] : undefined;
}

/** What may stand directly under `path`: keys, lists and inner maps; empty when it is no map. The root is "". */
export function keysUnder(path: string): ReadonlySet<string> {
  return KEYS_UNDER.get(path) ?? new Set();
}

const KEYS_UNDER = new Map<string, Set<string>>();
for (const path of [...Object.keys(SETTINGS), ...Object.keys(LISTS)]) {
  const parts = path.split(".");
  for (let depth = 0; depth < parts.length; depth++) {
    const parent = parts.slice(0, depth).join(".");
    const keys = KEYS_UNDER.get(parent) ?? new Set();
    KEYS_UNDER.set(parent, keys.add(parts[depth]));
  }
}
