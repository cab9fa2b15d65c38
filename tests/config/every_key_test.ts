/** Nothing is accepted that does nothing: each key, set to something else, changes the configuration that the broker gets. */
import assert from "node:assert/strict";
import type { Config } from "../../src/config/config.ts";
import { variableOf } from "../../src/config/environment.ts";
import { loadConfig } from "../../src/config/load.ts";
import { LISTS, SETTINGS } from "../../src/config/schema.ts";
import { load, SCRAM_USER } from "./support.ts";

/** Those of queues are in queue_test.ts. */
type Key = Exclude<keyof typeof SETTINGS, `queue.${string}`>;

/** Key -> another value as written, and the field that must then have this value. */
const EFFECTS: Readonly<Record<Key, readonly [string, (config: Config) => unknown, unknown]>> = {
  "server.tcp_addr": ["127.0.0.1:1999", (c) => c.listeners[0].port, 1999],
  "server.tcp_max_connections": ["7", (c) => c.listeners[0].connectionsMax, 7],
  "server.max_connections_per_address": ["3", (c) => c.connection.connectionsPerAddressMax, 3],
  "server.connect_timeout": ["250ms", (c) => c.connection.connectTimeoutMs, 250],
  "server.connect_max_bytes": ["1KiB", (c) => c.connection.connectBytesMax, 1024],
  "server.tcp_write_timeout": ["5m", (c) => c.connection.writeTimeoutMs, 300_000],
  "server.outbox_max_bytes": ["8192", (c) => c.connection.outboxBytesMax, 8192],
  "server.tcp_nodelay": ["false", (c) => c.connection.tcpNoDelay, false],
  "server.strict_receive_maximum": ["false", (c) => c.listeners[0].strictReceiveMaximum, false],
  "server.strict_keep_alive": ["false", (c) => c.listeners[0].strictKeepAlive, false],
  "server.shutdown_timeout": ["0s", (c) => c.shutdownTimeoutMs, 0],
  "server.ws_enabled": ["true", (c) => c.listeners[1]?.port, 8083],
  "server.ws_addr": ["127.0.0.1:8999", (c) => c.listeners[1]?.port, 8999],
  "server.ws_path": ["/other", (c) => c.listeners[1]?.webSocket?.path, "/other"],
  "server.ws_allowed_origins": [
    "https://a.example",
    (c) => c.listeners[1]?.webSocket?.allowedOrigins,
    ["https://a.example"],
  ],
  "server.http_enabled": ["true", (c) => c.http?.port, 8080],
  "server.http_addr": ["127.0.0.1:8999", (c) => c.http?.port, 8999],
  "server.http_cert_file": ["x.crt", (c) => c.http?.tls?.certFile, "x.crt"],
  "server.http_key_file": ["x.key", (c) => c.http?.tls?.keyFile, "x.key"],
  "server.http_client_auth": ["request", (c) => c.http?.tls?.clientAuth, "request"],
  "server.http_ca_file": ["ca.crt", (c) => c.http?.tls?.caFile, "ca.crt"],
  "server.http_crl_file": ["ca.crl", (c) => c.http?.tls?.crlFile, "ca.crl"],
  "server.http_min_version": ["1.3", (c) => c.http?.tls?.minVersion, "1.3"],
  "server.http_trusted_proxies": ["10.0.0.0/8", (c) => c.http?.proxyProtocol?.trustedAddresses, ["10.0.0.0/8"]],
  "server.http_max_connections": ["7", (c) => c.http?.connectionsMax, 7],
  "server.http_max_body_size": ["2KiB", (c) => c.http?.bodyBytesMax, 2048],
  "server.http_request_timeout": ["5s", (c) => c.http?.requestTimeoutMs, 5000],
  "server.http_max_subscriptions": ["3", (c) => c.http?.subscriptionsMax, 3],
  "server.http_heartbeat": ["2s", (c) => c.http?.heartbeatMs, 2000],
  "server.http_cors_origins": ["https://a.example", (c) => c.http?.corsOrigins, ["https://a.example"]],
  "server.coap_enabled": ["true", (c) => c.coap?.port, 5683],
  "server.coap_addr": ["127.0.0.1:5999", (c) => c.coap?.port, 5999],
  "server.coap_max_endpoints": ["100", (c) => c.coap?.endpointsMax, 100],
  "server.coap_max_observations": ["7", (c) => c.coap?.observationsMax, 7],
  "server.coap_max_requests_per_second": ["0", (c) => c.coap?.requestsPerSecondMax, Infinity],
  "server.coap_max_body_size": ["2KiB", (c) => c.coap?.bodyBytesMax, 2048],
  "server.coap_uri_credentials": ["true", (c) => c.coap?.uriCredentials, true],
  "broker.max_message_size": ["2MiB", (c) => c.protocol.packetBytesMax, 2_097_152],
  "broker.max_qos": ["1", (c) => c.limits.qosMax, 1],
  "broker.retain_available": ["false", (c) => c.limits.retainAvailable, false],
  "broker.wildcard_available": ["false", (c) => c.limits.wildcardAvailable, false],
  "broker.shared_available": ["false", (c) => c.limits.sharedAvailable, false],
  "broker.subscription_ids_available": ["false", (c) => c.limits.subscriptionIdsAvailable, false],
  "broker.max_topic_length": ["200", (c) => c.limits.topicBytesMax, 200],
  "broker.max_topic_levels": ["9", (c) => c.limits.topicLevelsMax, 9],
  "broker.max_keep_alive": ["10m", (c) => c.protocol.keepAliveSecondsMax, 600],
  "broker.topic_alias_maximum": ["10", (c) => c.protocol.topicAliasMaximum, 10],
  "broker.topic_alias_maximum_outbound": ["0", (c) => c.protocol.topicAliasMaximumOutbound, 0],
  "broker.max_retained_messages": ["unlimited", (c) => c.limits.retainedMessagesMax, Infinity],
  "broker.max_retained_bytes": ["1GiB", (c) => c.limits.retainedBytesMax, 1_073_741_824],
  "broker.max_message_expiry": ["7d", (c) => c.limits.messageExpirySecondsMax, 604_800],
  "broker.validate_payload_format": ["true", (c) => c.protocol.validatePayloadFormat, true],
  "broker.response_information": ["replies/", (c) => c.protocol.responseInformation, "replies/"],
  "broker.sys_interval": ["0", (c) => c.sys.intervalMs, 0],
  "broker.allow_zero_length_client_id": ["false", (c) => c.protocol.allowZeroLengthClientId, false],
  "session.max_sessions": ["12", (c) => c.limits.sessionsMax, 12],
  "session.takeover": ["anyone", (c) => c.limits.takeover, "anyone"],
  "session.max_expiry_interval": ["3600", (c) => c.limits.sessionExpirySecondsMax, 3600],
  "session.default_expiry_interval": ["300", (c) => c.limits.sessionExpirySecondsV3, 300],
  "session.max_inflight_messages": ["256", (c) => c.limits.inflightMax, 256],
  "session.receive_maximum": ["20", (c) => c.limits.receiveMaximum, 20],
  "session.max_offline_queue_size": ["0", (c) => c.limits.queuedMessagesMax, 0],
  "session.max_offline_queue_bytes": ["0", (c) => c.limits.queuedBytesMax, 0],
  "session.offline_queue_policy": ["reject", (c) => c.limits.queueOverflow, "drop-newest"],
  "session.queue_qos0": ["true", (c) => c.limits.queueQos0, true],
  "session.max_sessions_per_user": ["6", (c) => c.limits.sessionsPerUserMax, 6],
  "session.max_subscriptions_per_user": ["7", (c) => c.limits.subscriptionsPerUserMax, 7],
  "session.max_subscriptions_per_address": ["8", (c) => c.limits.subscriptionsPerAddressMax, 8],
  "session.max_subscriptions": ["5", (c) => c.limits.subscriptionsPerSessionMax, 5],
  "auth.allow_anonymous": ["true", (c) => c.auth.allowAnonymous, true],
  "auth.chain": ["external, users", (c) => c.auth.chain, ["external", "users"]],
  "auth.certificate_username": ["cn", (c) => c.auth.certificateUsername, "cn"],
  "auth.users_file": ["data/users", (c) => c.auth.usersFile, "data/users"],
  "auth.failed_login_delay": ["2s", (c) => c.auth.failedLogins.delayMs, 2000],
  "auth.ban_after": ["3", (c) => c.auth.failedLogins.banAfter, 3],
  "auth.ban_time": ["5m", (c) => c.auth.failedLogins.banMs, 300_000],
  "auth.ban_time_max": ["1d", (c) => c.auth.failedLogins.banMsMax, 86_400_000],
  "auth.ban_memory": ["1h", (c) => c.auth.failedLogins.memoryMs, 3_600_000],
  "auth.ban_exempt": ["10.0.0.0/8", (c) => c.auth.failedLogins.exempt, ["10.0.0.0/8"]],
  "auth.jwt.key_file": ["jwt.pem", (c) => c.auth.jwt?.keyFile, "jwt.pem"],
  "auth.jwt.jwks_url": ["https://id.example/keys", (c) => c.auth.jwt?.jwksUrl, "https://id.example/keys"],
  "auth.jwt.ca_file": ["ca.crt", (c) => c.auth.jwt?.caFile, "ca.crt"],
  "auth.jwt.jwks_max_age": ["1m", (c) => c.auth.jwt?.jwksMaxAgeMs, 60_000],
  "auth.jwt.algorithms": ["ES256, EdDSA", (c) => c.auth.jwt?.algorithms, ["ES256", "EdDSA"]],
  "auth.jwt.issuer": ["https://id.example", (c) => c.auth.jwt?.issuer, "https://id.example"],
  "auth.jwt.audience": ["mqtt", (c) => c.auth.jwt?.audience, "mqtt"],
  "auth.jwt.clock_tolerance": ["1m", (c) => c.auth.jwt?.clockToleranceSeconds, 60],
  "auth.jwt.require_expiry": ["false", (c) => c.auth.jwt?.requireExpiry, false],
  "auth.jwt.username_claim": ["name", (c) => c.auth.jwt?.usernameClaim, "name"],
  "auth.jwt.groups_claim": ["roles", (c) => c.auth.jwt?.groupsClaim, "roles"],
  "auth.jwt.acl_claim": ["mqtt", (c) => c.auth.jwt?.aclClaim, "mqtt"],
  "auth.external.url": ["https://id.example", (c) => c.auth.external?.url, "https://id.example/"],
  "auth.external.timeout": ["5s", (c) => c.auth.external?.timeoutMs, 5000],
  "auth.external.ca_file": ["ca.crt", (c) => c.auth.external?.caFile, "ca.crt"],
  "auth.external.token_file": ["token", (c) => c.auth.external?.tokenFile, "token"],
  "auth.external.max_concurrent": ["4", (c) => c.auth.external?.concurrentMax, 4],
  "auth.external.identity_cache_size": ["0", (c) => c.auth.external?.cacheEntriesMax, 0],
  "auth.external.identity_cache_ttl": ["10m", (c) => c.auth.external?.cacheMs, 600_000],
  "auth.external.negative_cache_ttl": ["0", (c) => c.auth.external?.negativeCacheMs, 0],
  "auth.external.when_down": ["allow_cached", (c) => c.auth.external?.allowsCached, true],
  "auth.external.stale_ttl": ["1d", (c) => c.auth.external?.staleMs, 86_400_000],
  "auth.jwt.username": ["ignore", (c) => c.auth.jwt?.matchUsername, false],
  "auth.acl_file": ["config/acl.yaml", (c) => c.auth.acl.rules.map(({ filter }) => filter), ["from/the/file"]],
  "auth.acl_default": ["deny", (c) => c.auth.acl.otherwise, "deny"],
  "ratelimit.enabled": ["true", (c) => c.rateLimits.message.client?.perSecond, 1000],
  "ratelimit.action": ["refuse", (c) => c.rateLimits.action, "refuse"],
  "ratelimit.exempt": ["10.0.0.0/8", (c) => c.rateLimits.exempt, ["10.0.0.0/8"]],
  "ratelimit.connection.rate": ["0.5", (c) => c.rateLimits.connection.address?.perSecond, 0.5],
  "ratelimit.connection.burst": ["7", (c) => c.rateLimits.connection.address?.burst, 7],
  "ratelimit.connection.user_rate": ["0.5", (c) => c.rateLimits.connection.user?.perSecond, 0.5],
  "ratelimit.connection.user_burst": ["7", (c) => c.rateLimits.connection.user?.burst, 7],
  "ratelimit.message.rate": ["0.5", (c) => c.rateLimits.message.client?.perSecond, 0.5],
  "ratelimit.message.burst": ["7", (c) => c.rateLimits.message.client?.burst, 7],
  "ratelimit.message.address_rate": ["0.5", (c) => c.rateLimits.message.address?.perSecond, 0.5],
  "ratelimit.message.address_burst": ["7", (c) => c.rateLimits.message.address?.burst, 7],
  "ratelimit.message.user_rate": ["0.5", (c) => c.rateLimits.message.user?.perSecond, 0.5],
  "ratelimit.message.user_burst": ["7", (c) => c.rateLimits.message.user?.burst, 7],
  "ratelimit.bytes.rate": ["2KiB", (c) => c.rateLimits.bytes.client?.perSecond, 2048],
  "ratelimit.bytes.burst": ["8KiB", (c) => c.rateLimits.bytes.client?.burst, 8192],
  "ratelimit.bytes.address_rate": ["2KiB", (c) => c.rateLimits.bytes.address?.perSecond, 2048],
  "ratelimit.bytes.address_burst": ["8KiB", (c) => c.rateLimits.bytes.address?.burst, 8192],
  "ratelimit.bytes.user_rate": ["2KiB", (c) => c.rateLimits.bytes.user?.perSecond, 2048],
  "ratelimit.bytes.user_burst": ["8KiB", (c) => c.rateLimits.bytes.user?.burst, 8192],
  "ratelimit.subscribe.rate": ["0.5", (c) => c.rateLimits.subscribe.client?.perSecond, 0.5],
  "ratelimit.subscribe.burst": ["7", (c) => c.rateLimits.subscribe.client?.burst, 7],
  "ratelimit.subscribe.address_rate": ["0.5", (c) => c.rateLimits.subscribe.address?.perSecond, 0.5],
  "ratelimit.subscribe.address_burst": ["7", (c) => c.rateLimits.subscribe.address?.burst, 7],
  "ratelimit.subscribe.user_rate": ["0.5", (c) => c.rateLimits.subscribe.user?.perSecond, 0.5],
  "ratelimit.subscribe.user_burst": ["7", (c) => c.rateLimits.subscribe.user?.burst, 7],
  "log.level": ["debug", (c) => c.log.level, "debug"],
  "log.format": ["json", (c) => c.log.format, "json"],
  "storage.type": ["memory", (c) => c.storage.type, "memory"],
  "storage.memory_limit": ["64MiB", (c) => c.storage.memoryLimit, 67_108_864],
  "storage.path": ["elsewhere", (c) => c.storage.path, "elsewhere"],
  "storage.sync": ["normal", (c) => c.storage.sync, "normal"],
};

