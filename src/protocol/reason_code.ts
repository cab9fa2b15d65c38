import type { Outcome, RefusalCause } from "../core/refusal.ts";
import type { FaultCause } from "../wire/fault.ts";

/** The reason code of each outcome in MQTT 5 (section 2.4). A new cause does not compile until it is mapped. */
export const v5ReasonCode: Record<Outcome, number> = {
  "success": 0x00,
  "no-matching-subscribers": 0x10,
  "no-subscription-existed": 0x11,
  "unspecified-error": 0x80,
  "malformed-packet": 0x81,
  "protocol-error": 0x82,
  "implementation-specific-error": 0x83,
  "unsupported-protocol-version": 0x84,
  "client-identifier-not-valid": 0x85,
  "bad-user-name-or-password": 0x86,
  "not-authorized": 0x87,
  "server-unavailable": 0x88,
  "server-busy": 0x89,
  "banned": 0x8a,
  "server-shutting-down": 0x8b,
  "bad-authentication-method": 0x8c,
  "keep-alive-timeout": 0x8d,
  "session-taken-over": 0x8e,
  "topic-filter-invalid": 0x8f,
  "topic-name-invalid": 0x90,
  "packet-identifier-in-use": 0x91,
  "packet-identifier-not-found": 0x92,
  "receive-maximum-exceeded": 0x93,
  "topic-alias-invalid": 0x94,
  "packet-too-large": 0x95,
  "message-rate-too-high": 0x96,
  "quota-exceeded": 0x97,
  "administrative-action": 0x98,
  "payload-format-invalid": 0x99,
  "retain-not-supported": 0x9a,
  "qos-not-supported": 0x9b,
  "use-another-server": 0x9c,
  "server-moved": 0x9d,
  "shared-subscriptions-not-supported": 0x9e,
  "connection-rate-exceeded": 0x9f,
  "maximum-connect-time": 0xa0,
  "subscription-identifiers-not-supported": 0xa1,
  "wildcard-subscriptions-not-supported": 0xa2,
};

/** The CONNACK return code of 3.1 and 3.1.1 (table 3.1), or undefined where the version has no word for it and the connection is
 * just closed ([MQTT-3.2.2-6] of 3.1.1). */
export function v3ReturnCode(cause: RefusalCause): number | undefined {
  switch (cause) {
    case "unsupported-protocol-version":
      return 1;
    case "client-identifier-not-valid":
      return 2;
    case "server-unavailable":
    case "server-busy":
    case "server-shutting-down":
    case "quota-exceeded":
    case "connection-rate-exceeded":
    case "use-another-server":
    case "server-moved":
      return 3;
    case "bad-user-name-or-password":
      return 4;
    case "not-authorized":
    case "banned":
    case "bad-authentication-method":
    case "topic-name-invalid":
    case "qos-not-supported":
    case "retain-not-supported":
      return 5;
    default:
      return undefined;
  }
}

/** What a fault that the packet reader found is called in the core. */
export const refusalOfFault: Record<FaultCause, RefusalCause> = {
  "malformed-packet": "malformed-packet",
  "protocol-error": "protocol-error",
  "packet-too-large": "packet-too-large",
  "topic-name-invalid": "topic-name-invalid",
  "topic-alias-invalid": "topic-alias-invalid",
  "unsupported-protocol-version": "unsupported-protocol-version",
};
