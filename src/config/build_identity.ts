/** The part of the configuration that tells who a client is. */
import type { ExternalConfig, FailedLoginConfig, JwtConfig } from "./config.ts";
import type { Values } from "./schema.ts";

export function buildFailedLogins(values: Values): FailedLoginConfig {
  return {
    delayMs: Math.min(values["auth.failed_login_delay"], values["server.connect_timeout"] - 1),
    banAfter: values["auth.ban_after"] || Infinity,
    banMs: values["auth.ban_time"],
    banMsMax: Math.max(values["auth.ban_time"], values["auth.ban_time_max"]),
    memoryMs: values["auth.ban_memory"],
    exempt: values["auth.ban_exempt"],
  };
}

/** Undefined without a key. */
export function buildJwt(values: Values): JwtConfig | undefined {
  const keyFile = values["auth.jwt.key_file"] ?? undefined;
  const jwksUrl = values["auth.jwt.jwks_url"] ?? undefined;
  if (keyFile === undefined && jwksUrl === undefined) return undefined;
  return {
    keyFile,
    jwksUrl,
    caFile: values["auth.jwt.ca_file"] ?? undefined,
    jwksMaxAgeMs: values["auth.jwt.jwks_max_age"],
    algorithms: values["auth.jwt.algorithms"],
    issuer: values["auth.jwt.issuer"],
    audience: values["auth.jwt.audience"],
    clockToleranceSeconds: values["auth.jwt.clock_tolerance"] / 1000,
    requireExpiry: values["auth.jwt.require_expiry"],
    usernameClaim: values["auth.jwt.username_claim"],
    groupsClaim: values["auth.jwt.groups_claim"],
    aclClaim: values["auth.jwt.acl_claim"],
    matchUsername: values["auth.jwt.username"] === "match",
  };
}

/** Undefined without an address. */
export function buildExternal(values: Values): ExternalConfig | undefined {
  const url = values["auth.external.url"];
  if (url === null) return undefined;
  return {
    url,
    timeoutMs: values["auth.external.timeout"],
    caFile: values["auth.external.ca_file"] ?? undefined,
    tokenFile: values["auth.external.token_file"] ?? undefined,
    concurrentMax: values["auth.external.max_concurrent"],
    cacheEntriesMax: values["auth.external.identity_cache_size"],
    cacheMs: values["auth.external.identity_cache_ttl"],
    negativeCacheMs: values["auth.external.negative_cache_ttl"],
    allowsCached: values["auth.external.when_down"] === "allow_cached",
    staleMs: values["auth.external.stale_ttl"],
  };
}