/** A key of a map in `auth`, with `more` beside it. */
function beside(map: string, key: string, more: Readonly<Record<string, string>>) {
  const lines = Object.entries(more).map(([name, value]) => `    ${name}: ${value}\n`).join("");
  const env = Object.fromEntries(
    Object.entries(more).map(([name, value]) => [variableOf(`auth.${map}.${name}`), value]),
  );
  return { yaml: `auth:\n  ${map}:\n${lines}    ${key}: `, env };
}

const JWT_FILE = { key_file: "k", algorithms: "RS256" };
const EXTERNAL = { url: "https://id.example" };
const JWT_URL = { jwks_url: "https://id.example/k", algorithms: "RS256" };

/** Keys whose other value cannot differ from the default all by itself. */
const BESIDE: Readonly<Record<string, { yaml: string; env: Readonly<Record<string, string>> } | undefined>> = {
  "auth.allow_anonymous": {
    yaml: `auth:\n  scram: { users: [${SCRAM_USER}] }\n  allow_anonymous: `,
    env: { WEIR_SERVER_TCP_ADDR: ":1883" },
  },
  "storage.memory_limit": {
    yaml: "storage:\n  type: memory\n  memory_limit: ",
    env: { WEIR_STORAGE_TYPE: "memory" },
  },
  "auth.chain": {
    yaml: `auth:\n  users_file: users\n  external: { url: "https://id.example" }\n  chain: `,
    env: { WEIR_AUTH_USERS_FILE: "users", WEIR_AUTH_EXTERNAL_URL: "https://id.example" },
  },
  "auth.external.url": beside("external", "url", {}),
  "auth.external.stale_ttl": beside("external", "stale_ttl", { ...EXTERNAL, when_down: "allow_cached" }),
  ...Object.fromEntries(
    Object.keys(SETTINGS).filter((path) => /^auth\.external\.(?!url|stale_ttl)/.test(path))
      .map((path) => [path, beside("external", path.slice("auth.external.".length), EXTERNAL)]),
  ),
  "auth.jwt.key_file": beside("jwt", "key_file", { algorithms: "RS256" }),
  "auth.jwt.algorithms": beside("jwt", "algorithms", { key_file: "k" }),
  "auth.jwt.jwks_url": beside("jwt", "jwks_url", { algorithms: "RS256" }),
  "auth.jwt.ca_file": beside("jwt", "ca_file", JWT_URL),
  "auth.jwt.jwks_max_age": beside("jwt", "jwks_max_age", JWT_URL),
  ...Object.fromEntries(
    [
      "issuer",
      "audience",
      "clock_tolerance",
      "require_expiry",
      "username_claim",
      "groups_claim",
      "acl_claim",
      "username",
    ]
      .map((key) => [`auth.jwt.${key}`, beside("jwt", key, JWT_FILE)]),
  ),
};

