/** The section `ratelimit` as the broker is handed it. */
import type { RateConfig, RateLimitConfig } from "./config.ts";
import type { Values } from "./schema.ts";

/** Nothing is limited unless the section counts. */
export function buildRateLimits(values: Values): RateLimitConfig {
  const { "ratelimit.action": action, "ratelimit.exempt": exempt } = values;
  const rate = (path: RatePath): RateConfig | undefined => {
    const perSecond = values[`ratelimit.${path}rate`];
    const isOn = values["ratelimit.enabled"] && perSecond > 0;
    return isOn ? { perSecond, burst: values[`ratelimit.${path}burst`] } : undefined;
  };
  const scoped = (kind: "message" | "bytes" | "subscribe") => ({
    client: rate(`${kind}.`),
    address: rate(`${kind}.address_`),
    user: rate(`${kind}.user_`),
  });
  return {
    action,
    exempt,
    connection: { address: rate("connection."), user: rate("connection.user_") },
    message: scoped("message"),
    bytes: scoped("bytes"),
    subscribe: scoped("subscribe"),
  };
}

/** What stands before `rate` and `burst`. */
type RatePath =
  | `${"connection" | "message" | "bytes" | "subscribe"}.${"" | "user_"}`
  | `${"message" | "bytes" | "subscribe"}.address_`;
