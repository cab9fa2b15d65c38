/** Keys of the broker whose configuration Weir follows, and of Weir to come, that this version has no part for. They are refused by
 * name: a broker that silently ignored `tls_cert_file` would serve in clear text. */

/** A pattern is a path; `*` at its end stands for any rest, and a section stands for all that is under it. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  "server.amqp*": "AMQP",
  "server.health_*": "the health endpoint",
  "server.metrics_*": "metrics",
  "server.otel_*": "OpenTelemetry",
  "server.admin_api_addr": "the admin API",
  "broker.async_fan_out": "fan-out workers",
  "broker.fan_out_workers": "fan-out workers",
  "storage.badger_*": "storage on disk",
  "storage.queue_*": "storage on disk",
  "storage.recover_on_startup": "storage on disk",
  "auth.external.transport": "the authentication callout by gRPC",
  admin: "the admin API",
  bridge: "bridges",
  cluster: "clustering",
  hooks: "blocking hooks",
  metrics: "metrics",
  otel: "OpenTelemetry",
  "queue.replication": "replication of queues",
  webhook: "webhooks",
};

/** Keys that have become another one or none, each with what to do. */
const REPLACED: Readonly<Record<string, string>> = {
  tls: "give a listener under server.listeners a cert_file and a key_file",
  "auth.external.protocols": "every client that gives a user name is asked about",
  "auth.external.tls": "see auth.external.ca_file",
  "ratelimit.connection.enabled": "0 as rate switches it off",
  "ratelimit.connection.cleanup_interval": "what is idle is let go of by itself",
  "ratelimit.message.enabled": "0 as rate switches it off",
  "ratelimit.subscribe.enabled": "0 as rate switches it off",
  acl: "see auth.acl and auth.acl_file",
  "auth.local_principals": "see auth.certificate_username",
  "server.mqtt": "list each address under server.listeners; its protocol is v3, v5 or auto",
  "server.http": "see server.http_enabled and server.http_addr",
  "server.coap": "see server.coap_enabled and server.coap_addr",
  "server.tls_*": "give a listener under server.listeners a cert_file and a key_file",
  "server.tcp_read_timeout": "the client's keep alive decides (server.strict_keep_alive, broker.max_keep_alive), and " +
    "server.connect_timeout until CONNECT",
  "broker.retry_interval":
    "MQTT 5 allows no resending on a live connection; messages are sent again when the client reconnects",
  "broker.max_retries":
    "MQTT 5 allows no resending on a live connection; messages are sent again when the client reconnects",
  queue_manager: "copying into queues is part of the publish, and what a group has settled is committed at once",
  "session.max_send_queue_size": "see server.outbox_max_bytes",
  "session.disconnect_on_full": "see server.tcp_write_timeout",
  "session.inflight_overflow": "messages beyond session.max_inflight_messages always wait in the session's queue",
  "session.pending_queue_size": "see session.max_offline_queue_size",
};

const LISTENER_UNSUPPORTED = /^(tls|server_ca_file|cipher_suites|prefer_server_cipher_suites|ocsp|crl)$/;

/** Why the key at `path` is refused although it is a known one; undefined for a key that is merely unknown. */
export function unsupported(path: string): string | undefined {
  const replaced = Object.keys(REPLACED).find((known) => covers(known, path));
  if (replaced !== undefined) return `there is no such key in Weir: ${REPLACED[replaced]}`;
  const pattern = Object.keys(UNSUPPORTED).find((known) => covers(known, path));
  return pattern === undefined ? undefined : notSupported(UNSUPPORTED[pattern]);
}

/** As {@link unsupported}, for a key of an entry in a list. */
export function unsupportedInList(list: string, key: string): string | undefined {
  if (list === "queues") return unsupportedInQueue(key);
  if (list !== "server.listeners") return undefined;
  if (LISTENER_UNSUPPORTED.test(key)) {
    return "there is no such key in Weir: see cert_file, key_file, client_auth, ca_file, crl_file and min_version";
  }
  return undefined;
}

/** Keys of queues elsewhere, each with what to do. */
const QUEUE_REPLACED: Readonly<Record<string, string>> = {
  "retention.max_age": "see retention.retention_time",
  "retention.max_length_bytes": "see retention.retention_bytes",
  "retention.max_length_messages": "see retention.retention_messages",
  "dlq.topic": "dead letters are in $queue/<name>/$dlq",
  ack_durability: "see storage.sync",
  primary_group: "groups are independent of one another",
  reserved: "a queue takes what its topics say",
};

function unsupportedInQueue(key: string): string | undefined {
  if (key === "replication" || key.startsWith("replication.")) return notSupported("replication of queues");
  if (!Object.hasOwn(QUEUE_REPLACED, key)) return undefined;
  return `there is no such key in Weir: ${QUEUE_REPLACED[key]}`;
}

function notSupported(part: string): string {
  return `this version of Weir does not support ${part}; remove it`;
}

function covers(pattern: string, path: string): boolean {
  if (pattern.endsWith("*")) return path.startsWith(pattern.slice(0, -1));
  return path === pattern || path.startsWith(`${pattern}.`);
}