/** What a key of a door that is shut by default is read beside: the door is open. */
const SHUT_DOORS = ["ws", "http", "coap"];

/** What the keys of TLS need of each other. */
const HTTP_TLS = { http_cert_file: "c", http_key_file: "k", http_ca_file: "a", http_client_auth: "require" };
/** A listener that asks for certificates. */
const HTTPS = Object.fromEntries(
  Object.entries({ ...HTTP_TLS, http_enabled: "true" }).map(([key, value]) => [variableOf(`server.${key}`), value]),
);
const TLS_KEY = /^server\.http_(cert|key|ca|crl)_file$|^server\.http_(client_auth|min_version)$/;

/** The keys that open a door, and those that `path` needs besides, without the section. */
function besideDoor(door: string, path: string): Record<string, string> {
  const more = Object.entries(HTTP_TLS).filter(([key]) => TLS_KEY.test(path) && `server.${key}` !== path);
  return { [`${door}_enabled`]: "true", ...Object.fromEntries(more) };
}

/** What is read beside the others: users need rules. */
const RULES = { WEIR_AUTH_ACL_DEFAULT: "allow" };

/** Limits count when they are switched on, and a burst beside a rate. */
function limitsBeside(path: string): Readonly<Record<string, string>> {
  if (!path.startsWith("ratelimit.") || path === "ratelimit.enabled") return {};
  const rate = path.endsWith("burst") ? { [variableOf(path.replace(/burst$/, "rate"))]: "10" } : {};
  return { WEIR_RATELIMIT_ENABLED: "true", ...rate };
}

