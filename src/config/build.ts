/** From the values of the keys to what the broker is handed: units named, overrides resolved, 0 and words turned into numbers. */
import { assertLimits, type Limits } from "../core/limits.ts";
import { buildExternal, buildFailedLogins, buildJwt } from "./build_identity.ts";
import { buildRateLimits } from "./build_ratelimit.ts";
import { buildQueues } from "./build_queues.ts";
import type {
  AclRule,
  AuthConfig,
  CoapConfig,
  Config,
  ConnectionConfig,
  HttpConfig,
  ListenerConfig,
  ProtocolConfig,
  ScramUser,
  TlsFiles,
} from "./config.ts";
import {
  COAP_LISTENER,
  HTTP_LISTENER,
  httpTls,
  PLAIN_LISTENER,
  type TlsKeys,
  WEBSOCKET_LISTENER,
} from "./listeners.ts";
import type { Reading } from "./reading.ts";
import type { Lists, Values } from "./schema.ts";
import { hasIdentities, hasNames } from "./sources.ts";
import type { Address } from "./text_type.ts";

/** Expects values without problems and clashes.
 * @throws {RangeError} when the core's own check of its limits disagrees with the schema, which is our fault. */
export function buildConfig(
  { values, lists }: Pick<Reading, "values" | "lists">,
  rules: readonly AclRule[],
): Omit<Config, "file"> {
  const limits = buildLimits(values);
  assertLimits(limits);
  return {
    listeners: buildListeners(values, lists["server.listeners"]),
    http: values["server.http_enabled"] ? buildHttp(values) : null,
    coap: values["server.coap_enabled"] ? buildCoap(values) : null,
    connection: buildConnection(values),
    limits,
    protocol: buildProtocol(values),
    sys: { intervalMs: values["broker.sys_interval"] },
    queues: buildQueues(values, lists.queues),
    auth: buildAuth({ values, lists }, rules),
    rateLimits: buildRateLimits(values),
    log: { level: values["log.level"], format: values["log.format"] },
    storage: {
      type: values["storage.type"],
      path: values["storage.path"],
      sync: values["storage.sync"],
      memoryLimit: values["storage.memory_limit"] ?? undefined,
    },
    keys: keysOf({ ...values, ...lists, "auth.acl": rules }),
    shutdownTimeoutMs: values["server.shutdown_timeout"],
  };
}

function keysOf(all: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const toText = (_: string, value: unknown) =>
    typeof value === "number" || typeof value === "bigint" ? String(value) : value; // Infinity, too
  return new Map(Object.entries(all).map(([path, value]) => [path, JSON.stringify(value, toText)]));
}

function buildListeners(values: Values, entries: Lists["server.listeners"]): ListenerConfig[] {
  const plain = values["server.tcp_addr"];
  const listeners = plain === null ? [] : [buildListener(values, { name: PLAIN_LISTENER, addr: plain })];
  if (values["server.ws_enabled"]) {
    const { "server.ws_path": path, "server.ws_allowed_origins": allowed_origins } = values;
    listeners.push(
      buildListener(values, { name: WEBSOCKET_LISTENER, addr: values["server.ws_addr"], path, allowed_origins }),
    );
  }
  return [...listeners, ...entries.map((entry) => buildListener(values, entry))];
}

function buildListener(values: Values, entry: Partial<Lists["server.listeners"][number]>): ListenerConfig {
  const { hostname, port } = entry.addr as Address;
  const { path, trusted_proxies: proxies = [] } = entry;
  return {
    name: entry.name as string,
    hostname,
    port,
    connectionsMax: entry.max_connections ?? values["server.tcp_max_connections"],
    strictReceiveMaximum: entry.strict_receive_maximum ?? values["server.strict_receive_maximum"],
    strictKeepAlive: entry.strict_keep_alive ?? values["server.strict_keep_alive"],
    protocol: entry.protocol ?? "auto",
    tls: buildTls(entry),
    ...(path === undefined ? {} : { webSocket: { path, allowedOrigins: entry.allowed_origins ?? [] } }),
    ...proxyProtocolFrom(proxies),
  };
}

/** Who trusts no proxy expects no header. */
function proxyProtocolFrom(proxies: readonly string[]): Pick<ListenerConfig, "proxyProtocol"> {
  return proxies.length === 0 ? {} : { proxyProtocol: { trustedAddresses: proxies } };
}

function buildHttp(values: Values): HttpConfig {
  return {
    name: HTTP_LISTENER,
    ...values["server.http_addr"],
    connectionsMax: values["server.http_max_connections"],
    tls: buildTls(httpTls(values)),
    ...proxyProtocolFrom(values["server.http_trusted_proxies"]),
    bodyBytesMax: values["server.http_max_body_size"],
    requestTimeoutMs: values["server.http_request_timeout"],
    subscriptionsMax: values["server.http_max_subscriptions"],
    heartbeatMs: values["server.http_heartbeat"],
    corsOrigins: values["server.http_cors_origins"],
  };
}

