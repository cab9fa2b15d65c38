import { setting } from "../setting.ts";
import { addressRanges } from "../list_type.ts";
import { choice, count, flag, fraction, size } from "../value_type.ts";

const SECOND_MAX = 1_000_000_000;

/** Of so many things a second; `at` is what happens beyond it. */
function rate(initial: number, about: string, at?: string) {
  const type = fraction({ from: 0, to: SECOND_MAX });
  return setting({ type, initial, about: `${about}, a second on average; 0 is unlimited.`, atLimit: at });
}

function burst(initial: number, about: string) {
  return setting({ type: count({ from: 1, to: SECOND_MAX }), initial, about: `${about}, at once after a pause.` });
}

/** Of so many bytes a second. */
function byteRate(about: string) {
  const type = size({ from: 0, to: SECOND_MAX });
  return setting({ type, initial: 0, about: `${about}, a second on average; 0 is unlimited.` });
}

function byteBurst(about: string) {
  const type = size({ from: 1024, to: SECOND_MAX });
  return setting({
    type,
    initial: 1024 ** 2,
    about: `${about}, at once after a pause. A larger message is let through after one.`,
  });
}

const REFUSED =
  "CONNACK 0x9F (Connection rate exceeded), in 3.1.1 0x03, before any password is looked at. HTTP: 429 with Retry-After for the first " +
  "request, and the end of the connection. CoAP: 4.29 with Max-Age.";

/** `ratelimit`: how much in which time. */
export const RATELIMIT_SETTINGS = {
  "ratelimit.enabled": setting({
    type: flag(),
    initial: false,
    about: "Whether this section counts. All of it may change at SIGHUP, for who is connected too.",
  }),
  "ratelimit.action": setting<"slow" | "refuse" | "disconnect">({
    type: choice(["slow", "refuse", "disconnect"]),
    initial: "slow",
    about:
      "What becomes of a client that publishes or subscribes more than it may: it is not read for a while; or what is too much is " +
      "refused; or it is disconnected. Over HTTP and CoAP it is always refused.",
    atLimit:
      "`slow`: nothing but the wait. `refuse`: PUBACK, PUBREC and SUBACK 0x97 (Quota exceeded), QoS 0 is dropped and counted; a " +
      "3.1.1 publisher of QoS 1 or 2 is disconnected, since it could not be told. `disconnect`: DISCONNECT 0x96 (Message rate too " +
      "high). HTTP: 429 with Retry-After.",
  }),
  "ratelimit.exempt": setting<readonly string[]>({
    type: addressRanges(),
    initial: [],
    about:
      "Addresses that are not counted, such as those of proxies with many clients behind them. Their clients and users still are.",
  }),
  "ratelimit.connection.rate": rate(
    1.6667,
    "Connections from one address, by MQTT and HTTP together, and clients that authenticate again (AUTH); by CoAP, whose addresses may be anybody's, new endpoints and logins, " +
      "counted apart",
    REFUSED,
  ),
  "ratelimit.connection.burst": burst(20, "Connections from one address"),
  "ratelimit.connection.user_rate": rate(
    0,
    "Connections of one user by MQTT; requests over HTTP and CoAP are none, and limited by what they do",
    "CONNACK 0x9F, in 3.1.1 0x03.",
  ),
  "ratelimit.connection.user_burst": burst(20, "Connections of one user"),
  "ratelimit.message.rate": rate(1000, "Messages by one client"),
  "ratelimit.message.burst": burst(100, "Messages by one client"),
  "ratelimit.message.address_rate": rate(0, "Messages from one address"),
  "ratelimit.message.address_burst": burst(1000, "Messages from one address"),
  "ratelimit.message.user_rate": rate(0, "Messages by one user, under all client ids"),
  "ratelimit.message.user_burst": burst(1000, "Messages by one user, under all client ids"),
  "ratelimit.bytes.rate": byteRate("Bytes of messages published by one client"),
  "ratelimit.bytes.burst": byteBurst("Bytes of messages published by one client"),
  "ratelimit.bytes.address_rate": byteRate("Bytes of messages published from one address"),
  "ratelimit.bytes.address_burst": byteBurst("Bytes of messages published from one address"),
  "ratelimit.bytes.user_rate": byteRate("Bytes of messages published by one user, under all client ids"),
  "ratelimit.bytes.user_burst": byteBurst("Bytes of messages published by one user, under all client ids"),
  "ratelimit.subscribe.rate": rate(
    100,
    "Filters subscribed to by one client, and those with wildcards that retained messages are read by over HTTP",
  ),
  "ratelimit.subscribe.burst": burst(10, "Filters subscribed to by one client"),
  "ratelimit.subscribe.address_rate": rate(0, "Filters subscribed to from one address"),
  "ratelimit.subscribe.address_burst": burst(100, "Filters subscribed to from one address"),
  "ratelimit.subscribe.user_rate": rate(0, "Filters subscribed to by one user, under all client ids"),
  "ratelimit.subscribe.user_burst": burst(100, "Filters subscribed to by one user, under all client ids"),
};