/** Whoever reaches a proxy reaches the door behind it; a certificate is shown where it is asked for. */
function openBeside(path: string): Readonly<Record<string, string>> {
  if (path === "auth.certificate_username") return HTTPS;
  return path.endsWith("trusted_proxies") ? { WEIR_AUTH_ALLOW_ANONYMOUS: "true" } : {};
}

/** The key as YAML, up to its value. */
function keyAsYaml(path: string): string {
  return path.split(".").map((key, depth) => `${"  ".repeat(depth)}${key}:`).join("\n") + " ";
}

const ONE_VALUE = new Set(["auth.allow_anonymous"]);

for (const [path, [text, read, expected]] of Object.entries(EFFECTS)) {
  Deno.test(`${path} has an effect, from the file and from its variable`, () => {
    const [section] = path.split(".");
    const door = SHUT_DOORS.find((door) => path.startsWith(`server.${door}_`) && !path.endsWith("_enabled"));
    const keys = door === undefined ? [] : Object.entries(besideDoor(door, path));
    const own = door === undefined
      ? BESIDE[path]?.env
      : Object.fromEntries(keys.map(([name, value]) => [variableOf(`server.${name}`), value]));
    const beside = keys.map(([name, value]) => `\n  ${name}: ${value}`).join("");
    const common = path === "auth.acl_default" ? {} : { ...RULES, ...limitsBeside(path), ...openBeside(path) };
    const env = { ...common, ...own };
    const yaml = `${BESIDE[path]?.yaml ?? keyAsYaml(path).replace(`${section}:`, `${section}:${beside}`)}${text}\n`;
    if (!ONE_VALUE.has(path)) assert.notDeepEqual(read(loadConfig()), expected);
    const readFile = (file: string) =>
      new TextEncoder().encode(file === "weir.yaml" ? yaml : "[{ permission: allow, filter: from/the/file }]");
    assert.deepEqual(read(load(yaml, { env: common, readFile })), expected);
    assert.deepEqual(read(loadConfig({ readFile, env: { ...env, [variableOf(path)]: text } })), expected);
  });
}