function buildCoap(values: Values): CoapConfig {
  return {
    name: COAP_LISTENER,
    ...values["server.coap_addr"],
    endpointsMax: values["server.coap_max_endpoints"],
    observationsMax: values["server.coap_max_observations"],
    requestsPerSecondMax: values["server.coap_max_requests_per_second"] || Infinity,
    bodyBytesMax: Math.min(values["server.coap_max_body_size"], values["broker.max_message_size"]),
    uriCredentials: values["server.coap_uri_credentials"],
  };
}

function buildTls(entry: TlsKeys): TlsFiles | null {
  const { cert_file: certFile, key_file: keyFile, ca_file: caFile, crl_file: crlFile } = entry;
  if (certFile === undefined || keyFile === undefined) return null;
  const { client_auth: clientAuth = "none", min_version: minVersion = "1.2" } = entry;
  return { certFile, keyFile, clientAuth: clientAuth as TlsFiles["clientAuth"], caFile, crlFile, minVersion };
}

function buildConnection(values: Values): ConnectionConfig {
  return {
    connectionsPerAddressMax: values["server.max_connections_per_address"] || Infinity,
    connectTimeoutMs: values["server.connect_timeout"],
    connectBytesMax: Math.min(values["server.connect_max_bytes"], values["broker.max_message_size"]),
    writeTimeoutMs: values["server.tcp_write_timeout"],
    outboxBytesMax: values["server.outbox_max_bytes"],
    tcpNoDelay: values["server.tcp_nodelay"],
  };
}

function buildLimits(values: Values): Limits {
  const sessionExpirySecondsMax = values["session.max_expiry_interval"];
  return {
    qosMax: values["broker.max_qos"],
    retainAvailable: values["broker.retain_available"],
    wildcardAvailable: values["broker.wildcard_available"],
    sharedAvailable: values["broker.shared_available"],
    subscriptionIdsAvailable: values["broker.subscription_ids_available"],
    topicBytesMax: values["broker.max_topic_length"],
    topicLevelsMax: values["broker.max_topic_levels"],
    sessionsMax: values["session.max_sessions"],
    takeover: values["session.takeover"] === "anyone" ? "anyone" : "same-user",
    sessionsPerUserMax: values["session.max_sessions_per_user"],
    subscriptionsPerSessionMax: values["session.max_subscriptions"],
    subscriptionsPerUserMax: values["session.max_subscriptions_per_user"],
    subscriptionsPerAddressMax: values["session.max_subscriptions_per_address"],
    inflightMax: values["session.max_inflight_messages"],
    receiveMaximum: values["session.receive_maximum"],
    queuedMessagesMax: values["session.max_offline_queue_size"],
    queuedBytesMax: values["session.max_offline_queue_bytes"],
    queueOverflow: values["session.offline_queue_policy"] === "evict" ? "drop-oldest" : "drop-newest",
    queueQos0: values["session.queue_qos0"],
    retainedMessagesMax: values["broker.max_retained_messages"],
    retainedBytesMax: values["broker.max_retained_bytes"],
    sessionExpirySecondsMax,
    sessionExpirySecondsV3: Math.min(values["session.default_expiry_interval"], sessionExpirySecondsMax),
    messageExpirySecondsMax: values["broker.max_message_expiry"],
  };
}

function buildProtocol(values: Values): ProtocolConfig {
  return {
    packetBytesMax: values["broker.max_message_size"],
    topicAliasMaximum: values["broker.topic_alias_maximum"],
    topicAliasMaximumOutbound: values["broker.topic_alias_maximum_outbound"],
    keepAliveSecondsMax: values["broker.max_keep_alive"],
    validatePayloadFormat: values["broker.validate_payload_format"],
    responseInformation: values["broker.response_information"],
    allowZeroLengthClientId: values["broker.allow_zero_length_client_id"],
  };
}

function buildAuth(reading: Pick<Reading, "values" | "lists">, rules: readonly AclRule[]): AuthConfig {
  const { values, lists } = reading;
  const wish = values["auth.acl_default"];
  const isOpen = rules.length === 0 && values["auth.acl_file"] === null && !hasNames(reading);
  return {
    allowAnonymous: values["auth.allow_anonymous"] ?? !hasIdentities(reading),
    chain: values["auth.chain"],
    certificateUsername: values["auth.certificate_username"],
    failedLogins: buildFailedLogins(values),
    jwt: buildJwt(values),
    external: buildExternal(values),
    acl: {
      rules,
      file: values["auth.acl_file"] ?? undefined,
      otherwise: wish === "auto" ? (isOpen ? "allow" : "deny") : wish,
    },
    usersFile: values["auth.users_file"] ?? undefined,
    scramUsers: lists["auth.scram.users"].map((user) => {
      const { username, salt, iterations, stored_key: storedKey, server_key: serverKey } = user;
      return { username, salt, iterations, storedKey, serverKey } as ScramUser; // all are required, and were read well
    }),
  };
}