Deno.test("every key of the schema is in the table above", () => {
  const others = Object.keys(SETTINGS).filter((path) => !path.startsWith("queue."));
  assert.deepEqual(Object.keys(EFFECTS).toSorted(), others.toSorted());
});

Deno.test("every field of a listener has an effect", () => {
  const fields = {
    name: "legacy",
    addr: '"[::1]:1884"',
    max_connections: "5",
    strict_receive_maximum: "false",
    strict_keep_alive: "false",
    protocol: "v3",
    path: "/mqtt",
    allowed_origins: '["*.example.com"]',
    trusted_proxies: "[10.0.0.0/8]",
    cert_file: "c.crt",
    key_file: "c.key",
    client_auth: "request",
    ca_file: "ca.crt",
    crl_file: "ca.crl",
    min_version: "1.3", // a number, without quotes
  };
  assert.deepEqual(Object.keys(fields), Object.keys(LISTS["server.listeners"].fields));
  const entry = Object.entries(fields).map(([key, text]) => `${key}: ${text}`).join(", ");
  const env = { WEIR_AUTH_ALLOW_ANONYMOUS: "true" };
  const { listeners } = load(`server: { tcp_addr: "", listeners: [{ ${entry} }] }`, { env });
  assert.deepEqual(listeners, [{
    proxyProtocol: { trustedAddresses: ["10.0.0.0/8"] },
    name: "legacy",
    hostname: "::1",
    port: 1884,
    connectionsMax: 5,
    strictReceiveMaximum: false,
    strictKeepAlive: false,
    protocol: "v3",
    tls: {
      certFile: "c.crt",
      keyFile: "c.key",
      clientAuth: "request",
      caFile: "ca.crt",
      crlFile: "ca.crl",
      minVersion: "1.3",
    },
    webSocket: { path: "/mqtt", allowedOrigins: ["*.example.com"] },
  }]);
});

Deno.test("a listener takes what it does not say from the server", () => {
  const yaml = `
server:
  tcp_max_connections: 9
  strict_keep_alive: false
  listeners: [{ name: second, addr: "127.0.0.1:1884" }]`;
  const [tcp, second] = load(yaml).listeners;
  assert.deepEqual({ ...second, name: "tcp", port: 1883 }, tcp);
  assert.deepEqual([second.connectionsMax, second.strictKeepAlive, second.protocol], [9, false, "auto"]);
});

Deno.test("every field of a user has an effect", () => {
  const { scramUsers, allowAnonymous } = load(`auth: { scram: { users: [${SCRAM_USER}] } }`, { env: RULES }).auth;
  assert.equal(allowAnonymous, false, "users are there, so clients log in");
  const [{ username, salt, iterations, storedKey, serverKey }] = scramUsers;
  assert.deepEqual([username, salt.toBase64(), iterations], ["alice", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096]);
  assert.deepEqual([storedKey.length, serverKey.length], [32, 32]);
});

Deno.test("every field of an access rule has an effect", () => {
  const rules = [
    {
      permission: "allow",
      action: "publish",
      filter: "own/%u/#",
      user: "ann",
      group: "ops",
      client_id: '"dev-*"',
      address: "10.0.0.0/8",
      listener: "tcp",
      anonymous: "false",
      retain: "true",
      max_qos: "1",
    },
  ];
  assert.deepEqual(Object.keys(rules[0]), Object.keys(LISTS["auth.acl"].fields));
  const entry = Object.entries(rules[0]).map(([key, text]) => `${key}: ${text}`).join(", ");
  const { acl } = load(`auth: { acl: [{ ${entry} }, { permission: deny, filter: "#" }] }`).auth;
  assert.deepEqual(acl.otherwise, "deny", "there are rules");
  assert.deepEqual(acl.rules[0], {
    permission: "allow",
    action: "publish",
    filter: "own/%u/#",
    user: "ann",
    group: "ops",
    clientId: "dev-*",
    address: "10.0.0.0/8",
    listener: "tcp",
    anonymous: false,
    retain: true,
    qosMax: 1,
    place: "weir.yaml:1:15",
  });
});
